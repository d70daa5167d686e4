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
Usage: tests/bench/run.sh [--runs N] [--seconds N] [--quick | --hour]
                          [--only A,B] [--scenarios A,B] [--viewers A,B]
                          [--results DIR] [--readme FILE] [--no-install]
                          [NAME…]

Measures what is named, or all but the last three:
  latency    camera to screen in Chromium, ours and four peers
  fanout     CPU, memory and threads of the sender for 0 to 32 viewers
  join       offer to first presented frame, with 0, 1 and 8 viewers present
  expiry     end of a booking to the last frame, at the gate and at the viewer
  signaling  the signaling server beside npm socket.io
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
  --hour        what is named, or all but the last three, in an hour: five runs
                or more of each, in the order of their weight
  --only A,B    these senders only
  --scenarios A,B of rate: step, loss, jitter, queue, two (default: all)
  --viewers A,B these numbers of viewers in fanout (default 0,1,2,4,8,16,32)
  --results DIR where JSON, tables and plots go (default tests/bench/results)
  --readme FILE puts the new figures into this file as well (may be repeated):
                where its marks are (report.py)
  --no-install  installs and builds nothing
USAGE
}

# What --hour gives each: minutes on two cores behind it.
hour_order=(latency fanout expiry loss join gate signaling)
declare -A hour=(
  [latency]='--runs 12 --seconds 4'                              # 9
  [fanout]='--runs 5 --seconds 4 --viewers 0,1,2,16,32'          # 12
  [expiry]='--runs 200 --seconds 5'                              # 6
  [loss]='--runs 5 --seconds 5 --only ours,webrtcbin,plain'      # 11
  [join]='--runs 8'                                              # 6
  [gate]=''                                                      # 2
  [signaling]='--runs 5 --seconds 4'                             # 14
)

install=1 in_an_hour='' arguments=() names=() readmes=()
results=$here/results
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install= ;;
    --quick) arguments+=("$1") ;;
    --hour) in_an_hour=1 ;;
    --readme) readmes+=("${2:?"$1 needs a file"}"); shift ;;
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
if [ ${#names[@]} -eq 0 ]; then
  names=("${all[@]}")
  [ -z "$in_an_hour" ] || names=("${hour_order[@]}")
fi
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

# Soak and faults count silence: a viewer whose path goes over an interface that
# another program takes away falls silent for good. As root, a network of its own.
isolated() {
  if [ "$(id -u)" -ne 0 ]; then "$@"; return; fi
  # shellcheck disable=SC2016 # the inner shell's
  unshare --net sh -ec 'ip link set lo up
    ip link add near type veth peer name far
    ip addr add 192.0.2.1/24 dev near
    ip link set near up && ip link set far up
    ip route add default via 192.0.2.2
    exec "$@"' sh "$@"
}

status=0
for name in "${names[@]}"; do
  # What stands on the command line counts: the last of two is taken.
  read -r -a given <<<"${in_an_hour:+${hour[$name]-}}"
  began=$SECONDS
  case $name in
    gate) "$here/gate/run.sh" "${given[@]}" "${arguments[@]}" || status=1 ;;
    soak | faults) isolated node "$here/bench.mjs" "$name" "${given[@]}" \
      "${arguments[@]}" || status=1 ;;
    *) node "$here/bench.mjs" "$name" "${given[@]}" "${arguments[@]}" ||
      status=1 ;;
  esac
  echo "$name took $((SECONDS - began)) s" >&2
done
/usr/bin/python3 "$here/report.py" "$results" "${readmes[@]}" || status=1
exit "$status"
