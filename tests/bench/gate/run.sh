#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the open gate costs per buffer, beside valve, identity and a bare link of
# pads in the same process and run, and what an encoder behind a shut gate costs:
# tables on stdout, RESULTS/gate.json, gate-idle.json and gate.md. Exit status 1
# when the gate costs 1 µs or more, or the shut one leaves the encoder work.
#   tests/bench/gate/run.sh [--quick] [--results DIR]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
build=${BUILD_DIR:-$top/build}
results=$top/tests/bench/results buffers=200000 rounds=15 idle_rounds=5
while [ $# -gt 0 ]; do
  case $1 in
    --quick) buffers=20000 rounds=3 idle_rounds=1 ;;
    --results) results=${2:?"$1 needs a folder"}; shift ;;
    --runs) rounds=${2:?"$1 needs a number"}; shift ;;
    --seconds | --only | --viewers) shift ;; # of the other benchmarks
    *) sed -n 4,9p "$0" | cut -c3- >&2; exit 2 ;;
  esac
  shift
done
[ -f "$build/build.ninja" ] || meson setup "$build" "$top"
ninja -C "$build" gst/libgstrobotlive.so >&2
for name in gate idle; do
  # shellcheck disable=SC2046 # a list of options
  g++ -O2 -std=c++17 "$here/$name.cpp" -o "$build/bench-$name" \
    $(pkg-config --cflags --libs gstreamer-1.0)
done
mkdir -p "$results"
status=0
export GST_PLUGIN_PATH_1_0=$build/gst
export GST_REGISTRY_1_0=$build/bench-gate.registry
"$build/bench-gate" "$buffers" "$rounds" >"$results/gate.json" || status=$?
"$build/bench-idle" 5 "$idle_rounds" >"$results/gate-idle.json" || status=$?
/usr/bin/python3 - "$results" "$top" <<'PYTHON'
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

folder = pathlib.Path(sys.argv[1])
data = json.loads((folder / "gate.json").read_text())
lines = [
    f"Nanoseconds per buffer: median (least–most) of {data['rounds']} rounds "
    f"of {data['buffers']} buffers, and the median over a bare link.", "",
    "| element | per buffer | over a bare link |", "| --- | --- | --- |"]
for row in data["results"]:
    lines.append(f"| {row['name']} | {row['median']} ({row['min']}–{row['max']})"
                 f" | {row['over_bare']} |")
idle = json.loads((folder / "gate-idle.json").read_text())
lines += [
    "", f"CPU time in ms for a second of 1280x720 at 30/s: median (least–most) of "
    f"{idle['rounds']} rounds of {idle['seconds']} s.", "",
    "| pipeline | ms a second |", "| --- | --- |"]
for row in idle["results"]:
    lines.append(f"| {row['name']} | {row['median']} ({row['min']}–{row['max']}) |")
cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=sys.argv[2],
                        capture_output=True, text=True).stdout.strip()
date = datetime.date.today().isoformat()
data |= {"date": date, "command": "tests/bench/run.sh gate"}
(folder / "gate.json").write_text(json.dumps(data, indent=1) + "\n")
lines += ["", f"{date}, {os.cpu_count()} cores {cpu[1] if cpu else '?'}, "
          f"Linux {os.uname().release}, load after {os.getloadavg()[0]:.2f}: "
          f"`{data['command']}`, commit {commit or None}."]
text = "\n".join(lines) + "\n"
(folder / "gate.md").write_text(text)
print(text, end="")
PYTHON
exit "$status"
