// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the public test suites of Engine.IO 4 (25 cases) and Socket.IO 5 (32
// cases) ask of a server, in our own words, against conformance-server.
'use strict';
const assert = require('node:assert');
const http = require('node:http');
const { after, before, describe, it } = require('node:test');
const WebSocket = require('ws');
const { startConformanceServer } = require('./server-process');

const deadline = 30000; // for what must happen, on a slow machine

// The suites' own heartbeat is for what must end in time. Whatever must not
// runs beside a patient server, so that no slow machine ends it.
const times = {
  strict: { pingInterval: 300, pingTimeout: 200, connectTimeout: 1000 },
  pinging: { pingInterval: 300, pingTimeout: 60000, connectTimeout: 60000 },
  quiet: { pingInterval: 60000, pingTimeout: 60000, connectTimeout: 60000 },
};
const servers = {};
before(async () => {
  for (const [name, of] of Object.entries(times))
    servers[name] = await startConformanceServer([
      '--ping-interval', `${of.pingInterval}`,
      '--ping-timeout', `${of.pingTimeout}`,
      '--connect-timeout', `${of.connectTimeout}`,
    ]);
});
after(async () => {
  for (const server of Object.values(servers))
    assert.deepStrictEqual(await server.stop(), { code: 0, signal: null });
});

// *at*: an endpoint of one of the servers.
const on = (server, path) => ({ server, path });
const url = (at, query) =>
  `http://127.0.0.1:${servers[at.server].port}${at.path}?${query}`;

// One request on a connection of its own, as the suites' client makes it.
async function request(at, query, init = {}) {
  const response = await fetch(url(at, query), {
    ...init,
    headers: { connection: 'close', ...init.headers },
  });
  return { status: response.status, text: await response.text() };
}

const poll = (at, sid, init) =>
  request(at, `EIO=4&transport=polling&sid=${sid}`, init);
const push = (at, sid, body) => poll(at, sid, { method: 'POST', body });

// A poll that has left for the server: {answer, abort}. What is sent on another
// connection afterwards comes after it.
function startPoll(at, sid) {
  const request = http.get(url(at, `EIO=4&transport=polling&sid=${sid}`), { agent: false });
  const answer = new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
    });
  });
  answer.catch(() => {}); // its owner may look later
  const sent = new Promise((resolve) => request.on('finish', resolve));
  return sent.then(() => ({ answer, abort: () => request.destroy() }));
}

