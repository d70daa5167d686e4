// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When the page offers, waits, offers again and stops: the feed with a fake
// peer connection and a fake signaling link. Where time counts it is a mock.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Feed } from '../../signaling/web/feed.js';

const turn = () => new Promise(resolve => setImmediate(resolve));

class FakePeer {
  constructor(config) {
    this.config = config;
    this.connectionState = 'new';
    this.candidates = [];
    this.transceivers = [];
    this.bytes = 0;
    this.frames = 0;
  }

  addTransceiver(kind, init) {
    this.transceivers.push({ kind, ...init });
  }

  async createOffer() {
    return { type: 'offer', sdp: 'v=0 offer' };
  }

  async setLocalDescription(description) {
    this.localDescription = description;
  }

  async setRemoteDescription(description) {
    if (!description.sdp)
      throw new TypeError('no sdp');
    this.remoteDescription = description;
  }

  async addIceCandidate(candidate) {
    this.candidates.push(candidate.candidate);
  }

  async getStats() {
    return [['v', { type: 'inbound-rtp', kind: 'video', timestamp: 1,
      bytesReceived: this.bytes, framesDecoded: this.frames }]];
  }

  close() {
    this.closed = true;
  }
}

let peers;
let sent;
let ack;
let now;
let signaling;
let feed;
let states;

beforeEach(() => {
  peers = [];
  sent = [];
  states = [];
  now = 1000000;
  ack = { ok: true, peerId: 'p1', robotId: 'r1',
    session: { role: 'viewer', notBefore: 0, expiresAt: 1600000,
      serverTime: now } };
  signaling = {
    connected: true,
    emit: (event, payload) => sent.push([event, payload]),
    request: async (event, payload) => {
      sent.push([event, payload]);
      return ack;
    },
  };
  feed = new Feed({
    signaling,
    iceServers: () => [{ urls: 'stun:x' }],
    serverNow: () => now,
    createPeer: config => {
      const peer = new FakePeer(config);
      peers.push(peer);
      return peer;
    },
  });
  feed.addEventListener('state', event => states.push(event.detail));
});

afterEach(() => feed.stop());

const names = () => sent.map(([event]) => event);
const last = () => states.at(-1);

async function goLive() {
  feed.start('r1');
  await turn();
  feed.onMessage('answer', { from: 'r1', peerId: 'p1',
    answer: { type: 'answer', sdp: 'v=0 answer' } });
  await turn();
  const peer = peers.at(-1);
  peer.bytes = 1000;
  await feed.sample();
  assert.notEqual(feed.state, 'live');
  peer.frames = 1;
  await feed.sample();
  assert.equal(feed.state, 'live');
}

// Lets *seconds* pass, with a look at each of them; *each* () before it.
async function pass(seconds, each = () => {}) {
  for (let n = 0; n < seconds; n++) {
    now += 1000;
    each();
    await feed.sample();
  }
}

test('offers to receive video and says leave at the end', async () => {
  await goLive();
  assert.deepEqual(sent[0], ['offer',
    { to: 'r1', offer: { type: 'offer', sdp: 'v=0 offer' } }]);
  assert.deepEqual(peers[0].transceivers,
    [{ kind: 'video', direction: 'recvonly' },
      { kind: 'audio', direction: 'recvonly' }]);
  assert.deepEqual(peers[0].config.iceServers, [{ urls: 'stun:x' }]);
  assert.equal(feed.session.expiresAt, 1600000);
  feed.stop();
  assert.deepEqual(sent.at(-1), ['leave', { to: 'r1', peerId: 'p1' }]);
  assert.equal(peers[0].closed, true);
  assert.equal(feed.state, 'idle');
});

