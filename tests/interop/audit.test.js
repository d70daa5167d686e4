// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Security events: who was refused, who administered what, over HTTP, the
// signalling link and the command line.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const os = require('node:os');
const { io } = require('socket.io-client');
const { Signaling, Peer, until, offer } = require('./signaling-process.js');

const PASSWORD = 'correct horse';

describe('security events', () => {
  const server = new Signaling();
  const peers = [];
  let admin, user, adminId, userId;

  before(async () => {
    userId = server.cli(['user', 'add', 'alice@example.org'], PASSWORD);
    adminId = server.cli(['user', 'add', 'admin@example.org', '--role', 'admin'], PASSWORD);
    server.cli(['robot', 'add', 'r1']);
    await server.start();
    user = (await server.login('alice@example.org', PASSWORD)).access_token;
    admin = (await server.login('admin@example.org', PASSWORD)).access_token;
  });
  after(async () => {
    for (const peer of peers)
      peer.close();
    await server.close();
  });

  const as = (token, method, at, body) => server.http(method, at, { token, body });
  async function events(kind, more = '') {
    const { status, body } = await as(admin, 'GET', `/audit?kind=${kind}${more}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
  // The row that has all members of *wanted*.
  const row = (kind, wanted) => until(`${kind} ${JSON.stringify(wanted)}`, async () =>
    (await events(kind)).find((e) => Object.keys(wanted).every((name) =>
      e[name] === wanted[name])));

  it('writes down what is refused over HTTP', async () => {
    assert.equal((await as(null, 'GET', '/users')).status, 401);
    assert.equal((await as(user, 'DELETE', '/robots/r1')).status, 403);
    const stranger = await row('denied', { who: '', what: 'GET /users', code: 'unauthorized' });
    assert.equal(stranger.address, '127.0.0.1');
    assert.equal(stranger.via, 'http');
    assert.ok(Math.abs(stranger.at - Date.now()) < 600000);
    await row('denied', { who: userId, what: 'DELETE /robots', target: 'r1', code: 'forbidden' });
    assert.match(server.output, /level=warning event=denied what="GET \/users" address=127\.0\.0\.1 via=http code=unauthorized\n/);
    assert.match(server.output, new RegExp(`event=denied who=${userId} what="DELETE /robots" target=r1 `));
  });

  it('takes nothing over from strangers that a log or a table would obey', async () => {
    await as(user, 'DELETE', `/robots/${encodeURIComponent('x\r\nlevel=info event=login\u202e\u009b,=1')}`);
    const path = `/users/${'y'.repeat(300)}`;
    assert.equal((await as(user, 'GET', path)).status, 403);
    for (let i = 0; i < 50; i++)
      await as(null, 'GET', '/sessions');
    const list = await events('denied');
    assert.ok(list.length < 20, `${list.length} rows`);
    for (const { target } of list) {
      assert.ok(target.length <= 128);
      assert.match(target, /^[ -~]*$/);
    }
    assert.doesNotMatch(server.output, /^level=info event=login\S/m);
    assert.doesNotMatch(server.output, /[\u202e\u009b\0]/);
  });

  it('writes down what is refused at the signalling link', async () => {
    const peer = new Peer(io, server.url, { token: user, transports: ['websocket'] });
    peers.push(peer);
    assert.equal((await peer.register(userId, 'viewer')).success, true);
    const answer = await peer.ask('offer', offer('r1'));
    assert.equal(answer.ok, false);
    const { code } = answer;
    const robot = new Peer(io, server.url, { transports: ['websocket'] });
    peers.push(robot);
    assert.equal((await robot.register('r1', 'robot')).success, false);
    await row('denied', { what: 'register', via: 'socket', who: '' });
    if (code !== 'robot-offline')
      await row('denied', { what: 'offer', via: 'socket', who: userId, target: 'r1', code });
  });

  it('writes down logins, and never what was typed', async () => {
    await row('login', { what: 'ok', who: userId, target: userId });
    const body = { email: 'alice@example.org', password: 'my secret' };
    assert.equal((await as(null, 'POST', '/auth/login', body)).status, 401);
    await row('login', { what: 'failed', who: '', target: userId });
    body.email = 'typed@password.example';
    assert.equal((await as(null, 'POST', '/auth/login', body)).status, 401);
    await row('login', { what: 'failed', who: '', address: '127.0.0.1' });
    const all = JSON.stringify(await events('event'));
    assert.doesNotMatch(all, /secret|example\.org|typed/);
  });

  it('writes down each act of an administrator', async () => {
    const made = await as(admin, 'POST', '/users', { email: 'b@example.org', password: 'a long password' });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const id = String(made.body.id);
    const at = Date.now() + 3600000;
    const token = await as(admin, 'POST', '/robots', { id: 'r2' });
    const booking = await as(user, 'POST', '/bookings',
      { robot_id: 'r1', starts_at: at, ends_at: at + 600000 });
    const other = await as(admin, 'POST', '/bookings',
      { user_id: userId, robot_id: 'r1', starts_at: at + 700000, ends_at: at + 800000 });
    assert.equal(other.status, 201, JSON.stringify(other.body));
    const [first, second] = [booking, other].map(({ body }) => String(body.id));
    const acts = [
      ['PATCH', `/users/${id}`, { name: 'B' }, 'user-renamed', id],
      ['PATCH', `/users/${id}`, { role: 'admin' }, 'user-role-admin', id],
      ['PATCH', `/users/${id}`, { enabled: false }, 'user-disabled', id],
      ['PATCH', `/users/${id}`, { enabled: true }, 'user-enabled', id],
      ['POST', `/users/${id}/logout`, null, 'user-logged-out', id],
      ['POST', `/users/${id}/password-link`, null, 'password-link', id],
      ['GET', `/users/${id}/export`, null, 'user-exported', id],
      ['DELETE', `/users/${id}?erase=true`, null, 'user-erased', id],
      ['PATCH', '/robots/r2', { name: 'Two' }, 'robot-changed', 'r2'],
      ['POST', '/robots/r2/token', null, 'robot-token-issued', 'r2'],
      ['DELETE', `/tokens/${token.body.token_id}`, null, 'token-revoked', token.body.token_id],
      ['DELETE', '/robots/r2/token', null, 'robot-tokens-revoked', 'r2'],
      ['DELETE', '/robots/r2', null, 'robot-removed', 'r2'],
      ['PUT', `/bookings/${first}`, { ends_at: at + 500000 }, 'booking-changed', first],
      ['DELETE', `/bookings/${first}`, null, 'booking-cancelled', first],
      ['GET', '/audit?format=csv', null, 'audit-exported', ''],
    ];
    for (const [method, path, body] of acts) {
      const { status } = await as(admin, method, path, body);
      assert.ok(status < 300, `${method} ${path}: ${status}`);
    }
    acts.push(['', '', null, 'user-added', id], ['', '', null, 'robot-added', 'r2'],
      ['', '', null, 'booking-added', second]);
    for (const [, , , what, target] of acts)
      await row('admin-action', { who: adminId, what, target, via: 'http' });
    await row('token', { who: adminId, what: 'robot', target: 'r2' });
    for (const [what, target] of [['logins', id], ['robot', 'r2'], ['token', token.body.token_id]])
      await row('revocation', { who: adminId, what, target });
    await row('password', { who: adminId, what: 'link-made', target: id });
    assert.match(server.output, new RegExp(`level=info event=admin-action who=${adminId} what=user-erased target=${id} `));
    // What people do with what is their own is no administration.
    assert.ok(!(await events('admin-action')).some(({ who }) => who === userId));
  });

  it('writes down own passwords and log-outs', async () => {
    const change = (current_password) => as(user, 'PUT', '/auth/password',
      { current_password, password: 'another password' });
    assert.equal((await change('wrong')).status, 403);
    const { status, body } = await change(PASSWORD);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal((await as(null, 'PUT', '/auth/password',
      { link: 'x', password: 'another password' })).status, 403);
    assert.equal((await as(body.access_token, 'POST', '/auth/logout', {})).status, 200);
    for (const what of ['wrong', 'changed'])
      await row('password', { who: userId, what, target: userId });
    await row('password', { who: '', what: 'link-refused' });
    await row('revocation', { who: userId, what: 'own-login' });
    user = (await server.login('alice@example.org', 'another password')).access_token;
  });

  it('writes down what the command line does', async () => {
    const who = `local:${os.userInfo().username}`;
    const id = server.cli(['user', 'add', 'c@example.org'], PASSWORD);
    const acts = [
      [['user', 'role', id, 'admin'], 'user-role-admin', id],
      [['user', 'name', id, 'C'], 'user-renamed', id],
      [['user', 'password', id], 'user-password', id, PASSWORD],
      [['user', 'disable', 'c@example.org'], 'user-disabled', id],
      [['user', 'enable', id], 'user-enabled', id],
      [['user', 'logout', id], 'user-logged-out', id],
      [['user', 'export', id], 'user-exported', id],
      [['token', '--role', 'viewer', '--sub', id], 'token-issued', id],
      [['user', 'remove', id], 'user-removed', id],
      [['robot', 'add', 'r3'], 'robot-added', 'r3'],
      [['robot', 'rename', 'r3', 'Three'], 'robot-changed', 'r3'],
      [['robot', 'token', 'r3'], 'robot-token-issued', 'r3'],
      [['robot', 'token', 'r3', '--revoke'], 'robot-tokens-revoked', 'r3'],
      [['robot', 'remove', 'r3'], 'robot-removed', 'r3'],
      [['token', 'revoke', 'some-id'], 'token-revoked', 'some-id'],
      [['audit', 'list', '--json'], 'audit-read', ''],
    ];
    for (const [words, , , input] of acts)
      server.cli(words, input);
    const key = server.cli(['key', 'rotate']);
    const list = JSON.parse(server.cli(['audit', 'list', '--kind', 'admin-action', '--json']));
    acts.push([[], 'user-added', id], [[], 'key-rotated', key]);
    for (const [, what, target] of acts)
      assert.ok(list.find((e) => e.what === what && (e.target ?? '') === target &&
        e.who === who && e.via === 'command'), what);
    const tokens = JSON.parse(server.cli(['audit', 'list', '--kind', 'token', '--json',
      '--limit', '2']));
    assert.deepEqual(tokens.map((e) => e.target), ['r3', 'r3']);
    assert.match(server.cli(['audit', 'list']), /^PEER\tVIEWER/);
    assert.match(server.cli(['audit', 'list', '--kind', 'event']), /^TIME\tKIND\tWHO/);
    for (const words of [['--kind', 'x'], ['--limit', '0'], ['--limit', 'x'], ['--from', 'x']]) {
      const { status, stderr } = server.tryCli(['audit', 'list', ...words]);
      assert.equal(status, 64, stderr);
    }
  });

  it('is reloaded, and says so', async () => {
    server.child.kill('SIGHUP');
    await row('admin-action', { what: 'reloaded', via: 'server' });
  });

  it('filters, and exports for a spreadsheet', async () => {
    for (const kind of ['denied', 'login', 'password', 'token', 'revocation', 'admin-action']) {
      const list = await events(kind);
      assert.ok(list.length > 0, kind);
      assert.ok(list.every((e) => e.kind === kind), kind);
    }
    assert.ok((await events('event', '&limit=3')).length === 3);
    assert.ok((await events('event', `&viewer=${adminId}`)).every(
      ({ who, target }) => [who, target].includes(adminId)));
    assert.deepEqual(await events('event', '&to=1000'), []);
    assert.deepEqual(await events('session'), (await as(admin, 'GET', '/audit')).body);
    assert.equal((await as(admin, 'GET', '/audit?kind=nonsense')).status, 422);
    assert.equal((await as(user, 'GET', '/audit?kind=denied')).status, 403);
    // What begins like a formula is text.
    for (const start of ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠', ' ='])
      await as(user, 'DELETE', `/robots/${encodeURIComponent(`${start}1+1`)}`);
    server.cli(['token', 'revoke', '=1+1,"x"']);
    const { body, headers } = await as(admin, 'GET', '/audit?kind=event&format=csv');
    assert.match(headers.get('content-type'), /^text\/csv/);
    const lines = body.trimEnd().split('\r\n');
    assert.equal(lines[0], 'at,kind,who,what,target,address,via,code,count');
    assert.ok(lines.some((line) => line.includes(',"\'=1+1,""x""",')), body);
    for (const line of lines)
      assert.doesNotMatch(line, /(^|,)"?[\t\r ]*[=+@－＝＋＠-]/u, line);
  });

  it('lets people have what is kept of them', async () => {
    const own = await as(user, 'GET', `/users/${userId}/export`);
    assert.equal(own.status, 200);
    assert.equal(own.body.account.email, 'alice@example.org');
    assert.ok(own.body.events.length > 0);
    for (const name of ['bookings', 'sessions', 'tokens', 'password_links'])
      assert.ok(Array.isArray(own.body[name]), name);
    assert.equal((await as(user, 'GET', `/users/${adminId}/export`)).status, 403);
    assert.equal((await as(null, 'GET', `/users/${userId}/export`)).status, 401);
    assert.equal((await as(admin, 'GET', '/users/999999/export')).status, 404);
    const text = server.cli(['user', 'export', 'alice@example.org']);
    assert.deepEqual(Object.keys(JSON.parse(text)), Object.keys(own.body));
  });

  it('keeps a pseudonym of who is erased', async () => {
    server.cli(['user', 'erase', 'alice@example.org']);
    const list = await events('event', `&viewer=${userId}`);
    assert.ok(list.length > 5);
    for (const { who, address } of list.filter((e) => e.who === userId))
      assert.equal(address, '', who);
  });
});
