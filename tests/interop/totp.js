// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An authenticator: the codes of RFC 6238 (SHA-1, 30 s, six digits).
'use strict';
const { createHmac } = require('node:crypto');

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

// Of the secret in *uri*; *later*: in so many steps of 30 s.
function totp(uri, later = 0, now = Date.now()) {
  const secret = new URL(uri).searchParams.get('secret').replace(/=+$/, '');
  const bits = [...secret].map((c) => ALPHABET.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(now / 30000) + later));
  const mac = createHmac('sha1', key).update(step).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, '0');
}

module.exports = { totp };
