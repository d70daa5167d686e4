// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer in the browser. watch () joins and returns when the first frame
// is presented; frames then collects what each presented frame tells.
'use strict';
const video = document.getElementById('video');
const canvas = document.createElement('canvas');
canvas.width = 384;
canvas.height = 32;
const context = canvas.getContext('2d', { willReadFrequently: true });
let frames = [];
let connection = null;
let socket = null;
let ended = null;

// The time burnt into the picture (rig/clip.hpp), or null if none can be read.
function readStamp() {
  context.drawImage(video, 0, 0, 384, 32, 0, 0, 384, 32);
  const { data } = context.getImageData(0, 0, 384, 32);
  const luma = (x, y) => data[4 * (y * 384 + x) + 1];
  let value = 0;
  for (let bit = 0; bit < 24; ++bit) {
    const difference = luma(bit * 16 + 8, 8) - luma(bit * 16 + 8, 24);
    if (Math.abs(difference) < 60) return null;
    value = value * 2 + (difference > 0 ? 1 : 0);
  }
  return value;
}

// Milliseconds from the stamp to a time of this page's clock.
function since(stamp, time) {
  const wall = performance.timeOrigin + time;
  const age = (wall - stamp) % 2 ** 24;
  return age > 2 ** 23 ? age - 2 ** 24 : age;
}

function onFrame(now, frame) {
  video.requestVideoFrameCallback(onFrame);
  const stamp = readStamp();
  frames.push({
    at: performance.timeOrigin + now,
    // By the stamp alone: callback and presentation are other times than that.
    taken: stamp === null ? null
      : performance.timeOrigin + now - since(stamp, now),
    presented: stamp === null ? null : since(stamp, frame.presentationTime),
    received: stamp === null || frame.receiveTime === undefined
      ? null : since(stamp, frame.receiveTime),
    decode: frame.processingDuration,
    count: frame.presentedFrames,
  });
}

const post = (url, body) =>
  fetch(url, { method: 'POST', body: JSON.stringify(body) })
    .then((reply) => reply.json());

// Chromium's own start-up of WebRTC is not the sender's: done before the clock
// starts. The codecs: what the sender can do.
function makeConnection({ codec, hint }) {
  const pc = new RTCPeerConnection({ iceServers: [] });
  pc.ontrack = ({ track, receiver, streams }) => {
    if (hint !== undefined) receiver.jitterBufferTarget = hint;
    video.srcObject = streams[0] ?? new MediaStream([track]);
  };
  connection = pc;
  if (codec) {
    const transceiver = pc.addTransceiver('video', { direction: 'recvonly' });
    const wanted = RTCRtpReceiver.getCapabilities('video').codecs
      .filter(({ mimeType }) => [`video/${codec}`, 'video/rtx']
        .some((name) => name.toLowerCase() === mimeType.toLowerCase()));
    transceiver.setCodecPreferences(wanted);
  }
  return pc;
}

async function joinByPost(id, options) {
  const pc = makeConnection(options);
  pc.onicecandidate = ({ candidate }) => post('/candidate', { id,
    mline: candidate?.sdpMLineIndex ?? 0, text: candidate?.candidate ?? '' });
  await pc.setLocalDescription();
  const start = performance.now();
  const { sdp } = await post('/offer', { id, sdp: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: 'answer', sdp });
  return start;
}

async function joinJanus(id) {
  const start = performance.now();
  const { sdp } = await post('/watch', { id });
  const pc = makeConnection({});
  pc.onicecandidate = ({ candidate }) => post('/candidate', { id,
    mline: candidate?.sdpMLineIndex ?? 0, text: candidate?.candidate ?? '' });
  await pc.setRemoteDescription({ type: 'offer', sdp });
  await pc.setLocalDescription();
  await post('/accept', { id, sdp: pc.localDescription.sdp });
  return start;
}

async function joinSocketIo({ url, token, user, robot, ...options }) {
  socket = io(url, { auth: { token }, transports: ['websocket'] });
  await new Promise((done, fail) => {
    socket.on('connect', done);
    socket.on('connect_error', fail);
  });
  socket.emit('register', { userId: user, userType: 'viewer', token });
  const registered = await new Promise((done) => socket.on('registered', done));
  if (!registered.success) throw new Error(registered.message);
  const pc = makeConnection(options);
  let peerId;
  let early = [];
  const send = (candidate) =>
    socket.emit('ice-candidate', { to: robot, candidate, peerId });
  pc.onicecandidate = ({ candidate }) => {
    const plain = candidate === null ? null : candidate.toJSON();
    if (peerId === undefined) early.push(plain);
    else send(plain);
  };
  socket.on('ice-candidate', ({ candidate }) =>
    pc.addIceCandidate(candidate ?? undefined).catch(() => {}));
  socket.on('session-ended', ({ reason }) => {
    ended = { reason, at: performance.timeOrigin + performance.now() };
  });
  socket.on('error', ({ code, message }) => { ended = `${code}: ${message}`; });
  socket.on('leave', ({ reason }) => { ended = ended ?? `left: ${reason}`; });
  const answered = new Promise((done) => socket.on('answer', done));
  await pc.setLocalDescription();
  const start = performance.now();
  socket.emit('offer', { to: robot, offer: pc.localDescription.toJSON() },
    (reply) => {
      if (!reply.ok) ended = `${reply.code}: ${reply.message}`;
      peerId = reply.peerId;
      for (const candidate of early.splice(0)) send(candidate);
    });
  const answer = await answered;
  peerId = answer.peerId;
  for (const candidate of early.splice(0)) send(candidate);
  await pc.setRemoteDescription(answer.answer);
  return start;
}

// Resolves to the milliseconds from the offer to the first presented frame.
async function watch(how) {
  frames = [];
  ended = null;
  const first = new Promise((done) => video.requestVideoFrameCallback(
    (now, frame) => { done(frame.presentationTime); onFrame(now, frame); }));
  const timeout = new Promise((_, fail) => setTimeout(() => fail(new Error(
    `no frame within 20 s (${connection?.connectionState}, ` +
    `${JSON.stringify(ended)})`)), 20000));
  const joined = how.signaling === 'socketio' ? joinSocketIo(how)
    : how.signaling === 'janus' ? joinJanus(how.id) : joinByPost(how.id, how);
  const [shown, start] = await Promise.race([Promise.all([first, joined]),
    timeout]);
  return shown - start;
}

async function inboundVideo() {
  for (const report of (await connection.getStats()).values())
    if (report.type === 'inbound-rtp' && report.kind === 'video') {
      const plain = {};
      for (const [key, value] of Object.entries(report))
        if (typeof value === 'number') plain[key] = value;
      return plain;
    }
  return {};
}

async function take() {
  const taken = frames;
  frames = [];
  return { frames: taken, stats: await inboundVideo(), ended };
}

function hangUp() {
  connection?.close();
  socket?.disconnect();
  video.srcObject = null;
}
