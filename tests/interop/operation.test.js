// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a deployment runs it: the environment, a certificate that is exchanged,
// an end that lets clients go.
'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');
const { io } = require('socket.io-client');
const { Signaling, Peer, binary, offer, until } = require('./signaling-process.js');

describe('environment', () => {
  // Runs with *env* and without --listen; {url, child, server}.
  async function run(config, env) {
    const server = new Signaling({ config });
    fs.writeFileSync(path.join(server.work, 'turn'), 'turn secret\n');
    fs.writeFileSync(server.config, config.replace('WORK', server.work));
    server.output = '';
    server.child = spawn(binary, server.common,
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    for (const stream of [server.child.stdout, server.child.stderr])
      stream.on('data', (data) => { server.output += data; });
    server.ended = new Promise((resolve) => server.child.on('exit', resolve));
    const [, port] = await until('it listens', () => {
      assert.equal(server.child.exitCode, null, server.output);
      return /listening on http:\/\/\S+:(\d+)\n/.exec(server.output);
    });
    server.port = port;
    server.url = `http://127.0.0.1:${port}`;
    return server;
  }
  const freePort = () => new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

  it('sets ports and origins as existing deployments do', async () => {
    const port = await freePort();
    const server = await run('[server]\npublic-host=robots.example\n' +
      '[ice]\nturn-secret-file=WORK/turn\n', { SIGNALING_PORT: String(port),
      STUN_PORT: '3478', TURN_PORT: '3479',
      CORS_ORIGINS: 'https://a.example,https://b.example' });
    assert.equal(server.port, String(port));
    const admin = server.cli(['user', 'add', 'a@example.org', '--role', 'admin'],
      'correct horse');
    const token = server.cli(['token', '--role', 'admin', '--sub', admin]);
    const { body } = await server.http('GET', '/config', { token });
    assert.deepEqual(body.iceServers.map(({ urls }) => urls),
      [['stun:robots.example:3478'], ['turn:robots.example:3479']]);
    for (const [origin, allowed] of [['https://a.example', true],
      ['https://b.example', true], ['https://c.example', false]]) {
      const { status, headers } = await server.http('GET',
        '/socket.io/?EIO=4&transport=polling', { headers: { origin } });
      assert.equal(status, allowed ? 200 : 403, origin);
      assert.equal(headers.get('access-control-allow-origin'),
        allowed ? origin : null);
    }
    await server.close();
  });

  it('gives way to the file and the command line', async () => {
    const server = new Signaling({
      config: '[ice]\nstun-urls=stun:file.example:1\n' });
    process.env.SIGNALING_PORT = '1';
    process.env.STUN_PORT = '2';
    await server.start(); // with --listen
    delete process.env.SIGNALING_PORT;
    delete process.env.STUN_PORT;
    const { body } = await server.http('GET', '/config');
    assert.deepEqual(body.iceServers, [{ urls: ['stun:file.example:1'] }]);
    await server.close();
  });

  it('is taken as a whole on SIGHUP, or not at all', async () => {
    const server = new Signaling();
    const secret = path.join(server.work, 'turn.secret');
    const configure = (host) => fs.writeFileSync(server.config,
      `[ice]\nstun-urls=stun:${host}:1\nturn-urls=turn:${host}:1\n` +
      `turn-secret-file=${secret}\n`);
    const failures = () => server.output.split('event=reload-failed').length - 1;
    const stun = async () =>
      (await server.http('GET', '/config')).body.iceServers[0].urls[0];
    fs.writeFileSync(secret, '0123456789abcdef0123456789abcdef\n',
      { mode: 0o600 });
    configure('first.example');
    await server.start();
    configure('second.example');
    fs.renameSync(secret, `${secret}.away`);
    server.child.kill('SIGHUP');
    await until('the complaint', () => failures() === 1);
    assert.match(server.output, /event=reload-failed .*turn\.secret/);
    assert.equal(await stun(), 'stun:first.example:1');
    fs.renameSync(`${secret}.away`, secret);
    server.child.kill('SIGHUP');
    await until('the second', async () =>
      (await stun()) === 'stun:second.example:1');
    assert.equal(failures(), 1);
    await server.close();
  });

  it('says what is wrong with it', () => {
    const server = new Signaling();
    process.env.SIGNALING_PORT = 'eighty';
    const { status, stderr } = server.tryCli(['check-config']);
    delete process.env.SIGNALING_PORT;
    assert.equal(status, 78); // EX_CONFIG
    assert.match(stderr, /SIGNALING_PORT is not a port number/);
    fs.rmSync(server.work, { recursive: true });
  });
});

describe('store', () => {
  it('is asked for all bookings when it is back', async () => {
    const server = new Signaling();
    const robot = server.cli(['robot', 'add', 'r1']);
    const user = server.cli(['user', 'add', 'v@example.org'], 'correct horse');
    server.cli(['booking', 'add', '--user', user, '--robot', 'r1', '--start',
      'now', '--duration', '1h']);
    const token = server.cli(['token', '--role', 'viewer', '--sub', user]);
    await server.start();
    const pi = new Peer(io, server.url, { token: robot });
    assert.equal((await pi.register('r1', 'robot')).success, true);
    const viewer = new Peer(io, server.url, { token });
    await viewer.register(user, 'viewer');
    await viewer.next('robot-available');
    // As if the answer after a cancellation had been lost: nothing else tells.
    const sql = (...statements) => execFileSync('python3', ['-c',
      'import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db:\n' +
      '  for statement in sys.argv[2:]: db.execute(statement)',
      server.database.replace('sqlite://', ''), ...statements]);
    sql('ALTER TABLE bookings RENAME TO away',
      "UPDATE away SET status = 'cancelled'");
    viewer.emit('offer', offer('r1'));
    assert.equal((await viewer.next('error')).code, 'unavailable');
    assert.deepEqual(viewer.got('robot-unavailable'), []);
    sql('ALTER TABLE away RENAME TO bookings');
    await viewer.next('robot-unavailable');
    viewer.close();
    pi.close();
    await server.close();
  });
});

describe('TLS', () => {
  it('takes a new certificate on SIGHUP, and keeps the old for a bad one', async () => {
    const server = new Signaling();
    const key = path.join(server.work, 'key.pem');
    const certificate = path.join(server.work, 'certificate.pem');
    const make = (name) => execFileSync('openssl', ['req', '-x509', '-newkey',
      'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate],
    { stdio: 'ignore' });
    const presented = () => new Promise((resolve, reject) => {
      const socket = tls.connect(
        { port: server.port, host: '127.0.0.1', rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        });
      socket.on('error', reject);
    });
    make('first');
    await server.start('--tls-certificate', certificate, '--tls-key', key);
    assert.equal(await presented(), 'first');
    const page = await new Promise((resolve, reject) => https.get(server.url,
      { rejectUnauthorized: false }, (response) => resolve(response.resume()))
      .on('error', reject));
    assert.match(page.headers['strict-transport-security'], /^max-age=\d{8}$/);
    server.cli(['user', 'add', 'v@example.org'], 'correct horse');
    const token = server.cli(['token', '--role', 'viewer', '--sub', '1']);
    const peer = new Peer(io, server.url,
      { token, rejectUnauthorized: false, transports: ['websocket'] });
    assert.equal((await peer.register('1', 'viewer')).success, true);

    make('second');
    server.child.kill('SIGHUP');
    await until('the new certificate', async () =>
      (await presented()) === 'second');
    fs.writeFileSync(certificate, 'nonsense');
    server.child.kill('SIGHUP');
    await until('the complaint', () =>
      /event=reload-failed .*TLS certificate/.test(server.output));
    assert.equal(await presented(), 'second');
    // Who was connected has not noticed.
    assert.equal((await peer.ask('join-room', { roomId: 'robot_x_1' })).ok, true);
    assert.deepEqual(peer.got('disconnect'), []);
    peer.close();
    await server.close();
  });
});

describe('end', () => {
  it('lets clients go on SIGTERM, who find the next server', async (t) => {
    const server = new Signaling({ config: '[server]\ndrain-time=2s\n' });
    await server.start();
    server.cli(['user', 'add', 'v@example.org'], 'correct horse');
    const token = server.cli(['token', '--role', 'viewer', '--sub', '1']);
    const peers = ['websocket', 'polling'].map((transport) => new Peer(io,
      server.url, { token, transports: [transport], reconnection: true,
        reconnectionDelay: 50, reconnectionDelayMax: 200 }));
    t.after(() => peers.forEach((peer) => peer.close())); // they would try for ever
    for (const peer of peers)
      assert.equal((await peer.register('1', 'viewer')).success, true);
    // One that neither reads nor goes.
    const silent = net.connect(server.port, '127.0.0.1');
    silent.on('error', () => {});
    await new Promise((resolve) => silent.write('GET / HTTP/1.1\r\n', resolve));

    assert.equal(await server.stop('SIGTERM'), 0, server.output);
    // Who polls may ask again before it has read the answer, and finds nobody.
    for (const [i, reason] of [/^transport close$/, /^transport (close|error)$/].entries())
      assert.match(await peers[i].next('disconnect'), reason);
    await server.start(); // on the same port
    for (const peer of peers) {
      await until('it is back', () => peer.socket.connected);
      peer.emit('register', { userId: '1', userType: 'viewer' });
      assert.equal((await peer.next('registered', 2)).success, true);
      peer.close();
    }
    silent.destroy();
    await server.close();
  });
});
