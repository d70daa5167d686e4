// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Our server and the robot as a gst-launch-1.0 process, while the keys that
// grants are signed with change between them.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { io } = require('socket.io-client');
const { Signaling, Peer, until } = require('./signaling-process.js');
const { Viewer } = require('./viewer.js');

const top = path.resolve(__dirname, '../..');
const build = process.env.BUILD_DIR ?? path.join(top, 'build');
const SOURCE = 'videotestsrc is-live=true pattern=ball !' +
  ' video/x-raw,format=I420,width=320,height=240,framerate=30/1 !' +
  ' x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 !' +
  ' video/x-h264,profile=constrained-baseline ! h264parse';

// Whoever a token names may watch.
const TRUST = '[identity]\ntrust-unknown-subjects=true\n';

describe('the robot and the keys of its server', () => {
  const children = [];
  let work;
  before(() => {
    work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-keys-'));
  });
  after(async () => {
    for (const child of children) {
      child.kill('SIGKILL');
      await child.ended;
    }
    fs.rmSync(work, { recursive: true });
  });

  // Its token is the server's of the moment, in a file.
  function startRobot(server, ...properties) {
    fs.writeFileSync(path.join(work, 'token'), server.cli(['token', '--role', 'robot',
      '--sub', 'r1']));
    const child = spawn('gst-launch-1.0', ['-e', '-m', ...SOURCE.split(' '), '!',
      'signalingbin', `signaling-server=${server.url}`, 'robot-id=r1',
      `token-file=${path.join(work, 'token')}`, ...properties], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GST_PLUGIN_PATH: path.join(build, 'gst'),
        GST_REGISTRY: path.join(work, 'registry.bin') },
    });
    child.output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => { child.output += data; });
    child.ended = new Promise((resolve) => child.on('exit', resolve));
    children.push(child);
    return child;
  }

  const robots = async (server) => (await server.http('GET', '/robots',
    { token: server.cli(['token', '--role', 'admin', '--sub', '1']) })).body;
  const online = (server) => until('the robot is online', async () =>
    (await robots(server)).some(({ id, online }) => id === 'r1' && online));

  // An administrator who watches; left: why the robot sent it away.
  async function watch(server, id = '1') {
    const peer = new Peer(io, server.url, { token: server.cli(['token', '--role',
      'admin', '--sub', id]) });
    await peer.register(id, 'viewer');
    const viewer = new Viewer((event, payload) => peer.emit(event,
      { to: 'r1', [event === 'ice-candidate' ? 'candidate' : event]: payload }));
    peer.socket.on('answer', ({ answer }) => viewer.answer(answer));
    peer.socket.on('ice-candidate', ({ candidate }) => viewer.candidate(candidate));
    viewer.offer();
    return {
      viewer,
      left: () => peer.got('leave')[0]?.reason,
      sees: (what) => until(`${what} sees a picture (${JSON.stringify(peer.events)})`,
        () => viewer.packets >= 30),
      close: () => { viewer.close(); peer.close(); },
    };
  }

  it('a key rotated while somebody watches: nobody notices', async () => {
    const server = await new Signaling({ config: TRUST }).start();
    const robot = startRobot(server);
    await online(server);
    const first = await watch(server);
    await first.sees('the first viewer');
    const key = server.cli(['key', 'rotate']);
    await until('the new key signs', async () => {
      const { body } = await server.http('GET', '/.well-known/jwks.json');
      return body.keys[0].kid === key;
    });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const second = await watch(server, '2');
    await second.sees('a viewer with a grant of the new key');
    const before = first.viewer.packets;
    await until('the first one still sees it', () => first.viewer.packets > before + 30);
    assert.doesNotMatch(robot.output, /grant-refused|Viewers are refused/);

    // The old one is stolen: gone at once, and nobody who watches is cut.
    server.cli(['key', 'rotate', '--overlap', '0']);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const third = await watch(server, '3');
    await third.sees('a viewer with a grant of the third key');
    const then = first.viewer.packets;
    await until('the first one sees it', () => first.viewer.packets > then + 30);
    for (const one of [first, second, third])
      one.close();
    robot.kill('SIGINT');
    assert.equal(await robot.ended, 0, robot.output);
    await server.close();
  });

  it('a server set up anew, with another database: the robot takes its key', async () => {
    // The tokens are of a backend of one's own: good at both.
    const config = `${TRUST}secret-file=${path.join(work, 'secret')}\n`;
    fs.writeFileSync(path.join(work, 'secret'), 'x'.repeat(40) + '\n');
    const server = await new Signaling({ config }).start();
    const robot = startRobot(server);
    await online(server);
    const first = await watch(server);
    await first.sees('a viewer of the old server');
    const { port } = server;
    first.close();
    await server.close();

    const anew = new Signaling({ config });
    anew.port = port;
    await anew.start();
    await online(anew);
    const second = await watch(anew);
    await second.sees('a viewer of the new server');
    second.close();
    robot.kill('SIGINT');
    assert.equal(await robot.ended, 0, robot.output);
    await anew.close();
  });

  it('a key file that is older than the server: shown, and mended without a restart', async () => {
    const server = await new Signaling({ config: TRUST }).start();
    const file = path.join(work, 'grant.pem');
    // With the end of lines and the mark of an editor on Windows.
    const old = execFileSync('openssl', ['pkey', '-pubout'], { encoding: 'utf8',
      input: execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt',
        'ec_paramgen_curve:P-256'], { stdio: 'pipe' }) });
    fs.writeFileSync(file, '\ufeff' + old.replaceAll('\n', '\r\n'));
    const robot = startRobot(server, `grant-key=${file}`);
    await online(server);
    const first = await watch(server);
    await until('it is refused', first.left);
    assert.equal(first.left(), 'grant-refused');
    await until('the robot says what to do', () =>
      robot.output.includes('robotlive-signaling key show'));
    assert.match(robot.output, /key that is not in the grant-key file .*grant\.pem/);
    first.close();
    // The server shows it, until the robot lets somebody in.
    const shown = async () => (await robots(server)).find(({ id }) => id === 'r1')
      .refusesGrants;
    await until('the server shows it', shown);
    assert.ok((await shown()).since > 0);
    assert.match(server.output, /level=warning event=robot-refuses-grants .*robot=r1/);

    // As the warning says.
    fs.appendFileSync(file, server.cli(['key', 'show']) + '\n');
    const second = await watch(server, '2');
    await second.sees('a viewer of the mended robot');
    await until('it is shown no more', async () => !await shown());
    second.close();
    robot.kill('SIGINT');
    assert.equal(await robot.ended, 0, robot.output);
    await server.close();
  });
});
