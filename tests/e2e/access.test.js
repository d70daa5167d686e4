// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What axe-core finds on the page in each of its states, on a desktop and on a
// phone, light and dark: nothing, by WCAG 2.2 A and AA and by good practice.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connect, launch, logIn, textOf, until, untilState } from './browser.js';
import { openLogged, openPage } from './played.js';

const AXE = await readFile(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const CONTEXTS = {
  desktop: {},
  'dark phone': { viewport: { width: 390, height: 664 }, isMobile: true,
    hasTouch: true, colorScheme: 'dark' },
  'zoomed to 400 %': { viewport: { width: 320, height: 256 } },
};

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

async function findings(page) {
  await page.evaluate(AXE); // past the page's policy, as a debugger is
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ['wcag2a',
      'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.map(({ id, nodes }) =>
      `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  });
}

const offered = (more = {}) => event => event === 'offer' ? { ok: true,
  peerId: 'p', robotId: 'robot_1', session: { serverTime: Date.now(),
    expiresAt: Date.now() + 600000, ...more } } : null;

// State by state: how the page is brought there.
const STATES = {
  'log-in': async t => openPage(browser, t, {}, t.context),
  'log-in refused': async t => {
    const page = await openPage(browser, t, {}, t.context);
    await logIn(page, 'ada@example.org', 'wrong');
    await until('a sentence', () => textOf(page, 'login-notice'));
    return page;
  },
  'idle, with bookings': async t => {
    const page = await openLogged(browser, t,
      { onBooking: () => ({ status: 409, json: { code: 'conflict' } }) },
      t.context);
    await page.getByText('Book a robot').click();
    await page.getByRole('button', { name: 'Book', exact: true }).click();
    await until('a sentence', () => textOf(page, 'booking-notice'));
    return page;
  },
  'idle, with nothing': t => openLogged(browser, t,
    { robots: [], bookings: [], role: 'admin' }, t.context),
  connecting: async t => {
    const page = await openLogged(browser, t, { onEvent: offered() },
      t.context);
    await connect(page);
    await until('the time left', () => page.locator('#left').isVisible());
    return page;
  },
  'the last minute': async t => {
    const page = await openLogged(browser, t,
      { onEvent: offered({ expiresAt: Date.now() + 40000 }) }, t.context);
    await connect(page);
    await until('the warning', () => textOf(page, 'notice'));
    return page;
  },
  live: async t => {
    const page = await openLogged(browser, t, {}, t.context);
    await page.getByLabel('Stream type').selectOption('Test stream');
    await connect(page);
    await untilState(page, 'live');
    page.say('picture-limit', { from: 'robot_1', limit: 'loss' });
    return page;
  },
  waiting: async t => {
    const page = await openLogged(browser, t, { onEvent: event =>
      event === 'offer' ? { ok: false, code: 'robot-offline' } : null },
    t.context);
    await connect(page);
    await untilState(page, 'waiting');
    return page;
  },
  'the server gone': async t => {
    const page = await openLogged(browser, t, {}, t.context);
    page.down = true;
    await page.dropLink();
    await until('the loss', async () =>
      await textOf(page, 'link') !== 'Server: connected');
    await connect(page);
    await until('a sentence', () => textOf(page, 'notice'));
    return page;
  },
  refused: async t => {
    const page = await openLogged(browser, t, { onEvent: event =>
      event === 'offer' ? { ok: false, code: 'no-active-booking' } : null },
    t.context);
    await connect(page);
    await untilState(page, 'refused');
    return page;
  },
  'refused with many words': async t => {
    const page = await openLogged(browser, t, { onEvent: (event, _, self) => {
      if (event !== 'offer')
        return null;
      setTimeout(() => self.say('leave', { from: 'robot_1', peerId: 'p',
        reason: `bad-message: ${'many words '.repeat(18)}` }), 50);
      return { ok: true, peerId: 'p', robotId: 'robot_1' };
    } }, t.context);
    await connect(page);
    await untilState(page, 'refused');
    return page;
  },
  ended: async t => {
    const page = await openLogged(browser, t, { onEvent: offered() },
      t.context);
    await connect(page);
    await until('the time left', () => page.locator('#left').isVisible());
    page.say('session-ended', { peerId: 'p', reason: 'revoked' });
    await until('who ended it', async () => /still runs until/
      .test(await textOf(page, 'notice')));
    return page;
  },
};

for (const [where, context] of Object.entries(CONTEXTS)) {
  for (const [state, reach] of Object.entries(STATES)) {
    test(`axe finds nothing: ${state}, ${where}`, async t => {
      t.context = context;
      assert.deepEqual(await findings(await reach(t)), []);
    });
  }
}
