// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What networks do while somebody watches: media resumes by itself. The viewers
// here offer again as the viewer page does; page.test.mjs has the page.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { sleep } from '../bench/lib/common.mjs';
import { Site, until } from './site.mjs';
import { network } from './world.mjs';

// 30 s with ROBOTLIVE_TEST_LONG, as tests/network.sh sets it.
const SILENCE = process.env.ROBOTLIVE_TEST_LONG ? 30 : 8;

network('outages', () => {
  let site;
  before(async () => {
    site = await Site.open();
    await site.startRobot();
  });
  after(() => site?.close());

  it('media goes on while the signaling server is killed and comes back',
    async () => {
      const viewer = site.startViewer({ persist: true });
      await viewer.receives();
      const gone = site.robot.removed.length;
      site.server.stopping = true;
      site.server.kill('SIGKILL');
      await site.server.ended;
      await viewer.receives(90);
      await until('the robot notices', () =>
        site.robot.links.at(-1) !== 'registered');
      await site.startServer();
      await until('the robot is back', () =>
        site.robot.links.at(-1) === 'registered');
      await viewer.receives(30);
      assert.equal(site.robot.removed.length, gone, site.robot.log());
      // The session that the server has forgotten is still to be ended.
      const since = performance.now();
      await until('the viewer is back', () =>
        viewer.got('registered').length >= 2);
      viewer.say('leave');
      const { at } = await site.removal(since);
      assert.ok(at > since);
      await viewer.stop();
    });

  it(`the viewer comes back after ${SILENCE} s of silence`, async () => {
    const viewer = site.startViewer({ persist: true });
    await viewer.receives();
    const since = performance.now();
    site.world.silence('viewer');
    const { reason } = await site.removal(since);
    assert.equal(reason, 'vanished');
    await sleep(SILENCE * 1000 - (performance.now() - since));
    site.world.open();
    await viewer.receives(60, 90);
    await viewer.stop();
  });

  it('the robot comes back after as much', async () => {
    const viewer = site.startViewer({ persist: true });
    await viewer.receives();
    const since = performance.now();
    site.world.silence('robot');
    await site.removal(since);
    await sleep(SILENCE * 1000 - (performance.now() - since));
    site.world.open();
    await viewer.receives(60, 90);
    await viewer.stop();
  });

  it('a NAT gives the viewer another port', async () => {
    site.world.nat('41000-41099');
    const viewer = site.startViewer({ persist: true });
    await viewer.receives();
    const removed = site.robot.removed.length;
    site.world.nat('42000-42099');
    const since = performance.now();
    await viewer.receives(90);
    console.log(`# NAT rebinding: ${site.robot.removed.length > removed
      ? 'a new offer' : 'same connection'}, ${
      Math.round(performance.now() - since)} ms`);
    await viewer.stop();
    site.world.nft('flush chain inet test leave');
  });

  it('the robot gets another address', async () => {
    const viewer = site.startViewer({ persist: true });
    await viewer.receives();
    const since = performance.now();
    const { world } = site;
    for (const family of world.families) {
      world.address(world.robot, 'up0', 'del', world.at(1, 2, family));
      world.address(world.robot, 'up0', 'add', world.at(1, 3, family));
    }
    world.route('robot', 1);
    await site.removal(since);
    await viewer.receives(30, 90);
    console.log(`# robot's address: ${
      Math.round(performance.now() - since)} ms`);
    await viewer.stop();
  });
});
