# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What tests/v4l2.sh and tests/service.sh share: Debian's own kernel under qemu,
# emulated (no KVM is needed), with a folder of this machine as its root.
PATH=$PATH:/usr/sbin:/sbin

# guest_packages NAME…: installs what of them this machine lacks.
guest_packages() {
  local package missing=()
  for package in qemu-system-x86 busybox-static kmod cpio "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == \
      installed ]] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" -eq 0 ] || cannot "install ${missing[*]}"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    cannot "these cannot be installed: ${missing[*]}"
}

# guest_kernel WORK: Debian's kernel, unpacked and not installed, in
# WORK/kernel; its version in $version.
guest_kernel() {
  local work=$1 image
  mkdir -p "$work"
  if [ ! -e "$work/kernel/done" ]; then
    image=$(apt-cache depends linux-image-amd64 |
      sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$image" ] || cannot "apt knows no kernel"
    (cd "$work" && rm -f linux-image-*.deb &&
      apt-get download -qq -o APT::Sandbox::User=root "$image") ||
      cannot "$image cannot be fetched"
    dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
    touch "$work/kernel/done"
  fi
  version=$(basename "$work"/kernel/lib/modules/*)
  depmod -b "$work/kernel" "$version"
}

# guest_initrd WORK MODULE… <INIT: an initramfs that loads 9p and the modules
# and goes on with the lines of standard input. $b is busybox.
guest_initrd() {
  local work=$1 module kind file name modules=()
  shift
  local initramfs=$work/initramfs
  rm -rf "$initramfs"
  mkdir -p "$initramfs"/{bin,modules,root,proc,sys,dev}
  cp /bin/busybox "$initramfs/bin/"
  for module in virtio_pci 9pnet_virtio 9p "$@"; do
    while read -r kind file _; do
      [ "$kind" = insmod ] || continue
      name=$(basename "$file")
      [ ! -e "$initramfs/modules/$name" ] || continue
      cp "$file" "$initramfs/modules/"
      modules+=("$name")
    done < <(modprobe -d "$work/kernel" -S "$version" --show-depends "$module")
  done
  {
    echo '#!/bin/busybox sh'
    echo 'b=/bin/busybox'
    for name in "${modules[@]}"; do echo "\$b insmod /modules/$name"; done
    cat
  } >"$initramfs/init"
  chmod +x "$initramfs/init"
  (cd "$initramfs" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"
}

# guest_run WORK FOLDER SECONDS MEMORY: boots it with FOLDER, read-only, under
# the tag "root"; prints what it said and the closing line.
# no_timer_check: on a busy machine the kernel would count too few ticks while it
# boots, and panic.
guest_run() {
  local work=$1 folder=$2 seconds=$3 memory=$4 log=$1/guest.log passed failed
  timeout "$seconds" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -smp 2 \
    -m "$memory" -nodefaults -display none -no-reboot -serial "file:$log" \
    -kernel "$work/kernel/boot/vmlinuz-$version" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 no_timer_check systemd.show_status=false" \
    -virtfs "local,path=$folder,mount_tag=root,security_model=none,readonly=on,multidevs=remap" ||
    echo "qemu ended with $?" >&2
  tr -d '\r' <"$log" | grep -aE '^(ok|not ok|#)' || true
  passed=$(grep -ac '^ok ' "$log" || true)
  failed=$(grep -ac '^not ok ' "$log" || true)
  if ! grep -aq '^# end' "$log"; then
    echo "the guest did not reach its end; see $log" >&2
    failed=$((failed + 1))
  fi
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
