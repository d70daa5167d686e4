// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the operator's guide quotes of other programs' configuration is run as
// it stands there: nginx and haproxy before the server, with TLS, a robot and
// viewers through each; and the lines for ufw.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { output, top } from '../bench/lib/common.mjs';
import { EMAIL, PASSWORD, Site, until } from './site.mjs';
import { network } from './world.mjs';

const guide = fs.readFileSync(path.join(top, 'docs', 'operators-guide.md'),
  'utf8');
const NAME = 'robots.example.org';
const SPOOFED = '203.0.113.9';

// The first block of code after *heading*.
function quoted(heading) {
  const at = guide.indexOf(heading);
  assert.ok(at >= 0, heading);
  return /```\w*\n([^]*?)```/.exec(guide.slice(at))[1];
}

// In the guide's sentence on both proxies.
function server() {
  const text = guide.slice(guide.indexOf('With a proxy:'));
  const [listen, trusted] = [/`(listen = [^`]+)`/, /`(trusted-proxies = [^`]+)`/]
    .map((pattern) => pattern.exec(text)[1]);
  return `[server]\n${listen}\n${trusted}\n[limits]\nsessions-per-address = 6\n`;
}

// With the files of *dir* in place of the operator's.
function adapted(config, files) {
  for (const [theirs, ours] of Object.entries(files)) {
    assert.ok(config.includes(theirs), theirs);
    config = config.replaceAll(theirs, ours);
  }
  return config;
}

const installed = (command) =>
  spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

