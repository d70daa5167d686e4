// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page alone, in Chromium: files from the tree, the server's answers and
// its Socket.IO link played by this test. What each refusal looks like, what
// the keyboard finds, how it fits a phone. What a screen reader finds is in
// access.test.js.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, disconnect, launch, logIn, stateOf, textOf, until, untilPlaying,
  untilState } from './browser.js';
import { openLogged, openPage } from './played.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

const open = (t, server, context) => openPage(browser, t, server, context);
const openLoggedIn = (t, server, context) =>
  openLogged(browser, t, server, context);

const overflow = page => page.evaluate(() =>
  document.documentElement.scrollWidth - document.documentElement.clientWidth);

test('a wrong password is told, and the field is ready again', async t => {
  const page = await open(t);
  await logIn(page, 'ada@example.org', 'wrong');
  await until('a sentence', async () =>
    await page.getByRole('alert').textContent()
      === 'Wrong e-mail address or password.');
  assert.equal(await page.evaluate(() => document.activeElement.id),
    'password');
  await page.keyboard.type('right');
  await page.keyboard.press('Enter');
  await until('the viewer', () => page.getByLabel('Robot', { exact: true }).isVisible());
});

for (const [status, sentence] of [[429, /Too many attempts/],
  [503, /try again later/], [500, /error \(500\)/]]) {
  test(`log-in answered ${status}`, async t => {
    const page = await open(t, { login: status });
    await logIn(page, 'ada@example.org', 'right');
    await until('a sentence', async () =>
      sentence.test(await textOf(page, 'login-notice')));
  });
}

test('robots and bookings are listed, the booked robot is chosen', async t => {
  const page = await openLoggedIn(t);
  await until('robots', async () => (await page.getByLabel('Robot', { exact: true })
    .locator('option').allTextContents()).join('|')
      === 'Greenhouse (robot_1), online|robot_2, offline');
  assert.equal(await page.getByLabel('Robot', { exact: true }).inputValue(), 'robot_1');
  const bookings = await page.getByRole('listitem').allTextContents();
  assert.equal(bookings.length, 1);
  assert.match(bookings[0], /Greenhouse(today|on) .* until .*Now/);
  assert.equal(await page.getByRole('button', { name: 'Disconnect' })
    .isEnabled(), false);
});

test('a robot is booked and a booking cancelled, or it is told why not', async t => {
  const asked = [];
  const page = await openLoggedIn(t, { bookings: [],
    onBooking: (method, path, body, answers) => {
      asked.push([method, path, body]);
      if (asked.length === 1)
        return { status: 409, json: { code: 'conflict',
          message: 'the robot is booked by another at that time',
          next_free: { starts_at: new Date('2031-03-30T15:00').getTime(),
            ends_at: new Date('2031-03-30T15:45').getTime() } } };
      answers['/my-bookings'] = method === 'DELETE' ? []
        : [{ id: 7, ...body, status: 'active' }];
      return { status: method === 'DELETE' ? 200 : 201, json: {} };
    } });
  await until('the list', async () =>
    await page.getByText('You have no bookings.').isVisible());
  await page.getByText('Book a robot').click();
  await page.getByLabel('Robot to book').selectOption('robot_2');
  await page.getByLabel('Minutes').fill('45');
  await page.getByLabel('Start (empty: now)').fill('2031-03-30T14:15');
  const book = page.getByRole('button', { name: 'Book', exact: true });
  await book.click();
  await until('the reason', async () =>
    /^Somebody else has booked this robot for that time\. The next free time is .*3:00 PM.* 3:45 PM/
      .test(await textOf(page, 'booking-notice')));
  await book.click();
  const item = page.getByRole('listitem').filter({ hasText: 'robot_2' });
  await until('the booking', async () => await item.isVisible());
  const start = await page.evaluate(() =>
    new Date('2031-03-30T14:15').getTime());
  assert.deepEqual(asked[1], ['POST', '/bookings', { robot_id: 'robot_2',
    starts_at: start, ends_at: start + 45 * 60000 }]);
  await until('the good news', async () => /^robot_2 is yours on .* at .* until /
    .test(await textOf(page, 'booking-notice')));
  page.once('dialog', dialog => dialog.accept());
  await item.getByRole('button', { name: /^Cancel the booking on / }).click();
  await until('no booking', async () =>
    await page.getByText('You have no bookings.').isVisible());
  assert.deepEqual(asked[2], ['DELETE', '/bookings/7', null]);
});

