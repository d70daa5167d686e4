// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The main job from end to end: real server, real gst-launch-1.0 robots with
// handheld footage, real Chromium on our page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, disconnect, launch, logIn, shown, stateOf, textOf, until,
  untilPlaying, untilState, watch } from './browser.js';
import { proxyUnder } from './rig.js';
import { PASSWORD, Stack, TONE } from './stack.js';

const VIEWER = 'viewer@example.org';
const GUEST = 'guest@example.org';
const ADMIN = 'admin@example.org';
const ROBOT = 'robot_garden_001';
const OTHER = 'robot_cellar_001';
// What may pass between the end of a booking and the last packet on a machine
// that has other things to do: one frame interval and this for the network.
const FRAME = 1000 / 30;
const NETWORK = 500;

let browser;
let stack;
let robot;
let failed = false;

before(async () => {
  stack = await Stack.start();
  await Promise.all([stack.addUser(VIEWER), stack.addUser(GUEST),
    stack.addUser(ADMIN, 'admin')]);
  await stack.addRobot(ROBOT, 'garden');
  await stack.addRobot(OTHER, 'cellar');
  await stack.book(VIEWER, ROBOT, 'now', '2h');
  robot = await stack.startRobot(ROBOT);
  browser = await launch();
  await stack.untilOnline(ADMIN, ROBOT);
});

after(async () => {
  await browser?.close();
  await stack?.close(failed);
});

// A test with its own browser contexts: *open* (email) gives a page that is
// logged in and connected to the server.
function live(name, body) {
  test(name, async t => {
    const open = async (email, { script, robot: id = ROBOT,
      origin = stack.origin, path = '/' } = {}) => {
      const tab = await browser.newContext();
      t.after(() => tab.close());
      const page = await tab.newPage();
      if (script)
        await page.addInitScript(script);
      page.wrong = watch(page, origin);
      await page.goto(origin + path);
      await logIn(page, email, PASSWORD);
      await until('the server link', async () =>
        await textOf(page, 'link') === 'Server: connected');
      await until(`${id} in the list`, async () => (await page
        .locator('#robot option').evaluateAll(options =>
          options.map(option => option.value))).includes(id));
      await page.getByLabel('Robot', { exact: true }).selectOption(id);
      return page;
    };
    try {
      await body(open, t);
    } catch (error) {
      failed = true;
      throw error;
    }
  });
}

async function untilPicture(page, options) {
  await untilState(page, 'live');
  const picture = await untilPlaying(page, options);
  assert.equal(picture.width, 1280);
  assert.equal(picture.height, 720);
  return picture;
}

live('a viewer logs in, connects and sees 720p at full rate', async open => {
  const page = await open(VIEWER);
  await connect(page);
  const picture = await untilPicture(page);
  assert.ok(picture.frames >= 60 && picture.rate >= 25);
  // By the clock: as many as this machine can decode.
  await until('the figures', async () =>
    parseFloat(await textOf(page, 'fps')) > 0);
  assert.equal(await textOf(page, 'resolution'), '1280 × 720');
  assert.match(await textOf(page, 'bitrate'), /^[\d.]+ [kM]bit\/s$/);
  assert.match(await textOf(page, 'rtt'), /^[\d.]+ ms$/);
  assert.match(await textOf(page, 'loss'), /^[\d.]+ %$/);
  assert.match(await textOf(page, 'remaining'), /^1:\d\d:\d\d$/);
  // Moving pictures, not one picture again and again.
  const sums = new Set();
  await until('different pictures', async () => {
    sums.add(await page.evaluate(() => {
      const canvas = new OffscreenCanvas(64, 36);
      const context = canvas.getContext('2d');
      context.drawImage(document.getElementById('video'), 0, 0, 64, 36);
      return context.getImageData(0, 0, 64, 36).data.join();
    }));
    return sums.size >= 5;
  });
  // This robot is silent.
  assert.equal(await page.getByRole('button', { name: 'Sound' }).isVisible(),
    false);
  await disconnect(page);
  assert.equal(await stateOf(page), 'idle');
  assert.deepEqual(page.wrong, []);
});

