// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page's Socket.IO client against the official server, over real sockets.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { afterEach, test } from 'node:test';
import { Server } from 'socket.io';
import { WebSocket, WebSocketServer } from 'ws';
import { PacketType, Socket, backOff, decodePacket, encodePacket }
  from '../../signaling/web/socketio.js';

const cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse())
    await cleanup();
});

async function startServer(options = {}, port = 0) {
  const http = createServer();
  const io = new Server(http, options);
  http.listen(port, '127.0.0.1');
  await once(http, 'listening');
  const close = () => new Promise(resolve => io.close(() => resolve()));
  cleanups.push(close);
  return { io, close, port: http.address().port };
}

function client(port, { auth = {}, env } = {}) {
  const socket = new Socket(`http://127.0.0.1:${port}/socket.io/`, () => auth,
    env ?? { WebSocket, fetch });
  cleanups.push(() => socket.close());
  return socket;
}

const happens = (socket, event) =>
  new Promise(resolve => socket.on(event, resolve));

class BrokenWebSocket extends EventTarget {
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event('close')));
  }

  close() {}
}

for (const [name, options, env] of [
  ['WebSocket', {}, { WebSocket, fetch }],
  ['long-polling after a WebSocket that cannot be opened', {},
    { WebSocket: BrokenWebSocket, fetch }],
]) {
  test(`events and acknowledgements both ways over ${name}`, async () => {
    const { io, port } = await startServer(options);
    const joined = once(io, 'connection');
    const socket = client(port, { auth: { token: 't' }, env });
    const connected = happens(socket, 'connect');
    socket.connect();
    await connected;
    const [peer] = await joined;
    assert.deepEqual(peer.handshake.auth, { token: 't' });
    peer.on('ask', (payload, ack) => ack({ ok: true, echo: payload }));
    assert.deepEqual(await socket.request('ask', { umlaut: 'äß€😀' }),
      { ok: true, echo: { umlaut: 'äß€😀' } });
    const told = happens(socket, 'told');
    peer.emit('told', { n: 1 });
    assert.deepEqual(await told, { n: 1 });
    const order = [];
    const last = new Promise(resolve => peer.on('n', n => {
      order.push(n);
      if (n === 49)
        resolve();
    }));
    for (let n = 0; n < 50; n++)
      assert.equal(socket.emit('n', n), true);
    await last;
    assert.deepEqual(order, Array.from({ length: 50 }, (_, n) => n));
  });
}

test('a refused token is told and not tried again', async () => {
  const { io, port } = await startServer();
  let tries = 0;
  io.use((peer, next) => {
    tries++;
    next(Object.assign(new Error('no'), { data: { code: 'unauthorized' } }));
  });
  const socket = client(port);
  const refused = happens(socket, 'connect_error');
  socket.connect();
  assert.deepEqual(await refused, { code: 'unauthorized', message: 'no' });
  await new Promise(resolve => setTimeout(resolve, 1800)); // > longest back-off
  assert.equal(tries, 1);
});

test('connects again after the server was away', async () => {
  const first = await startServer();
  const socket = client(first.port);
  const up = happens(socket, 'connect');
  socket.connect();
  await up;
  const down = happens(socket, 'disconnect');
  const pending = socket.request('ask', {});
  const rejected = assert.rejects(pending, /disconnected/);
  await first.close();
  await down;
  await rejected;
  assert.equal(socket.emit('n', 1), false);
  await assert.rejects(socket.request('ask', {}), /disconnected/);
  const again = happens(socket, 'connect');
  await startServer({}, first.port);
  await again;
  assert.equal(socket.connected, true);
});

test('a server that falls silent is given up', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  cleanups.push(() => {
    for (const peer of server.clients)
      peer.terminate();
    server.close();
  });
  await once(server, 'listening');
  server.on('connection', peer => {
    peer.send('0{"sid":"a","upgrades":[],"pingInterval":100,'
      + '"pingTimeout":100,"maxPayload":1000}');
    peer.on('message', () => peer.send('40{"sid":"b"}'));
  });
  const socket = client(server.address().port);
  const reason = happens(socket, 'disconnect');
  socket.connect();
  await happens(socket, 'connect');
  assert.equal(await reason, 'silence');
});

test('stays connected while the server pings', async () => {
  const { port } = await startServer({ pingInterval: 100, pingTimeout: 2000 });
  const socket = client(port);
  let drops = 0;
  socket.on('disconnect', () => drops++);
  const up = happens(socket, 'connect');
  socket.connect();
  await up;
  await new Promise(resolve => setTimeout(resolve, 3000));
  assert.equal(drops, 0);
});

test('close () ends the session on the server and does not return', async () => {
  const { io, port } = await startServer();
  const joined = once(io, 'connection');
  const socket = client(port);
  socket.connect();
  const [peer] = await joined;
  const gone = once(peer, 'disconnect');
  await happens(socket, 'connect');
  socket.close();
  assert.deepEqual((await gone)[0], 'client namespace disconnect');
  assert.equal(socket.connected, false);
});

test('packets', () => {
  assert.equal(encodePacket(PacketType.EVENT, ['a', 1], 7), '27["a",1]');
  assert.equal(encodePacket(PacketType.DISCONNECT), '1');
  assert.deepEqual(decodePacket('27["a",1]'),
    { type: 2, id: 7, data: ['a', 1] });
  assert.deepEqual(decodePacket('0{"sid":"x"}'),
    { type: 0, data: { sid: 'x' } });
  assert.deepEqual(decodePacket('2/,["a"]'), { type: 2, data: ['a'] });
  assert.deepEqual(decodePacket('1'), { type: 1, data: undefined });
  for (const bad of ['', '9', '2', '2{}', '2[]', '2[1]', '2["a"', '3["a"]',
    '37{}', '2/other,["a"]', '51-["a",{"_placeholder":true,"num":0}]',
    '2999999999999999999["a"]'])
    assert.equal(decodePacket(bad), null, bad);
});

test('back-off grows, is bounded and has jitter', () => {
  assert.equal(backOff(0, () => 0.5), 1000);
  assert.equal(backOff(1, () => 0.5), 2000);
  assert.equal(backOff(40, () => 0.5), 5000);
  assert.equal(backOff(0, () => 0), 500);
  assert.equal(backOff(40, () => 1), 7500);
});
