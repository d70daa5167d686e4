// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Interfaces of the robot that come, change and go while somebody watches: the
// picture that goes over another one goes on, and one that went over it is back
// by the next offer.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { sleep } from '../bench/lib/common.mjs';
import { Site, until } from './site.mjs';
import { network } from './world.mjs';

network('interfaces of the robot', () => {
  let site;
  const ip = (...args) => site.world.inside(site.world.robot, 'ip', ...args);
  // A second way to the viewer: the middle's side of it is there as well.
  const secondWay = () => {
    const { world } = site;
    ip('link', 'add', 'up1', 'type', 'veth', 'peer', 'name', 'second', 'netns',
      world.middle);
    for (const [name, device, host] of [[world.robot, 'up1', 2],
      [world.middle, 'second', 1]]) {
      world.inside(name, 'ip', 'link', 'set', device, 'up');
      world.address(name, device, 'add', world.at(3, host, 4));
    }
    // Answers leave where the question came in.
    ip('route', 'add', 'default', 'via', world.at(3, 1, 4), 'dev', 'up1',
      'table', '3');
    ip('rule', 'add', 'from', world.at(3, 2, 4), 'table', '3');
  };
  // As it was before.
  const firstWay = () => {
    const { world } = site;
    ip('link', 'del', 'up1');
    for (const family of world.families)
      world.address(world.robot, 'up0', 'add', world.at(1, 2, family));
    world.route('robot', 1);
  };
  // The robot's address to which *viewer* is connected.
  const pairOf = async (viewer) => {
    viewer.say('pair');
    return (await until('a pair', () => viewer.got('pair')[0])).remote.address;
  };
  const add = () => {
    ip('link', 'add', 'spare0', 'type', 'veth', 'peer', 'name', 'spare1');
    ip('addr', 'add', '10.99.0.2/24', 'dev', 'spare0');
    ip('addr', 'add', 'fd99::2/64', 'dev', 'spare0', 'nodad');
    ip('link', 'set', 'spare1', 'up');
    ip('link', 'set', 'spare0', 'up');
  };
  before(async () => {
    site = await Site.open();
    add();
    await site.startRobot();
  });
  after(() => site?.close());

  // A viewer that is gone is let go by its silence: not in the next test.
  const leaves = async (viewer) => {
    const removed = site.robot.removed.length;
    await viewer.stop();
    await until('the viewer is let go', () =>
      site.robot.removed.length > removed, { detail: () => site.robot.log() });
  };

  // The one who watches sees no pause of it, for 5 s: longer than it takes to
  // find that a viewer has vanished.
  const goesOn = (name, act) => it(name, async () => {
    const viewer = site.startViewer();
    await viewer.receives();
    const removed = site.robot.removed.length;
    const { frames } = viewer.seen;
    await act();
    let pause = 0;
    for (let i = 0; i < 25; ++i) {
      await sleep(200);
      pause = Math.max(pause, viewer.seen.pause);
    }
    console.log(`# ${name}: ${viewer.seen.frames - frames} frames in 5 s, ` +
      `longest pause ${pause} ms`);
    assert.equal(site.robot.removed.length, removed, site.robot.log());
    assert.ok(viewer.seen.frames - frames > 100, `${viewer.seen.frames - frames}`);
    await leaves(viewer);
  });

  goesOn('one goes down', () => ip('link', 'set', 'spare0', 'down'));
  goesOn('and comes up again', () => ip('link', 'set', 'spare0', 'up'));
  goesOn('one gets another address', () => {
    ip('addr', 'flush', 'dev', 'spare0');
    ip('addr', 'add', '10.99.0.3/24', 'dev', 'spare0');
  });
  goesOn('one is deleted', () => ip('link', 'del', 'spare0'));
  goesOn('one is added', add);

  for (const [name, over] of [['that it did not go over', false],
    ['that it went over', true]])
    it(`one of two ways goes, ${name}`, async () => {
      secondWay();
      const viewer = site.startViewer({ persist: true });
      await viewer.receives();
      const address = await pairOf(viewer);
      const first = !address.startsWith('10.77.3.');
      const removed = site.robot.removed.length;
      const since = performance.now();
      const up0 = over === first;
      console.log(`# connected to ${address}, ${up0 ? 'up0' : 'up1'} goes`);
      if (up0) {
        ip('addr', 'flush', 'dev', 'up0');
        ip('route', 'replace', 'default', 'via', site.world.at(3, 1, 4));
      } else {
        ip('link', 'del', 'up1');
      }
      if (over)
        await site.removal(since);
      await viewer.receives(60, 30);
      console.log(`# ${name}: ${Math.round(performance.now() - since)} ms`);
      if (!over) {
        await sleep(5000);
        assert.equal(site.robot.removed.length, removed, site.robot.log());
      }
      await leaves(viewer);
      if (up0)
        firstWay();
    });
});
