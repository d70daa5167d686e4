// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is this now: rights that were taken back are gone, wherever a token is
// shown, and a socket and its sessions go with them.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { io } = require('socket.io-client');
const { Signaling, Peer, until, offer, answer } = require('./signaling-process.js');

const PASSWORD = 'correct horse';

function jwt(secret, payload, header = { alg: 'HS256', typ: 'JWT' }) {
  const text = [header, payload].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${crypto.createHmac('sha256', secret).update(text)
    .digest('base64url')}`;
}

describe('rights', () => {
  const server = new Signaling();
  const peers = [];
  let boss, robotToken, count = 0;

  const as = (token, method, at, body) => server.http(method, at, { token, body });
  // {id, email, token}: a new account that has logged in.
  async function person(role = 'viewer') {
    const email = `person${++count}@example.org`;
    const id = server.cli(['user', 'add', email, '--role', role], PASSWORD);
    const { access_token: token } = await server.login(email, PASSWORD);
    return { id, email, token };
  }
  function connect(token) {
    const peer = new Peer(io, server.url, { token, transports: ['websocket'] });
    peers.push(peer);
    return peer;
  }
  async function robot(id = 'r1', token = robotToken, more = {}) {
    const peer = connect(token);
    assert.equal((await peer.register(id, 'robot', more)).success, true);
    return peer;
  }
  // Somebody who watches *robotId*: {...person, peer, peerId, booking}.
  async function watcher(pi, role = 'viewer', robotId = 'r1') {
    const who = await person(role);
    const booking = role === 'admin' ? null : server.cli(['booking', 'add',
      '--user', who.id, '--robot', robotId, '--start', 'now', '--duration', '10m']);
    const peer = connect(who.token);
    assert.equal((await peer.register(who.id, 'viewer')).success, true);
    const offered = pi.got('offer').length;
    const ack = await peer.ask('offer', offer(robotId));
    assert.equal(ack.ok, true, JSON.stringify(ack));
    const { peerId } = await pi.next('offer', offered + 1);
    pi.emit('answer', answer(who.id, { peerId }));
    await peer.next('answer');
    return { ...who, peer, peerId, booking };
  }
  async function ended(pi, who) {
    await until('the robot is told', () =>
      pi.got('session-ended').some((e) => e.peerId === who.peerId), 10);
    assert.equal(pi.got('session-ended').find((e) => e.peerId === who.peerId)
      .reason, 'revoked');
    await who.peer.next('disconnect');
    assert.equal((await who.peer.next('error')).code, 'unauthorized');
    if (who.booking)
      server.tryCli(['booking', 'cancel', who.booking]);
    await until('the list is empty', async () =>
      !(await as(boss.token, 'GET', '/sessions')).body.some((s) => s.peerId === who.peerId));
  }
  async function nobody(who) {
    for (const [method, at, body] of [['GET', '/auth/me'], ['GET', '/my-bookings'],
      ['GET', '/robots'], ['GET', '/sessions'], ['GET', '/audit'], ['GET', '/users'],
      ['GET', '/bookings/all'], ['POST', '/robots/r1/token'], ['GET', '/tokens'],
      ['POST', '/bookings', { robot_id: 'r1', starts_at: Date.now() + 86400000,
        ends_at: Date.now() + 90000000 }]]) {
      const { status } = await as(who.token, method, at, body);
      assert.equal(status, 401, `${method} ${at}`);
    }
    assert.equal((await as(who.token, 'GET', '/config')).body.iceServers.length, 1, 'no TURN');
    const peer = connect(who.token);
    const registered = await peer.register(who.id, 'viewer');
    assert.deepEqual([registered.success, registered.code], [false, 'unauthorized']);
  }

  before(async () => {
    fs.writeFileSync(path.join(server.work, 'turn'), 'turn secret\n');
    fs.writeFileSync(server.config, '[ice]\nstun-urls=stun:stun.example:1\n' +
      `turn-urls=turn:turn.example:1\nturn-secret-file=${server.work}/turn\n` +
      '[sessions]\nadmin-step=10s\n[limits]\nlogins-per-minute=0\n');
    robotToken = server.cli(['robot', 'add', 'r1', '--type', 'pi']);
    await server.start();
    boss = await person('admin');
  });
  after(async () => {
    peers.forEach((peer) => peer.close());
    await server.close();
  });

  it('end with the account, by HTTP and by the command line', async () => {
    const pi = await robot();
    for (const remove of [
      (who) => as(boss.token, 'DELETE', `/users/${who.id}`),
      (who) => server.cli(['user', 'remove', who.email])]) {
      const viewer = await watcher(pi);
      await remove(viewer);
      await ended(pi, viewer);
      await nobody(viewer);
      const admin = await watcher(pi, 'admin');
      await remove(admin);
      await ended(pi, admin);
      await nobody(admin);
    }
    pi.close();
  });

  it('end while an account is disabled, and its logins stay ended', async () => {
    const pi = await robot();
    const viewer = await watcher(pi);
    const off = await as(boss.token, 'PATCH', `/users/${viewer.id}`, { enabled: false });
    assert.deepEqual([off.status, off.body.enabled], [200, false]);
    await ended(pi, viewer);
    await nobody(viewer);
    assert.equal((await as(null, 'POST', '/auth/login',
      { email: viewer.email, password: PASSWORD })).status, 403);
    server.cli(['user', 'enable', viewer.email]);
    await until('enabled', async () => (await as(null, 'POST', '/auth/login',
      { email: viewer.email, password: PASSWORD })).status === 200);
    await nobody(viewer); // the token of before
    pi.close();
  });

  it('sink with the role: no administrator by an old token', async () => {
    const pi = await robot();
    const admin = await watcher(pi, 'admin');
    assert.equal((await as(admin.token, 'GET', '/audit')).status, 200);
    server.cli(['user', 'role', admin.email, 'viewer']);
    await until('the robot is told', () =>
      pi.got('session-ended').some((e) => e.peerId === admin.peerId), 10);
    for (const [method, at] of [['GET', '/audit'], ['GET', '/sessions'], ['GET', '/users'],
      ['POST', '/robots/r1/token'], ['DELETE', '/robots/r1'], ['GET', '/metrics-not']])
      assert.ok([403, 404].includes((await as(admin.token, method, at)).status), at);
    assert.equal((await as(admin.token, 'POST', '/robots/r1/token')).status, 403);
    assert.equal((await as(admin.token, 'GET', '/auth/me')).body.role, 'viewer');
    const refused = await admin.peer.ask('offer', offer('r1'));
    assert.deepEqual([refused.ok, refused.code], [false, 'no-active-booking']);
    // Up again: the same token, since the account decides.
    server.cli(['user', 'role', admin.email, 'admin']);
    await until('up', async () => (await as(admin.token, 'GET', '/audit')).status === 200);
    pi.close();
  });

  it('end with a logout: that login alone, or all', async () => {
    const pi = await robot();
    const viewer = await watcher(pi);
    const { access_token: other } = await server.login(viewer.email, PASSWORD);
    assert.equal((await as(viewer.token, 'POST', '/auth/logout')).status, 200);
    await ended(pi, viewer);
    await nobody(viewer);
    assert.equal((await as(other, 'GET', '/auth/me')).status, 200);
    const third = (await server.login(viewer.email, PASSWORD)).access_token;
    assert.equal((await as(other, 'POST', '/auth/logout', { everywhere: true })).status, 200);
    for (const token of [other, third])
      assert.equal((await as(token, 'GET', '/auth/me')).status, 401);
    // In the same second as well.
    const fresh = (await server.login(viewer.email, PASSWORD)).access_token;
    assert.equal((await as(fresh, 'GET', '/auth/me')).status, 200);
    assert.equal((await as(boss.token, 'POST', `/users/${viewer.id}/logout`)).status, 200);
    assert.equal((await as(fresh, 'GET', '/auth/me')).status, 401);
    pi.close();
  });

  it('of other logins end with a new password', async () => {
    const pi = await robot();
    const viewer = await watcher(pi);
    const { access_token: mine } = await server.login(viewer.email, PASSWORD);
    const set = (token, body) => as(token, 'PUT', '/auth/password', body);
    assert.equal((await set(mine, { current_password: 'not this one', password: 'purple monkeys sing 1' })).status, 403);
    assert.equal((await set(mine, { current_password: PASSWORD, password: 'short' })).status, 422);
    assert.equal((await set(mine, { password: 'purple monkeys sing 1' })).status, 422);
    assert.equal((await set(null, { current_password: PASSWORD, password: 'purple monkeys sing 1' })).status, 401);
    const changed = await set(mine, { current_password: PASSWORD, password: 'purple monkeys sing 1' });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    await ended(pi, viewer);
    await nobody(viewer);
    assert.equal((await as(mine, 'GET', '/auth/me')).status, 401);
    assert.equal((await as(changed.body.access_token, 'GET', '/auth/me')).status, 200);
    assert.equal((await as(null, 'POST', '/auth/login',
      { email: viewer.email, password: PASSWORD })).status, 401);
    await server.login(viewer.email, 'purple monkeys sing 1');
    pi.close();
  });

  it('end with the token: socket and session', async () => {
    const pi = await robot();
    const { id } = await person();
    const token = server.cli(['token', '--role', 'viewer', '--sub', id, '--ttl', '4s']);
    const booking = server.cli(['booking', 'add', '--user', id, '--robot', 'r1',
      '--start', 'now', '--duration', '10m']);
    const peer = connect(token);
    await peer.register(id, 'viewer');
    const { peerId } = await peer.ask('offer', offer('r1'));
    const end = await pi.next('session-ended', pi.got('session-ended').length + 1);
    assert.equal(end.peerId, peerId);
    await peer.next('disconnect');
    server.cli(['booking', 'cancel', booking]);
    // And a robot's link.
    server.cli(['robot', 'add', 'short']);
    const brief = await robot('short', server.cli(['token', '--role', 'robot',
      '--sub', 'short', '--ttl', '3s']));
    await brief.next('disconnect');
    assert.equal((await brief.next('error')).code, 'unauthorized');
    pi.close();
  });

  it('are nobody\'s while the store is silent', async () => {
    const { execFileSync } = require('node:child_process');
    const sql = (statement) => execFileSync('python3', ['-c',
      'import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: db.execute(sys.argv[2])',
      server.database.replace('sqlite://', ''), statement]);
    const who = await person('admin');
    sql('ALTER TABLE users RENAME TO away');
    try {
      await until('it is noticed', async () =>
        (await as(who.token, 'GET', '/sessions')).status === 503);
      for (const at of ['/auth/me', '/robots', '/audit', '/config'])
        assert.equal((await as(who.token, 'GET', at)).status, 503, at);
      for (const at of ['/', '/config', '/.well-known/jwks.json'])
        assert.equal((await as(null, 'GET', at)).status, 200, at);
      const peer = connect(who.token);
      peer.emit('register', { userId: who.id, userType: 'viewer' });
      peer.emit('offer', offer('r1'));
      assert.equal((await peer.next('error')).code, 'unavailable');
      assert.deepEqual(peer.got('robot-available'), []);
    } finally {
      sql('ALTER TABLE away RENAME TO users');
    }
    await until('it is back', async () =>
      (await as(who.token, 'GET', '/sessions')).status === 200);
  });

  it('give TURN passwords with a booking alone', async () => {
    const who = await person();
    const peer = connect(who.token);
    assert.equal((await peer.register(who.id, 'viewer')).iceServers.length, 1);
    const booking = server.cli(['booking', 'add', '--user', who.id, '--robot', 'r1',
      '--start', 'now', '--duration', '2m']);
    const later = connect(who.token);
    const { iceServers } = await later.register(who.id, 'viewer');
    assert.equal(iceServers.length, 2);
    assert.ok(Number(iceServers[1].username.split(':')[0]) <= Date.now() / 1000 + 121);
    const { iceServers: admins } = (await as(boss.token, 'GET', '/config')).body;
    assert.ok(Number(admins[1].username.split(':')[0]) <= Date.now() / 1000 + 601);
    server.cli(['booking', 'cancel', booking]);
  });

  it('of a robot: tokens overlap, are listed, and are revoked one by one', async () => {
    const first = server.cli(['robot', 'add', 'r2', '--type', 'arm']);
    const old = await robot('r2', first);
    const second = server.cli(['robot', 'token', 'r2', '--replace-in', '24h']);
    // Both count.
    const other = await robot('r2', second);
    await old.next('disconnect'); // replaced by the newer link
    await (await robot('r2', first)).next('registered');
    const list = JSON.parse(server.cli(['token', 'list', '--sub', 'r2', '--json']));
    assert.deepEqual(list.map(({ state }) => state), ['replaced', 'valid']);
    assert.ok(list[0].ends_at < Date.now() + 25 * 3600e3);
    const listed = (await as(boss.token, 'GET', '/robots/r2/tokens')).body;
    assert.deepEqual(listed.map(({ id }) => id), list.map(({ id }) => id));
    // One of them, by its id.
    const holder = await robot('r2', first);
    const revoked = await as(boss.token, 'DELETE', `/tokens/${list[0].id}`);
    assert.deepEqual([revoked.status, revoked.body.known], [200, true]);
    await holder.next('disconnect');
    assert.equal((await connect(first).register('r2', 'robot')).code, 'unauthorized');
    await robot('r2', second);
    assert.equal((await as(second, 'GET', '/auth/me')).body.role, 'robot');
    assert.equal((await as(first, 'GET', '/auth/me')).status, 401);
    // All of them.
    server.cli(['robot', 'token', 'r2', '--revoke']);
    await until('none', async () => (await as(second, 'GET', '/auth/me')).status === 401);
    assert.equal((await as(second, 'GET', '/config')).body.iceServers.length, 1, 'no TURN');
    const third = await as(boss.token, 'POST', '/robots/r2/token', { replace_in: '1h' });
    assert.equal(third.status, 201);
    await robot('r2', third.body.token);
    assert.equal((await as(boss.token, 'POST', '/robots/r2/token', { replace_in: 'soon' })).status, 422);
    assert.equal((await as(boss.token, 'DELETE', '/robots/r2')).status, 200);
    assert.equal((await connect(third.body.token).register('r2', 'robot')).code, 'unauthorized');
    other.close();
  });

  it('of a robot that the store does not know end as well', async () => {
    const ghost = server.cli(['token', '--role', 'robot', '--sub', 'ghost', '--ttl', '365d']);
    const pi = await robot('ghost', ghost, { robotType: 'pi' });
    // It draws nobody's offers to itself.
    const admin = await person('admin');
    const peer = connect(admin.token);
    await peer.register(admin.id, 'viewer');
    assert.deepEqual((await peer.next('robot-available')).userId, 'ghost');
    assert.equal((await peer.ask('offer', offer('robot_pi'))).ok, false);
    const [{ id }] = JSON.parse(server.cli(['token', 'list', '--sub', 'ghost', '--json']));
    server.cli(['token', 'revoke', id]);
    await pi.next('disconnect');
    assert.equal((await connect(ghost).register('ghost', 'robot')).code, 'unauthorized');
    assert.equal((await as(ghost, 'GET', '/config')).body.iceServers.length, 1, 'no TURN');

    // By its name, with a slash in it.
    const lab = server.cli(['token', '--role', 'robot', '--sub', 'lab/1', '--ttl', '365d']);
    const link = await robot('lab/1', lab);
    assert.equal((await as(boss.token, 'DELETE', '/robots/lab%2F1/token')).status, 200);
    await link.next('disconnect');
    assert.equal((await connect(lab).register('lab/1', 'robot')).code, 'unauthorized');
    server.cli(['robot', 'add', 'lab/2']);
    assert.equal((await as(boss.token, 'POST', '/robots/lab%2F2/token')).status, 201);
    // One that was never seen.
    const { status, stderr } = server.tryCli(['token', 'revoke', 'made-elsewhere']);
    assert.equal(status, 0);
    assert.match(stderr, /no token with this id/);
  });

  it('of robots are warned about a month before', async () => {
    server.cli(['robot', 'add', 'old']);
    const token = server.cli(['token', '--role', 'robot', '--sub', 'old', '--ttl', '20d']);
    await robot('old', token);
    await until('the warning', () =>
      /event=robot-token-ends robot=old days=19 remedy="robot token old/.test(server.output));
    const fresh = (await as(boss.token, 'POST', '/robots/old/token')).body;
    const entry = (await as(boss.token, 'GET', '/robots')).body.find((r) => r.id === 'old');
    assert.equal(entry.expiresAt, fresh.expires_at);
  });
});

describe('another issuer', () => {
  const secret = crypto.randomBytes(32).toString('hex');
  const soon = () => Math.floor(Date.now() / 1000) + 600;
  async function withServer(config, test) {
    const server = new Signaling();
    fs.writeFileSync(path.join(server.work, 'secret'), `${secret}\n`, { mode: 0o600 });
    fs.writeFileSync(server.config,
      `[identity]\nsecret-file=${server.work}/secret\n${config}`);
    server.cli(['user', 'add', 'alice@example.org', '--name', 'Alice'], PASSWORD);
    await server.start();
    try {
      await test(server, (claims, header) => server.http('GET', '/auth/me',
        { token: jwt(secret, { sub: '99', exp: soon(), ...claims }, header) }));
    } finally {
      await server.close();
    }
  }

  it('has no say unless the configuration names one', () =>
    withServer('', async (server, me) => {
      assert.equal((await me({})).status, 401);
      assert.equal((await me({ role: 'admin' })).status, 401);
      assert.equal((await me({ sub: 'stranger' })).status, 401);
      // Of an account here: its word on the role does not count.
      const alice = await me({ sub: '1', role: 'admin' });
      assert.deepEqual([alice.status, alice.body.role], [200, 'viewer']);
      const token = jwt(secret, { sub: '99', role: 'admin', exp: soon() });
      const peer = new Peer(io, server.url, { token });
      assert.equal((await peer.register('99', 'viewer')).code, 'unauthorized');
      peer.close();
    }));

  it('is kept apart from the accounts here', () =>
    withServer('trust-unknown-subjects=true\n', async (server, me) => {
      const stranger = await me({ role: 'admin' });
      assert.deepEqual([stranger.status, stranger.body.name, stranger.body.email],
        [200, '99', '']);
      const one = await me({ sub: '1' });
      assert.equal(one.status, 401);
      assert.ok(!JSON.stringify(one.body).includes('Alice'));
      const { access_token: own } = await server.login('alice@example.org', PASSWORD);
      assert.equal((await server.http('GET', '/auth/me', { token: own })).body.name, 'Alice');
    }));

  it('opens nothing with what is no access token, and may write fractions', () =>
    withServer('trust-unknown-subjects=true\n', async (server, me) => {
      for (const claims of [{ type: 'refresh' }, { token_use: 'refresh' },
        { purpose: 'password-reset' }, { token_type: 'refresh' }, { typ: 'Refresh' }, { type: 7 }])
        assert.equal((await me(claims)).status, 401, JSON.stringify(claims));
      assert.equal((await me({}, { alg: 'HS256', typ: 'refresh+jwt' })).status, 401);
      for (const claims of [{ type: 'access' }, { exp: soon() + 0.336, nbf: 1698742245.5 }])
        assert.equal((await me(claims)).status, 200, JSON.stringify(claims));
    }));
});
