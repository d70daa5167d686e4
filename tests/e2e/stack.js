// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The real thing in a temporary folder: robotlive-signaling on a free port of
// the loopback interface with a fresh database, and robots as gst-launch-1.0
// processes that show handheld footage. Processes are ended by their id.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile }
  from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { until } from './browser.js';

const run = promisify(execFile);
const TOP = new URL('../../', import.meta.url).pathname;
const BUILD = path.resolve(process.env.BUILD_DIR ?? path.join(TOP, 'build'));
export const EXAMPLES = path.join(TOP, 'examples/embed');
export const BUILT_EXAMPLES = path.join(BUILD, 'examples');
const SERVER = path.join(BUILD, 'signaling/server/robotlive-signaling');
const CLIP = '/usr/share/forensics-samples/original-files/movie1/'
  + 'VID_20191220_170832.mp4';
const PICTURE = 'width=1280,height=720,framerate=30/1';
const SMALL = ['videotestsrc', 'is-live=true', 'pattern=ball', '!',
  'video/x-raw,format=I420,width=320,height=180,framerate=15/1'];
export const TONE = 1000; // Hz, of a robot with sound
export const PASSWORD = 'correct horse battery staple';

// One process with its output in a file.
export class Process {
  static async start(command, args, { env, log }) {
    const fd = openSync(log, 'a');
    const self = new Process();
    self.log = log;
    self.child = spawn(command, args,
      { env: { ...process.env, ...env }, stdio: ['ignore', fd, fd] });
    self.exited = once(self.child, 'exit');
    closeSync(fd);
    await once(self.child, 'spawn');
    return self;
  }

  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  // Resolves to the exit code, or the signal's name.
  async stop(signal = 'SIGTERM') {
    if (!this.running)
      return this.child.exitCode ?? this.child.signalCode;
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 10000);
    const [code, name] = await this.exited;
    clearTimeout(late);
    return code ?? name;
  }
}

export class Stack {
  #port = 0;
  #tokens = {};

  // *configure* (stack): the text of the server's configuration file.
  static async start(configure = () => '') {
    const stack = new Stack();
    stack.folder = await mkdtemp(path.join(tmpdir(), 'robotlive-e2e-'));
    stack.database = `sqlite://${stack.folder}/signaling.db`;
    stack.processes = [];
    await writeFile(stack.file('password'), PASSWORD, { mode: 0o600 });
    await writeFile(stack.file('signaling.conf'), configure(stack));
    try {
      await stack.startServer();
    } catch (error) {
      await stack.close(true);
      throw error;
    }
    return stack;
  }

  file(name) {
    return path.join(this.folder, name);
  }

  // Resolves to the command's standard output, trimmed.
  async cli(...args) {
    const { stdout } = await run(SERVER,
      [...args, '--config', this.file('signaling.conf'),
        '--database', this.database]);
    return stdout.trim();
  }

  addUser(email, role = 'viewer') {
    return this.cli('user', 'add', email, '--name', email.split('@')[0],
      '--role', role, '--password-file', this.file('password'));
  }

  async addRobot(id, type) {
    const token = await this.cli('robot', 'add', id, '--type', type);
    await writeFile(this.file(`${id}.token`), token, { mode: 0o600 });
  }

  book(user, robot, start, duration) {
    return this.cli('booking', 'add', '--user', user, '--robot', robot,
      '--start', start, '--duration', duration);
  }

  // On the same port again when it is not the first time.
  async startServer() {
    const log = this.file('server.log');
    const before = existsSync(log) ? (await readFile(log)).length : 0;
    this.server = await Process.start(SERVER, ['serve', '--config',
      this.file('signaling.conf'), '--database', this.database, '--listen', `127.0.0.1:${this.#port}`], { log });
    this.processes.push(this.server);
    this.origin = await until('the server listens', async () => {
      if (!this.server.running)
        throw new Error('the server ended');
      const text = (await readFile(log)).subarray(before).toString();
      return /^listening on (http:\S+)$/m.exec(text)?.[1];
    });
    this.#port = Number(new URL(this.origin).port);
  }

