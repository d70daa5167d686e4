// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is allowed and not safe is said, at each start and by check-config, with
// a remedy that works.
'use strict';
const { afterEach, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync, spawnSync } = require('node:child_process');
const { Signaling, until } = require('./signaling-process.js');

const binary = path.join(process.env.BUILD_DIR ?? path.join(__dirname, '../../build'),
  'signaling/server/robotlive-signaling');
const SECRET = 'a secret that is long enough for HS256, 32 bytes';
let server;
afterEach(() => server.close());

const warnings = () => {
  const { status, stdout, stderr } = server.tryCli(['check-config']);
  assert.equal(status, 0, stderr);
  assert.ok(!(stdout + stderr).includes(SECRET));
  return stderr.split('\n').filter((line) => line.startsWith('warning: '));
};
// A file in the server's folder that everybody may read; its path.
const exposed = (name, text, mode = 0o644) => {
  const file = path.join(server.work, name);
  fs.writeFileSync(file, `${text}\n`);
  fs.chmodSync(file, mode);
  return file;
};
const configure = (text) => fs.writeFileSync(server.config, text);

it('says which secrets every user can read, and the remedy shuts them', async () => {
  server = new Signaling();
  const secret = exposed('token.secret', SECRET);
  const turn = exposed('turn secret', SECRET, 0o666);
  configure(`[server]\nlisten=127.0.0.1:0\n[identity]\nsecret-file=${secret}\n` +
    `[ice]\nturn-urls=turn:turn.example\nturn-secret-file=${turn}\n`);
  server.cli(['user', 'list']); // makes the database
  const database = path.join(server.work, 'signaling.db');
  assert.equal(fs.statSync(database).mode & 0o777, 0o600);
  fs.chmodSync(database, 0o644); // as a restored backup
  const said = warnings();
  assert.equal(said.length, 3, said.join('\n'));
  assert.match(said[0], /can read .*token\.secret, which holds the secret that tokens/);
  assert.match(said[1], /can change .*turn secret/);
  assert.match(said[2], /can read .*signaling\.db, which holds accounts/);
  await server.start();
  assert.equal(server.output.split('event=unsafe').length, 4);
  await server.stop();
  for (const line of said)
    execFileSync('sh', ['-c', /(chmod .*)$/.exec(line)[1]]);
  assert.deepEqual(warnings(), []);
  assert.equal(fs.statSync(secret).mode & 0o777, 0o640);
});

// As the packaged service: a user of its own, and files of root's.
it('lets the service read on what its remedy shuts for others',
  { skip: process.getuid() !== 0 && 'only root can be two users' }, () => {
    server = new Signaling();
    fs.chmodSync(server.work, 0o755);
    const secret = exposed('token.secret', SECRET);
    configure(`[server]\nlisten=127.0.0.1:0\n[identity]\nsecret-file=${secret}\n`);
    fs.chmodSync(server.config, 0o644);
    const state = path.join(server.work, 'state');
    fs.mkdirSync(state);
    execFileSync('chown', ['nobody', state]);
    const check = () => spawnSync('setpriv', ['--reuid=nobody', '--regid=nogroup', '--clear-groups', binary,
      'check-config', '--config', server.config, '--database', `sqlite://${state}/s.db`], { encoding: 'utf8' });
    const { status, stderr } = check();
    assert.equal(status, 0, stderr);
    const [, remedy] = /: (chgrp nogroup .*)$/m.exec(stderr);
    execFileSync('sh', ['-c', remedy]);
    assert.equal(fs.statSync(secret).mode & 0o777, 0o640);
    const after = check();
    assert.deepEqual([after.status, after.stderr], [0, '']);
  });

it('says when the database\'s password stands in a file for all', () => {
  server = new Signaling();
  configure(`[server]\nlisten=127.0.0.1:0\ndatabase=postgresql://u:p@127.0.0.1/x\n`);
  fs.chmodSync(server.config, 0o644);
  const said = warnings();
  assert.match(said.join(), /can read .*signaling\.conf, which holds the database's password/);
  fs.chmodSync(server.config, 0o640);
  assert.deepEqual(warnings(), []);
});

it('says that passwords and tokens travel in clear, and what to do', async () => {
  server = new Signaling();
  configure('[server]\nlisten=[::]:8080\n');
  const [said, ...more] = warnings();
  assert.deepEqual(more, []);
  const [, listen] = /or (listen=\S+) behind a proxy/.exec(said);
  configure(`[server]\n${listen}\n`);
  assert.deepEqual(warnings(), []);
  const at = (name) => path.join(server.work, name);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-keyout', at('key.pem'), '-out', at('cert.pem'), '-days', '2', '-subj', '/CN=localhost'], { stdio: 'ignore' });
  fs.chmodSync(at('key.pem'), 0o600);
  configure(`[server]\nlisten=[::]:8080\ntls-certificate=${at('cert.pem')}\ntls-key=${at('key.pem')}\n`);
  assert.deepEqual(warnings(), []);
  fs.chmodSync(at('key.pem'), 0o644);
  assert.match(warnings().join(), /can read .*key\.pem, which holds the key of the TLS certificate/);
});

it('says when a password came in clear from another machine', async () => {
  server = new Signaling({ config: '[server]\ntrusted-proxies=127.0.0.1/32\n' });
  server.cli(['user', 'add', 'ann@example.org'], 'a password of hers\n');
  await server.start();
  const login = (headers) => server.http('POST', '/auth/login',
    { headers, body: { email: 'ann@example.org', password: 'a password of hers' } });
  assert.equal((await login({})).status, 200); // from this machine
  assert.equal((await login({ 'x-forwarded-for': '192.0.2.9', 'x-forwarded-proto': 'https' })).status, 200);
  assert.doesNotMatch(server.output, /event=clear-text/);
  assert.equal((await login({ 'x-forwarded-for': '192.0.2.9', 'x-forwarded-proto': 'http' })).status, 200);
  await until('the warning', () => /event=clear-text .*address=192\.0\.2\.9/.test(server.output));
  assert.ok(!server.output.includes('a password of hers'));
});

it('takes its secrets as credentials of the service manager', async () => {
  server = new Signaling();
  const folder = path.join(server.work, 'credentials');
  fs.mkdirSync(folder, { mode: 0o500 });
  fs.chmodSync(folder, 0o700);
  fs.writeFileSync(path.join(folder, 'token.secret'), `${SECRET}\n`, { mode: 0o400 });
  configure('[server]\nlisten=127.0.0.1:0\n[identity]\nsecret-file=credential:token.secret\n');
  const refused = server.tryCli(['check-config']);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /secret-file.*LoadCredential=/);
  server.env = { ...server.env, CREDENTIALS_DIRECTORY: folder };
  await server.start();
  assert.equal((await server.http('GET', '/health')).status, 200);
  await server.stop();
  for (const bad of ['credential:', 'credential:../signaling.db']) {
    configure(`[identity]\nsecret-file=${bad}\n`);
    assert.match(server.tryCli(['check-config']).stderr, /names no credential/);
  }
});
