#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What debian/ promises, each in a Debian 12 of its own. Three quarters of an
# hour the first time. Root.
#   tests/packages.sh [build|lintian|reproducible|piuparts|autopkgtest|units]...
# Without arguments: all of them, in this order.
#   build          dpkg-buildpackage with the tests
#   lintian        pedantic, nothing overlooked
#   reproducible   built again elsewhere, in another time zone, locale and
#                  umask, without tests: the same files by diffoscope
#   piuparts       install, purge; upgrade with a changed conffile
#   autopkgtest    debian/tests in a root that has the packages only
#   units          systemd-analyze security, 2.0 or less
# ROOT_DIR: where (default /var/tmp/robotlive-packages, kept; 3 GB).
# JOBS: compilers at once (default 2).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
root=${ROOT_DIR:-/var/tmp/robotlive-packages}
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"
passed=0

ok() {
  echo "ok $*"
  passed=$((passed + 1))
}
fail() {
  echo "not ok $*"
  echo "$passed passed, 1 failed"
  exit 1
}

# A fresh copy of the bare Debian under NAME, for what dirties it.
fresh() { # NAME
  leave_root "$root.$1"
  rm -rf --one-file-system "${root:?}.$1"
  mkdir "$root.$1"
  tar -C "$root.$1" -xf "$root.tar"
  touch "$root.$1/.complete"
  debian_root "$root.$1" bookworm amd64
}

prepare() {
  if [ ! -e "$root.tar" ]; then
    debian_root "$root" bookworm amd64
    leave_root "$root"
    in_root "$root" apt-get update -qq
    in_root "$root" apt-get clean
    tar -C "$root" --exclude ./build -cf "$root.tar.part" .
    mv "$root.tar.part" "$root.tar"
  fi
  debian_root "$root" bookworm amd64
  copy_sources "$root"
  in_root "$root" sh -ec 'cd /build/src
    apt-get install -y -qq --no-install-recommends dpkg-dev lintian \
      diffoscope-minimal >/dev/null
    apt-get build-dep -y -qq ./ >/dev/null'
}

# What tells one state of the sources from another.
sources() {
  (cd "$top" && git ls-files -z | xargs -0 sha256sum | sha256sum)
}

build() {
  local of
  of=$(sources)
  BUILD_OPTIONS='' build_packages "$root" src out -b ||
    fail "dpkg-buildpackage with tests"
  local log
  log=$(echo "$root"/build/src/obj-*/meson-logs)/testlog
  "$top/tests/tally.py" "$log"
  "$top/tests/tally.py" --counts "$log" |
    sed -E 's/(.*) (.*) (.*)/tests of the build: \1 passed, \2 failed, \3 skipped/'
  echo "$of" >"$root/build/out/sources"
  ok "dpkg-buildpackage with tests"
}

lint() {
  in_root "$root" sh -c 'lintian -i -I --pedantic --allow-root \
    --fail-on error,warning,info,pedantic,override \
    --suppress-tags initial-upload-closes-no-bugs /build/out/*.changes' ||
    fail lintian
  ok "lintian -i -I --pedantic"
}

# Without ccache, which would hand out the first build's objects.
reproducible() {
  [ "$(sources)" = "$(cat "$root/build/out/sources" 2>/dev/null)" ] ||
    fail "reproducible: what was built is of other sources: build it first"
  copy_sources "$root" elsewhere/and-longer/src
  in_root "$root" env LC_ALL=C TZ=Pacific/Kiritimati \
    DEB_BUILD_OPTIONS="parallel=1 nocheck" sh -ec 'umask 0002
    rm -rf /build/second && mkdir /build/second
    cd /build/elsewhere/and-longer/src
    dpkg-buildpackage -us -uc -b >/build/second/log 2>&1 || {
      tail -n 60 /build/second/log; exit 1; }
    mv ../*.deb /build/second/' || fail "the second build"
  local deb number=0
  for deb in "$root"/build/out/*.deb; do
    deb=$(basename "$deb")
    in_root "$root" diffoscope "/build/out/$deb" "/build/second/$deb" ||
      fail "reproducible: $deb differs"
    number=$((number + 1))
  done
  ok "two builds give the same $number packages"
}

# The package NAME as an older version would have been, with other words in its
# conffile FILE.
older() { # NAME FILE
  in_root "$root.piuparts" sh -ec 'rm -rf /build/old && mkdir /build/old
    dpkg-deb -R /build/debs/"$1"_*.deb /build/old/tree
    sed -i "s/^Version: .*/Version: 0.0.1/" /build/old/tree/DEBIAN/control
    sed -i "1i # as of the older version" "/build/old/tree$2"
    dpkg-deb -b /build/old/tree "/build/old/$1.deb" >/dev/null' older "$1" "$2"
}

