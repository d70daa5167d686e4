// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page alone, in Chromium: files from the tree, the server's answers and
// its Socket.IO link played by this test. What each refusal looks like, what
// the keyboard and a screen reader find, how it fits a phone.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connect, disconnect, launch, logIn, stateOf, textOf, until, untilPlaying,
  untilState, watch } from './browser.js';

const ORIGIN = 'http://robotlive.test';
const WEB = new URL('../../signaling/web/', import.meta.url);
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css',
  svg: 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; "
  + "img-src 'self'; connect-src 'self' ws:; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'";

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

// A page whose server is *server*: {login, robots, bookings, onEvent}.
async function open(t, server = {}, context = {}) {
  const tab = await browser.newContext(context);
  t.after(() => tab.close());
  const page = await tab.newPage();
  const wrong = watch(page, ORIGIN);
  t.after(() => assert.deepEqual(wrong, []));
  const now = Date.now();
  const answers = {
    '/robots': server.robots ?? [
      { id: 'robot_1', robot_type: 'pi', name: 'Greenhouse', online: true },
      { id: 'robot_2', robot_type: 'pi', name: 'robot_2', online: false }],
    '/my-bookings': server.bookings ?? [{ id: '1', robot_id: 'robot_1',
      starts_at: now - 60000, ends_at: now + 540000, status: 'active' }],
  };
  await page.route('**', async route => {
    const { pathname } = new URL(route.request().url());
    if (pathname === '/auth/login') {
      const { password } = route.request().postDataJSON();
      const status = server.login ?? (password === 'right' ? 200 : 401);
      await route.fulfill({ status, json: status === 200
        ? { access_token: 'secret', token_type: 'bearer', user: { id: 'u1',
          name: 'Ada', email: 'ada@example.org', role: 'viewer',
          may_book: Boolean(server.onBooking) } }
        : { code: 'unauthorized', message: 'no' } });
    } else if (/^\/bookings(\/|$)/.test(pathname)) {
      const request = route.request();
      await route.fulfill(server.onBooking(request.method(), pathname,
        request.postDataJSON(), answers));
    } else if (answers[pathname]) {
      await route.fulfill({ json: answers[pathname] });
    } else {
      const name = pathname === '/' ? 'index.html' : pathname.slice(1);
      await route.fulfill({
        body: await readFile(new URL(name, WEB)),
        headers: { 'Content-Type': TYPES[name.split('.').pop()],
          'Content-Security-Policy': POLICY } });
    }
  });
  page.links = 0;
  await page.routeWebSocket(/\/socket\.io\//, link => {
    page.links++;
    page.dropLink = () => link.close();
    page.say = (event, payload) =>
      link.send('42' + JSON.stringify([event, payload]));
    link.send('0{"sid":"x","upgrades":[],"pingInterval":25000,'
      + '"pingTimeout":20000,"maxPayload":1000000}');
    link.onMessage(packet => {
      if (packet.startsWith('40'))
        link.send('40{"sid":"y"}');
      const match = /^42(\d*)(\[.*)$/s.exec(packet);
      if (!match)
        return;
      const [event, payload] = JSON.parse(match[2]);
      if (event === 'register')
        page.say('registered', { success: true, userId: 'u1',
          userType: 'viewer', serverTime: Date.now() });
      const answer = server.onEvent?.(event, payload, page);
      if (match[1] && answer)
        link.send(`43${match[1]}${JSON.stringify([answer])}`);
    });
  });
  await page.goto(ORIGIN);
  return page;
}

async function openLoggedIn(t, server, context) {
  const page = await open(t, server, context);
  await logIn(page, 'ada@example.org', 'right');
  await until('the server link', async () =>
    await textOf(page, 'link') === 'Server: connected');
  return page;
}

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
  assert.match(bookings[0], /robot_1today at .* until .*Now/);
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
          message: 'the robot is booked by another at that time' } };
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
  await until('the reason', async () => await textOf(page, 'booking-notice')
    === 'Not done: the robot is booked by another at that time.');
  await book.click();
  const item = page.getByRole('listitem').filter({ hasText: 'robot_2' });
  await until('the booking', async () => await item.isVisible());
  const start = await page.evaluate(() =>
    new Date('2031-03-30T14:15').getTime());
  assert.deepEqual(asked[1], ['POST', '/bookings', { robot_id: 'robot_2',
    starts_at: start, ends_at: start + 45 * 60000 }]);
  assert.equal(await page.getByText('Not done').isVisible(), false);
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
  ['no-active-booking', /no booking .* Your next one starts (today|on) .*/,
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
  const page = await openLoggedIn(t, { onEvent: event => event === 'offer'
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
