// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The server's time-limited TURN credentials at a real coturn: Chromium relays
// with those of /config and those of "registered", and with no others.
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch, until } from './browser.js';
import { Process, Stack } from './stack.js';

const secret = randomBytes(24).toString('hex');
let stack, browser, page, coturn, port;

const freePort = () => new Promise((resolve, reject) => {
  const socket = dgram.createSocket('udp4');
  socket.on('error', reject);
  socket.bind(0, '127.0.0.1', () => {
    const { port: found } = socket.address();
    socket.close(() => resolve(found));
  });
});

async function startCoturn() {
  const conf = stack.file('turnserver.conf');
  // The secret is in a file: arguments are in everybody's process list.
  await writeFile(conf, [`listening-port=${port}`, 'listening-ip=127.0.0.1',
    'relay-ip=127.0.0.1', 'realm=robots.example', 'use-auth-secret',
    `static-auth-secret=${secret}`, 'allow-loopback-peers', 'no-tls', 'no-dtls',
    'no-cli', 'verbose', `pidfile=${stack.file('turnserver.pid')}`,
    `userdb=${stack.file('turndb')}`, 'log-file=stdout', 'simple-log', '']
    .join('\n'), { mode: 0o600 });
  const log = stack.file('coturn.log');
  coturn = await Process.start('turnserver', ['-c', conf], { log });
  stack.processes.push(coturn);
  await until('coturn listens', async () => {
    assert.ok(coturn.running, await readFile(log, 'utf8'));
    return /UDP listener opened on ?: 127\.0\.0\.1/.test(
      await readFile(log, 'utf8'));
  });
}

before(async () => {
  port = await freePort();
  stack = await Stack.start((s) => {
    writeFileSync(s.file('turn.secret'), secret, { mode: 0o600 });
    return `[ice]\nturn-urls=turn:127.0.0.1:${port}\n` +
      `turn-secret-file=${s.file('turn.secret')}\n`;
  });
  await startCoturn();
  browser = await launch('--allow-loopback-in-peer-connection');
  page = await browser.newPage();
  await page.goto(stack.origin);
});
after(async () => {
  await browser?.close();
  await stack?.close();
});

// What /config gives the bearer of *token*.
async function config(token) {
  const answer = await fetch(`${stack.origin}/config`,
    { headers: { Authorization: `Bearer ${token}` } });
  return (await answer.json()).iceServers;
}

// What "registered" gives a robot.
const registered = (token, userId) => page.evaluate(([bearer, user]) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')
      }/socket.io/?EIO=4&transport=websocket`);
    socket.onerror = () => reject(new Error('no WebSocket'));
    socket.onmessage = ({ data }) => {
      if (data[0] === '0')
        socket.send(`40${JSON.stringify({ token: bearer })}`);
      else if (data.startsWith('40'))
        socket.send(`42${JSON.stringify(['register',
          { userId: user, userType: 'robot' }])}`);
      else if (data.startsWith('42["registered"'))
        resolve(JSON.parse(data.slice(2))[1].iceServers);
    };
  }), [token, userId]);

// Two ends in the page, each with the servers given to one side, relay alone:
// {text, types} of what came through.
const relay = (viewer, robot) => page.evaluate(async ([a, b]) => {
  const ends = [a, b].map((iceServers) =>
    new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' }));
  const [from, to] = ends;
  from.onicecandidate = ({ candidate }) => to.addIceCandidate(candidate);
  to.onicecandidate = ({ candidate }) => from.addIceCandidate(candidate);
  const channel = from.createDataChannel('x');
  const came = new Promise((resolve, reject) => {
    to.ondatachannel = (event) => {
      event.channel.onmessage = ({ data }) => resolve(data);
    };
    setTimeout(() => reject(new Error(`${from.iceConnectionState}`)), 60000);
  });
  channel.onopen = () => channel.send('by relay');
  await from.setLocalDescription(await from.createOffer());
  await to.setRemoteDescription(from.localDescription);
  await to.setLocalDescription(await to.createAnswer());
  await from.setRemoteDescription(to.localDescription);
  const text = await came;
  const types = [];
  for (const end of ends) {
    const stats = await end.getStats();
    for (const report of stats.values())
      if (report.type === 'candidate-pair' && report.nominated)
        types.push(stats.get(report.localCandidateId).candidateType,
          stats.get(report.remoteCandidateId).candidateType);
    end.close();
  }
  return { text, types };
}, [viewer, robot]);

// Gathers with *iceServers*: {candidates, errors} until it is complete.
const gather = (iceServers) => page.evaluate(async (servers) => {
  const end = new RTCPeerConnection(
    { iceServers: servers, iceTransportPolicy: 'relay' });
  const result = { candidates: [], errors: [] };
  end.onicecandidateerror = ({ errorCode }) => result.errors.push(errorCode);
  const complete = new Promise((resolve) => {
    end.onicecandidate = ({ candidate }) => {
      if (!candidate) resolve();
      else if (candidate.candidate) result.candidates.push(candidate.candidate);
    };
  });
  end.createDataChannel('x');
  await end.setLocalDescription(await end.createOffer());
  await complete;
  end.close();
  return result;
}, iceServers);

test('relays with what viewer and robot are given', async () => {
  const user = await stack.addUser('viewer@example.org');
  await stack.addRobot('robot_1', 'pi');
  await stack.book('viewer@example.org', 'robot_1', 'now', '10m');
  const viewer = await config(await stack.cli('token', '--role', 'viewer',
    '--sub', user));
  const token = (await readFile(stack.file('robot_1.token'), 'utf8')).trim();
  const robot = await registered(token, 'robot_1');
  for (const [servers, id] of [[viewer, user], [robot, 'robot_1']]) {
    assert.deepEqual(servers[0].urls, [`turn:127.0.0.1:${port}`]);
    assert.match(servers[0].username, new RegExp(`^\\d+:${id}$`));
  }
  const { text, types } = await relay(viewer, robot);
  assert.equal(text, 'by relay');
  assert.ok(types.length >= 4);
  assert.deepEqual([...new Set(types)], ['relay']);
  const log = await readFile(stack.file('coturn.log'), 'utf8');
  for (const [{ username }] of [viewer, robot])
    assert.ok(log.includes(`<${username}>`), 'coturn knows who it was');
});

test('coturn takes no other and no older credentials', async () => {
  const sign = (username) => [{ urls: [`turn:127.0.0.1:${port}`], username,
    credential: createHmac('sha1', secret).update(username).digest('base64') }];
  const seconds = Math.floor(Date.now() / 1000);
  const good = sign(`${seconds + 600}:x`);
  assert.equal((await gather(good)).candidates.length, 1); // so the rest counts
  const forged = [{ ...good[0], username: `${seconds + 6000}:x` }];
  for (const servers of [sign(`${seconds - 600}:x`), forged]) {
    const { candidates, errors } = await gather(servers);
    assert.deepEqual(candidates, []);
    assert.deepEqual([...new Set(errors)], [401]);
  }
});
