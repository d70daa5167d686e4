// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Chromium as a viewer: serves page.html with what reaches the sender, and
// drives it. One browser for a run of measurements, one page for a viewer.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { bench } from './common.mjs';

const file = (name) => fs.readFileSync(path.join(bench, name));
const files = {
  '/': ['text/html', file('lib/page.html')],
  '/page.js': ['text/javascript', file('lib/page.js')],
  '/socket.io.min.js': ['text/javascript',
    file('node_modules/socket.io-client/dist/socket.io.min.js')],
};

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic',
  '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // A page that we answer for counts as a public one, which may not reach a
  // server on a private address without a dialogue.
  '--disable-features=LocalNetworkAccessChecks,' +
    'LocalNetworkAccessChecksWebSockets'];

// The programs' names: Debian's, or where CHROMIUM says.
export async function openBrowser({ work, namespace, host = '127.0.0.1' }) {
  let executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (namespace) {
    const wrapper = path.join(work, `chromium-${namespace}`);
    fs.writeFileSync(wrapper,
      `#!/bin/sh\nexec ip netns exec ${namespace} ${executablePath} "$@"\n`,
      { mode: 0o755 });
    executablePath = wrapper;
  }
  let peer = null;
  const server = http.createServer(async (request, response) => {
    const known = files[request.url];
    if (known) {
      response.writeHead(200, { 'Content-Type': known[0] }).end(known[1]);
      return;
    }
    let text = '';
    for await (const chunk of request) text += chunk;
    try {
      const body = JSON.parse(text || '{}');
      const reply = await answer(peer, request.url, body);
      response.end(JSON.stringify(reply ?? {}));
    } catch (error) {
      response.writeHead(500).end(JSON.stringify({ error: error.message }));
    }
  });
  await new Promise((done) => server.listen(0, host, done));
  const browser = await chromium.launch({ executablePath, headless: true,
    args: flags });
  return {
    // A page that watches `of` (lib/peers.mjs); options: codec, hint, id.
    async view(of, options = {}) {
      peer = of;
      const context = await browser.newContext();
      const page = await context.newPage();
      const { signaling, url, token, user, robot } = of;
      // Our server lets in its own origin only: the page is shown as being
      // there, and comes from here.
      const origin = url ?? `http://${host}:${server.address().port}`;
      if (url)
        for (const [name, [contentType, body]] of Object.entries(files))
          await page.route(url + name, (route) =>
            route.fulfill({ contentType, body }));
      await page.goto(`${origin}/`);
      const id = options.id ?? `v${Math.random().toString(36).slice(2, 10)}`;
      const viewer = {
        page,
        join: () => page.evaluate((how) => watch(how), { codec: 'H264',
          ...options, signaling, url, token, user, robot, id }),
        take: () => page.evaluate(() => take()),
        async close() {
          await page.evaluate(() => hangUp()).catch(() => {});
          if (of.leave) await of.leave(id).catch(() => {});
          await context.close();
        },
      };
      return viewer;
    },
    async close() { await browser.close(); server.close(); },
  };
}

async function answer(peer, url, { id, sdp, mline, text }) {
  switch (url) {
    case '/offer': return { sdp: await peer.answer(id, sdp) };
    case '/candidate': return peer.candidate(id, mline, text);
    case '/watch': return { sdp: await peer.offer(id) };
    case '/accept': return peer.accept(id, sdp);
    default: throw new Error(`nothing at ${url}`);
  }
}