// How many streams with ULPFEC Chromium has received, and the sum of what they
// had of it in percent of their packets. Its getStats () counts FlexFEC alone;
// these are its own histograms, written when a stream of 10 s or more ends.
async function repaired() {
  const tab = await browser.newContext();
  const page = await tab.newPage();
  await page.goto('chrome://histograms/'); // collects them from all processes
  await tab.close();
  const session = await browser.newBrowserCDPSession();
  const name = 'WebRTC.Video.ReceivedFecPacketsInPercent';
  const { histograms } = await session.send('Browser.getHistograms',
    { query: name });
  await session.detach();
  const found = histograms.find(one => one.name === name);
  return { streams: found?.count ?? 0, percent: found?.sum ?? 0 };
}

live('forward error correction comes to Chromium from a robot that has it on',
  async (open, t) => {
    const id = 'robot_attic_001';
    await stack.addRobot(id, 'attic');
    await stack.book(VIEWER, id, 'now', '2h');
    const repairing = await stack.startRobot(id,
      { more: ['fec-type=ulp-red', 'fec-percentage=50'] });
    t.after(() => repairing.stop());
    await stack.untilOnline(ADMIN, id);
    assert.equal((await repaired()).streams, 0);
    for (const which of [ROBOT, id]) {
      const page = await open(VIEWER, { robot: which });
      await connect(page);
      await untilPicture(page);
      const since = await shown(page);
      await until('12 seconds of pictures', async () => {
        const now = await shown(page);
        return now.at - since.at >= 12000 && now.frames - since.frames >= 250;
      });
      await disconnect(page);
      assert.deepEqual(page.wrong, []);
    }
    // One of the two, with one packet for repair to each two of the picture.
    const { streams, percent } = await until('figures of a stream with FEC',
      async () => {
        const now = await repaired();
        return now.streams > 0 && now;
      });
    assert.equal(streams, 1);
    assert.ok(percent >= 25 && percent <= 40, `${percent} %`);
  });

live('a robot with sound is heard as soon as the viewer asks for it',
  async (open, t) => {
    const id = 'robot_tower_001';
    await stack.addRobot(id, 'tower');
    await stack.book(VIEWER, id, 'now', '2h');
    // In the profile that x264enc chooses by itself, as well.
    const singer = await stack.startRobot(id,
      { sound: true, profile: 'high' });
    t.after(() => singer.stop());
    await stack.untilOnline(ADMIN, id);
    const page = await open(VIEWER, { robot: id });
    await connect(page);
    await untilPicture(page);
    const button = page.getByRole('button', { name: 'Sound' });
    await button.click();
    assert.equal(await button.getAttribute('aria-pressed'), 'true');
    assert.equal(await page.evaluate(() =>
      document.getElementById('video').muted), false);
    // What comes out of the decoder is the robot's tone.
    const loudest = () => page.evaluate(async () => {
      const stream = document.getElementById('video').srcObject;
      window.audio ??= new AudioContext();
      await window.audio.resume();
      if (!window.analyser) {
        window.analyser = window.audio.createAnalyser();
        window.analyser.fftSize = 4096;
        window.audio.createMediaStreamSource(stream)
          .connect(window.analyser);
      }
      const bins = new Float32Array(window.analyser.frequencyBinCount);
      window.analyser.getFloatFrequencyData(bins);
      const at = bins.indexOf(Math.max(...bins));
      return bins[at] > -60
        ? at * window.audio.sampleRate / window.analyser.fftSize : 0;
    });
    await until('the tone', async () =>
      Math.abs(await loudest() - TONE) < 30);
    // One peer connection for both.
    assert.deepEqual(await page.evaluate(() =>
      document.getElementById('video').srcObject.getTracks()
        .map(track => track.kind).sort()), ['audio', 'video']);
    assert.deepEqual(page.wrong, []);
  });

