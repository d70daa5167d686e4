// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of a session: it belongs to a booking and not to a socket or a
// process. Servers, links, keys and databases go and come; who watches keeps
// the picture, and who may not watch any more loses it. Real server, real
// gst-launch-1.0 robots, real Chromium.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connect, launch, textOf, until, untilDecoded, untilState }
  from './browser.js';
import { Relay, assertUntouched, linked, mark, openPage } from './rig.js';
import { Stack } from './stack.js';

const VIEWER = 'viewer@example.org';
const ADMIN = 'admin@example.org';

let browser;
let failed = false;

before(async () => { browser = await launch(); });
after(() => browser?.close());

// A test with a server and one robot of its own, which VIEWER has booked.
// *server*: its configuration; *issued*: the robot's token is one that no
// database has to know.
function session(name, { server, issued = false }, body) {
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
      self.startRobot = log => stack.startRobot(self.robotId,
        { small: true, log });
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
    viewers} watching`, {}, async ({ stack, watch, robotId }) => {
    const pages = [];
    for (let n = 0; n < viewers; n++)
      pages.push(await watch());
    const before = await sessions(stack);
    assert.equal(before.length, viewers);
    assert.equal(await stack.server.stop('SIGTERM'), 0);
    await Promise.all(pages.map(async page => {
      await unlinked(page);
      await untilDecoded(page, 30);
    }));
    await stack.startServer();
    await Promise.all(pages.map(linked));
    await stack.untilOnline(ADMIN, robotId);
    await Promise.all(pages.map(page => untilDecoded(page, 30)));
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

session('a viewer whose link is cut again and again keeps the picture', {},
  async ({ stack, watch }, t) => {
    const relay = await Relay.start(t, stack.origin);
    const page = await watch({ origin: relay.origin });
    const before = await sessions(stack);
    for (let n = 0; n < 6; n++) {
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

session('a robot that is started again while its process hangs is found', {},
  async ({ stack, watch, startRobot, robot, robotId }) => {
    const page = await watch();
    await robot.stop('SIGKILL');
    await startRobot('next');
    await untilState(page, 'live');
    await until('a new connection', () => page.evaluate(() =>
      window.peers.at(-1) !== window.marked
        && document.getElementById('state').dataset.state === 'live'));
    await untilDecoded(page, 30);
    await stack.untilOnline(ADMIN, robotId);
  });
