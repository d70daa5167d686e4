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
meson test -C "$build" --no-rebuild --verbose --timeout-multiplier 20 \
  signalingbinjoins
