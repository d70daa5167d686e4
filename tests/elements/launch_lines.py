# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every gst-launch-1.0 line of gst/README.md parses; those that need neither
camera, file nor server are run as well. A line is run when it ends by itself:
it has num-buffers, or on-expiry=eos."""
import os
import re
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

Gst.init(None)
path = os.path.join(os.environ["ROBOTLIVE_SOURCE_DIR"], "gst", "README.md")
text = open(path, encoding="utf-8").read()
lines = []
for block in re.findall(r"^```(?:sh|shell)\n(.*?)^```", text, re.S | re.M):
    block = block.replace("\\\n", " ")
    for line in block.splitlines():
        if line.strip().startswith("gst-launch-1.0"):
            lines.append(line.strip())
assert len(lines) >= 2, "no launch lines in gst/README.md"


def run(pipeline):
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message, "did not end"
    if message.type == Gst.MessageType.ERROR:
        sys.exit(f"failed: {message.parse_error()}")


missing, ran = 0, 0
for line in lines:
    # The shell's own part: quotes, and a time that is computed.
    line = re.sub(r"\$\(date [^)]*\)", GLib.DateTime.new_now_utc().add_seconds(2)
                  .format("%Y-%m-%dT%H:%M:%SZ"), line)
    arguments = GLib.shell_parse_argv(line)[1]
    arguments = [a for a in arguments[1:] if not a.startswith("-")]
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
        sys.exit(f"{line}\n{error.message}")
    if "num-buffers" in line or "on-expiry=eos" in line:
        print(f"running: {line}")
        run(pipeline)
        ran += 1
print(f"{len(lines)} lines, {ran} run, {missing} with elements not installed")
assert ran >= 2
