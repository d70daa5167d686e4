// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SIGHUP: what each key of the configuration does then, and whose right ends.
'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { io } = require('socket.io-client');
const { Signaling, Peer, binary, offer, until } = require('./signaling-process.js');
const { execFileSync } = require('node:child_process');

const table = execFileSync(binary, ['check-config', '--keys'],
{ encoding: 'utf8' }).trim().split('\n').map((line) => line.split('\t'));

// Reloads, and waits until it is said.
async function reload(server, config) {
  const count = () => server.output.match(/event=reload(ed|-failed)/g)?.length ?? 0;
  const before = count();
  fs.writeFileSync(server.config, config);
  server.child.kill('SIGHUP');
  await until('the reload', () => count() > before);
}

describe('keys of the configuration', () => {
  const top = path.resolve(__dirname, '../..');

  it('are all in the table, and in the manual page alike', () => {
    const sample = fs.readFileSync(path.join(top, 'signaling/signaling.conf'), 'utf8');
    let group;
    const keys = [];
    for (const line of sample.split('\n')) {
      group = /^\[(\w+)\]/.exec(line)?.[1] ?? group;
      const key = /^#([a-z-]+)=/.exec(line)?.[1];
      if (key)
        keys.push(`${group}/${key}`);
    }
    assert.deepEqual(table.map(([key]) => key).sort(), keys.sort());
    const man = fs.readFileSync(path.join(top, 'signaling/robotlive-signaling.8'), 'utf8')
      .split('.SH RELOAD\n')[1].split('.SH ')[0].replaceAll('\\-', '-');
    for (const effect of ['at once', 'new', 'restart']) {
      const part = man.split(`.\\" ${effect}\n`)[1].split('.\\" ')[0];
      const named = part.split('\n').filter((line) => /^[a-z]+\/[a-z-]+,?$/.test(line))
        .map((line) => line.replace(',', ''));
      assert.deepEqual(named.sort(), table.filter(([, how]) => how === effect)
        .map(([key]) => key).sort(), effect);
    }
  });

  it('that need a restart are named, one by one, and nothing else is', async () => {
    const values = { 'server/trusted-proxies': '192.0.2.1/32',
      'limits/connections': '50', 'console/timeout': '4s', 'console/cache': '4s',
      'console/ca-file': '/nowhere' };
    const server = await new Signaling().start();
    for (const [name, value] of Object.entries(values)) {
      const [group, key] = name.split('/');
      server.output = '';
      await reload(server, `[${group}]\n${key}=${value}\n`);
      assert.match(server.output, new RegExp(`event=reload-needs-restart key=${name}\\n`));
      assert.equal(server.output.match(/needs-restart/g).length, 1, server.output);
    }
    server.output = '';
    await reload(server, '[limits]\npacket-bytes=70000\n');
    assert.doesNotMatch(server.output, /needs-restart/);
    await server.close();
  });
});

describe('a reload', () => {
  it('ends what a leaked secret opened', async () => {
    const server = new Signaling();
    const secret = path.join(server.work, 'token.secret');
    const config = `[identity]\nsecret-file=${secret}\n`;
    fs.writeFileSync(secret, 'a'.repeat(40), { mode: 0o600 });
    fs.writeFileSync(server.config, config);
    const robot = server.cli(['robot', 'add', 'r1']);
    const id = server.cli(['user', 'add', 'a@example.org', '--role', 'admin'],
      'a hen of seven colours');
    const token = server.cli(['token', '--role', 'admin', '--sub', id]);
    await server.start();
    const pi = new Peer(io, server.url, { token: robot });
    await pi.register('r1', 'robot');
    const admin = new Peer(io, server.url, { token });
    await admin.register(id, 'viewer');
    admin.emit('offer', offer('r1'));
    await pi.next('offer');
    await reload(server, config);
    assert.equal((await server.http('GET', '/sessions', { token })).status, 200);
    fs.writeFileSync(secret, 'b'.repeat(40));
    await reload(server, config);
    assert.equal((await server.http('GET', '/sessions', { token })).status, 401);
    await admin.next('disconnect');
    await pi.next('disconnect');
    const fresh = server.cli(['token', '--role', 'admin', '--sub', id]);
    assert.deepEqual((await server.http('GET', '/sessions', { token: fresh })).body, []);
    for (const peer of [pi, admin])
      peer.close();
    await server.close();
  });

  it('lets everybody in with a word, and out again', async () => {
    const server = await new Signaling().start();
    await reload(server, '[server]\nallow-anonymous=true\n');
    assert.match(server.output, /event=allow-anonymous/);
    const pi = new Peer(io, server.url);
    await pi.register('r1', 'robot');
    const viewer = new Peer(io, server.url);
    await viewer.register('v', 'viewer');
    viewer.emit('offer', offer('r1'));
    await pi.next('offer');
    await reload(server, '');
    await viewer.next('disconnect');
    await pi.next('disconnect');
    for (const peer of [pi, viewer])
      peer.close();
    await server.close();
  });
});
