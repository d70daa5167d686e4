#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Figures of gst-robotlive with its peers beside it: see README.md here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export BUILD_DIR=${BUILD_DIR:-$top/build}
all=(latency fanout join expiry signaling gate loss)
long=(rate soak faults)

usage() {
  cat <<USAGE
Usage: tests/bench/run.sh [--runs N] [--seconds N] [--quick] [--only A,B]
                          [--scenarios A,B] [--results DIR] [--no-install]
                          [NAME…]

Measures what is named, or all but the last three:
  latency    camera to screen in Chromium, ours and four peers
  fanout     CPU, memory and threads of the sender for 0 to 32 viewers
  join       offer to first presented frame, with 0, 1 and 8 viewers present
  expiry     end of a booking to the last frame, at the gate and at the viewer
  signaling  the signalling server beside npm socket.io
  gate       sessiongate beside valve, identity and a bare pad
  loss       frozen time, fps and latency under loss, jitter and a narrow link
             (needs root: makes a network namespace)
  rate       rate control on paths that are narrow, lossy or jittery, ours with
             and without, and three peers (needs root, as loss)
  soak       joins, leaves, expiries and restarts for --seconds (default 3600)
  faults     each part killed, stopped or cut off while four viewers watch

  --runs N      rounds of each measurement (default: 6 or as its table says)
  --seconds N   length of one measurement in a round
  --quick       one short round: does it work? Its figures mean nothing
  --only A,B    these senders only
  --scenarios A,B of rate: step, loss, jitter, queue, two (default: all)
  --viewers A,B these numbers of viewers in fanout (default 0,1,2,4,8,16,32)
  --results DIR where JSON, tables and plots go (default tests/bench/results)
  --no-install  installs and builds nothing
USAGE
}

install=1 arguments=() names=()
results=$here/results
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install= ;;
    --quick) arguments+=("$1") ;;
    --results) results=${2:?"$1 needs a folder"}; shift ;;
    --runs | --seconds | --only | --viewers | --scenarios)
      arguments+=("$1" "${2:?"$1 needs a value"}"); shift ;;
    -h | --help) usage; exit 0 ;;
    *)
      [[ " ${all[*]} ${long[*]} " == *" $1 "* ]] || { usage >&2; exit 2; }
      names+=("$1") ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
arguments+=(--results "$results")

if [ -n "$install" ]; then
  "$top/.ci/install-packages" build run test bench
  (cd "$here" && npm ci --no-audit --no-fund --loglevel=error)
  [ -f "$BUILD_DIR/build.ninja" ] || meson setup "$BUILD_DIR" "$top"
  ninja -C "$BUILD_DIR"
  [ -f "$BUILD_DIR/bench/build.ninja" ] ||
    meson setup "$BUILD_DIR/bench" "$here"
  ninja -C "$BUILD_DIR/bench"
fi
mkdir -p "$results"

# A busy machine makes figures of the others' work.
read -r load _ </proc/loadavg
awk -v now="$load" 'BEGIN { exit !(now > 0.7) }' &&
  echo "Note: the load is $load; for figures that count, wait for a quiet machine." >&2

status=0
for name in "${names[@]}"; do
  case $name in
    gate) "$here/gate/run.sh" "${arguments[@]}" || status=1 ;;
    *) node "$here/bench.mjs" "$name" "${arguments[@]}" || status=1 ;;
  esac
done
/usr/bin/python3 "$here/report.py" "$results" || status=1
exit "$status"
