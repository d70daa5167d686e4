// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A robot's day in short: rounds of joins and leaves, bookings that end under
// the viewers, restarts of the server and cameras that stall. After each round
// all viewers have gone, and what robot and server still hold is sampled.
// Fails if the last quarter's descriptors or threads exceed the second's, or
// memory by more than 10 % and 4 MB (the first quarter warms up).
import { log, quantile, save, sleep, usage } from './lib/common.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 1, seconds: 3600 };
const viewers = 4;

async function joinAll(receivers, round, events) {
  const joins = Array.from({ length: viewers }, async (_, n) => {
    try {
      await receivers.join(`r${round}v${n}`);
      events.joins++;
    } catch (error) {
      events['failed joins']++;
      log(`soak round ${round}: ${error.message}`);
    }
  });
  await Promise.all(joins);
}

async function leaveAll(receivers) {
  for (const { id } of await receivers.counts()) await receivers.leave(id);
}

export async function run(options) {
  const peer = await peers.ours({ raw: false, work: options.work,
    duration: null });
  const receivers = await openReceivers(peer);
  const events = { rounds: 0, joins: 0, 'failed joins': 0, expiries: 0,
    'server restarts': 0, 'camera stalls': 0 };
  let wrong = null; // what ended the soak before its time
  const samples = [];
  const start = performance.now();
  try {
    while (performance.now() - start < options.seconds * 1000) {
      const round = events.rounds++;
      const end = await peers.bookNow(peer, 5 + round % 3);
      await joinAll(receivers, round, events);
      if (round % 5 === 1) {
        peer.child.say('stall 1500');
        events['camera stalls']++;
      }
      if (round % 10 === 3) {
        await peer.server.stop();
        await peer.startServer(peer.port);
        events['server restarts']++;
      }
      if (round % 2 === 0) await leaveAll(receivers);
      await sleep(Math.max(0, end - Date.now()) + 800);
      const left = await receivers.counts();
      if (left.length) events.expiries++;
      const late = Math.max(...left.map(({ lastAt }) => lastAt - end));
      if (late > 300)
        throw new Error(`round ${round}: a packet ${late} ms after the end`);
      await leaveAll(receivers);
      await peer.online();
      await sleep(6000); // silent viewers are noticed within 5 s
      const robot = usage(peer.pid);
      const server = usage(peer.server.pid);
      const sample = { at: (performance.now() - start) / 1000 };
      for (const key of ['fds', 'threads', 'memory']) {
        sample[`robot ${key}`] = robot[key];
        sample[`server ${key}`] = server[key];
      }
      samples.push(sample);
      log(`soak ${round}:`, JSON.stringify(sample));
    }
  } catch (error) {
    if (!samples.length) throw error;
    wrong = error; // what was sampled before it is worth a table all the same
  } finally {
    receivers.close();
    await peer.stop();
  }
  const quarter = (n) => samples.slice(Math.floor(samples.length * n / 4),
    Math.floor(samples.length * (n + 1) / 4));
  const grown = [];
  const rows = Object.keys(samples[0]).filter((what) => what !== 'at')
    .map((what) => {
      const of = (list) => list.map((sample) => sample[what]);
      const was = quantile(of(quarter(1)), 0.5);
      const is = quantile(of(quarter(3)), 0.5);
      const room = what.endsWith('memory') ? 0.1 * was + 4 : 0;
      if (samples.length >= 8 && is > was + room)
        grown.push(`${what}: ${was} to ${is}`);
      const all = of(samples);
      return { what, first: all[0], last: all.at(-1),
        min: Math.min(...all), max: Math.max(...all) };
    });
  const file = save('soak', options, rows, { events, samples, grown });
  if (wrong) throw wrong;
  if (grown.length) throw new Error(`grew: ${grown.join('; ')}`);
  return file;
}
