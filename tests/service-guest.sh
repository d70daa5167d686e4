#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tests/service.sh runs inside its virtual machine, as root under systemd.
# There is no network but the loopback.
export LC_ALL=C HOME=/root
cd /root || exit 1
unit=robotlive@robot

# shellcheck source=tests/guest.sh
. "$(dirname "$0")/guest.sh"
after_failure() {
  journalctl -b --no-pager -o cat -u "$unit" -u robotlive-signaling |
    tail -20 | sed 's/^/#   | /'
}
unplug() { modprobe -r vivid; }
# What was logged since the last mark.
mark() { journalctl --sync; since=$(journalctl -b -n 1 --show-cursor -o cat -q | sed -n 's/^-- cursor: //p'); }
logged() { journalctl -b --after-cursor="$since" --no-pager -o cat -u "$unit" | grep -qE -- "$1"; }
server_logged() { journalctl -b --after-cursor="$since" --no-pager -o cat -u robotlive-signaling | grep -qE -- "$1"; }
online() { # the last that the server knows of the robot
  journalctl -b --no-pager -o cat -u robotlive-signaling |
    grep -E 'event=robot-(registered|gone) .*robot_1' | tail -n 1 |
    grep -q registered
}
property() { systemctl show -P "$2" "$1"; }
streaming() { # gst-launch-1.0 runs, and has for three seconds
  local pid
  pid=$(property "$unit" MainPID)
  [ "$pid" -gt 0 ] && [ "$(cat "/proc/$pid/comm")" = gst-launch-1.0 ] &&
    sleep 3 && [ "$(property "$unit" MainPID)" = "$pid" ]
}
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$(property "$1" MainPID)/status"; }

echo "# kernel $(uname -r), systemd $(systemctl --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')"
mark
# --- the server ---------------------------------------------------------------
check "robotlive-signaling runs after its installation" until_true 120 \
  systemctl -q is-active robotlive-signaling
check "... and has told systemd so (Type=notify, WatchdogSec=)" bash -c \
  '[ "$(systemctl show -P Type robotlive-signaling)" = notify ] &&
   [ "$(systemctl show -P WatchdogUSec robotlive-signaling)" = 30s ] &&
   [ "$(systemctl show -P WatchdogTimestampMonotonic robotlive-signaling)" -gt 0 ]'
check "... healthy" curl -fsS -m 60 http://127.0.0.1:8080/health
check "... without capabilities, not as root" bash -c \
  "[ '$(status_of robotlive-signaling CapBnd)' = 0000000000000000 ] &&
   [ '$(status_of robotlive-signaling NoNewPrivs)' = 1 ] &&
   [ '$(stat -c %U "/proc/$(property robotlive-signaling MainPID)")' = _robotlive ]"

# --- the robot before it is set up --------------------------------------------
check "robotlive@robot without a token: says so" bash -c "
  cp /etc/robotlive/robot.conf /root/sample.conf
  systemctl start $unit; sleep 5
  journalctl -b --no-pager -u $unit | grep -i 'credential'"
systemctl stop $unit
check "the owner makes a token, as root" bash -c "umask 077
  robotlive-signaling robot add robot_1 --type demo \
    >/etc/robotlive/robot.token && [ -s /etc/robotlive/robot.token ]"
check "... and the database stays the server's" bash -c '
  [ "$(stat -c %U /var/lib/robotlive/* | sort -u)" = _robotlive ]'
check "so it does when _robotlive itself asks" bash -c '
  setpriv --reuid=_robotlive --regid=_robotlive --clear-groups \
    robotlive-signaling booking list &&
  [ "$(stat -c %U /var/lib/robotlive/* | sort -u)" = _robotlive ]'
cat >/etc/robotlive/robot.conf <<CONF
[robot]
id = robot_1
wdith = 1
CONF
mark
systemctl reset-failed $unit 2>/dev/null
systemctl start $unit
check "a mistake in robot.conf is named with its line" until_true 120 logged \
  'robot.conf:3: unknown key .wdith.'
