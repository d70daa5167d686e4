// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From the offer (Janus: from asking for its offer) to the first presented
// frame in a fresh page of Chromium, with 0, 1 and 8 viewers present, from an
// encoder that gives a key frame when asked and from one that gives one each
// 2 s and listens to nobody.
import { chosen, log, quantile, save, sleep } from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

// A run is one join.
export const defaults = { runs: 20, seconds: 1 };
const streams = { 'key frames on request': true, 'a key frame each 2 s': false };
// Those that encode for each viewer do so on request only, and not for eight;
// the cheap viewers have no VP8.
const senders = { ours: {}, webrtcbin: {}, janus: {},
  wrtc: { most: 0, codec: 'VP8' }, aiortc: { most: 1 } };

async function some(browser, sender, stream, present, options) {
  const peer = await peers[sender]({ raw: streams[stream],
    work: options.work });
  const receivers = await openReceivers(peer);
  const values = [];
  const failed = [];
  try {
    await Promise.all(Array.from({ length: present }, (_, i) =>
      receivers.join(`present${i}`)));
    await sleep(1000);
    for (let i = 0; i < options.runs; ++i) {
      const viewer = await browser.view(peer, senders[sender].codec
        ? { codec: senders[sender].codec } : {});
      try {
        values.push(await viewer.join());
      } catch (error) {
        failed.push(error.message);
      }
      await viewer.close();
      // Not in step with the key frames.
      await sleep(200 + 1000 * Math.random());
    }
  } finally {
    receivers.close();
    await peer.stop();
  }
  log(`join ${sender}, ${stream}, ${present} present: median`,
    `${quantile(values, 0.5)?.toFixed(0)} ms of ${values.length},`,
    `${failed.length} failed`, failed[0] ?? '');
  return { sender, stream, present, n: values.length, values, failed,
    good: values.length,
    min: quantile(values, 0), median: quantile(values, 0.5),
    p95: quantile(values, 0.95), max: quantile(values, 1) };
}

export async function run(options) {
  const browser = await openBrowser(options);
  const rows = [];
  try {
    for (const stream of Object.keys(streams))
      for (const present of [0, 1, 8])
        for (const sender of chosen(options, Object.keys(senders))) {
          const { most } = senders[sender];
          if (most !== undefined && (present > most || !streams[stream]))
            continue;
          rows.push(await some(browser, sender, stream, present, options)
            .catch((error) => {
              log(`join ${sender}: ${error.message}`);
              return { sender, stream, present, n: 0, good: 0, values: [],
                failed: [error.message], min: null, median: null, p95: null,
                max: null };
            }));
        }
  } finally {
    await browser.close();
  }
  return save('join', options, rows);
}
