// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When a robot is free and when it is taken, as the HTTP API tells it.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const { Signaling } = require('./signaling-process.js');

const HOUR = 3600 * 1000;
const DAY = 24 * HOUR;
const T = Date.UTC(2030, 5, 3, 8); // a Monday

describe('free times', () => {
  const server = new Signaling();
  let ada, bob;
  const as = (who, method, at, body) =>
    server.http(method, at, { token: who?.access_token, body });
  const book = async (who, body) => (await as(who, 'POST', '/bookings', body)).body;
  const at = (robot, what, from, to) =>
    as(bob, 'GET', `/robots/${encodeURIComponent(robot)}/${what}?from=${from}&to=${to}`);
  const span = (from, to) => ({ starts_at: from, ends_at: to });

  before(async () => {
    for (const name of ['ada', 'bob'])
      server.cli(['user', 'add', `${name}@example.org`], 'correct horse');
    for (const id of ['robot_1', 'robot_2', 'lab/1'])
      server.cli(['robot', 'add', id, '--type', id === 'lab/1' ? 'lab' : 'pi']);
    await server.start();
    ada = await server.login('ada@example.org', 'correct horse');
    bob = await server.login('bob@example.org', 'correct horse');
    await book(ada, { robot_id: 'robot_1', ...span(T, T + HOUR) });
    await book(ada, { robot_id: 'robot_1', ...span(T + HOUR, T + 2 * HOUR) });
    await book(ada, { robot_type: 'pi', ...span(T + 4 * HOUR, T + 5 * HOUR) });
    const gone = await book(ada, { robot_id: 'robot_1', ...span(T + 8 * HOUR, T + 9 * HOUR) });
    await as(ada, 'DELETE', `/bookings/${gone.id}`);
    await book(ada, { robot_id: 'lab/1', ...span(T, T + HOUR) });
  });
  after(() => server.close());

  it('are told to who has nothing of it, without names', async () => {
    const busy = await at('robot_1', 'busy', T - HOUR, T + 12 * HOUR);
    assert.deepEqual(busy.body, { robot_id: 'robot_1', from: T - HOUR, to: T + 12 * HOUR,
      busy: [span(T, T + 2 * HOUR), span(T + 4 * HOUR, T + 5 * HOUR)] });
    const free = await at('robot_1', 'free', T - HOUR, T + 12 * HOUR);
    assert.deepEqual(free.body, { robot_id: 'robot_1', from: T - HOUR, to: T + 12 * HOUR,
      free: [span(T - HOUR, T), span(T + 2 * HOUR, T + 4 * HOUR),
        span(T + 5 * HOUR, T + 12 * HOUR)] });
    // A booking of the whole type is in the way of each robot of it, and of no other.
    assert.deepEqual((await at('robot_2', 'busy', T, T + 12 * HOUR)).body.busy,
      [span(T + 4 * HOUR, T + 5 * HOUR)]);
    assert.deepEqual((await at('lab/1', 'free', T, T + 2 * HOUR)).body.free,
      [span(T + HOUR, T + 2 * HOUR)]);
    // Cut off at what was asked for.
    assert.deepEqual((await at('robot_1', 'busy', T + 1000, T + 2000)).body.busy,
      [span(T + 1000, T + 2000)]);
    assert.deepEqual((await at('robot_1', 'free', T + 1000, T + 2000)).body.free, []);
  });

  it('may be asked for in words', async () => {
    const iso = await at('robot_1', 'busy', '2030-06-03T10:00:00%2B02:00',
      '2030-06-03T12:00:00+02:00');
    assert.deepEqual([iso.body.from, iso.body.to], [T, T + 2 * HOUR]);
    const now = Date.now();
    const week = await as(bob, 'GET', '/robots/robot_1/free');
    assert.ok(Math.abs(week.body.from - now) < 60000);
    assert.equal(week.body.to - week.body.from, 7 * DAY);
  });

  it('are refused with what is wrong', async () => {
    const statuses = [];
    for (const query of ['from=', 'to=', 'from=x', 'to=%zz', 'from=-1', 'from=1e3', 'to=0',
      `from=${T}&to=${T}`, `from=${T}&to=${T + 90 * DAY + 1}`, 'from=999999999999999999999',
      'from=9007199254740993'])
      statuses.push((await as(bob, 'GET', `/robots/robot_1/free?${query}`)).status);
    assert.deepEqual(statuses, statuses.map(() => 422));
    assert.equal((await at('robot_1', 'free', T, T + 90 * DAY)).status, 200);
    assert.equal((await at('nobody', 'free', T, T + DAY)).status, 404);
    assert.equal((await at('', 'free', T, T + DAY)).status, 404);
    for (const who of [null, { access_token: 'a.b.c' }])
      assert.equal((await as(who, 'GET', '/robots/robot_1/busy')).status, 401);
    assert.equal((await as(bob, 'POST', '/robots/robot_1/free', {})).status, 404);
  });

  it('are said on the command line', () => {
    const line = start => ['booking', 'add', '--user', 'bob@example.org', '--robot', 'lab/1',
      '--start', start, '--duration', '1h'];
    assert.throws(() => server.cli(line('2030-06-03T08:30:00Z')), error => {
      const [, from, to, next] = / from (\S+) to (\S+); it is free for as long from (\S+)/
        .exec(error.stderr);
      assert.deepEqual([from, to, next].map(Date.parse), [T, T + HOUR, T + HOUR]);
      server.cli(line(next));
      return true;
    });
  });

  it('stand in the answer to a booking that clashes', async () => {
    const clash = (who, method, path, body) => as(who, method, path, body).then(answer => {
      assert.deepEqual([answer.status, answer.body.code], [409, 'conflict']);
      return [answer.body.conflict, answer.body.next_free];
    });
    assert.deepEqual(await clash(bob, 'POST', '/bookings',
      { robot_id: 'robot_1', ...span(T + HOUR / 2, T + HOUR) }),
    [span(T, T + HOUR), span(T + 2 * HOUR, T + 2 * HOUR + HOUR / 2)]);
    // Two hours fit before the whole type is taken, three do not.
    assert.deepEqual(await clash(bob, 'POST', '/bookings',
      { robot_id: 'robot_1', ...span(T + HOUR, T + 3 * HOUR) }),
    [span(T + HOUR, T + 2 * HOUR), span(T + 2 * HOUR, T + 4 * HOUR)]);
    assert.deepEqual(await clash(bob, 'POST', '/bookings',
      { robot_id: 'robot_1', ...span(T + HOUR, T + 4 * HOUR) }),
    [span(T + HOUR, T + 2 * HOUR), span(T + 5 * HOUR, T + 8 * HOUR)]);
    const mine = await book(bob, { robot_id: 'robot_1', ...span(T + 2 * HOUR, T + 3 * HOUR) });
    assert.deepEqual(await clash(bob, 'PUT', `/bookings/${mine.id}`, { ends_at: T + 5 * HOUR }),
      [span(T + 4 * HOUR, T + 5 * HOUR), span(T + 5 * HOUR, T + 8 * HOUR)]);
    // What it says is true.
    const [, next] = await clash(ada, 'POST', '/bookings', { robot_id: 'robot_1', ...span(T, T + HOUR) });
    assert.equal((await as(ada, 'POST', '/bookings', { robot_id: 'robot_1', ...next })).status, 201);
  });
});
