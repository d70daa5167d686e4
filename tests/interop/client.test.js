// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Our Socket.IO client against the official npm server as a plain console.
'use strict';
const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { test } = require('node:test');
const { io } = require('socket.io-client');

const build = process.env.BUILD_DIR || path.join(__dirname, '../../build');
const driver = path.join(build, 'tests/interop/client-driver');
const WAIT = 30000; // generous: a slow machine must not fail

// A child whose lines can be awaited. Lines that matched are used up.
class Process {
  constructor(t, command, args, options) {
    this.child = spawn(command, args,
      { stdio: ['ignore', 'pipe', 'inherit'], ...options });
    this.lines = [];
    this.changed = () => {};
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.changed();
    });
    this.exited = once(this.child, 'exit');
    t.after(async () => { this.child.kill('SIGKILL'); await this.exited; });
  }

  async until(matches, what) {
    const deadline = Date.now() + WAIT;
    for (;;) {
      const index = this.lines.findIndex(matches);
      if (index >= 0)
        return this.lines.splice(0, index + 1)[index];
      const left = deadline - Date.now();
      assert.ok(left > 0, `no ${what} within ${WAIT} ms`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.changed = () => { clearTimeout(timer); resolve(); };
      });
    }
  }
}

async function startServer(t, ...args) {
  const server = new Process(t, process.execPath,
    [path.join(__dirname, 'console-server.js'), ...args]);
  const line = await server.until((l) => l.startsWith('listening '), 'server');
  server.port = Number(line.split(' ')[1]);
  server.url = `http://127.0.0.1:${server.port}`;
  return server;
}

function startRobot(t, url, rooms = [], env = {}) {
  const robot = new Process(t, driver, [url, 'robot_pi_001', ...rooms],
    { env: { ...process.env, ...env } });
  // Waits for a call of the listener with these fields.
  robot.call = async (call, fields = {}) => JSON.parse(await robot.until((l) => {
    const line = JSON.parse(l);
    return line.call === call &&
      Object.entries(fields).every(([k, v]) => line[k] === v);
  }, `call ${call} ${JSON.stringify(fields)}`));
  robot.registered = () => robot.call('state', { state: 'registered' });
  return robot;
}

async function startViewer(t, url, userId) {
  const socket = io(url, { forceNew: true });
  t.after(() => socket.disconnect());
  const registered = once(socket, 'registered');
  socket.emit('register', { userId, userType: 'viewer' });
  await registered;
  return socket;
}

const health = async (url) => (await fetch(`${url}/health`)).json();

// The viewer's side of one negotiation through a relaying server.
async function negotiate(viewer, to, sdp) {
  const answer = once(viewer, 'answer');
  const candidate = once(viewer, 'ice-candidate');
  viewer.emit('offer', { to, offer: { type: 'offer', sdp } });
  return { answer: (await answer)[0], candidate: (await candidate)[0] };
}

test('registers, joins its rooms, and answers an offer to a room', async (t) => {
  const server = await startServer(t);
  const robot = startRobot(t, server.url, ['robot_arm', 'lobby']);
  await robot.registered();
  const viewer = await startViewer(t, server.url, '42');

  const { answer, candidate } = await negotiate(viewer, 'robot_arm', 'v=0');
  assert.deepEqual(answer, { from: 'robot_pi_001',
    answer: { type: 'answer', sdp: 'answer to v=0' } });
  assert.equal(candidate.from, 'robot_pi_001');
  assert.equal(candidate.candidate.sdpMLineIndex, 0);

  const offer = await robot.call('offer');
  assert.equal(offer.from, '42');
  assert.equal(offer.peerId, 'legacy:42');
  assert.equal(offer.session, false);

  viewer.emit('ice-candidate', { to: 'lobby', candidate:
    { candidate: 'candidate:7', sdpMid: '0', sdpMLineIndex: 0 } });
  const received = await robot.call('candidate');
  assert.equal(received.peerId, 'legacy:42');
  assert.equal(received.candidate, 'candidate:7');
  viewer.emit('ice-candidate', { to: 'lobby', candidate: null });
  assert.equal((await robot.call('candidate')).candidate, '');

  viewer.emit('join-room', { roomId: 'lobby' });
  await once(viewer, 'joined-room');
  viewer.disconnect();
  assert.equal((await robot.call('leave')).peerId, 'legacy:42');

  robot.child.kill('SIGTERM');
  assert.deepEqual(await robot.exited, [0, null]);
});

