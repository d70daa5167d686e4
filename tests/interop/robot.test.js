// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The robot, as a gst-launch-1.0 process, against a plain console on the
// official socket.io server (console-server.js), watched by a viewer on
// another WebRTC stack.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { io } = require('socket.io-client');
const { Viewer } = require('./viewer.js');

const top = path.resolve(__dirname, '../..');
const build = process.env.BUILD_DIR ?? path.join(top, 'build');
const H264 = 'video/x-h264,profile=constrained-baseline';
const SOURCE = 'videotestsrc is-live=true pattern=ball !' +
  ' video/x-raw,format=I420,width=320,height=240,framerate=30/1 !' +
  ` x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! ${H264} ! h264parse`;

async function until(what, condition, seconds = 30) {
  const end = Date.now() + 1000 * seconds;
  while (!await condition()) {
    assert.ok(Date.now() < end, `${what} within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('the robot on a plain Socket.IO console', () => {
  const processes = [];
  let work, port, consoleServer, log = '';

  function start(command, args, options = {}) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    child.output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => { child.output += data; log += data; });
    }
    child.ended = new Promise((resolve) => child.on('exit', resolve));
    processes.push(child);
    return child;
  }

  async function stop(child, signal = 'SIGTERM') {
    if (child.exitCode === null && child.signalCode === null)
      child.kill(signal);
    await child.ended;
  }

  async function startConsole(atPort = 0) {
    const child = start(process.execPath, [path.join(__dirname, 'console-server.js'),
      '--port', String(atPort)]);
    await until('the console listens', () => /listening \d+/.test(child.output));
    port = Number(/listening (\d+)/.exec(child.output)[1]);
    return child;
  }

  function startRobot(id, ...properties) {
    return startRobotOf(SOURCE, id, ...properties);
  }

  function startRobotOf(source, id, ...properties) {
    return start('gst-launch-1.0', ['-e', '-m', ...source.split(' '), '!', 'sessiongate', '!',
      'signalingbin', `signaling-server=http://127.0.0.1:${port}`, `robot-id=${id}`,
      ...properties], {
      env: pluginEnv(),
    });
  }

  const pluginEnv = () => ({ ...process.env, GST_PLUGIN_PATH: path.join(build, 'gst'),
    GST_REGISTRY: path.join(work, 'registry.bin') });

  // An old console's viewer: registers, joins a room, offers to a robot.
  async function connectViewer(userId, robot, transports = ['polling', 'websocket']) {
    const socket = io(`http://127.0.0.1:${port}`, { transports, forceNew: true });
    const seen = { answers: 0, events: [] };
    socket.onAny((event, data) => seen.events.push({ event, data }));
    await new Promise((resolve) => socket.on('registered', resolve)
      .emit('register', { userId, userType: 'viewer' }));
    const viewer = new Viewer((event, payload) => socket.emit(event,
      { to: robot, [event === 'ice-candidate' ? 'candidate' : event]: payload }));
    socket.on('answer', ({ answer }) => { seen.answers++; viewer.answer(answer); });
    socket.on('ice-candidate', ({ candidate }) => viewer.candidate(candidate));
    return { socket, viewer, seen, offer: () => viewer.offer(),
      close: () => { viewer.close(); socket.close(); } };
  }

  // Resolves when the console tells that *id* has registered.
  async function watchFor(id) {
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true });
    await new Promise((resolve) => socket.on('registered', resolve)
      .emit('register', { userId: `watcher-of-${id}`, userType: 'viewer' }));
    const online = new Promise((resolve) => socket.on('robot-available', ({ userId }) => {
      if (userId === id) {
        socket.close();
        resolve();
      }
    }));
    return () => Promise.race([online, new Promise((_, reject) => setTimeout(
      () => reject(new Error(`${id} did not register\n${log}`)), 30000).unref())]);
  }

  before(async () => {
    work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-interop-'));
    consoleServer = await startConsole();
  });

  after(async () => {
    for (const child of processes)
      await stop(child, child.spawnfile.includes('gst-launch') ? 'SIGINT' : 'SIGTERM');
    fs.rmSync(work, { recursive: true });
  });

  it('streams with session-policy=trust-server, to old clients on both transports', async () => {
    const online = await watchFor('robot_a');
    const robot = startRobot('robot_a', 'session-policy=trust-server', 'rooms=lab,robot_a');
    await online();
    const first = await connectViewer('7', 'robot_a');
    const second = await connectViewer('8', 'robot_a', ['websocket']);
    for (const { offer, seen, viewer } of [first, second]) {
      offer();
      await until('an answer', () => seen.answers > 0);
      await until('60 RTP packets', () => viewer.packets >= 60);
      assert.ok(viewer.nalTypes.has(7), 'parameter sets come with the first picture');
      assert.ok(viewer.nalTypes.has(5), 'the picture begins with an IDR');
    }

    // What does not parse is that viewer's trouble alone.
    const bad = await connectViewer('9', 'robot_a');
    for (const offer of [{ type: 'offer', sdp: 'v=1' }, { type: 'offer' }, 'x', null,
      { type: 'offer', sdp: 'v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n' }])
      bad.socket.emit('offer', { to: 'robot_a', offer });
    bad.socket.emit('ice-candidate', { to: 'robot_a', candidate: { candidate: '%'.repeat(5000) } });
    const before = first.viewer.packets;
    await until('60 more packets', () => first.viewer.packets >= before + 60);

    // gst-launch-1.0 -e ends with two viewers watching.
    await stop(robot, 'SIGINT');
    assert.equal(robot.exitCode, 0, log);
    for (const viewer of [first, second, bad])
      viewer.close();
  });

  it('shows a clip of two seconds again and again, without a cut', async () => {
    const clip = path.join(work, 'clip.mkv');
    const maker = start('gst-launch-1.0', ('videotestsrc num-buffers=60 ! ' +
      'video/x-raw,width=160,height=120,framerate=30/1 ! jpegenc ! matroskamux ! ' +
      `filesink location=${clip}`).split(' '), { env: pluginEnv() });
    assert.equal(await maker.ended, 0, log);
    const online = await watchFor('robot_f');
    const robot = startRobotOf(`filecamera location=${clip} ! videoconvert ! videorate !` +
      ' video/x-raw,framerate=30/1 ! clocksync !' +
      ' x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 !' +
      ' video/x-h264,profile=constrained-baseline ! h264parse',
    'robot_f', 'session-policy=trust-server', 'rooms=robot_f');
    await online();
    const { viewer, seen, offer, close } = await connectViewer('7', 'robot_f');
    offer();
    await until('30 RTP packets', () => viewer.packets >= 30);
    // Four rounds. A machine that is busy sends late, and goes on.
    for (let n = 1; n <= 8; n++) {
      const before = viewer.packets;
      await until('a second more of it', () => viewer.packets >= before + 30);
    }
    assert.equal(seen.answers, 1, 'the viewer was thrown out');
    assert.doesNotMatch(robot.output, /robotlive-viewer-removed/);
    close();
    await stop(robot, 'SIGINT');
    assert.equal(robot.exitCode, 0, log);
  });

  it('refuses viewers without a grant by default, and says what to do', async () => {
    const online = await watchFor('robot_b');
    const robot = startRobot('robot_b', 'rooms=robot_b');
    // The console has no grant key to fetch: told before any viewer comes.
    await online();
    const viewer = await connectViewer('7', 'robot_b');
    viewer.offer();
    await until('the reason in the log', () => /session-policy/.test(robot.output));
    assert.equal(viewer.viewer.packets, 0);
    viewer.close();
    await stop(robot, 'SIGINT');
    assert.equal(robot.exitCode, 0, log);
  });

  it('keeps streaming while the console is away, and registers again', async () => {
    const online = await watchFor('robot_c');
    const robot = startRobot('robot_c', 'session-policy=trust-server', 'rooms=robot_c');
    await online();
    const viewer = await connectViewer('7', 'robot_c');
    viewer.offer();
    await until('30 RTP packets', () => viewer.viewer.packets >= 30);

    await stop(consoleServer, 'SIGKILL');
    const before = viewer.viewer.packets;
    await until('90 more packets', () => viewer.viewer.packets >= before + 90);

    consoleServer = await startConsole(port);
    // The console drops an offer to a robot that is not back yet: offer again.
    let again;
    await until('an answer to a new viewer', async () => {
      again?.close();
      again = await connectViewer('8', 'robot_c');
      again.offer();
      const end = Date.now() + 3000;
      while (again.seen.answers === 0 && Date.now() < end)
        await new Promise((resolve) => setTimeout(resolve, 50));
      return again.seen.answers > 0;
    }, 60);
    await until('30 RTP packets', () => again.viewer.packets >= 30);
    viewer.close();
    // ... and with one.
    await stop(robot, 'SIGINT');
    assert.equal(robot.exitCode, 0, log);
    again.close();
  });
});
