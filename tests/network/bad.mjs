// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What each kind of bad viewer does to a healthy one that watches all the
// while: frames a second, how late they are against the earliest of all, and
// the longest pause; as a table. Fails when the healthy one is shown less than
// 80 % of what it has alone, or stands still for 2 s.
import { createRequire } from 'node:module';
import path from 'node:path';
import { quantile, sleep } from '../bench/lib/common.mjs';
import { ROBOT, Site } from './site.mjs';
import { whyNot } from './world.mjs';

const require = createRequire(new URL('../interop/package.json',
  import.meta.url));
const here = new URL('.', import.meta.url).pathname;
const SECONDS = Number(process.env.SECONDS ?? 8);
const why = whyNot();
if (why) {
  console.log(`SKIPPED: ${why}`);
  process.exit(0);
}

async function measure(viewer) {
  const delays = [], pauses = [];
  const from = performance.now();
  const { frames } = viewer.seen;
  for (let second = 0; second < SECONDS; ++second) {
    await sleep(1000);
    delays.push(...viewer.seen.delay);
    pauses.push(viewer.seen.pause);
  }
  return { fps: (viewer.seen.frames - frames) * 1000 /
    (performance.now() - from), median: quantile(delays, 0.5),
  p95: quantile(delays, 0.95), pause: Math.max(...pauses) };
}

// Each returns what ends it.
const kinds = {
  'nobody else': async () => () => {},
  'a healthy one': async (site) => {
    const viewer = site.startViewer();
    await viewer.receives();
    return () => viewer.stop();
  },
  'never answers': async (site) => {
    const viewer = site.startViewer({ answers: false });
    return () => viewer.stop();
  },
  'stops reading (SIGSTOP)': async (site) => {
    const viewer = site.startViewer();
    await viewer.receives();
    process.kill(viewer.pid, 'SIGSTOP');
    return () => { viewer.kill('SIGCONT'); return viewer.stop(); };
  },
  'asks for 1,000 key frames a second': async (site) => {
    const viewer = site.startViewer({ pli: 1000 });
    await viewer.receives();
    return () => viewer.stop();
  },
  'vanishes': async (site) => {
    const viewer = site.startViewer();
    await viewer.receives();
    viewer.say('close');
    return () => viewer.stop();
  },
  'sends garbage by SRTP': async (site) => {
    const viewer = site.startViewer({ garbage: true });
    await viewer.receives();
    return () => viewer.stop();
  },
  'sends garbage by UDP': async (site, healthy) => {
    const ports = healthy.candidates.map((text) => text.split(' '))
      .filter((word) => !word[4].includes(':'))
      .map((word) => `${word[4]}:${word[5]}`);
    const child = site.run(site.world.viewer, process.execPath,
      [path.join(here, 'garbage.mjs'), ...ports]);
    return () => child.stop();
  },
  'sends garbage as SDP and candidates': async (site) => {
    // From outside of the namespace by a process that speaks Socket.IO there.
    const child = site.run(site.world.viewer, process.execPath, ['-e', `
      const { io } = require(${JSON.stringify(
    require.resolve('socket.io-client'))});
      const socket = io('${site.url(2)}', { transports: ['websocket'],
        auth: { token: process.env.VIEWER_TOKEN } });
      socket.emit('register', { userId: '${site.user}', userType: 'viewer' });
      const noise = (n) => require('crypto').randomBytes(n).toString('latin1');
      setInterval(() => {
        socket.emit('offer', { to: '${ROBOT}',
          offer: { type: 'offer', sdp: 'v=0\\r\\n' + noise(2000) } });
        socket.emit('ice-candidate', { to: '${ROBOT}',
          candidate: { candidate: 'candidate:' + noise(100), sdpMid: '0' } });
      }, 20);
      process.stdin.resume().on('end', () => process.exit(0));`],
    { env: { VIEWER_TOKEN: site.token } });
    return () => child.stop();
  },
};

const site = await Site.open();
const failures = [];
try {
  await site.startRobot();
  const healthy = site.startViewer();
  await healthy.receives(60);
  await sleep(2000);
  const round = (value) => (value ?? NaN).toFixed(1);
  console.log('| beside it | frames/s | median delay, ms | p95, ms | longest'
    + ' pause, ms |\n| --- | --- | --- | --- | --- |');
  let alone = null;
  for (const [kind, begin] of Object.entries(kinds)) {
    const end = await begin(site, healthy);
    const seen = await measure(healthy);
    await end();
    alone ??= seen;
    console.log(`| ${kind} | ${round(seen.fps)} | ${round(seen.median)} | ${
      round(seen.p95)} | ${seen.pause} |`);
    if (seen.fps < 0.8 * alone.fps)
      failures.push(`${kind}: ${round(seen.fps)} frames/s`);
    if (seen.pause > 2000) failures.push(`${kind}: stood still`);
    await sleep(500);
  }
} finally {
  await site.close();
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exitCode = failures.length ? 1 : 0;
