#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Viewers that speak SCTP, real ones and hostile ones, before a real robot.

The robot is a process of its own, with the element and an application that
carries the signaling messages; the viewers are aiortc's. What they offer as a
data channel is rejected, the picture comes, and what they send for one all the
same meets nobody: the process lives, has no more threads and no SCTP element,
and the picture of another viewer runs on.

    sctppeer.py         the test
    sctppeer.py robot   the robot: lines of JSON in and out
"""
import asyncio
import json
import os
import sys
import threading

SPARE = 8  # threads that GLib may keep for later; an attack makes thousands
DEADLINE = 60  # s; a busy machine is slow, not wrong
ROBOT = """
    videotestsrc is-live=true pattern=ball
    ! video/x-raw,format=I420,width=160,height=120,framerate=30/1
    ! vp8enc deadline=1 cpu-used=16 keyframe-max-dist=30
    ! signalingbin name=bin application-signaling=true robot-id=robot_1
      session-policy=open
"""


def robot():
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
    Gst.init(None)
    pipeline = Gst.parse_launch(ROBOT)
    bin_ = pipeline.get_by_name("bin")
    lock = threading.Lock()

    def say(**fields):
        with lock:
            print(json.dumps(fields), flush=True)

    def on_message(_bin, message):
        kind = message.get_name()
        fields = {"kind": kind, "id": message.get_string("peer-id")}
        if kind == "answer":
            fields["sdp"] = message.get_string("sdp")
        elif kind == "ice-candidate":
            fields["candidate"] = message.get_string("candidate")
            fields["mid"] = message.get_string("sdp-mid")
            fields["line"] = message.get_uint("sdp-m-line-index")[1]
        elif kind == "error":
            fields["message"] = message.get_string("message")
        say(**fields)

    bin_.connect("send-message", on_message)
    pipeline.set_state(Gst.State.PLAYING)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["kind"] == "look":
            names, found = [], pipeline.iterate_recurse()
            while True:
                result, element = found.next()
                if result == Gst.IteratorResult.RESYNC:
                    names.clear()
                    found.resync()
                elif result != Gst.IteratorResult.OK:
                    break
                elif element.get_factory():
                    names.append(element.get_factory().get_name())
            say(kind="seen", id="", elements=names,
                viewers=list(bin_.emit("list-viewers")))
            continue
        message = Gst.Structure.new_empty(asked.pop("kind"))
        for key, value in asked.items():
            message.set_value(key, value)
        bin_.emit("take-message", message)
    pipeline.set_state(Gst.State.NULL)


class Robot:
    """The process, and what it has said."""

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "robot", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, limit=1 << 20)
        self.said, self.viewers = [], []
        self.changed = asyncio.Condition()
        self.reader = asyncio.ensure_future(self.read())

    async def read(self):
        async for line in self.process.stdout:
            if not line.startswith(b"{"):  # GLib's last words
                print(line.decode().rstrip(), file=sys.stderr)
                continue
            async with self.changed:
                self.said.append(json.loads(line))
                self.changed.notify_all()

    def tell(self, **fields):
        self.process.stdin.write(json.dumps(fields).encode() + b"\n")

    def alive(self):
        return self.process.returncode is None

    async def heard(self, **fields):
        def found():
            for message in self.said:
                if fields.items() <= message.items():
                    return message
            return None

        async def wait():
            async with self.changed:
                await self.changed.wait_for(found)
        await asyncio.wait_for(wait(), DEADLINE)
        return found()

    async def look(self):
        self.said = [m for m in self.said if m["kind"] != "seen"]
        self.tell(kind="look")
        return await self.heard(kind="seen", id="")

    def threads(self):
        """Their number. None is SCTP's."""
        names = []
        for folder in os.scandir(f"/proc/{self.process.pid}/task"):
            try:
                with open(folder.path + "/comm") as file:
                    names.append(file.read().strip())
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has just ended
        assert not [n for n in names if "sctp" in n.lower()], names
        return len(names)

    async def settled_threads(self):
        """As many as there are for a second: some end a moment later."""
        last, same = -1, 0
        while same < 10:
            now = self.threads()
            same = same + 1 if now == last else 0
            last = now
            await asyncio.sleep(0.1)
        return last


