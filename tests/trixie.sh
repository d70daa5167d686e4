#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds and runs the unit, element and server tests on Debian 13 (GStreamer
# 1.26) in a folder of its own. A quarter of an hour the first time. Root.
#   tests/trixie.sh [--packages]     --packages: dpkg-buildpackage as well
# ROOT_DIR: where (1.6 GB; default /var/tmp/robotlive-trixie, kept).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
root=${ROOT_DIR:-/var/tmp/robotlive-trixie}
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"

debian_root "$root" trixie "$(dpkg --print-architecture)"
copy_sources "$root"
in_root "$root" bash -c 'cd /src && .ci/install-packages build run &&
  apt-get install -y -qq --no-install-recommends libgtest-dev openssl \
    iproute2 procps >/dev/null'
in_root "$root" sh -c 'echo "Debian $(cat /etc/debian_version),
  $(gst-launch-1.0 --version | sed -n 2p)"'
in_root "$root" sh -c '[ -e /build/build.ninja ] || meson setup /build /src'
in_root "$root" ninja -C /build -j"${JOBS:-2}"
if [ "${1:-}" = --packages ]; then
  in_root "$root" sh -c 'cd /src && apt-get install -y -qq dpkg-dev debhelper \
      >/dev/null && apt-get build-dep -y -qq ./ >/dev/null &&
    DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc -b'
fi
run_suites "$root" build 2
