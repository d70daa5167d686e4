// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of the keys that grants are signed with: made, replaced beside the
// old one, taken up by servers that run.
'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { io } = require('socket.io-client');
const { Signaling, Peer, offer, until } = require('./signaling-process.js');

const kids = async (server) =>
  (await server.http('GET', '/.well-known/jwks.json')).body.keys
    .map(({ kid }) => kid);

const newKey = () => execFileSync('openssl', ['genpkey', '-algorithm', 'EC',
  '-pkeyopt', 'ec_paramgen_curve:P-256'], { encoding: 'utf8', stdio: 'pipe' });

// The key that a grant of the server is signed with.
class Grants {
  async open(server) {
    // The first account: 1. The other server of the database has it already.
    server.tryCli(['user', 'add', 'admin@example.org', '--role', 'admin'],
      'correct horse');
    this.pi = new Peer(io, server.url, { token: server.cli(['token', '--role',
      'robot', '--sub', 'r1']) });
    await this.pi.register('r1', 'robot');
    this.viewer = new Peer(io, server.url, { token: server.cli(['token',
      '--role', 'admin', '--sub', '1']) });
    await this.viewer.register('1', 'viewer');
    return this;
  }
  async kid() {
    const n = this.pi.got('offer').length + 1;
    this.viewer.emit('offer', offer('r1'));
    const { session } = await this.pi.next('offer', n);
    return JSON.parse(Buffer.from(session.grant.split('.')[0], 'base64url')).kid;
  }
  close() {
    this.pi.close();
    this.viewer.close();
  }
}

describe('grant keys in the database', () => {
  it('are replaced while two servers run', async () => {
    const server = await new Signaling().start();
    const twin = await new Signaling({ database: server.database }).start();
    const [first] = await kids(server);
    assert.deepEqual(await kids(twin), [first]);
    const grants = await new Grants().open(server);
    const other = await new Grants().open(twin);
    assert.equal(await grants.kid(), first);

    const second = server.cli(['key', 'rotate']);
    for (const one of [server, twin])
      await until('the key set has both', async () => (await kids(one)).length === 2);
    for (const one of [server, twin])
      assert.deepEqual(await kids(one), [second, first], 'newest first');
    for (const one of [grants, other])
      await until('the new key signs', async () => await one.kid() === second);
    assert.match(server.output, new RegExp(`event=grant-keys signs=${second} keys=2`));

    const list = server.cli(['key', 'list']).split('\n').slice(1)
      .map((line) => line.split('\t'));
    assert.deepEqual(list.map(([kid]) => kid), [second, first]);
    assert.equal(list[0][2], 'signs');
    const until24 = Date.parse(list[1][2]) - Date.now();
    assert.ok(until24 > 23 * 3600e3 && until24 <= 24 * 3600e3, list[1][2]);
    // What a robot is given is the key that signs.
    const shown = server.cli(['key', 'show']);
    assert.match(shown, /^-----BEGIN PUBLIC KEY-----/);
    assert.equal(shown.match(/BEGIN/g).length, 1);
    grants.close();
    other.close();
    await twin.close();
    await server.close();
  });

  it('retire at the end of the overlap, of a running server as well', async () => {
    const server = await new Signaling().start();
    const [first] = await kids(server);
    const second = server.cli(['key', 'rotate', '--overlap', '6s']);
    await until('both', async () => (await kids(server)).length === 2);
    assert.deepEqual(await kids(server), [second, first]);
    await until('the old one has gone', async () => (await kids(server)).length === 1);
    assert.deepEqual(await kids(server), [second]);
    // A key that somebody has stolen goes at once.
    const third = server.cli(['key', 'rotate', '--overlap', '0']);
    await until('the third alone', async () =>
      (await kids(server)).join() === third);
    assert.deepEqual(server.cli(['key', 'list']).split('\n').slice(1)
      .map((line) => line.split('\t')[0]), [third]);
    await server.close();
  });

  it('are the same after a restart, and before the first', async () => {
    const server = new Signaling();
    const shown = server.cli(['key', 'show']);
    const second = server.cli(['key', 'rotate']);
    assert.notEqual(server.cli(['key', 'show']), shown);
    await server.start();
    assert.equal((await kids(server))[0], second);
    assert.equal((await kids(server)).length, 2);
    const grants = await new Grants().open(server);
    assert.equal(await grants.kid(), second, 'at once, without a wait');
    grants.close();
    await server.close();
  });

  it('refuses an overlap that is none', () => {
    const server = new Signaling();
    for (const overlap of ['soon', '-1h', '', '1h-']) {
      const { status, stderr } = server.tryCli(['key', 'rotate', `--overlap=${overlap}`]);
      assert.equal(status, 64); // EX_USAGE
      assert.match(stderr, /--overlap is not a duration like 24h, or 0/);
    }
    fs.rmSync(server.work, { recursive: true });
  });
});

