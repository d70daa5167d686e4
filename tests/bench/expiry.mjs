// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From the end of a booking to the last packet on the wire (what the gate let
// through, at a receiver that decodes nothing) and to the last frame presented
// in Chromium; idle, and with two busy loops on each core. Below zero: before
// the end, by less than one frame's 33 ms where all is right.
import os from 'node:os';
import { log, quantile, save, sleep, start } from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

// A run is one booking.
export const defaults = { runs: 200, seconds: 5 };

async function bookingEnd(peer, id) {
  const reply = await fetch(`${peer.url}/my-bookings`,
    { headers: { Authorization: `Bearer ${peer.token}` } });
  const bookings = await reply.json();
  const mine = (bookings.bookings ?? bookings)
    .find((booking) => String(booking.id) === id);
  if (!mine) throw new Error(`no booking ${id} in ${JSON.stringify(bookings)}`);
  return mine.ends_at;
}

async function once(peer, browser, receivers, i, withChromium, options) {
  await sleep(1000 * Math.random()); // any phase against frames and timers
  const end = await bookingEnd(peer,
    peer.book(`${Math.max(2, options.seconds)}s`));
  const viewer = withChromium ? await browser.view(peer, {}) : null;
  const id = `e${i}`;
  const result = {};
  try {
    await Promise.all([receivers.join(id), viewer?.join()]);
    await sleep(Math.max(0, end - Date.now()) + 700);
    const counted = (await receivers.counts()).find((c) => c.id === id);
    result.wire = counted.lastAt - end;
    result.told = counted.ended ?? null;
  } catch (error) {
    await viewer?.close();
    throw error;
  } finally {
    await receivers.leave(id);
  }
  if (viewer) {
    const { frames, ended } = await viewer.take();
    const last = frames.at(-1);
    if (last) {
      result.viewer = last.at - end;
      // When the last picture that was shown had been taken.
      if (last.presented !== null)
        result.taken = last.at - last.presented - end;
    }
    result.toldViewer = ended?.reason ?? ended;
    await viewer.close();
  }
  return result;
}

async function some(condition, browser, options) {
  const peer = await peers.ours({ raw: true, work: options.work,
    duration: null });
  const receivers = await openReceivers(peer);
  const load = condition === 'idle' ? [] : os.cpus().flatMap(() =>
    [0, 1].map(() => start('sh', ['-c', 'while :; do :; done'])));
  const results = [];
  const failed = [];
  try {
    for (let i = 0; i < options.runs; ++i) {
      try {
        const one = await once(peer, browser, receivers, i, i % 4 === 0,
          options);
        results.push(one);
        log(`expiry ${condition} ${i}:`, JSON.stringify(one));
      } catch (error) {
        failed.push(error.message);
        log(`expiry ${condition} ${i}: ${error.message}`);
        await sleep(1000 * options.seconds);
      }
    }
  } finally {
    for (const child of load) await child.stop();
    receivers.close();
    await peer.stop();
  }
  return [['last packet on the wire', 'wire'],
    ['last frame presented in Chromium', 'viewer'],
    ['last frame presented: when it was taken', 'taken']]
    .map(([where, key]) => {
      const values = results.map((r) => r[key]).filter(Number.isFinite);
      return { where, condition, n: values.length, values, failed,
        min: quantile(values, 0), median: quantile(values, 0.5),
        p95: quantile(values, 0.95), max: quantile(values, 1) };
    });
}

export async function run(options) {
  const browser = await openBrowser(options);
  try {
    return save('expiry', options, [
      ...await some('idle', browser, options),
      ...await some(`${2 * os.cpus().length} busy loops`, browser, options),
    ]);
  } finally {
    await browser.close();
  }
}
