#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds under a sanitizer and runs the unit, element and server tests there:
# whatever is reported is ours.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat <<USAGE
Usage: tests/sanitize.sh [--no-install] [address|undefined|thread|valgrind]…
                         [-- TEST…]

Without an argument: all four (address and undefined are one build). TEST names
meson tests (default: suites unit, elements and server). Builds in
build-address-undefined, build-thread and build. What is excused, and why,
stands in tests/tsan.supp and tests/valgrind.supp.
Leaks are the business of the leaks tracer (the tests *-leaks) and of valgrind:
LeakSanitizer cannot tell GLib's one block from ours.
USAGE
}

modes=() install=1
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    address | undefined | thread | valgrind) modes+=("$1") ;;
    --no-install) install= ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[ "${1-}" != -- ] || shift
[ ${#modes[@]} -gt 0 ] || modes=(address thread valgrind)
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(--suite unit --suite elements --suite server)

[ -z "$install" ] || "$top/.ci/install-packages" build run test sanitize

# Everything is slower here, libcheck's own limits included.
export CK_TIMEOUT_MULTIPLIER=10

build_and_test() { # $1 folder, $2 sanitizer
  # SOCI hides the type information that the check of vptr wants.
  [ -f "$1/build.ninja" ] || meson setup "$1" "$top" -Db_sanitize="$2" \
    -Db_lundef=false -Dcpp_args=-fno-sanitize=vptr
  ninja -j"${JOBS:-2}" -C "$1"
  meson test -C "$1" --no-rebuild --print-errorlogs --timeout-multiplier 10 \
    "${tests[@]}"
}

for mode in "${modes[@]}"; do
  echo "== $mode"
  case $mode in
    address | undefined)
      export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:strict_string_checks=1
      export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
      build_and_test "$top/build-address-undefined" address,undefined
      ;;
    thread)
      # GLib and GStreamer are not instrumented: what they do is not judged.
      export TSAN_OPTIONS=ignore_noninstrumented_modules=1:exitcode=66
      export TSAN_OPTIONS=$TSAN_OPTIONS:suppressions=$top/tests/tsan.supp
      build_and_test "$top/build-thread" thread
      ;;
    valgrind)
      [ -f "$top/build/build.ninja" ] || meson setup "$top/build" "$top"
      ninja -j"${JOBS:-2}" -C "$top/build"
      # Without forks: valgrind then sees the tests themselves.
      CK_FORK=no G_DEBUG=gc-friendly meson test -C "$top/build" --no-rebuild \
        --print-errorlogs --timeout-multiplier 40 \
        --wrapper "valgrind --quiet --error-exitcode=1 --leak-check=full \
          --show-leak-kinds=definite --errors-for-leak-kinds=definite \
          --suppressions=/usr/share/glib-2.0/valgrind/glib.supp \
          --suppressions=$top/tests/valgrind.supp" \
        sessiongate sessiongate-grant sessiongate-states sessiongate-passes \
        sessiongate-chain session gatecore
      ;;
  esac
done
