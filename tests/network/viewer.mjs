// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   viewer.mjs JSON     {url, user, robot, …}; the token in VIEWER_TOKEN
//
// A viewer that decodes nothing: libdatachannel on our server. Prints a line of
// JSON for each thing that happens, and five times a second what it has seen:
// packets, frames (by RTP timestamp), how late the frames of the last second
// came against the earliest of all, and its longest pause. Understands lines on stdin: offer,
// leave, close (the connection, without a word to the server), disconnect (the
// server's link alone), pair (of candidates), quit. *persist*: offers again by itself when the media
// is silent for 4 s or the robot gives it up, as the viewer page does.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(new URL('../interop/package.json',
  import.meta.url));
const { PeerConnection, RtcpReceivingSession, Video } =
  require('node-datachannel');
const { io } = require('socket.io-client');
const { url, user, robot, answers = true, garbage = false, persist = false,
  pli = 0 } =
  JSON.parse(process.argv[2]);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const H264 =
  'profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1';

const seen = { packets: 0, frames: 0, delay: [] };
let pc, track, peerId, flood;
let lastAt = 0, offered = 0, answered = false, acknowledged = true;
let lastStamp = -1, unwrapped = 0, earliest = Infinity, delays = [];

// RFC 3550, 5.1. The delay is that of a frame's first packet.
function received(packet) {
  if ((packet[1] & 0x7f) >= 64 && (packet[1] & 0x7f) < 96) return; // RTCP
  const now = lastAt = performance.now();
  seen.packets++;
  const stamp = packet.readUInt32BE(4);
  if (stamp === lastStamp) return;
  if (lastStamp >= 0) unwrapped += (stamp - lastStamp) | 0;
  lastStamp = stamp;
  seen.frames++;
  const delay = now - unwrapped / 90;
  earliest = Math.min(earliest, delay);
  delays.push([now, delay]);
}

function offer() {
  pc?.close();
  offered = performance.now();
  answered = acknowledged = false;
  lastStamp = -1; unwrapped = 0; earliest = Infinity; delays = [];
  pc = new PeerConnection('viewer', { iceServers: [] });
  pc.onStateChange((state) => say({ event: 'state', state }));
  pc.onLocalCandidate((candidate, sdpMid) => waiting(() =>
    socket.emit('ice-candidate', { to: robot, peerId,
      candidate: { candidate, sdpMid, sdpMLineIndex: 0 } })));
  pc.onLocalDescription((sdp, type) => socket.emit('offer',
    { to: robot, offer: { type, sdp }, ...(peerId ? { peerId } : {}) },
    (ack) => {
      acknowledged = true;
      say({ event: 'ack', ack: { ...ack, session: undefined } });
      peerId = ack.peerId ?? peerId;
      for (const send of queue.splice(0)) send();
    }));
  const video = new Video('video', 'RecvOnly');
  video.addH264Codec(108, H264);
  track = pc.addTrack(video);
  track.setMediaHandler(new RtcpReceivingSession());
  track.onMessage(received);
  pc.setLocalDescription('offer');
}
// Candidates wait for the peerId.
const queue = [];
const waiting = (send) => { if (peerId) send(); else queue.push(send); };

const socket = io(url, { auth: { token: process.env.VIEWER_TOKEN },
  transports: ['websocket'] });
socket.on('disconnect', () => { acknowledged = true; });
socket.on('connect', () => socket.emit('register',
  { userId: user, userType: 'viewer' }));
socket.on('connect_error', (error) =>
  say({ event: 'connect_error', message: error.message }));
socket.on('registered', (reply) => {
  say({ event: 'registered', success: reply.success });
  if (!pc) offer();
});
socket.on('answer', ({ answer }) => {
  say({ event: 'answer' });
  if (!answers || answered) return;
  pc.setRemoteDescription(answer.sdp, 'answer');
  for (const add of early.splice(0)) add();
  answered = true;
});
const early = [];
socket.on('ice-candidate', ({ candidate }) => {
  if (!candidate?.candidate) return;
  say({ candidate: candidate.candidate });
  const add = () => pc.addRemoteCandidate(candidate.candidate, 'video');
  if (!answers) return;
  if (answered) add(); else early.push(add);
});
for (const event of ['error', 'leave', 'session-ended', 'disconnect'])
  socket.on(event, (what) => {
    say({ event, what });
    if (event !== 'leave') return;
    peerId = undefined;
    offered = lastAt = -Infinity;
  });
if (persist)
  setInterval(() => {
    if (pc && socket.connected && acknowledged && performance.now() > 4000 +
        Math.max(lastAt, offered)) {
      say({ event: 'offers again' });
      offer();
    }
  }, 500);

setInterval(() => {
  const now = performance.now();
  delays = delays.filter(([at]) => at > now - 1000);
  seen.delay = delays.map(([, delay]) =>
    Math.round((delay - earliest) * 10) / 10);
  const times = [...delays.map(([at]) => at), now];
  seen.pause = Math.round(Math.max(0,
    ...times.slice(1).map((at, i) => at - times[i])));
  say({ seen, at: now });
}, 200);
if (pli)
  flood = setInterval(() => {
    try {
      for (let i = 0; track?.isOpen() && i < pli / 50; ++i)
        track.requestKeyframe();
    } catch { /* not open yet */ }
  }, 20);

// What is no RTP, no RTCP, or neither, by the way that is open: protected by
// SRTP, so that the robot has to look at it.
if (garbage)
  setInterval(() => {
    for (let i = 0; track?.isOpen() && i < 20; ++i) {
      const noise = randomBytes(12 + Math.floor(Math.random() * 600));
      noise[0] = 0x80 | (noise[0] & 0x3f);
      if (i % 2) noise[1] = 200 + (noise[1] % 8); // as RTCP
      try {
        track?.sendMessageBinary(noise);
      } catch { /* not open yet, or refused here */ }
    }
  }, 20);

const commands = {
  offer,
  leave: () => socket.emit('leave', { to: robot, peerId }),
  close: () => pc.close(),
  disconnect: () => socket.disconnect(),
  pair: () => say({ event: 'pair', ...pc.getSelectedCandidatePair() }),
  quit: () => process.exit(0),
};
readline.createInterface({ input: process.stdin })
  .on('line', (line) => commands[line]())
  .on('close', () => process.exit(0));
process.on('exit', () => clearInterval(flood));