def sections(sdp):
    """What stands before the first m-line, and each m-line with what is its."""
    parts = sdp.replace("\r\n", "\n").split("\nm=")
    return parts[0] + "\n", ["m=" + part.rstrip("\n") + "\n"
                             for part in parts[1:]]


class Viewer:
    """One that looks on by aiortc. *order* changes the offer's m-lines on their
    way, as a list of those that aiortc has made."""

    def __init__(self, robot_, id_, channel=True, order=None, hostile=False,
                 old=False):
        from aiortc import RTCPeerConnection
        self.robot, self.id, self.order = robot_, id_, order
        robot_.viewers.append(self)
        self.hostile = hostile
        self.pc = RTCPeerConnection()
        # "DTLS/SCTP 5000" as before RFC 8841, or as now.
        self.pc._sctpLegacySdp = old
        self.pc.addTransceiver("video", direction="recvonly")
        self.channel = self.pc.createDataChannel("drive") if channel else None
        self.frames = 0
        self.tasks = []
        self.pc.on("track", lambda track: self.tasks.append(
            asyncio.ensure_future(self.count(track))))

    async def count(self, track):
        while True:
            await track.recv()
            self.frames += 1

    async def join(self):
        from aiortc import RTCSessionDescription
        await self.pc.setLocalDescription(await self.pc.createOffer())
        session, medias = sections(self.pc.localDescription.sdp)
        order = self.order or list(range(len(medias)))
        medias = [medias[i] for i in order]
        mids = [m.split("\na=mid:")[1].split("\n")[0] for m in medias]
        lines = session.split("\n")
        lines = ["a=group:BUNDLE " + " ".join(mids)
                 if line.startswith("a=group:") else line for line in lines]
        self.robot.tell(
            kind="offer", **{"from": self.id, "peer-id": self.id,
                             "sdp": ("\n".join(lines) + "".join(medias))
                             .replace("\n", "\r\n")})
        answer = await self.robot.heard(kind="answer", id=self.id)
        self.answer = answer["sdp"]
        session, medias = sections(self.answer)
        self.answered = [m.split("\n")[0] for m in medias]
        back = [medias[order.index(i)] for i in range(len(medias))]
        if self.hostile:
            # As if it had been taken: aiortc starts SCTP on its transport.
            group = [line for line in session.split("\n")
                     if line.startswith("a=group:BUNDLE")][0]
            for i, media in enumerate(back):
                if media.startswith("m=application 0"):
                    mid = media.split("\na=mid:")[1].split("\n")[0]
                    back[i] = media.replace(
                        "m=application 0", "m=application 9"
                    ) + "a=sctp-port:5000\n"
                    session = session.replace(group, group + " " + mid)
        await self.pc.setRemoteDescription(RTCSessionDescription(
            sdp=(session + "".join(back)).replace("\n", "\r\n"),
            type="answer"))
        self.tasks.append(asyncio.ensure_future(self.take_candidates()))
        await self.pictures(3)

    async def take_candidates(self):
        from aiortc.sdp import candidate_from_sdp
        taken = 0
        while True:
            mine = [m for m in self.robot.said
                    if m["kind"] == "ice-candidate" and m["id"] == self.id]
            for message in mine[taken:]:
                candidate = candidate_from_sdp(
                    message["candidate"].removeprefix("candidate:"))
                candidate.sdpMid = message["mid"]
                candidate.sdpMLineIndex = message["line"]
                self.where = (message["mid"], message["line"])
                await self.pc.addIceCandidate(candidate)
            taken = len(mine)
            await asyncio.sleep(0.02)

    async def pictures(self, more):
        target = self.frames + more

        async def wait():
            while self.frames < target:
                assert self.robot.alive(), "the robot's process has ended"
                assert not [m for m in self.robot.said if m["id"] == self.id and
                            m["kind"] in ("leave", "error")], self.robot.said
                await asyncio.sleep(0.02)
        await asyncio.wait_for(wait(), DEADLINE)

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await self.pc.close()

    async def leave(self):
        self.robot.tell(kind="leave", **{"peer-id": self.id, "reason": ""})
        await self.close()

        async def gone():
            while self.id in (await self.robot.look())["viewers"]:
                await asyncio.sleep(0.05)
        await asyncio.wait_for(gone(), DEADLINE)