test('who may not book is offered no form', async t => {
  const page = await openLoggedIn(t);
  await until('the list', async () =>
    await page.getByRole('listitem').count() === 1);
  assert.equal(await page.getByText('Book a robot').isVisible(), false);
  assert.equal(await page.getByRole('button', { name: /Cancel/ }).count(), 0);
});

test('hostile names stay text', async t => {
  const name = '<img src=x onerror=alert(1)>';
  const page = await openLoggedIn(t, {
    robots: [{ id: name, name, online: true }],
    bookings: [{ id: 1, robot_id: name, starts_at: 1, ends_at: 9e12 }] });
  await until('the booking', async () => (await page.getByRole('listitem')
    .allTextContents()).some(content => content.includes(name)));
  assert.equal(await page.locator('#viewer img').count(), 0);
});

const next = Date.now() + 3600000;
for (const [code, sentence, more] of [
  ['unauthorized', /log in again/],
  ['forbidden', /not allowed to watch/],
  ['no-active-booking', /no booking .* Your next one starts (today|tomorrow|on) .*/,
    { nextBooking: { startsAt: next, endsAt: next + 60000 } }],
  ['unknown-robot', /no robot of this name/],
  ['bad-message', /no video format in common/],
  ['too-large', /too large/],
]) {
  test(`offer refused for good: ${code}`, async t => {
    const page = await openLoggedIn(t, { onEvent: (event, payload, self) => {
      if (event !== 'offer')
        return null;
      self.say('error', { code, message: 'm', event, to: payload.to, ...more });
      return { ok: false, code, message: 'm' };
    } });
    await connect(page);
    await untilState(page, 'refused');
    assert.match(await page.getByRole('alert').textContent(), sentence);
    assert.equal(await page.getByRole('button',
      { name: 'Connect Video Feed' }).isEnabled(), true);
  });
}

for (const [code, sentence] of [
  ['robot-offline', /starts by itself/],
  ['busy', /as many viewers as it can. Trying again in \d+ s/],
  ['rate-limited', /Too many requests. Trying again in \d+ s/],
  ['unavailable', /cannot check bookings .* Trying again/],
  ['internal', /internal error. Trying again/],
]) {
  test(`offer refused for now: ${code}`, async t => {
    let offers = 0;
    const page = await openLoggedIn(t, { onEvent: event => {
      offers += event === 'offer';
      return event === 'offer' ? { ok: false, code, message: 'm' } : null;
    } });
    await connect(page);
    await untilState(page, 'waiting');
    assert.match(await page.getByRole('alert').textContent(), sentence);
    assert.equal(await page.getByRole('button', { name: 'Disconnect' })
      .isEnabled(), true);
    const before = offers;
    page.say('robot-available', { userId: 'robot_1' });
    await until('another offer', async () => offers > before);
    await disconnect(page);
    assert.equal(await stateOf(page), 'idle');
  });
}

test('the end is announced and explained', async t => {
  const end = Date.now() + 45000;
  const page = await openLoggedIn(t, { bookings: [], onEvent: event => event === 'offer'
    ? { ok: true, peerId: 'p', robotId: 'robot_1', expiresAt: end,
      serverTime: Date.now() } : null });
  await connect(page);
  await until('the offer', async () =>
    /^0:4\d$/.test(await textOf(page, 'remaining')));
  page.say('session-expiring', { peerId: 'p', robotId: 'robot_1',
    expiresAt: end, serverTime: Date.now() });
  await until('a notice', async () => /Your session ends in 4\d s, at /
    .test(await textOf(page, 'notice')));
  page.say('session-updated', { peerId: 'p', session: { role: 'viewer',
    notBefore: 0, expiresAt: end + 600000, serverTime: Date.now() } });
  await until('the notice to go', async () =>
    await textOf(page, 'notice') === ''
      && /^10:\d\d$/.test(await textOf(page, 'remaining')));
  page.say('session-ended', { peerId: 'p', robotId: 'robot_1',
    reason: 'expired' });
  await untilState(page, 'ended');
  assert.match(await textOf(page, 'notice'), /Your booking is over/);
});

