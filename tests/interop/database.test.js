// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A database across a network: its password stands in a file, TLS is verified.
// Real PostgreSQL and MariaDB servers on loopback, with certificates made here.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { Signaling, until } = require('./signaling-process.js');

const PASSWORD = "p@ss/w:rd %41 'ü' \\ x";
const root = process.getuid() === 0;
// Neither database runs as root.
const as = root ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
const run = (command, options = {}) =>
  execFileSync(command[0], command.slice(1), { stdio: 'pipe', encoding: 'utf8', ...options });

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Two authorities, and a certificate of the first for localhost.
function certificates(folder) {
  const at = (name) => path.join(folder, name);
  for (const ca of ['ca', 'other'])
    run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-keyout', at(`${ca}.key`), '-out', at(`${ca}.pem`), '-days', '2', '-subj', `/CN=${ca}`]);
  run(['openssl', 'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', at('server.key'),
    '-out', at('server.csr'), '-subj', '/CN=localhost']);
  fs.writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  run(['openssl', 'x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'),
    '-CAcreateserial', '-days', '2', '-extfile', at('names'), '-out', at('server.pem')]);
}

const databases = {
  PostgreSQL: {
    scheme: 'postgresql',
    tls: (ca) => `sslmode=verify-full&sslrootcert=${ca}`,
    prepare({ work }) {
      const bins = fs.readdirSync('/usr/lib/postgresql').sort((a, b) => a - b);
      this.bin = `/usr/lib/postgresql/${bins.at(-1)}/bin`;
      run([...as, `${this.bin}/initdb`, '-D', `${work}/data`, '-U', 'robotlive', '-A', 'scram-sha-256',
        `--pwfile=${work}/password`, '-E', 'UTF8', '--locale=C', '--no-sync'], { cwd: work });
    },
    command({ work, port }, tls) {
      return [...as, `${this.bin}/postgres`, '-D', `${work}/data`, '-k', work, '-c', 'listen_addresses=127.0.0.1',
        '-c', `port=${port}`, ...(tls ? ['-c', 'ssl=on', '-c', `ssl_cert_file=${work}/server.pem`,
          '-c', `ssl_key_file=${work}/server.key`] : [])];
    },
    ready: ({ work, port }) => ['pg_isready', '-q', '-h', work, '-p', `${port}`],
    name: 'postgres',
  },
  MariaDB: {
    scheme: 'mysql',
    tls: (ca) => `ssl-ca=${ca}`,
    prepare({ work }) {
      run([...as, 'mariadb-install-db', '--no-defaults', `--datadir=${work}/data`,
        '--auth-root-authentication-method=normal', '--skip-test-db'], { cwd: work });
    },
    command({ work, port }, tls) {
      return [...as, '/usr/sbin/mariadbd', '--no-defaults', `--datadir=${work}/data`, `--socket=${work}/s`,
        `--pid-file=${work}/pid`, '--bind-address=127.0.0.1', `--port=${port}`,
        ...(tls ? [`--ssl-cert=${work}/server.pem`, `--ssl-key=${work}/server.key`] : ['--skip-ssl'])];
    },
    ready: ({ work }) => ['mariadb-admin', '--no-defaults', `--socket=${work}/s`, '-u', 'root', 'ping'],
    after({ work }) {
      const words = PASSWORD.replaceAll('\\', '\\\\').replaceAll("'", "''");
      run(['mariadb', '--no-defaults', `--socket=${work}/s`, '-u', 'root'], { input:
        'CREATE DATABASE IF NOT EXISTS robotlive; ' +
        `CREATE OR REPLACE USER robotlive@'%' IDENTIFIED BY '${words}'; ` +
        "GRANT ALL ON robotlive.* TO robotlive@'%';" });
    },
    name: 'robotlive',
  },
};

for (const [product, kind] of Object.entries(databases))
  describe(`${product} across a network`, () => {
    const work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-db-'));
    const self = { work };
    const servers = [];
    let child;

    async function start(tls) {
      const [program, ...args] = kind.command(self, tls);
      child = spawn(program, args, { cwd: work, stdio: 'ignore' });
      await until(`${product} answers`, () => {
        assert.equal(child.exitCode, null, `${product} ended`);
        return spawnSync(...((c) => [c[0], c.slice(1)])(kind.ready(self))).status === 0;
      });
      kind.after?.(self);
    }
    async function stop() {
      const gone = new Promise((resolve) => child.on('exit', resolve));
      child.kill(kind.scheme === 'mysql' ? 'SIGTERM' : 'SIGINT');
      await gone;
    }
    // What check-config says with that configuration.
    function check({ ca = 'ca.pem', password = PASSWORD, url } = {}) {
      const file = path.join(work, 'given');
      fs.writeFileSync(file, `${password}\n`, { mode: 0o600 });
      const database = url ?? `${kind.scheme}://robotlive@127.0.0.1:${self.port}/${kind.name}?${
        kind.tls(path.join(work, ca))}`;
      const server = new Signaling({ config: '[server]\nlisten=127.0.0.1:0\n' +
        `database-password-file=${file}\n`, database });
      servers.push(server);
      const { status, stdout, stderr } = server.tryCli(['check-config']);
      assert.ok(!(stdout + stderr).includes(PASSWORD), 'the password is said to nobody');
      return { status, text: stdout + stderr, server };
    }

    before(async () => {
      self.port = await freePort();
      fs.writeFileSync(path.join(work, 'password'), PASSWORD);
      certificates(work);
      if (root)
        run(['chown', '-R', 'nobody', work]);
      run(['chmod', '0600', path.join(work, 'server.key')]);
      kind.prepare(self);
      await start(true);
    });
    after(async () => {
      for (const server of servers)
        await server.close();
      await stop();
      fs.rmSync(work, { recursive: true, force: true });
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
      await stop();
      await start(false);
      const { status, text } = check();
      assert.notEqual(status, 0, text);
      // The same without TLS, which is warned of where it leaves the machine.
      const plain = `${kind.scheme}://robotlive@127.0.0.1:${self.port}/${kind.name}`;
      assert.equal(check({ url: plain }).status, 0);
      await stop();
      await start(true);
    });

    it('takes no password twice, and none without a user', () => {
      const at = `127.0.0.1:${self.port}/${kind.name}`;
      assert.match(check({ url: `${kind.scheme}://robotlive:x@${at}` }).text, /has a password already/);
      assert.match(check({ url: `${kind.scheme}://${at}` }).text, /names no user/);
      assert.match(check({ url: `${kind.scheme}://robotlive@${at}?sslmod=verify-full` }).text, /has a parameter other than/);
    });
  });
