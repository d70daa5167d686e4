// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A picture that nobody can see at the moment is live all the same: the stage
// is scrolled out, the page zoomed, the tab in the background, the browser
// refuses to play. Real server, real robot, real Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, spy, stateOf, textOf, until, untilDecoded, untilState }
  from './browser.js';
import { Tabs, assertUntouched, linked, mark, openPage } from './rig.js';
import { PASSWORD, Stack } from './stack.js';

const VIEWER = 'viewer@example.org';
const ROBOT = 'robot_garden_001';
// Longer than the page waits for a first picture and for one that has stopped.
const PATIENCE = 17000;

let browser;
let stack;
let robot;
let failed = false;

before(async () => {
  stack = await Stack.start();
  await stack.addUser(VIEWER);
  await stack.addRobot(ROBOT, 'garden');
  await stack.book(VIEWER, ROBOT, 'now', '2h');
  robot = await stack.startRobot(ROBOT, { small: true });
  browser = await launch();
  await stack.untilOnline(VIEWER, ROBOT);
});

after(async () => {
  await browser?.close();
  await stack?.close(failed);
});

function offscreen(name, body) {
  test(name, async t => {
    try {
      await body(t);
    } catch (error) {
      failed = true;
      throw error;
    }
  });
}

// As a program does it: nothing is scrolled into view.
const press = page =>
  page.evaluate(() => document.getElementById('connect').click());

async function staysLive(page, patience = PATIENCE) {
  await untilState(page, 'live');
  await mark(page);
  const end = Date.now() + patience;
  while (Date.now() < end)
    await untilDecoded(page, 15);
  await assertUntouched(page);
}

const stageInView = page => page.evaluate(() => {
  const { top, bottom } =
    document.getElementById('stage').getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
});

const scrollDown = page => page.evaluate(() =>
  window.scrollTo(0, document.documentElement.scrollHeight));

const SIZES = {
  'on a phone, scrolled down': { viewport: { width: 375, height: 400 },
    isMobile: true, hasTouch: true },
  'at 200 % zoom in a low window': { viewport: { width: 640, height: 200 },
    deviceScaleFactor: 2 },
  'at 400 % zoom': { viewport: { width: 320, height: 150 },
    deviceScaleFactor: 4 },
};

offscreen('the stage is out of view: live, and after a reload as well',
  async t => {
    const pages = [];
    for (const context of Object.values(SIZES))
      pages.push(await openPage(browser, stack, t, VIEWER,
        { robot: ROBOT, context }));
    for (const page of pages) {
      await scrollDown(page);
      await until('the stage out of view', async () =>
        !await stageInView(page));
      await press(page);
    }
    await Promise.all(pages.map(page => staysLive(page)));
    // Chromium brings the scroll position back before there is a picture.
    for (const page of pages) {
      assert.equal(await stageInView(page), false);
      await page.reload();
    }
    await Promise.all(pages.map(page => staysLive(page, 3000)));
    for (const page of pages) {
      assert.equal(await page.evaluate(() =>
        document.getElementById('video').paused), false);
    }
  });

offscreen('a browser that refuses to play: live, with a button to play',
  async t => {
    const page = await openPage(browser, stack, t, VIEWER, { robot: ROBOT,
      script: () => {
        window.refuse = true;
        const { play } = HTMLMediaElement.prototype;
        HTMLMediaElement.prototype.play = function (...args) {
          return window.refuse
            ? Promise.reject(new DOMException('no', 'NotAllowedError'))
            : play.apply(this, args);
        };
        addEventListener('DOMContentLoaded', () =>
          document.getElementById('video').removeAttribute('autoplay'));
      } });
    const wrong = [];
    page.on('pageerror', error => wrong.push(error));
    await press(page);
    await staysLive(page);
    assert.equal(await page.evaluate(() =>
      document.getElementById('video').paused), true);
    assert.equal(await textOf(page, 'notice'), '');
    await page.evaluate(() => { window.refuse = false; });
    await page.getByRole('button', { name: 'Play' }).click();
    await until('the picture', () => page.evaluate(() => {
      const video = document.getElementById('video');
      return !video.paused && video.videoWidth === 320;
    }));
    assert.equal(await page.getByRole('button', { name: 'Play' }).isVisible(),
      false);
    assert.deepEqual(wrong, []);
  });

offscreen('a hidden tab goes live, stays live, and comes back by itself',
  async t => {
    const tabs = await Tabs.start(t);
    const page = await tabs.open(`${stack.origin}/#/robot/${ROBOT}`, spy);
    const hidden = () => page.evaluate(() => document.hidden);
    await until('the log-in', () => page.evaluate(() =>
      document.getElementById('login')?.hidden === false));
    await page.evaluate((email, password) => {
      document.getElementById('email').value = email;
      document.getElementById('password').value = password;
      document.getElementById('login-form').requestSubmit();
    }, VIEWER, PASSWORD);
    await linked(page);
    const other = await tabs.open('about:blank');
    await until('the tab hidden', hidden);
    await press(page);
    await staysLive(page);
    assert.equal(await hidden(), true);
    assert.equal(await page.evaluate(() => /^Live, .* left/
      .test(document.title)), true);
    // The robot is gone and comes back; nobody looks.
    await robot.stop('SIGKILL');
    await until('an interruption', async () => await stateOf(page) !== 'live');
    robot = await stack.startRobot(ROBOT, { small: true });
    await staysLive(page, 3000);
    assert.equal(await hidden(), true);
    await page.front();
    await until('the tab in front', async () => !await hidden());
    await until('the picture', () => page.evaluate(() =>
      !document.getElementById('video').paused));
    await assertUntouched(page);
    await other.front();
  });
