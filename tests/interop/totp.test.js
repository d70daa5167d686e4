// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The second factor of an account: made and confirmed on the server, asked for
// at each log-in, good once.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Signaling, until } = require('./signaling-process.js');
const { totp } = require('./totp.js');

const WORDS = 'the words of the boss';
describe('a second factor', () => {
  const server = new Signaling({ config: '[limits]\nlogin-failures-per-account=6\nlogins-per-minute=0\n' });
  let uri;
  const login = (code, email = 'boss@example.org') => server.http('POST', '/auth/login',
    { body: { email, password: WORDS, ...(code !== undefined && { totp: code }) } });

  // A code is good for a window of three steps and once: what a test uses has to
  // be unused, and of a window that does not end meanwhile.
  let used = 0;
  async function fresh() {
    await until('an unused code', () => {
      const step = Math.floor(Date.now() / 30000);
      return step + 1 > used && Date.now() % 30000 < 27000;
    }, 70);
    const step = Math.floor(Date.now() / 30000);
    const later = Math.max(-1, used + 1 - step);
    used = step + later;
    return totp(uri, later);
  }

  before(async () => {
    for (const [name, role] of [['boss', 'admin'], ['other', 'admin'], ['viewer', 'viewer']])
      server.cli(['user', 'add', `${name}@example.org`, '--role', role], `${WORDS}\n`);
    await server.start();
  });
  after(() => server.close());

  it('does not count before a code of it is confirmed', async () => {
    const file = path.join(server.work, 'uri');
    server.cli(['user', 'totp', 'boss@example.org', '--output', file]);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    uri = fs.readFileSync(file, 'utf8').trim();
    assert.match(uri, /^otpauth:\/\/totp\/robotlive:boss@example\.org\?secret=[A-Z2-7]{32}&issuer=robotlive$/);
    assert.equal((await login()).status, 200);
    const wrong = totp(uri) === '000000' ? '111111' : '000000';
    assert.equal(server.tryCli(['user', 'totp', 'boss@example.org', '--confirm', wrong]).status, 65);
    assert.equal((await login()).status, 200);
    const made = server.tryCli(['user', 'totp', 'boss@example.org']);
    const [, command] = /robotlive-signaling (user totp \d+ --confirm) CODE/.exec(made.stderr);
    uri = made.stdout.trim(); // the one before is nobody's
    server.cli([...command.split(' '), await fresh()]);
  });

  it('is asked for, and each code is good once', async () => {
    const asked = await login();
    assert.deepEqual([asked.status, asked.body.code], [401, 'totp-required']);
    for (const wrong of ['', '12345', '1234567', 'abcdef'])
      assert.equal((await login(wrong)).status, 401, wrong);
    for (const wrong of [123456, null, 'x'.repeat(17), '１２３４５６', ['1']])
      assert.equal((await login(wrong)).status, 422, JSON.stringify(wrong));
    const code = await fresh();
    // At once as well: one of two who have it.
    const both = await Promise.all([login(code), login(code)]);
    assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 401]);
    const { body } = both.find(({ status }) => status === 200);
    assert.ok(body.access_token);
    assert.ok(Math.abs(body.last_login - Date.now()) < 600000, 'who logged in before, and when');
    const again = await login(code);
    assert.deepEqual([again.status, again.body.message], [401, 'the code was used already: take the next one']);
    assert.equal((await server.http('GET', '/sessions', { token: body.access_token })).status, 200);
    const rows = (await server.http('GET', '/audit?kind=login', { token: body.access_token })).body;
    assert.ok(rows.some(({ what }) => what === 'failed'));
  });

  it('lets nobody guess, and not the right code behind that', async () => {
    const wrong = async () => (await login('000000')).status;
    const seen = new Set();
    for (let n = 0; n < 12; n++)
      seen.add(await wrong());
    assert.ok(seen.has(429), [...seen].join());
    assert.equal(server.tryCli(['user', 'list', '--json']).stdout.includes(new URL(uri).searchParams.get('secret')), false);
    assert.equal(server.output.includes(new URL(uri).searchParams.get('secret')), false);
  });

  it('may be needed by administrators, and the remedy helps', async () => {
    assert.equal((await login(undefined, 'other@example.org')).status, 200);
    fs.appendFileSync(server.config, '[identity]\nrequire-totp=admin\n');
    server.child.kill('SIGHUP');
    await until('the reload', () => /event=reloaded/.test(server.output));
    const refused = await login(undefined, 'other@example.org');
    assert.deepEqual([refused.status, refused.body.code], [403, 'totp-setup-required']);
    assert.equal((await login(undefined, 'viewer@example.org')).status, 200);
    const [, command] = /"robotlive-signaling (user totp \d+)"/.exec(refused.body.message);
    const made = server.cli(command.split(' '));
    server.cli([...command.split(' '), '--confirm', totp(made)]);
    assert.equal((await login(undefined, 'other@example.org')).body.code, 'totp-required');
    assert.equal((await login(totp(made, 1), 'other@example.org')).status, 200);
    // What cannot be read lets nobody in more easily.
    fs.writeFileSync(server.config, '[identity]\nrequire-totp=admins\n');
    assert.equal(server.tryCli(['check-config']).status, 78);
    fs.writeFileSync(server.config, '');
    server.cli([...command.split(' '), '--disable']);
    assert.notEqual(server.tryCli([...command.split(' '), '--confirm', totp(made)]).status, 0);
  });
});
