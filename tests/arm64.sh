#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The tests that need no browser on arm64: cross-compiled against a Debian 12
# of that architecture in a folder, and run there under qemu-user. Half an hour
# the first time. Root.
#   tests/arm64.sh [--packages]
#     --packages: the Debian packages instead, built, installed and tried.
# ROOT_DIR: where (1.4 GB; default /var/tmp/robotlive-arm64, kept).
# JOBS: compilers at once (default 2).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
root=${ROOT_DIR:-/var/tmp/robotlive-arm64}
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"

cross=()
if [ "$(dpkg --print-architecture)" != arm64 ]; then
  [ "$(id -u)" -eq 0 ] || cannot "debootstrap and chroot need root"
  cross=(--cross-file "$root.cross")
  host_packages qemu-user-static binfmt-support g++-aarch64-linux-gnu \
    meson ninja-build pkg-config
  mountpoint -q /proc/sys/fs/binfmt_misc ||
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc ||
    cannot "the kernel has no binfmt_misc"
  update-binfmts --enable qemu-aarch64
fi
debian_root "$root" bookworm arm64

# Debian 12 cannot install the arm64 build dependencies beside an amd64 system
# (gobject-introspection), and g++ under emulation takes hours: so the packages
# are built inside, but the compiler of this machine runs there as it is.
native_compiler() {
  local name
  mkdir -p "$root/native" "$root/usr/local/native"
  mountpoint -q "$root/native" || mount --bind / "$root/native"
  mount -o remount,ro,bind "$root/native"
  mkdir -p "$root/lib64"
  ln -sfn /native/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$root/lib64/"
  # Where the cross compiler's libc.so says that libc is.
  mkdir -p "$root/usr/aarch64-linux-gnu"
  ln -sfn ../lib/aarch64-linux-gnu "$root/usr/aarch64-linux-gnu/lib"
  for name in gcc g++ gcc-ar; do
    cat >"$root/usr/local/native/$name" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH=/native/lib/x86_64-linux-gnu:/native/usr/lib/x86_64-linux-gnu
exec /native/usr/bin/aarch64-linux-gnu-$name $([ $name = gcc-ar ] || echo --sysroot=/) "\$@"
WRAPPER
    chmod +x "$root/usr/local/native/$name"
  done
}

if [ "${1:-}" = --packages ]; then
  copy_sources "$root" packages
  in_root "$root" sh -ec 'cd /build/packages
    apt-get install -y -qq --no-install-recommends dpkg-dev >/dev/null
    apt-get build-dep -y -qq ./ >/dev/null'
  if [ ${#cross[@]} -gt 0 ]; then
    native_compiler
    export CC=/usr/local/native/gcc CXX=/usr/local/native/g++
  fi
  status=0
  build_packages "$root" packages out -b || status=$?
  ! mountpoint -q "$root/native" || umount "$root/native"
  [ "$status" -eq 0 ] || exit "$status"
  install_and_try "$root" "$root"/build/out/*.deb
  exit
fi

copy_sources "$root"
in_root "$root" bash -c 'cd /build/src && .ci/install-packages build run'
if [ ${#cross[@]} -gt 0 ]; then
  # Under qemu-user MariaDB takes all the machine's memory.
  test_packages "$root"
else
  test_packages "$root" mariadb-server
fi
if [ ${#cross[@]} -gt 0 ]; then
  # The compiler runs here, headers and libraries are the root's.
  ccache=
  command -v ccache >/dev/null && ccache="'ccache', "
  cat >"$root.cross" <<CROSS
[binaries]
c = [$ccache'aarch64-linux-gnu-gcc']
cpp = [$ccache'aarch64-linux-gnu-g++']
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
mkdir -p "$root$root" && ln -sfn /build "$root$root/build" &&
  ln -sfn /usr "$root$root/usr"
[ -e "$root/build/meson/build.ninja" ] ||
  meson setup "${cross[@]}" "$root/build/meson" "$root/build/src"
ninja -C "$root/build/meson" -j"${JOBS:-2}"
if [ ${#cross[@]} -gt 0 ]; then
  # qemu-user does not pass TCP_INFO on, by which the client bounds fragments.
  export GTEST_FILTER='-ClientFaults.EndlessFragmentsEndTheConnection'
  echo "Left out, as emulation cannot do it: ${GTEST_FILTER#-}"
fi
run_suites "$root" 10