# An upgrade over a conffile that its owner changed keeps it, one that nobody
# changed becomes the new one; a purge leaves nothing.
upgrade() { # NAME FILE
  older "$1" "$2"
  in_root "$root.piuparts" sh -ec '
    said() { echo "upgrade of $1: $2"; exit 1; }
    try() { # NAME FILE EDIT
      apt-get install -y -qq /build/old/"$1".deb >/dev/null
      [ -z "$3" ] || echo "$3" >>"$2"
      dpkg -i --force-confdef --force-confold /build/debs/"$1"_*.deb >/dev/null
      [ "$(dpkg-query -W -f "\${Version}" "$1")" != 0.0.1 ] ||
        said "$1" "nothing was upgraded"
    }
    try "$1" "$2" ""
    ! grep -q "as of the older version" "$2" ||
      said "$1" "$2 was not upgraded"
    apt-get purge -y -qq "$1" >/dev/null
    try "$1" "$2" "# the owner was here"
    grep -q "the owner was here" "$2" ||
      said "$1" "the change in $2 is lost"
    [ -e "$2.dpkg-dist" ] || said "$1" "no $2.dpkg-dist"
    apt-get purge -y -qq "$1" >/dev/null
    [ ! -e "$2" ] && [ ! -e "$2.dpkg-dist" ] ||
      said "$1" "the purge left $2"' upgrade "$1" "$2" ||
    fail "upgrade of $1 with a changed conffile"
  ok "upgrade of $1 with and without a changed $2, purge"
}

piuparts_all() {
  fresh piuparts
  mkdir -p "$root.piuparts/build/debs"
  cp "$root"/build/out/*.deb "$root.piuparts/build/debs/"
  rm -f "$root.piuparts"/build/debs/*-dbgsym_*
  gzip -1 <"$root.tar" >"$root.piuparts/build/base.tgz"
  in_root "$root.piuparts" sh -ec 'apt-get update -qq
    apt-get install -y -qq --no-install-recommends piuparts adduser >/dev/null'
  local mirror
  mirror=$(awk '/^deb / { print $2; exit }' "$root/etc/apt/sources.list")
  # What systemd and OpenSSH, which come along, leave behind.
  local others='/root/\.ssh/?|/var/(cache|lib|log)/private/?'
  others+='|/var/lib/systemd/(coredump|pstore)/?'
  # All at once: the packages need each other's, which are in no archive.
  in_root "$root.piuparts" sh -c 'piuparts -b /build/base.tgz -d bookworm \
    -m "$1 main" --no-eatmydata \
    --skip-logrotatefiles-test --ignore-regex "$2" /build/debs/*.deb >/build/piuparts.log 2>&1 || {
      grep -E "ERROR|FAIL" -A 20 /build/piuparts.log | tail -n 60; exit 1; }' \
    piuparts "$mirror" "$others" || fail piuparts
  grep -E 'PASS|piuparts run ends' "$root.piuparts/build/piuparts.log"
  ok "piuparts: install and purge"
  upgrade robotlive-signaling /etc/robotlive/signaling.conf
  in_root "$root.piuparts" sh -ec 'apt-get install -y -qq \
    --no-install-recommends /build/debs/gstreamer1.0-robotlive_*.deb >/dev/null'
  upgrade robotlive-robot /etc/robotlive/robot.conf
  leave_root "$root.piuparts"
}

autopkgtest_all() {
  fresh autopkgtest
  copy_sources "$root.autopkgtest"
  mkdir -p "$root.autopkgtest/build/debs"
  cp "$root"/build/out/*.deb "$root.autopkgtest/build/debs/"
  in_root "$root.autopkgtest" sh -ec 'apt-get update -qq
    apt-get install -y -qq --no-install-recommends autopkgtest >/dev/null
    rm -rf /build/results
    autopkgtest --no-built-binaries -o /build/results /build/debs/*.deb \
      /build/src -- null >/build/autopkgtest.log 2>&1 || {
      tail -n 60 /build/autopkgtest.log; exit 1; }' || fail autopkgtest
  cat "$root.autopkgtest/build/results/summary"
  ok "autopkgtest: $(wc -l <"$root.autopkgtest/build/results/summary") tests"
  leave_root "$root.autopkgtest"
}

# What the units allow themselves.
units() {
  host_packages systemd
  local unit score
  for unit in signaling/robotlive-signaling.service \
    pipelines/robotlive@.service; do
    score=$(systemd-analyze security --offline=true --threshold=20 \
      "$top/$unit" | sed -n 's/.*Overall exposure level for .*: \(.*\)/\1/p') ||
      fail "$unit is exposed above 2.0"
    ok "$(basename "$unit"): exposure $score"
  done
}

[ $# -gt 0 ] ||
  set -- build lintian reproducible piuparts autopkgtest units
for step; do
  case $step in
    build | lintian | reproducible | piuparts | autopkgtest | units) ;;
    *) sed -n '/^# *tests\/pack/,/^# JOBS/p' "$0" >&2; exit 2 ;;
  esac
done
if [ "$*" != units ]; then
  # Another run would take the sources and the build from under this one.
  exec 9>"$root.lock"
  flock -n 9 || { echo "tests/packages.sh runs already in $root" >&2; exit 2; }
  prepare
fi
for step; do
  case $step in
    build) build ;;
    lintian) lint ;;
    reproducible) reproducible ;;
    piuparts) piuparts_all ;;
    autopkgtest) autopkgtest_all ;;
    units) units ;;
  esac
done
echo "$passed passed, 0 failed"
