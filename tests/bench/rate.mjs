// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A path that becomes narrow and wide again while Chromium watches, with and
// without rate control, and plain webrtcbin beside it. The encoder is set to
// 2 Mbit/s. Each phase is measured from 3 s after its step.
import { log, quantile, save, sleep, spread } from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import { openLink } from './lib/link.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 3, seconds: 20 };
const phases = [['2.2 Mbit/s', 2.2], ['1 Mbit/s', 1], ['2.2 again', 2.2]];
const settle = 3000;
const senders = {
  adaptive: (options) => peers.ours(options),
  fixed: (options) =>
    peers.ours({ ...options, properties: 'adaptive-bitrate=false' }),
  webrtcbin: (options) => peers.webrtcbin(options),
};

async function once(browser, link, sender, options) {
  await link.set({});
  const peer = await senders[sender]({ raw: true, work: options.work,
    host: link.host });
  try {
    const viewer = await browser.view(peer, {});
    await viewer.join();
    const results = [];
    for (const [name, rate] of phases) {
      await link.set({ rate });
      await sleep(settle);
      const before = (await viewer.take()).stats;
      const from = Date.now();
      await sleep(options.seconds * 1000);
      const to = Date.now();
      const { frames, stats } = await viewer.take();
      const times = [from, ...frames.map(({ at }) => at), to];
      const gaps = times.slice(1).map((time, i) => time - times[i]);
      const late = frames.map((f) => f.presented).filter((v) => v !== null);
      results.push({ sender, link: name,
        fps: frames.length * 1000 / (to - from),
        longest: Math.max(...gaps),
        present: quantile(late, 0.5), present95: quantile(late, 0.95),
        mbit: (stats.bytesReceived - before.bytesReceived) * 8e-3 / (to - from),
        lost: stats.packetsLost - before.packetsLost });
    }
    await viewer.close();
    return results;
  } finally {
    await peer.stop();
  }
}

export async function run(options) {
  const link = openLink();
  const runs = [];
  const names = options.only ?? Object.keys(senders);
  const browser = await openBrowser({ ...options, namespace: link.namespace,
    host: link.host });
  try {
    for (let round = 0; round < options.runs; ++round)
      for (const sender of names) {
        const results = await once(browser, link, sender, options)
          .catch((error) => [{ sender, error: error.message }]);
        for (const result of results)
          log('rate', JSON.stringify(result, (key, value) =>
            typeof value === 'number' ? Math.round(value * 100) / 100 : value));
        runs.push(...results);
      }
  } finally {
    await browser.close();
    await link.set({});
    link.close();
  }
  const rows = phases.flatMap(([name]) => names.map((sender) => {
    const mine = runs.filter((r) => r.sender === sender && r.link === name);
    const row = { sender, link: name,
      failed: runs.filter((r) => r.sender === sender && r.error)
        .map((r) => r.error) };
    for (const key of ['fps', 'longest', 'present', 'present95', 'mbit',
      'lost'])
      row[key] = spread(mine.map((r) => r[key]));
    return row;
  }));
  return save('rate', options, rows, { runs_raw: runs });
}
