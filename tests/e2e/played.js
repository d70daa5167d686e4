// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page in Chromium with its files from the tree, its server played by the
// test.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { logIn, textOf, until, watch } from './browser.js';

export const ORIGIN = 'http://robotlive.test';
const WEB = new URL('../../signaling/web/', import.meta.url);
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css',
  svg: 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; "
  + "img-src 'self'; connect-src 'self' ws:; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'";

// A page whose server is *server*: {login, retryAfter, robots, bookings, role,
// onBooking, onEvent, registered}. *context*: of the browser; *hash* of it: what
// the address ends with. After *page*.down = true nothing answers any more.
export async function openPage(browser, t, server = {},
  { hash = '', base = '/', ...context } = {}) {
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
    if (page.down)
      return route.abort();
    const { pathname: whole } = new URL(route.request().url());
    if (!whole.startsWith(base))
      return route.fulfill({ status: 404, body: '' });
    const pathname = whole.slice(base.length - 1);
    if (pathname === '/auth/login') {
      const { password } = route.request().postDataJSON();
      const status = server.login ?? (password === 'right' ? 200 : 401);
      await route.fulfill({ status, headers: server.retryAfter
        ? { 'Retry-After': String(server.retryAfter) } : {},
      json: status === 200
        ? { access_token: 'secret', token_type: 'bearer', user: { id: 'u1',
          name: 'Ada', email: 'ada@example.org', role: server.role ?? 'viewer',
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
    if (page.down || new URL(link.url()).pathname !== `${base}socket.io/`) {
      link.close();
      return;
    }
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
          userType: 'viewer', serverTime: Date.now(),
          ...server.registered?.(payload) });
      const answer = server.onEvent?.(event, payload, page);
      if (match[1] && answer)
        link.send(`43${match[1]}${JSON.stringify([answer])}`);
    });
  });
  await page.goto(ORIGIN + base + hash);
  return page;
}

export async function openLogged(browser, t, server, context) {
  const page = await openPage(browser, t, server, context);
  await logIn(page, 'ada@example.org', 'right');
  await until('the server link', async () =>
    await textOf(page, 'link') === 'Server: connected');
  return page;
}
