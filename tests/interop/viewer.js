// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A viewer without a browser: libdatachannel (another WebRTC stack than the
// robot's) offers to receive H.264 and counts the RTP packets that arrive.
'use strict';
const { PeerConnection, Video, RtcpReceivingSession } =
  require('node-datachannel');

const H264 = 'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1';

class Viewer {
  // *send (event, payload)* carries offer and candidates to the robot.
  constructor(send) {
    this.packets = 0;
    this.lastPacketAt = 0;
    this.nalTypes = new Set();
    this.closed = false;
    this.pc = new PeerConnection('viewer', { iceServers: [] });
    this.pc.onLocalDescription((sdp, type) => send(type, { type, sdp }));
    this.pc.onLocalCandidate((candidate, sdpMid) =>
      send('ice-candidate', { candidate, sdpMid, sdpMLineIndex: 0 }));
    this.pc.onStateChange((state) => { this.state = state; });
    const video = new Video('video', 'RecvOnly');
    video.addH264Codec(108, H264);
    this.track = this.pc.addTrack(video);
    this.track.setMediaHandler(new RtcpReceivingSession());
    this.track.onMessage((packet) => this.#received(packet));
  }

  offer() { this.pc.setLocalDescription('offer'); }

  answer(answer) { this.pc.setRemoteDescription(answer.sdp, 'answer'); }

  candidate(candidate) {
    if (candidate?.candidate)
      this.pc.addRemoteCandidate(candidate.candidate, candidate.sdpMid ?? 'video');
  }

  #received(packet) {
    this.packets++;
    this.lastPacketAt = Date.now();
    // RFC 3550 5.1: 12 bytes, CSRCs, extension; then RFC 6184 5.3: NAL type.
    let offset = 12 + 4 * (packet[0] & 0x0f);
    if (packet[0] & 0x10)
      offset += 4 + 4 * packet.readUInt16BE(offset + 2);
    const type = packet[offset] & 0x1f;
    this.nalTypes.add(type === 28 ? packet[offset + 1] & 0x1f : type);
  }

  close() {
    if (this.closed)
      return;
    this.closed = true;
    this.track.close();
    this.pc.close();
  }
}

module.exports = { Viewer };
