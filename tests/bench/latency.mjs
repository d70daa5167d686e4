// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Glass to glass: from the stamp, burnt into the raw frame before the encoder,
// to the frame's presentation in Chromium; 1280x720, 30 frames/s, 2 Mbit/s.
import { chosen, log, measure, quantile, save, sleep, summary }
  from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import * as peers from './lib/peers.mjs';

const senders = {
  ours: { start: peers.ours },
  webrtcbin: { start: peers.webrtcbin },
  janus: { start: peers.janus },
  wrtc: { start: peers.wrtc, codec: 'VP8' },
  aiortc: { start: peers.aiortc },
};

async function once(browser, name, options) {
  const { start, codec = 'H264' } = senders[name];
  const peer = await start({ raw: true, work: options.work });
  try {
    const viewer = await browser.view(peer, { codec });
    const first = await viewer.join();
    await sleep(3000);
    await viewer.take();
    const { percent } = await measure(peer.pid, options.seconds);
    const { frames, stats } = await viewer.take();
    await viewer.close();
    const present = frames.map((f) => f.presented).filter((v) => v !== null);
    const received = frames.map((f) => f.received).filter((v) => v !== null);
    return { sender: name, first, cpu: percent, codec, shown: present,
      fps: frames.length / options.seconds,
      unreadable: frames.length - present.length,
      present: quantile(present, 0.5), present95: quantile(present, 0.95),
      received: quantile(received, 0.5), received95: quantile(received, 0.95),
      lost: stats.packetsLost, freezes: stats.freezeCount };
  } finally {
    await peer.stop();
  }
}

export async function run(options) {
  const browser = await openBrowser(options);
  const runs = [];
  try {
    // Round after round, so that a busy minute touches all alike.
    for (let round = 0; round < options.runs; ++round)
      for (const name of chosen(options, Object.keys(senders))) {
        const result = await once(browser, name, options).catch((error) => {
          log(`latency ${name}: ${error.message}`);
          return { sender: name, error: error.message };
        });
        if (!result.error)
          log(`latency ${name}: presented ${result.present?.toFixed(1)} ms,`,
            `received ${result.received?.toFixed(1)} ms,`,
            `${result.fps.toFixed(1)} fps, cpu ${result.cpu.toFixed(0)} %`);
        runs.push(result);
      }
  } finally {
    await browser.close();
  }
  const rows = chosen(options, Object.keys(senders)).map((sender) =>
    summary({ sender, all95: quantile(runs.flatMap((run) =>
      run.sender === sender && run.shown || []), 0.95) },
    runs.filter((run) => run.sender === sender),
      ['present', 'present95', 'received', 'received95', 'first', 'fps', 'cpu',
        'unreadable', 'freezes']));
  return save('latency', options, rows,
    { runs_raw: runs.map(({ shown, ...run }) => run) });
}