async function openPolling(at) {
  const { text } = await request(at, 'EIO=4&transport=polling');
  return JSON.parse(text.slice(1)).sid;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A WebSocket whose messages and end can be awaited in order, however early
// they come.
class Client {
  constructor(at, query) {
    this.messages = [];
    this.waiters = [];
    this.socket = new WebSocket(url(at, query).replace('http', 'ws'));
    this.opened = new Promise((resolve) => this.socket.on('open', resolve));
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.failed = false;
    this.socket.on('error', () => (this.failed = true));
    this.socket.on('message', (data, binary) => {
      const message = binary ? data : data.toString();
      const waiter = this.waiters.shift();
      if (waiter) waiter(message);
      else this.messages.push(message);
    });
  }
  next() {
    if (this.messages.length) return Promise.resolve(this.messages.shift());
    return new Promise((resolve) => this.waiters.push(resolve));
  }
  // The next *count* messages that are no pings.
  async take(count) {
    const taken = [];
    while (taken.length < count) {
      const message = await this.next();
      if (message !== '2') taken.push(message);
    }
    return taken;
  }
  send(...messages) {
    for (const message of messages) this.socket.send(message);
  }
  close() {
    this.socket.terminate();
    return this.closed;
  }
}

const websocket = (at, sid) =>
  new Client(at, `EIO=4&transport=websocket${sid ? `&sid=${sid}` : ''}`);

function checkHandshake(packet, upgrades) {
  const { pingInterval, pingTimeout } = times.quiet;
  assert.strictEqual(packet[0], '0');
  const { sid, ...rest } = JSON.parse(packet.slice(1));
  assert.match(sid, /^[\w-]{20}$/);
  assert.deepStrictEqual(rest, { upgrades, pingInterval, pingTimeout, maxPayload: 1000000 });
}

const test = (name, body) => it(name, { timeout: deadline }, body);

// The 16 cases that both suites have.
function engineCases(path) {
  const quiet = on('quiet', path);
  const pinging = on('pinging', path);
  const strict = on('strict', path);
  // The server has taken what *client* sent so far.
  const settled = async (client) => {
    client.send(path === '/engine.io/' ? '4hello' : '40');
    const [reply] = await client.take(1);
    assert.ok(reply.startsWith(path === '/engine.io/' ? '4hello' : '40{'));
  };

  test('polling: opens a session', async () => {
    const { status, text } = await request(quiet, 'EIO=4&transport=polling');
    assert.strictEqual(status, 200);
    checkHandshake(text, ['websocket']);
  });
  test('polling: refuses a missing or wrong EIO', async () => {
    for (const query of ['transport=polling', 'EIO=abc&transport=polling', 'EIO=3&transport=polling'])
      assert.strictEqual((await request(quiet, query)).status, 400, query);
  });
  test('polling: refuses a missing or wrong transport', async () => {
    for (const query of ['EIO=4', 'EIO=4&transport=abc', 'EIO=4&transport=constructor'])
      assert.strictEqual((await request(quiet, query)).status, 400, query);
  });
  test('polling: refuses a handshake by POST or PUT', async () => {
    for (const method of ['POST', 'PUT'])
      assert.strictEqual((await request(quiet, 'EIO=4&transport=polling', { method })).status, 400);
  });

  test('websocket: opens a session', async () => {
    const client = websocket(quiet);
    checkHandshake(await client.next(), []);
    await client.close();
  });
  test('websocket: refuses a missing or wrong EIO', async () => {
    for (const query of ['transport=websocket', 'EIO=abc&transport=websocket']) {
      const client = new Client(quiet, query);
      await client.closed;
      assert.ok(client.failed);
    }
  });
  test('websocket: refuses a missing or wrong transport', async () => {
    for (const query of ['EIO=4', 'EIO=4&transport=abc']) {
      const client = new Client(quiet, query);
      await client.closed;
      assert.ok(client.failed);
    }
  });

  test('polling: pings three times and takes the pongs', async () => {
    const sid = await openPolling(pinging);
    for (let i = 0; i < 3; i++) {
      assert.deepStrictEqual(await poll(pinging, sid), { status: 200, text: '2' });
      assert.strictEqual((await push(pinging, sid, '3')).status, 200);
    }
  });
  test('polling: ends a session without pongs', async () => {
    const sid = await openPolling(strict);
    await sleep(times.strict.pingInterval + times.strict.pingTimeout);
    assert.strictEqual((await poll(strict, sid)).status, 400);
  });
  test('websocket: pings three times and takes the pongs', async () => {
    const client = websocket(pinging);
    await client.next();
    for (let i = 0; i < 3; i++) {
      assert.strictEqual(await client.next(), '2');
      client.send('3');
    }
    await client.close();
  });
  test('websocket: ends a session without pongs', async () => {
    await websocket(strict).closed;
  });

  test('polling: a close packet answers the poll with noop and ends it', async () => {
    const sid = await openPolling(quiet);
    const pending = await startPoll(quiet, sid);
    const pushed = push(quiet, sid, '1');
    assert.deepStrictEqual(await pending.answer, { status: 200, text: '6' });
    assert.strictEqual((await pushed).status, 200);
    assert.strictEqual((await poll(quiet, sid)).status, 400);
  });
  test('websocket: a close packet ends the session', async () => {
    const client = websocket(quiet);
    await client.next();
    client.send('1');
    await client.closed;
  });

  test('upgrade: probe, noop to the poll, upgrade', async () => {
    const sid = await openPolling(quiet);
    const client = websocket(quiet, sid);
    await client.opened;
    client.send('2probe');
    assert.strictEqual(await client.next(), '3probe');
    assert.deepStrictEqual(await poll(quiet, sid), { status: 200, text: '6' });
    client.send('5');
    await settled(client);
    await client.close();
  });
  test('upgrade: polls are refused afterwards', async () => {
    const sid = await openPolling(quiet);
    const client = websocket(quiet, sid);
    await client.opened;
    client.send('2probe');
    await client.next();
    client.send('5');
    await settled(client);
    assert.strictEqual((await poll(quiet, sid)).status, 400);
    await client.close();
  });
  test('upgrade: a second WebSocket is accepted and closed', async () => {
    const sid = await openPolling(quiet);
    const client = websocket(quiet, sid);
    await client.opened;
    client.send('2probe');
    await client.next();
    client.send('5');
    const second = websocket(quiet, sid);
    await second.closed;
    assert.ok(!second.failed);
    await settled(client);
    await client.close();
  });
}

describe('Engine.IO 4', { concurrency: 4 }, () => {
  const path = '/engine.io/';
  engineCases(path);
  const quiet = on('quiet', path);

  for (const [name, body] of [
    ['one text packet', '4hello'],
    ['several text packets', '4test1\x1e4test2\x1e4test3'],
    ['text and binary packets', '4hello\x1ebAQIDBA=='],
  ])
    test(`polling: ${name} there and back`, async () => {
      const sid = await openPolling(quiet);
      assert.deepStrictEqual(await push(quiet, sid, body), { status: 200, text: 'ok' });
      assert.deepStrictEqual(await poll(quiet, sid), { status: 200, text: body });
    });
  test('polling: a malformed packet ends the session', async () => {
    const sid = await openPolling(quiet);
    assert.strictEqual((await push(quiet, sid, 'abc')).status, 400);
    assert.strictEqual((await poll(quiet, sid)).status, 400);
  });
  test('polling: a second poll ends the session', async () => {
    const sid = await openPolling(quiet);
    const first = await startPoll(quiet, sid);
    assert.strictEqual((await poll(quiet, sid)).status, 400);
    assert.deepStrictEqual(await first.answer, { status: 200, text: '1' });
    assert.strictEqual((await poll(quiet, sid)).status, 400);
  });
  test('polling: a cancelled poll ends the session', async () => {
    const sid = await openPolling(quiet);
    const pending = await startPoll(quiet, sid);
    pending.abort();
    await assert.rejects(pending.answer);
    assert.strictEqual((await poll(quiet, sid)).status, 400);
  });

  test('websocket: text there and back', async () => {
    const client = websocket(quiet);
    await client.next();
    client.send('4hello');
    assert.strictEqual(await client.next(), '4hello');
    await client.close();
  });
  test('websocket: bytes there and back', async () => {
    const client = websocket(quiet);
    await client.next();
    client.send(Buffer.from([1, 2, 3, 4]));
    assert.deepStrictEqual(await client.next(), Buffer.from([1, 2, 3, 4]));
    await client.close();
  });
  test('websocket: a malformed packet ends the session', async () => {
    const client = websocket(quiet);
    await client.next();
    client.send('abc');
    await client.closed;
  });
});

describe('Socket.IO 5', { concurrency: 4 }, () => {
  const path = '/socket.io/';
  engineCases(path);

  async function open(server = 'quiet') {
    const client = websocket(on(server, path));
    await client.next();
    return client;
  }
  async function connect() {
    const client = await open();
    client.send('40');
    await client.take(2); // CONNECT and "auth"
    return client;
  }

  for (const [name, packet, reply, auth] of [
    ['the main namespace', '40', '40', '42["auth",{}]'],
    ['the main namespace with a payload', '40{"token":"123"}', '40', '42["auth",{"token":"123"}]'],
    ['a custom namespace', '40/custom,', '40/custom,', '42/custom,["auth",{}]'],
    [
      'a custom namespace with a payload',
      '40/custom,{"token":"abc"}',
      '40/custom,',
      '42/custom,["auth",{"token":"abc"}]',
    ],
  ])
    test(`connect: ${name}`, async () => {
      const client = await open();
      client.send(packet);
      const [connected, event] = await client.take(2);
      assert.ok(connected.startsWith(reply));
      const payload = JSON.parse(connected.slice(reply.length));
      assert.deepStrictEqual(Object.keys(payload), ['sid']);
      assert.strictEqual(typeof payload.sid, 'string');
      assert.strictEqual(event, auth);
      await client.close();
    });
  test('connect: an unknown namespace is refused', async () => {
    const client = await open();
    client.send('40/random');
    assert.strictEqual(await client.next(), '44/random,{"message":"Invalid namespace"}');
    await client.close();
  });
  test('connect: anything else first ends the session', async () => {
    const client = await open();
    client.send('4abc');
    await client.closed;
  });
  test('connect: nothing at all ends the session', async () => {
    const client = await open('strict');
    client.socket.on('message', () => client.send('3')); // alive, but silent
    await client.closed;
  });

  test('disconnect: leaving the main namespace keeps the transport', async () => {
    const client = await connect();
    client.send('41', '40'); // the same transport takes it again
    assert.ok((await client.take(1))[0].startsWith('40{'));
    await client.close();
  });
  test('disconnect: leaving a custom namespace keeps the main one', async () => {
    const client = await connect();
    client.send('40/custom');
    await client.take(2);
    client.send('41/custom', '42["message","message to main namespace"]');
    assert.deepStrictEqual(await client.take(1), [
      '42["message-back","message to main namespace"]',
    ]);
    await client.close();
  });

  const bytes = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
  const places = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
  test('message: text', async () => {
    const client = await connect();
    client.send('42["message",1,"2",{"3":[true]}]');
    assert.deepStrictEqual(await client.take(1), ['42["message-back",1,"2",{"3":[true]}]']);
    await client.close();
  });
  test('message: binary attachments', async () => {
    const client = await connect();
    client.send(`452-["message",${places}]`, ...bytes);
    assert.deepStrictEqual(await client.take(3), [`452-["message-back",${places}]`, ...bytes]);
    await client.close();
  });
  test('message: text with an acknowledgement', async () => {
    const client = await connect();
    client.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.deepStrictEqual(await client.take(1), ['43456[1,"2",{"3":[false]}]']);
    await client.close();
  });
  test('message: binary attachments with an acknowledgement', async () => {
    const client = await connect();
    client.send(`452-789["message-with-ack",${places}]`, ...bytes);
    assert.deepStrictEqual(await client.take(3), [`462-789[${places}]`, ...bytes]);
    await client.close();
  });
  for (const [name, packet] of [
    ['an unknown packet type', '4abc'],
    ['a payload that is no array', '42{}'],
    ['an id that is no number', '42abc["message-with-ack",1,"2",{"3":[false]}]'],
  ])
    test(`message: ${name} ends the session`, async () => {
      const client = await connect();
      client.send(packet);
      await client.closed;
    });
});
