#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""signalingbin in a Python application.

    python3 robot.py http://127.0.0.1:8080 robot_pi_001 robot.token
"""
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

PIPELINE = """
    videotestsrc is-live=true pattern=ball
    ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1
    ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max=60
    ! video/x-h264,profile=constrained-baseline ! h264parse
    ! sessiongate ! signalingbin name=viewers
"""


class Robot:
    def __init__(self, server, robot_id, token_file):
        self.loop = GLib.MainLoop()
        self.status = 0
        self.pipeline = Gst.parse_launch(PIPELINE)
        viewers = self.pipeline.get_by_name("viewers")
        viewers.set_property("signaling-server", server)
        viewers.set_property("robot-id", robot_id)
        viewers.set_property("token-file", token_file)

    def run(self):
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self.interrupt)
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self.status = 1  # the bus says why
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        bus.remove_signal_watch()
        return self.status

    def interrupt(self):
        self.pipeline.send_event(Gst.Event.new_eos())
        return GLib.SOURCE_REMOVE

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.ELEMENT:
            self.on_element_message(message.get_structure())
        elif message.type == Gst.MessageType.WARNING:
            error, _debug = message.parse_warning()
            print("warning:", error.message, file=sys.stderr, flush=True)
        elif message.type == Gst.MessageType.ERROR:
            error, _debug = message.parse_error()
            print("error:", error.message, file=sys.stderr, flush=True)
            self.status = 1
            self.loop.quit()
        elif message.type == Gst.MessageType.EOS:
            self.loop.quit()

    @staticmethod
    def on_element_message(s):
        name = s.get_name()
        if name == "robotlive-link":
            print("signaling:", s.get_value("state"), flush=True)
        elif name == "robotlive-viewer-added":
            print(f"{s.get_value('user')} watches ({s.get_value('peer-id')})", flush=True)
        elif name == "robotlive-viewer-removed":
            print(f"{s.get_value('peer-id')} is gone: {s.get_value('reason')}", flush=True)
        elif name == "robotlive-viewer-refused":
            print(f"refused {s.get_value('peer-id')}: {s.get_value('message')}", flush=True)


if __name__ == "__main__":
    Gst.init(None)
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} SERVER-URL ROBOT-ID TOKEN-FILE")
    sys.exit(Robot(*sys.argv[1:]).run())
