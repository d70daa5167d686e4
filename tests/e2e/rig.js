// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the tests of sessions and of pages out of view share: a page that is
// logged in, a link that can be cut, and a browser tab that is really hidden.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WebSocket } from 'ws';
import { logIn, spy, textOf, until } from './browser.js';
import { PASSWORD } from './stack.js';

// A TCP relay to *target* (origin) whose connections can be cut, all at once.
export class Relay {
  #sockets = new Set();
  #blocked = false;

  static async start(t, target) {
    const relay = new Relay();
    const { hostname, port } = new URL(target);
    const server = net.createServer(near => {
      if (relay.#blocked) {
        near.resetAndDestroy();
        return;
      }
      const far = net.connect(Number(port), hostname);
      for (const [one, other] of [[near, far], [far, near]]) {
        relay.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          relay.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    relay.origin = `http://127.0.0.1:${server.address().port}`;
    t.after(() => {
      server.close();
      relay.cut();
    });
    return relay;
  }

  // No one says good-bye: a reset, as of a router that has forgotten.
  cut() {
    for (const socket of this.#sockets)
      socket.resetAndDestroy();
  }

  block() {
    this.#blocked = true;
    this.cut();
  }

  unblock() {
    this.#blocked = false;
  }
}

// A reverse proxy that gives what lies under *prefix* to *target*, with the
// prefix taken off, as nginx does with "proxy_pass http://target/;". All else is
// not found. Resolves to its origin.
export async function proxyUnder(t, prefix, target) {
  const { hostname, port } = new URL(target);
  const inner = request => request.url.startsWith(prefix)
    ? request.url.slice(prefix.length - 1) : null;
  const server = http.createServer((request, response) => {
    const path = inner(request);
    if (path === null) {
      response.writeHead(404).end();
      return;
    }
    const far = http.request({ hostname, port, path, method: request.method,
      headers: request.headers }, answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    far.on('error', () => response.destroy());
    request.pipe(far);
  });
  server.on('upgrade', (request, near, head) => {
    const path = inner(request);
    if (path === null) {
      near.destroy();
      return;
    }
    const far = net.connect(Number(port), hostname);
    const lines = [`GET ${path} HTTP/1.1`];
    for (let n = 0; n < request.rawHeaders.length; n += 2)
      lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`);
    far.write(`${lines.join('\r\n')}\r\n\r\n`);
    far.write(head);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

export const linked = page => until('the server link', async () =>
  await textOf(page, 'link') === 'Server: connected');

// A page that is logged in and connected to the server; spy () watches it.
export async function openPage(browser, stack, t, email, { robot,
  origin = stack.origin, script, context = {} }) {
  const tab = await browser.newContext(context);
  t.after(() => tab.close());
  const page = await tab.newPage();
  await page.addInitScript(spy);
  if (script)
    await page.addInitScript(script);
  await page.goto(`${origin}/#/robot/${robot}`);
  await logIn(page, email, PASSWORD);
  await linked(page);
  await until(`${robot} in the list`, async () =>
    (await page.locator('#robot option:checked').textContent())
      .includes('online'));
  return page;
}

// Where the page is now, to be held against later.
export const mark = page => page.evaluate(() => {
  window.marked = window.peers.at(-1);
  window.states.length = 0;
});

// The same peer connection, no other made since, and never out of "live".
export async function assertUntouched(page) {
  assert.deepEqual(await page.evaluate(() => ({
    same: window.peers.at(-1) === window.marked,
    open: window.marked.connectionState,
    states: window.states,
    now: document.getElementById('state').dataset.state,
  })), { same: true, open: 'connected', states: [], now: 'live' });
}

// For addInitScript (): window.frames has RTP time and arrival (ms) of each
// frame of the video, before it is decoded.
export function arrivals() {
  window.frames = [];
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(config) {
      super({ ...config, encodedInsertableStreams: true });
      this.addEventListener('track', ({ receiver, track }) => {
        const { readable, writable } = receiver.createEncodedStreams();
        readable.pipeThrough(new TransformStream({
          transform(frame, controller) {
            if (track.kind === 'video')
              window.frames.push([frame.getMetadata().rtpTimestamp
                ?? frame.timestamp, performance.now()]);
            controller.enqueue(frame);
          },
        })).pipeTo(writable);
      });
    }
  };
}

// Of the frames that came during *act* (): how many, the longest step of their
// RTP times and the longest time between two arrivals, both in frames.
export async function gaps(pages, act) {
  await Promise.all(pages.map(page => page.evaluate(() => {
    window.frames.splice(0, window.frames.length - 1);
  })));
  await act();
  return Promise.all(pages.map(async page => {
    const frames = await page.evaluate(() => window.frames);
    const steps = key => frames.slice(1).map((frame, n) =>
      frame[key] - frames[n][key]);
    const times = steps(0).map(step => step | 0);
    const frame = times.toSorted((a, b) => a - b)[times.length >> 1];
    return { frames: times.length, missing: Math.max(...times) / frame,
      silence: Math.max(...steps(1)) / (frame / 90) };
  }));
}

// A Chromium with tabs of which one is in front and the others are hidden, as
// on a desktop; what drives the other tests keeps all of its pages in front.
export class Tabs {
  #next = 0;
  #waiting = new Map();

  static async start(t) {
    const tabs = new Tabs();
    const profile = await mkdtemp(path.join(tmpdir(), 'robotlive-tabs-'));
    const child = spawn(process.env.CHROMIUM ?? '/usr/bin/chromium', [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic',
      '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      '--remote-debugging-port=0', `--user-data-dir=${profile}`,
      'about:blank'], { stdio: 'ignore' });
    const gone = once(child, 'exit');
    t.after(async () => {
      tabs.socket?.close();
      child.kill();
      await gone;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    });
    const [port, where] = await until('the browser', async () => {
      assert.equal(child.exitCode, null, 'the browser ended');
      const text = await readFile(path.join(profile, 'DevToolsActivePort'),
        'utf8').catch(() => '');
      return text.includes('\n/') && text.split('\n');
    });
    tabs.socket = new WebSocket(`ws://127.0.0.1:${port}${where}`);
    tabs.socket.on('message', data => {
      const message = JSON.parse(data);
      tabs.#waiting.get(message.id)?.(message);
      tabs.#waiting.delete(message.id);
    });
    await once(tabs.socket, 'open');
    return tabs;
  }

  async #send(method, params, sessionId) {
    const id = ++this.#next;
    const answer = new Promise(resolve => this.#waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await answer;
    assert.equal(error, undefined, method);
    return result;
  }

  // A tab with just as much of a page as browser.js needs of one. It comes to
  // the front.
  async open(url, script) {
    const { targetId } = await this.#send('Target.createTarget',
      { url: 'about:blank' });
    const { sessionId } = await this.#send('Target.attachToTarget',
      { targetId, flatten: true });
    const evaluate = async (body, ...values) => {
      const { result, exceptionDetails } = await this.#send('Runtime.evaluate',
        { expression: `(${body})(...${JSON.stringify(values)})`,
          awaitPromise: true, returnByValue: true }, sessionId);
      if (exceptionDetails)
        throw new Error(exceptionDetails.exception?.description);
      return result.value;
    };
    const front = () => this.#send('Target.activateTarget', { targetId });
    await this.#send('Page.enable', {}, sessionId);
    if (script)
      await this.#send('Page.addScriptToEvaluateOnNewDocument',
        { source: `(${script})()` }, sessionId);
    await this.#send('Page.navigate', { url }, sessionId);
    await front();
    return { evaluate, front };
  }
}
