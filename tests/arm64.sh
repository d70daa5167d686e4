#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The tests that need no browser on arm64: cross-compiled against a Debian 12
# of that architecture in a folder, and run there under qemu-user. Half an hour
# the first time. Root.
#   tests/arm64.sh [--packages]
#     --packages: builds the Debian packages too, inside and emulated (an hour)
# ROOT_DIR: where (1.4 GB; default /var/tmp/robotlive-arm64, kept).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
root=${ROOT_DIR:-/var/tmp/robotlive-arm64}
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"

cross=()
if [ "$(dpkg --print-architecture)" != arm64 ]; then
  [ "$(id -u)" -eq 0 ] || cannot "debootstrap and chroot need root"
  cross=(--cross-file "$root.cross")
  for package in qemu-user-static binfmt-support g++-aarch64-linux-gnu \
    meson ninja-build pkg-config; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == \
      installed ]] ||
      apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
      cannot "there is no $package"
  done
  mountpoint -q /proc/sys/fs/binfmt_misc ||
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc ||
    cannot "the kernel has no binfmt_misc"
  update-binfmts --enable qemu-aarch64
fi
debian_root "$root" bookworm arm64
copy_sources "$root"
in_root "$root" bash -c 'cd /src && .ci/install-packages build run &&
  apt-get install -y -qq --no-install-recommends libgtest-dev openssl \
    iproute2 procps >/dev/null'
if [ ${#cross[@]} -gt 0 ]; then
  # The compiler runs here, headers and libraries are the root's.
  cat >"$root.cross" <<CROSS
[binaries]
c = 'aarch64-linux-gnu-gcc'
cpp = 'aarch64-linux-gnu-g++'
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
[built-in options]
c_args = ['--sysroot=$root']
cpp_args = ['--sysroot=$root']
c_link_args = ['--sysroot=$root']
cpp_link_args = ['--sysroot=$root']
[properties]
sys_root = '$root'
pkg_config_libdir = '$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig'
boost_root = '$root/usr'
needs_exe_wrapper = false
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
CROSS
fi
# Inside and outside the sources and the build have the same name, so that
# what the tests have compiled in is right in both.
mkdir -p "$root$root" && ln -sfn /src "$root$root/src" &&
  ln -sfn /build "$root$root/build"
[ -e "$root/build/build.ninja" ] ||
  meson setup "${cross[@]}" "$root/build" "$root/src"
ninja -C "$root/build" -j"${JOBS:-2}"
if [ "${1:-}" = --packages ]; then
  in_root "$root" sh -c 'cd /src && apt-get install -y -qq dpkg-dev debhelper \
      >/dev/null && apt-get build-dep -y -qq ./ >/dev/null &&
    DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc -b'
fi
run_suites "$root" build 10
