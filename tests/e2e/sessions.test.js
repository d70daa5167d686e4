// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of a session: it belongs to a booking and not to a socket or a
// process. Servers, links, keys and databases go and come; who watches keeps
// the picture, and who may not watch any more loses it. Real server, real
// gst-launch-1.0 robots, real Chromium.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connect, launch, stateOf, textOf, until, untilDecoded, untilState }
  from './browser.js';
import { Relay, arrivals, assertUntouched, gaps, linked, mark, openPage }
  from './rig.js';
import { Stack } from './stack.js';

const VIEWER = 'viewer@example.org';
const ADMIN = 'admin@example.org';

let browser;
let failed = false;

before(async () => { browser = await launch(); });
after(() => browser?.close());

// A test with a server and one robot of its own, which VIEWER has booked.
// *server*: its configuration; *through*: the robot's link can be cut;
// *issued*: the robot's token is one that no database has to know; *more*: its
// properties.
function session(name, { server, through = false, issued = false,
  more = () => [] }, body) {
  test(name, async t => {
    const stack = await Stack.start(server);
    let mine = true;
    t.after(() => stack.close(!mine));
    const self = { stack, robotId: 'robot_1' };
    try {
      await settle(stack);
      if (issued)
        await writeFile(stack.file(`${self.robotId}.token`), await stack.cli(
          'token', '--role', 'robot', '--sub', self.robotId));
      if (through)
        self.link = await Relay.start(t, stack.origin);
      self.startRobot = log => stack.startRobot(self.robotId,
        { small: true, server: (self.link ?? stack).origin, log,
          more: more(stack) });
      self.robot = await self.startRobot();
      await stack.untilOnline(ADMIN, self.robotId);
      // A page that watches; *origin*: where it finds the server.
      self.watch = async (more = {}) => {
        const page = await openPage(browser, stack, t, VIEWER,
          { robot: self.robotId, ...more });
        await connect(page);
        await untilState(page, 'live');
        await mark(page);
        return page;
      };
      self.log = async (log = self.robotId) =>
        readFile(stack.file(`${log}.log`), 'utf8');
      await body(self, t);
    } catch (error) {
      mine = false;
      failed = true;
      throw error;
    }
  });
}

// The accounts, the robot and the booking of each test; in the same order, so
// that a new database has the same ids.
async function settle(stack) {
  await stack.addUser(VIEWER);
  await stack.addUser(ADMIN, 'admin');
  await stack.addRobot('robot_1', 'pi');
  await stack.book(VIEWER, 'robot_1', 'now', '2h');
}

const sessions = async stack =>
  (await stack.get(ADMIN, '/sessions')).sort((a, b) =>
    a.peerId < b.peerId ? -1 : 1);

const names = list => list.map(({ peerId, startedAt }) =>
  `${peerId} since ${startedAt}`);

const audit = (stack, peerId) => stack.get(ADMIN, '/audit').then(rows =>
  rows.find(row => row.peerId === peerId));

async function cancel(stack) {
  const [{ id }] = await stack.get(VIEWER, '/my-bookings');
  return stack.ask(VIEWER, 'DELETE', `/bookings/${id}`);
}

async function untilCancelled(page) {
  await untilState(page, 'ended', 20000);
  await until('the reason', async () =>
    /^Your booking was cancelled/.test(await textOf(page, 'notice')));
}

const unlinked = page => until('the loss of the link', async () =>
  await textOf(page, 'link') !== 'Server: connected');

