#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fuzzes each target for a bounded time: tests/fuzz/run.sh [SECONDS]
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD_DIR:-$top/build-fuzz}
seconds=${1:-60}
[ -f "$build/build.ninja" ] || CXX=clang++ meson setup "$build" "$top" \
  -Dfuzz=true -Dtests=disabled -Db_lundef=false
ninja -C "$build" fuzz
# Offers that clients wrote, before each of which stands what the robot has.
offers=$build/seeds-offers
mkdir -p "$offers"
for choice in 20 40 41 60 61 62 c0 c1 e0 e1; do
  for file in "$top"/tests/unit/offers/*.sdp; do
    { printf '%b' "\\x$choice"; cat "$file"; } \
      >"$offers/$(basename "$file" .sdp)-$choice"
  done
done
for name in engineio socketio messages websocket http sdpguard viewer grants \
    config; do
  found=$build/corpus-$name # grows; the seeds stay as they are
  mkdir -p "$found"
  seeds=("$top/tests/fuzz/corpus/$name")
  leaks=1
  options=(-rss_limit_mb=1024)
  case $name in
    sdpguard) seeds+=("$offers") ;;
    viewer) # GStreamer holds on to much that it has once made
      seeds=("$top/tests/fuzz/corpus/sdpguard" "$offers")
      leaks=0
      options=(-rss_limit_mb=3072 -detect_leaks=0) ;;
  esac
  ASAN_OPTIONS=detect_leaks=$leaks "$build/tests/fuzz/fuzz-$name" -max_total_time="$seconds" -max_len=8192 \
    -timeout=20 "${options[@]}" -print_final_stats=1 \
    -artifact_prefix="$build/crash-$name-" "$found" "${seeds[@]}"
done
