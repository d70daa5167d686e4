// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Debian's Chromium, and small helpers on a page. Nothing here waits for a
// fixed time: until () asks again and again until its deadline.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const SLOW = 60000; // ms; generous: the machine may be busy

export const launch = (...more) => launchThrough(EXECUTABLE, ...more);

// *program* starts it with the same arguments.
export function launchThrough(program, ...more) {
  if (!existsSync(EXECUTABLE))
    throw new Error(`${EXECUTABLE} is missing: apt install chromium`);
  return chromium.launch({
    executablePath: program,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--autoplay-policy=no-user-gesture-required', ...more],
  });
}

// Resolves to the first truthy value of *ask* (), an async function.
export async function until(what, ask, deadline = SLOW) {
  const end = Date.now() + deadline;
  for (;;) {
    const value = await ask();
    if (value)
      return value;
    if (Date.now() > end)
      throw new Error(`not within ${deadline / 1000} s: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

export const textOf = (page, id) =>
  page.evaluate(name => document.getElementById(name).textContent
    .replace(/\s+/g, ' ').trim(), id);

export const stateOf = page =>
  page.evaluate(() => document.getElementById('state').dataset.state);

export const untilState = (page, state, deadline) =>
  until(`state "${state}"`, async () => await stateOf(page) === state, deadline);

export async function logIn(page, email, password) {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

export const connect = page =>
  page.getByRole('button', { name: 'Connect Video Feed' }).click();

export const disconnect = page =>
  page.getByRole('button', { name: 'Disconnect' }).click();

// What the <video> element has shown: {frames, width, height, at}.
export const shown = page => page.evaluate(() => {
  const video = document.getElementById('video');
  return {
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    width: video.videoWidth,
    height: video.videoHeight,
    at: performance.now(),
  };
});

// The frames since the page has looked last, and the time in which the robot has
// taken them by its own stamps: what a busy machine does late still counts. Only
// where the frames have no stamps the clock counts.
const step = page => page.evaluate(() => new Promise(resolve => {
  const video = document.getElementById('video');
  const look = (now, { rtpTimestamp }) => {
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    const before = window.looked;
    window.looked = { frames, rtpTimestamp, now };
    resolve(before && before.frames < frames ? {
      frames: frames - before.frames,
      ms: rtpTimestamp === undefined ? now - before.now
        : (rtpTimestamp - before.rtpTimestamp >>> 0) / 90 } : null);
  };
  video.requestVideoFrameCallback(look);
  setTimeout(() => resolve(null), 20000);
}));

// At least *frames* frames, and a window of 2 s with at least *fps* of them by
// the robot's time. There may be another window, until the deadline.
export async function untilPlaying(page, { frames = 60, fps = 25,
  deadline = SLOW } = {}) {
  let best = 0;
  try {
    return await until('moving pictures', async () => {
      await step(page);
      await new Promise(resolve => setTimeout(resolve, 2000));
      const passed = await step(page);
      const after = await shown(page);
      const rate = passed ? 1000 * passed.frames / passed.ms : 0;
      best = Math.max(best, rate);
      return rate >= fps && after.frames >= frames ? { ...after, rate } : null;
    }, deadline);
  } catch (error) {
    throw new Error(`${error.message} (best window: ${best.toFixed(1)} fps)`);
  }
}

// The same by the decoder's count, whether anything is shown or not, over all
// peer connections that spy () has seen.
export const decoded = page => page.evaluate(async () => {
  let frames = 0;
  for (const peer of window.peers ?? []) {
    for (const stats of (await peer.getStats()).values()) {
      if (stats.type === 'inbound-rtp' && stats.kind === 'video')
        frames += stats.framesDecoded ?? 0;
    }
  }
  return frames;
});

export async function untilDecoded(page, more, deadline) {
  const before = await decoded(page);
  await until(`${more} more frames`, async () =>
    await decoded(page) - before >= more, deadline);
}

// For addInitScript (): keeps each peer connection in window.peers, and every
// state that the page has shown in window.states.
export function spy() {
  window.peers = [];
  window.states = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...config) {
      super(...config);
      window.peers.push(this);
    }
  };
  addEventListener('DOMContentLoaded', () => {
    const badge = document.getElementById('state');
    new MutationObserver(() => window.states.push(badge.dataset.state))
      .observe(badge, { attributes: true, attributeFilter: ['data-state'] });
  });
}

// Collects what must not happen on a page: exceptions, violations of the
// content security policy, requests to anywhere but *origin*.
export function watch(page, origin) {
  const wrong = [];
  page.on('pageerror', error => wrong.push(`exception: ${error}`));
  page.on('console', message => {
    if (/Content Security Policy/i.test(message.text()))
      wrong.push(message.text());
  });
  page.on('request', request => {
    const url = new URL(request.url());
    if (/^(http|ws)s?:$/.test(url.protocol)
        && url.host !== new URL(origin).host)
      wrong.push(`request to ${url.origin}`);
  });
  return wrong;
}