for (const viewers of [1, 5]) {
  session(`a server that is stopped and started again changes nothing, ${
    viewers} watching`, {}, async ({ stack, watch, robotId }, t) => {
    const pages = [];
    for (let n = 0; n < viewers; n++)
      pages.push(await watch({ script: arrivals }));
    const before = await sessions(stack);
    assert.equal(before.length, viewers);
    const more = () => Promise.all(pages.map(page => untilDecoded(page, 90)));
    const restart = async () => {
      assert.equal(await stack.server.stop('SIGTERM'), 0);
      await Promise.all(pages.map(async page => {
        await unlinked(page);
        await untilDecoded(page, 30);
      }));
      await stack.startServer();
      await Promise.all(pages.map(linked));
      await stack.untilOnline(ADMIN, robotId);
      await Promise.all(pages.map(page => untilDecoded(page, 30)));
    };
    // No frame is missing. How late they come is the machine's matter too: one
    // restart in five has to be as calm as it is without.
    let usual = 1;
    for (let n = 1; ; n++) {
      const calm = await gaps(pages, more);
      const during = await gaps(pages, restart);
      usual = Math.max(usual, ...calm.map(({ silence }) => silence));
      t.diagnostic(`calm ${JSON.stringify(calm)}`);
      t.diagnostic(`restart ${JSON.stringify(during)}`);
      for (const { frames, missing } of during)
        assert.ok(frames >= 60 && missing <= 2, `${missing} frames`);
      if (during.every(({ silence }) => silence <= usual + 1))
        break;
      assert.ok(n < 5, 'each restart made the picture wait');
    }
    for (const page of pages)
      await assertUntouched(page);
    const later = await sessions(stack);
    assert.deepEqual(names(later), names(before));
    await until('all back', async () => (await sessions(stack))
      .every(({ state }) => state === 'live'));
    assert.equal((await stack.logged('session-admitted')).length, viewers);
    for (const { peerId } of before)
      assert.equal((await audit(stack, peerId)).endedAt, undefined);
    // The first word to end it reaches everybody.
    await cancel(stack);
    await Promise.all(pages.map(untilCancelled));
    await until('the end in the books', async () =>
      (await sessions(stack)).length === 0
        && (await Promise.all(before.map(({ peerId }) =>
          audit(stack, peerId)))).every(row => row.reason === 'revoked'));
  });
}

// With ROBOTLIVE_TEST_LONG once a minute for ten minutes, in place of six times
// on end.
const LONG = Boolean(process.env.ROBOTLIVE_TEST_LONG);

session('a viewer whose link is cut again and again keeps the picture', {},
  async ({ stack, watch }, t) => {
    const relay = await Relay.start(t, stack.origin);
    const page = await watch({ origin: relay.origin });
    const before = await sessions(stack);
    for (let n = 0; n < (LONG ? 10 : 6); n++) {
      if (LONG)
        await new Promise(resolve => setTimeout(resolve, 60000));
      relay.cut();
      await unlinked(page);
      await untilDecoded(page, 10);
      await linked(page);
    }
    await untilDecoded(page, 30);
    await assertUntouched(page);
    assert.deepEqual(names(await sessions(stack)), names(before));
    assert.equal((await stack.logged('session-admitted')).length, 1);
    // And it is told as if nothing had been.
    await cancel(stack);
    await untilCancelled(page);
  });

session('a server that cannot be reached for longer changes nothing', {},
  async ({ stack, watch }, t) => {
    const relay = await Relay.start(t, stack.origin);
    const page = await watch({ origin: relay.origin });
    const before = await sessions(stack);
    relay.block();
    await unlinked(page);
    // Longer than an old viewer's session is kept.
    await new Promise(resolve => setTimeout(resolve, 12000));
    assert.deepEqual((await sessions(stack)).map(({ peerId, state }) =>
      ({ peerId, state })), [{ peerId: before[0].peerId,
      state: 'viewer-away' }]);
    assert.equal(await textOf(page, 'link'), 'Server: not reachable');
    relay.unblock();
    await linked(page);
    await untilDecoded(page, 15);
    await assertUntouched(page);
    assert.deepEqual(names(await sessions(stack)), names(before));
  });

