// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A database across a network: its password stands in a file, TLS is verified.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Database, PASSWORD, PRODUCTS } = require('./database-process.js');
const { Signaling } = require('./signaling-process.js');

for (const product of PRODUCTS)
  describe(`${product} across a network`, () => {
    const database = new Database(product);
    const servers = [];

    // What check-config says with that configuration.
    function check({ ca = 'ca.pem', password = PASSWORD, url } = {}) {
      const file = path.join(database.work, 'given');
      fs.writeFileSync(file, `${password}\n`, { mode: 0o600 });
      const server = new Signaling({ config: '[server]\nlisten=127.0.0.1:0\n' +
        `database-password-file=${file}\n`, database: url ?? database.url({ password: false, ca }) });
      servers.push(server);
      const { status, stdout, stderr } = server.tryCli(['check-config']);
      assert.ok(!(stdout + stderr).includes(PASSWORD), 'the password is said to nobody');
      return { status, text: stdout + stderr, server };
    }

    before(() => database.open(true));
    after(async () => {
      for (const server of servers)
        await server.close();
      await database.close();
    });

    it('is opened with the password of the file, and serves', async () => {
      const { status, text, server } = check();
      assert.equal(status, 0, text);
      assert.doesNotMatch(text, /warning/);
      server.cli(['user', 'add', 'ann@example.org'], 'a password of hers\n');
      await server.start();
      assert.equal((await server.http('GET', '/health')).status, 200);
      assert.ok((await server.login('ann@example.org', 'a password of hers')).access_token);
      const command = fs.readFileSync(`/proc/${server.child.pid}/cmdline`, 'utf8');
      assert.ok(!command.includes(PASSWORD));
    });

    it('is refused with another password', () => {
      const { status } = check({ password: 'another' });
      assert.notEqual(status, 0);
    });

    it('is refused when another authority signed its certificate', () => {
      const { status, text } = check({ ca: 'other.pem' });
      assert.notEqual(status, 0, text);
    });

    it('is not asked in clear when it speaks no TLS', async () => {
      await database.stop();
      await database.start(false);
      const { status, text } = check();
      assert.notEqual(status, 0, text);
      // The same without TLS, which is warned of where it leaves the machine.
      assert.equal(check({ url: database.url({ password: false }) }).status, 0);
      await database.stop();
      await database.start(true);
    });

    it('takes no password twice, and none without a user', () => {
      const plain = database.url({ password: false });
      assert.match(check({ url: database.url() }).text, /has a password already/);
      assert.match(check({ url: plain.replace('robotlive@', '') }).text, /names no user/);
      assert.match(check({ url: `${plain}?sslmod=verify-full` }).text, /has a parameter other than/);
    });
  });