check "... and not tried again" bash -c "sleep 4
  [ \"\$(systemctl show -P ActiveState $unit)\" = failed ]"

cat >/etc/robotlive/robot.conf <<CONF
[robot]
id = robot_1
type = demo
[signaling]
server = ws://127.0.0.1:8080
[camera]
width = 320
height = 180
fps = 15
CONF
# --- no camera yet, no network -------------------------------------------------
mark
systemctl reset-failed $unit
systemctl stop robotlive-signaling
systemctl start $unit
check "without a camera it says what was tried, and starts again" until_true \
  240 logged 'starting again in'
check "... with longer waits" until_true 240 logged 'starting again in 2 s'

# --- camera -------------------------------------------------------------------
check "the camera is plugged in" plug 0
check "the pipeline starts by itself, without server and network" until_true \
  400 streaming
check "... with webcam-raw" logged 'v4l2src device=/dev/video0 ! video/x-raw'
mark
systemctl start robotlive-signaling
check "the server is there again: the robot registers by itself" until_true \
  200 server_logged 'robot-registered.*robot_1'
check "... and says so in its journal" until_true 20 logged \
  'signaling link: registered'
pid=$(property "$unit" MainPID)
check "... in the same process" test "$(cat "/proc/$pid/comm")" = gst-launch-1.0
check "the token is in no command line; its copy is systemd's" bash -c "
  ! tr '\0' '\n' </proc/$pid/cmdline | grep -qF \"\$(cat /etc/robotlive/robot.token)\" &&
  tr '\0' '\n' </proc/$pid/cmdline |
    grep -qx 'token-file=/run/credentials/robotlive@robot.service/robot.token'"
check "a user of its own, no capability, the groups of the devices" bash -c "
  [ \$(stat -c %u /proc/$pid) -ge 61184 ] &&
  grep -q '^CapBnd:.0000000000000000\$' /proc/$pid/status &&
  grep -q '^NoNewPrivs:.1\$' /proc/$pid/status &&
  grep -q \"^Groups:.*\$(getent group video | cut -d: -f3)\" /proc/$pid/status"
systemd-analyze security --no-pager $unit robotlive-signaling 2>/dev/null |
  grep -i overall | sed 's/^/#   /'

# --- no frame for five seconds -------------------------------------------------
restarts=$(property "$unit" NRestarts)
mark
v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100 2>&1 | head -3 | sed 's/^/#   /'
check "no frame for 5 s: the watchdog ends the pipeline" until_true 120 \
  logged 'Watchdog triggered'
check "... and systemd starts it again" until_true 60 bash -c \
  "[ \$(systemctl show -P NRestarts $unit) -gt $restarts ]"
v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0 >/dev/null 2>&1
mark
check "frames again: the robot is back by itself" until_true 400 streaming
check "... and registered" until_true 200 online

# --- unplug and replug ---------------------------------------------------------
mark
v4l2-ctl -d /dev/video0 -c disconnect=1 >/dev/null 2>&1
check "unplugged: the pipeline ends" until_true 120 logged \
  '^ERROR: .*v4l2src'
check "the camera is gone" until_true 120 unplug
mark
check "... meanwhile it is tried again and again" until_true 240 logged \
  'no camera works'
check "plugged in again" plug 0
check "the robot is back by itself" until_true 400 streaming
check "... and registered" until_true 200 online
echo "#   restarts in all: $(property "$unit" NRestarts)"

# --- the server is restarted; the robot goes on ---------------------------------
pid=$(property "$unit" MainPID)
mark
systemctl restart robotlive-signaling
check "the server restarts: the robot comes back to it" until_true 200 \
  server_logged 'robot-registered.*robot_1'
check "... with the same pipeline" test "$(property "$unit" MainPID)" = "$pid"

# --- the doctor ------------------------------------------------------------------
robotlive-doctor --json >doctor.json
echo "# robotlive-doctor: status $?"
tr -d '\n' <doctor.json | sed 's/},/}\n/g' | sed 's/^/#   /'
echo
check "robotlive-doctor finds plugin, encoder, server and token in order" bash -c '
  for name in config plugin encoder server; do
    tr -d "\n" <doctor.json |
      grep -qE "\"check\" : \"$name\", *\"status\" : \"ok\"" ||
      { echo "$name"; exit 1; }
  done'

mark
check "it stops when told, in time" timeout 30 systemctl stop $unit
check "... and that is no failure" bash -c \
  "[ \"\$(systemctl show -P Result $unit)\" = success ]"
echo "# end"
sync
