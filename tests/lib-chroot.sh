# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What tests/trixie.sh and tests/arm64.sh share: a Debian in a folder.

cannot() {
  echo "$(basename "$0") does not run here: $*" >&2
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

# debian_root FOLDER SUITE ARCHITECTURE: makes it unless it is there.
debian_root() {
  local root=$1 suite=$2 architecture=$3
  [ "$(id -u)" -eq 0 ] || cannot "debootstrap and chroot need root"
  command -v debootstrap >/dev/null ||
    apt-get install -y -qq --no-install-recommends debootstrap >/dev/null ||
    cannot "there is no debootstrap"
  if [ ! -e "$root/etc/debian_version" ]; then
    mkdir -p "$root"
    # From where this machine gets its own packages.
    local mirror=${DEBIAN_MIRROR:-$(apt-get indextargets \
      --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
    debootstrap --variant=minbase --arch="$architecture" "$suite" "$root" \
      "$mirror" >"$root.log" 2>&1 ||
      cannot "debootstrap failed: $(tail -1 "$root.log")"
  fi
  [ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
  [ -e "$root/dev/null" ] && [ -e "$root/dev/shm" ] ||
    mount --rbind /dev "$root/dev"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# The sources, as far as git knows them, into the root's /src.
copy_sources() {
  local root=$1
  mkdir -p "$root/src"
  git -C "$top" ls-files -z | tar -C "$top" --null -T - -c |
    tar -C "$root/src" -x
}

in_root() { # FOLDER COMMAND…
  local root=$1
  shift
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Runs the suites that need neither browser nor npm in the root's FOLDER and
# prints the closing line.
run_suites() { # FOLDER BUILD-FOLDER TIMEOUT-FACTOR
  local root=$1 folder=$2 log status=0
  log=$root/$folder/meson-logs/testlog.txt
  in_root "$root" meson test -C "/$folder" --no-rebuild --num-processes 2 \
    --timeout-multiplier "$3" --suite unit --suite elements --suite server \
    --print-errorlogs || status=$?
  local passed failed skipped
  passed=$(sed -n 's/^Ok: *//p' "$log")
  failed=$(awk '/^(Fail|Timeout|Unexpected Pass):/ { n += $NF } END { print n + 0 }' "$log")
  skipped=$(sed -n 's/^Skipped: *//p' "$log")
  echo "${passed:-0} passed, $failed failed, ${skipped:-0} skipped"
  return "$status"
}