test('candidates wait for the peerId and for the answer', async () => {
  let resolve;
  signaling.request = (event, payload) => {
    sent.push([event, payload]);
    return new Promise(done => { resolve = done; });
  };
  feed.start('r1');
  await turn();
  peers[0].onicecandidate({ candidate: { candidate: 'c1', sdpMid: '0',
    sdpMLineIndex: 0, extra: 1 } });
  assert.deepEqual(names(), ['offer']);
  resolve({ ok: true, peerId: 'p7' });
  await turn();
  peers[0].onicecandidate({ candidate: null });
  assert.deepEqual(sent.slice(1), [
    ['ice-candidate', { to: 'r1', peerId: 'p7',
      candidate: { candidate: 'c1', sdpMid: '0', sdpMLineIndex: 0 } }],
    ['ice-candidate', { to: 'r1', peerId: 'p7', candidate: null }]]);
  const remote = candidate => feed.onMessage('ice-candidate',
    { from: 'r1', peerId: 'p7', candidate });
  remote({ candidate: 'a', sdpMid: '0', sdpMLineIndex: 0 });
  remote(null);
  assert.deepEqual(peers[0].candidates, []);
  feed.onMessage('answer', { from: 'r1', peerId: 'p7',
    answer: { type: 'answer', sdp: 'v=0' } });
  await turn();
  remote({ candidate: 'b', sdpMid: '0', sdpMLineIndex: 0 });
  assert.deepEqual(peers[0].candidates, ['a', 'b']);
});

test('messages of another peer connection are ignored', async () => {
  await goLive();
  feed.onMessage('session-ended', { peerId: 'other', reason: 'expired' });
  feed.onMessage('leave', { peerId: 'other' });
  feed.onMessage('answer', null);
  assert.equal(feed.state, 'live');
  assert.equal(peers[0].closed, undefined);
});

for (const reason of ['expired', 'revoked']) {
  test(`session-ended, ${reason}: over, and not offered again`, async () => {
    await goLive();
    feed.onMessage('session-ended', { peerId: 'p1', reason });
    assert.deepEqual(last(), { state: 'ended', reason });
    assert.equal(peers[0].closed, true);
    assert.equal(feed.wanted, false);
    feed.signalingUp();
    feed.onMessage('robot-available', { userId: 'r1' });
    await turn();
    assert.equal(peers.length, 1);
  });
}

test('the end is kept without the server as well', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  // The robot decides: it may know of an extension.
  await pass(604, () => { peers[0].bytes += 1000; });
  assert.equal(feed.state, 'live');
  await pass(3);
  assert.deepEqual(last(), { state: 'ended', reason: 'expired' });
});

test('a grant that ran out before the booking is asked for again', async t => {
  t.mock.method(performance, 'now', () => now);
  feed.stop();
  feed = new Feed({ signaling, iceServers: () => [], serverNow: () => now,
    endsAt: () => 9e12, createPeer: () => peers[peers.push(new FakePeer()) - 1] });
  feed.addEventListener('state', event => states.push(event.detail));
  await goLive();
  await pass(599, () => { peers[0].bytes += 1000; });
  await pass(7);
  assert.equal(feed.state, 'reconnecting');
});

test('a refusal right after the end is the end', async () => {
  await goLive();
  now = 1600000;
  feed.onMessage('leave', { peerId: 'p1' });
  assert.deepEqual(last(), { state: 'ended', reason: 'expired' });
});

test('an extended session goes on', async () => {
  await goLive();
  feed.onMessage('session-updated', { peerId: 'p1',
    session: { expiresAt: 1900000 } });
  now = 1700000;
  await feed.sample();
  assert.equal(feed.state, 'live');
});

test('a final refusal stops, with its code', async () => {
  ack = { ok: false, code: 'no-active-booking', nextBooking: 5 };
  feed.start('r1');
  await turn();
  assert.deepEqual(last(),
    { state: 'refused', code: 'no-active-booking', nextBooking: 5,
      detail: undefined });
  assert.equal(feed.wanted, false);
  assert.equal(peers[0].closed, true);
});

