#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/network.sh [--quick] [--no-install] [NAME…]
#
# The real server, the real robot and viewers in network namespaces of the
# test's own (tests/network/world.mjs). Needs root; without the right to make
# namespaces each test is skipped and says why. NAMEs, or all but the last two:
#
#   paths      TURN over UDP, TCP and TLS (coturn), a port range, IPv6 alone
#   outage     server killed, silence, NAT rebinding, another address
#   departure  viewers that leave, close, are killed, stop, or are cut off
#   interface  the robot's interfaces come, change and go; two ways, one goes
#   page       the viewer page in Chromium: mDNS candidates, silence, restart
#   guide      nginx, haproxy and ufw as the operator's guide has them
#   narrow     the same behind 0.8, 0.4 and 0.3 Mbit/s: what it says and shows
#   bad        what bad viewers do to a healthy one, as a table (its own run)
#   many       16 viewers of one encoder at 720p30 (its own run)
#
# ROBOTLIVE_DEPARTURES=200 tests/network.sh departure closes as many connections
# without a word; each is to be gone within 5 s.
#
# --quick: silences of 8 s in place of 30 s, as tests/run.sh has them.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export BUILD_DIR=${BUILD_DIR:-$top/build} ROBOTLIVE_TEST_LONG=1
install=1 names=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) unset ROBOTLIVE_TEST_LONG ;;
    --no-install) install= ;;
    -h | --help) sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    paths | outage | departure | interface | page | guide | narrow | bad | many)
      names+=("$1") ;;
    *) "$0" --help >&2; exit 2 ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || names=(paths outage departure interface page guide narrow)

if [ -n "$install" ]; then
  "$top/.ci/install-packages" build run test
  for dir in interop e2e; do
    (cd "$top/tests/$dir" && npm ci --no-audit --no-fund --loglevel=error)
  done
  [ -f "$BUILD_DIR/build.ninja" ] || meson setup "$BUILD_DIR" "$top"
  ninja -C "$BUILD_DIR"
fi
status=0
for name in "${names[@]}"; do
  case $name in
    bad | many) node "$top/tests/network/$name.mjs" || status=1 ;;
    *) node --test --test-reporter=spec "$top/tests/network/$name.test.mjs" ||
      status=1 ;;
  esac
done
exit "$status"
