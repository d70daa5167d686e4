// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When the page offers, waits, offers again and stops: the feed with a fake
// peer connection and a fake signalling link. Time is node's mock timers'.
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
      bytesReceived: this.bytes }]];
  }

  close() {
    this.closed = true;
  }
}

let peers;
let sent;
let ack;
let now;
let signalling;
let feed;
let states;

beforeEach(() => {
  peers = [];
  sent = [];
  states = [];
  now = 1000000;
  ack = { ok: true, peerId: 'p1', robotId: 'r1', expiresAt: 1600000,
    serverTime: now };
  signalling = {
    connected: true,
    emit: (event, payload) => sent.push([event, payload]),
    request: async (event, payload) => {
      sent.push([event, payload]);
      return ack;
    },
  };
  feed = new Feed({
    signalling,
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
  feed.pictureSeen();
  assert.equal(feed.state, 'live');
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
  signalling.request = (event, payload) => {
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
    feed.signallingUp();
    feed.onMessage('robot-available', { userId: 'r1' });
    await turn();
    assert.equal(peers.length, 1);
  });
}

test('the end is kept without the server as well', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  now = 1601999;
  peers[0].bytes = 1000; // the robot decides: it may know of an extension
  await feed.sample();
  assert.equal(feed.state, 'live');
  now = 1604000;
  await feed.sample();
  assert.deepEqual(last(), { state: 'ended', reason: 'expired' });
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
  signalling.request = () => new Promise(() => {});
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

test('media that flows is not touched when links go and come', async () => {
  await goLive();
  feed.onMessage('robot-unavailable', { userId: 'r1' });
  peers[0].bytes = 5000;
  await feed.sample();
  feed.onMessage('robot-available', { userId: 'r1' });
  feed.signallingUp();
  await turn();
  assert.equal(feed.state, 'live');
  assert.equal(peers.length, 1);
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

test('media that fell silent is offered anew', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  now += 5900;
  await feed.sample();
  assert.equal(feed.state, 'live');
  now += 200;
  await feed.sample();
  assert.equal(feed.state, 'reconnecting');
  assert.deepEqual(sent.at(-1), ['leave', { to: 'r1', peerId: 'p1' }]);
  feed.stop();
});

test('a robot known to be away gets less patience', async t => {
  t.mock.method(performance, 'now', () => now);
  await goLive();
  feed.onMessage('robot-unavailable', { userId: 'r1' });
  now += 2100;
  await feed.sample();
  assert.equal(feed.state, 'reconnecting');
  feed.stop();
});

test('without a link it offers as soon as there is one', async () => {
  signalling.connected = false;
  feed.start('r1');
  await turn();
  assert.equal(peers.length, 0);
  signalling.connected = true;
  feed.signallingUp();
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
  assert.equal(feed.state, 'reconnecting');
  feed.stop();
});

test('the last words on one connection are not for the next', async () => {
  await goLive();
  let resolve;
  signalling.request = () => new Promise(done => { resolve = done; });
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
  signalling.request = () => new Promise(done => { resolve = done; });
  feed.start('r1');
  await turn();
  feed.stop();
  resolve({ ok: false, code: 'forbidden' });
  await turn();
  feed.onMessage('session-ended', { peerId: 'p1', reason: 'expired' });
  assert.equal(feed.state, 'idle');
});
