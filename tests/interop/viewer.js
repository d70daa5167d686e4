// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A viewer without a browser: libdatachannel (another WebRTC stack than the
// robot's) offers to receive H.264 and counts the RTP packets that arrive. It
// runs in a process of its own, since its threads outlive a test.
'use strict';
const { fork } = require('node:child_process');

const H264 = 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1';

// The parent's side.
class Viewer {
  // send(event, payload) carries offer and candidates to the robot.
  constructor(send) {
    this.packets = 0;
    this.nalTypes = new Set();
    this.child = fork(__filename, { stdio: 'inherit' });
    this.child.on('message', ({ event, payload }) => {
      if (event === 'received') {
        this.packets = payload.packets;
        this.nalTypes = new Set(payload.nalTypes);
      } else {
        send(event, payload);
      }
    });
  }

  offer() { this.child.send({ event: 'start' }); }

  answer(answer) { this.child.send({ event: 'answer', payload: answer }); }

  candidate(candidate) {
    this.child.send({ event: 'ice-candidate', payload: candidate });
  }

  close() { this.child.kill('SIGKILL'); }
}

// The child's.
function run() {
  const { PeerConnection, Video, RtcpReceivingSession } =
    require('node-datachannel');
  const send = (event, payload) => process.send({ event, payload });
  const pc = new PeerConnection('viewer', { iceServers: [] });
  pc.onLocalDescription((sdp, type) => send(type, { type, sdp }));
  pc.onLocalCandidate((candidate, sdpMid) =>
    send('ice-candidate', { candidate, sdpMid, sdpMLineIndex: 0 }));
  const video = new Video('video', 'RecvOnly');
  video.addH264Codec(108, H264);
  const track = pc.addTrack(video);
  track.setMediaHandler(new RtcpReceivingSession());

  let packets = 0;
  const nalTypes = new Set();
  track.onMessage((packet) => {
    packets++;
    // RFC 3550 5.1: 12 bytes, CSRCs, extension; then RFC 6184 5.3: NAL type,
    // of a fragment (28) or of the first unit in an aggregate (24).
    let offset = 12 + 4 * (packet[0] & 0x0f);
    if (packet[0] & 0x10)
      offset += 4 + 4 * packet.readUInt16BE(offset + 2);
    let type = packet[offset] & 0x1f;
    if (type === 28)
      type = packet[offset + 1] & 0x1f;
    else if (type === 24)
      type = packet[offset + 3] & 0x1f;
    nalTypes.add(type);
  });
  // Names the track, which must not be collected while it receives.
  setInterval(() => send('received',
    { packets, nalTypes: [...nalTypes], open: track.isOpen() }), 100);

  process.on('message', ({ event, payload }) => {
    if (event === 'start')
      pc.setLocalDescription('offer');
    else if (event === 'answer')
      pc.setRemoteDescription(payload.sdp, 'answer');
    else if (payload?.candidate)
      pc.addRemoteCandidate(payload.candidate, payload.sdpMid ?? 'video');
  });
}

if (require.main === module)
  run();
else
  module.exports = { Viewer };