test('a robot that refuses the offer is quoted, one that fails is asked again',
  async () => {
    feed.start('r1');
    await turn();
    feed.onMessage('leave', { peerId: 'p1', reason: 'bad-message: no codec' });
    assert.deepEqual(last(), { state: 'refused', code: 'bad-message',
      nextBooking: undefined, detail: 'no codec' });
    feed.start('r1');
    await turn();
    feed.onMessage('leave', { peerId: 'p1', reason: 'internal: odd' });
    assert.equal(feed.state, 'reconnecting');
    feed.start('r1');
    await turn();
    feed.onMessage('leave', { peerId: 'p1', reason: { length: 1 } });
    assert.equal(feed.state, 'reconnecting');
  });

test('an error event is as good as a negative acknowledgement', async () => {
  signaling.request = () => new Promise(() => {});
  feed.start('r1');
  await turn();
  feed.onMessage('error', { code: 'internal', event: 'ice-candidate',
    to: 'r1' });
  assert.equal(feed.state, 'connecting');
  feed.onMessage('error', { code: 'forbidden', event: 'offer', to: 'r1' });
  assert.equal(last().state, 'refused');
});

test('a robot that is away is waited for', async () => {
  ack = { ok: false, code: 'robot-offline' };
  feed.start('r1');
  await turn();
  assert.equal(last().state, 'waiting');
  assert.equal(last().code, 'robot-offline');
  ack = { ok: true, peerId: 'p2' };
  feed.onMessage('robot-available', { userId: 'other' });
  assert.equal(peers.length, 1);
  feed.onMessage('robot-available', { userId: 'r1' });
  await turn();
  assert.equal(peers.length, 2);
  assert.equal(feed.state, 'connecting');
  feed.stop();
});

for (const sessions of [undefined, [{ peerId: 'p1', robotId: 'r1',
  state: 'live', session: { expiresAt: 1700000 } }], []]) {
  test(`media that flows is not touched when links go and come, ${
    JSON.stringify(sessions)}`, async () => {
    await goLive();
    feed.onMessage('robot-unavailable', { userId: 'r1' });
    peers[0].bytes = 5000;
    await feed.sample();
    feed.signalingUp(sessions);
    if (sessions?.length === 0)
      feed.onMessage('session-ended', { peerId: 'p1', reason: 'unknown' });
    else
      feed.onMessage('robot-available', { userId: 'r1' });
    await turn();
    assert.equal(feed.state, 'live');
    assert.equal(peers.length, 1);
    assert.equal(feed.session.expiresAt, sessions?.length ? 1700000 : 1600000);
    assert.deepEqual(names(), ['offer']);
  });
}

for (const reason of ['robot-restarted', 'robot-offline', 'viewer-left',
  'unknown']) {
  test(`the server has no session: the media decides, ${reason}`, async t => {
    t.mock.method(performance, 'now', () => now);
    await goLive();
    feed.onMessage('session-ended', { peerId: 'p1', reason });
    await pass(20, () => { peers[0].bytes += 1000; });
    assert.equal(feed.state, 'live');
    assert.equal(peers.length, 1);
    await pass(7);
    assert.equal(feed.state, 'reconnecting');
    feed.signalingUp([]);
    await turn();
    assert.equal(sent.at(-1)[1].peerId, undefined);
    feed.stop();
  });
}

test('a page that looks seldom is not taken for a silence', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  now += 60000;
  await feed.sample();
  assert.equal(feed.state, 'live');
  now += 60000;
  peers[0].bytes += 1000;
  await feed.sample();
  now += 60000;
  await feed.sample();
  assert.equal(feed.state, 'live');
});

test('no time-out while bytes flow, even without a frame', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(performance, 'now', () => now);
  feed.start('r1');
  await turn();
  for (let n = 0; n < 400; n++) {
    peers[0].bytes += 1000;
    now += 250;
    t.mock.timers.tick(250);
    await turn();
  }
  assert.equal(feed.state, 'connecting');
  peers[0].connectionState = 'failed';
  peers[0].onconnectionstatechange();
  await turn();
  assert.equal(peers.length, 1);
  for (let n = 0; n < 80; n++) {
    now += 250;
    t.mock.timers.tick(250);
    await turn();
  }
  assert.ok(peers.length > 1);
  feed.stop();
});

