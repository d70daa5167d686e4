// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewers that go, in each of the ways in which they do: the robot is rid of
// them within 5 s, and says why. A machine is given as much longer as it was
// late meanwhile: ten times the worst delay of a 10 ms timer.
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { after, before, it } from 'node:test';
import { Site, until } from './site.mjs';
import { network } from './world.mjs';


network('a viewer that goes', () => {
  let site;
  before(async () => {
    site = await Site.open();
    await site.startRobot();
  });
  after(() => site?.close());

  // Joins, goes, and is gone in *seconds* for *reasons*.
  const goes = (name, reasons, act, seconds = 2) => it(name, async () => {
    const viewer = site.startViewer();
    await viewer.receives();
    const lateness = monitorEventLoopDelay({ resolution: 10 });
    lateness.enable();
    const since = performance.now();
    await act(viewer);
    const { at, reason } = await site.removal(since);
    lateness.disable();
    const late = Math.max(0, lateness.max / 1e6 - 11);
    console.log(`# ${name}: gone after ${Math.round(at - since)} ms, timers up to ${
      Math.round(late)} ms late`);
    assert.ok(reasons.includes(reason), `${reason}: ${site.robot.log()}`);
    assert.ok(at - since < seconds * 1000 + 10 * late, `${at - since} ms`);
    viewer.kill('SIGCONT');
    viewer.stopping = true;
    await viewer.stop();
    site.world.open();
  });

  goes('by leave', ['left'], (viewer) => viewer.say('leave'));
  // libdatachannel falls silent, now and then with a last word by DTLS.
  for (let n = Number(process.env.ROBOTLIVE_DEPARTURES ?? 1); n > 0; --n)
    goes('by closing its connection, without a word', ['vanished', 'left'],
      (viewer) => viewer.say('close'), 5);
  // A socket that closes is nobody's will: the robot finds out by itself.
  goes('killed', ['vanished', 'left'], (viewer) => {
    viewer.stopping = true;
    process.kill(viewer.pid, 'SIGKILL');
  }, 5);
  goes('by the server ending its session', ['revoked'], async () => {
    const token = site.cli('token', '--role', 'admin', '--sub', site.admin,
      '--ttl', '1h');
    const answer = site.world.inside(site.world.viewer, 'curl', '-sS', '-X',
      'DELETE', '-H', `Authorization: Bearer ${token}`, '-w', '%{http_code}',
      `${site.url(2)}/sessions/${site.robot.peer}`);
    assert.match(answer, /20\d$/);
  });
  goes('stopped dead', ['vanished'], (viewer) =>
    process.kill(viewer.pid, 'SIGSTOP'), 5);
  goes('in a tunnel', ['vanished'], () => site.world.silence('viewer'), 5);
});
