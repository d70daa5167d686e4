#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/tally.py [--counts] LOGBASE
#
# What a run of "meson test" came to: LOGBASE.json and LOGBASE.junit.xml. Prints
# what was skipped, and why; with --counts instead "PASSED FAILED SKIPPED".
#
# Meson calls a GoogleTest program passed of which some or all tests skipped
# themselves. Here, one that did nothing else is skipped; otherwise it is passed
# and each of those tests is one skipped more.
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

*options, base = sys.argv[1:]
tests = [json.loads(line) for line in pathlib.Path(base + ".json").open()]


def gtest_cases():
    """{name of the program: [its test cases]}"""
    cases = {}
    path = pathlib.Path(base + ".junit.xml")
    if not path.exists():
        return cases
    for suite in ElementTree.parse(path).iter("testsuite"):
        # "project.project:suite / program.TestSuite": GoogleTest's.
        program, dot, _ = suite.get("name", "").partition(" / ")[2].partition(".")
        if dot:
            cases.setdefault(program, []).extend(suite.iter("testcase"))
    return cases


cases = gtest_cases()
passed = failed = skipped = 0
lines = []
for test in tests:
    name = test["name"].partition(" / ")[2] or test["name"]
    result = test["result"]
    if result == "SKIP":
        skipped += 1
        why = [line for line in test.get("stdout", "").splitlines() if line]
        lines.append(f"{name}: {why[-1] if why else 'exit status 77'}")
        continue
    if result not in ("OK", "EXPECTEDFAIL"):
        failed += 1
        continue
    own = cases.get(name, [])
    without = [case for case in own if case.find("skipped") is not None]
    for case in without:
        why = case.find("skipped").get("message", "").strip().splitlines()
        lines.append(f"{name}: {case.get('classname')}.{case.get('name')}: "
                     f"{why[-1] if why else 'skipped'}")
    if own and len(without) == len(own):
        skipped += 1
    else:
        passed += 1
        skipped += len(without)

if "--counts" in options:
    print(passed, failed, skipped)
else:
    for line in lines:
        print("skipped:", line)