test('a connection that never carried a byte times out', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(performance, 'now', () => now);
  feed.start('r1');
  await turn();
  for (let n = 0; n < 61; n++) {
    now += 250;
    t.mock.timers.tick(250);
    await turn();
  }
  assert.equal(feed.state, 'reconnecting');
  feed.stop();
});

test('ICE that fails while the picture comes changes nothing', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  for (const state of ['disconnected', 'failed']) {
    peers[0].bytes += 1000;
    peers[0].connectionState = state;
    peers[0].onconnectionstatechange();
    await turn();
    assert.equal(feed.state, 'live');
  }
  await pass(7);
  assert.equal(feed.state, 'reconnecting');
  feed.stop();
});

test('sessions of before are taken up, or ended', async () => {
  signaling.connected = false;
  feed.start('r1');
  await turn();
  assert.deepEqual(last(), { state: 'connecting', offline: true });
  signaling.connected = true;
  feed.signalingUp([null, { peerId: 4 }, { peerId: 'p9', robotId: 'r1' },
    { peerId: 'p8', robotId: 'r2' }, { peerId: 'p7', robotId: 'r1',
      state: 'ending' }]);
  await turn();
  assert.deepEqual(sent.map(([event, { to, peerId }]) => [event, to, peerId]),
    [['leave', 'r2', 'p8'], ['offer', 'r1', 'p9']]);
  assert.equal(feed.peerId, 'p1'); // the server has made a new one
});

test('candidates that met a broken link are sent when it is back', async () => {
  feed.start('r1');
  await turn();
  signaling.emit = () => false;
  peers[0].onicecandidate({ candidate: { candidate: 'c1', sdpMid: '0',
    sdpMLineIndex: 0 } });
  signaling.emit = (event, payload) => sent.push([event, payload]);
  feed.signalingUp([{ peerId: 'p1', robotId: 'r1', session: {} }]);
  assert.deepEqual(names(), ['offer', 'ice-candidate']);
  assert.equal(peers.length, 1);
});

test('a session that is ended while it is offered for again is over',
  async t => {
    t.mock.method(performance, 'now', () => now);
    await goLive();
    await pass(7);
    assert.equal(feed.state, 'reconnecting');
    assert.equal(feed.peerId, 'p1');
    feed.onMessage('session-updated', { peerId: 'p1',
      session: { expiresAt: 1650000 } });
    assert.equal(feed.session.expiresAt, 1650000);
    feed.onMessage('session-ended', { peerId: 'p1', reason: 'revoked' });
    assert.deepEqual(last(), { state: 'ended', reason: 'revoked' });
    await turn();
    assert.equal(peers.length, 1);
  });

test('a robot that does not trust the key is not the viewer\'s fault',
  async () => {
    for (const reason of ['grant-refused', 'forbidden: The signature …']) {
      feed.start('r1');
      await turn();
      feed.onMessage('leave', { peerId: 'p1', reason });
      assert.equal(last().state, 'refused');
      assert.equal(last().code, 'grant-refused');
    }
  });

test('another process of the robot is offered to at once', async () => {
  await goLive();
  feed.onMessage('session-ended', { peerId: 'p1', reason: 'replaced' });
  await turn();
  assert.deepEqual(names().filter(name => name !== 'ice-candidate'),
    ['offer', 'offer']);
  assert.equal(peers[0].closed, true);
});

test('media without a session is renewed when the robot is back', async () => {
  await goLive();
  feed.onMessage('session-ended', { peerId: 'p1', reason: 'robot-offline' });
  assert.equal(feed.state, 'live');
  feed.onMessage('robot-available', { userId: 'r1' });
  await turn();
  assert.equal(peers.length, 2);
});

test('a silent connection that is given up says so to the server', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  await pass(7);
  feed.stop();
  assert.deepEqual(sent.at(-1), ['leave', { to: 'r1', peerId: 'p1' }]);
});

