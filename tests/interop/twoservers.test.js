// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Two server processes on one database: what both change at once. Real servers,
// real PostgreSQL and MariaDB.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Database, PASSWORD, PRODUCTS } = require('./database-process.js');
const { Signaling, until } = require('./signaling-process.js');

const ROUNDS = 100;
const HOUR = 3600000;

for (const product of PRODUCTS)
  describe(`two servers on one ${product}`, () => {
    const database = new Database(product);
    let servers;
    let admin;
    const people = [];
    const words = (n) => `the password of person ${n}`;
    // Both do the same, or something else, at the same time.
    const both = (what) => Promise.all(servers.map((server, n) => what(server, people[n], n)));
    const book = (server, { token }, from, more = {}) => server.http('POST', '/bookings',
      { token, body: { robot_id: 'r1', starts_at: from, ends_at: from + HOUR, ...more } });
    const start = Date.now() + 10 * 24 * HOUR;

    before(async () => {
      await database.open(false);
      servers = [0, 1].map(() => new Signaling({ database: database.url({ password: false }) }));
      for (const server of servers) {
        const file = path.join(server.work, 'database.password');
        fs.writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
        fs.writeFileSync(server.config, `[server]\ndatabase-password-file=${file}\n` +
          '[sessions]\nmax-booked=1000d\nmax-booking=1000d\n' +
          '[limits]\nlogins-per-minute=0\nrequests-per-second-per-address=0\n');
      }
    });
    after(async () => {
      for (const server of servers)
        await server.close();
      await database.close();
    });

    it('make the tables of an empty database together', async () => {
      await Promise.all(servers.map((server) => server.start()));
      const [one] = servers;
      for (const n of [0, 1]) {
        one.cli(['user', 'add', `person${n}@example.org`], `${words(n)}\n`);
        const { access_token: token } = await servers[n].login(`person${n}@example.org`, words(n));
        people.push({ token });
      }
      one.cli(['robot', 'add', 'r1', '--type', 'arm']);
      one.cli(['user', 'add', 'root@example.org', '--role', 'admin'], 'the password of root\n');
      admin = (await one.login('root@example.org', 'the password of root')).access_token;
    });

    it('give a time to one of two who book it at once', async () => {
      const won = [0, 0];
      for (let round = 0; round < ROUNDS; round++) {
        // One of them an hour, the other the whole type from the middle of it on.
        const from = start + round * 2 * HOUR;
        const answers = await both((server, person, n) => n === 0 ? book(server, person, from)
          : server.http('POST', '/bookings', { token: person.token,
            body: { robot_type: 'arm', starts_at: from + HOUR / 2, ends_at: from + HOUR } }));
        const statuses = answers.map(({ status }) => status);
        assert.deepEqual(statuses.toSorted(), [201, 409], JSON.stringify(answers.map(({ body }) => body)));
        won[statuses.indexOf(201)]++;
      }
      const { body } = await servers[0].http('GET', '/bookings/all', { token: admin });
      const times = body.filter(({ status }) => status === 'active')
        .map((b) => [b.starts_at, b.ends_at]).toSorted((a, b) => a[0] - b[0]);
      assert.equal(times.length, ROUNDS);
      for (let n = 1; n < times.length; n++)
        assert.ok(times[n - 1][1] <= times[n][0], 'no two overlap');
      console.log(`# the first got it ${won[0]} times, the second ${won[1]}`);
    });

    it('agree on what is cancelled by one and changed by the other', async () => {
      for (let round = 0; round < ROUNDS / 4; round++) {
        const from = start + (1000 + round * 4) * HOUR;
        const { body: { id } } = await book(servers[0], people[0], from);
        const [cancelled, changed] = await both((server, _, n) => n === 0
          ? server.http('DELETE', `/bookings/${id}`, { token: people[0].token })
          : server.http('PUT', `/bookings/${id}`, { token: people[0].token,
            body: { starts_at: from + HOUR, ends_at: from + 2 * HOUR } }));
        assert.equal(cancelled.status, 200);
        assert.ok([200, 404, 409].includes(changed.status), JSON.stringify(changed.body));
        const { body } = await servers[1].http('GET', '/my-bookings', { token: people[0].token });
        assert.notEqual(body.find((b) => b.id === id)?.status, 'active', 'a cancellation is never lost');
      }
    });

    it('make one account of an address', async () => {
      for (let round = 0; round < 10; round++) {
        const answers = await both((server) => server.http('POST', '/users', { token: admin,
          body: { email: `new${round}@example.org`, name: 'N', role: 'viewer', password: 'some words for a start' } }));
        assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409]);
      }
    });

    it('know a new password and a locked account at once', async () => {
      const [one, two] = servers;
      const { token } = people[1];
      const changed = await one.http('PUT', '/auth/password', { token,
        body: { current_password: words(1), password: 'another one of person 1' } });
      assert.equal(changed.status, 200, JSON.stringify(changed.body));
      const login = (password) => two.http('POST', '/auth/login',
        { body: { email: 'person1@example.org', password } });
      assert.equal((await login(words(1))).status, 401);
      const fresh = await login('another one of person 1');
      assert.equal(fresh.status, 200);
      await until('the old token is nobody\'s at the other server', async () =>
        (await two.http('GET', '/my-bookings', { token })).status === 401);
      one.cli(['user', 'disable', 'person1@example.org']);
      await until('the new one neither', async () =>
        (await two.http('GET', '/my-bookings', { token: fresh.body.access_token })).status === 401);
    });
  });
