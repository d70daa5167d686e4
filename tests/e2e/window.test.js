// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Picture in picture: the whole stage in a small window, so that warning, time
// left and reason are seen there; the video alone where the browser has no such
// window. Real server, real robot, real Chromium, real clicks.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, launch, textOf, until, untilDecoded, untilState }
  from './browser.js';
import { assertUntouched, mark, openPage } from './rig.js';
import { Stack } from './stack.js';

const VIEWER = 'viewer@example.org';
const ADMIN = 'admin@example.org';
const ROBOT = 'robot_1';

let browser, stack;
let failed = false;

before(async () => {
  browser = await launch();
  stack = await Stack.start();
  await stack.addUser(VIEWER);
  await stack.addUser(ADMIN, 'admin');
  await stack.addRobot(ROBOT, 'pi');
  await stack.startRobot(ROBOT, { small: true });
  await stack.untilOnline(ADMIN, ROBOT);
});

after(async () => {
  await browser?.close();
  await stack?.close(failed);
});

// A page that watches. *without*: its browser has no small windows.
function watching(name, { without = false } = {}, body) {
  test(name, async t => {
    try {
      await stack.book(VIEWER, ROBOT, 'now', '2h');
      const page = await openPage(browser, stack, t, VIEWER, { robot: ROBOT,
        script: without
          ? () => { delete window.documentPictureInPicture; } : undefined });
      await connect(page);
      await untilState(page, 'live');
      await body(page);
    } catch (error) {
      failed = true;
      throw error;
    }
  });
}

// The stage's buttons are for who moves.
async function click(page, id) {
  await page.locator(`#${id}`).hover();
  await page.locator(`#${id}`).click();
}

async function openWindow(page) {
  const opened = page.context().waitForEvent('page', { timeout: 60000 });
  await click(page, 'pip');
  const small = await opened;
  await small.locator('#stage').waitFor({ timeout: 60000 });
  return small;
}

// *more* pictures are drawn where the stage is now.
const untilDrawn = (where, more) => where.evaluate(n => new Promise(resolve => {
  const video = document.getElementById('video');
  const next = () => n-- > 0 ? video.requestVideoFrameCallback(next) : resolve();
  next();
}), more);

// It can be seen, all of it, and nothing lies on it.
const seen = (where, id) => where.evaluate(name => {
  const element = document.getElementById(name);
  const { top, bottom, left, right } = element.getBoundingClientRect();
  const middle = document.elementsFromPoint((left + right) / 2,
    (top + bottom) / 2).find(one => getComputedStyle(one).pointerEvents
      !== 'none');
  return element.checkVisibility({ opacityProperty: true }) && top >= 0
    && left >= 0 && bottom <= innerHeight && right <= innerWidth
    && (getComputedStyle(element).pointerEvents === 'none'
      || element === middle || element.contains(middle));
}, id);

async function untilBack(page) {
  await until('the stage in the page', () => page.evaluate(() =>
    document.querySelector('.watch > #stage ~ #elsewhere')?.hidden));
}

const offers = async () => (await stack.logged('session-admitted')).length;

watching('time left, warning and reason are seen in the small window', {},
  async page => {
    const before = await offers();
    await mark(page);
    let small = await openWindow(page);
    assert.equal(await page.getByText('The picture is in a small window.')
      .isVisible(), true);
    assert.equal(await page.evaluate(() => document.activeElement.id),
      'bring-back');
    await untilDrawn(small, 10);
    for (const id of ['stage', 'video', 'remaining'])
      assert.equal(await seen(small, id), true, id);
    assert.equal(await small.title(), await page.title());
    // As the page looks, though no inline style is allowed.
    assert.equal(await small.evaluate(() =>
      getComputedStyle(document.body).margin), '0px');
    assert.equal(await small.locator('#fullscreen').isVisible(), false);

    // Each way back: from the page, from the stage, by closing the window.
    const ways = [() => click(page, 'bring-back'), () => click(small, 'pip'),
      () => small.evaluate(() => window.close())];
    for (const [n, way] of ways.entries()) {
      if (n > 0)
        small = await openWindow(page);
      const closed = small.waitForEvent('close', { timeout: 60000 });
      await way().catch(error => {
        if (!small.isClosed())
          throw error;
      });
      await closed;
      await untilBack(page);
      await untilDrawn(page, 10);
      await untilDecoded(page, 10);
      assert.equal(await page.locator('#pip').getAttribute('aria-label'),
        'Picture in picture');
    }
    // No picture was lost for it, and nobody was asked for another.
    await assertUntouched(page);
    assert.equal(await offers(), before);

    small = await openWindow(page);
    await small.setViewportSize({ width: 320, height: 180 });
    const [booking] = await stack.get(VIEWER, '/my-bookings');
    await stack.ask(VIEWER, 'PUT', `/bookings/${booking.id}`,
      { ends_at: Date.now() + 30000 });
    await until('the warning', async () =>
      /^Your session ends in \d+ s, at /.test(await textOf(small, 'notice')));
    for (const id of ['notice', 'remaining'])
      assert.equal(await seen(small, id), true, id);
    // It counts down there.
    const first = await textOf(small, 'remaining');
    await until('fewer seconds', async () =>
      await textOf(small, 'remaining') !== first);
    await until('the reason', async () =>
      /^Your booking is over/.test(await textOf(small, 'notice')));
    assert.equal(await textOf(small, 'state'), 'Ended');
    for (const id of ['notice', 'state'])
      assert.equal(await seen(small, id), true, id);
    assert.equal(await offers(), before);
    // Who logs out leaves nothing open.
    const closed = small.waitForEvent('close', { timeout: 60000 });
    await page.getByRole('button', { name: 'Log out' }).click();
    await closed;
    await page.getByLabel('Password').waitFor({ timeout: 60000 });
    assert.equal(await page.evaluate(() => document.activeElement.id), 'email');
  });

watching('without such a window the video alone goes into one',
  { without: true }, async page => {
    await mark(page);
    await click(page, 'pip');
    await until('picture in picture', () => page.evaluate(() =>
      document.pictureInPictureElement?.id === 'video'));
    assert.equal(await page.locator('#pip').getAttribute('aria-label'),
      'Exit picture in picture');
    assert.equal(page.context().pages().length, 1);
    assert.match(await page.title(), /left · /);
    await click(page, 'pip');
    await until('the video in the page', () => page.evaluate(() =>
      document.pictureInPictureElement === null));
    await untilDecoded(page, 10);
    await assertUntouched(page);
  });
