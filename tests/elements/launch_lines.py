# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every gst-launch-1.0 line of our pages, and of the comments of our sources,
can be pasted: a shell takes it apart and it parses. All but those of cameras
that are not here are run, with a stand-in for what a machine may lack: until
their end where they have one, else for a second in PLAYING."""
import glob
import os
import re
import subprocess
import sys
import tempfile

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

Gst.init(None)
top = os.environ["ROBOTLIVE_SOURCE_DIR"]
folder = tempfile.TemporaryDirectory()
token = os.path.join(folder.name, "robot.token")
with open(token, "w", encoding="utf-8") as file:
    file.write("e30.e30.e30")
os.chmod(token, 0o600)
clip = os.path.join(folder.name, "clip.mkv")
STAND_INS = {
    "v4l2src ! image/jpeg,width=1280,height=720,framerate=30/1":
        "videotestsrc is-live=true ! jpegenc",
    "v4l2src": "videotestsrc is-live=true",
    "autovideosink": "fakesink",
    "clip.mp4": clip,
    "/etc/robotlive/robot.token": token,
    "token-file=robot.token": f"token-file={token}",
}


def pages():
    for pattern in ("README.md", "docs/*.md", "docs/elements/*.md",
                    "gst/README.md", "examples/embed/README.md"):
        yield from sorted(glob.glob(os.path.join(top, pattern)))


def lines_of_pages():
    for path in pages():
        text = open(path, encoding="utf-8").read()
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip().startswith("gst-launch-1.0") and "…" not in line:
                    yield os.path.relpath(path, top), line.strip()


def lines_of_sources():
    for path in sorted(glob.glob(os.path.join(top, "gst", "*", "*.cpp"))):
        text = open(path, encoding="utf-8").read()
        for line in re.findall(r"^ \* (gst-launch-1.0 .*)$", text, re.M):
            yield os.path.relpath(path, top), line


def wait(pipeline, kinds, seconds):
    return pipeline.get_bus().timed_pop_filtered(
        seconds * Gst.SECOND, kinds | Gst.MessageType.ERROR)


def run(pipeline, ends):
    if pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE:
        if ends:
            message = wait(pipeline, Gst.MessageType.EOS, 60)
            assert message, "did not end"
        else:
            pipeline.get_state(60 * Gst.SECOND)
            message = wait(pipeline, Gst.MessageType.ERROR, 1)
            state = pipeline.get_state(0)[1]
            assert message or state == Gst.State.PLAYING, state
    else:
        message = wait(pipeline, Gst.MessageType.ERROR, 1)
        assert message, "does not start"
    pipeline.set_state(Gst.State.NULL)
    if message and message.type == Gst.MessageType.ERROR:
        sys.exit(f"failed: {message.parse_error()}")


run(Gst.parse_launch("videotestsrc num-buffers=60 ! vp8enc deadline=1 ! "
                     f"matroskamux ! filesink location={clip}"), True)
missing, ran = 0, 0
lines = list(lines_of_pages())
sources = list(lines_of_sources())
assert len(lines) >= 8, "where are the launch lines?"
assert len(sources) >= 5, "no launch lines in the sources' comments"
for where, line in lines + sources:
    # The shell's own part: quotes, and a time that is computed.
    line = re.sub(r"\$\(date [^)]*\)", GLib.DateTime.new_now_utc().add_seconds(2)
                  .format("%Y-%m-%dT%H:%M:%SZ"), line)
    for given, instead in STAND_INS.items():
        line = re.sub(r"(?<![\w/.-])" + re.escape(given) + r"(?![\w/.-])", instead, line)
    arguments = GLib.shell_parse_argv(line)[1]
    arguments = [a for a in arguments[1:] if not re.match(r"-\w+$", a)]
    try:
        pipeline = Gst.parse_launchv(arguments)
    except GLib.Error as error:
        # Elements of another package are not in the tests' plugin folder.
        if error.matches(Gst.parse_error_quark(), Gst.ParseError.NO_SUCH_ELEMENT) \
                and "sessiongate" not in error.message \
                and "signalingbin" not in error.message:
            print(f"skipped: {error.message}: {line}")
            missing += 1
            continue
        sys.exit(f"{where}: {line}\n{error.message}")
    if "rtspcamera" in line:
        continue
    print(f"running: {line}", flush=True)
    run(pipeline, "num-buffers" in line or "on-expiry=eos" in line)
    ran += 1
# What a user sees: gst-launch-1.0 prints our progress as it does rtspsrc's.
line = ("gst-launch-1.0 -e videotestsrc is-live=true num-buffers=30 ! "
        "vp8enc deadline=1 ! signalingbin application-signaling=true "
        "session-policy=open robot-id=robot_1")
done = subprocess.run(GLib.shell_parse_argv(line)[1], capture_output=True,
                      text=True, timeout=120, check=False)
assert done.returncode == 0, done.stderr
assert "Progress: (connect) Registered as robot_1" in done.stdout, done.stdout
line = line.replace("application-signaling=true",
                    "signaling-server=http://127.0.0.1:9")
done = subprocess.run(GLib.shell_parse_argv(line)[1], capture_output=True,
                      text=True, timeout=120, check=False)
assert done.returncode == 0, done.stderr
assert "Progress: (connect) Connecting to http://127.0.0.1:9" in done.stdout, \
    done.stdout

print(f"{len(lines)} lines and {len(sources)} in sources, {ran} run, "
      f"{missing} with elements not installed")
assert ran >= 8
