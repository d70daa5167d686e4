// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rate control on bad paths, with plain webrtcbin, libwebrtc's own congestion
// control (@roamhq/wrtc) and aiortc beside it. Encoders are set to 2 Mbit/s.
//
//   step    2.2 Mbit/s, then 1 Mbit/s, then 2.2 Mbit/s again
//   loss    5 % of the packets lost at random on a wide path
//   jitter  50 ± 10 ms of delay on a wide path
//   queue   3 Mbit/s with a queue of only 40 ms: key frames do not fit in
//   two     two viewers, one of them behind 500 kbit/s
//
// Each phase is measured from 3 s after its step, save for the longest gap,
// which counts from the step on. `used` is the received rate from 15 s after
// the step on: in percent of the path where it is narrow, and of what came
// before where it is not.
import { chosen, log, quantile, save, sleep, summary } from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import { openLink } from './lib/link.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 3, seconds: 17 };
const settle = 3000;
const late = 12000; // ms after that: 15 s after the step
const ours = (properties) => (options) =>
  peers.ours({ ...options, properties });
const senders = {
  ours: ours(''),
  unpaced: ours('pacing=false'),
  fixed: ours('adaptive-bitrate=false'),
  webrtcbin: (options) => peers.webrtcbin(options),
  wrtc: () => peers.wrtc(),
  aiortc: () => peers.aiortc(),
};
const scenarios = {
  step: { first: { rate: 2.2 }, phases: [['2.2 Mbit/s', { rate: 2.2 }],
    ['1 Mbit/s', { rate: 1 }], ['2.2 Mbit/s again', { rate: 2.2 }]] },
  loss: { first: {}, phases: [['wide', {}], ['5 % loss', { loss: 5 }]] },
  jitter: { first: {}, phases: [['wide', {}],
    ['50 ± 10 ms', { delay: 40, jitter: 20 }]] },
  queue: { first: { rate: 3, queue: 40 },
    phases: [['3 Mbit/s, queue 40 ms', { rate: 3, queue: 40 }]] },
  two: { first: {}, slow: { rate: 0.5 }, phases: [['beside 500 kbit/s', {}]] },
};

// What one viewer sees of one phase.
async function phase(viewer, milliseconds) {
  await viewer.take();
  const start = Date.now();
  const samples = [];
  for (let at = 0; at < settle + milliseconds; at += 1000) {
    await sleep(Math.max(0, start + at + 1000 - Date.now()));
    samples.push({ at: Date.now() - start, ...await viewer.take() });
  }
  const frames = samples.flatMap((sample) => sample.frames);
  const end = start + samples.at(-1).at;
  const times = [start, ...frames.map(({ at }) => at), end];
  const counted = frames.filter(({ at }) => at >= start + settle);
  const seen = counted.map((f) => f.presented).filter((v) => v !== null);
  const mbit = (from) => {
    const first = samples.find(({ at }) => at >= from) ?? samples[0];
    const last = samples.at(-1);
    return (last.stats.bytesReceived - first.stats.bytesReceived) * 8e-3 /
      (last.at - first.at);
  };
  return {
    fps: counted.length * 1000 / (end - start - settle),
    longest: Math.max(...times.slice(1).map((time, i) => time - times[i])),
    present: quantile(seen, 0.5), present95: quantile(seen, 0.95),
    mbit: mbit(settle), late: mbit(Math.min(settle + late,
      settle + milliseconds / 2)),
    lost: samples.at(-1).stats.packetsLost - samples[0].stats.packetsLost,
    seconds: samples.map(({ frames: shown, stats }) =>
      [shown.length, stats.bytesReceived]),
  };
}

async function once(sender, scenario, links, browsers, options) {
  const { first, slow, phases } = scenarios[scenario];
  await links[0].set({});
  await links[1].set({});
  const codec = sender === 'wrtc' ? 'VP8' : undefined;
  const peer = await senders[sender]({ raw: true, work: options.work,
    host: links[0].host });
  const viewers = [];
  const join = async (browser) => {
    const viewer = await browser.view(peer, codec ? { codec } : {});
    viewers.push(viewer);
    await viewer.join();
    return viewer;
  };
  try {
    const viewer = await join(browsers[0]);
    const other = slow ? await join(browsers[1]) : null;
    await links[0].set(first);
    if (slow) await links[1].set(slow);
    await sleep(options.quick ? 1000 : 5000);
    const results = [];
    for (const [name, link] of phases) {
      await links[0].set(link);
      const [seen, beside] = await Promise.all([viewer, other].map((v) =>
        v && phase(v, options.seconds * 1000)));
      const whole = link.rate ?? results[0]?.mbit;
      results.push({ sender, scenario, link: name, ...seen,
        used: whole ? 100 * seen.late / whole : null });
      if (beside)
        results.push({ sender, scenario, link: 'behind 500 kbit/s', ...beside,
          used: 100 * beside.late / slow.rate });
    }
    return results;
  } finally {
    for (const viewer of viewers) await viewer.close().catch(() => {});
    await peer.stop();
  }
}

const rounded = (key, value) => key === 'seconds' ? undefined
  : typeof value === 'number' ? Math.round(value * 100) / 100 : value;

export async function run(options) {
  const links = [openLink(), openLink()];
  const runs = [];
  const names = chosen(options, Object.keys(senders));
  const wanted = options.scenarios ?? Object.keys(scenarios);
  const browsers = [];
  try {
    for (const { namespace } of links)
      browsers.push(await openBrowser({ ...options, namespace,
        host: links[0].host }));
    for (let round = 0; round < options.runs; ++round)
      for (const scenario of wanted)
        for (const sender of names) {
          const results = await once(sender, scenario, links, browsers, options)
            .catch((error) => [{ sender, scenario, error: error.message }]);
          for (const result of results)
            log('rate', JSON.stringify(result, rounded));
          runs.push(...results);
        }
  } finally {
    for (const browser of browsers) await browser.close();
    for (const link of links) {
      await link.set({});
      link.close();
    }
  }
  const rows = wanted.flatMap((scenario) => {
    const { slow, phases } = scenarios[scenario];
    const paths = phases.map(([name]) => name);
    if (slow) paths.push('behind 500 kbit/s');
    return paths.flatMap((path) => names.map((sender) => {
      const all = runs.filter((r) =>
        r.sender === sender && r.scenario === scenario);
      return summary({ sender, scenario, link: path },
        all.filter((r) => r.error || r.link === path),
        ['fps', 'longest', 'present', 'present95', 'mbit', 'used', 'lost']);
    }));
  });
  return save('rate', options, rows, { runs_raw: runs });
}
