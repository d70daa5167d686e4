// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A session is bound to its booking: links, the server's process and second
// processes of a robot come and go around it. The real server, the official
// client as robot and as viewer.
'use strict';
const { after, afterEach, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { io } = require('socket.io-client');
const { Signaling, Peer, until, offer, answer } =
  require('./signaling-process.js');

describe('the life of a session', () => {
  const server = new Signaling({
    config: '[sessions]\nrobot-grace=2s\nviewer-grace=1s\n' +
      '[identity]\ntrust-unknown-subjects=true\n',
  });
  let peers = [];
  let bookings = [];
  let robotToken, admin;

  function connect(token) {
    const peer = new Peer(io, server.url, { token, transports: ['websocket'] });
    peers.push(peer);
    return peer;
  }
  // {pi, registered}. *serves*: [[peerId, offerId]…].
  async function robot(instance, serves = [], id = 'r1') {
    const pi = connect(robotToken);
    const registered = await pi.register(id, 'robot', { instance,
      peers: serves.map(([peerId, offerId]) => ({ peerId, offerId })) });
    return { pi, registered };
  }
  async function viewer(id, more) {
    const peer = connect(
      server.cli(['token', '--role', 'viewer', '--sub', id]));
    const registered = await peer.register(id, 'viewer', more);
    assert.equal(registered.success, true, JSON.stringify(registered));
    return { peer, registered };
  }
  const cut = (peer) => peer.socket.io.engine.close(); // as a cable
  const book = (user) => {
    const id = server.cli(['booking', 'add', '--user', user, '--robot', 'r1',
      '--start', 'now', '--duration', '10m']);
    bookings.push(id);
    return id;
  };
  const cancel = (id) => {
    bookings = bookings.filter((other) => other !== id);
    server.cli(['booking', 'cancel', id]);
  };
  const ask = async (method, at) =>
    (await server.http(method, at, { token: admin })).body;
  const session = async (peerId) =>
    (await ask('GET', '/sessions')).find((s) => s.peerId === peerId);
  const row = async (peerId) =>
    (await ask('GET', '/audit')).find((s) => s.peerId === peerId);
  const state = (peerId, wanted) => until(`${wanted} of ${peerId}`,
    async () => (await session(peerId))?.state === wanted);
  async function watch(peer, pi, n = 1) {
    const { ok, peerId } = await peer.ask('offer', offer('r1'));
    assert.equal(ok, true);
    const { offerId, from } = await pi.next('offer', n);
    pi.emit('answer', answer(from, { peerId, offerId }));
    await peer.next('answer');
    return [peerId, offerId];
  }

  before(async () => {
    robotToken = server.cli(['robot', 'add', 'r1']);
    admin = server.cli(['token', '--role', 'admin', '--sub', 'root']);
    await server.start();
  });
  afterEach(async () => {
    peers.forEach((peer) => peer.close());
    peers = [];
    [...bookings].forEach(cancel);
    for (const { peerId } of await ask('GET', '/sessions'))
      await ask('DELETE', `/sessions/${peerId}`);
  });
  after(() => server.close());

  it('outlives a server that is stopped in good order', async () => {
    book('1');
    const { pi } = await robot('a');
    const { peer } = await viewer('1', { instance: 'p1' });
    const [peerId, offerId] = await watch(peer, pi);
    await server.stop('SIGTERM');
    assert.equal(pi.got('leave').length, 0, 'no word for the viewer');
    assert.equal(pi.got('session-ended').length, 0);
    assert.equal(peer.got('session-ended').length, 0);
    await server.start();
    await state(peerId, 'robot-away');
    const back = await robot('a', [[peerId, offerId]]);
    assert.deepEqual(back.registered.sessions.map((s) => s.peerId), [peerId]);
    assert.ok(back.registered.sessions[0].session.grant);
    await state(peerId, 'viewer-away');
    const again = await viewer('1', { instance: 'p1', peers: [peerId] });
    assert.deepEqual(again.registered.sessions.map((s) => [s.peerId, s.state]),
      [[peerId, 'live']]);
    assert.equal(back.pi.got('offer').length, 0, 'nobody offers anew');
    // The first cancellation after it reaches the robot.
    cancel(bookings[0]);
    assert.equal((await back.pi.next('session-ended')).reason, 'revoked');
    await state(peerId, 'ending');
    assert.equal((await row(peerId)).endedAt, undefined);
    back.pi.emit('leave', { to: '1', peerId, reason: 'revoked' });
    await until('the row ends with the robot\'s word',
      async () => (await row(peerId)).endedAt);
    assert.equal((await row(peerId)).reason, 'revoked');
  });

  it('goes on when the viewer\'s link breaks, and is left by its word', async () => {
    book('2');
    const { pi } = await robot('b');
    const first = await viewer('2', { instance: 'p2' });
    const [peerId] = await watch(first.peer, pi);
    for (let i = 0; i < 3; i++) {
      cut(peers.at(-1));
      await state(peerId, 'viewer-away');
      const { registered } =
        await viewer('2', { instance: 'p2', peers: [peerId, 'other'] });
      assert.deepEqual(registered.sessions.map((s) => s.peerId), [peerId]);
      assert.deepEqual(await peers.at(-1).next('session-ended'),
        { peerId: 'other', robotId: '', reason: 'unknown' });
    }
    assert.equal(pi.got('leave').length, 0);
    peers.at(-1).emit('leave', { to: 'r1', peerId });
    assert.equal((await pi.next('leave')).reason, 'viewer-left');
    await until('the row ends', async () => (await row(peerId)).endedAt);
  });

  it('ends for an old viewer after viewer-grace', async () => {
    book('3');
    const { pi } = await robot('c');
    const { peer, registered } = await viewer('3');
    assert.equal(registered.sessions, undefined);
    const [peerId] = await watch(peer, pi);
    cut(peer);
    assert.deepEqual(await pi.next('leave'),
      { from: '3', peerId, reason: 'viewer-left' });
  });

  for (const restart of [false, true])
    it(`a robot that was away when it was cancelled is told first thing${
      restart ? ', by another server process too' : ''}`, async () => {
      const booking = book('4');
      const { pi } = await robot('d');
      const { peer } = await viewer('4', { instance: 'p4' });
      const [peerId, offerId] = await watch(peer, pi);
      cut(pi);
      await state(peerId, 'robot-away');
      await new Promise((resolve) => setTimeout(resolve, 3000)); // over grace
      await state(peerId, 'robot-away');
      if (restart)
        await server.stop('SIGKILL');
      cancel(booking);
      if (restart)
        await server.start();
      else
        assert.equal((await peer.next('session-ended')).reason, 'revoked');
      await state(peerId, 'ending');
      const back = await robot('d', [[peerId, offerId]]);
      assert.deepEqual(back.registered.sessions, []);
      assert.deepEqual(back.registered.ended, [{ peerId, reason: 'revoked' }]);
      back.pi.emit('leave', { to: '4', peerId });
      await until('the row ends', async () => (await row(peerId)).endedAt);
      assert.equal((await row(peerId)).reason, 'revoked');
    });

  it('a robot that does not name a peer has none', async () => {
    book('5');
    const { pi } = await robot('e');
    const { peer } = await viewer('5', { instance: 'p5' });
    const [peerId] = await watch(peer, pi);
    cut(pi);
    await state(peerId, 'robot-away');
    const back = await robot('e', [['foreign', 'o']]);
    assert.deepEqual(back.registered.sessions, []);
    assert.equal((await peer.next('leave')).reason, 'robot-left');
    assert.equal((await row(peerId)).reason, 'robot-left');
  });

  it('one of two processes keeps the place, the other its viewers', async () => {
    book('6');
    const old = await robot('old');
    const { peer } = await viewer('6', { instance: 'p6' });
    const [peerId, offerId] = await watch(peer, old.pi);
    const young = await robot('young');
    assert.deepEqual(young.registered.sessions, []);
    const told = await old.pi.next('error');
    assert.equal(told.code, 'replaced');
    assert.equal(told.instance, 'young');
    assert.equal(told.address, '127.0.0.1');
    assert.ok(told.retryAfterMs >= 60000);
    assert.equal((await session(peerId)).state, 'live');
    assert.equal(peer.got('session-ended').length, 0);
    const [r1] = (await ask('GET', '/robots')).filter((r) => r.id === 'r1');
    assert.deepEqual(r1.duplicates.map((d) => d.instance), ['old']);
    assert.match(server.output, /robot-replaced/);
    // Its link breaks and it is back: for those whom it serves, no more.
    cut(old.pi);
    await state(peerId, 'robot-away');
    const back = await robot('old', [[peerId, offerId]]);
    assert.equal(back.registered.standby, true);
    assert.deepEqual(back.registered.sessions.map((s) => s.peerId), [peerId]);
    assert.equal(young.pi.got('error').length, 0, 'the place does not flap');
    await ask('DELETE', `/sessions/${peerId}`);
    assert.equal((await back.pi.next('session-ended')).reason, 'revoked');
    back.pi.emit('leave', { to: '6', peerId });
    await back.pi.next('disconnect'); // nobody left to serve
    const refused = await robot('old');
    assert.equal(refused.registered.success, false);
    assert.equal(refused.registered.code, 'replaced');
    assert.equal(refused.registered.instance, 'young');
    assert.equal(young.pi.got('disconnect').length, 0);
  });

  it('shows a robot that refuses grants', async () => {
    book('7');
    const { pi } = await robot('f');
    const { peer } = await viewer('7', { instance: 'p7' });
    const { peerId } = await peer.ask('offer', offer('r1'));
    const { offerId } = await pi.next('offer');
    pi.emit('leave', { to: '7', peerId, offerId, reason: 'grant-refused' });
    assert.equal((await peer.next('leave')).reason, 'grant-refused');
    const refuses = async () =>
      (await ask('GET', '/robots')).find((r) => r.id === 'r1').refusesGrants;
    assert.equal((await refuses()).count, 1);
    assert.match(server.output, /robot-refuses-grants/);
    await watch(peer, pi, 2);
    assert.equal(await refuses(), undefined);
  });

  // The clock of the server's process alone, by a library that is preloaded.
  it('tells robot and viewer of the new end when its clock is set', async () => {
    const clock = path.join(server.work, 'clock');
    const ahead = (seconds) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds));
      fs.writeFileSync(clock, bytes, { flag: fs.existsSync(clock) ? 'r+' : 'w' });
    };
    ahead(0);
    await server.stop();
    server.env = { ...server.env, WRONG_CLOCK: clock, LD_PRELOAD: path.join(
      process.env.BUILD_DIR ?? path.join(__dirname, '../../build'), 'tests/interop/wrongclock.so') };
    await server.start();
    book('8');
    const { pi } = await robot('g');
    const { peer } = await viewer('8', { instance: 'p8' });
    const [peerId] = await watch(peer, pi);
    const { session: { expiresAt } } = (await pi.got('offer'))[0];
    // Nobody sets a clock by so little.
    ahead(1);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(pi.got('session-updated').length, 0);
    // Four minutes back: the booking, which began a moment ago, has not begun.
    ahead(-240);
    assert.equal((await pi.next('session-ended')).peerId, peerId);
    await peer.next('session-ended');
    pi.emit('leave', { to: '8', peerId });
    // Forwards from there, the booking running: the end is the same, and later.
    ahead(0);
    await until('that the clock was seen', () => server.output.split('event=clock-set').length === 3);
    const { ok, peerId: second } = await peer.ask('offer', offer('r1'));
    assert.equal(ok, true);
    ahead(300);
    for (const each of [pi, peer]) {
      const told = await each.next('session-updated');
      assert.equal(told.peerId, second);
      assert.equal(told.session.expiresAt, expiresAt);
      assert.ok(told.session.expiresAt - told.session.serverTime < 301000);
    }
    ahead(3600);
    assert.equal((await pi.next('session-ended', 2)).reason, 'expired');
    assert.match(server.output, /event=clock-set by="-241 s"/);
    ahead(0); // for what is cancelled now
  });
});