test('the page says when the network limits the picture', async t => {
  const page = await openLoggedIn(t, { onEvent: event => event === 'offer'
    ? { ok: true, peerId: 'p', robotId: 'robot_1',
      expiresAt: Date.now() + 600000, serverTime: Date.now() } : null });
  const limit = page.locator('#limit');
  assert.equal(await limit.isVisible(), false);
  await connect(page);
  await until('the offer', async () =>
    /^\d+:\d\d$/.test(await textOf(page, 'remaining')));
  page.say('picture-limit', { from: 'robot_1', peerId: 'other',
    limit: 'delay' });
  page.say('picture-limit', { from: 'robot_1', peerId: 'p', limit: 'loss' });
  await until('the sentence', async () => await textOf(page, 'limit')
    === 'The network limits the picture. The connection loses data.');
  assert.equal(await limit.isVisible(), true);
  page.say('picture-limit', { from: 'robot_1', peerId: 'p', limit: 'none' });
  await until('the sentence to go', async () => !await limit.isVisible());
  page.say('picture-limit', { from: 'robot_1', peerId: 'p', limit: 'delay' });
  await until('another sentence', () => limit.isVisible());
  await disconnect(page);
  assert.equal(await limit.isVisible(), false);
});

test('a lost link comes back by itself', async t => {
  const page = await openLoggedIn(t);
  const links = page.links;
  await page.dropLink();
  await until('a new link', async () => page.links > links
    && await textOf(page, 'link') === 'Server: connected');
});

