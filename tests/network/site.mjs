// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The real server, the real robot (gst-launch-1.0) and viewers, each in the
// namespace where it belongs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build, output, sleep, start } from '../bench/lib/common.mjs';
import { World } from './world.mjs';

const server = path.join(build, 'signaling', 'server', 'robotlive-signaling');
const here = new URL('.', import.meta.url).pathname;
export const EMAIL = 'viewer@example.org';
export const PASSWORD = 'correct horse battery staple';
export const ROBOT = 'robot_net_001';
const PORT = 8080; // of a namespace that is ours alone
const SOURCE = 'videotestsrc is-live=true pattern=ball !' +
  ' video/x-raw,format=I420,width=320,height=240,framerate=30/1 !' +
  ' x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60' +
  ' bitrate=500 ! video/x-h264,profile=constrained-baseline ! h264parse';

// As large and as restless as a real one: what it is asked for it is.
export const HD = SOURCE.replace('pattern=ball', 'pattern=smpte' +
  ' horizontal-speed=3').replace('width=320,height=240', 'width=1280,height=720')
  .replace('bitrate=500', 'bitrate=2000');

// The first true value of *ask* (); *detail* () is told when there is none.
export async function until(what, ask, { seconds = 40, detail } = {}) {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const value = await ask();
    if (value)
      return value;
    assert.ok(Date.now() < end,
      `${what} within ${seconds} s${detail ? `\n${detail()}` : ''}`);
    await sleep(50);
  }
}

export class Site {
  // *config*: more for the server's configuration file; gets the World.
  // *families*: as of World. *source*: of the robot's picture. *listen*: null
  // when the configuration says it.
  static async open({ families, config = () => '', source = SOURCE,
    listen = `[::]:${PORT}` } = {}) {
    const site = new Site();
    Object.assign(site, { source, listen });
    site.world = new World({ families });
    site.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-net-'));
    site.children = [];
    try {
      site.keep('signaling.conf', config(site.world, site));
      site.keep('password', PASSWORD);
      site.user = site.cli('user', 'add', EMAIL, '--password-file',
        site.file('password'));
      site.admin = site.cli('user', 'add', 'admin@net.example', '--role',
        'admin', '--password-file', site.file('password'));
      site.keep('robot.token', site.cli('robot', 'add', ROBOT, '--type', 'net'));
      site.keep('grant.pem', site.cli('key', 'show'));
      site.token = site.cli('token', '--role', 'viewer', '--sub', site.user,
        '--ttl', '12h');
      site.cli('booking', 'add', '--user', EMAIL, '--robot', ROBOT, '--start',
        'now', '--duration', '2h');
      await site.startServer();
    } catch (error) {
      await site.close();
      throw error;
    }
    return site;
  }

  file(name) { return path.join(this.dir, name); }

  keep(name, text) {
    fs.writeFileSync(this.file(name), `${text}\n`, { mode: 0o600 });
    return this.file(name);
  }

  common() {
    return ['--config', this.file('signaling.conf'), '--database',
      `sqlite://${this.dir}/signaling.db`];
  }

  cli(...args) { return output(server, [...args, ...this.common()]); }

  // A process in *namespace*; *log* () is all that it said.
  run(namespace, command, args, options = {}) {
    const child = start(command, args, { namespace, ...options });
    let said = '';
    child.stdout.on('data', (data) => { said = (said + data).slice(-200000); });
    child.log = () => said.replace(/^\{"seen.*\n/gm, '').replace(
      /^.*\((state-changed|latency|stream-status|tag)\).*\n|Redistribute.*\n/gm,
      '') + child.errors();
    this.children.push(child);
    return child;
  }

  // The server's URL as *side* (1: robot, 2: viewer) reaches it.
  url(side) { return `http://${this.world.host(side)}:${PORT}`; }

  async startServer() {
    this.server = this.run(this.world.middle, server, ['serve',
      ...this.common(), ...(this.listen ? ['--listen', this.listen] : [])]);
    await this.server.line((line) => line.startsWith('listening on'), 30000);
  }

  async startRobot(...properties) {
    const robot = this.robot = this.run(this.world.robot, 'gst-launch-1.0',
      ['-e', '-m', ...this.source.split(' ').filter(Boolean), '!', 'sessiongate', '!',
        'signalingbin', `signaling-server=${this.url(1)}`, `robot-id=${ROBOT}`,
        `token-file=${this.file('robot.token')}`,
        `grant-key=${this.file('grant.pem')}`, ...properties],
      { env: { GST_PLUGIN_PATH: path.join(build, 'gst'),
        GST_REGISTRY: path.join(build, 'e2e-registry.bin'),
        GST_DEBUG: process.env.GST_DEBUG ?? '1', GST_DEBUG_NO_COLOR: '1' } });
    // When each viewer was removed, and why: [{at, peerId, reason}].
    robot.removed = [];
    robot.links = [];
    robot.stdout.on('data', (data) => {
      for (const line of String(data).split('\n')) {
        const halved = /half-frame-rate=\(boolean\)(\w+)/.exec(line);
        if (halved) robot.halved = halved[1] === 'true';
        robot.thinning = /thinning=\(string\)([\w-]+)/.exec(
          line.replaceAll('\\', ''))?.[1] ?? robot.thinning; // the last viewer's
        const link = /robotlive-link, state=\(string\)(\w+)/.exec(line);
        if (link) robot.links.push(link[1]);
        robot.peer = /viewer-added.*peer-id=\(string\)([^,;]+)/.exec(line)?.[1] ??
          robot.peer; // the newest viewer's
        if (!line.includes('robotlive-viewer-removed')) continue;
        robot.removed.push({ at: performance.now(),
          peerId: /peer-id=\(string\)([^,;]+)/.exec(line)?.[1],
          reason: /reason=\(string\)([^,;]+)/.exec(line)?.[1] });
      }
    });
    await until('the robot registers', () => robot.links.at(-1) === 'registered',
      { detail: () => robot.log() });
    return robot;
  }

  // A viewer without a browser; see viewer.mjs.
  startViewer({ namespace = this.world.viewer, side = 2, ...options } = {}) {
    const viewer = this.run(namespace, process.execPath,
      [path.join(here, 'viewer.mjs'), JSON.stringify({ url: this.url(side),
        user: this.user, robot: ROBOT, ...options })],
      { env: { VIEWER_TOKEN: this.token } });
    viewer.seen = { packets: 0, frames: 0 };
    viewer.candidates = []; // of the robot
    viewer.events = [];
    let rest = '';
    viewer.stdout.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const said = JSON.parse(line);
        if (said.seen) viewer.seen = said.seen;
        else if (said.candidate) viewer.candidates.push(said.candidate);
        else viewer.events.push({ at: performance.now(), ...said });
      }
    });
    viewer.got = (event) => viewer.events.filter((e) => e.event === event);
    // Waits for so many more packets.
    viewer.receives = (packets = 30, seconds = 40) => {
      const target = viewer.seen.packets + packets;
      return until(`${packets} packets more`,
        () => viewer.seen.packets >= target, { seconds,
          detail: () => JSON.stringify(viewer.seen) + viewer.log().slice(-3000) +
            (this.robot?.log().slice(-3000) ?? '') });
    };
    return viewer;
  }

  // The next viewer that goes, or one that has gone since *since*.
  removal(since = performance.now()) {
    return until('a viewer is removed', () =>
      this.robot.removed.find(({ at }) => at >= since),
    { detail: () => this.robot.log().slice(-3000) });
  }

  async close() {
    for (const child of this.children.reverse()) {
      child.kill('SIGCONT');
      await child.stop();
    }
    this.world.close();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
