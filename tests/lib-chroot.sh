# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What tests/trixie.sh, tests/arm64.sh and tests/packages.sh share: a Debian in
# a folder, with sources in its /build/src and a build in /build/meson.

cannot() {
  echo "$(basename "$0") does not run here: $*" >&2
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

# host_packages NAME...: installs what of them this machine lacks.
host_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed ||
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "$package" >/dev/null ||
      cannot "there is no $package"
  done
}

# debian_root FOLDER SUITE ARCHITECTURE: makes it unless it is there.
debian_root() {
  local root=$1 suite=$2 architecture=$3
  [ "$(id -u)" -eq 0 ] || cannot "debootstrap and chroot need root"
  host_packages debootstrap
  if [ ! -e "$root/.complete" ]; then
    mkdir -p "$root"
    # From where this machine gets its own packages.
    local mirror=${DEBIAN_MIRROR:-$(apt-get indextargets \
      --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
    debootstrap --variant=minbase --arch="$architecture" "$suite" "$root" \
      "$mirror" >"$root.log" 2>&1 ||
      cannot "debootstrap failed: $(tail -n 1 "$root.log")"
    touch "$root/.complete"
  fi
  mkdir -p "$root/build"
  [ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
  # The folder alone, so that unmounting it leaves this machine's /dev alone.
  mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
  mountpoint -q "$root/dev/shm" ||
    mount -t tmpfs -o size=256m shm "$root/dev/shm"
  mountpoint -q "$root/dev/pts" || mount --bind /dev/pts "$root/dev/pts"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  [ -e "$root/etc/hosts" ] || echo "127.0.0.1 localhost" >"$root/etc/hosts"
}

# What debian_root mounted, away again.
leave_root() { # FOLDER
  local mounted
  for mounted in dev/pts dev/shm dev proc; do
    ! mountpoint -q "$1/$mounted" || umount "$1/$mounted"
  done
}

# The sources, as far as git knows them, into the root's /build/src (or $2).
# What is the same keeps its time, so that only what changed is built again.
copy_sources() {
  local target=$1/build/${2:-src} staged
  host_packages rsync
  staged=$(mktemp -d)
  git -C "$top" ls-files -z | tar -C "$top" --null -T - -c | tar -C "$staged" -x
  mkdir -p "$target"
  rsync -rlp --checksum --delete "$staged/" "$target/"
  rm -rf "$staged"
}

in_root() { # FOLDER COMMAND…
  local root=$1
  shift
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# What the tests need besides what building and running need, and PACKAGEs. The
# servers among them are not started: the tests start their own.
test_packages() { # FOLDER PACKAGE…
  local root=$1
  shift
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  in_root "$root" apt-get install -y -qq --no-install-recommends libgtest-dev \
    libgstrtspserver-1.0-dev openssl iproute2 procps python3-gi \
    gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 postgresql coturn \
    "$@" >/dev/null
}

# Builds the packages of the root's /build/$2 into its /build/$3, with what
# more dpkg-buildpackage is told.
build_packages() { # FOLDER SOURCES OUT OPTION…
  local root=$1 sources=$2 out=$3
  shift 3
  rm -rf "$root/build/$out"
  mkdir "$root/build/$out"
  in_root "$root" env ${CC:+CC="$CC"} ${CXX:+CXX="$CXX"} \
    DEB_BUILD_OPTIONS="parallel=${JOBS:-2} ${BUILD_OPTIONS-nocheck}" \
    sh -ec 'cd "/build/$1"; out=$2; shift 2
      dpkg-buildpackage -us -uc "$@" >"/build/$out/log" 2>&1 || {
        tail -n 60 "/build/$out/log"; exit 1; }
      find /build -maxdepth 1 -type f \( -name "*.deb" -o \
        -name "gst-robotlive_*" \) -exec mv -t "/build/$out" {} +' \
    build "$sources" "$out" "$@"
  ls -l "$root/build/$out"
}

# Installs the packages in the root, as an owner would, and runs the
# autopkgtests that need no browser.
install_and_try() { # FOLDER DEB…
  local root=$1 try
  shift
  copy_sources "$root"
  rm -rf "$root/build/try"
  mkdir "$root/build/try"
  cp "$@" "$root/build/try/"
  rm -f "$root"/build/try/*-dbgsym_*
  in_root "$root" sh -ec 'apt-get install -y -qq --no-install-recommends \
    curl gcc libc6-dev pkg-config gstreamer1.0-plugins-ugly \
    /build/try/*.deb >/dev/null'
  local passed=0
  for try in alone inspect pkgconfig server-smoke; do
    in_root "$root" env GST_REGISTRY=/tmp/registry.bin \
      "/build/src/debian/tests/$try" >"$root/build/try/$try.log" 2>&1 || {
      cat "$root/build/try/$try.log"
      echo "not ok installed packages: $try"
      return 1
    }
    echo "ok installed packages: $try"
    passed=$((passed + 1))
  done
  echo "$passed passed, 0 failed"
}

# Runs the suites that need neither browser nor npm in the root and prints the
# closing line. GTEST_FILTER: what of the tests, GoogleTest's syntax.
run_suites() { # FOLDER TIMEOUT-FACTOR
  local root=$1 status=0
  # libcheck's own deadlines are stretched as Meson's are.
  in_root "$root" ${GTEST_FILTER:+GTEST_FILTER="$GTEST_FILTER"} \
    CK_TIMEOUT_MULTIPLIER="$2" meson test -C /build/meson --no-rebuild --num-processes 2 \
    --timeout-multiplier "$2" --suite unit --suite elements --suite server \
    --print-errorlogs || status=$?
  local log=$root/build/meson/meson-logs/testlog
  "$top/tests/tally.py" "$log"
  "$top/tests/tally.py" --counts "$log" | {
    local passed failed skipped
    read -r passed failed skipped
    echo "$passed passed, $failed failed, $skipped skipped"
  }
  return "$status"
}
