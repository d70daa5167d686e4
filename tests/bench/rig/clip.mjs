// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the senders in JavaScript share: the line protocol of sender.cpp, the
// clip, its stamp (clip.hpp), and a clock of 30 frames a second.
import fs from 'node:fs';
import readline from 'node:readline';

export const width = 1280;
export const height = 720;
const rawFrame = width * height * 3 / 2;

export function rawFrames(file) {
  const data = fs.readFileSync(file);
  return Array.from({ length: Math.floor(data.length / rawFrame) },
    (_, n) => data.subarray(n * rawFrame, (n + 1) * rawFrame));
}

export function accessUnits(file) {
  const data = fs.readFileSync(file);
  const units = [];
  for (let at = 0; at + 4 <= data.length;) {
    const length = data.readUInt32LE(at);
    units.push(data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return units;
}

export function stamp(luma, ms) {
  for (let bit = 0; bit < 24; ++bit) {
    const one = Math.floor(ms / 2 ** (23 - bit)) % 2 === 1;
    for (let y = 0; y < 32; ++y) {
      const at = y * width + bit * 16;
      luma.fill(one === (y < 16) ? 235 : 16, at, at + 16);
    }
  }
}

// Calls frame (n) 30 times a second, without drift.
export function camera(frame) {
  const start = performance.now();
  let n = 0;
  const next = () => {
    frame(n++);
    setTimeout(next, Math.max(0, start + n * 1000 / 30 - performance.now()));
  };
  next();
}

export const say = (...words) => process.stdout.write(words.join(' ') + '\n');
export const encode = (text) => Buffer.from(text).toString('base64');

// answer (id, sdp) returns the answer's SDP; it and the others may be async.
export function serve({ answer, candidate = () => {}, leave = () => {} }) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const [verb, id, what, ...rest] = line.split(' ');
    try {
      if (verb === 'offer') {
        const sdp = await answer(id, Buffer.from(what, 'base64').toString());
        say('answer', id, encode(sdp));
      } else if (verb === 'candidate') {
        await candidate(id, Number(what), rest.join(' '));
      } else if (verb === 'leave') {
        await leave(id);
        say('left', id);
      }
    } catch (error) {
      say('failed', id, String(error.message).replaceAll('\n', ' '));
    }
  });
  lines.on('close', () => process.exit(0));
  say('ready');
}
