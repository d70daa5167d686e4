#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fuzzes each target for a bounded time: tests/fuzz/run.sh [SECONDS]
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD_DIR:-$top/build-fuzz}
seconds=${1:-60}
[ -f "$build/build.ninja" ] || CXX=clang++ meson setup "$build" "$top" \
  -Dfuzz=true -Dtests=disabled -Dplugin=disabled -Dserver=disabled \
  -Db_lundef=false
ninja -C "$build"
for name in engineio socketio messages websocket http sdpguard grants config; do
  found=$build/corpus-$name # grows; the seeds stay as they are
  mkdir -p "$found"
  "$build/tests/fuzz/fuzz-$name" -max_total_time="$seconds" -max_len=8192 \
    -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$build/crash-$name-" "$found" "$top/tests/fuzz/corpus/$name"
done
