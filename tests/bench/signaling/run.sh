#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/bench/signaling/run.sh [--runs N] [--seconds N] [--quick]
#                                [--only ours|node] [--results DIR]
#
# The signaling server beside the official Node server, without the rest of
# the benchmarks and what they need: builds server and load, installs socket.io.
set -euo pipefail
bench=$(cd "$(dirname "$0")/.." && pwd)
top=$(cd "$bench/../.." && pwd)
export BUILD_DIR=${BUILD_DIR:-$top/build}
if [ ! -f "$BUILD_DIR/build.ninja" ]; then
  "$top/.ci/install-packages" build
  meson setup "$BUILD_DIR" "$top"
fi
ninja -C "$BUILD_DIR" signaling/server/robotlive-signaling
mkdir -p "$BUILD_DIR/bench"
${CXX:-c++} -std=c++17 -O2 -I"$top/signaling" "$bench/signaling/load.cpp" \
  "$top/signaling/server/net/socketbio.cpp" \
  -o "$BUILD_DIR/bench/signaling-load" -lssl -lcrypto
[ -d "$bench/node_modules/socket.io" ] ||
  (cd "$bench" && npm ci --no-audit --no-fund --loglevel=error)
node "$bench/bench.mjs" signaling "$@"
