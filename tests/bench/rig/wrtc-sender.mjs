// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   wrtc-sender.mjs RAW-CLIP
//
// The peer @roamhq/wrtc: libwebrtc in Node, VP8 (it has no H.264).
import { createRequire } from 'node:module';
import { camera, height, rawFrames, serve, stamp, width } from './clip.mjs';

const wrtc = createRequire(import.meta.url)('@roamhq/wrtc');
const frames = rawFrames(process.argv[2]);
const source = new wrtc.nonstandard.RTCVideoSource();
const track = source.createTrack();
const peers = new Map();
const data = new Uint8ClampedArray(width * height * 3 / 2);
camera((n) => {
  data.set(frames[n % frames.length]);
  stamp(data, Date.now());
  source.onFrame({ width, height, data });
});

serve({
  async answer(id, sdp) {
    const pc = new wrtc.RTCPeerConnection();
    peers.set(id, pc);
    await pc.setRemoteDescription({ type: 'offer', sdp });
    const sender = pc.addTrack(track);
    await pc.setLocalDescription(await pc.createAnswer());
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings ?? [])
      encoding.maxBitrate = 2000000;
    await sender.setParameters(parameters).catch(() => {});
    if (pc.iceGatheringState !== 'complete')
      await new Promise((done) => {
        pc.onicegatheringstatechange = () =>
          pc.iceGatheringState === 'complete' && done();
      });
    return pc.localDescription.sdp;
  },
  candidate: (id, sdpMLineIndex, candidate) =>
    peers.get(id)?.addIceCandidate({ candidate, sdpMLineIndex, sdpMid: '0' }),
  leave(id) { peers.get(id)?.close(); peers.delete(id); },
});
