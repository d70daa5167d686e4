// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The signalling server beside a plain console on npm socket.io
// (tests/interop/console-server.js), on the same work: viewers that connect and
// register, an offer and its answer of 3 kB each, and candidates from all of
// them to one robot. Ours checks tokens, bookings and messages meanwhile; the
// console relays what it gets. CPU and memory are of the server process alone.
import path from 'node:path';
import { io } from 'socket.io-client';
import { bench, log, quantile, save, sleep, spread, start, usage }
  from './lib/common.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 5, seconds: 10 };
const viewers = 50;
const each = 20; // candidates a second of one viewer

async function consoleServer() {
  const server = start('node',
    [path.join(bench, '..', 'interop', 'console-server.js')],
    { env: { NODE_PATH: path.join(bench, 'node_modules') } });
  const ready = await server.line((line) => line.startsWith('listening'));
  return { server, url: `http://127.0.0.1:${ready.split(' ')[1]}`,
    robot: 'robot_bench_001', stop: () => server.stop(),
    user: (n) => `viewer${n}` };
}

async function ourServer(options) {
  const peer = await peers.ours({ ...options, raw: false, noRobot: true });
  return { server: peer.server, url: peer.url, robot: peer.robot,
    robotToken: peer.robotToken, token: peer.token, user: () => peer.user,
    stop: () => peer.server.stop() };
}

const once = (socket, event, ms = 20000) => new Promise((done, fail) => {
  const timer = setTimeout(() => fail(new Error(`no ${event}`)), ms);
  socket.once(event, (data) => { clearTimeout(timer); done(data); });
});

async function client(server, userId, userType, token) {
  const socket = io(server.url,
    { transports: ['websocket'], forceNew: true, auth: { token } });
  await once(socket, 'connect');
  const registered = once(socket, 'registered');
  socket.emit('register', { userId, userType });
  const reply = await registered;
  if (!reply.success) throw new Error(reply.message);
  return socket;
}

// An offer as a browser's: one video of a few codecs, one candidate.
function sdp(n) {
  const hex = Array.from({ length: 32 }, (_, i) =>
    ((i * 7 + n) % 256).toString(16).padStart(2, '0').toUpperCase()).join(':');
  const codecs = Array.from({ length: 20 }, (_, i) => [
    `a=rtpmap:${96 + i} H264/90000`, `a=rtcp-fb:${96 + i} nack`,
    `a=rtcp-fb:${96 + i} nack pli`, `a=fmtp:${96 + i} ` +
    'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'])
    .flat();
  return ['v=0', `o=- ${n} 2 IN IP4 127.0.0.1`, 's=-', 't=0 0',
    'a=group:BUNDLE 0', 'm=video 9 UDP/TLS/RTP/SAVPF ' +
    Array.from({ length: 20 }, (_, i) => 96 + i).join(' '),
    'c=IN IP4 0.0.0.0', 'a=ice-ufrag:abcd', 'a=ice-pwd:' + 'x'.repeat(24),
    `a=fingerprint:sha-256 ${hex}`, 'a=setup:actpass', 'a=mid:0',
    'a=recvonly', 'a=rtcp-mux', ...codecs, ''].join('\r\n');
}

async function measureServer(make, options) {
  const server = await make(options);
  const pid = server.server.pid;
  const sockets = [];
  try {
    const robot = await client(server, server.robot, 'robot',
      server.robotToken);
    robot.on('offer', ({ from, peerId, offer }) => robot.emit('answer',
      { to: from, peerId, answer: { type: 'answer', sdp: offer.sdp } }));
    const idle = usage(pid);
    for (let n = 0; n < viewers; ++n)
      sockets.push(await client(server, server.user(n), 'viewer',
        server.token));
    const connected = usage(pid);

    const answers = [];
    const peerIds = [];
    for (let n = 0; n < viewers; ++n) {
      const answered = once(sockets[n], 'answer');
      const from = performance.now();
      sockets[n].emit('offer',
        { to: server.robot, offer: { type: 'offer', sdp: sdp(n) } });
      peerIds.push((await answered).peerId);
      answers.push(performance.now() - from);
      await sleep(10);
    }

    // The foundation carries when it was sent: nothing else is relayed.
    const relayed = [];
    robot.on('ice-candidate', ({ candidate }) => relayed.push(
      performance.now() - Number(/candidate:(\d+)/.exec(candidate.candidate)[1])
        / 1000));
    const before = usage(pid);
    const wanted = options.seconds * each * viewers;
    const from = performance.now();
    for (let sent = 0; sent < wanted; ++sent) {
      const due = from + sent * 1000 / (each * viewers);
      if (due > performance.now()) await sleep(due - performance.now());
      const n = sent % viewers;
      const now = Math.round(performance.now() * 1000);
      sockets[n].emit('ice-candidate', { to: server.robot, peerId: peerIds[n],
        candidate: { sdpMid: '0', sdpMLineIndex: 0, candidate:
          `candidate:${now} 1 udp 2122260223 192.0.2.1 50000 typ host` } });
    }
    await sleep(300);
    const after = usage(pid);
    return { registerUs: 1000 * (connected.cpu - idle.cpu) / viewers,
      memoryKb: 1024 * (connected.memory - idle.memory) / viewers,
      idleMb: idle.memory, answerMs: quantile(answers, 0.5),
      answer99: quantile(answers, 0.99), relayMs: quantile(relayed, 0.5),
      relay99: quantile(relayed, 0.99),
      relayUs: 1000 * (after.cpu - before.cpu) / relayed.length,
      lost: wanted - relayed.length };
  } finally {
    for (const socket of sockets) socket.disconnect();
    await server.stop();
  }
}

const columns = { registerUs: 'CPU a registration, µs',
  memoryKb: 'memory a socket, kB', idleMb: 'memory idle, MB',
  answerMs: 'offer to answer p50, ms', answer99: 'p99, ms',
  relayMs: 'candidate p50, ms', relay99: 'candidate p99, ms',
  relayUs: 'CPU a candidate, µs', lost: 'candidates lost' };

export async function run(options) {
  const servers = { 'robotlive-signaling': ourServer,
    'npm socket.io console': consoleServer };
  const runs = [];
  for (let round = 0; round < options.runs; ++round)
    for (const [name, make] of Object.entries(servers)) {
      const result = await measureServer(make, options);
      log(`signaling ${name}:`, JSON.stringify(result, (key, value) =>
        typeof value === 'number' ? Math.round(value * 100) / 100 : value));
      runs.push({ sender: name, ...result });
    }
  const rows = Object.keys(servers).map((sender) => {
    const row = { sender };
    for (const [key, title] of Object.entries(columns))
      row[title] = spread(runs.filter((r) => r.sender === sender)
        .map((r) => r[key]));
    return row;
  });
  return save('signaling', options, rows,
    { columns: Object.values(columns), runs_raw: runs });
}
