#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/joins.sh [ROUNDS]     (1000; about as many times 0.2 s)
#
# Viewers that join and leave signalingbin, also with offers half done and while
# the pipeline goes to NULL: threads, descriptors and memory are back where they
# were. tests/run.sh does 30 rounds of the same.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$top/build}
[ -f "$build/build.ninja" ] || meson setup "$build" "$top"
ninja -C "$build" tests/elements/test-signalingbinjoins
export ROBOTLIVE_JOINS=${1:-1000}
ulimit -c unlimited || true
run=(meson test -C "$build" --no-rebuild --verbose --timeout-multiplier 20
  signalingbinjoins)
# In a network of its own: a viewer whose path went over an interface that
# another program takes away in that moment sees nothing, and rightly so.
network='ip link set lo up && ip link add v0 type veth peer name v1 &&
  ip addr add 192.0.2.1/24 dev v0 && ip link set v1 up && ip link set v0 up'
if unshare -rn sh -c "$network" 2>/dev/null; then
  run=(unshare -rn sh -c "$network && exec \"\$@\"" sh "${run[@]}")
fi
"${run[@]}"
