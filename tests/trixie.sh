#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds and runs the unit, element and server tests on Debian 13 (GStreamer
# 1.26) in a folder of its own. A quarter of an hour the first time. Root.
#   tests/trixie.sh [--packages]
#     --packages: dpkg-buildpackage instead, and the packages installed and
#     tried in the same root.
# ROOT_DIR: where (1.6 GB; default /var/tmp/robotlive-trixie, kept).
# JOBS: compilers at once (default 2).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
root=${ROOT_DIR:-/var/tmp/robotlive-trixie}
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"

debian_root "$root" trixie "$(dpkg --print-architecture)"
copy_sources "$root"
in_root "$root" bash -c 'cd /build/src && .ci/install-packages build run'
test_packages "$root" mariadb-server
in_root "$root" sh -c 'echo "Debian $(cat /etc/debian_version),
  $(gst-launch-1.0 --version | sed -n 2p)"'
if [ "${1:-}" = --packages ]; then
  in_root "$root" sh -ec 'cd /build/src
    apt-get install -y -qq --no-install-recommends dpkg-dev >/dev/null
    apt-get build-dep -y -qq ./ >/dev/null'
  build_packages "$root" src out -b
  install_and_try "$root" "$root"/build/out/*.deb
  exit
fi
in_root "$root" sh -c '[ -e /build/meson/build.ninja ] ||
  meson setup /build/meson /build/src'
in_root "$root" ninja -k 0 -C /build/meson -j"${JOBS:-2}"
run_suites "$root" 2
