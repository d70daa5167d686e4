#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The installed packages under a real systemd: boots Debian 12 with its own
# kernel under qemu (emulated) in a folder that has the packages, with the
# kernel's virtual camera, and looks after robotlive@robot and
# robotlive-signaling as an owner would see them. Ten minutes. Root.
#   tests/service.sh [PACKAGES-FOLDER]
# PACKAGES-FOLDER: default what tests/packages.sh built. BASE: a tar of a bare
# Debian 12; default that script's. ROOT_DIR: where the Debian with the packages
# is made (default /var/tmp/robotlive-service, kept; 1 GB).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
packages=${1:-/var/tmp/robotlive-packages/build/out}
base=${BASE:-/var/tmp/robotlive-packages.tar}
root=${ROOT_DIR:-/var/tmp/robotlive-service}
work=$root.work
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"
# shellcheck source=tests/lib-guest.sh
. "$top/tests/lib-guest.sh"

[ "$(dpkg --print-architecture)" = amd64 ] || cannot "the guest is amd64"
[ "$(id -u)" -eq 0 ] || cannot "chroot needs root"
for file in "$base" "$packages"/robotlive-robot_*.deb; do
  [ -e "$file" ] || cannot "there is no $file: tests/packages.sh build"
done
guest_packages
guest_kernel "$work"

if [ ! -e "$root/.complete" ]; then
  mkdir -p "$root"
  tar -C "$root" -xf "$base"
  touch "$root/.complete"
fi
debian_root "$root" bookworm amd64
rm -rf "$root/build/debs"
mkdir -p "$root/build/debs"
cp "$packages"/*.deb "$root/build/debs/"
rm -f "$root"/build/debs/*-dbgsym_* "$root"/build/debs/*-d{ev,oc}_*
in_root "$root" sh -ec 'apt-get update -qq
  apt-get install -y -qq --no-install-recommends systemd systemd-sysv udev \
    kmod v4l-utils curl procps gstreamer1.0-plugins-ugly >/dev/null
  apt-get install -y -qq --no-install-recommends --reinstall \
    /build/debs/*.deb >/dev/null'
leave_root "$root"
rm -rf "$root/lib/modules"
mkdir -p "$root/lib/modules"
cp -r "$work/kernel/lib/modules/$version" "$root/lib/modules/"
install -m 0755 "$top"/tests/{service-guest,guest}.sh "$root/usr/local/bin/"
cat >"$root/etc/systemd/system/guest-test.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/local/bin/service-guest.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStopPost=-/bin/systemctl poweroff --force
[Install]
WantedBy=default.target
UNIT
in_root "$root" sh -ec 'systemctl -q enable guest-test.service
  systemctl -q set-default multi-user.target
  systemctl -q mask serial-getty@ttyS0.service getty@tty1.service \
    systemd-networkd-wait-online.service apt-daily.timer'

# The folder stays as it is: what the guest writes is in memory.
guest_initrd "$work" overlay <<'INIT'
$b mkdir -p /lower /upper
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose root /lower ||
  { echo 'guest: no root folder'; $b poweroff -f; }
$b mount -t tmpfs -o size=1g upper /upper
$b mkdir /upper/data /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root
exec $b switch_root /root /sbin/init
INIT
guest_run "$work" "$root" "${SECONDS_MAX:-2400}" 2048
