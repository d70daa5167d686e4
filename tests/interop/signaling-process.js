// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A robotlive-signaling process of its own: private database, free port.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { after } = require('node:test');

const top = path.resolve(__dirname, '../..');
const build = process.env.BUILD_DIR ?? path.join(top, 'build');
const binary = path.join(build, 'signaling', 'server', 'robotlive-signaling');

// A test that fails does not come to its close (), and Node.js would wait for
// the server.
const running = new Set();
after(() => {
  for (const child of running)
    child.kill('SIGKILL');
});

async function until(what, condition, seconds = 30) {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const result = await condition();
    if (result)
      return result;
    assert.ok(Date.now() < end, `${what} within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class Signaling {
  // *config*: text of a configuration file; *env*: more of its environment.
  constructor({ config = '', database, env = {} } = {}) {
    this.env = env;
    this.work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-'));
    this.database = database ?? `sqlite://${this.work}/signaling.db`;
    this.config = path.join(this.work, 'signaling.conf');
    fs.writeFileSync(this.config, config);
    this.common = ['--config', this.config, '--database', this.database];
  }

  // Runs a subcommand; *input* is its standard input.
  cli(args, input = '') {
    return execFileSync(binary, [...args, ...this.common],
      { input, encoding: 'utf8', env: { ...process.env, ...this.env } }).trim();
  }

  // {status, stdout, stderr}, whatever the command thinks of it.
  tryCli(args, input = '') {
    return spawnSync(binary, [...args, ...this.common],
      { input, encoding: 'utf8', env: { ...process.env, ...this.env } });
  }

  async start(...args) {
    const port = this.port ?? 0;
    this.output = '';
    this.child = spawn(binary, [...this.common, '--listen', `127.0.0.1:${port}`,
      ...args], { env: { ...process.env, ...this.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.on('data', (data) => { this.output += data; });
    const child = this.child;
    running.add(child);
    this.ended = new Promise((resolve) => child.on('exit', (status) => {
      running.delete(child);
      resolve(status);
    }));
    const match = await until('the server listens', () => {
      assert.equal(this.child.exitCode, null, this.output);
      return /listening on (https?:\/\/127\.0\.0\.1:(\d+))\n/.exec(this.output);
    });
    [, this.url, this.port] = match;
    return this;
  }

  async stop(signal = 'SIGTERM') {
    if (this.child?.exitCode === null && this.child.signalCode === null)
      this.child.kill(signal);
    return this.ended;
  }

  async close() {
    // Also after the tests: a leak found by a sanitizer is a failure.
    const status = await this.stop();
    if (this.child)
      assert.equal(status, 0, this.output);
    fs.rmSync(this.work, { recursive: true, force: true });
  }

  // {status, headers, body}: JSON if it is.
  async http(method, at, { token, body, headers = {} } = {}) {
    const response = await fetch(this.url + at, {
      method,
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body ? { 'Content-Type': 'application/json' } : {}),
        ...headers,
      },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch { /* not JSON */ }
    return { status: response.status, headers: response.headers, body: parsed };
  }

  async login(email, password) {
    const { status, body } = await this.http('POST', '/auth/login',
      { body: { email, password } });
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
}

// A Socket.IO client that keeps what it receives: got (event) are payloads.
class Peer {
  constructor(io, url, { token, ...options } = {}) {
    this.events = [];
    this.socket = io(url, {
      forceNew: true, reconnection: false, auth: token ? { token } : {},
      ...options,
    });
    const onAny = (event, ...args) => this.events.push([event, args[0]]);
    if (this.socket.onAny)
      this.socket.onAny(onAny);
    this.socket.on('connect_error', (error) =>
      this.events.push(['connect_error', error]));
    this.socket.on('disconnect', (reason) =>
      this.events.push(['disconnect', reason]));
  }

  got(event) {
    return this.events.filter(([name]) => name === event)
      .map(([, payload]) => payload);
  }

  // The *n*th payload of *event*, waited for.
  async next(event, n = 1) {
    await until(`${event} arrives (${JSON.stringify(this.events)})`,
      () => this.got(event).length >= n, 20);
    return this.got(event)[n - 1];
  }

  emit(event, payload) { this.socket.emit(event, payload); }

  ask(event, payload) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ack of ${event}`)),
        20000);
      this.socket.emit(event, payload, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  async register(userId, userType, more = {}) {
    this.emit('register', { userId, userType, ...more });
    return this.next('registered');
  }

  close() { this.socket.disconnect(); }
}

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
const offer = (to, more = {}) =>
  ({ to, offer: { type: 'offer', sdp: SDP }, ...more });
const answer = (to, more = {}) =>
  ({ to, answer: { type: 'answer', sdp: SDP }, ...more });
const candidate = (to, more = {}) => ({ to, candidate: {
  candidate: 'candidate:1 1 UDP 1 127.0.0.1 9 typ host', sdpMid: '0',
  sdpMLineIndex: 0 }, ...more });

module.exports = { Signaling, Peer, binary, until, offer, answer, candidate, SDP };
