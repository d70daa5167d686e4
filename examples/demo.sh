#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One command from a fresh clone to live video in a browser.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD_DIR:-$top/build}

usage() {
  cat <<USAGE
Usage: examples/demo.sh [--seconds N] [--duration 10m] [--file F] [--port P]
                        [--no-install]

Installs what is needed (apt), builds, starts the signaling server with an
embedded store, a viewer whose booking is open now, an administrator, and a
robot as a gst-launch-1.0 pipeline; prints the address and who can log in.
Ctrl-C ends all of it.

  --seconds N    end by itself after N seconds (default: run until Ctrl-C)
  --duration D   length of the viewer's booking, as 90s, 10m, 2h (default 10m)
  --file F       show this video file, looped at its own speed (the first 60 s
                 of it), in place of a camera; any format GStreamer decodes
  --port P       port of the server (default 8080; 0 = any free one)
  --no-install   install nothing
Without --file: the first V4L2 or libcamera camera that delivers a picture,
otherwise a live test pattern with a clock.
USAGE
}

die() { echo "demo.sh: $*" >&2; exit 1; }

seconds= duration=10m file= port=8080 install=1
while [ $# -gt 0 ]; do
  case $1 in
    --seconds | --duration | --file | --port)
      [ $# -ge 2 ] || die "$1 needs a value (see --help)"
      declare "${1#--}=$2"; shift ;;
    --no-install) install= ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ -z $seconds || $seconds =~ ^[0-9]+$ ]] || die "--seconds takes a number"
[[ $port =~ ^[0-9]+$ ]] && [ "$port" -le 65535 ] || die "--port takes 0 to 65535"
[[ -z $file || -r $file ]] || die "cannot read $file"

if [ -n "$install" ]; then
  # On a Pi with a current libcamera this adds the camera's element.
  "$top/.ci/install-packages" build run
fi
if [ ! -f "$build/build.ninja" ]; then
  echo "Building (some minutes the first time)…"
  meson setup "$build" "$top" >"$top/build-setup.log" 2>&1 || {
    tail -n 20 "$top/build-setup.log" >&2
    die "meson setup failed: see build-setup.log"
  }
  rm -f "$top/build-setup.log"
fi
ninja -C "$build" signaling/server/robotlive-signaling gst/libgstrobotlive.so

work=$(mktemp -d)
chmod 700 "$work"
pids=()
cleanup() {
  trap - EXIT INT TERM
  # The robot first, so that its viewers are told; then the server.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -TERM "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 0' INT TERM

signaling=$build/signaling/server/robotlive-signaling
database=sqlite://$work/signaling.db
cli() { "$signaling" "$@" --database "$database"; }
password() { head -c 9 /dev/urandom | base64 | tr '+/' 'ab'; }

password >"$work/viewer.password"
password >"$work/admin.password"
cli user add viewer@demo.example --name "Demo viewer" \
  --password-file "$work/viewer.password" >/dev/null
cli user add admin@demo.example --name "Demo administrator" --role admin \
  --password-file "$work/admin.password" >/dev/null
(umask 077 && cli robot add robot_demo_001 --type demo --name "Demo robot" \
  >"$work/robot.token")
cli booking add --user viewer@demo.example --robot robot_demo_001 \
  --start now --duration "$duration" >/dev/null

# stdout is a pipe to this script's log: wait for the line that it promises.
"$signaling" serve --database "$database" --listen "0.0.0.0:$port" \
  >"$work/server.out" 2>"$work/server.log" &
server=$!
pids+=("$server")
for _ in $(seq 100); do
  grep -q '^listening on' "$work/server.out" && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
address=$(sed -nE 's/^listening on //p' "$work/server.out" | head -n 1)
[ -n "$address" ] || {
  cat "$work/server.log" >&2
  die "the server did not start: see above (is port $port taken? --port 0 finds a free one)"
}
port=${address##*:}

# --- the robot ---------------------------------------------------------------
export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_REGISTRY=$work/registry.bin

delivers() { # does this source give a frame within ten seconds?
  timeout 10 gst-launch-1.0 -q "$@" ! fakesink num-buffers=1 >/dev/null 2>&1
}
raw="videoconvert ! videoscale ! videorate ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1"
source= what=
if [ -n "$file" ]; then
  what="the file $file"
  echo "Preparing $file…"
  mkdir "$work/frames"
  # JPEG stills loop without a seam and carry their own frame rate.
  gst-launch-1.0 -q filesrc location="$file" ! decodebin ! $raw ! \
    identity eos-after=1800 ! jpegenc quality=92 ! \
    multifilesink location="$work/frames/%05d.jpg" 2>"$work/file.log" ||
    true
  [ -s "$work/frames/00000.jpg" ] || {
    cat "$work/file.log" >&2
    die "no video could be decoded from $file"
  }
  source="multifilesrc location=$work/frames/%05d.jpg loop=true caps=image/jpeg,framerate=30/1 ! jpegdec ! clocksync ! videoconvert ! video/x-raw,format=I420"
else
  for device in /dev/video*; do
    [ -c "$device" ] || continue
    if delivers v4l2src device="$device" num-buffers=2; then
      what="the camera $device"
      source="v4l2src device=$device ! decodebin ! $raw"
      break
    fi
  done
  if [ -z "$source" ] && gst-inspect-1.0 --exists libcamerasrc &&
    delivers libcamerasrc; then
    what="the libcamera camera"
    source="libcamerasrc ! $raw"
  fi
fi
if [ -z "$source" ]; then
  what="a test pattern (no camera found; try --file)"
  source="videotestsrc is-live=true pattern=ball animation-mode=running-time ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! clockoverlay time-format=%H:%M:%S halignment=right font-desc=Sans,24"
fi

# shellcheck disable=SC2086
gst-launch-1.0 -e $source ! queue max-size-buffers=2 leaky=downstream ! \
  x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 \
  key-int-max=60 bframes=0 ! video/x-h264,profile=constrained-baseline ! \
  h264parse ! sessiongate ! \
  signalingbin signaling-server="http://127.0.0.1:$port" \
  robot-id=robot_demo_001 robot-type=demo token-file="$work/robot.token" \
  >"$work/robot.out" 2>"$work/robot.log" &
robot=$!
pids+=("$robot")

host=$(hostname -I 2>/dev/null | awk '{print $1}')
cat <<READY

  The robot shows $what.

  Open      http://127.0.0.1:$port${host:+   (elsewhere: http://$host:$port)}
  Viewer    viewer@demo.example   $(cat "$work/viewer.password")
            booking open for $duration from now
  Admin     admin@demo.example    $(cat "$work/admin.password")

  Log in and press "Connect Video Feed". Ctrl-C ends the demo.

READY

deadline=$((SECONDS + ${seconds:-0}))
while [ -z "$seconds" ] || [ "$SECONDS" -lt "$deadline" ]; do
  kill -0 "$server" 2>/dev/null || {
    tail -n 20 "$work/server.log" >&2
    die "the server ended: see above"
  }
  kill -0 "$robot" 2>/dev/null || {
    cat "$work/robot.out" "$work/robot.log" | tail -n 30 >&2
    die "the robot's pipeline ended: see above"
  }
  sleep 0.5
done
echo "demo.sh: $seconds seconds are over"