session('a robot that does not trust the key is the operator\'s matter', {
  // A key that somebody gave it, of a server that there is no more.
  more: stack => {
    const { publicKey } = generateKeyPairSync('ec',
      { namedCurve: 'prime256v1' });
    writeFileSync(stack.file('other.pem'),
      publicKey.export({ type: 'spki', format: 'pem' }));
    return [`grant-key=${stack.file('other.pem')}`];
  },
}, async ({ stack, robotId }, t) => {
  const page = await openPage(browser, stack, t, VIEWER, { robot: robotId });
  await connect(page);
  await untilState(page, 'refused');
  assert.match(await textOf(page, 'notice'),
    /does not trust this server’s key.*not your fault.*the operator/);
  await until('the mark in the list', async () =>
    /does not trust this server’s key/.test(await textOf(page, 'trouble')));
  const robots = await stack.get(ADMIN, '/robots');
  assert.ok(robots.find(({ id }) => id === robotId).refusesGrants.count >= 1);
  assert.ok((await stack.logged('robot-refuses-grants')).length >= 1);
  assert.deepEqual(await sessions(stack), []);
});

// What the robot sends is looked at below the page, whose close () does not
// reach the connection: the robot has to stop by itself.
const deaf = () => {
  RTCPeerConnection.prototype.close = function () {};
};

const lastPacket = page => page.evaluate(async () => {
  const report = await window.marked.getStats();
  return [...report.values()].find(stats => stats.type === 'inbound-rtp'
    && stats.kind === 'video').packetsReceived;
});

const untilSilent = page => until('no more packets', async () => {
  const before = await lastPacket(page);
  await new Promise(resolve => setTimeout(resolve, 1500));
  return await lastPacket(page) === before;
}, 20000);

session('a robot whose link was away 7 s still hears of a cancellation',
  { through: true }, async ({ stack, link, robotId, watch }) => {
    const page = await watch({ script: deaf });
    const [{ peerId }] = await sessions(stack);
    link.block();
    await until('the robot away', async () =>
      (await sessions(stack))[0]?.state === 'robot-away');
    await new Promise(resolve => setTimeout(resolve, 7000));
    await assertUntouched(page);
    assert.equal((await audit(stack, peerId)).endedAt, undefined);
    link.unblock();
    await stack.untilOnline(ADMIN, robotId);
    await untilDecoded(page, 15);
    await assertUntouched(page);
    assert.deepEqual((await sessions(stack)).map(one => one.peerId), [peerId]);
    await cancel(stack);
    await untilCancelled(page);
    await untilSilent(page);
    await until('the end in the books', async () =>
      (await audit(stack, peerId)).reason === 'revoked');
  });

session('a robot hears on its return what was cancelled while it was away',
  { through: true }, async ({ stack, link, watch }) => {
    const page = await watch({ script: deaf });
    const [{ peerId }] = await sessions(stack);
    link.block();
    await until('the robot away', async () =>
      (await sessions(stack))[0]?.state === 'robot-away');
    await cancel(stack);
    await untilCancelled(page);
    await new Promise(resolve => setTimeout(resolve, 5000));
    // The robot has not heard of it, so the picture is not over.
    assert.equal((await audit(stack, peerId)).endedAt, undefined);
    const before = await lastPacket(page);
    await until('that it sends on', async () =>
      await lastPacket(page) > before);
    link.unblock();
    await untilSilent(page);
    await until('the end in the books', async () => {
      const row = await audit(stack, peerId);
      return row.endedAt !== undefined && row.reason === 'revoked'
        && (await sessions(stack)).length === 0;
    });
  });

session('a grant key that is replaced disturbs nobody', {},
  async ({ stack, watch, robot }) => {
    const page = await watch();
    const before = await stack.get(ADMIN, '/.well-known/jwks.json');
    await stack.cli('key', 'rotate');
    await until('the new key first', async () => {
      const { keys } = await stack.get(ADMIN, '/.well-known/jwks.json');
      return keys.length > before.keys.length
        && keys[0].kid !== before.keys[0].kid;
    });
    // The robot has never seen the key that signs for this one.
    const next = await watch();
    await untilDecoded(next, 15);
    await untilDecoded(page, 15);
    await assertUntouched(page);
    assert.equal(robot.running, true);
  });

