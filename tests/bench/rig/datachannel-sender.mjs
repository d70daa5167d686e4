// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   datachannel-sender.mjs ENCODED-CLIP
//
// The peer libdatachannel, through node-datachannel: H.264 packets and SRTP,
// with repair by NACK, no encoder.
import dc from 'node-datachannel';
import { accessUnits, camera, serve } from './clip.mjs';

const units = accessUnits(process.argv[2]);
const peers = new Map();
camera((n) => {
  for (const peer of peers.values()) {
    if (!peer.track.isOpen()) continue;
    peer.rtp.timestamp = (n * 3000) >>> 0;
    peer.track.sendMessageBinary(units[n % units.length]);
  }
});

serve({
  answer(id, sdp) {
    const pc = new dc.PeerConnection(id, { iceServers: [],
      disableAutoNegotiation: true });
    const pt = Number(/a=rtpmap:(\d+) H264\/90000/.exec(sdp)[1]);
    const mid = /a=mid:(\S+)/.exec(sdp)[1];
    const ssrc = 1 + Math.floor(Math.random() * 0x7ffffffe);
    const media = new dc.Video(mid, 'SendOnly');
    media.addH264Codec(pt);
    media.addSSRC(ssrc, 'bench', 'bench', 'bench');
    const rtp = new dc.RtpPacketizationConfig(ssrc, 'bench', pt, 90000);
    const chain = new dc.H264RtpPacketizer('StartSequence', rtp, 1180);
    chain.addToChain(new dc.RtcpSrReporter(rtp));
    chain.addToChain(new dc.RtcpNackResponder());
    const described = new Promise((done) => {
      pc.onGatheringStateChange((state) => state === 'complete' && done());
    });
    pc.setRemoteDescription(sdp, 'offer');
    const track = pc.addTrack(media);
    track.setMediaHandler(chain);
    peers.set(id, { pc, track, rtp });
    pc.setLocalDescription('answer');
    return described.then(() => pc.localDescription().sdp);
  },
  candidate: (id, mline, candidate) =>
    peers.get(id)?.pc.addRemoteCandidate(candidate, '0'),
  leave(id) { peers.get(id)?.pc.close(); peers.delete(id); },
});