const proxies = {
  nginx(site, certificate) {
    const live = `/etc/letsencrypt/live/${NAME}`;
    const config = adapted(quoted('**Behind nginx**'), {
      [`${live}/fullchain.pem`]: certificate.file,
      [`${live}/privkey.pem`]: certificate.key,
    });
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${site.file(kind)};`).join('\n');
    const file = site.keep('nginx.conf', `daemon off;\nerror_log stderr;
      pid ${site.file('nginx.pid')};\nevents { }\nhttp {\naccess_log off;
      ${temporary}\n${config}}`);
    fs.chmodSync(site.dir, 0o755); // its workers are www-data
    return ['nginx', ['-c', file]];
  },
  haproxy(site, certificate) {
    const debian = fs.readFileSync('/etc/haproxy/haproxy.cfg', 'utf8');
    const both = site.keep('robots.pem', fs.readFileSync(certificate.file,
      'utf8') + fs.readFileSync(certificate.key, 'utf8'));
    const config = adapted(quoted('**Behind haproxy**'),
      { '/etc/haproxy/robots.pem': both });
    const file = site.keep('haproxy.cfg',
      debian.slice(debian.search(/^defaults$/m)) + config);
    return ['haproxy', ['-db', '-f', file]];
  },
};

network('the operator\'s guide', () => {
  let site;
  const certificate = {};
  const inside = (namespace, command, ...args) => {
    const done = spawnSync('ip', ['netns', 'exec', namespace, command, ...args],
      { encoding: 'utf8', timeout: 30000 });
    assert.equal(done.status, 0, `${command} ${args.join(' ')}: ${done.stdout}` +
      `${done.stderr}${done.error ?? ''}`);
    return done.stdout;
  };
  const curl = (side, at, ...args) => inside(side === 1 ? site.world.robot :
    site.world.viewer, 'curl', '-sS', '--noproxy', '*', '--cacert',
  certificate.file, '--resolve', `${NAME}:443:${site.world.host(side)}`,
  ...args, `https://${NAME}${at}`);
  const url = (side) => `https://${site.world.host(side)}`;

  before(async () => {
    site = await Site.open({ families: [4], config: server, listen: null });
    await site.server.stop();
    Object.assign(certificate, { file: site.file('tls.pem'),
      key: site.file('tls.key') });
    output('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days',
      '2', '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME},` +
      `IP:${site.world.host(1)},IP:${site.world.host(2)}`, '-keyout',
      certificate.key, '-out', certificate.file], { stdio: 'pipe' });
    process.env.NODE_EXTRA_CA_CERTS = certificate.file; // the children's
  });
  after(() => site?.close());

  for (const [name, configure] of Object.entries(proxies))
    describe(`behind ${name}`, { skip: !installed(name) &&
      `${name} is not installed` }, () => {
      let proxy, robot, viewer;
      before(async () => {
        await site.startServer(); // its counts begin anew
        proxy = site.run(site.world.middle, ...configure(site, certificate));
        await until(`${name} listens`, () => spawnSync('ip', ['netns', 'exec',
          site.world.viewer, 'curl', '-fsS', '--noproxy', '*', '-o',
          '/dev/null', '--cacert', certificate.file, `${url(2)}/health`])
          .status === 0, { detail: () => proxy.log() });
      });
      after(async () => {
        for (const child of [viewer, robot, proxy, site.server])
          await child?.stop();
      });

      it('shows a robot to a viewer, and tells whose address it is', async () => {
        robot = await site.startRobot(`signaling-server=wss://${
          site.world.host(1)}`, `tls-ca-file=${certificate.file}`);
        viewer = site.startViewer({ url: url(2) });
        await viewer.receives();
        const token = site.cli('token', '--role', 'admin', '--sub', site.admin);
        const sessions = JSON.parse(curl(2, '/sessions', '-H',
          `Authorization: Bearer ${token}`));
        // What was watched behind the other proxy may not be over yet: that its
        // server stopped has ended no session.
        assert.deepEqual(sessions.filter(({ state }) => state === 'live')
          .map(({ address }) => address), [site.world.at(2, 2)]);
      });

      for (const transports of [['polling', 'websocket'], ['polling']])
        it(`carries ${transports.join(', then ')}`, async () => {
          const client = site.run(site.world.viewer, process.execPath, ['-e', `
            const { io } = require('socket.io-client');
            const socket = io('${url(2)}', { reconnection: false,
              auth: { token: process.env.VIEWER_TOKEN },
              transports: ${JSON.stringify(transports)} });
            const say = (what) => console.log(what + ' ' +
              socket.io.engine.transport.name);
            socket.on('connect_error', (error) => console.log(error));
            socket.on('connect', () => {
              // It may have been upgraded already.
              if (socket.io.engine.transport.name === '${transports.at(-1)}')
                register();
              else
                socket.io.engine.on('upgrade', register);
            });
            const register = () => socket.emit('register',
              { userId: '${site.user}', userType: 'viewer' });
            socket.on('registered', () => say('registered'));`],
          { cwd: path.join(top, 'tests', 'interop'),
            env: { VIEWER_TOKEN: site.token } });
          assert.equal(await client.line(() => true, 30000),
            `registered ${transports.at(-1)}`);
          await client.stop();
        });

      it('serves the page, takes a password, knows its own origin', () => {
        const headers = curl(2, '/', '-D', '-', '-o', '/dev/null');
        assert.match(headers, /^HTTP\/[\d.]+ 200/);
        // Told that it was TLS.
        assert.match(headers, /^strict-transport-security: /mi);
        const reply = JSON.parse(curl(2, '/auth/login', '-H',
          'Content-Type: application/json', '-H', `Origin: https://${NAME}`,
          '-d', JSON.stringify({ email: EMAIL, password: PASSWORD })));
        assert.equal(reply.user?.email, EMAIL, JSON.stringify(reply));
        for (const [origin, code] of [[NAME, '200'], ['evil.example', '403']])
          assert.equal(curl(2, '/socket.io/?EIO=4&transport=polling', '-H',
            `Origin: https://${origin}`, '-o', '/dev/null', '-w',
            '%{http_code}'), code, origin);
      });

      it('believes the proxy, not the viewer, of the address', async () => {
        const said = site.server.errors().length;
        curl(2, '/auth/login', '-H', 'Content-Type: application/json', '-H',
          `X-Forwarded-For: ${SPOOFED}`, '-d',
          JSON.stringify({ email: EMAIL, password: 'wrong' }));
        await until('the server logs it', () => site.server.errors().slice(said)
          .includes(site.world.at(2, 2)), { detail: () => site.server.log() });
        assert.ok(!site.server.errors().includes(SPOOFED));
        // Limits are each viewer's own.
        const handshake = (side) => curl(side,
          '/socket.io/?EIO=4&transport=polling', '-H',
          `X-Forwarded-For: ${SPOOFED}`, '-o', '/dev/null', '-w',
          '%{http_code}');
        const codes = [];
        while (codes.at(-1) !== '503' && codes.length < 10)
          codes.push(handshake(2));
        assert.equal(codes.at(-1), '503', codes.join(' '));
        assert.equal(handshake(1), '200');
      });
    });

  it('gives ufw lines that it takes', { skip: !installed('ufw') &&
    'ufw is not installed' }, () => {
    const lines = quoted('### Firewall').split('\n')
      .filter((line) => line.startsWith('ufw'));
    assert.ok(lines.length >= 5, lines.join('\n'));
    for (const line of lines) {
      const [, port, protocol] =
        /^ufw allow ([\d:]+)\/(tcp|udp) comment '[^']+'/.exec(line);
      // Without effect; and it looks at this namespace's tables.
      const said = inside(site.world.robot, 'sh', '-c',
        line.replace('ufw ', 'ufw --dry-run '));
      assert.ok(said.includes(`### tuple ### allow ${protocol} ${port} `),
        `${line}\n${said}`);
    }
    // What is opened for the relay is what coturn takes.
    const coturn = fs.readFileSync(path.join(top, 'examples',
      'turnserver.conf'), 'utf8');
    const [low, high] = ['min', 'max'].map((end) =>
      new RegExp(`^${end}-port=(\\d+)$`, 'm').exec(coturn)[1]);
    assert.ok(lines.some((line) => line.startsWith(
      `ufw allow ${low}:${high}/udp`)), `${low}:${high}`);
  });
});
