// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer page in Chromium, in the viewer's namespace.
import fs from 'node:fs';
import { connect, launchThrough, logIn, until, untilState }
  from '../e2e/browser.js';
import { EMAIL, PASSWORD, ROBOT } from './site.mjs';

export function openBrowser(site) {
  const wrapper = site.file('chromium');
  fs.writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${
    site.world.viewer} ${process.env.CHROMIUM ?? '/usr/bin/chromium'} "$@"\n`,
  { mode: 0o755 });
  return launchThrough(wrapper);
}

// Live already. *script* runs in it before its own.
export async function openPage(browser, site, script = () => {}) {
  const page = await browser.newPage();
  await page.addInitScript(script);
  await page.goto(site.url(2));
  await logIn(page, EMAIL, PASSWORD);
  await until('the robot in the list', async () => (await page
    .locator('#robot option').evaluateAll((options) =>
      options.map((option) => option.value))).includes(ROBOT));
  await page.getByLabel('Robot', { exact: true }).selectOption(ROBOT);
  await connect(page);
  await untilState(page, 'live');
  return page;
}
