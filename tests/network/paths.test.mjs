// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ways through a network: relays, narrow firewalls, IPv6 alone. A firewall
// drops whatever is not the way in question.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { Site, until } from './site.mjs';
import { network } from './world.mjs';

const SECRET = 'the secret of the relay and the server';

// What the viewer was told of: [{type, address, port}].
const parts = (viewer) => viewer.candidates.map((text) => {
  const word = text.split(' ');
  return { type: word[word.indexOf('typ') + 1], address: word[4],
    port: Number(word[5]) };
});

network('a relay', () => {
  let site;
  const urls = {
    udp: (host) => `turn:${host}:3478?transport=udp`,
    tcp: (host) => `turn:${host}:3478?transport=tcp`,
    tls: (host) => `turns:${host}:5349?transport=tcp`,
  };
  const config = (world, self, kind = 'udp') =>
    `[ice]\nturn-urls=${urls[kind](world.host(1))}\n`
    + `turn-secret-file=${self.keep('turn.secret', SECRET)}\n`;

  before(async () => {
    site = await Site.open({ config });
    const { world } = site;
    site.world.inside(world.middle, 'openssl', 'req', '-x509', '-newkey',
      'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', '/CN=relay', '-addext', `subjectAltName=IP:${world.at(1, 1)}`,
      '-keyout', site.file('relay.key'), '-out', site.file('relay.pem'));
    site.keep('turn.conf', [
      `listening-ip=${world.at(1, 1)}`, `relay-ip=${world.at(2, 1)}`,
      'listening-port=3478', 'tls-listening-port=5349', 'fingerprint',
      'realm=test', 'use-auth-secret', `static-auth-secret=${SECRET}`,
      `cert=${site.file('relay.pem')}`, `pkey=${site.file('relay.key')}`,
      'no-cli', 'verbose', 'log-file=stdout', `pidfile=${site.file('turn.pid')}`,
      `userdb=${site.file('turn.db')}`].join('\n'));
    site.relay = site.run(world.middle, 'turnserver',
      ['-c', site.file('turn.conf')]);
    await until('the relay listens', () => {
      try {
        return world.inside(world.middle, 'ss', '-Hltn').includes(':5349');
      } catch { return false; }
    }, { detail: () => site.relay.log() });
  });
  after(() => site?.close());

  for (const kind of Object.keys(urls))
    it(`over ${kind}`, async () => {
      const { world } = site;
      // Media has no other way, and the relay is reached by this one alone.
      world.firewall('meta l4proto udp drop');
      world.nft(kind === 'udp'
        ? 'add rule inet test in iifname robot tcp dport { 3478, 5349 } drop'
        : `add rule inet test in iifname robot meta l4proto udp drop
           add rule inet test in iifname robot tcp dport ${
             kind === 'tcp' ? 5349 : 3478} drop`);
      site.keep('signaling.conf', config(world, site, kind));
      site.server.kill('SIGHUP');
      await until('the server has read it', () => /reload/.test(
        site.server.log().split('\n').slice(-5).join()));
      const robot = await site.startRobot('ice-transport-policy=relay',
        `tls-ca-file=${site.file('relay.pem')}`);
      const viewer = site.startViewer();
      await viewer.receives(60).catch((error) => {
        throw new Error(`${error.message}\n${site.relay.log().slice(-3000)}`);
      });
      const seen = parts(viewer);
      assert.ok(seen.length > 0);
      // coturn takes plain TCP at its TLS port as well: what has it seen?
      const tls = site.relay.log().match(/method=\S+/g) ?? [];
      assert.equal(tls.length > 0, kind === 'tls', site.relay.log());
      for (const { type, address } of seen) {
        assert.equal(type, 'relay');
        assert.equal(address, world.at(2, 1));
      }
      // A viewer that stops is noticed through the relay as well, in 15 s.
      if (process.env.ROBOTLIVE_TEST_LONG) {
        const since = performance.now();
        process.kill(viewer.pid, 'SIGSTOP');
        const { at, reason } = await site.removal(since);
        assert.equal(reason, 'vanished');
        assert.ok(at - since < 25000, `${at - since} ms`);
        console.log(`# ${kind}: noticed after ${Math.round(at - since)} ms`);
        viewer.kill('SIGCONT');
      }
      await viewer.stop();
      await robot.stop();
      world.open();
    });
});

network('a firewall with ten open ports', () => {
  let site;
  before(async () => { site = await Site.open(); });
  after(() => site?.close());

  it('is kept to, also by several viewers', async () => {
    site.world.firewall('iifname robot udp sport != 50000-50009 drop',
      'oifname robot udp dport != 50000-50009 drop');
    await site.startRobot('min-rtp-port=50000', 'max-rtp-port=50009');
    const viewers = [1, 2, 3].map(() => site.startViewer());
    for (const viewer of viewers) {
      await viewer.receives(60);
      assert.ok(viewer.candidates.length > 0);
      for (const { port } of parts(viewer))
        assert.ok(port >= 50000 && port <= 50009, `port ${port}`);
    }
    await Promise.all(viewers.map((viewer) => viewer.stop()));
  });
});

network('IPv6 alone', () => {
  let site;
  before(async () => { site = await Site.open({ families: [6] }); });
  after(() => site?.close());

  it('carries signaling and media', async () => {
    await site.startRobot();
    const viewer = site.startViewer();
    await viewer.receives(60);
    for (const { address } of parts(viewer))
      assert.match(address, /:/);
    await viewer.stop();
  });
});
