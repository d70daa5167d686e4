// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer page in Chromium, in a namespace of its own: its candidates are
// mDNS names, and after a silence the picture comes back by itself.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { sleep } from '../bench/lib/common.mjs';
import { shown, textOf, until, untilState } from '../e2e/browser.js';
import { openBrowser, openPage } from './page.mjs';
import { Site } from './site.mjs';
import { network } from './world.mjs';

// 30 s with ROBOTLIVE_TEST_LONG, as tests/network.sh sets it.
const SILENCE = process.env.ROBOTLIVE_TEST_LONG ? 30 : 10;

// Notes what the page sends and gets, and each offer's peerId.
const script = () => {
  window.candidates = [];
  const { prototype } = window.RTCPeerConnection;
  const set = Object.getOwnPropertyDescriptor(prototype, 'onicecandidate').set;
  Object.defineProperty(prototype, 'onicecandidate', {
    set(handler) {
      set.call(this, handler && ((event) => {
        if (event.candidate?.candidate)
          window.candidates.push(event.candidate.candidate);
        handler(event);
      }));
    },
  });
};

network('the viewer page', () => {
  let site, browser, page;

  const more = async (count) => {
    const from = (await shown(page)).frames;
    await until(`${count} pictures more`, async () => {
      const { frames } = await shown(page);
      return frames >= from + count || frames < from;
    }, 90000);
  };

  before(async () => {
    site = await Site.open({ families: [4] });
    await site.startRobot();
    browser = await openBrowser(site);
    page = await openPage(browser, site, script);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it('plays although its candidates are names that the robot cannot resolve',
    async () => {
      await more(30);
      const candidates = await page.evaluate(() => window.candidates);
      assert.ok(candidates.length > 0);
      for (const candidate of candidates)
        assert.match(candidate, / [0-9a-f-]+\.local \d+ typ host/);
    });

  for (const side of ['viewer', 'robot'])
    it(`plays again after ${SILENCE} s without a packet to or from the ${side}`,
      async () => {
        const removed = site.robot.removed.length;
        const since = performance.now();
        site.world.silence(side);
        await until('the robot gives the viewer up', () =>
          site.robot.removed.length > removed);
        assert.equal(site.robot.removed.at(-1).reason, 'vanished');
        await sleep(Math.max(0, SILENCE * 1000 - (performance.now() - since)));
        site.world.open();
        const opened = performance.now();
        await untilState(page, 'live', 90000);
        await more(30);
        console.log(`# ${side}: 30 pictures ${
          Math.round(performance.now() - opened)} ms after the silence; page: ${
          await textOf(page, 'link')}`);
      });

  it('stays live while the server is restarted', async () => {
    const removed = site.robot.removed.length;
    site.server.stopping = true;
    site.server.kill('SIGKILL');
    await site.server.ended;
    await more(60);
    await site.startServer();
    await until('the server link', async () =>
      await textOf(page, 'link') === 'Server: connected');
    await more(60);
    assert.equal(site.robot.removed.length, removed);
  });

  it('is gone at the robot when it is closed', async () => {
    const since = performance.now();
    await page.close();
    const { at, reason } = await site.removal(since);
    console.log(`# closed: ${reason} after ${Math.round(at - since)} ms`);
    assert.ok(at - since < 9000);
  });
});
