// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a viewer costs the sender: CPU, memory and threads of the sending
// process alone for 0 to 32 viewers of one stream that is already encoded.
import path from 'node:path';
import { chosen, log, measure, output, rigs, save, sleep, slope, spread,
  summary }
  from './lib/common.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

export const defaults = { runs: 5, seconds: 15 };
const all = [0, 1, 2, 4, 8, 16, 32];
const senders = {
  ours: { start: peers.ours },
  webrtcbin: { start: peers.webrtcbin },
  janus: { start: peers.janus },
  libdatachannel: { start: peers.libdatachannel },
  // Encodes for each viewer: more than two is more than the machine has.
  aiortc: { start: peers.aiortc, most: 2 },
};

async function once(name, options) {
  const { start, most = 1000 } = senders[name];
  const peer = await start({ raw: false, work: options.work });
  const receivers = await openReceivers(peer);
  const points = [];
  let present = 0;
  try {
    const wanted = options.viewers ?? (options.quick ? [0, 1, 4] : all);
    for (const viewers of wanted.filter((n) => n <= most)) {
      // Together: each waits for a key frame.
      const joins = [];
      for (; present < viewers; ++present)
        joins.push(receivers.join(`v${present}`));
      await Promise.all(joins);
      await sleep(options.quick ? 500 : 1000);
      await receivers.counts();
      const use = await measure(peer.pid, options.seconds);
      const counts = await receivers.counts();
      const packets = counts.reduce((sum, c) => sum + c.packets, 0) /
        options.seconds;
      if (viewers && counts.filter((c) => c.packets).length < viewers)
        throw new Error('a viewer gets nothing: its cost is not in the CPU');
      points.push({ viewers, cpu: use.percent, memory: use.memory,
        threads: use.threads, fds: use.fds, packets,
        lost: counts.reduce((sum, c) => sum + c.lost, 0) });
      log(`fanout ${name}: ${viewers} viewers, cpu ${use.percent.toFixed(2)} %,`,
        `${use.memory.toFixed(1)} MB, ${use.threads} threads,`,
        `${packets.toFixed(0)} packets/s`);
    }
  } catch (error) {
    log(`fanout ${name} with ${present} viewers: ${error.message}`);
    if (points.length < 2) throw error;
  } finally {
    receivers.close();
    await peer.stop();
  }
  const last = points.at(-1);
  const per = (key) => slope(points.map((p) => [p.viewers, p[key]]));
  return { sender: name, points, cpu: per('cpu'), memory: per('memory'),
    threads: per('threads'), packetUs: 10000 * per('cpu') /
      slope(points.map((p) => [p.viewers, p.packets])),
    lost: points.reduce((sum, p) => sum + p.lost, 0),
    most: last.viewers };
}

export async function run(options) {
  const runs = [];
  for (let round = 0; round < options.runs; ++round) {
    const floor = JSON.parse(output(path.join(rigs, 'packetfloor'),
      [String(options.quick ? 1 : 2)]));
    log(`fanout floor: ${JSON.stringify(floor)}`);
    runs.push({ sender: 'floor', ...floor });
    for (const name of chosen(options, Object.keys(senders)))
      runs.push(await once(name, options).catch((error) => {
        log(`fanout ${name}: ${error.message}`);
        return { sender: name, error: error.message };
      }));
  }
  const rows = [...new Set(runs.map((r) => r.sender))].map((name) => {
    const mine = runs.filter((r) => r.sender === name && !r.error);
    const row = summary({ sender: name },
      runs.filter((r) => r.sender === name),
      ['cpu', 'packetUs', 'memory', 'threads', 'lost', 'most']);
    row.points = (options.viewers ?? all).map((viewers) => {
      const at = mine.flatMap((r) => r.points ?? [])
        .filter((p) => p.viewers === viewers);
      return { viewers, cpu: spread(at.map((p) => p.cpu)),
        memory: spread(at.map((p) => p.memory)),
        threads: spread(at.map((p) => p.threads)) };
    }).filter((p) => p.cpu.n);
    return row;
  });
  return save('fanout', options, rows, { runs_raw: runs });
}
