// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The official JavaScript clients, versions 3 and 4, on each transport setting,
// against our server.
'use strict';
const assert = require('node:assert');
const { after, afterEach, before, describe, it } = require('node:test');
const { startConformanceServer } = require('./server-process');

const clients = {
  3: require('socket.io-client-v3').io,
  4: require('socket.io-client').io,
};
const transports = {
  'polling, then websocket': ['polling', 'websocket'],
  'websocket alone': ['websocket'],
  'polling alone': ['polling'],
};

let server;
before(async () => {
  // Pings often, and waits for a slow machine's pongs.
  server = await startConformanceServer([
    '--ping-interval', '300', '--ping-timeout', '30000', '--connect-timeout', '30000',
  ]);
});
after(() => server.stop());

const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

for (const [version, io] of Object.entries(clients))
  for (const [name, list] of Object.entries(transports))
    describe(`socket.io-client ${version}, ${name}`, () => {
      const sockets = [];
      const connect = (nsp = '/', auth = { token: 't' }) => {
        const socket = io(`http://127.0.0.1:${server.port}${nsp}`, {
          transports: list,
          auth,
          forceNew: true,
          reconnection: false,
        });
        sockets.push(socket);
        return socket;
      };
      // Also after a failure: an open socket keeps the process alive.
      afterEach(() => sockets.splice(0).forEach((socket) => socket.io._close()));
      const test = (what, body) => it(what, { timeout: 60000 }, body);

      test('connects, sends its auth, ends on the wanted transport', async () => {
        const socket = connect();
        const auth = await once(socket, 'auth');
        assert.deepStrictEqual(auth, { token: 't' });
        assert.match(socket.id, /^[\w-]{20}$/);
        if (list[1] === 'websocket' && socket.io.engine.transport.name !== 'websocket')
          await once(socket.io.engine, 'upgrade');
        assert.strictEqual(socket.io.engine.transport.name, list[list.length - 1]);
      });

      test('exchanges text, bytes and acknowledgements', async () => {
        const socket = connect();
        await once(socket, 'connect');
        const text = 'Zürich, 東京, 🤖, "quoted", \\ and \u2028';
        const back = new Promise((resolve) =>
          socket.once('message-back', (...args) => resolve(args))
        );
        socket.emit('message', text, Buffer.from([0, 1, 255]), { deep: [Buffer.from('x')] });
        assert.deepStrictEqual(await back, [
          text,
          Buffer.from([0, 1, 255]),
          { deep: [Buffer.from('x')] },
        ]);
        const acked = await new Promise((resolve) =>
          socket.emit('message-with-ack', 1, [text], (...args) => resolve(args))
        );
        assert.deepStrictEqual(acked, [1, [text]]);
        const bytes = await new Promise((resolve) =>
          socket.emit('message-with-ack', Buffer.from('abc'), resolve)
        );
        assert.deepStrictEqual(bytes, Buffer.from('abc'));
      });

      test('keeps the order of 1,000 messages across the upgrade', async () => {
        const socket = connect();
        const seen = [];
        const done = new Promise((resolve) =>
          socket.on('message-back', (n) => seen.push(n) === 1000 && resolve())
        );
        await once(socket, 'connect');
        for (let n = 0; n < 1000; n++) {
          socket.emit('message', n);
          if (n % 20 === 19) await new Promise(setImmediate);
        }
        await done;
        assert.deepStrictEqual(seen, Array.from({ length: 1000 }, (_, n) => n));
      });

      test('answers pings', async () => {
        const socket = connect();
        let pings = 0;
        await once(socket, 'connect');
        // The server sends the next one when the last one's pong has come.
        await new Promise((resolve, reject) => {
          socket.on('disconnect', (reason) => reject(new Error(reason)));
          socket.io.engine.on('packet', ({ type }) => type === 'ping' && ++pings === 3 && resolve());
        });
        assert.ok(socket.connected);
      });

      test('joins a second namespace, is refused a third', async () => {
        const socket = connect('/custom', {});
        assert.deepStrictEqual(await once(socket, 'auth'), {});
        const other = socket.io.socket('/other');
        const error = await once(other, 'connect_error');
        assert.strictEqual(error.message, 'Invalid namespace');
        assert.ok(socket.connected);
      });

      test('carries a message of 900 kB both ways', async () => {
        const socket = connect();
        await once(socket, 'connect');
        const large = 'é'.repeat(450000);
        const back = once(socket, 'message-back');
        socket.emit('message', large);
        assert.strictEqual(await back, large);
      });
    });
