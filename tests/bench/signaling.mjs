// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The signaling server beside the official Node server with a plain console on
// it (tests/interop/console-server.js), in turns and under the same load
// (signaling/load.cpp): 50 pairs of robot and viewer that relay answers of 3 kB,
// among 100 and among 3,000 sockets, plain and with TLS. Ours checks tokens,
// bookings and messages meanwhile; the console relays what it gets. First each
// pair has one message under way, then four, sent in one go as the candidates of
// an offer are, then there are 1,500 messages a second.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { availableParallelism } from 'node:os';
import { bench, build, chosen, cpuTime, log, output, rigs, save, sleep, spread,
  start, top, usage } from './lib/common.mjs';

export const defaults = { runs: 3, seconds: 10 };
const pairs = 50;
const bytes = 3000;
const rate = 1500;
const burst = 4;

// Servers on one core, the load on another: neither waits for the other's turn.
const pinned = availableParallelism() > 1;
const pin = (core, command, args) => pinned
  ? ['taskset', ['-c', String(core), command, ...args]] : [command, args];

function jwt(secret, sub, role) {
  const part = (value) => Buffer.from(JSON.stringify(value))
    .toString('base64url');
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${
    part({ sub, role, iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 86400 })}`;
  return `${head}.${crypto.createHmac('sha256', secret).update(head)
    .digest('base64url')}`;
}

// What both need: a certificate, and for ours a database in which each viewer
// of a pair has booked its robot.
function prepare(work) {
  const dir = fs.mkdtempSync(path.join(work, 'signaling-'));
  const at = (name) => path.join(dir, name);
  const setup = { dir, certificate: at('certificate.pem'), key: at('key.pem'),
    secret: crypto.randomBytes(32).toString('hex'), database: at('base.db'),
    config: at('signaling.conf'), uses: 0 };
  output('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
    '/CN=localhost', '-keyout', setup.key, '-out', setup.certificate],
  { stdio: ['ignore', 'pipe', 'ignore'] });
  fs.writeFileSync(at('secret'), `${setup.secret}\n`, { mode: 0o600 });
  fs.writeFileSync(setup.config, `[identity]\nsecret-file=${at('secret')}\n` +
    '[limits]\nmessages-per-second=1000000\n[server]\nlog-level=error\n');
  const cli = (...args) => output(binary, [...args, '--config', setup.config,
    '--database', `sqlite://${setup.database}`]);
  for (let n = 0; n < pairs; ++n) {
    cli('robot', 'add', `robot${n}`, '--type', `type${n}`);
    cli('booking', 'add', '--user', `viewer${n}`, '--robot', `robot${n}`,
      '--duration', '12h');
  }
  return setup;
}

const binary = path.join(build, 'signaling', 'server', 'robotlive-signaling');

async function ours(setup, tls) {
  const database = path.join(setup.dir, `${++setup.uses}.db`);
  fs.copyFileSync(setup.database, database);
  const server = start(...pin(0, binary, ['serve', '--config', setup.config,
    '--database', `sqlite://${database}`, '--listen', '127.0.0.1:0',
    ...(tls ? ['--tls-certificate', setup.certificate, '--tls-key', setup.key]
      : [])]));
  const ready = await server.line((line) => line.startsWith('listening on'));
  server.port = ready.split(':').at(-1);
  return server;
}

async function node(setup, tls) {
  const server = start(...pin(0, process.execPath, [
    path.join(top, 'tests', 'interop', 'console-server.js'),
    ...(tls ? ['--certificate', setup.certificate, '--key', setup.key] : [])]),
  { env: { NODE_PATH: path.join(bench, 'node_modules') } });
  const ready = await server.line((line) => line.startsWith('listening'));
  server.port = ready.split(' ')[1];
  return server;
}

