// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The embedding examples as robots: real server, real Chromium, and what the
// application says about it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { connect, disconnect, launch, logIn, until, untilPlaying, untilState }
  from './browser.js';
import { BUILT_EXAMPLES, EXAMPLES, PASSWORD, Stack } from './stack.js';

const VIEWER = 'viewer@example.org';
const ADMIN = 'admin@example.org';
const robots = {
  C: [path.join(BUILT_EXAMPLES, 'example-robot_c')],
  'C++': [path.join(BUILT_EXAMPLES, 'example-robot_cpp')],
  // Debian's own: it has the bindings.
  Python: ['/usr/bin/python3', path.join(EXAMPLES, 'robot.py')],
};

let browser;
let stack;
let user;
let failed = false;

before(async () => {
  stack = await Stack.start();
  user = await stack.addUser(VIEWER);
  await stack.addUser(ADMIN, 'admin');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stack?.close(failed);
});

for (const [language, [command, ...args]] of Object.entries(robots)) {
  test(`the example in ${language} tells who watches, and ends in order`,
    async t => {
      const id = `robot_${Object.keys(robots).indexOf(language)}`;
      await stack.addRobot(id, `type${id}`);
      await stack.book(VIEWER, id, 'now', '2h');
      const robot = await stack.startExample(command, args, id);
      t.after(() => robot.stop('SIGKILL'));
      const says = pattern => until(`"${pattern}"`, async () =>
        pattern.test(await readFile(robot.log, 'utf8')));
      try {
        await says(/^signaling: registered$/m);
        await stack.untilOnline(ADMIN, id);
        const tab = await browser.newContext();
        t.after(() => tab.close());
        const page = await tab.newPage();
        await page.goto(stack.origin);
        await logIn(page, VIEWER, PASSWORD);
        await until(`${id} in the list`, async () => (await page
          .locator('#robot option').evaluateAll(options =>
            options.map(option => option.value))).includes(id));
        await page.getByLabel('Robot', { exact: true }).selectOption(id);
        await connect(page);
        await untilState(page, 'live');
        await untilPlaying(page, { frames: 30, fps: 15 });
        await says(new RegExp(`^${user} watches \\(`, 'm'));
        await disconnect(page);
        await says(/ is gone: left$/m);
        assert.equal(await robot.stop('SIGINT'), 0);
      } catch (error) {
        failed = true;
        throw error;
      }
    });
}