async def abort_sctpdec(sctp):
    """A hole in the numbers, SHUTDOWN, then FORWARD-TSN over the hole: sctpdec
    asserts that a pad is there, and it no longer makes one."""
    from aiortc import rtcsctptransport as wire
    data = wire.DataChunk(flags=3)
    first = sctp._local_tsn
    data.tsn, data.stream_id, data.stream_seq = first + 1, 77, 1
    data.protocol, data.user_data = 53, b"x"
    shutdown = wire.ShutdownChunk()
    shutdown.cumulative_tsn = sctp._last_received_tsn or 0
    forward = wire.ForwardTsnChunk()
    forward.cumulative_tsn, forward.streams = first, [(77, 0)]
    for chunk in (data, shutdown, forward):
        await sctp._send_chunk(chunk)
        await asyncio.sleep(0.1)


async def open_streams(sctp):
    """A byte on each of 1,000 streams: two threads for each of them."""
    from aiortc import rtcsctptransport as wire
    first = sctp._local_tsn
    for i in range(1000):
        data = wire.DataChunk(flags=3)
        data.tsn, data.stream_id = first + i, i
        data.protocol, data.user_data = 53, b"x"
        await sctp._send_chunk(data)
        if i % 50 == 0:
            await asyncio.sleep(0.02)


async def attack(robot_, other, name, deed):
    before = await robot_.settled_threads()
    viewer = Viewer(robot_, name, hostile=True)
    await viewer.join()
    joined = await robot_.settled_threads()
    sctp = viewer.pc.sctp
    # INIT is sent several times; nobody answers.
    established = False
    for _ in range(20):
        established |= sctp._association_state == sctp.State.ESTABLISHED
        await asyncio.sleep(0 if established else 0.05)
    await deed(sctp)
    for _ in range(5):
        await other.pictures(3)
        await viewer.pictures(3)
        assert robot_.threads() <= joined + SPARE, \
            f"{name}: {robot_.threads()} threads, {joined} before"
    seen = await robot_.look()
    assert not [e for e in seen["elements"] if "sctp" in e], seen["elements"]
    assert not established, "the robot has answered INIT"
    await viewer.leave()
    after = await robot_.settled_threads()
    assert after <= before + SPARE, f"{name}: {after} threads left of {before}"


async def main():
    robot_ = Robot()
    await robot_.start()
    try:
        await viewers_come_and_go(robot_)
        robot_.process.stdin.close()
        status = await asyncio.wait_for(robot_.process.wait(), DEADLINE)
        assert status == 0, f"the robot's process ended with {status}"
    finally:
        if robot_.alive():
            robot_.process.kill()
        for viewer in robot_.viewers:
            await viewer.close()  # their threads would wait for ever


async def viewers_come_and_go(robot_):
    other = Viewer(robot_, "other", channel=False)
    await other.join()
    alone = await robot_.settled_threads()
    await other.leave()
    none = await robot_.settled_threads()

    new_channel = "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    # A well-behaved one: its m-line stands behind, or before.
    for name, old, order, lines in (
            ("after", False, [0, 1], ["m=video 9", new_channel]),
            ("before", False, [1, 0], [new_channel, "m=video 9"]),
            ("of old", True, [0, 1],
             ["m=video 9", "m=application 0 DTLS/SCTP 5000"])):
        viewer = Viewer(robot_, name, order=order, old=old)
        await viewer.join()
        for at, text in enumerate(lines):
            assert viewer.answered[at].startswith(text), viewer.answered
        assert "sctp-port" not in viewer.answer
        assert viewer.where == ("0", order.index(0)), viewer.where
        await viewer.pictures(5)
        assert viewer.channel.readyState != "open"
        seen = await robot_.look()
        assert "webrtcbin" in seen["elements"]
        assert not [e for e in seen["elements"] if "sctp" in e], seen
        threads = await robot_.settled_threads()
        assert threads <= alone + SPARE, f"{name}: {threads}, {alone} without"
        await viewer.leave()
        threads = await robot_.settled_threads()
        assert threads <= none + SPARE, f"{name}: {threads} left of {none}"

    other = Viewer(robot_, "stays", channel=False)
    await other.join()
    for name, deed in (("shutdown", abort_sctpdec), ("streams", open_streams)):
        await attack(robot_, other, name, deed)
    assert robot_.alive()
    await other.leave()


if __name__ == "__main__":
    if sys.argv[1:] == ["robot"]:
        robot()
    else:
        asyncio.run(main())