async function measureServer(make, setup, { tls, sockets, seconds }) {
  const server = await make(setup, tls);
  const load = start(...pin(1, path.join(rigs, 'signaling-load'),
    ['127.0.0.1', server.port, tls ? 'tls' : 'plain', String(bytes)]));
  const ask = async (line, ms = 120000) => {
    load.say(line);
    return JSON.parse(await load.line((text) => text.startsWith('{'), ms));
  };
  try {
    const peer = (type, id, ...more) => load.say([type, id, jwt(setup.secret,
      id, type === 'robot' ? 'robot' : 'user'), ...more].join(' '));
    for (let n = 0; n < pairs; ++n) peer('robot', `robot${n}`);
    for (let n = 0; n < pairs; ++n) peer('viewer', `viewer${n}`, `robot${n}`);
    for (let n = 2 * pairs; n < sockets; ++n) peer('viewer', `idle${n}`);
    load.say('');
    await ask(`connect ${2 * pairs}`);
    await ask('wait 1');
    const few = usage(server.pid);
    const { seconds: connecting } = await ask(`connect ${sockets}`, 300000);
    await ask('wait 2');
    const all = usage(server.pid);

    await ask(`closed 2 ${burst}`); // warm: compiled, and grown to its size
    // With the CPU of both; a load that is never idle is what was measured,
    // except at a fixed rate, where it polls.
    const under = async (command) => {
      const before = { at: performance.now(), cpu: cpuTime(server.pid),
        load: cpuTime(load.pid) };
      const result = await ask(command);
      const took = performance.now() - before.at;
      const cpu = cpuTime(server.pid) - before.cpu;
      if (command.startsWith('closed') &&
          (cpuTime(load.pid) - before.load) / took > 0.97)
        log(`signaling: ${command}: the load was the limit`);
      return { ...result, usMessage: 1000 * cpu / result.messages,
        percent: 100 * cpu / took };
    };
    const closed = await under(`closed ${seconds}`);
    const bursts = await under(`closed ${seconds} ${burst}`);
    await ask('wait 1');
    const open = await under(`rate ${rate} ${seconds}`);
    const idle = sockets - 2 * pairs;
    return { perSecond: closed.perSecond, p50: closed.p50Ms, p99: closed.p99Ms,
      usMessage: closed.usMessage, burstPerSecond: bursts.perSecond,
      burstP99: bursts.p99Ms, burstUsMessage: bursts.usMessage,
      percent: open.percent, rateP50: open.p50Ms, rateP99: open.p99Ms,
      lost: closed.lost + bursts.lost + open.lost,
      connectUs: idle ? 1000 * (all.cpu - few.cpu) / idle : null,
      connectSeconds: connecting,
      memoryKb: idle ? 1024 * (all.memory - few.memory) / idle : null };
  } finally {
    await load.stop();
    await server.stop();
    await sleep(300);
  }
}

const columns = { perSecond: 'messages/s', p50: 'p50, ms', p99: 'p99, ms',
  usMessage: 'CPU a message, µs',
  burstPerSecond: `messages/s, ${burst} in one go`,
  burstP99: `p99, ${burst} in one go, ms`,
  burstUsMessage: `CPU a message, ${burst} in one go, µs`,
  percent: `CPU at ${rate}/s, %`,
  rateP50: `p50 at ${rate}/s, ms`, rateP99: `p99 at ${rate}/s, ms`,
  memoryKb: 'memory an idle socket, kB', connectUs: 'CPU a connect, µs',
  lost: 'lost' };

// Ours to Node's, by medians, and what it should be.
const goals = [
  ['perSecond', 'throughput, one at a time, at least 3 times',
    (ratio) => ratio >= 3],
  ['burstPerSecond', `throughput, ${burst} in one go, at least 3 times`,
    (ratio) => ratio >= 3],
  ['p99', 'p99 below', (ratio) => ratio < 1],
  ['burstP99', `p99, ${burst} in one go, below`, (ratio) => ratio < 1],
  ['rateP99', `p99 at ${rate}/s below`, (ratio) => ratio < 1],
  ['percent', `CPU at ${rate}/s at most half`, (ratio) => ratio <= 0.5],
  ['memoryKb', 'memory of an idle socket at most a third',
    (ratio) => ratio <= 1 / 3],
];

export async function run(options) {
  const setup = prepare(options.work);
  const servers = { ours: ['robotlive-signaling', ours],
    node: ['npm socket.io', node] };
  const names = chosen(options, Object.keys(servers));
  const sizes = options.quick ? [100, 300] : [100, 3000];
  const cases = [false, true].flatMap((tls) =>
    sizes.map((sockets) => ({ tls, sockets })));
  const runs = [];
  for (let round = 0; round < options.runs; ++round)
    for (const { tls, sockets } of cases)
      for (const name of names) {
        const result = await measureServer(servers[name][1], setup,
          { tls, sockets, seconds: options.seconds });
        log(`signaling ${name} ${sockets} ${tls ? 'TLS' : 'plain'}:`,
          JSON.stringify(result, (key, value) => typeof value === 'number'
            ? Math.round(value * 100) / 100 : value));
        runs.push({ name, tls, sockets, ...result });
      }
  const rows = [];
  const verdicts = [];
  for (const { tls, sockets } of cases) {
    const medians = {};
    for (const name of names) {
      const mine = runs.filter((r) => r.name === name && r.tls === tls &&
        r.sockets === sockets);
      const row = { sender: `${servers[name][0]}, ${sockets} sockets, ${
        tls ? 'TLS' : 'plain'}` };
      medians[name] = {};
      for (const [key, title] of Object.entries(columns)) {
        row[title] = spread(mine.map((r) => r[key]));
        medians[name][key] = row[title].median;
      }
      rows.push(row);
    }
    for (const [key, what, reached] of goals) {
      const ratio = medians.ours?.[key] / medians.node?.[key];
      if (!Number.isFinite(ratio)) continue;
      verdicts.push({ what: `${sockets} sockets, ${tls ? 'TLS' : 'plain'}: ` +
        `${what} Node's`, ratio, reached: reached(ratio) });
    }
  }
  for (const { what, ratio, reached } of verdicts)
    log(`signaling: ${reached ? 'reached' : 'MISSED'}: ${what}: ${
      ratio.toFixed(2)}`);
  return save('signaling', options, rows,
    { columns: Object.values(columns), goals: verdicts, runs_raw: runs });
}
