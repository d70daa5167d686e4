#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs what the tests need, builds, and runs them.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$top/build}
all=(unit elements server interop e2e network)

usage() {
  cat <<USAGE
Usage: tests/run.sh [--quick] [--no-install] [SUITE…]

Builds in \$BUILD_DIR (default: build) and runs the named suites, or all:
  unit      pure C++: sessions, grants, codecs, estimators
  elements  sessiongate and signalingbin under gst-check
  server    the signaling server: rooms, stores, HTTP, hostile sockets
  interop   npm socket.io-client against our server, our robot against npm
            socket.io, protocol conformance
  e2e       real server, real gst-launch-1.0 robot, real Chromium on our page
  network   relays, firewalls, outages in network namespaces (needs root)

  --quick       without e2e, network and without databases that must be started
  --no-install  installs nothing (apt, npm)
Prints "N passed, N failed, N skipped" last; exit status 1 if any failed. A
program of which only some tests were skipped counts as passed, and each of
these tests as skipped; which and why stands above.
Longer work stands in commands of its own: tests/bench/README.md.
USAGE
}

quick= install=1 suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    --no-install) install= ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *)
      [[ " ${all[*]} " == *" $1 "* ]] || {
        echo "tests/run.sh: no suite '$1'; there are: ${all[*]}" >&2
        exit 2
      }
      suites+=("$1") ;;
  esac
  shift
done
if [ ${#suites[@]} -eq 0 ]; then
  suites=("${all[@]}")
  [ -z "$quick" ] || suites=(unit elements server interop)
fi
export ROBOTLIVE_TEST_QUICK=$quick

# What comes before the tests, too, ends with a count.
prepare() {
  "$@" && return
  echo "not ok $*"
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
}
[ -z "$install" ] || prepare "$top/.ci/install-packages" build run test
[ -f "$build/build.ninja" ] || prepare meson setup "$build" "$top"
prepare ninja -C "$build"

passed=0 failed=0 skipped=0 broken=()
declare -A installed=()
tally() { # $1 suite, $2 passed, $3 failed, $4 skipped
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
  [ "$3" -eq 0 ] || broken+=("$1")
}

meson_suite() {
  local log=$build/meson-logs/testlog-$1.json
  rm -f "$log"
  meson test -C "$build" --no-rebuild --print-errorlogs --suite "$1" \
    --logbase "testlog-$1" || true
  [ -f "$log" ] || { tally "$1" 0 1 0; return; }
  "$top/tests/tally.py" "${log%.json}"
  read -r p f s < <("$top/tests/tally.py" --counts "${log%.json}")
  tally "$1" "$p" "$f" "$s"
}

node_suite() {
  local dir=$top/tests/$1 log=$build/node-$1.tap
  # network has the packages of the other two.
  local needs=("$dir") need
  [ "$1" != network ] || needs=("$top/tests/interop" "$top/tests/e2e")
  for need in "${needs[@]}"; do
    if [ -n "$install" ] && [ -z "${installed[$need]:-}" ] &&
      ! (cd "$need" && npm ci --no-audit --no-fund --loglevel=error); then
      echo "not ok npm ci in ${need#"$top"/}: $1 is not run"
      tally "$1" 0 1 0
      return
    fi
    installed[$need]=1
  done
  # One file at a time: they measure, and the machine may have two cores.
  local files=("$dir"/*.test.js "$dir"/*.test.mjs)
  local p=0 f=0 s=0 file
  for file in "${files[@]}"; do
    [ -f "$file" ] || continue
    echo "-- ${file#"$top"/}"
    local fp ff fs status=0
    # None takes a third of that; one that hangs is a failure and not the end.
    BUILD_DIR=$build timeout --kill-after=10 900 node --test "$file" \
      >"$log" 2>&1 || status=$?
    fp=$(sed -nE 's/^[#ℹ] pass ([0-9]+)$/\1/p' "$log" | tail -1)
    ff=$(sed -nE 's/^[#ℹ] (fail|cancelled) ([0-9]+)$/\2/p' "$log" | awk '{n+=$1} END {print n+0}')
    fs=$(sed -nE 's/^[#ℹ] skipped ([0-9]+)$/\1/p' "$log" | tail -1)
    [ -n "$fp" ] || { fp=0 ff=1; }
    [ "$status" -ne 124 ] && [ "$status" -ne 137 ] || {
      echo "not ok ${file#"$top"/} did not end within 15 minutes" >>"$log"
      ff=$((ff + 1))
    }
    grep -E '^ *(ok|not ok|✔|✖|﹣)|# SKIP' "$log" | sed 's/^/   /' || true
    [ "$ff" -eq 0 ] || cat "$log"
    p=$((p + fp)) f=$((f + ff)) s=$((s + ${fs:-0}))
  done
  tally "$1" "$p" "$f" "$s"
}

for suite in "${suites[@]}"; do
  started=$SECONDS
  echo "== $suite"
  case $suite in
    unit | elements | server) meson_suite "$suite" ;;
    interop | e2e | network) node_suite "$suite" ;;
  esac
  echo "== $suite took $((SECONDS - started)) s"
done

[ ${#broken[@]} -eq 0 ] || echo "failed in: ${broken[*]}"
echo "$passed passed, $failed failed, $skipped skipped" |
  tee "$build/test-result.txt"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
