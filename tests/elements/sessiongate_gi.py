# SPDX-License-Identifier: LGPL-2.1-or-later
"""The gate from Python: properties, action signals, messages, notify."""
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

Gst.init(None)


def wait_for(bus, event):
    while True:
        message = bus.timed_pop_filtered(30 * Gst.SECOND, Gst.MessageType.ELEMENT)
        assert message, f"no message {event}"
        structure = message.get_structure()
        if structure.get_name() == "robotlive-session" and \
                structure.get_string("event") == event:
            return structure


pipeline = Gst.parse_launch(
    "videotestsrc is-live=true ! sessiongate name=gate ! fakesink async=false")
gate = pipeline.get_by_name("gate")
bus = pipeline.get_bus()
states, events = [], []
gate.connect("notify::state", lambda g, _: states.append(g.props.state.value_nick))
gate.connect("session-event", lambda _, s: events.append(s.get_string("event")))
pipeline.set_state(Gst.State.PLAYING)
assert gate.props.state.value_nick == "closed"

assert gate.emit("grant", "no token") is False
assert wait_for(bus, "refused").get_string("reason") == "no-key"

gate.set_property("expires-at", str(int(time.time() * 1000) + 600000))
opened = wait_for(bus, "open")
assert opened.get_string("source") == "window"
assert 590 * Gst.SECOND < opened.get_value("remaining") <= 600 * Gst.SECOND
while gate.props.passed < 3:
    time.sleep(0.01)
assert gate.emit("extend", -590000) is True
assert wait_for(bus, "changed").get_value("remaining") <= 10 * Gst.SECOND
wait_for(bus, "expiring")
gate.emit("revoke", "python")
assert wait_for(bus, "revoked").get_string("reason") == "python"
assert gate.props.state.value_nick == "revoked"
passed, dropped = gate.props.passed, gate.props.dropped
while gate.props.dropped < dropped + 3:
    time.sleep(0.01)
assert gate.props.passed == passed

try:
    gate.get_property("grant")
    sys.exit("grant is readable")
except TypeError:
    pass

pipeline.set_state(Gst.State.NULL)
assert states == ["open", "revoked"], states
assert events == ["refused", "open", "changed", "expiring", "revoked"], events
