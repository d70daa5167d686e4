#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tests/v4l2.sh runs inside its virtual machine. The root folder is the
# host's and read-only; /run is memory.
#   v4l2-guest.sh WORK RUN-PIPELINE PIPELINES
work=$1 program=$2 pipelines=$3
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run LC_ALL=C
export GST_REGISTRY=/run/registry.bin
cd /run || exit 1

# shellcheck source=tests/guest.sh
. "$(dirname "$0")/guest.sh"
modprobe() { command modprobe -d "$work/kernel" "$@"; }
robot() { "$program" --config=/run/robot.conf --pipelines="$pipelines" "$@"; }

cat > robot.conf <<CONF
[robot]
id = r1
[signaling]
server = ws://127.0.0.1:1
[camera]
width = 640
height = 360
fps = 15
[stills]
location = /run/stills/frame_%05d.jpg
per-second = 5
CONF
mkdir stills
gst-inspect-1.0 > /dev/null 2>&1 # the registry, once; slow when emulated

echo "# kernel $(uname -r)"
check "no camera: nothing is found, status 69" bash -c \
  "! '$program' --config=/run/robot.conf --pipelines='$pipelines' --dry-run &&
   [ \"\$('$program' --config=/run/robot.conf --pipelines='$pipelines' \
     --dry-run 2>/dev/null; echo \$?)\" = 69 ]"
check "the camera appears" plug 0
v4l2-ctl --list-formats-ext 2>/dev/null | grep -m3 -A2 640x360 | sed 's/^/# /'

robot --dry-run > line 2> line.err
check "webcam-raw is chosen by trying it" grep -q \
  "v4l2src device=/dev/video0 ! video/x-raw,width=640,height=360" line
sed 's/^/#   /' line.err | head -20

# The file as it is but for its end, which counts 45 frames.
sed 's/\${GATE_AFTER} ! \${SINK}/fakesink num-buffers=45 sync=false/' \
  "$pipelines/webcam-raw.launch" > own.launch
sed 's|^device.*||; s|^\[camera\]|[camera]\ndevice = /dev/video0|' \
  robot.conf > named.conf
check "webcam-raw encodes 45 frames" timeout 200 "$program" \
  --config=/run/named.conf --pipelines="$pipelines" --source=/run/own.launch

# As the camera that encodes is opened: this one has no such controls.
{
  grep ^v4l2src "$pipelines/webcam-h264.launch"
  echo '! video/x-raw,width=${WIDTH},height=${HEIGHT},framerate=${FPS}/1
    ! fakesink num-buffers=15 sync=false'
} > own.launch
check "controls that a camera has not do not matter" timeout 200 "$program" \
  --config=/run/named.conf --pipelines="$pipelines" --source=/run/own.launch

robot --source=webcam-stills > stills.log 2>&1 &
stills=$!
check "webcam-stills writes pictures" until_true 90 test -s \
  stills/frame_00005.jpg
check "... which are JPEGs" bash -c \
  '[ "$(head -c 3 stills/frame_00003.jpg | od -An -tx1)" = " ff d8 ff" ]'

robot --list > list.log 2>&1
check "a camera in use is reported as busy" grep -qE "webcam-raw +busy" list.log
grep -A9 cameras list.log | sed 's/^/#   /'

# Unplug: vivid's control makes every call fail as a missing device does.
v4l2-ctl -d /dev/video0 -c disconnect=1 > /dev/null 2>&1
check "unplugged: the pipeline ends" until_true 60 bash -c "! kill -0 $stills"
wait "$stills"
status=$?
check "... with an error" test "$status" -eq 1
grep -aE "^ERROR" stills.log | head -2 | sed 's/^/#   /'

# What the service does: start again until the camera is back.
rm -f stills/*
(while :; do
  RUNTIME_DIRECTORY=/run robot --source=webcam-stills
  sleep 1
done) > loop.log 2>&1 &
loop=$!
sleep 3
check "the camera is unloaded" until_true 30 command modprobe \
  -d "$work/kernel" -r vivid
check "meanwhile the service starts again and again" until_true 90 grep -q \
  "starting again in" loop.log
check "plugged in again" plug 0
check "replugged: pictures come again by themselves" until_true 150 test -s \
  stills/frame_00003.jpg
grep -c "starting again" loop.log | sed 's/^/#   waits before starts: /'
kill "$loop"
killall -q gst-launch-1.0

# A node of the hardware encoder's number that is none.
sleep 2
modprobe -r vivid
plug 11
robot --list > list.log 2>&1
check "/dev/video11 that is no encoder is told apart" grep -qE \
  "v4l2h264enc +stale-registry" list.log

echo "# not run: M2M (v4l2h264enc, v4l2convert), of which Debian's kernel has" \
  "no virtual device: neither vim2m nor vicodec"
echo "# end"
sync
echo o > /proc/sysrq-trigger
sleep 20
