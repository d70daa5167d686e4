// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a viewer in Chromium sees over a bad link: frame rate, share of time
// frozen, and latency. A gap of more than 150 ms between two presented frames
// counts as frozen, from its start less one frame's time.
import { chosen, log, quantile, save, sleep, summary } from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import { openLink } from './lib/link.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 5, seconds: 20 };
const settle = 3000; // until rate control has found the path
// So many links at a time, each with a sender and a Chromium of its own: most
// of a measurement is waiting, and one takes a third of a core.
const lanes = 2;
const links = {
  'clean': {},
  '1 % loss': { loss: 1, delay: 20 },
  '5 % loss': { loss: 5, delay: 20 },
  '10 % loss': { loss: 10, delay: 20 },
  '50 ms jitter': { delay: 20, jitter: 50 },
  '3 Mbit/s': { rate: 3 },
  '2 Mbit/s': { rate: 2 },
  '1 Mbit/s': { rate: 1 },
};
const senders = {
  ours: (options) => peers.ours(options),
  webrtcbin: (options) => peers.webrtcbin(options),
  plain: (options) => peers.webrtcbin({ ...options, repair: false }),
  wrtc: () => peers.wrtc(),
  aiortc: () => peers.aiortc(),
};

function frozen(frames, from, to) {
  const times = [from, ...frames.map((f) => f.at), to];
  let sum = 0;
  for (let i = 1; i < times.length; ++i)
    if (times[i] - times[i - 1] > 150) sum += times[i] - times[i - 1] - 33;
  return 100 * sum / (to - from);
}

async function once({ browser, link }, sender, name, options) {
  // The link goes bad once the viewer is in: joining is another figure.
  await link.set({});
  const peer = await senders[sender]({ raw: true, work: options.work,
    host: link.host });
  try {
    const viewer = await browser.view(peer,
      sender === 'wrtc' ? { codec: 'VP8' } : {});
    await viewer.join();
    await link.set(links[name]);
    await sleep(options.quick ? 1000 : settle);
    const before = (await viewer.take()).stats;
    const from = Date.now();
    await sleep(options.seconds * 1000);
    const to = Date.now();
    const { frames, stats } = await viewer.take();
    await viewer.close();
    const present = frames.map((f) => f.presented).filter((v) => v !== null);
    return { sender, link: name, fps: frames.length * 1000 / (to - from),
      frozen: frozen(frames, from, to),
      present: quantile(present, 0.5), present95: quantile(present, 0.95),
      mbit: (stats.bytesReceived - before.bytesReceived) * 8e-3 / (to - from),
      lost: stats.packetsLost - before.packetsLost,
      nack: stats.nackCount - before.nackCount };
  } finally {
    await peer.stop();
  }
}

async function openLane(options) {
  const link = openLink();
  const browser = await openBrowser({ ...options, namespace: link.namespace,
    host: link.host });
  return { link, browser, async close() {
    await browser.close();
    await link.set({});
    link.close();
  } };
}

export async function run(options) {
  const runs = [];
  const left = [];
  for (let round = 0; round < options.runs; ++round)
    for (const name of Object.keys(links))
      for (const sender of chosen(options, Object.keys(senders)))
        left.push({ name, sender });
  const opened = [];
  const work = async (lane) => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { name, sender } = next;
      const result = await once(lane, sender, name, options)
        .catch((error) => ({ sender, link: name, error: error.message }));
      log('loss', JSON.stringify(result, (key, value) =>
        typeof value === 'number' ? Math.round(value * 100) / 100 : value));
      runs.push(result);
    }
  };
  try {
    for (let n = 0; n < lanes; ++n) opened.push(await openLane(options));
    await Promise.all(opened.map(work));
  } finally {
    for (const lane of opened) await lane.close();
  }
  const rows = Object.keys(links).flatMap((name) =>
    chosen(options, Object.keys(senders)).map((sender) =>
      summary({ sender, link: name },
        runs.filter((r) => r.sender === sender && r.link === name),
        ['fps', 'frozen', 'present', 'present95', 'mbit', 'lost', 'nack'])));
  return save('loss', options, rows, { runs_raw: runs });
}