test('a token that is refused leads back to the log-in', async t => {
  const page = await openLoggedIn(t);
  page.say('registered', { success: false, code: 'unauthorized' });
  await until('the log-in', () => page.getByLabel('Password').isVisible());
  assert.match(await textOf(page, 'login-notice'), /log in again/);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('the test stream plays without any robot', async t => {
  const page = await openLoggedIn(t);
  await page.getByLabel('Stream type').selectOption('Test stream');
  await connect(page);
  await untilState(page, 'live');
  const picture = await untilPlaying(page, { frames: 30, fps: 5 });
  assert.ok(picture.width > 0 && picture.height * 16 === picture.width * 9);
  await until('figures', async () => /fps/.test(await textOf(page, 'fps')));
  await disconnect(page);
  assert.equal(await stateOf(page), 'idle');
  assert.equal(await page.evaluate(() =>
    document.getElementById('video').srcObject), null);
});

test('logging out forgets everything', async t => {
  const page = await openLoggedIn(t);
  await page.getByRole('button', { name: 'Log out' }).click();
  await until('the log-in', () => page.getByLabel('Password').isVisible());
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.reload();
  assert.equal(await page.getByLabel('Password').isVisible(), true);
});

test('everything has a name, and the keyboard reaches it', async t => {
  const page = await openLoggedIn(t);
  const nameless = await page.evaluate(() => [...document.querySelectorAll(
    'input, select, button, video, img, section, [role]')].filter(element =>
    !(element.labels?.length || element.ariaLabel || element.hasAttribute('alt')
      || element.getAttribute('aria-labelledby')
      || element.textContent.trim() || element.hidden
      || element.getAttribute('role'))).map(element => element.outerHTML));
  assert.deepEqual(nameless, []);
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  assert.equal(await page.getByRole('main').count(), 1);
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  assert.equal(await page.getByRole('status').count(), 2);
  await page.evaluate(() => document.activeElement.blur());
  const reached = [];
  for (let n = 0; n < 8; n++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id));
  }
  for (const id of ['logout', 'robot', 'type', 'connect'])
    assert.ok(reached.includes(id), `${id} in ${reached}`);
  await page.getByRole('button', { name: 'Connect Video Feed' }).focus();
  const ring = await page.evaluate(() =>
    getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(ring, 'solid');
});

for (const colorScheme of ['light', 'dark']) {
  test(`text can be read, ${colorScheme}`, async t => {
    const page = await openLoggedIn(t, {}, { colorScheme });
    const weak = await page.evaluate(() => {
      const numbers = colour => colour.match(/[\d.]+/g).map(Number);
      const luminance = colour => {
        const [r, g, b] = numbers(colour).map(value => value / 255)
          .map(value => value <= 0.03928 ? value / 12.92
            : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const back = element => {
        for (let e = element; e; e = e.parentElement) {
          const colour = getComputedStyle(e).backgroundColor;
          if ((numbers(colour)[3] ?? 1) === 1)
            return colour;
        }
        return 'rgb(255, 255, 255)';
      };
      return [...document.querySelectorAll('.bar *, .side *, .figures *')]
        .filter(element => element.checkVisibility() && !element.disabled
          && element.children.length === 0 && element.textContent.trim())
        .map(element => {
          const [a, b] = [luminance(getComputedStyle(element).color),
            luminance(back(element))].sort((x, y) => y - x);
          return { text: element.textContent.trim(),
            ratio: (a + 0.05) / (b + 0.05) };
        })
        .filter(({ ratio }) => ratio < 4.5);
    });
    assert.deepEqual(weak, []);
  });
}

test('fits a phone without scrolling sideways', async t => {
  const page = await openLoggedIn(t, {},
    { viewport: { width: 390, height: 640 }, isMobile: true, hasTouch: true });
  assert.ok(await overflow(page) <= 0);
  const small = await page.evaluate(() => [...document.querySelectorAll(
    'main button, main select')].filter(element => element.checkVisibility())
    .filter(element => element.getBoundingClientRect().height < 43)
    .map(element => element.id));
  assert.deepEqual(small, []);
  // The widest figures that the page shows stay in their boxes.
  const cut = await page.evaluate(() => [...document.querySelectorAll(
    '.figures dd')].filter(figure => {
    figure.textContent = '1280 × 720';
    return figure.scrollWidth > figure.clientWidth;
  }).length);
  assert.equal(cut, 0);
  const wide = await page.evaluate(() =>
    document.getElementById('stage').getBoundingClientRect().width);
  assert.ok(wide > 300, `${wide}`);
});

test('a locked account is told for how long', async t => {
  const page = await open(t, { login: 429, retryAfter: 897 });
  await logIn(page, 'ada@example.org', 'right');
  await until('a sentence', async () =>
    /^Too many failed log-ins\. Please try again in 15 minutes, at .*\d/
      .test(await textOf(page, 'login-notice')));
  assert.equal(await page.getByRole('button', { name: 'Log in' }).isEnabled(),
    true);
});

test('works under any path behind a proxy', async t => {
  const page = await openLoggedIn(t, {}, { base: '/lab/robots/' });
  await until('robots', async () =>
    await page.locator('#robot option').count() === 2);
  assert.equal(await page.evaluate(() =>
    performance.getEntriesByType('resource')
      .filter(({ name }) => !name.includes('/lab/robots/')).length), 0);
});

for (const [hash, robot] of [['#/robot/robot_2', 'robot_2'],
  ['?robot=robot_2', 'robot_2'], ['#/robot/robot%209', 'robot 9']]) {
  test(`a link leads to its robot after the log-in, ${hash}`, async t => {
    const page = await openLoggedIn(t, {}, { hash });
    await until('robots', async () =>
      await page.locator('#robot option').count() >= 2);
    const chosen = () => page.getByLabel('Robot', { exact: true }).inputValue();
    assert.equal(await chosen(), robot);
    await page.getByLabel('Robot', { exact: true }).selectOption('robot_1');
    assert.match(page.url(), /#\/robot\/robot_1$/);
    await page.reload();
    await until('robots', async () =>
      await page.locator('#robot option').count() >= 2);
    assert.equal(await chosen(), 'robot_1');
    await page.evaluate(() => { location.hash = '#/robot/robot_2'; });
    await until('the other robot', async () => await chosen() === 'robot_2');
  });
}

test('a server that is gone is told at once, and forgotten when it is back',
  async t => {
    const page = await openLoggedIn(t);
    page.down = true;
    await page.dropLink();
    await until('the loss', async () =>
      await textOf(page, 'link') !== 'Server: connected');
    await connect(page);
    await until('the sentence', async () =>
      /^The server cannot be reached\. The picture starts by itself/
        .test(await textOf(page, 'notice')), 2000);
    assert.equal(await stateOf(page), 'connecting');
    page.down = false;
    await until('the notice to go', async () =>
      await textOf(page, 'notice') === ''
        && await textOf(page, 'link') === 'Server: connected');
    await disconnect(page);
  });

test('the page registers with its instance and its peers', async t => {
  const registered = [];
  const page = await openLoggedIn(t, { onEvent: (event, payload) => {
    if (event === 'register')
      registered.push(payload);
    return event === 'offer' ? { ok: true, peerId: 'p', robotId: 'robot_1',
      session: { expiresAt: Date.now() + 600000, serverTime: Date.now() } }
      : null;
  } });
  await connect(page);
  await until('the offer', async () =>
    /^\d+:\d\d$/.test(await textOf(page, 'remaining')));
  const peers = () => registered.at(-1).peers.join();
  assert.equal(peers(), '');
  await page.dropLink();
  await until('its peer', () => peers() === 'p');
  await page.reload();
  await until('the page that has none yet', () => peers() === '');
  // A link that is slow to come up is tried, and registers, again.
  assert.ok(registered.length >= 3);
  const [{ instance }] = registered;
  assert.match(instance, /^[0-9a-f]{32}$/);
  assert.ok(registered.every(one => one.instance === instance));
  // A tab that is duplicated has a copy of the store, and is another.
  assert.equal(await page.evaluate(() =>
    sessionStorage.getItem('robotlive.instance')), null);
  await disconnect(page);
});

for (const [name, left, sentence] of [
  ['a booking that is gone', [], /^Your booking was cancelled/],
  ['a booking that still runs', undefined,
    /^An administrator has ended this session\. Your booking still runs until/],
]) {
  test(`who ended the session is told: ${name}`, async t => {
    const end = Date.now() + 600000;
    let answers;
    const page = await openLoggedIn(t, {
      onBooking: (method, path, body, all) => {
        answers = all;
        return { status: 200, json: {} };
      },
      onEvent: event => event === 'offer' ? { ok: true, peerId: 'p',
        robotId: 'robot_1', session: { expiresAt: end,
          serverTime: Date.now() } } : null });
    await page.evaluate(() => fetch('/bookings/none'));
    await connect(page);
    await until('the offer', async () =>
      /^\d+:\d\d$/.test(await textOf(page, 'remaining')));
    answers['/my-bookings'] = left ?? answers['/my-bookings'];
    page.say('session-ended', { peerId: 'p', robotId: 'robot_1',
      reason: 'revoked' });
    await untilState(page, 'ended');
    await until('who', async () => sentence.test(await textOf(page, 'notice')));
  });
}

test('a robot that does not trust the server is the operator\'s matter',
  async t => {
    const page = await openLoggedIn(t, { onEvent: (event, payload, self) => {
      if (event !== 'offer')
        return null;
      setTimeout(() => self.say('leave', { from: 'robot_1', peerId: 'p',
        reason: 'grant-refused' }), 50);
      return { ok: true, peerId: 'p', robotId: 'robot_1' };
    } });
    await connect(page);
    await untilState(page, 'refused');
    assert.match(await textOf(page, 'notice'),
      /does not trust this server’s key.*not your fault.*operator/);
  });

test('warning, time left and reason stand inside the stage and in the title',
  async t => {
    const end = Date.now() + 40000;
    const page = await openLoggedIn(t, { bookings: [], onEvent: event => event === 'offer'
      ? { ok: true, peerId: 'p', robotId: 'robot_1', session: { expiresAt: end,
        serverTime: Date.now() } } : null });
    assert.equal(await page.title(), 'Robot live video');
    await connect(page);
    // Without a word of the server, too: its link may be away.
    await until('the warning', async () => /^Your session ends in \d+ s, at /
      .test(await textOf(page, 'notice')));
    // One number, not two that contradict each other.
    for (let n = 0; n < 3; n++) {
      const [seconds, left] = await page.evaluate(() => [
        document.getElementById('notice').textContent.match(/in (\d+) s/)[1],
        document.getElementById('remaining').textContent]);
      assert.equal(left, `0:${seconds.padStart(2, '0')}`);
      await new Promise(resolve => setTimeout(resolve, 1100));
    }
    assert.match(await page.title(), /^Connecting, 0:\d\d left · Greenhouse · /);
    await page.evaluate(() =>
      document.getElementById('stage').requestFullscreen());
    const seen = id => page.evaluate(name => {
      const element = document.getElementById(name);
      const { top, bottom, left, right } = element.getBoundingClientRect();
      return document.fullscreenElement.contains(element)
        && element.checkVisibility() && top >= 0 && left >= 0
        && bottom <= innerHeight && right <= innerWidth;
    }, id);
    for (const id of ['notice', 'remaining', 'state'])
      assert.equal(await seen(id), true, id);
    page.say('session-ended', { peerId: 'p', robotId: 'robot_1',
      reason: 'expired' });
    await untilState(page, 'ended');
    assert.match(await textOf(page, 'notice'), /^Your booking is over/);
    assert.equal(await seen('notice'), true);
    assert.match(await page.title(), /^Ended · Greenhouse · /);
  });

test('the focus is never lost', async t => {
  const page = await openLoggedIn(t, { bookings: [{ id: '1',
    robot_id: 'robot_1', starts_at: Date.now() - 60000,
    ends_at: Date.now() + 540000 }],
  onBooking: (method, path, body, answers) => {
    answers['/my-bookings'] = [];
    return { status: 200, json: {} };
  },
  onEvent: event => event === 'offer' ? { ok: true, peerId: 'p',
    robotId: 'robot_1' } : null });
  const focused = () => page.evaluate(() => document.activeElement.id);
  assert.equal(await focused(), 'viewer-title');
  await page.getByRole('button', { name: 'Connect Video Feed' }).focus();
  await page.keyboard.press('Enter');
  await until('the next button', async () => await focused() === 'disconnect');
  await page.keyboard.press('Enter');
  await until('the first button', async () => await focused() === 'connect');
  await page.keyboard.press('Enter');
  page.say('session-ended', { peerId: 'p', robotId: 'robot_1',
    reason: 'revoked' });
  await untilState(page, 'ended');
  assert.equal(await focused(), 'connect');
  page.once('dialog', dialog => dialog.accept());
  await page.getByRole('button', { name: /^Cancel the booking/ }).focus();
  await page.keyboard.press('Enter');
  await until('the heading', async () => await focused() === 'bookings-title');
  assert.match(await textOf(page, 'booking-notice'), /was cancelled/);
});

for (const viewport of [{ width: 390, height: 664 },
  { width: 360, height: 560 }, { width: 375, height: 667 }]) {
  test(`stage and Connect are in view, ${viewport.width}x${viewport.height}`,
    async t => {
      const page = await openLoggedIn(t, {},
        { viewport, isMobile: true, hasTouch: true });
      await until('robots', async () =>
        await page.locator('#robot option').count() === 2);
      for (const id of ['stage', 'robot', 'connect', 'disconnect']) {
        const { top, bottom } = await page.evaluate(name =>
          document.getElementById(name).getBoundingClientRect().toJSON(), id);
        assert.ok(top >= 0 && bottom <= viewport.height, `${id}: ${bottom}`);
      }
    });
}

test('Tokyo is told its own time', async t => {
  const start = Date.UTC(2031, 2, 30, 14, 0);
  const page = await openLoggedIn(t, { bookings: [{ id: '1',
    robot_id: 'robot_1', starts_at: start, ends_at: start + 3600000 }] },
  { locale: 'de-DE', timezoneId: 'Asia/Tokyo' });
  await until('the zone', async () =>
    /Asia\/Tokyo \(.+\)/.test(await textOf(page, 'zone')));
  assert.match(await textOf(page, 'bookings'),
    /30\. März 2031 at 23:00 until .*31\. März 2031 at 00:00/);
});

test('a robot that the operator has to look at is told', async t => {
  const page = await openLoggedIn(t, { robots: [
    { id: 'robot_1', name: 'Arm', online: true,
      refusesGrants: { since: 1, count: 3 } },
    { id: 'robot_2', name: 'Leg', online: true, duplicates: [] }] });
  await until('the sentence', async () =>
    /does not trust this server’s key/.test(await textOf(page, 'trouble')));
  await page.getByLabel('Robot', { exact: true }).selectOption('robot_2');
  await until('nothing', async () => await textOf(page, 'trouble') === '');
});

test('a session that ends before the booking goes on by itself, once', async t => {
  let offers = 0;
  const page = await openLoggedIn(t, { onEvent: event => {
    offers += event === 'offer';
    return event === 'offer' ? { ok: true, peerId: `p${offers}`,
      robotId: 'robot_1', session: { expiresAt: Date.now() + 3000,
        serverTime: Date.now() } } : null;
  } });
  await connect(page);
  await until('the offer', async () =>
    /^\d+:\d\d$/.test(await textOf(page, 'remaining')));
  page.say('session-ended', { peerId: 'p1', reason: 'expired' });
  await until('another offer', () => offers === 2);
  await untilState(page, 'connecting');
  await until('its answer', async () =>
    /^Your session ends/.test(await textOf(page, 'notice')));
  page.say('session-ended', { peerId: 'p2', reason: 'expired' });
  await untilState(page, 'ended');
  assert.match(await textOf(page, 'notice'), /^Your booking is over/);
});
