# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What tests/v4l2-guest.sh and tests/service-guest.sh share inside their virtual
# machines; sourced. /run is memory.

# Called after a check that failed; may be defined anew.
after_failure() { :; }

check() { # $1 = what, then a command
  local what=$1
  shift
  if "$@" >/run/last.log 2>&1; then
    echo "ok $what"
  else
    echo "not ok $what (status $?)"
    sed 's/^/#   /' /run/last.log | tail -20
    after_failure
  fi
}

until_true() { # $1 seconds, longer where the command takes its time; a command
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 1
  done
}

# One webcam, and nothing else, as /dev/video$1.
plug() {
  modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0 \
    vid_cap_nr="$1"
  until_true 20 test -e "/dev/video$1"
}
