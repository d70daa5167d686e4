// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The HTTP API, the page and the command line of robotlive-signaling.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');
const { io } = require('socket.io-client');
const { Signaling, Peer, binary, until, offer } = require('./signaling-process.js');

describe('HTTP API', () => {
  const server = new Signaling();
  let user, admin, robotToken;

  before(async () => {
    const secret = path.join(server.work, 'turn-secret');
    fs.writeFileSync(secret, 'turn secret\n');
    fs.writeFileSync(server.config, '[server]\ntime-zone=Europe/Berlin\n' +
      'cors-origins=https://console.example\n' +
      '[ice]\nstun-urls=stun:stun.example:3478\n' +
      `turn-urls=turn:turn.example:3478\nturn-secret-file=${secret}\n`);
    server.cli(['user', 'add', 'Alice@Example.org', '--name', 'Alice'], 'correct horse');
    server.cli(['user', 'add', 'admin@example.org', '--role', 'admin'], 'battery staple');
    robotToken = server.cli(['robot', 'add', 'robot_1', '--type', 'pi', '--name', 'One']);
    await server.start();
    user = await server.login('alice@example.org', 'correct horse');
    admin = await server.login('admin@example.org', 'battery staple');
  });
  after(() => server.close());

  const as = (who, method, at, body) =>
    server.http(method, at, { token: who?.access_token, body });

  it('says how it is', async () => {
    const { status, body } = await as(null, 'GET', '/health');
    assert.equal(status, 200);
    assert.equal(body.status, 'healthy');
    assert.equal(body.service, 'webrtc-signaling');
    assert.ok(Date.parse(body.timestamp) > Date.now() - 60000);
    assert.equal(typeof body.connections, 'number');
    assert.equal(typeof body.rooms, 'number');
    const metrics = await as(null, 'GET', '/metrics');
    assert.match(metrics.body, /^robotlive_store_up 1$/m);
    assert.match(metrics.body, /^# TYPE robotlive_offers_admitted_total counter$/m);
    assert.match(metrics.body, /^robotlive_received_bytes_total [1-9]\d*$/m);
    // Names as Prometheus wants them: counters, and they alone, are totals.
    const types = [...metrics.body.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    assert.ok(types.length > 20);
    for (const [, name, type] of types) {
      assert.match(name, /^robotlive_[a-z]+(_[a-z]+)*$/);
      assert.equal(type, name.endsWith('_total') ? 'counter' : 'gauge', name);
      assert.match(metrics.body, new RegExp(`^# HELP ${name} [A-Z1].+\\.$`, 'm'));
    }
    for (const line of metrics.body.trimEnd().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) |robotlive_\w+(\{\w+="[^"]*"\})? \d+$)/);
  });

  it('takes nobody behind a proxy that nobody named for a program of this machine', async () => {
    for (const headers of [{ 'x-forwarded-for': '192.0.2.1' }, { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' }, { 'x-real-ip': '::1' }, { via: '1.1 x' }])
      assert.equal((await server.http('GET', '/metrics', { headers })).status, 403, JSON.stringify(headers));
    assert.equal((await server.http('GET', '/metrics')).status, 200);
    assert.match(server.output, /a proxy at 127\.0\.0\.1 is not in trusted-proxies.*trusted-proxies=127\.0\.0\.1/);
    assert.equal(server.output.split('is not in trusted-proxies').length, 2);
  });

  it('serves the page with headers that keep others out', async () => {
    const { status, headers, body } = await as(null, 'GET', '/');
    assert.equal(status, 200);
    assert.match(headers.get('content-type'), /^text\/html/);
    assert.match(headers.get('content-security-policy'), /script-src 'self'/);
    assert.match(headers.get('content-security-policy'), /frame-ancestors 'none'/);
    assert.doesNotMatch(headers.get('content-security-policy'), /unsafe/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    assert.equal(headers.get('strict-transport-security'), null); // no TLS here
    for (const [, file] of body.matchAll(/(?:src|href)="([\w.]+)"/g))
      assert.equal((await as(null, 'GET', `/${file}`)).status, 200, file);
    for (const hostile of ['/..%2f..%2fetc/passwd', '/%2e%2e/meson.build', '/nothing', '/meson.build'])
      assert.equal((await as(null, 'GET', hostile)).status, 404, hostile);
  });

  it('knows each route by its exact path alone', async () => {
    for (const path of ['/audit', '/metrics', '/health', '/sessions', '/robots', '/users', '/config']) {
      assert.notEqual((await as(admin, 'GET', path)).status, 404, path);
      for (const other of [`${path}/`, `/${path}`, `${path}//`, `${path}/.`, `${path}%2f`])
        assert.equal((await as(admin, 'GET', other)).status, 404, other);
    }
    for (const path of ['/robots//busy', '/users//export'])
      assert.equal((await as(admin, 'GET', path)).status, 404, path);
    assert.equal((await as(admin, 'DELETE', '/sessions/')).status, 404);
  });

  it('logs in, and says no more than needed to who cannot', async () => {
    assert.equal(user.token_type, 'bearer');
    assert.deepEqual(user.user, { id: 1, name: 'Alice', email: 'alice@example.org', role: 'viewer', may_book: true });
    assert.deepEqual((await as(user, 'GET', '/auth/me')).body, user.user);
    assert.equal((await as(null, 'GET', '/auth/me')).status, 401);
    assert.equal((await server.http('GET', '/auth/me', { token: 'a.b.c' })).status, 401);
    const wrong = [];
    for (const email of ['alice@example.org', 'nobody@example.org', 'no address'])
      wrong.push(await as(null, 'POST', '/auth/login', { email, password: 'not this' }));
    for (const { status, body } of wrong)
      assert.deepEqual([status, body], [401, wrong[0].body]);
    const ids = wrong.map(({ headers }) => headers.get('x-request-id'));
    assert.equal(new Set(ids).size, 3);
    for (const id of ids)
      assert.match(server.output, new RegExp(`event=login-failed .*request=${id}\n`));
    for (const body of [{}, [], 'x', { email: 1, password: 2 },
      { email: 'alice@example.org', password: 'x'.repeat(2000) }])
      assert.equal((await as(null, 'POST', '/auth/login', body)).status, 422);
    // A guesser has to wait, and does not lock the account for others' sake.
    let last;
    for (let i = 0; i < 12 && last?.status !== 429; ++i)
      last = await as(null, 'POST', '/auth/login', { email: 'bob@example.org', password: 'guess' });
    assert.equal(last.status, 429);
    assert.ok(Number(last.headers.get('retry-after')) > 0);
    assert.equal((await as(null, 'POST', '/auth/login',
      { email: 'alice@example.org', password: 'correct horse' })).status, 200);
  });

  it('bounds what a user who cancels again leaves behind', async () => {
    const bounded = new Signaling();
    bounded.cli(['user', 'add', 'own@example.org'], 'correct horse');
    bounded.cli(['robot', 'add', 'robot_1', '--type', 'pi']);
    await bounded.start();
    const { access_token: token } = await bounded.login('own@example.org', 'correct horse');
    const body = { robot_id: 'robot_1', date: '2030-07-01', start_time: '10:00', end_time: '11:00' };
    for (let i = 0; i < 200; ++i) {
      const made = await bounded.http('POST', '/bookings', { token, body });
      assert.equal(made.status, 201);
      const gone = await bounded.http('DELETE', `/bookings/${made.body.id}`, { token });
      assert.equal(gone.status, 200);
    }
    const refused = await bounded.http('POST', '/bookings', { token, body });
    assert.deepEqual([refused.status, refused.body.code], [409, 'conflict']);
    await bounded.close();
  });

  it('counts guesses by household, whatever the guesser may log in to', async () => {
    const guarded = new Signaling({ config: '[server]\ntrusted-proxies=127.0.0.1/32\n' +
      '[limits]\nlogin-failures-per-address=30\n' });
    guarded.cli(['user', 'add', 'own@example.org'], 'correct horse');
    await guarded.start();
    const guess = async (address, email, password = 'guess') =>
      (await guarded.http('POST', '/auth/login', { body: { email, password },
        headers: { 'x-forwarded-for': address } })).status;
    // An IPv6 host has a /64 of addresses.
    const statuses = [];
    for (let i = 1; i <= 10; ++i)
      statuses.push(await guess(`2001:db8::${i}`, 'victim@example.org'));
    assert.deepEqual(statuses, [...Array(8).fill(401), 429, 429]);
    assert.equal(await guess('2001:db8:0:1::1', 'victim@example.org'), 401);
    // A class behind one router has more guesses than a household...
    let wrong = 0;
    for (let i = 0; i < 20; ++i)
      wrong += await guess('192.0.2.1', `user${i}@example.org`) === 401;
    assert.equal(wrong, 20);
    assert.equal(await guess('192.0.2.1', 'own@example.org', 'correct horse'), 200);
    // ... and an end of them, which nobody pays for who logged in there before.
    for (let i = 20; i < 50; ++i)
      wrong += await guess('192.0.2.1', `user${i}@example.org`) === 401;
    assert.ok(wrong >= 30 && wrong < 50, `${wrong}`);
    assert.equal(await guess('192.0.2.1', 'new@example.org'), 429);
    assert.equal(await guess('192.0.2.1', 'own@example.org', 'correct horse'), 200);
    // Right ones are metered as well.
    let last;
    for (let i = 0; i < 12 && last !== 429; ++i)
      last = await guess('192.0.2.1', 'own@example.org', 'correct horse');
    assert.equal(last, 429);
    await guarded.close();
  });

  it('takes what changes something from its own page alone, as JSON', async () => {
    const login = { email: 'alice@example.org', password: 'correct horse' };
    const post = async (at, headers, body = JSON.stringify(login), method = 'POST') =>
      (await fetch(server.url + at, { method, body, headers })).status;
    const json = 'application/json';
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data',
      'application/jsonp', 'text/json', 'text/plain; application/json'])
      assert.equal(await post('/auth/login', { 'Content-Type': type }), 415, type);
    assert.equal(await post('/auth/login', {}, new Uint8Array([123, 125])), 415);
    assert.equal(await post('/auth/login', {}, undefined), 415);
    for (const type of [json, 'Application/JSON', `${json}; charset=utf-8`, `${json} ;x=y`])
      assert.equal(await post('/auth/login', { 'Content-Type': type }), 200, type);
    const own = { 'Content-Type': json, Authorization: `Bearer ${user.access_token}` };
    for (const [method, at] of [['POST', '/bookings'], ['PUT', '/bookings/1'], ['DELETE', '/bookings/1']]) {
      assert.equal(await post(at, { ...own, 'Content-Type': 'text/plain' }, '{}', method), 415, at);
      for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1', `${server.url}.evil.example`])
        assert.equal(await post(at, { ...own, Origin: origin }, '{}', method), 403, `${at} ${origin}`);
    }
    for (const origin of ['https://evil.example', 'null'])
      assert.equal(await post('/auth/login', { 'Content-Type': json, Origin: origin }), 403);
    for (const origin of [server.url, 'https://console.example'])
      assert.equal(await post('/auth/login', { 'Content-Type': json, Origin: origin }), 200, origin);
    assert.match(server.output, /origin https:\/\/evil.example: the request's Host is 127\.0\.0\.1:\d+,/);
  });

  it('books, lists, moves and cancels', async () => {
    const day = '2030-07-01';
    const made = await as(user, 'POST', '/bookings',
      { robot_id: 'robot_1', date: day, start_time: '10:00', end_time: '11:00' });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.equal(made.body.starts_at, Date.parse(`${day}T08:00:00Z`)); // CEST
    assert.equal(made.body.ends_at, Date.parse(`${day}T09:00:00Z`));
    const { id } = made.body;
    for (const [field, value] of Object.entries({ user_id: 1, robot_type: 'pi',
      robot_id: 'robot_1', date: day, start_time: '10:00', end_time: '11:00', status: 'active' }))
      assert.equal(made.body[field], value, field);

    const overlap = { robot_id: 'robot_1', date: day, start_time: '10:59', end_time: '12:00' };
    assert.equal((await as(user, 'POST', '/bookings', overlap)).status, 409);
    const type = { robot_type: 'pi', date: day, start_time: '10:30', end_time: '10:40' };
    assert.equal((await as(admin, 'POST', '/bookings', type)).status, 409);
    const next = { ...overlap, start_time: '11:00' }; // the end is exclusive
    assert.equal((await as(admin, 'POST', '/bookings', next)).status, 201);

    assert.deepEqual((await as(user, 'GET', '/my-bookings')).body.map((b) => b.id), [id]);
    assert.equal((await as(user, 'GET', '/bookings/all')).status, 403);
    assert.equal((await as(admin, 'GET', '/bookings/all')).body.length, 2);
    assert.equal((await as(user, 'PUT', `/bookings/${id}`, { end_time: '11:30' })).status, 409);
    const moved = await as(user, 'PUT', `/bookings/${id}`, { start_time: '09:30', end_time: '10:30' });
    assert.equal(moved.body.starts_at, Date.parse(`${day}T07:30:00Z`));

    const eve = server.cli(['user', 'add', 'eve@example.org'], 'quick brown fox');
    const other = { access_token: server.cli(['token', '--role', 'viewer', '--sub', eve]) };
    for (const method of ['PUT', 'DELETE'])
      assert.equal((await as(other, method, `/bookings/${id}`,
        method === 'PUT' ? { end_time: '10:31' } : undefined)).status, 404);
    assert.equal((await as(user, 'DELETE', `/bookings/${id}`)).status, 200);
    assert.equal((await as(user, 'DELETE', `/bookings/${id}`)).status, 404);
    assert.equal((await as(user, 'GET', '/my-bookings')).body[0].status, 'cancelled');

    for (const bad of [{}, { robot_id: 'robot_1' }, { robot_id: 'no_such', date: day, start_time: '01:00', end_time: '02:00' },
      { robot_id: 'robot_1', date: '2030-02-30', start_time: '01:00', end_time: '02:00' },
      { robot_id: 'robot_1', date: '2030-03-31', start_time: '02:30', end_time: '03:30' }, // skipped by the clocks
      { robot_id: 'robot_1', date: '2020-01-01', start_time: '01:00', end_time: '02:00' },
      { robot_id: 'robot_1', date: day, start_time: '02:00', end_time: '01:00' },
      { robot_id: 'robot_1', starts_at: 'x', ends_at: {} },
      { robot_id: 'robot_1', starts_at: Date.now(), ends_at: Date.now() + 1e12 },
      { robot_id: 'x'.repeat(500), date: day, start_time: '01:00', end_time: '02:00' }]) {
      const { status, body } = await as(user, 'POST', '/bookings', bad);
      assert.ok([404, 422].includes(status), `${status} ${JSON.stringify(bad).slice(0, 100)}`);
      assert.ok(body.code && body.message);
    }
    for (const raw of ['', '[', 'null', '[]', '{"robot_id":"\\ud800"}', '['.repeat(5000)]) {
      const response = await fetch(`${server.url}/bookings`, { method: 'POST', body: raw,
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${user.access_token}` } });
      assert.equal(response.status, 422, raw.slice(0, 20));
    }
  });

  it('holds a booking that is made and one that is changed against the same rules', async () => {
    const minute = 60000, hour = 60 * minute, now = Math.floor(Date.now() / 1000) * 1000;
    const later = (from, length = hour) =>
      ({ starts_at: now + from, ends_at: now + from + length });
    const made = await as(user, 'POST', '/bookings', { robot_id: 'robot_1', ...later(30 * hour) });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const at = `/bookings/${made.body.id}`;
    const same = async (body, what = {}) => {
      const post = await as(user, 'POST', '/bookings', { robot_id: 'robot_1', ...later(50 * hour), ...what, ...body });
      const put = await as(user, 'PUT', at, body);
      for (const { status, body: answered } of [post, put]) {
        assert.equal(status, 422, `${status} ${JSON.stringify(body)} ${JSON.stringify(answered)}`);
        assert.equal(answered.code, 'bad-message');
      }
    };
    // A member that is unknown, or of a type that cannot be read.
    await same({ robot: 'robot_1' });
    await same({ Ends_at: now });
    for (const member of ['starts_at', 'ends_at', 'robot_id', 'robot_type', 'date', 'start_time', 'end_time'])
      for (const value of [5.5, {}, [], true, [['x']], '', 'soon', member.startsWith('robot') ? 7 : null])
        if (!(member === 'robot_type' && value === '') && !(member.startsWith('robot') && value === 'soon'))
          await same({ [member]: value });
    for (const member of ['id', 'user_id', 'status', 'created_at'])
      for (const value of [5.5, {}, [], true, null])
        await same({ [member]: value });
    await same({ status: 'cancelled' });
    await same({ user_id: 2 }); // another's
    await same({ user_id: 'eve' });
    await same({ id: 987654 });
    await same({ robot_id: 'robot_1', robot_type: 'another' });
    await same({ starts_at: 2 ** 60, ends_at: 2 ** 60 + 1000 });
    await same(later(-2 * hour, 4 * hour)); // begins in the past
    await same(later(-2 * hour));
    await same(later(30 * hour, 25 * hour)); // longer than max-booking
    await same({ starts_at: Date.parse('9000-01-01'), ends_at: Date.parse('9000-01-02') });
    const twice = await fetch(server.url + at, { method: 'PUT',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${user.access_token}` },
      body: `{"ends_at":${now + 32 * hour},"ends_at":${now + 33 * hour}}` });
    assert.equal(twice.status, 422);
    assert.equal((await as(user, 'POST', '/bookings', { robot_type: 'no-such', ...later(50 * hour) })).status, 404);
    assert.equal((await as(user, 'PUT', at, { robot_type: 'no-such' })).status, 404);
    const kept = (await as(user, 'GET', '/my-bookings')).body.find((b) => b.id === made.body.id);
    assert.deepEqual(kept, made.body, 'nothing of that has changed it');
    // What the server says of it may be sent back, whole or with one thing changed.
    assert.deepEqual((await as(user, 'PUT', at, kept)).body, kept);
    const longer = { ...kept, ends_at: kept.ends_at + hour };
    assert.equal((await as(user, 'PUT', at, longer)).body.ends_at, longer.ends_at);
    // Days on end are one booking, and hours are bounded.
    assert.equal((await as(user, 'DELETE', at)).status, 200);
    const day = 24 * hour;
    const first = await as(user, 'POST', '/bookings', { robot_id: 'robot_1', ...later(100 * day, day) });
    assert.equal(first.status, 201);
    assert.equal((await as(user, 'POST', '/bookings', { robot_id: 'robot_1', ...later(101 * day, hour) })).status, 409);
    assert.equal((await as(user, 'POST', '/bookings', { robot_type: 'pi', ...later(99 * day, day) })).status, 409);
    let hoarded = 1;
    for (let i = 1; i < 12; ++i)
      hoarded += (await as(user, 'POST', '/bookings', { robot_type: 'pi', ...later((100 + 2 * i) * day, day) })).status === 201;
    assert.equal(hoarded, 7);
    for (const { id, status } of (await as(user, 'GET', '/my-bookings')).body)
      if (status === 'active')
        await as(user, 'DELETE', `/bookings/${id}`);
    // Administrators are bound by what is true for all.
    assert.equal((await as(admin, 'POST', '/bookings', { robot_id: 'robot_1', ...later(-2 * hour, 4 * hour) })).status, 422);
    const long = await as(admin, 'POST', '/bookings', { robot_id: 'robot_1', user_id: 1, ...later(400 * day, 30 * day) });
    assert.equal(long.status, 201);
    assert.equal(long.body.user_id, 1);
    assert.equal((await as(admin, 'PUT', `/bookings/${long.body.id}`, { user_id: 2 })).status, 422);
    await as(admin, 'DELETE', `/bookings/${long.body.id}`);
  });

  it('keeps what is over as it was, and counts changes as it counts new ones', async () => {
    const past = server.cli(['booking', 'add', '--user', '1', '--robot', 'robot_1', '--start',
      '2020-01-01 10:00', '--duration', '1h', '--force']);
    for (const who of [user, admin]) {
      const moved = await as(who, 'PUT', `/bookings/${past}`, { starts_at: Date.now() + 60000, ends_at: Date.now() + 120000 });
      assert.deepEqual([moved.status, moved.body.code], [409, 'booking-over']);
      const gone = await as(who, 'DELETE', `/bookings/${past}`);
      assert.deepEqual([gone.status, gone.body.code], [409, 'booking-over']);
    }
    // One that runs keeps its beginning and its robot.
    const now = Math.floor(Date.now() / 1000) * 1000;
    const running = await as(user, 'POST', '/bookings', { robot_id: 'robot_1', starts_at: now, ends_at: now + 3600000 });
    assert.equal(running.status, 201);
    const at = `/bookings/${running.body.id}`;
    assert.equal((await as(user, 'PUT', at, { starts_at: now + 1800000 })).status, 422);
    assert.equal((await as(user, 'PUT', at, { starts_at: now - 1800000 })).status, 422);
    assert.equal((await as(user, 'PUT', at, { ends_at: now - 1000 })).status, 422);
    assert.equal((await as(user, 'PUT', at, { robot_type: 'pi' })).status, 409);
    let changes = 0;
    for (; changes < 400; ++changes)
      if ((await as(user, 'PUT', at, { ends_at: now + 3600000 + 1000 * changes })).status !== 200)
        break;
    assert.ok(changes > 100 && changes <= 200, `${changes}`);
    assert.equal((await as(user, 'DELETE', at)).status, 200);
    // The command line refuses the same, unless it is forced.
    for (const args of [['--robot', 'robot_1', '--start', '2020-01-02 10:00'], ['--robot', 'no-such'], ['--robot-type', 'no-such']]) {
      const command = ['booking', 'add', '--user', '1', '--duration', '1h', ...args];
      const { status, stderr } = server.tryCli(command);
      assert.equal(status, 65); // EX_DATAERR
      assert.match(stderr, /--force/);
      assert.match(server.tryCli([...command, '--force']).stderr, /^warning: /);
    }
    assert.equal(server.tryCli(['booking', 'cancel', past]).status, 65);
    server.cli(['booking', 'cancel', past, '--force']);
    for (const { id, status } of (await as(admin, 'GET', '/bookings/all')).body)
      if (status === 'active')
        server.cli(['booking', 'cancel', `${id}`, '--force']);
  });

  it('lets one of 50 parallel creators have the robot', async () => {
    const body = { robot_id: 'robot_1', date: '2030-08-01', start_time: '10:00', end_time: '11:00' };
    const all = await Promise.all(Array.from({ length: 50 }, () => as(admin, 'POST', '/bookings', body)));
    assert.equal(all.filter(({ status }) => status === 201).length, 1);
    assert.equal(all.filter(({ status }) => status === 409).length, 49);
  });

  it('issues, rotates and revokes a robot token at once', async () => {
    const connect = async (token) => {
      const peer = new Peer(io, server.url, { token });
      const registered = await peer.register('robot_1', 'robot');
      return { peer, registered };
    };
    const first = await connect(robotToken);
    assert.equal(first.registered.success, true);
    const turn = first.registered.iceServers[1];
    assert.deepEqual(turn.urls, ['turn:turn.example:3478']);
    assert.match(turn.username, /^\d+:robot_1$/);
    const mac = require('node:crypto').createHmac('sha1', 'turn secret');
    assert.equal(turn.credential, mac.update(turn.username).digest('base64'));
    assert.equal((await as(user, 'GET', '/robots')).body[0].online, true);

    assert.equal((await as(user, 'POST', '/robots/robot_1/token')).status, 403);
    const rotated = await as(admin, 'POST', '/robots/robot_1/token');
    assert.equal(rotated.status, 201);
    await first.peer.next('disconnect');
    const old = await connect(robotToken);
    assert.deepEqual([old.registered.success, old.registered.code], [false, 'unauthorized']);
    const fresh = await connect(rotated.body.token);
    assert.equal(fresh.registered.success, true);
    assert.equal((await as(admin, 'DELETE', '/robots/robot_1/token')).status, 200);
    await fresh.peer.next('disconnect');
    assert.equal((await connect(rotated.body.token)).registered.code, 'unauthorized');
    assert.equal((await as(admin, 'POST', '/robots/no_such/token')).status, 404);
    // A robot's token opens no data.
    assert.equal((await server.http('GET', '/my-bookings', { token: robotToken })).status, 403);
    robotToken = (await as(admin, 'POST', '/robots/robot_1/token')).body.token;
  });

  it('gives TURN only with a booking, ending with it', async () => {
    assert.deepEqual((await as(null, 'GET', '/config')).body.iceServers, [{ urls: ['stun:stun.example:3478'] }]);
    assert.equal((await as(user, 'GET', '/config')).body.iceServers.length, 1);
    const id = server.cli(['booking', 'add', '--user', 'alice@example.org', '--robot', 'robot_1',
      '--start', 'now', '--duration', '5m']);
    const { iceServers } = (await as(user, 'GET', '/config')).body;
    const { ends_at: end } = (await as(user, 'GET', '/my-bookings')).body.find((b) => b.id === Number(id));
    assert.equal(iceServers[1].username, `${end / 1000}:1`);
    server.cli(['booking', 'cancel', id]);
  });

  it('shows and ends sessions, and keeps an audit log', async () => {
    const pi = new Peer(io, server.url, { token: robotToken });
    await pi.register('robot_1', 'robot');
    const peer = new Peer(io, server.url, { token: admin.access_token });
    await peer.register('2', 'viewer');
    const { peerId } = await peer.ask('offer', offer('robot_1'));
    assert.equal((await as(user, 'GET', '/sessions')).status, 403);
    const { body } = await as(admin, 'GET', '/sessions');
    assert.deepEqual(body.map((s) => [s.peerId, s.viewerId, s.robotId, s.role]),
      [[peerId, '2', 'robot_1', 'admin']]);
    assert.equal((await as(user, 'DELETE', `/sessions/${peerId}`)).status, 403);
    assert.equal((await as(admin, 'DELETE', `/sessions/${peerId}`)).status, 200);
    assert.equal((await as(admin, 'DELETE', `/sessions/${peerId}`)).status, 404);
    assert.equal((await pi.next('session-ended')).reason, 'revoked');
    const entry = await until('the log has the end', async () =>
      (await as(admin, 'GET', '/audit')).body.find((s) => s.peerId === peerId && s.endedAt));
    assert.equal(entry.reason, 'revoked');
    assert.ok(entry.endedAt >= entry.startedAt);
    const csv = await as(admin, 'GET', '/audit?format=csv');
    assert.match(csv.headers.get('content-type'), /^text\/csv/);
    assert.match(csv.body, new RegExp(`^${peerId},2,robot_1,admin,127.0.0.1,.*,revoked\r$`, 'm'));
    assert.equal((await as(user, 'GET', '/audit')).status, 403);
    assert.equal((await as(admin, 'GET', '/audit?from=nonsense')).status, 422);
    assert.deepEqual((await as(admin, 'GET', '/audit?to=1000')).body, []);
    pi.close();
    peer.close();
  });

  it('publishes the key that "key show" prints', async () => {
    const { keys } = (await as(null, 'GET', '/.well-known/jwks.json')).body;
    const { createPublicKey } = require('node:crypto');
    assert.equal(createPublicKey({ key: keys[0], format: 'jwk' }).export({ type: 'spki', format: 'pem' }).trim(),
      server.cli(['key', 'show']));
    assert.equal(keys[0].alg, 'ES256');
    assert.equal(keys[0].d, undefined);
  });

  it('reads its configuration again on SIGHUP, and keeps the old one if bad', async () => {
    const good = fs.readFileSync(server.config, 'utf8');
    fs.writeFileSync(server.config, good.replace('stun.example', 'other.example'));
    server.child.kill('SIGHUP');
    const stun = async () => (await as(null, 'GET', '/config')).body.iceServers[0].urls[0];
    await until('the new address', async () => (await stun()) === 'stun:other.example:3478');
    // Who may book, too.
    fs.writeFileSync(server.config, good + '[sessions]\nviewers-may-book=false\n');
    server.child.kill('SIGHUP');
    const mayBook = async who => (await as(who, 'GET', '/auth/me')).body.may_book;
    await until('no bookings', async () => (await mayBook(user)) === false);
    assert.equal(await mayBook(admin), true);
    const start = Date.now() + 86400000;
    const refused = await as(user, 'POST', '/bookings', { robot_id: 'robot_1',
      starts_at: start, ends_at: start + 60000 });
    assert.deepEqual([refused.status, refused.body.code], [403, 'forbidden']);
    fs.writeFileSync(server.config, good.replace('stun.example', 'other.example'));
    server.child.kill('SIGHUP');
    await until('bookings again', async () => await mayBook(user));
    fs.writeFileSync(server.config, '[server]\nmisspelt=1\n');
    server.child.kill('SIGHUP');
    await until('the complaint', () => /misspelt.*no such key/.test(server.output));
    assert.equal(await stun(), 'stun:other.example:3478');
    fs.writeFileSync(server.config, good);
  });

  it('keeps its secrets to itself', () => {
    assert.equal(fs.statSync(path.join(server.work, 'signaling.db')).mode & 0o777, 0o600);
    assert.match(server.output, /level=warning event=login-failed user=1 address=127\.0\.0\.1 request=\w+\n/);
    assert.match(server.output, /level=warning event=login-failed address=/); // nobody's
    assert.match(server.output, /level=warning event=login-throttled address=/);
    assert.match(server.output, /level=info event=login user=1 address=/);
    assert.match(server.output, /level=info event=robot-registered robot=robot_1 type=pi /);
    assert.match(server.output, /level=info event=session-admitted peer=\w+ user=2 robot=robot_1 role=admin /);
    for (const secret of [user.access_token, robotToken, 'correct horse', 'turn secret', 'not this',
      'guess', 'example.org'])
      assert.ok(!server.output.toLowerCase().includes(secret.toLowerCase()), secret);
  });
});

describe('command line', () => {
  const server = new Signaling();
  after(() => fs.rmSync(server.work, { recursive: true, force: true }));
  // sysexits.h: a script can tell its own mistake from a server's.
  const [USAGE, DATAERR, NOINPUT, NOUSER, UNAVAILABLE, CONFIG] = [64, 65, 66, 67, 69, 78];
  const fails = (wanted, pattern, ...args) => {
    const { status, stderr } = server.tryCli(args, 'long enough password');
    assert.equal(status, wanted, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, pattern);
  };
  const json = (...args) => JSON.parse(server.cli([...args, '--json']));

  it('refuses what does not fit with one sentence', () => {
    server.cli(['user', 'add', 'a@example.org'], 'long enough password');
    fails(DATAERR, /exists already/, 'user', 'add', 'A@example.org');
    fails(DATAERR, /not an e-mail/, 'user', 'add', 'nobody');
    fails(USAGE, /EMAIL is missing/, 'user', 'add');
    fails(USAGE, /viewer or admin/, 'user', 'add', 'b@example.org', '--role', 'king');
    server.cli(['robot', 'add', 'r']);
    fails(DATAERR, /exists already.*robot token r/, 'robot', 'add', 'r');
    for (const id of ['bad id!', 'a$b', '', '..', ' r', 'a\nb', '/r', 'x'.repeat(500)])
      fails(DATAERR, /not usable/, 'robot', 'add', id);
    fails(NOUSER, /no user/, 'booking', 'add', '--user', 'x@example.org', '--robot', 'r', '--duration', '1m');
    for (const duration of ['soon', '1', '0', '-1h', ''])
      fails(USAGE, /--duration/, 'booking', 'add', '--user', '1', '--robot', 'r', `--duration=${duration}`);
    fails(USAGE, /--robot or --robot-type/, 'booking', 'add', '--user', '1', '--duration', '1m');
    server.cli(['booking', 'add', '--user', '1', '--robot', 'r', '--duration', '1h']);
    fails(DATAERR, /booked by another/, 'booking', 'add', '--user', '2', '--robot', 'r', '--duration', '1h');
    fails(NOINPUT, /no such booking/, 'booking', 'cancel', '12345');
    fails(NOINPUT, /no such session/, 'session', 'end', 'x');
    fails(USAGE, /--role/, 'token', '--sub', 'x');
    fails(USAGE, /--bogus/, 'booking', 'list', '--bogus');
    fails(USAGE, /ADDRESS:PORT/, 'serve', '--listen', 'here');
    fails(CONFIG, /certificate and a key/, 'serve', '--tls-certificate', '/nonexistent');
    for (const verb of ['show', 'password', 'disable', 'enable', 'remove', 'logout', 'export', 'erase'])
      fails(NOUSER, /no user nobody@/, 'user', verb, 'nobody@example.org');
    fails(NOUSER, /no user 4711/, 'user', 'role', '4711', 'admin');
    fails(USAGE, /viewer or admin/, 'user', 'role', '1', 'king');
    for (const verb of ['rename', 'remove', 'token'])
      fails(NOINPUT, /no (such )?robot/, 'robot', verb, 'none', ...(verb === 'rename' ? ['x'] : []));
    fails(USAGE, /duration/, 'robot', 'token', 'r', '--replace-in', 'soon');
    const { status, stderr } = require('node:child_process').spawnSync(binary,
      ['user', 'list', '--database', 'sqlite:///proc/none/x.db'], { encoding: 'utf8' });
    assert.equal(status, UNAVAILABLE, stderr);
  });

  it('says what was meant by a command that is none', () => {
    fails(USAGE, /not a command: see --help/, 'xyzzyplugh');
    for (const [typed, meant] of [['user lst', 'user list'], ['user ad x', 'user add'],
      ['robot tokn', 'robot token'], ['bookng list', 'booking list'], ['token lst', 'token list'],
      ['sesion list', 'session list'], ['chek-config', 'check-config']])
      fails(USAGE, new RegExp(`did you mean "${meant}"`), ...typed.split(' '));
    fails(USAGE, /There are:\n.*user add EMAIL/s, 'user', 'frobnicate');
    fails(USAGE, /There are:\n.*booking list/s, 'booking', 'extend', '4');
  });

  it('helps', () => {
    const { status, stdout } = server.tryCli(['--help']);
    assert.equal(status, 0);
    for (const word of ['user add', 'user list', 'robot add', 'robot token', 'token', 'token revoke', 'booking add',
      'session end', 'key show', 'check-config', '--listen', '--trusted-proxy', '--allow-anonymous'])
      assert.ok(stdout.includes(word), word);
    assert.equal(server.tryCli(['help']).stdout, stdout);
    for (const words of [['booking', 'add', '--help'], ['help', 'booking', 'add']])
      assert.match(server.cli(words), /--robot-type/);
    for (const words of [['user', '--help'], ['help', 'user']]) {
      assert.match(server.cli(words), /user password ID\|EMAIL/);
      assert.doesNotMatch(server.cli(words), /booking add/);
    }
    assert.match(server.cli(['help', 'token']), /token list(.|\n)*--sub/);
    assert.match(server.cli(['--version']), /^robotlive-signaling \d+\.\d+\.\d+$/);
    assert.match(server.cli(['check-config']), /good/);
  });

  it('is completed by bash', () => {
    const complete = (...words) => execFileSync('bash', ['-c',
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _robotlive_signaling; echo "${COMPREPLY[*]}"',
      'bash', path.resolve(__dirname, '../../signaling/robotlive-signaling.bash'), binary, ...words],
    { encoding: 'utf8' }).trim().split(' ');
    assert.deepEqual(complete('us'), ['user']);
    assert.deepEqual(complete('user', 're'), ['remove']);
    assert.deepEqual(complete('token', ''), ['list', 'revoke']);
    assert.deepEqual(complete('robot', 'token', 'r', '--re'), ['--replace-in', '--revoke']);
    assert.deepEqual(complete('user', 'add', '--role', 'v'), ['viewer']);
  });

  it('gives accounts and robots a life', () => {
    const id = server.cli(['user', 'add', 'life@example.org', '--name', 'Life'], 'long enough password');
    const show = () => json('user', 'show', id)[0];
    assert.deepEqual([show().email, show().name, show().role, show().enabled],
      ['life@example.org', 'Life', 'viewer', true]);
    server.cli(['user', 'role', 'life@example.org', 'admin']);
    server.cli(['user', 'name', id, 'Long Life']);
    server.cli(['user', 'disable', id]);
    assert.deepEqual([show().name, show().role, show().enabled], ['Long Life', 'admin', false]);
    server.cli(['user', 'enable', id]);
    assert.ok(json('user', 'list').some((user) => user.email === 'life@example.org' && user.enabled));
    assert.match(server.cli(['user', 'list']), /^ID\tEMAIL\tNAME\tROLE\tSTATE\t.*\n(.*\n)*\d+\tlife@example.org\tLong Life\tadmin\tenabled\t/);
    const short = path.join(server.work, 'short');
    fs.writeFileSync(short, 'short\n');
    fails(DATAERR, /12 characters/, 'user', 'password', id, '--password-file', short);
    assert.match(server.cli(['user', 'password', id, '--link']), /^\/#\/password\/[0-9a-f]{64}$/);
    const booking = server.cli(['booking', 'add', '--user', id, '--robot', 'r', '--start', '2035-01-02 10:00', '--duration', '1h', '--force']);
    const listed = json('booking', 'list').find((b) => b.id === Number(booking));
    assert.deepEqual([listed.user_id, listed.user_name, listed.status], [id, 'Long Life <life@example.org>', 'active']);
    assert.match(server.cli(['booking', 'list']), new RegExp(`^${booking}\t${id}\tr\t.*\tLong Life <life@example.org>$`, 'm'));
    const all = JSON.parse(server.cli(['user', 'export', id]));
    assert.deepEqual([all.account.email, all.bookings.map((b) => b.id), all.sessions],
      ['life@example.org', [Number(booking)], []]);
    server.cli(['user', 'erase', id]);
    fails(NOUSER, /no user/, 'user', 'show', id);
    assert.equal(json('booking', 'list').find((b) => b.id === Number(booking)).status, 'cancelled');
    assert.ok(!server.cli(['booking', 'list']).includes('life@'));

    const file = path.join(server.work, 'robot.token');
    assert.equal(server.cli(['robot', 'add', 'arm', '--type', 'pi', '--output', file]), '');
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    const first = fs.readFileSync(file, 'utf8');
    assert.match(first, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    server.cli(['robot', 'token', 'arm', '--output', file]);
    assert.notEqual(fs.readFileSync(file, 'utf8'), first);
    server.cli(['robot', 'rename', 'arm', 'The Arm', '--type', 'big']);
    const robot = json('robot', 'list').find((r) => r.id === 'arm');
    assert.deepEqual([robot.name, robot.type], ['The Arm', 'big']);
    assert.ok(robot.token_expires_at > Date.now() + 364 * 86400e3);
    assert.deepEqual(json('token', 'list', '--sub', 'arm').map((t) => t.state), ['revoked', 'valid']);
    fails(73, /No such file/, 'robot', 'token', 'arm', '--output', '/nonexistent/token');
    assert.deepEqual(json('token', 'list', '--sub', 'arm').map((t) => t.state), ['revoked', 'valid']);
    server.cli(['robot', 'remove', 'arm']);
    assert.ok(!json('robot', 'list').some((r) => r.id === 'arm'));
    assert.deepEqual(json('session', 'list'), []);
  });

  it('takes a SIGHUP for a reload as soon as it says that it listens', async () => {
    for (let i = 0; i < 5; ++i) {
      const hasty = new Signaling();
      const started = hasty.start();
      // Not a moment later: the line may have come with others.
      hasty.child.stdout.once('data', () => hasty.child.kill('SIGHUP'));
      await started;
      await until('the reload', () => /event=reloaded/.test(hasty.output));
      await hasty.close();
    }
  });

  it('lets everybody in with --allow-anonymous, and warns', async () => {
    await server.start('--allow-anonymous');
    assert.match(server.output, /event=allow-anonymous/);
    const pi = new Peer(io, server.url);
    assert.equal((await pi.register('bench', 'robot')).success, true);
    const peer = new Peer(io, server.url);
    await peer.register('anybody', 'viewer');
    assert.equal((await peer.ask('offer', offer('bench'))).ok, true);
    assert.equal((await pi.next('offer')).session.role, 'viewer');
    // A page whose own name was made to point here is kept out.
    const named = (host) => new Promise((resolve, reject) => require('node:http')
      .get(`${server.url}/socket.io/?EIO=4&transport=polling`, { headers: { host } },
        (response) => resolve(response.resume().statusCode)).on('error', reject));
    for (const host of ['evil.example', `evil.example:${server.port}`, 'localhost.evil.example'])
      assert.equal(await named(host), 421, host);
    for (const host of [`localhost:${server.port}`, `127.0.0.1:${server.port}`, require('node:os').hostname()])
      assert.equal(await named(host), 200, host);
    pi.close();
    peer.close();
    assert.equal(await server.stop(), 0);
  });
});