live('the page works under a path behind a proxy', async (open, t) => {
  const path = '/lab/robots/';
  const origin = await proxyUnder(t, path, stack.origin);
  const page = await open(VIEWER, { origin, path });
  await connect(page);
  await untilPicture(page);
  await disconnect(page);
  assert.deepEqual(page.wrong, []);
});

live('a reload brings the picture back without a new log-in', async open => {
  const page = await open(VIEWER);
  await connect(page);
  await untilPicture(page);
  await page.reload();
  await untilPicture(page);
  assert.equal(await page.getByLabel('Password').isVisible(), false);
  assert.deepEqual(page.wrong, []);
});

live('a viewer, a second tab and an administrator watch at once', async open => {
  const pages = [await open(VIEWER), await open(VIEWER), await open(ADMIN)];
  for (const page of pages)
    await connect(page);
  for (const page of pages)
    await untilPicture(page, { deadline: 120000 });
  assert.equal(await textOf(pages[2], 'remaining'), 'no limit');
  await disconnect(pages[0]);
  const before = await shown(pages[1]);
  await untilPlaying(pages[1], { frames: before.frames + 30 });
  assert.equal(await stateOf(pages[2]), 'live');
});

live('without a booking there is no picture, and the next one is named',
  async open => {
    const start = new Date(Date.now() + 3 * 3600 * 1000).toISOString();
    await stack.book(GUEST, ROBOT, start, '10m');
    const page = await open(GUEST);
    await connect(page);
    await untilState(page, 'refused');
    assert.match(await textOf(page, 'notice'),
      /^You have no booking for this robot at this time\. Your next one starts/);
    assert.equal((await shown(page)).frames, 0);
  });

live('the picture stops with the booking, and the page says why',
  async (open, t) => {
    // What the robot sends is looked at below the page: its peer connection
    // is kept open when the page closes it.
    const script = () => {
      window.peers = [];
      window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...config) {
          super(...config);
          window.peers.push(this);
        }

        close() {}
      };
    };
    const lastPacket = page => page.evaluate(async () => {
      let last = 0;
      for (const peer of window.peers) {
        for (const stats of (await peer.getStats()).values()) {
          if (stats.type === 'inbound-rtp' && stats.kind === 'video')
            last = Math.max(last, stats.lastPacketReceivedTimestamp ?? 0);
        }
      }
      return last;
    });
    const other = await stack.startRobot(OTHER);
    await stack.untilOnline(ADMIN, OTHER);
    const page = await open(GUEST, { robot: OTHER, script });
    await stack.book(GUEST, OTHER, 'now', '25s');
    const [{ ends_at: end }] = (await stack.get(GUEST, '/my-bookings'))
      .filter(booking => booking.robot_id === OTHER);
    assert.ok(end > Date.now());
    await connect(page);
    await untilState(page, 'live', 20000);
    await until('the warning', async () => /Your session ends in \d+ s/
      .test(await textOf(page, 'notice')));
    await until('the time left', async () =>
      /^0:\d\d$/.test(await textOf(page, 'remaining')));
    await untilState(page, 'ended');
    assert.ok(Date.now() >= end - 100, `${end - Date.now()} ms too early`);
    assert.match(await textOf(page, 'notice'),
      /^Your booking is over, so the picture has stopped\./);
    // Were the robot still sending, this would go on.
    const first = await lastPacket(page);
    await new Promise(resolve => setTimeout(resolve, 3000));
    const last = await lastPacket(page);
    t.diagnostic(`last packet ${Math.round(last - end)} ms after the end`);
    assert.equal(last, first, 'packets after the end');
    assert.ok(last > end - 5000, `the picture stopped ${end - last} ms early`);
    assert.ok(last <= end + FRAME + NETWORK,
      `the last packet came ${last - end} ms after the end`);
    await connect(page);
    await untilState(page, 'refused');
    assert.match(await textOf(page, 'notice'), /You have no booking/);
    assert.equal(await other.stop('SIGINT'), 0);
  });

