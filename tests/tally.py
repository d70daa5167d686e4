#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/tally.py [--counts] LOGBASE
#
# What a run of "meson test" came to, by its LOGBASE.json. Prints what was
# skipped, and why; with --counts instead "PASSED FAILED SKIPPED".
#
# Meson calls a GoogleTest program passed of which some or all tests skipped
# themselves. Here, one that did nothing else is skipped; otherwise it is passed
# and each of those tests is one skipped more.
import json
import re
import sys

*options, base = sys.argv[1:]
passed = failed = skipped = 0
lines = []


def gtest_cases(stdout):
    """How many tests ran, and [(name, reason)] of those that were skipped."""
    ran = len(re.findall(r"^\[ RUN      \] ", stdout, re.M))
    without = re.findall(
        r"^\[ RUN      \] (\S+)\n(?:.*Skipped\n(.*)\n)?(?:(?!\[ RUN ).*\n)*?"
        r"\[  SKIPPED \] \1 \(", stdout, re.M)
    return ran, without


for line in open(base + ".json", encoding="utf-8"):
    test = json.loads(line)
    name = test["name"].partition(" / ")[2] or test["name"]
    stdout = test.get("stdout", "")
    if test["result"] == "SKIP":
        skipped += 1
        said = [text for text in stdout.splitlines() if text.strip()]
        lines.append(f"{name}: {said[-1] if said else 'exit status 77'}")
    elif test["result"] not in ("OK", "EXPECTEDFAIL"):
        failed += 1
    else:
        ran, without = gtest_cases(stdout)
        lines += [f"{name}: {case}: {reason or 'no reason given'}"
                  for case, reason in without]
        if ran and len(without) == ran:
            skipped += 1
        else:
            passed += 1
            skipped += len(without)

if "--counts" in options:
    print(passed, failed, skipped)
else:
    for line in lines:
        print("skipped:", line)
