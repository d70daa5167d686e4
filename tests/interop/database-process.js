// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Real PostgreSQL and MariaDB servers of a test's own: on a free port of
// loopback, in a private folder, with a password and a certificate made here.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { until } = require('./signaling-process.js');

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

// {work, port, start (tls), stop (), close ()}
class Database {
  constructor(product) {
    this.product = product;
    this.kind = databases[product];
  }

  async open(tls) {
    this.work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-db-'));
    this.port = await freePort();
    fs.writeFileSync(path.join(this.work, 'password'), PASSWORD);
    certificates(this.work);
    if (root)
      run(['chown', '-R', 'nobody', this.work]);
    run(['chmod', '0600', path.join(this.work, 'server.key')]);
    this.kind.prepare(this);
    await this.start(tls);
    return this;
  }

  async start(tls) {
    const [program, ...args] = this.kind.command(this, tls);
    const child = spawn(program, args, { cwd: this.work, stdio: 'ignore' });
    this.child = child;
    const [ready, ...more] = this.kind.ready(this);
    await until(`${this.product} answers`, () => {
      assert.equal(child.exitCode, null, `${this.product} ended`);
      return spawnSync(ready, more).status === 0;
    });
    this.kind.after?.(this);
  }

  async stop() {
    const gone = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.kill(this.kind.scheme === 'mysql' ? 'SIGTERM' : 'SIGINT');
    await gone;
  }

  async close() {
    await this.stop();
    fs.rmSync(this.work, { recursive: true, force: true });
  }

  // With the password in it, or *ca* for TLS and no password.
  url({ password = true, ca } = {}) {
    const words = password ? `:${encodeURIComponent(PASSWORD).replaceAll("'", '%27')}` : '';
    return `${this.kind.scheme}://robotlive${words}@127.0.0.1:${this.port}/${this.kind.name}${
      ca ? `?${this.kind.tls(path.join(this.work, ca))}` : ''}`;
  }
}

module.exports = { Database, PASSWORD, PRODUCTS: Object.keys(databases) };