test('keeps text intact that needs escaping', async (t) => {
  const server = await startServer(t);
  const robot = startRobot(t, server.url);
  await robot.registered();
  const viewer = await startViewer(t, server.url, 'ünïcode "\\ id');
  const sdp = 'v=0\r\ns="\\ \u2028 \u{1f916} </script>\r\n';
  const { answer } = await negotiate(viewer, 'robot_pi_001', sdp);
  assert.equal(answer.answer.sdp, `answer to ${sdp}`);
});

test('messages that cannot be understood leave the link up', async (t) => {
  const server = await startServer(t);
  const robot = startRobot(t, server.url);
  await robot.registered();
  const viewer = await startViewer(t, server.url, '42');
  const to = 'robot_pi_001';
  for (const offer of [null, 7, 'x', [], {}, { sdp: 7 }, { type: 'offer' },
    { type: 'offer', sdp: 'x'.repeat(200000) }])
    viewer.emit('offer', { to, offer });
  viewer.emit('ice-candidate', { to, candidate: { candidate: {} } });
  viewer.emit('ice-candidate', { to });
  const error = await robot.call('error');
  assert.equal(error.code, 'bad-message');
  assert.equal(error.fatal, false);
  await negotiate(viewer, to, 'still there');
  assert.equal((await robot.call('offer')).sdp, 'still there');
  assert.equal(robot.lines.filter((l) => l.includes('disconnected')).length, 0);
});

test('comes back when the server was killed and started again', async (t) => {
  const server = await startServer(t);
  const robot = startRobot(t, server.url, ['robot_arm']);
  await robot.registered();
  server.child.kill('SIGKILL');
  await server.exited;
  await robot.call('state', { state: 'disconnected' });
  assert.equal((await robot.call('error')).code, 'link-lost');
  assert.equal((await robot.call('error')).code, 'connect-failed');

  const again = await startServer(t, '--port', String(server.port));
  await robot.registered();
  const viewer = await startViewer(t, again.url, '42');
  await negotiate(viewer, 'robot_arm', 'v=0');
});

test('notices a server that froze, and comes back', async (t) => {
  const server = await startServer(t,
    '--ping-interval', '500', '--ping-timeout', '500');
  const robot = startRobot(t, server.url);
  await robot.registered();
  server.child.kill('SIGSTOP'); // half-open: the kernel still acknowledges
  await robot.call('state', { state: 'disconnected' });
  const error = await robot.call('error');
  assert.equal(error.code, 'link-lost');
  assert.match(error.message, /silent/);
  assert.equal((await robot.call('error')).code, 'timeout');
  server.child.kill('SIGCONT');
  await robot.registered();
  assert.ok((await health(server.url)).connections >= 1);
});

test('a refused token is tried again when its file was renewed', async (t) => {
  const server = await startServer(t, '--token', 'right.secret');
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-')),
    'token');
  t.after(() => fs.rmSync(path.dirname(file), { recursive: true }));
  fs.writeFileSync(file, 'wrong.secret\n');
  const robot = startRobot(t, server.url, [], { TOKEN_FILE: file });
  const error = await robot.call('error');
  assert.equal(error.code, 'unauthorized');
  assert.equal(error.fatal, false);
  assert.doesNotMatch(error.message, /secret/);
  fs.writeFileSync(file, 'right.secret\n');
  await robot.registered();
});

test('stays connected over many heartbeats, and says goodbye', async (t) => {
  const server = await startServer(t,
    '--ping-interval', '100', '--ping-timeout', '2000');
  const robot = startRobot(t, server.url);
  await robot.registered();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  assert.equal((await health(server.url)).connections, 1);
  assert.equal(robot.lines.filter((l) => l.includes('disconnected')).length, 0);
  robot.child.kill('SIGTERM');
  assert.deepEqual(await robot.exited, [0, null]);
  for (let left = 1; left > 0;)
    left = (await health(server.url)).connections;
});
