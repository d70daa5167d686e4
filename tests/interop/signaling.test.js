// SPDX-License-Identifier: LGPL-2.1-or-later
//
// robotlive-signaling as its users meet it: the real process, the official
// Socket.IO client, every event of PROTOCOL.md.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const { io } = require('socket.io-client');
const { Signaling, Peer, until, offer, answer, candidate, SDP } =
  require('./signaling-process.js');

describe('sessions', () => {
  const server = new Signaling({
    // Viewers by any id: they are another issuer's.
    config: '[sessions]\nadmin-step=4s\nrobot-grace=1s\n' +
      '[identity]\ntrust-unknown-subjects=true\n',
  });
  const peers = [];
  let robotToken, alice;

  function connect(token, options) {
    const peer = new Peer(io, server.url, { token, ...options });
    peers.push(peer);
    return peer;
  }
  async function robot(id = 'robot_pi_1', token = robotToken, more = {}) {
    const peer = connect(token, { transports: ['websocket'] });
    const registered = await peer.register(id, 'robot', more);
    assert.equal(registered.success, true, JSON.stringify(registered));
    return peer;
  }
  async function viewer(id, options) {
    const peer = connect(server.cli(['token', '--role', 'viewer', '--sub', id]),
      options);
    const registered = await peer.register(id, 'viewer');
    assert.equal(registered.success, true);
    return peer;
  }
  const book = (user, duration, start = 'now', robotId = 'robot_pi_1') =>
    server.cli(['booking', 'add', '--user', user, '--robot', robotId,
      '--start', start, '--duration', duration]);
  const cancel = (id) => server.cli(['booking', 'cancel', id]);

  before(async () => {
    robotToken = server.cli(['robot', 'add', 'robot_pi_1', '--type', 'pi']);
    alice = server.cli(['user', 'add', 'alice@example.org'], 'correct horse');
    await server.start();
  });
  after(async () => {
    peers.forEach((peer) => peer.close());
    await server.close();
  });

  for (const transports of [undefined, ['polling'], ['websocket']]) {
    it(`relays between the two of a session (${transports ?? 'default'})`, async () => {
      const booking = book('7', '10m');
      const pi = await robot();
      const { access_token: token } =
        await server.login('alice@example.org', 'correct horse');
      const other = connect(token);
      assert.equal((await other.register(Number(alice), 'viewer')).success, true);
      const peer = await viewer('7', transports && { transports });
      assert.deepEqual(await peer.next('robot-available'),
        { userId: 'robot_pi_1', robotType: 'pi' });

      const ack = await peer.ask('offer', offer('robot_pi_1'));
      assert.equal(ack.ok, true);
      const got = await pi.next('offer');
      assert.equal(got.from, '7');
      assert.equal(got.offer.sdp, SDP);
      assert.equal(got.peerId, ack.peerId);
      assert.equal(got.session.role, 'viewer');
      assert.equal(got.session.expiresAt, ack.session.expiresAt);
      const claims = JSON.parse(Buffer.from(
        got.session.grant.split('.')[1], 'base64url'));
      assert.equal(claims.sub, '7');
      assert.equal(claims.jti, got.peerId);
      assert.equal(claims.exp * 1000, got.session.expiresAt);
      assert.deepEqual([claims.aud].flat(), ['robot_pi_1']);

      pi.emit('answer', answer('7', { peerId: got.peerId }));
      pi.emit('ice-candidate', candidate('7'));
      pi.emit('ice-candidate', { to: '7', candidate: null });
      assert.deepEqual(await peer.next('answer'),
        { from: 'robot_pi_1', answer: { type: 'answer', sdp: SDP },
          peerId: got.peerId });
      assert.equal((await peer.next('ice-candidate')).candidate.sdpMid, '0');
      assert.equal((await peer.next('ice-candidate', 2)).candidate, null);
      peer.emit('ice-candidate', candidate('robot_pi'));
      assert.equal((await pi.next('ice-candidate')).peerId, got.peerId);

      // An ICE restart keeps the peer.
      const again = await peer.ask('offer',
        offer('robot_pi_1', { peerId: got.peerId }));
      assert.equal(again.peerId, got.peerId);

      const expected = JSON.stringify(['registered']);
      assert.equal(JSON.stringify(other.events.map(([name]) => name)), expected,
        'another viewer hears nothing');
      peer.emit('leave', { to: 'robot_pi_1' });
      assert.equal((await pi.next('leave')).reason, 'viewer-left');
      cancel(booking);
      pi.close();
      other.close();
      peer.close();
    });
  }

  it('refuses before, after and without a booking', async () => {
    const pi = await robot();
    const peer = await viewer('8');
    const none = await peer.ask('offer', offer('robot_pi_1'));
    assert.equal(none.code, 'no-active-booking');
    const error = await peer.next('error');
    assert.deepEqual([error.code, error.event, error.to],
      ['no-active-booking', 'offer', 'robot_pi_1']);
    // Somebody without a booking learns nothing about what exists.
    assert.equal((await peer.ask('offer', offer('no_such'))).code,
      'no-active-booking');
    const start = new Date(Date.now() + 3600e3).toISOString();
    const later = book('8', '10m', start);
    await peer.ask('offer', offer('robot_pi_1'));
    assert.ok((await peer.next('error', 3)).nextBooking.startsAt > Date.now());
    cancel(later);

    const now = book('8', '10s');
    const { session, peerId } = await peer.ask('offer', offer('robot_pi_1'));
    assert.ok(session.expiresAt - session.serverTime <= 10000);
    const expiring = await peer.next('session-expiring');
    assert.equal(expiring.peerId, peerId);
    for (const side of [peer, pi]) {
      assert.deepEqual(await side.next('session-ended'),
        { peerId, robotId: 'robot_pi_1', reason: 'expired' });
      assert.ok(Date.now() >= session.expiresAt - 20);
    }
    assert.equal((await peer.ask('offer', offer('robot_pi_1'))).code,
      'no-active-booking');
    assert.ok(now);
    pi.close();
    peer.close();
  });

  it('extends, shortens and ends a running session', async () => {
    const pi = await robot();
    const first = book('9', '60s');
    const peer = await viewer('9');
    const { peerId, session } = await peer.ask('offer', offer('robot_pi_1'));
    const next = book('9', '60s', String(session.expiresAt));
    const longer = await peer.next('session-updated');
    assert.equal(longer.peerId, peerId);
    assert.equal(longer.session.expiresAt, session.expiresAt + 60000);
    assert.equal(longer.session.grant, undefined, 'grants are for robots');
    assert.ok((await pi.next('session-updated')).session.grant);
    cancel(next);
    assert.equal((await peer.next('session-updated', 2)).session.expiresAt,
      session.expiresAt);
    cancel(first);
    assert.equal((await pi.next('session-ended')).reason, 'revoked');
    assert.equal((await peer.next('session-ended')).reason, 'revoked');
    pi.close();
    peer.close();
  });

  it('keeps two tabs of a viewer apart', async () => {
    const booking = book('10', '5m');
    const pi = await robot();
    const tabs = [await viewer('10'), await viewer('10')];
    for (const tab of tabs)
      await tab.ask('offer', offer('robot_pi_1'));
    const [a, b] = [await pi.next('offer'), await pi.next('offer', 2)];
    assert.notEqual(a.peerId, b.peerId);
    pi.emit('answer', answer('10', { peerId: a.peerId }));
    assert.equal((await tabs[0].next('answer')).peerId, a.peerId);
    pi.emit('answer', answer('10')); // the newest
    assert.equal((await tabs[1].next('answer')).peerId, b.peerId);
    // One tab cannot speak for the other.
    assert.equal((await tabs[1].ask('leave',
      { to: 'robot_pi_1', peerId: a.peerId })).code, 'forbidden');
    tabs[0].close();
    assert.deepEqual(await pi.next('leave'),
      { from: '10', peerId: a.peerId, reason: 'viewer-left' });
    assert.equal(tabs[1].got('session-ended').length, 0);
    tabs[1].close();
    cancel(booking);
    pi.close();
  });

  it('replaces a robot and tells of one that goes', async () => {
    const booking = book('11', '5m');
    const old = await robot('robot_pi_1', robotToken, { instance: 'a' });
    const peer = await viewer('11');
    await peer.ask('offer', offer('robot_pi_1'));
    // The same process on a new connection still has its viewers.
    const same = await robot('robot_pi_1', robotToken, { instance: 'a' });
    await old.next('disconnect');
    const { peerId } = await old.next('offer');
    same.emit('answer', answer('11', { peerId }));
    await peer.next('answer');
    assert.equal(peer.got('session-ended').length, 0);
    // Another one has not.
    const other = await robot('robot_pi_1', robotToken, { instance: 'b' });
    assert.equal((await peer.next('session-ended')).reason, 'replaced');
    await peer.ask('offer', offer('robot_pi_1'));
    await other.next('offer');
    other.socket.io.engine.close(); // as a cut cable
    assert.equal((await peer.next('robot-unavailable')).userId, 'robot_pi_1');
    assert.equal((await peer.next('session-ended', 2)).reason, 'robot-offline');
    assert.equal((await peer.ask('offer', offer('robot_pi_1'))).code,
      'robot-offline');
    cancel(booking);
    peer.close();
  });

  it('renews an admin in steps, and an admin needs no booking', async () => {
    const pi = await robot();
    const peer = connect(server.cli(['token', '--role', 'admin', '--sub', 'root']));
    await peer.register('root', 'viewer');
    assert.equal((await peer.ask('offer', offer('no_such'))).code,
      'unknown-robot');
    const { session, peerId } = await peer.ask('offer', offer('robot_pi_1'));
    assert.equal(session.role, 'admin');
    assert.ok(session.expiresAt - session.serverTime <= 4000);
    const updated = await pi.next('session-updated');
    assert.equal(updated.peerId, peerId);
    assert.ok(updated.session.expiresAt > session.expiresAt);
    assert.ok(updated.session.grant);
    assert.match(server.cli(['session', 'list']), new RegExp(peerId));
    server.cli(['session', 'end', peerId]);
    assert.equal((await pi.next('session-ended')).reason, 'revoked');
    assert.equal((await peer.next('session-ended')).reason, 'revoked');
    pi.close();
    peer.close();
  });

  it('finds a robot by its type', async () => {
    const pi = await robot();
    const booking = server.cli(['booking', 'add', '--user', '12',
      '--robot-type', 'pi', '--start', 'now', '--duration', '5m']);
    const peer = await viewer('12');
    assert.equal((await peer.ask('offer', offer('robot_pi'))).robotId,
      'robot_pi_1');
    assert.equal((await pi.next('offer')).from, '12');
    cancel(booking);
    pi.close();
    peer.close();
  });

  it('lets in nobody without a token, and nobody as another', async () => {
    const bad = connect('a.b.c');
    assert.equal((await bad.next('connect_error')).data.code, 'unauthorized');
    const none = connect();
    const refused = await none.register('x', 'viewer');
    assert.deepEqual([refused.success, refused.code], [false, 'unauthorized']);
    await none.next('disconnect');
    const token = server.cli(['token', '--role', 'viewer', '--sub', 'y']);
    for (const [id, type] of [['x', 'viewer'], ['y', 'robot']]) {
      const peer = connect(token);
      assert.equal((await peer.register(id, type)).code, 'forbidden');
      await peer.next('disconnect');
    }
    // A robot's client library that cannot send auth.
    const late = connect();
    assert.equal((await late.register('y', 'viewer', { token })).success, true);
    late.close();
  });

  it('keeps what comes before register, in order, and bounded', async () => {
    const booking = book('13', '5m');
    const pi = await robot();
    const peer = connect(server.cli(['token', '--role', 'viewer', '--sub', '13']));
    peer.emit('offer', offer('robot_pi_1'));
    for (let i = 0; i < 5; ++i)
      peer.emit('ice-candidate', { ...candidate('robot_pi_1'),
        candidate: { candidate: `candidate:${i}`, sdpMid: '0', sdpMLineIndex: 0 } });
    await peer.register('13', 'viewer');
    for (let i = 0; i < 5; ++i)
      assert.equal((await pi.next('ice-candidate', i + 1)).candidate.candidate,
        `candidate:${i}`);
    const flood = connect();
    for (let i = 0; i < 40; ++i)
      flood.emit('ice-candidate', candidate('robot_pi_1'));
    assert.equal((await flood.next('error')).code, 'busy');
    await until('8 are refused', () => flood.got('error').length >= 8);
    await until('the rest after 5 s', () => flood.got('error').length === 40);
    assert.equal(flood.got('error')[20].code, 'unauthorized');
    cancel(booking);
    [pi, peer, flood].forEach((p) => p.close());
  });

  it('answers bad messages and goes on', async () => {
    const pi = await robot();
    const peer = await viewer('14');
    const cases = [
      ['offer', null, 'bad-message'], ['offer', 'x', 'bad-message'],
      ['offer', {}, 'bad-message'], ['offer', { to: 'robot_pi_1' }, 'bad-message'],
      ['offer', { to: [], offer: { type: 'offer', sdp: SDP } }, 'bad-message'],
      ['offer', { to: 'r', offer: { type: 'answer', sdp: SDP } }, 'bad-message'],
      ['offer', { to: 'r', offer: { type: 'offer', sdp: 7 } }, 'bad-message'],
      ['offer', { to: 'r', offer: { type: 'offer', sdp: 'x'.repeat(200000) } },
        'bad-message'],
      ['offer', offer('x'.repeat(200)), 'bad-message'],
      ['offer', Buffer.from('binary'), 'bad-message'],
      ['answer', answer('robot_pi_1'), 'forbidden'],
      ['ice-candidate', { to: 'r', candidate: 'candidate:1' }, 'bad-message'],
      ['ice-candidate', candidate('robot_pi_1'), 'forbidden'],
      ['leave', { to: 'robot_pi_1' }, 'forbidden'],
      ['join-room', { roomId: 'robot_pi_1' }, 'forbidden'],
      ['join-room', {}, 'bad-message'],
      ['register', { userId: '14' }, 'bad-message'],
      ['register', { userId: '15', userType: 'viewer' }, 'forbidden'],
      ['no-such-event', {}, 'bad-message'],
    ];
    for (const [event, payload, code] of cases) {
      const result = await peer.ask(event, payload);
      assert.deepEqual([result.ok, result.code], [false, code],
        `${event} ${JSON.stringify(payload)?.slice(0, 80)}`);
    }
    assert.equal((await pi.ask('offer', offer('14'))).code, 'forbidden');
    assert.equal((await pi.ask('answer', answer('14'))).code, 'forbidden');
    assert.equal((await peer.ask('join-room', { roomId: 'robot_pi_14' })).ok, true);
    const tab = await viewer('14');
    await tab.ask('join-room', { roomId: 'robot_pi_14' });
    assert.deepEqual(await peer.next('user-joined'),
      { userId: '14', userType: 'viewer' });
    tab.close();
    assert.equal((await peer.next('user-left')).userId, '14');
    pi.close();
    peer.close();
  });

  it('goes on after kill -9: nothing is lost, running sessions are found', async () => {
    const booking = book('15', '5m');
    let pi = await robot('robot_pi_1', robotToken, { instance: 'k' });
    let peer = await viewer('15');
    const { peerId } = await peer.ask('offer', offer('robot_pi_1'));
    await until('the session is in the log',
      () => server.cli(['session', 'list']).includes(peerId));
    await server.stop('SIGKILL');
    await server.start();
    pi = await robot('robot_pi_1', robotToken, { instance: 'k' });
    peer = await viewer('15');
    const found = await peer.ask('ice-candidate',
      candidate('robot_pi_1', { peerId }));
    assert.equal(found.ok, true, JSON.stringify(found));
    assert.equal((await pi.next('ice-candidate')).peerId, peerId);
    cancel(booking);
    assert.equal((await pi.next('session-ended')).reason, 'revoked');
    assert.equal((await peer.next('session-ended')).reason, 'revoked');
    pi.close();
    peer.close();
  });
});
