// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   node tests/bench/signaling/fairness.mjs [--rounds N] [--most RATIO]
//
// One normal user beside one abuser of each kind, on a disk whose fsync takes
// 10 ms: how much longer register + offer and a log-in take than without.
// The abuser has a thread of its own and does what one address may: 100 requests
// and 500 messages a second (loopback addresses have no such limit). Needs the
// built server and tests/interop's packages (npm ci there). Ends with 1 if a
// ratio is above RATIO (2).
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(here, '../../interop/package.json'));
const { Signaling, Peer, offer } = require('./signaling-process.js');
const { io } = require('socket.io-client');

let stopped = false;
// *n* at a time, *rate* a second in all.
const loop = (n, rate, what) => Promise.all(Array.from({ length: n }, async () => {
  while (!stopped) {
    const pause = new Promise((resolve) => setTimeout(resolve, 1000 * n / rate));
    await what().catch(() => {});
    await pause;
  }
}));
const now = Math.floor(Date.now() / 1000) * 1000;
const hour = 3600000;
const PASSWORD = 'correct horse battery';
// Of the abuser's thread.
const abuses = (server, { abuserToken, abuser }) => {
  const booking = async (from) => (await server.http('POST', '/bookings', { token: abuserToken,
    body: { robot_id: 'r2', starts_at: now + from, ends_at: now + from + hour } })).body.id;
  return {
  'nobody else': async () => {},
  'PUT without end': async () => {
    const id = await booking(30 * hour);
    let i = 0;
    return loop(5, 100, () => server.http('PUT', `/bookings/${id}`, { token: abuserToken,
      body: { ends_at: now + 31 * hour + 1000 * (++i % 600) } }));
  },
  'POST and DELETE without end': async () => loop(5, 50, async () => {
    const id = await booking(60 * hour);
    if (id)
      await server.http('DELETE', `/bookings/${id}`, { token: abuserToken });
  }),
  'lists without end': async () =>
    loop(5, 100, () => server.http('GET', '/my-bookings', { token: abuserToken })),
  'offers and leaves on 32 sockets': async () => {
    const peers = await Promise.all(Array.from({ length: 32 }, async () => {
      const peer = new Peer(io, server.url, { token: abuserToken, transports: ['websocket'] });
      await peer.register(abuser.id, 'viewer');
      return peer;
    }));
    let turn = 0;
    await loop(32, 250, async () => {
      const peer = peers[turn++ % peers.length];
      const { peerId } = await peer.ask('offer', offer('r3'));
      await peer.ask('leave', { to: 'r3', peerId });
      peer.events.length = 0;
    });
    peers.forEach((peer) => peer.close());
  },
  'connects and registers without end': async () => loop(8, 100, async () => {
    const peer = new Peer(io, server.url, { token: abuserToken, transports: ['websocket'] });
    await peer.register(abuser.id, 'viewer');
    peer.close();
  }),
  'right log-ins without end': async () =>
    loop(16, 100, () => server.login(abuser.email, PASSWORD)),
  'wrong log-ins without end': async () => {
    let n = 0;
    return loop(16, 100, () => server.login(`nobody${++n}@example.org`, 'wrong password'));
  },
  };
};

if (!isMainThread) {
  parentPort.once('message', () => { stopped = true; });
  const served = new Signaling();
  served.url = workerData.url;
  await abuses(served, workerData)[workerData.kind]();
  fs.rmSync(served.work, { recursive: true });
  process.exit(0);
}

const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const rounds = option('--rounds', 40);
const most = option('--most', 2);

const library = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'slowdisk-')), 'slowdisk.so');
execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O2', '-o', library,
  path.join(here, 'slowdisk.c'), '-ldl']);

const server = new Signaling();
const account = (name) => {
  const email = `${name}@example.org`;
  return { email, id: server.cli(['user', 'add', email], PASSWORD) };
};
const robotToken = server.cli(['robot', 'add', 'r1', '--type', 'pi']);
server.cli(['robot', 'add', 'r2', '--type', 'other']);
const normal = account('normal');
const abuser = account('abuser');
server.cli(['booking', 'add', '--user', normal.id, '--robot-type', 'pi', '--duration', '12h']);
server.cli(['booking', 'add', '--user', abuser.id, '--robot-type', 'other', '--duration', '12h']);
const other = server.cli(['robot', 'add', 'r3', '--type', 'other']);
const logins = [];
for (let i = 0; i < 12; ++i)
  logins.push(account(`login${i}`));

process.env.LD_PRELOAD = library;
await server.start();
delete process.env.LD_PRELOAD;
const tokenOf = async ({ email }) => (await server.login(email, PASSWORD)).access_token;
const token = await tokenOf(normal);
const abuserToken = await tokenOf(abuser);
for (const [id, its] of [['r1', robotToken], ['r3', other]]) {
  const robot = new Peer(io, server.url, { token: its, transports: ['websocket'] });
  await robot.register(id, 'robot');
}

const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const timed = async (what) => {
  const start = performance.now();
  await what();
  return performance.now() - start;
};
async function registerAndOffer() {
  const peer = new Peer(io, server.url, { token, transports: ['websocket'] });
  await peer.next('registered', 0);
  await new Promise((resolve) => peer.socket.on('connect', resolve));
  const time = await timed(async () => {
    const registered = new Promise((resolve) => peer.socket.once('registered', resolve));
    peer.emit('register', { userId: normal.id, userType: 'viewer' });
    await registered;
    const answer = await peer.ask('offer', offer('r1'));
    if (!answer.ok)
      throw new Error(JSON.stringify(answer));
  });
  peer.close();
  return time;
}

// Its own account each time: right log-ins are metered.
let next = 0;
async function measure() {
  const offers = [];
  for (let i = 0; i < rounds; ++i)
    offers.push(await registerAndOffer());
  const who = logins[next++ % logins.length];
  const times = [];
  for (let i = 0; i < 5; ++i)
    times.push(await timed(() => server.login(who.email, PASSWORD)));
  return { offer: median(offers), login: median(times) };
}

const ms = (n) => n.toFixed(1).padStart(8);
console.log('register + offer (ms), ratio; log-in (ms), ratio');
let base, failed = false;
for (const kind of Object.keys(abuses(server, {}))) {
  const abusing = new Worker(fileURLToPath(import.meta.url), { env: process.env,
    workerData: { kind, url: server.url, abuserToken, abuser } });
  const ended = new Promise((resolve) => abusing.on('exit', resolve));
  abusing.on('error', (error) => { throw error; });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const found = await measure();
  abusing.postMessage('stop');
  await ended;
  base ??= found;
  const ratios = [found.offer / base.offer, found.login / base.login];
  failed ||= ratios.some((ratio) => ratio > most);
  console.log(`${ms(found.offer)} ${ratios[0].toFixed(2)}  ${ms(found.login)} ${ratios[1].toFixed(2)}  ${kind}`);
}
await server.stop('SIGKILL');
process.exit(failed ? 1 : 0);
