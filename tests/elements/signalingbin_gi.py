#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An application in Python that carries the signaling messages itself.

The viewer is a webrtcbin of the same process; what passes between the two are
the structures of send-message and take-message.
"""
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

ROBOT = """
    videotestsrc is-live=true
    ! video/x-raw,format=I420,width=160,height=120,framerate=30/1
    ! vp8enc deadline=1 cpu-used=16
    ! signalingbin name=bin application-signaling=true robot-id=robot_1
      session-policy=open
"""
CAPS = """application/x-rtp, media=video, encoding-name=VP8, payload=96,
    clock-rate=90000"""
DEADLINE = 30  # s; a busy machine is slow, not wrong


def until(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.01)


def take(bin_, name, **fields):
    message = Gst.Structure.new_empty(name)
    for key, value in fields.items():
        message.set_value(key.replace("_", "-"), value)
    return bin_.emit("take-message", message)


def main():
    Gst.init(None)
    robot = Gst.parse_launch(ROBOT)
    bin_ = robot.get_by_name("bin")
    sent = []
    bin_.connect("send-message", lambda _, message: sent.append(message.copy()))
    # Before it runs there is nobody to take anything.
    assert not take(bin_, "leave", peer_id="p1")
    robot.set_state(Gst.State.PLAYING)

    viewer = Gst.Pipeline.new(None)
    webrtc = Gst.ElementFactory.make("webrtcbin", None)
    webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    viewer.add(webrtc)
    frames = []

    def on_pad(_element, pad):
        out = Gst.parse_bin_from_description(
            "rtpvp8depay ! vp8dec ! fakesink name=out sync=false "
            "signal-handoffs=true", True)
        out.get_by_name("out").connect(
            "handoff", lambda *_args: frames.append(1))
        viewer.add(out)
        out.sync_state_with_parent()
        pad.link(out.get_static_pad("sink"))

    webrtc.connect("pad-added", on_pad)
    webrtc.connect("on-ice-candidate", lambda _, line, text: take(
        bin_, "ice-candidate", **{"from": "ann"}, peer_id="p1", candidate=text,
        sdp_mid=""))
    webrtc.emit("add-transceiver",
                GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                Gst.Caps.from_string(CAPS))
    viewer.set_state(Gst.State.PLAYING)
    made = Gst.Promise.new()
    webrtc.emit("create-offer", None, made)
    made.wait()
    reply = made.get_reply()  # owns the offer
    offer = reply.get_value("offer")
    text = offer.sdp.as_text()
    done = Gst.Promise.new()
    webrtc.emit("set-local-description", offer, done)
    done.wait()

    # What is no message, or half of one, is not taken.
    assert not take(bin_, "nonsense", **{"from": "ann"}, peer_id="p1")
    assert not take(bin_, "offer", **{"from": "ann"}, peer_id="p1")
    assert not take(bin_, "offer", **{"from": "ann"}, sdp="v=0")
    # A refusal comes back the same way.
    assert take(bin_, "offer", **{"from": "eve"}, peer_id="p0", sdp="v=0")
    until("the refusal", lambda: any(
        m.get_name() == "error" and m.get_string("peer-id") == "p0"
        and m.get_string("code") == "bad-message" for m in sent))

    assert take(bin_, "offer", **{"from": "ann"}, peer_id="p1",
                sdp=text)
    answers = lambda: [m for m in sent if m.get_name() == "answer"]  # noqa: E731
    until("the answer", answers)
    answer = answers()[0]
    assert answer.get_string("to") == "ann"
    assert answer.get_string("peer-id") == "p1"
    _result, sdp = GstSdp.SDPMessage.new_from_text(answer.get_string("sdp"))
    description = GstWebRTC.WebRTCSessionDescription.new(
        GstWebRTC.WebRTCSDPType.ANSWER, sdp)
    done = Gst.Promise.new()
    webrtc.emit("set-remote-description", description, done)
    done.wait()
    given = set()

    def pictures():
        for message in list(sent):
            if message.get_name() == "ice-candidate" and id(message) not in given:
                given.add(id(message))
                webrtc.emit("add-ice-candidate",
                            message.get_uint("sdp-m-line-index")[1],
                            message.get_string("candidate"))
        return len(frames) > 5

    until("pictures", pictures)
    assert bin_.emit("list-viewers") == ["p1"]
    assert take(bin_, "leave", peer_id="p1", reason="")
    until("the end", lambda: bin_.emit("list-viewers") == [])
    viewer.set_state(Gst.State.NULL)
    robot.set_state(Gst.State.NULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