describe('grant keys in a file', () => {
  it('are several, the first of which signs, and are read again on SIGHUP', async () => {
    const [old, fresh] = [newKey(), newKey()];
    const server = new Signaling();
    const file = path.join(server.work, 'grant.pem');
    fs.writeFileSync(server.config, `[sessions]\ngrant-key-file=${file}\n`);
    fs.writeFileSync(file, old);
    await server.start();
    const [first] = await kids(server);
    const grants = await new Grants().open(server);
    assert.equal(await grants.kid(), first);

    // A mistake changes nothing.
    for (const [bad, why] of [['', /empty/], ['-----BEGIN PUBLIC KEY-----\nx\n', /neither/],
      [execFileSync('openssl', ['pkey', '-pubout'], { input: fresh, encoding: 'utf8' }) + old,
        /no private key in front/]]) {
      fs.writeFileSync(file, bad);
      const failures = () => server.output.match(/event=reload-failed/g)?.length ?? 0;
      const before = failures();
      server.child.kill('SIGHUP');
      await until('it is said', () => failures() > before);
      assert.match(server.output.split('\n').filter((line) =>
        line.includes('reload-failed')).pop(), why);
      assert.deepEqual(await kids(server), [first]);
    }
    // Windows' line ends and mark are no mistake.
    fs.writeFileSync(file, '\ufeff' + (fresh + old).replaceAll('\n', '\r\n'));
    server.child.kill('SIGHUP');
    await until('both', async () => (await kids(server)).length === 2);
    const [second, third] = await kids(server);
    assert.equal(third, first);
    await until('the new one signs', async () => await grants.kid() === second);
    grants.close();

    // The command is for keys in the database, and says what to do here.
    const { status, stderr } = server.tryCli(['key', 'rotate']);
    assert.equal(status, 78); // EX_CONFIG
    for (const part of [file, 'in front of', 'openssl genpkey', 'reload'])
      assert.ok(stderr.includes(part), stderr);
    assert.deepEqual(server.cli(['key', 'list']).split('\n').slice(1)
      .map((line) => line.split('\t')[0]), [second, first]);

    // From the file into the database, without a restart.
    fs.writeFileSync(server.config, '');
    server.child.kill('SIGHUP');
    await until('a key of the database', async () =>
      ![first, second].includes((await kids(server))[0]));
    await server.close();
  });

  it('is a JWK set as well', async () => {
    const server = new Signaling();
    const file = path.join(server.work, 'grant.json');
    const { createPrivateKey } = require('node:crypto');
    const jwk = (pem) => createPrivateKey(pem).export({ format: 'jwk' });
    fs.writeFileSync(file, JSON.stringify({ keys: [jwk(newKey()), jwk(newKey())] }));
    fs.writeFileSync(server.config, `[sessions]\ngrant-key-file=${file}\n`);
    await server.start();
    const { body } = await server.http('GET', '/.well-known/jwks.json');
    assert.equal(body.keys.length, 2);
    for (const key of body.keys)
      assert.equal(key.d, undefined, 'a private key was published');
    await server.close();
  });
});
