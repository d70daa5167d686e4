#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""aiortc-sender.py RAW-CLIP: the peer aiortc, H.264 by libx264 per viewer.

Speaks the line protocol of sender.cpp and stamps as clip.hpp does.
"""
import asyncio
import base64
import fractions
import mmap
import os
import sys
import time

import aiortc.codecs.h264
import av
import numpy
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp

WIDTH, HEIGHT = 1280, 720
FRAME = WIDTH * HEIGHT * 3 // 2
aiortc.codecs.h264.DEFAULT_BITRATE = 2000000
aiortc.codecs.h264.MAX_BITRATE = 2000000


class Camera(VideoStreamTrack):
    """The clip at 30 frames a second, stamped as each frame is taken."""

    def __init__(self, clip):
        super().__init__()
        self.clip, self.count = clip, len(clip) // FRAME
        self.start, self.n = None, 0

    async def recv(self):
        self.start = self.start or time.monotonic()
        await asyncio.sleep(
            max(0, self.start + self.n / 30 - time.monotonic()))
        at = self.n % self.count * FRAME
        data = numpy.frombuffer(self.clip[at:at + FRAME], numpy.uint8)
        picture = data.reshape(HEIGHT * 3 // 2, WIDTH).copy()
        now = time.time_ns() // 1000000
        for bit in range(24):
            one = now >> (23 - bit) & 1
            column = slice(bit * 16, bit * 16 + 16)
            picture[0:16, column] = 235 if one else 16
            picture[16:32, column] = 16 if one else 235
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self.n * 3000, fractions.Fraction(1, 90000)
        self.n += 1
        return frame


def say(*words):
    print(*words, flush=True)


async def obey(peers, clip, line):
    verb, who, *rest = line.split(" ", 3)
    if verb == "offer":
        pc = peers[who] = RTCPeerConnection()
        sdp = base64.b64decode(rest[0]).decode()
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        pc.addTrack(Camera(clip))
        await pc.setLocalDescription(await pc.createAnswer())
        answer = pc.localDescription.sdp.encode()
        say("answer", who, base64.b64encode(answer).decode())
    elif verb == "candidate" and who in peers:
        candidate = candidate_from_sdp(rest[1].removeprefix("candidate:"))
        candidate.sdpMLineIndex = int(rest[0])
        await peers[who].addIceCandidate(candidate)
    elif verb == "leave":
        if who in peers:
            await peers.pop(who).close()
        say("left", who)


async def main():
    with open(sys.argv[1], "rb") as file:
        clip = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peers, tasks = {}, set()
    say("ready")
    while line := await reader.readline():
        task = asyncio.create_task(obey(peers, clip, line.decode().rstrip()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)


asyncio.run(main())
