// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The clip that all senders play: handheld footage of a phone (Debian package
// forensics-samples-files), 1280x720, 30 frames/s, forwards and backwards so
// that it loops without a cut. Raw for those that encode, and once encoded at
// 2 Mbit/s with a key frame each 2 s for those that only send.
import fs from 'node:fs';
import path from 'node:path';
import { output, rigs } from './common.mjs';

const footage =
  '/usr/share/forensics-samples/original-files/movie1/VID_20191220_170832.mp4';
const frameBytes = 1280 * 720 * 3 / 2;
export const rawClip = path.join(rigs, 'clip-720p30.i420');
export const encodedClip = path.join(rigs, 'clip-720p30-2mbit.h264');

export function makeClips() {
  if (!fs.existsSync(rawClip)) {
    const once = `${rawClip}.once`;
    output('gst-launch-1.0', ['-q', 'filesrc', `location=${footage}`, '!',
      'decodebin', '!', 'videoconvert', '!', 'videoscale', '!', 'videorate',
      '!', 'video/x-raw,format=I420,width=1280,height=720,framerate=30/1', '!',
      'filesink', `location=${once}`]);
    const frames = fs.readFileSync(once);
    const count = Math.floor(frames.length / frameBytes);
    const out = fs.openSync(`${rawClip}.part`, 'w');
    const order = [...Array(count).keys()];
    for (const n of [...order, ...order.slice(1, -1).reverse()])
      fs.writeSync(out, frames, n * frameBytes, frameBytes);
    fs.closeSync(out);
    fs.unlinkSync(once);
    fs.renameSync(`${rawClip}.part`, rawClip);
  }
  if (!fs.existsSync(encodedClip)) {
    // Four rounds of the clip: some 10 s, an access unit a file.
    const dir = fs.mkdtempSync(path.join(rigs, 'units-'));
    const four = path.join(dir, 'four.i420');
    for (let i = 0; i < 4; ++i)
      fs.appendFileSync(four, fs.readFileSync(rawClip));
    output('gst-launch-1.0', ['-q', 'filesrc', `location=${four}`, '!',
      'rawvideoparse', 'width=1280', 'height=720', 'format=i420',
      'framerate=30/1', '!', 'x264enc', 'tune=zerolatency',
      'speed-preset=ultrafast', 'bitrate=2000', 'key-int-max=60', '!',
      'video/x-h264,profile=constrained-baseline,stream-format=byte-stream',
      '!', 'h264parse', 'config-interval=-1', '!',
      'video/x-h264,stream-format=byte-stream,alignment=au', '!',
      'multifilesink', `location=${dir}/%06d`]);
    const units = fs.readdirSync(dir).filter((name) => /^\d+$/.test(name));
    const parts = units.sort().flatMap((name) => {
      const unit = fs.readFileSync(path.join(dir, name));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(unit.length);
      return [length, unit];
    });
    fs.writeFileSync(encodedClip, Buffer.concat(parts));
    fs.rmSync(dir, { recursive: true });
  }
}
