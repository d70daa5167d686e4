// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Chromium that offers a data channel to a real robot, behind its media and
// before them, where it is the tag of the BUNDLE group: the channel is rejected
// and the picture comes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, until } from './browser.js';

const top = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const build = process.env.BUILD_DIR ?? path.join(top, 'build');

let browser;
let robot;
const said = [];

before(async () => {
  robot = spawn('/usr/bin/python3',
    [path.join(top, 'tests/elements/sctppeer.py'), 'robot'],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env,
      GST_PLUGIN_PATH: path.join(build, 'gst'),
      GST_REGISTRY: path.join(build, 'e2e-registry.bin') } });
  readline.createInterface({ input: robot.stdout }).on('line', line => {
    if (line.startsWith('{'))
      said.push(JSON.parse(line));
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  robot?.kill();
});

const tell = what => robot.stdin.write(`${JSON.stringify(what)}\n`);

// In the page. *first*: what the m-lines begin with.
async function offerInPage(first) {
  const pc = window.pc = new RTCPeerConnection();
  window.video = document.body.appendChild(document.createElement('video'));
  Object.assign(window.video, { muted: true, autoplay: true });
  pc.ontrack = event => {
    window.video.srcObject = new MediaStream([event.track]);
  };
  window.candidates = [];
  pc.onicecandidate = event => {
    if (event.candidate?.candidate)
      window.candidates.push(event.candidate.toJSON());
  };
  if (first === 'channel') {
    // An offer that was made keeps its m-lines where they are.
    window.channel = pc.createDataChannel('drive');
    await pc.setLocalDescription(await pc.createOffer());
  }
  pc.addTransceiver('video', { direction: 'recvonly' });
  pc.addTransceiver('audio', { direction: 'recvonly' });
  window.channel ??= pc.createDataChannel('drive');
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}

const linesOf = sdp => sdp.split('\r\n').filter(line => line.startsWith('m='));

for (const first of ['media', 'channel'])
  test(`a data channel is rejected when the ${first} stands first`, async t => {
    const id = `peer-${first}`;
    const page = await browser.newPage();
    t.after(() => page.close());
    const sdp = await page.evaluate(offerInPage, first);
    const offered = linesOf(sdp);
    assert.equal(offered[0].startsWith('m=application'), first === 'channel',
      sdp);
    tell({ kind: 'offer', from: 'ann', 'peer-id': id, sdp });
    const answer = await until('the answer', async () =>
      said.find(m => m.id === id && ['answer', 'error'].includes(m.kind)));
    assert.equal(answer.kind, 'answer', answer.message);
    const answered = linesOf(answer.sdp);
    assert.deepEqual(answered.map(line => line.split(' ')[0]),
      offered.map(line => line.split(' ')[0]));
    const channel = answered.find(line => line.startsWith('m=application'));
    assert.match(channel, /^m=application 0 /);
    await page.evaluate(text =>
      window.pc.setRemoteDescription({ type: 'answer', sdp: text }), answer.sdp);
    let given = 0, taken = 0;
    const frames = () => page.evaluate(async () => {
      for (const report of (await window.pc.getStats()).values())
        if (report.type === 'inbound-rtp' && report.kind === 'video')
          return report.framesDecoded;
      return 0;
    });
    await until('pictures', async () => {
      for (const message of said.filter(m => m.id === id &&
        m.kind === 'ice-candidate').slice(given)) {
        given++;
        // The m-line that carries the transport, as the page counts them.
        const line = first === 'channel' ? 1 : 0;
        assert.equal(message.line, line);
        await page.evaluate(candidate => window.pc.addIceCandidate(candidate),
          { candidate: message.candidate, sdpMid: message.mid,
            sdpMLineIndex: message.line });
      }
      for (const one of (await page.evaluate(() => window.candidates))
        .slice(taken)) {
        taken++;
        tell({ kind: 'ice-candidate', from: 'ann', 'peer-id': id,
          candidate: one.candidate, 'sdp-mid': one.sdpMid });
      }
      return await frames() > 20;
    });
    assert.equal(await page.evaluate(() => window.pc.connectionState),
      'connected');
    assert.equal(await page.evaluate(() => window.channel.readyState),
      'closed');
    tell({ kind: 'look' });
    const seen = await until('the robot\'s elements', async () =>
      said.findLast(m => m.kind === 'seen'));
    assert.ok(seen.elements.includes('webrtcbin'));
    assert.deepEqual(seen.elements.filter(name => name.includes('sctp')), []);
    tell({ kind: 'leave', 'peer-id': id, reason: '' });
  });
