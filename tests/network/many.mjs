// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sixteen viewers of one encoder at 1280x720, 30 pictures a second, 2 Mbit/s,
// all on one machine: what each receives beside what one alone receives, and
// what the robot takes of a core, its encoder included. Fails when one receives
// less than 80 % of that or stands still for 2 s, or when the robot takes as
// much more as encoders of their own would. VIEWERS and SECONDS in the
// environment change the numbers.
import { availableParallelism } from 'node:os';
import { measure as use, quantile, sleep } from '../bench/lib/common.mjs';
import { HD, Site } from './site.mjs';
import { whyNot } from './world.mjs';

const VIEWERS = Number(process.env.VIEWERS ?? 16);
const SECONDS = Number(process.env.SECONDS ?? 10);
const why = whyNot();
if (why) {
  console.log(`SKIPPED: ${why}`);
  process.exit(0);
}

// Pictures and packets a second of each of *viewers*, and the longest pause.
async function measure(viewers) {
  const before = viewers.map(({ seen }) => ({ ...seen }));
  const from = performance.now();
  const pauses = [];
  const cpu = use(site.robot.pid, SECONDS);
  while (performance.now() - from < SECONDS * 1000) {
    await sleep(500);
    pauses.push(...viewers.map(({ seen }) => seen.pause));
  }
  const seconds = (performance.now() - from) / 1000;
  const rates = (key) => viewers.map(({ seen }, i) =>
    (seen[key] - before[i][key]) / seconds);
  return { frames: rates('frames'), packets: rates('packets'),
    pause: Math.max(...pauses), cpu: (await cpu).percent };
}

const site = await Site.open({ source: HD,
  config: () => `[sessions]\nmax-sessions-per-user=${VIEWERS}\n` });
const failures = [];
try {
  // All at one rate: what is looked at is how many there are.
  await site.startRobot('adaptive-bitrate=false');
  const viewers = [site.startViewer()];
  await viewers[0].receives(60);
  await sleep(2000);
  const alone = await measure(viewers);
  while (viewers.length < VIEWERS) {
    viewers.push(site.startViewer());
    await viewers.at(-1).receives(10);
  }
  await sleep(2000);
  const all = await measure(viewers);
  const round = (value) => value.toFixed(1);
  console.log(`${availableParallelism()} cores; frames/s, packets/s: least and median\n` +
    '| viewers | frames/s | packets/s | longest pause, ms | robot, % of a core |\n' +
    '| --- | --- | --- | --- | --- |');
  for (const [count, row] of [[1, alone], [viewers.length, all]])
    console.log(`| ${count} | ${round(Math.min(...row.frames))}, ${
      round(quantile(row.frames, 0.5))} | ${round(Math.min(...row.packets))}, ${
      round(quantile(row.packets, 0.5))} | ${row.pause} | ${round(row.cpu)} |`);
  all.frames.forEach((rate, i) => {
    if (rate < 0.8 * alone.frames[0])
      failures.push(`viewer ${i} receives ${round(rate)} frames/s`);
  });
  if (all.pause > 2000) failures.push(`one stood still for ${all.pause} ms`);
  if (alone.frames[0] < 24)
    failures.push(`one alone receives ${round(alone.frames[0])} frames/s`);
  if (all.cpu > 3 * alone.cpu)
    failures.push(`the robot takes ${round(all.cpu / alone.cpu)} times as much`);
} finally {
  await site.close();
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exitCode = failures.length ? 1 : 0;