session('granted in steps: one picture through all of them, and none without '
  + 'a server', { server: () => '[sessions]\ngrant-step=8s\n' },
async ({ stack, watch, robotId }) => {
  const page = await watch();
  const end = Date.now() + 20000;
  while (Date.now() < end)
    await untilDecoded(page, 15);
  await assertUntouched(page);
  assert.match(await textOf(page, 'remaining'), /^1:\d\d:\d\d$/);
  await stack.server.stop('SIGTERM');
  await until('the end of the step', async () =>
    await stateOf(page) !== 'live');
  assert.match(await textOf(page, 'notice'), /^The server cannot be reached/);
  await stack.startServer();
  await stack.untilOnline(ADMIN, robotId);
  await untilState(page, 'live');
  await untilDecoded(page, 15);
});

for (const [what, same] of [['with the same keys', true],
  ['with new ones', false]]) {
  session(`a server with a new database, ${what}, serves again by itself`, {
    issued: true,
    server: stack => {
      const keep = (name, content) => {
        writeFileSync(stack.file(name), content, { mode: 0o600 });
        return stack.file(name);
      };
      const { privateKey } = generateKeyPairSync('ec',
        { namedCurve: 'prime256v1' });
      return `[identity]\nsecret-file=${
        keep('token.secret', randomBytes(32).toString('hex'))}\n${
        same ? `[sessions]\ngrant-key-file=${keep('grant.pem',
          privateKey.export({ type: 'pkcs8', format: 'pem' }))}\n` : ''}`;
    },
  }, async ({ stack, watch, robot }) => {
    const page = await watch();
    const [{ peerId }] = await sessions(stack);
    await stack.server.stop('SIGTERM');
    stack.useDatabase('new.db');
    await settle(stack);
    await stack.startServer();
    // No one knows the old session: the robot ends it, the page asks again.
    await until('another session', async () => {
      const list = await sessions(stack);
      return list.length === 1 && list[0].peerId !== peerId
        && list[0].state === 'live';
    });
    await untilState(page, 'live');
    await untilDecoded(page, 30);
    assert.equal(robot.running, true);
    await cancel(stack);
    await untilCancelled(page);
  });
}

session('a second process with the same id takes no picture away', {},
  async ({ stack, watch, startRobot, robotId, log }) => {
    const page = await watch();
    const before = await sessions(stack);
    await startRobot('clone');
    const duplicates = async () => (await stack.get(ADMIN, '/robots'))
      .find(({ id }) => id === robotId).duplicates ?? [];
    await until('that it is noticed', async () =>
      (await duplicates()).length === 1);
    await untilDecoded(page, 15 * 15);
    await assertUntouched(page);
    assert.deepEqual(names(await sessions(stack)), names(before));
    // Once, not again and again.
    assert.ok((await stack.logged('robot-replaced')).length <= 2);
    // Who comes now is served by the one that has the place.
    const next = await watch();
    await untilDecoded(next, 15);
    await untilDecoded(page, 15);
    await assertUntouched(page);
    const told = (await log()).match(new RegExp('another process of the robot '
      + '"robot_1" \\(instance [\\w-]+, address 127\\.0\\.0\\.1', 'g'));
    assert.equal(told?.length, 1);
    // The one that lost the place is told all the same who may not watch.
    await cancel(stack);
    await Promise.all([page, next].map(untilCancelled));
  });

for (const [what, signal] of [['was killed', 'SIGKILL'],
  ['hangs', 'SIGSTOP']]) {
  session(`a robot is started again whose process ${what}: its picture is back`,
    {}, async ({ stack, watch, startRobot, robot, robotId }, t) => {
      const page = await watch();
      if (signal === 'SIGKILL')
        await robot.stop(signal);
      else
        robot.child.kill(signal);
      t.after(() => robot.child.kill('SIGKILL')); // a stopped one ignores others
      await startRobot('next');
      await until('a new connection', () => page.evaluate(() =>
        window.peers.at(-1) !== window.marked
          && document.getElementById('state').dataset.state === 'live'));
      await untilDecoded(page, 30);
      await stack.untilOnline(ADMIN, robotId);
      assert.deepEqual((await sessions(stack)).map(({ state }) => state),
        ['live']);
    });
}
