#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The webcam pipelines against the kernel's own virtual cameras: boots Debian's
# kernel under qemu (emulated, so no KVM is needed) with this machine's root
# folder, read-only, as its own, and the module vivid. Four to six minutes.
# Needs root (or sudo) only to install packages.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$top/build}
work=${WORK_DIR:-$build/v4l2}

cannot() {
  echo "tests/v4l2.sh does not run here: $*" >&2
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}
# shellcheck source=tests/lib-guest.sh
. "$top/tests/lib-guest.sh"

[ "$(dpkg --print-architecture)" = amd64 ] || cannot "the guest is amd64"
program=$build/pipelines/robotlive-run-pipeline
[ -x "$program" ] || { echo "build first: $program is missing" >&2; exit 2; }
guest_packages v4l-utils gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly \
  gstreamer1.0-tools
guest_kernel "$work"
# It finds the root folder over 9p and goes on there.
guest_initrd "$work" <<INIT
\$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 root /root ||
  { echo 'guest: no root folder'; \$b poweroff -f; }
\$b mount -t devtmpfs dev /root/dev
\$b mount -t proc proc /root/proc
\$b mount -t sysfs sys /root/sys
\$b mount -t tmpfs run /root/run
exec \$b chroot /root /bin/bash $top/tests/v4l2-guest.sh $work $program \
  $top/pipelines
INIT
guest_run "$work" / "${SECONDS_MAX:-1200}" 1536
