// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   garbage.mjs HOST:PORT…     2,000 datagrams a second to these
//
// Noise, and noise that begins as STUN, DTLS, RTP or RTCP does. Ends with
// stdin.
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';

const targets = process.argv.slice(2).map((text) => {
  const at = text.lastIndexOf(':');
  return [Number(text.slice(at + 1)), text.slice(0, at)];
});
const beginnings = ['', '000100082112a442', '16fefd0000', '17fefd0001',
  '8060', '80c8000c', '81cd', '81ce'].map((hex) => Buffer.from(hex, 'hex'));
const sockets = [1, 2, 3, 4].map(() => dgram.createSocket('udp4'));
for (const socket of sockets) socket.on('error', () => {});
setInterval(() => {
  for (let i = 0; i < 40; ++i) {
    const [port, host] = targets[i % targets.length];
    const packet = Buffer.concat([beginnings[i % beginnings.length],
      randomBytes(1 + Math.floor(Math.random() * 1100))]);
    sockets[i % sockets.length].send(packet, port, host);
  }
}, 20);
process.stdin.resume().on('end', () => process.exit(0));
