// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each part killed, stopped or cut off while four viewers watch: what the
// others saw (their longest silence), and how long until all was well again.
// Three viewers are the others; the fourth, in a process of its own, is the
// one that suffers when a viewer does.
import { log, save, sleep } from './lib/common.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 1, seconds: 10 };

// Watches for `ms`: the longest silence of any of
// these viewers, in ms.
async function silence(receivers, ms) {
  let longest = 0;
  const since = new Map();
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await sleep(50);
    for (const { id, packets } of await receivers.counts()) {
      const now = performance.now();
      if (packets) since.set(id, now);
      longest = Math.max(longest, now - (since.get(id) ?? end - ms));
    }
  }
  return longest;
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

const faults = {
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
    const back = await recovery(async () => {
      await victim.counts();
      await sleep(100);
      if (!(await victim.counts()).some(({ packets }) => packets))
        throw new Error('silent');
    }).catch(() => null);
    return { seen: await quiet, back };
  },
  'robot stopped (SIGSTOP) for 3 s': async ({ peer, others, ms }) => {
    process.kill(peer.pid, 'SIGSTOP');
    const quiet = silence(others, ms);
    await sleep(3000);
    process.kill(peer.pid, 'SIGCONT');
    const from = performance.now();
    await recovery(async () => {
      await others.counts();
      await sleep(100);
      if ((await others.counts()).some(({ packets }) => !packets))
        throw new Error('silent');
    });
    return { seen: await quiet, back: (performance.now() - from) / 1000 };
  },
  'camera stalled for 3 s': async ({ peer, others, ms }) => {
    peer.child.say('stall 3000');
    const quiet = silence(others, ms);
    await sleep(3000);
    const back = await recovery(async () => {
      await others.counts();
      await sleep(100);
      if ((await others.counts()).some(({ packets }) => !packets))
        throw new Error('silent');
    });
    return { seen: await quiet, back };
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

export async function run(options) {
  const rows = [];
  for (const [fault, act] of Object.entries(faults)) {
    const peer = await peers.ours({ raw: false, work: options.work });
    const others = await openReceivers(peer);
    const victim = await openReceivers(peer);
    const [part, ...what] = fault.split(' ');
    try {
      for (let n = 0; n < 3; ++n) await others.join(`other${n}`);
      await victim.join('victim');
      const { seen, back, ended } = await act({ peer, others, victim,
        ms: options.seconds * 1000 });
      rows.push({ part, fault: what.join(' '),
        seen: ended ? 'their session ended; they joined anew'
          : `longest silence ${Math.round(seen)} ms`,
        recovery: back === null ? 'never' : back.toFixed(1) });
    } catch (error) {
      rows.push({ part, fault: what.join(' '), seen: error.message,
        recovery: 'never' });
    } finally {
      others.close();
      victim.close();
      await peer.stop();
    }
    log('faults', JSON.stringify(rows.at(-1)));
  }
  return save('faults', options, rows);
}
