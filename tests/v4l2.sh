#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The webcam pipelines against the kernel's own virtual cameras: boots Debian's
# kernel under qemu (emulated, so no KVM is needed) with this machine's root
# folder, read-only, as its own, and the module vivid. Four to six minutes.
# Needs root (or sudo) only to install packages.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$top/build}
work=${WORK_DIR:-$build/v4l2}
seconds=${SECONDS_MAX:-1200}

cannot() {
  echo "tests/v4l2.sh does not run here: $*" >&2
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

[ "$(dpkg --print-architecture)" = amd64 ] || cannot "the guest is amd64"
program=$build/pipelines/robotlive-run-pipeline
[ -x "$program" ] || { echo "build first: $program is missing" >&2; exit 2; }
needed=(qemu-system-x86 busybox-static v4l-utils kmod cpio
  gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-tools)
missing=()
for package in "${needed[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == \
    installed ]] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] || cannot "install ${missing[*]}"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    cannot "these cannot be installed: ${missing[*]}"
fi

# Debian's kernel, unpacked and not installed.
mkdir -p "$work"
if [ ! -e "$work/kernel/done" ]; then
  image=$(apt-cache depends linux-image-amd64 |
    sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$image" ] || cannot "apt knows no kernel"
  (cd "$work" && rm -f linux-image-*.deb &&
    apt-get download -qq -o APT::Sandbox::User=root "$image") ||
    cannot "$image cannot be fetched"
  dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
  touch "$work/kernel/done"
fi
version=$(basename "$work"/kernel/lib/modules/*)
depmod -b "$work/kernel" "$version"

# An initramfs that finds the root folder over 9p and goes on there.
initramfs=$work/initramfs
rm -rf "$initramfs"
mkdir -p "$initramfs"/{bin,modules,root,proc,sys,dev}
cp /bin/busybox "$initramfs/bin/"
modules=()
for module in virtio_pci 9pnet_virtio 9p; do
  while read -r kind file _; do
    [ "$kind" = insmod ] || continue
    name=$(basename "$file")
    [ -e "$initramfs/modules/$name" ] && continue
    cp "$file" "$initramfs/modules/"
    modules+=("$name")
  done < <(modprobe -d "$work/kernel" -S "$version" --show-depends "$module")
done
{
  echo '#!/bin/busybox sh'
  for name in "${modules[@]}"; do echo "/bin/busybox insmod /modules/$name"; done
  cat <<INIT
b=/bin/busybox
\$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 root /root ||
  { echo 'guest: no root folder'; \$b poweroff -f; }
\$b mount -t devtmpfs dev /root/dev
\$b mount -t proc proc /root/proc
\$b mount -t sysfs sys /root/sys
\$b mount -t tmpfs run /root/run
exec \$b chroot /root /bin/bash $top/tests/v4l2-guest.sh $work $program \
  $top/pipelines
INIT
} > "$initramfs/init"
chmod +x "$initramfs/init"
(cd "$initramfs" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd"

log=$work/guest.log
timeout "$seconds" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -smp 2 \
  -m 1536 -nodefaults -display none -no-reboot -serial "file:$log" \
  -kernel "$work/kernel/boot/vmlinuz-$version" -initrd "$work/initrd" \
  -append "console=ttyS0 quiet panic=-1" \
  -virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap" ||
  echo "qemu ended with $?" >&2
tr -d '\r' < "$log" | grep -aE '^(ok|not ok|#)' || true
passed=$(grep -ac '^ok ' "$log" || true)
failed=$(grep -ac '^not ok ' "$log" || true)
if ! grep -aq '^# end' "$log"; then
  echo "the guest did not reach its end; see $log" >&2
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
