// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From the end of a booking to the last frame that the robot's gate let
// through, to the last packet at a receiver that decodes nothing, and to the
// last frame presented in Chromium; idle, and with two busy loops on each core.
// Below zero: before the end, by less than one frame's 33 ms where all is right.
//
// Eight robots of one server are booked again and again, each on its own. A
// booking ends with a second of the wall clock: what is random is where in a
// frame's time that falls, by a camera that stands still for up to 33 ms first.
//
// A frame's stamp is older than its way through the gate. One that is shown and
// newer than the last that came out has got past it: the benchmark fails.
import os from 'node:os';
import { log, quantile, save, sleep, start } from './lib/common.mjs';
import { openBrowser } from './lib/browser.mjs';
import { openReceivers } from './lib/receivers.mjs';
import * as peers from './lib/peers.mjs';

// A run is one booking, of each condition. Up to a second of it is over when
// it is made, and an encoded clip has a key frame each 2 s.
export const defaults = { runs: 200, seconds: 5 };
const robots = 8;
const seen = 2; // of them: encode, and have a viewer in Chromium as well

async function once(robot, browser, receivers, i, options) {
  const viewer = browser ? await browser.view(robot, {}) : null;
  const id = `e${i}`;
  const result = {};
  try {
    robot.child.say(`stall ${Math.floor(34 * Math.random())}`);
    await sleep(1000 * Math.random()); // not in step with the other robots
    const end = await peers.bookNow(robot, Math.max(3, options.seconds));
    await Promise.all([receivers.join(id, robot.robot), viewer?.join()]);
    result.left = end - Date.now();
    await sleep(Math.max(0, result.left) + 700);
    robot.child.say('last');
    const last = await robot.child.line((line) => line.startsWith('last '));
    result.gate = Number(last.split(' ')[1]) - end;
    const counted = (await receivers.counts()).find((c) => c.id === id);
    result.wire = counted.lastAt - end;
    result.told = counted.ended ?? null;
    if (viewer) {
      const { frames, ended } = await viewer.take();
      const shown = frames.at(-1);
      if (shown) {
        result.viewer = shown.at - end;
        // When the last picture that was shown had been taken.
        if (shown.taken !== null) result.taken = shown.taken - end;
      }
      result.toldViewer = ended?.reason ?? ended;
    }
    if (result.left < 0) throw new Error('joined after the end');
    return result;
  } finally {
    await receivers.leave(id);
    await viewer?.close();
  }
}

async function some(condition, browser, options) {
  const server = await peers.ours({ work: options.work, duration: null,
    noRobot: true });
  const all = [];
  const results = [];
  const failed = [];
  let receivers = null;
  let load = [];
  let next = 0;
  const again = async (robot, which) => {
    // Not all at once, now or later.
    await sleep(1000 * options.seconds * which / all.length);
    while (next < options.runs) {
      const i = next++;
      try {
        const one = await once(robot, which < seen ? browser : null,
          receivers, i, options);
        results.push(one);
        log(`expiry ${condition} ${i}:`, JSON.stringify(one));
      } catch (error) {
        failed.push(error.message);
        log(`expiry ${condition} ${i}: ${error.message}`);
        await sleep(1000 * options.seconds + 500); // until it is over
      }
    }
  };
  try {
    for (let n = 0; n < (options.quick ? 3 : robots); ++n)
      all.push(await server.addRobot(`robot_bench_${n}`, n < seen));
    receivers = await openReceivers(all[0]);
    // What is measured is when the robot sent, not when we got to look.
    try { os.setPriority(receivers.pid, -15); } catch { /* not root */ }
    if (condition !== 'idle')
      load = os.cpus().flatMap(() =>
        [0, 1].map(() => start('sh', ['-c', 'while :; do :; done'])));
    await Promise.all(all.map(again));
  } finally {
    for (const child of load) await child.stop();
    receivers?.close();
    for (const robot of all) await robot.stop();
    await server.stop();
  }
  const past = results.filter((one) => one.taken > one.gate)
    .map((one) => `a frame of ${one.taken} ms, ${condition}`);
  return [['last frame at the gate', 'gate'],
    ['last packet on the wire', 'wire'],
    ['last frame presented in Chromium', 'viewer'],
    ['last frame presented: when it was taken', 'taken']]
    .map(([where, key]) => {
      const values = results.map((r) => r[key]).filter(Number.isFinite);
      return { where, condition, n: values.length, good: values.length, values,
        failed, past: key === 'taken' ? past : [],
        min: quantile(values, 0), median: quantile(values, 0.5),
        p95: quantile(values, 0.95), max: quantile(values, 1) };
    });
}

export async function run(options) {
  const browser = await openBrowser(options);
  let rows;
  try {
    rows = [
      ...await some('idle', browser, options),
      ...await some(`${2 * os.cpus().length} busy loops`, browser, options),
    ];
  } finally {
    await browser.close();
  }
  const file = save('expiry', options, rows);
  const past = rows.flatMap((row) => row.past);
  if (past.length) throw new Error(`past the gate: ${past.join(', ')}`);
  return file;
}