live('a robot that is killed and started again comes back by itself',
  async open => {
    const page = await open(VIEWER);
    await connect(page);
    await untilPicture(page);
    const loaded = await page.evaluate(() => performance.timeOrigin);
    for (const signal of ['SIGKILL', 'SIGINT']) {
      const { frames } = await shown(page);
      await robot.stop(signal);
      await until('an interruption', async () =>
        await stateOf(page) !== 'live', 30000);
      robot = await stack.startRobot(ROBOT);
      await untilState(page, 'live');
      const picture = await untilPicture(page, { frames: 30 });
      assert.ok(picture.frames > 0 && frames > 0);
    }
    assert.equal(await page.evaluate(() => performance.timeOrigin), loaded);
    assert.deepEqual(page.wrong, []);
  });

live('a server that is started again leaves the picture alone', async open => {
  const page = await open(VIEWER);
  await connect(page);
  await untilPicture(page);
  await stack.server.stop('SIGKILL');
  await until('the loss of the link', async () =>
    await textOf(page, 'link') !== 'Server: connected');
  const before = await shown(page);
  await untilPlaying(page, { frames: before.frames + 60 });
  await stack.startServer();
  await until('the server link', async () =>
    await textOf(page, 'link') === 'Server: connected');
  const later = await shown(page);
  await untilPlaying(page, { frames: later.frames + 60 });
  assert.equal(await stateOf(page), 'live');
  await stack.untilOnline(ADMIN, ROBOT);
});

live('a wrong password is refused in words', async () => {
  const page = await browser.newPage();
  try {
    await page.goto(stack.origin);
    await logIn(page, VIEWER, 'something else');
    await until('a sentence', async () => await textOf(page, 'login-notice')
      === 'Wrong e-mail address or password.');
  } finally {
    await page.close();
  }
});

live('the page comes with a strict policy and its scripts', async () => {
  const answer = await fetch(stack.origin);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/html/);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.doesNotMatch(policy, /unsafe/);
  for (const [, file] of (await answer.text())
    .matchAll(/(?:src|href)="([^"#]+)"/g))
    assert.equal((await fetch(new URL(file, stack.origin))).status, 200, file);
});

live('the page is small on the wire, and is not sent twice', async () => {
  const page = await (await fetch(stack.origin)).text();
  const files = ['.', ...[...page.matchAll(/(?:src|href)="([^"#]+)"/g)]
    .map(([, file]) => file)];
  let bytes = 0;
  for (const file of new Set(files)) {
    const ask = headers => fetch(new URL(file, stack.origin), { headers });
    const packed = await ask({ 'Accept-Encoding': 'br, gzip;q=0.5' });
    bytes += Number(packed.headers.get('content-length'));
    assert.equal(packed.headers.get('vary'), 'Accept-Encoding');
    const text = await packed.text();
    // To those alone that take it.
    for (const none of ['identity', 'gzip;q=0', 'gzip;q=0.0, br', 'xgzip']) {
      const plain = await ask({ 'Accept-Encoding': none });
      assert.equal(plain.headers.get('content-encoding'), null, none);
      assert.equal(await plain.text(), text, file);
      assert.notEqual(plain.headers.get('etag'), packed.headers.get('etag'));
    }
    assert.equal(packed.headers.get('content-encoding'), 'gzip', file);
    const etag = packed.headers.get('etag');
    const again = await ask({ 'Accept-Encoding': 'gzip',
      'If-None-Match': `"x", W/${etag}` });
    assert.equal(again.status, 304, file);
    assert.equal(again.headers.get('etag'), etag);
    assert.equal(await again.text(), '');
    assert.equal((await ask({ 'If-None-Match': '"x"' })).status, 200);
  }
  assert.ok(bytes <= 40000, `${bytes} bytes`);
});