  // The clip of a phone that somebody holds, 720p30, as raw pictures that can
  // be looped; null when Debian's package is not installed.
  async footage() {
    if (!existsSync(CLIP))
      return null;
    const folder = this.file('footage');
    if (!existsSync(folder)) {
      await mkdir(folder);
      await run('gst-launch-1.0', ['-q', 'filesrc', `location=${CLIP}`, '!',
        'qtdemux', '!', 'h264parse', '!', 'avdec_h264', '!', 'videoscale', '!',
        'videoconvert', '!', 'videorate', '!',
        `video/x-raw,format=I420,pixel-aspect-ratio=1/1,${PICTURE}`, '!',
        'multifilesink', `location=${folder}/%03d.yuv`], { env: this.env() });
    }
    const count = (await readdir(folder)).length;
    return ['multifilesrc', `location=${folder}/%03d.yuv`, 'start-index=0',
      `stop-index=${count - 1}`, 'loop=true', '!',
      'rawvideoparse', 'format=i420', 'width=1280', 'height=720',
      'framerate=30/1', '!', 'clocksync'];
  }

  env() {
    return {
      GST_PLUGIN_PATH: path.join(BUILD, 'gst'),
      GST_REGISTRY: path.join(BUILD, 'e2e-registry.bin'),
      GST_DEBUG: process.env.GST_DEBUG ?? '2',
      GST_DEBUG_NO_COLOR: '1',
    };
  }

  // *sound*: a tone beside the picture. *small*: a test pattern that costs
  // little, where the picture itself does not matter. *server*: its origin, if
  // not ours. *log*: name of the log. *more*: further properties of
  // signalingbin.
  async startRobot(id, { sound = false, profile = 'constrained-baseline',
    small = false, server = this.origin, log = id, more = [] } = {}) {
    let source = small ? SMALL : await this.footage();
    if (!source) {
      console.error('# forensics-samples-files is not installed: the robot '
        + 'shows a test pattern in place of handheld footage');
      source = ['videotestsrc', 'is-live=true', 'pattern=ball', '!',
        `video/x-raw,format=I420,${PICTURE}`];
    }
    const tone = ['audiotestsrc', 'is-live=true', `freq=${TONE}`, '!',
      'audioconvert', '!', 'opusenc', '!', 'live.audio_0'];
    const robot = await Process.start('gst-launch-1.0', ['-e', ...source, '!',
      'x264enc', 'tune=zerolatency', 'speed-preset=ultrafast',
      `bitrate=${small ? 300 : 2000}`,
      'key-int-max=60', '!', `video/x-h264,profile=${profile}`, '!',
      'h264parse', '!', 'sessiongate', '!', 'signalingbin', 'name=live',
      `signaling-server=${server}`, `robot-id=${id}`,
      `token-file=${this.file(`${id}.token`)}`, ...more,
      ...(sound ? tone : [])],
    { env: this.env(), log: this.file(`${log}.log`) });
    this.processes.push(robot);
    return robot;
  }

  // A robot that is an application of its own: examples/embed.
  async startExample(command, args, id) {
    const robot = await Process.start(command, [...args, this.origin, id,
      this.file(`${id}.token`)], { env: this.env(), log: this.file(`${id}.log`) });
    this.processes.push(robot);
    return robot;
  }

  // GET *where* with the token of *email*; one log-in each is enough.
  get(email, where) {
    return this.ask(email, 'GET', where);
  }

  async ask(email, method, where, body) {
    this.#tokens[email] ??= (await (await fetch(`${this.origin}/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email, password: PASSWORD }),
    })).json()).access_token;
    const headers = { Authorization: `Bearer ${this.#tokens[email]}` };
    if (body)
      headers['Content-Type'] = 'application/json';
    const answer = await fetch(this.origin + where,
      { method, headers, body: body && JSON.stringify(body) });
    return answer.json();
  }

  // From now on with the database of this name, which knows nobody.
  useDatabase(name) {
    this.database = `sqlite://${this.folder}/${name}`;
    this.#tokens = {};
  }

  // Lines of the server's log that name *event*.
  async logged(event) {
    const text = await readFile(this.file('server.log'), 'utf8');
    return text.split('\n').filter(line => line.includes(event));
  }

  untilOnline(email, id, online = true) {
    return until(`${id} ${online ? 'online' : 'offline'}`, async () =>
      (await this.get(email, '/robots'))
        .some(robot => robot.id === id && robot.online === online));
  }

  // *keep*: print the ends of the logs and leave them where they are.
  async close(keep = false) {
    for (const child of this.processes.reverse())
      await child.stop();
    if (!keep) {
      await rm(this.folder, { recursive: true });
      return;
    }
    await rm(this.file('footage'), { recursive: true, force: true });
    for (const name of await readdir(this.folder)) {
      if (name.endsWith('.log'))
        console.error(`# ${this.file(name)}:\n`
          + (await readFile(this.file(name), 'utf8')).slice(-4000));
    }
  }
}
