// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each part killed, stopped, cut off, with a full disk or a wrong clock, and the
// server stopped, restarted and reloaded in good order, while four viewers watch:
// what the others saw (their longest silence, and the sessions they lost), and how
// long until all was well again. Three viewers are the others; the fourth, in a
// process of its own, is the one that suffers when a viewer does. Needs root,
// for network namespaces and a disk that is soon full.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { log, output, rigs, save, sleep } from './lib/common.mjs';
import { openLink } from './lib/link.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 1, seconds: 10 };

// Watches for `ms`: the longest time without a packet of any of these viewers,
// in ms, and how many were told that their session ended. One picture follows
// another after 33 ms.
async function silence(receivers, ms) {
  await receivers.counts();
  let longest = 0;
  const lost = new Set();
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await sleep(100);
    for (const { id, gap, ended } of await receivers.counts()) {
      longest = Math.max(longest, gap);
      if (ended) lost.add(id);
    }
  }
  return { longest, lost: lost.size };
}

// A proxy before the server, as nginx is one: what is restarted breaks every
// connection that goes through it.
async function openProxy(target) {
  const sockets = new Set();
  const server = net.createServer((from) => {
    const to = net.connect(target, '127.0.0.1');
    for (const [one, other] of [[from, to], [to, from]]) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => { sockets.delete(one); other.destroy(); });
    }
  });
  const listen = (port) => new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(port, '127.0.0.1', done);
  });
  await listen(0);
  const { port } = server.address();
  const stop = () => new Promise((done) => {
    server.close(done);
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${port}`, stop, start: () => listen(port),
    connections: () => sockets.size / 2 };
}

// SIGTERM, and the end waited for, as systemd and `docker stop` do.
async function stopServer(peer) {
  peer.server.stopping = true;
  process.kill(peer.server.pid, 'SIGTERM');
  await peer.server.ended;
}

// One more viewer could join.
async function another(peer, name) {
  const late = await openReceivers(peer);
  try {
    return await recovery((n) => late.join(`${name}${n}`));
  } finally {
    late.close();
  }
}

// Seconds until attempt () succeeds.
async function recovery(attempt, limit = 60000) {
  const start = performance.now();
  for (let n = 0; performance.now() - start < limit; ++n)
    try {
      await attempt(n);
      return (performance.now() - start) / 1000;
    } catch { await sleep(200); }
  throw new Error('no recovery within a minute');
}

// Until all of these viewers have packets again, and go on to: one that was
// stopped has a socket full of old ones. Those that stay silent join anew.
async function goesOn(receivers) {
  const start = performance.now();
  let note;
  let since = null; // when all had packets
  for (let n = 0; performance.now() - start < 60000; ++n) {
    const silent = await receivers.silent(200);
    const now = performance.now();
    if (silent.length) since = null;
    else since ??= now;
    if (since !== null && now - since > 1500)
      return { back: (since - start) / 1000, note };
    if (silent.length && now - start > 5000) {
      note = `${silent.length} were let go, and joined anew`;
      for (const id of silent) {
        await receivers.leave(id);
        await receivers.join(`${id} again ${n}`).catch(() => {});
      }
    }
    await sleep(100);
  }
  throw new Error('no recovery within a minute');
}

// Moves the wall clock of one process, and that alone (rig/wrongclock.cpp).
function setClock(file, seconds) {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigInt64(0, BigInt(seconds), true);
  const fd = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w');
  fs.writeSync(fd, bytes, 0, 8, 0);
  fs.closeSync(fd);
}

// What the part takes for the time, or did a moment ago.
async function wallClock(part, peer) {
  if (part === 'server')
    return Date.parse((await (await fetch(`${peer.url}/health`)).json())
      .timestamp);
  peer.child.say('last');
  const last = await peer.child.line((line) => line.startsWith('last '));
  return Number(last.split(' ')[1]);
}

function wrongClock(part) {
  const act = async ({ clock, peer, others, ms }) => {
    setClock(clock, 3600);
    const quiet = silence(others, ms);
    await sleep(2000);
    const late = await openReceivers(peer);
    const back = await recovery((n) => late.join(`late${n}`));
    const seen = await quiet;
    late.close();
    const ahead = (await wallClock(part, peer) - Date.now()) / 1000;
    if (Math.abs(ahead - 3600) > 60)
      throw new Error(`the ${part} clock is ahead by ${ahead} s`);
    return { seen, back, note: 'another viewer could join' };
  };
  return Object.assign(act, { clock: part });
}

const preload = (clock) => ({ LD_PRELOAD: path.join(rigs, 'wrongclock.so'),
  WRONG_CLOCK: clock });

const faults = {
  'server stopped (SIGTERM) for 5 s': async ({ peer, others, ms }) => {
    const quiet = silence(others, ms);
    await stopServer(peer);
    await sleep(5000);
    await peer.startServer(peer.port);
    const back = await recovery(() => peer.online());
    return { seen: await quiet, back };
  },
  'server restarted (SIGTERM, and started at once)':
    async ({ peer, others, ms }) => {
      const quiet = silence(others, ms);
      await stopServer(peer);
      await peer.startServer(peer.port);
      const back = await recovery(() => peer.online());
      return { seen: await quiet, back };
    },
  'server reloaded (SIGHUP)': async ({ peer, others, ms }) => {
    const quiet = silence(others, ms);
    process.kill(peer.server.pid, 'SIGHUP');
    const back = await another(peer, 'reloaded');
    return { seen: await quiet, back, note: 'another viewer could join' };
  },
  'server with a new grant key': Object.assign(
    async ({ peer, others, ms }) => {
      const keys = async () =>
        (await (await fetch(`${peer.url}/.well-known/jwks.json`)).json()).keys;
      const [{ kid }] = await keys();
      const quiet = silence(others, ms);
      peer.cli('key', 'rotate');
      const taken = await recovery(async () => {
        if ((await keys())[0].kid === kid) throw new Error('the old key');
      });
      const back = taken + await another(peer, 'rotated');
      return { seen: await quiet, back,
        note: 'another viewer could join with the new key' };
    }, { fetchedKey: true }),
  "viewers' proxy restarted": Object.assign(
    async ({ proxy, others, ms }) => {
      const quiet = silence(others, ms);
      const before = proxy.connections();
      await proxy.stop();
      await sleep(1000);
      await proxy.start();
      const back = await recovery(async () => {
        if (proxy.connections() < before) throw new Error('not all are back');
      });
      return { seen: await quiet, back };
    }, { proxy: true }),
  'server killed and started again': async ({ peer, others, ms }) => {
    peer.server.stopping = true;
    process.kill(peer.server.pid, 'SIGKILL');
    const quiet = silence(others, ms);
    await sleep(2000);
    await peer.startServer(peer.port);
    const back = await recovery(() => peer.online());
    return { seen: await quiet, back };
  },
  'server stopped (SIGSTOP) for 5 s': async ({ peer, others, ms }) => {
    process.kill(peer.server.pid, 'SIGSTOP');
    const quiet = silence(others, ms);
    await sleep(5000);
    process.kill(peer.server.pid, 'SIGCONT');
    const back = await recovery(() => peer.online());
    return { seen: await quiet, back };
  },
  'viewer killed': async ({ victim, peer, others, ms }) => {
    victim.close();
    const quiet = silence(others, ms);
    const again = await openReceivers(peer);
    const back = await recovery((n) => again.join(`again${n}`));
    const seen = await quiet;
    again.close();
    return { seen, back };
  },
  'viewer stopped (SIGSTOP) for 5 s': async ({ victim, others, ms }) => {
    process.kill(victim.pid, 'SIGSTOP');
    const quiet = silence(others, ms);
    await sleep(5000);
    process.kill(victim.pid, 'SIGCONT');
    const { back, note } = await goesOn(victim);
    return { seen: await quiet, back, note };
  },
  'viewer cut off for 3 s': Object.assign(
    async ({ victim, link, others, ms }) => {
      link.cut(true);
      const quiet = silence(others, ms);
      await sleep(3000);
      link.cut(false);
      const { back, note } = await goesOn(victim);
      return { seen: await quiet, back, note };
    }, { namespace: 'viewer' }),
  'robot cut off for 3 s': Object.assign(async ({ link, others, ms }) => {
    link.cut(true);
    const quiet = silence(others, ms);
    await sleep(3000);
    link.cut(false);
    const { back, note } = await goesOn(others);
    return { seen: await quiet, back, note };
  }, { namespace: 'robot' }),
  'server with a full disk': Object.assign(
    async ({ disk, peer, others, ms }) => {
      const file = path.join(disk, 'full');
      const fd = fs.openSync(file, 'w');
      try {
        for (;;) fs.writeSync(fd, Buffer.alloc(4096, 1));
      } catch (error) {
        if (error.code !== 'ENOSPC') throw error;
      } finally {
        fs.closeSync(fd);
      }
      const quiet = silence(others, ms);
      const late = await openReceivers(peer);
      const note = await late.join('late').then(
        () => 'another viewer could join meanwhile',
        (error) => `nobody could join meanwhile (${error.message})`);
      fs.unlinkSync(file);
      const back = await recovery((n) => late.join(`back${n}`));
      const seen = await quiet;
      late.close();
      return { seen, back, note };
    }, { disk: true }),
  'server clock an hour ahead': wrongClock('server'),
  'robot clock an hour ahead': wrongClock('robot'),
  'robot stopped (SIGSTOP) for 3 s': async ({ peer, others, ms }) => {
    process.kill(peer.pid, 'SIGSTOP');
    const quiet = silence(others, ms);
    await sleep(3000);
    process.kill(peer.pid, 'SIGCONT');
    const { back, note } = await goesOn(others);
    return { seen: await quiet, back, note };
  },
  'camera stalled for 3 s': async ({ peer, others, ms }) => {
    peer.child.say('stall 3000');
    const quiet = silence(others, ms);
    await sleep(3000);
    const { back, note } = await goesOn(others);
    return { seen: await quiet, back, note };
  },
  'robot killed and started again': async ({ peer, ms }) => {
    peer.child.stopping = true;
    process.kill(peer.pid, 'SIGKILL');
    const start = performance.now();
    await peer.startRobot();
    const again = await openReceivers(peer);
    await recovery((n) => again.join(`new${n}`));
    const back = (performance.now() - start) / 1000;
    again.close();
    return { seen: ms, ended: true, back };
  },
};

async function once(fault, act, options) {
  const work = fs.mkdtempSync(path.join(options.work, 'fault-'));
  const link = act.namespace && openLink();
  const clock = path.join(work, 'clock');
  setClock(clock, 0);
  const unmount = () => {
    try {
      output('umount', [work], { stdio: 'pipe' });
    } catch { /* done already */ }
  };
  if (act.disk) {
    output('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'faults', work]);
    process.on('exit', unmount);
  }
  let proxy;
  const opened = [];
  const open = async (...args) => {
    opened.push(await openReceivers(...args));
    return opened.at(-1);
  };
  let peer;
  try {
    peer = await peers.ours({ raw: false, work, host: link?.host,
      namespace: act.namespace === 'robot' ? link.namespace : undefined,
      fetchedKey: act.fetchedKey,
      env: act.clock ? { [act.clock]: preload(clock) } : {} });
    if (act.proxy) proxy = await openProxy(peer.port);
    const others = await open(proxy ? { ...peer, url: proxy.url } : peer);
    const victim = await open(peer,
      act.namespace === 'viewer' ? link.namespace : undefined);
    for (let n = 0; n < 3; ++n) await others.join(`other${n}`);
    await victim.join('victim');
    return await act({ peer, others, victim, link, clock, proxy, disk: work,
      ms: options.seconds * 1000 });
  } finally {
    for (const receivers of opened) receivers.close();
    await peer?.stop();
    await proxy?.stop();
    link?.close();
    if (act.disk) unmount();
  }
}

export async function run(options) {
  const rows = [];
  const chosen = Object.entries(faults).filter(([fault]) => !options.only ||
    options.only.some((word) => fault.includes(word)));
  for (const [fault, act] of chosen) {
    const [part, ...what] = fault.split(' ');
    const row = { part, fault: what.join(' ') };
    try {
      const { seen, back, ended, note } = await once(fault, act, options);
      row.lost = ended ? 'all' : seen.lost;
      row.seen = ended ? 'their session ended; they joined anew'
        : `longest silence ${Math.round(seen.longest)} ms${
          note ? `; ${note}` : ''}`;
      Object.assign(row, { recovery: back.toFixed(1), good: 1 });
    } catch (error) {
      Object.assign(row, { seen: error.message, recovery: 'never', good: 0,
        failed: [error.message] });
    }
    rows.push(row);
    log('faults', JSON.stringify(row));
  }
  return save('faults', options, rows);
}
