// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Three network namespaces of the test's own, gone with it; the machine's
// network is not touched:
//
//   robot 10.77.1.2 ── 10.77.1.1 middle 10.77.2.1 ── 10.77.2.2 viewer
//         fd77:1::2    fd77:1::1        fd77:2::1    fd77:2::2
//
// The middle routes, and is where the signaling server and a TURN server run;
// what it lets through is for each test to say (firewall, nat, silence).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { output } from '../bench/lib/common.mjs';

const ip = (...args) => output('ip', args, { stdio: 'pipe' });
const sides = { robot: 1, viewer: 2 };
let opened = 0;

// Why there can be no such namespaces here; '' when there can.
export function whyNot() {
  if (process.getuid() !== 0)
    return 'network namespaces need root';
  for (const command of ['ip', 'nft', 'conntrack'])
    if (spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0)
      return `${command} is not installed`;
  const name = `rltry${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.status !== 0)
    return `network namespaces are not allowed: ${made.stderr.trim()}`;
  const nft = spawnSync('ip', ['netns', 'exec', name, 'nft', '-f', '-'],
    { input: 'table inet t { }', encoding: 'utf8' });
  spawnSync('ip', ['netns', 'del', name]);
  return nft.status === 0 ? '' : `nftables is not allowed: ${nft.stderr.trim()}`;
}

// describe (), or a test that is skipped and says why.
export function network(name, body) {
  const why = whyNot();
  if (why) test(name, { skip: why }, () => {});
  else describe(name, body);
}

export class World {
  // *families*: of the robot's and the viewer's links.
  constructor({ families = [4, 6] } = {}) {
    const tag = `rl${process.pid}n${opened++}`;
    this.families = families;
    this.robot = `${tag}r`;
    this.middle = `${tag}m`;
    this.viewer = `${tag}v`;
    this.onExit = () => this.close();
    process.on('exit', this.onExit);
    for (const name of [this.robot, this.middle, this.viewer]) {
      ip('netns', 'add', name);
      this.inside(name, 'ip', 'link', 'set', 'lo', 'up');
    }
    this.inside(this.middle, 'sysctl', '-qw', 'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1');
    for (const [side, number] of Object.entries(sides)) {
      ip('link', 'add', side, 'netns', this.middle, 'type', 'veth', 'peer',
        'name', 'up0', 'netns', this[side]);
      this.inside(this.middle, 'ip', 'link', 'set', side, 'up');
      this.inside(this[side], 'ip', 'link', 'set', 'up0', 'up');
      for (const family of families) {
        this.address(this.middle, side, 'add', this.at(number, 1, family));
        this.address(this[side], 'up0', 'add', this.at(number, 2, family));
      }
      this.route(side, number);
    }
    // What comes later is put into these; all is let through at first.
    this.nft(`table inet test {
      chain pass { type filter hook forward priority 0; policy accept; }
      chain in { type filter hook input priority 0; policy accept; }
      chain out { type filter hook output priority 0; policy accept; }
      chain leave { type nat hook postrouting priority 100; policy accept; }
    }`);
  }

  at(net, host, family = this.families[0]) {
    return family === 6 ? `fd77:${net}::${host}` : `10.77.${net}.${host}`;
  }

  // What a URL has of it.
  host(net, host = 1, family = this.families[0]) {
    const address = this.at(net, host, family);
    return family === 6 ? `[${address}]` : address;
  }

  inside(name, ...command) {
    return output('ip', ['netns', 'exec', name, ...command],
      { stdio: 'pipe' });
  }

  address(name, device, verb, address) {
    const six = address.includes(':');
    this.inside(name, 'ip', 'addr', verb, `${address}/${six ? 64 : 24}`, 'dev',
      device, ...(six && verb === 'add' ? ['nodad'] : []));
  }

  // Without a default route Chromium gathers no candidates.
  route(side, number) {
    for (const family of this.families)
      this.inside(this[side], 'ip', `-${family}`, 'route', 'replace', 'default',
        'via', this.at(number, 1, family));
  }

  nft(rules) {
    const done = spawnSync('ip', ['netns', 'exec', this.middle, 'nft', '-f',
      '-'], { input: rules, encoding: 'utf8' });
    if (done.status !== 0)
      throw new Error(`nft: ${done.stderr}`);
  }

  // A rule for what is routed between robot and viewer.
  firewall(...rules) {
    this.nft(rules.map((rule) => `add rule inet test pass ${rule}\n`).join(''));
  }

  // Nothing reaches *side*, and nothing comes from it: the server neither.
  silence(side) {
    this.nft(`add rule inet test pass iifname ${side} drop
      add rule inet test pass oifname ${side} drop
      add rule inet test in iifname ${side} drop
      add rule inet test out oifname ${side} drop`);
  }

  // The viewer's address and port are changed on the way, to one of these.
  nat(ports) {
    this.nft(`flush chain inet test leave
      add rule inet test leave iifname viewer oifname robot \
        meta l4proto udp masquerade to :${ports}`);
    spawnSync('ip', ['netns', 'exec', this.middle, 'conntrack', '-D', '-p',
      'udp']);
  }

  // So many Mbit/s from robot to viewer, behind a queue of 200 ms; 0: wide.
  narrow(rate) {
    const device = ['dev', 'viewer', 'root'];
    if (rate)
      this.inside(this.middle, 'tc', 'qdisc', 'replace', ...device, 'tbf',
        'rate', `${rate}mbit`, 'burst', '8kb', 'latency', '200ms');
    else
      this.inside(this.middle, 'tc', 'qdisc', 'del', ...device);
  }

  // All is let through again.
  open() {
    for (const chain of ['pass', 'in', 'out'])
      this.nft(`flush chain inet test ${chain}`);
  }

  close() {
    process.off('exit', this.onExit);
    for (const name of [this.robot, this.viewer, this.middle])
      if (existsSync(`/run/netns/${name}`))
        spawnSync('ip', ['netns', 'del', name]);
  }
}