test('media that fell silent is offered anew', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  await pass(6);
  assert.equal(feed.state, 'live');
  await pass(1);
  assert.equal(feed.state, 'reconnecting');
  assert.equal(peers[0].closed, true);
  // The session is the same: no "leave", and an offer under its name.
  feed.signalingUp([{ peerId: 'p1', robotId: 'r1', session: {} }]);
  await turn();
  assert.deepEqual(sent.slice(1), [['offer', { to: 'r1', peerId: 'p1',
    offer: { type: 'offer', sdp: 'v=0 offer' } }]]);
  feed.stop();
  assert.deepEqual(sent.at(-1), ['leave', { to: 'r1', peerId: 'p1' }]);
});

test('a robot known to be away gets less patience', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  feed.onMessage('robot-unavailable', { userId: 'r1' });
  await pass(4); // a busy machine may pause for so long
  assert.equal(feed.state, 'live');
  await pass(1);
  assert.equal(feed.state, 'reconnecting');
  feed.stop();
});

test('without a link it offers as soon as there is one', async () => {
  signaling.connected = false;
  feed.start('r1');
  await turn();
  assert.equal(peers.length, 0);
  signaling.connected = true;
  feed.signalingUp();
  await turn();
  assert.deepEqual(names(), ['offer']);
  feed.stop();
});

test('an unusable answer and a failed connection are tried again', async () => {
  feed.start('r1');
  await turn();
  feed.onMessage('answer', { from: 'r1', peerId: 'p1', answer: {} });
  await turn();
  assert.equal(feed.state, 'reconnecting');
  feed.start('r1');
  await turn();
  const peer = peers.at(-1);
  peer.connectionState = 'failed';
  peer.onconnectionstatechange();
  await turn();
  assert.equal(feed.state, 'reconnecting');
  feed.stop();
});

test('the last words on one connection are not for the next', async () => {
  await goLive();
  let resolve;
  signaling.request = () => new Promise(done => { resolve = done; });
  feed.start('r1');
  await turn();
  feed.onMessage('answer', { from: 'r1', peerId: 'p1',
    answer: { type: 'answer', sdp: 'v=0 old' } });
  feed.onMessage('leave', { from: 'r1', peerId: 'p1', reason: 'vanished' });
  feed.onMessage('session-ended', { peerId: 'p1', reason: 'revoked' });
  await turn();
  assert.equal(feed.state, 'connecting');
  assert.equal(peers.length, 2);
  assert.equal(peers[1].remoteDescription, undefined);
  resolve({ ...ack, peerId: 'p2' });
  await turn();
  feed.onMessage('answer', { from: 'r1', peerId: 'p2',
    answer: { type: 'answer', sdp: 'v=0 new' } });
  await turn();
  assert.equal(peers[1].remoteDescription.sdp, 'v=0 new');
});

test('a message that comes after stop changes nothing', async () => {
  let resolve;
  signaling.request = () => new Promise(done => { resolve = done; });
  feed.start('r1');
  await turn();
  feed.stop();
  resolve({ ok: false, code: 'forbidden' });
  await turn();
  feed.onMessage('session-ended', { peerId: 'p1', reason: 'expired' });
  assert.equal(feed.state, 'idle');
});

test('a server that does not answer is told of', async () => {
  signaling.request = async () => { throw new Error('timeout'); };
  feed.start('r1');
  await turn();
  assert.deepEqual(last(), { state: 'reconnecting', reason: 'no-answer' });
  feed.stop();
});

test('a picture that is seen before it is counted flows', async () => {
  feed.start('r1');
  await turn();
  feed.onMessage('answer', { from: 'r1', peerId: 'p1',
    answer: { type: 'answer', sdp: 'v=0 answer' } });
  await turn();
  feed.pictureSeen();
  feed.onMessage('robot-available', { userId: 'r1' });
  await turn();
  assert.equal(feed.state, 'live');
  assert.equal(peers.length, 1);
});
