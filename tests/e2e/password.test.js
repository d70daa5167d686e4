// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A password link from the command line, opened in a browser: the one page that
// somebody without a password can use.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, logIn, textOf, until } from './browser.js';
import { Stack } from './stack.js';

const EMAIL = 'ada@example.org';
const NEW = 'seven rather odd teapots';

let browser;
let stack;
before(async () => {
  browser = await launch();
  stack = await Stack.start();
  await stack.addUser(EMAIL);
});
after(async () => {
  await browser?.close();
  await stack?.close(false);
});

async function choose(page, password) {
  await page.fill('#chosen-password', password);
  await page.click('#new-password-button');
}

test('a password link sets a password, once', async () => {
  const link = await stack.cli('user', 'password', EMAIL, '--link');
  const page = await browser.newPage();
  await page.goto(stack.origin + link);
  await page.waitForSelector('#new-password');
  assert.doesNotMatch(page.url(), /password/, 'the secret stays in the address');

  await choose(page, 'short'); // does not spend the link
  assert.match(await until('a reason', () =>
    textOf(page, 'new-password-notice')), /\w+/);
  await choose(page, NEW);
  await page.waitForSelector('#login:not([hidden])');
  assert.match(await textOf(page, 'login-notice'), /password is set/);
  await logIn(page, EMAIL, NEW);
  await page.waitForSelector('#viewer:not([hidden])');

  // Spent: by the address again, in the tab that is logged in.
  await page.goto(stack.origin + link);
  await page.waitForSelector('#new-password');
  await choose(page, 'another fine long password');
  assert.match(await until('a reason', () =>
    textOf(page, 'new-password-notice')), /used already/);
  await page.close();
});
