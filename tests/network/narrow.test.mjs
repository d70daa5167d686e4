// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer page in Chromium behind a path that becomes narrow and wide again:
// what it says, and what it shows. 720p30 at 2 Mbit/s where there is room.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { sleep } from '../bench/lib/common.mjs';
import { shown, until, untilPlaying } from '../e2e/browser.js';
import { openBrowser, openPage } from './page.mjs';
import { HD, Site } from './site.mjs';
import { network } from './world.mjs';

network('a narrow path', () => {
  let site, browser, page;

  const limit = () => page.evaluate(() => {
    const notice = document.getElementById('limit');
    return notice.hidden ? null : notice.textContent;
  });
  const halved = (wanted) => until(`half the pictures: ${wanted}`,
    async () => site.robot.halved === wanted);

  // Pictures a second and the longest time without one, ms.
  async function watch(seconds) {
    const times = await page.evaluate((ms) => new Promise((resolve) => {
      const video = document.getElementById('video');
      const seen = [performance.now()];
      const note = (now) => {
        seen.push(now);
        video.requestVideoFrameCallback(note);
      };
      video.requestVideoFrameCallback(note);
      setTimeout(() => resolve([...seen, performance.now()]), ms);
    }), seconds * 1000);
    return { fps: (times.length - 2) / seconds,
      gap: Math.max(...times.slice(1).map((time, i) => time - times[i])) };
  }

  before(async () => {
    site = await Site.open({ families: [4], source: HD });
    await site.startRobot('stats-interval=1000');
    browser = await openBrowser(site);
    page = await openPage(browser, site);
    await untilPlaying(page);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it('is told of, and no more once it is wide', async () => {
    assert.equal(await limit(), null);
    site.world.narrow(0.8);
    const since = performance.now();
    const text = await until('the notice', limit);
    console.log(`# after ${Math.round(performance.now() - since)} ms: ${text}`);
    assert.match(text, /network limits the picture/i);
    await untilPlaying(page, { fps: 20 });
    assert.equal(site.robot.halved, false);
    site.world.narrow(0);
    const wide = performance.now();
    await until('no notice', async () => await limit() === null);
    console.log(`# gone ${Math.round(performance.now() - wide)} ms after`);
    await untilPlaying(page);
  });

  const recovers = async () => {
    site.world.narrow(0);
    await halved(false);
    await until('no notice', async () => await limit() === null);
    await untilPlaying(page);
    assert.equal((await shown(page)).height, 720);
  };
  const told = (seen) => console.log(`# ${seen.fps.toFixed(1)} pictures a ` +
    `second, longest gap ${Math.round(seen.gap)} ms`);

  it('of 0.4 Mbit/s carries half of the pictures, and then all again',
    async () => {
      site.world.narrow(0.4);
      await halved(true);
      await sleep(4000);
      const seen = await watch(8);
      told(seen);
      assert.ok(seen.fps > 9 && seen.fps < 19, `${seen.fps}`);
      assert.ok(seen.gap < 1500, `${seen.gap} ms`);
      assert.ok(await limit());
      await recovers();
    });

  // Less than the lowest bitrate: what is sent has to fit in all the same.
  it('of 0.3 Mbit/s carries key frames, and then all again', async () => {
    site.world.narrow(0.3);
    await halved(true);
    await until('key frames alone', async () =>
      site.robot.thinning === 'key-frames');
    await sleep(2000);
    const seen = await watch(8);
    told(seen);
    assert.ok(seen.fps > 0.6, `${seen.fps}`);
    assert.ok(seen.gap < 3000, `${seen.gap} ms`);
    assert.ok(await limit());
    await recovers();
  });
});
