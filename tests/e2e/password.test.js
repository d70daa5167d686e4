// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A password link from the command line, opened in a browser: the one page that
// somebody without a password can use.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, logIn, textOf, until } from './browser.js';
import { PASSWORD, Stack } from './stack.js';

import totps from '../interop/totp.js';

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

test('a second factor is asked for when the account has one', async () => {
  const boss = 'boss@example.org';
  await stack.addUser(boss, 'admin');
  const uri = await stack.cli('user', 'totp', boss);
  await stack.cli('user', 'totp', boss, '--confirm', totps.totp(uri, -1));
  const page = await browser.newPage();
  await page.goto(stack.origin);
  assert.equal(await page.isVisible('#totp'), false);
  await logIn(page, boss, PASSWORD);
  await page.waitForSelector('#second-factor:not([hidden])');
  assert.match(await textOf(page, 'login-notice'), /second factor/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'totp');
  const right = totps.totp(uri);
  await page.fill('#totp', right === '000000' ? '111111' : '000000');
  await page.click('#login-button');
  await until('the reason', async () =>
    /code is wrong/.test(await textOf(page, 'login-notice')));
  await page.fill('#totp', totps.totp(uri, 1)); // whatever has passed
  await page.keyboard.press('Enter');
  await page.waitForSelector('#viewer:not([hidden])');
  await page.close();
});
