// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An existing console as the source of bookings: robotlive-signaling asks it
// with the viewer's own token. Here the console is a Node HTTP server.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const { io } = require('socket.io-client');
const { Signaling, Peer, until, offer } = require('./signaling-process.js');

const secret = crypto.randomBytes(32).toString('hex');

function token(sub, role) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${
    part({ sub, role, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${head}.${crypto.createHmac('sha256', secret).update(head)
    .digest('base64url')}`;
}

// A server whose bookings are at *url*; *more* goes into its [console].
function signalingFor(url, more = '') {
  const server = new Signaling({ database: url });
  const write = (name, text) => {
    const file = path.join(server.work, name);
    fs.writeFileSync(file, text);
    return file;
  };
  const { privateKey } = crypto.generateKeyPairSync('ec',
    { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  fs.writeFileSync(server.config, '[identity]\n' +
    `secret-file=${write('secret', `${secret}\n`)}\n` +
    `[sessions]\ngrant-key-file=${write('grant.pem', pem)}\n` +
    `[console]\ncache=1s\nrefresh=1s\n` +
    `audit-database=sqlite://${server.work}/audit.db\n${more}`);
  return server;
}

describe('console backend', () => {
  const peers = [];
  const bookings = new Map(); // by the viewer's token
  const alice = token('7', 'user');
  const bob = token('8', 'user');
  const robotToken = token('robot_1', 'robot');
  let broken = false;
  let console_, server, robot;

  const connect = (tok) => {
    const peer = new Peer(io, server.url, { token: tok });
    peers.push(peer);
    return peer;
  };

  before(async () => {
    console_ = http.createServer((request, response) => {
      const [, tok] = (request.headers.authorization ?? '').split(' ');
      const known = bookings.has(tok) && request.url === '/api/my-bookings';
      response.writeHead(broken ? 500 : known ? 200 : 401,
        { 'content-type': 'application/json' });
      response.end(JSON.stringify(bookings.get(tok) ?? {}));
    });
    await new Promise((resolve) => console_.listen(0, '127.0.0.1', resolve));
    const now = Date.now();
    bookings.set(alice, [{ id: 1, user_id: 7, robot_type: 'pi',
      starts_at: now - 60000, ends_at: now + 3600000, status: 'active' }]);
    bookings.set(bob, []);
    server = signalingFor(`console+http://127.0.0.1:${console_.address().port}/api`);
    assert.match(server.cli(['check-config']), /good/);
    await server.start();
    robot = connect(robotToken);
    assert.equal((await robot.register('robot_1', 'robot',
      { robotType: 'pi' })).success, true);
  });

  after(async () => {
    for (const peer of peers)
      peer.close();
    console_.close();
    await server.close();
  });

  it('lets in who has booked there, and nobody else', async () => {
    const a = connect(alice);
    await a.register('7', 'viewer');
    assert.equal((await a.next('robot-available')).userId, 'robot_1');
    const answer = await a.ask('offer', offer('robot_1'));
    assert.equal(answer.ok, true, JSON.stringify(answer));
    assert.equal((await robot.next('offer')).from, '7');
    const b = connect(bob);
    await b.register('8', 'viewer');
    assert.equal((await b.ask('offer', offer('robot_1'))).code,
      'no-active-booking');
    const eve = connect(token('9', 'user')); // an account the console disowns
    assert.equal((await eve.register('9', 'viewer')).code, 'unauthorized');
  });

  it('has no accounts and bookings of its own', async () => {
    assert.equal((await server.http('GET', '/my-bookings',
      { token: alice })).status, 404);
    assert.equal((await server.http('POST', '/auth/login',
      { body: { email: 'a@b.c', password: 'password' } })).status, 404);
    const refused = server.tryCli(['booking', 'list']);
    assert.equal(refused.status, 69); // EX_UNAVAILABLE
    assert.match(refused.stderr, /in the console/);
  });

  it('keeps what runs while the console is down, and admits nobody', async () => {
    broken = true;
    const { headers } = await until('it is noticed', async () => {
      const health = await server.http('GET', '/health');
      return health.status === 503 && health;
    });
    assert.match(server.output, new RegExp('level=warning event=request request=' +
      `${headers.get('x-request-id')} method=GET path=/health status=503 `));
    const a = connect(alice);
    assert.equal((await a.register('7', 'viewer')).success, true);
    assert.equal((await a.ask('offer', offer('robot_1'))).code, 'unavailable');
    assert.equal(robot.got('session-ended').length, 0);
    broken = false;
    await until('it is back', async () =>
      (await server.http('GET', '/health')).status === 200);
    const answer = await a.ask('offer', offer('robot_1'));
    assert.equal(answer.ok, true, JSON.stringify(answer));
  });

  it('ends a session whose booking was cancelled there', async () => {
    bookings.set(alice, bookings.get(alice)
      .map((booking) => ({ ...booking, status: 'cancelled' })));
    assert.equal((await robot.next('session-ended')).reason, 'revoked');
  });

  it('keeps who watched what, which the console does not', async () => {
    const audit = async (query = '') => (await server.http('GET',
      `/audit${query}`, { token: token('1', 'admin') })).body;
    const entry = await until('the end is written', async () =>
      (await audit()).find(({ reason }) => reason === 'revoked'));
    assert.deepEqual([entry.viewerId, entry.robotId, entry.role],
      ['7', 'robot_1', 'viewer']);
    assert.ok(entry.endedAt >= entry.startedAt);
    assert.match(await audit('?format=csv'),
      /^\w+,7,robot_1,viewer,127\.0\.0\.1,.*,revoked\r$/m);
    assert.equal((await audit('?viewer=7&robot=robot_1')).length,
      (await audit()).length);
    assert.deepEqual(await audit('?viewer=8'), []);
    assert.equal((await server.http('GET', '/audit', { token: alice })).status, 403);
  });

  it('finds its sessions again after kill -9, and ends one at once', async () => {
    bookings.set(alice, [{ id: 2, user_id: 7, robot_id: 'robot_1',
      starts_at: Date.now() - 60000, ends_at: Date.now() + 3600000 }]);
    let a = connect(alice);
    await a.register('7', 'viewer');
    const { peerId } = await until('the new booking counts', async () => {
      const answer = await a.ask('offer', offer('robot_1'));
      return answer.ok && answer;
    });
    await until('the session is written',
      () => server.cli(['session', 'list']).includes(peerId));
    const log = server.output;
    await server.stop('SIGKILL');
    await server.start();
    server.output = log + server.output;
    robot = connect(robotToken);
    await robot.register('robot_1', 'robot', { robotType: 'pi' });
    a = connect(alice);
    await a.register('7', 'viewer');
    assert.equal((await a.ask('leave', { to: 'robot_1', peerId: 'none' })).code,
      'forbidden');
    server.cli(['session', 'end', peerId]);
    assert.equal((await robot.next('session-ended')).reason, 'revoked');
    assert.equal(robot.got('session-ended')[0].peerId, peerId);
  });

  it('says in the log what it did, and shows no token', () => {
    assert.match(server.output, /event=console-down reason=/);
    assert.match(server.output, /event=console-up/);
    assert.match(server.output,
      /event=session-admitted peer=\w+ user=7 robot=robot_1 role=viewer/);
    assert.match(server.output, /event=refused code=no-active-booking .*user=8/);
    assert.match(server.output,
      /event=session-ended peer=\w+ user=7 robot=robot_1 reason=revoked/);
    for (const hidden of [secret, alice, bob, robotToken])
      assert.ok(!server.output.includes(hidden));
  });
});

describe('console backend over TLS', () => {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-'));
  const key = path.join(work, 'key.pem');
  const certificate = path.join(work, 'certificate.pem');
  let console_, asked = 0;

  before(async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
      '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout',
      key, '-out', certificate], { stdio: 'ignore' });
    console_ = https.createServer({ key: fs.readFileSync(key),
      cert: fs.readFileSync(certificate) }, (request, response) => {
      ++asked;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify([{ id: 1, robot_id: 'robot_1',
        starts_at: 0, ends_at: Date.now() + 3600000 }]));
    });
    await new Promise((resolve) => console_.listen(0, 'localhost', resolve));
  });
  after(() => {
    console_.close();
    fs.rmSync(work, { recursive: true, force: true });
  });

  for (const trusted of [true, false])
    it(trusted ? 'is asked if its certificate is good'
      : 'sees no token if it is not', async () => {
      asked = 0;
      const server = signalingFor(
        `console+https://localhost:${console_.address().port}`,
        trusted ? `ca-file=${certificate}\n` : '');
      await server.start();
      const robot = new Peer(io, server.url,
        { token: token('robot_1', 'robot') });
      await robot.register('robot_1', 'robot');
      const viewer = new Peer(io, server.url, { token: token('7', 'user') });
      await viewer.register('7', 'viewer');
      const answer = await viewer.ask('offer', offer('robot_1'));
      assert.equal(answer.ok, trusted, JSON.stringify(answer));
      assert.equal(answer.code, trusted ? undefined : 'unavailable');
      assert.equal(asked > 0, trusted);
      robot.close();
      viewer.close();
      await server.close();
    });
});
