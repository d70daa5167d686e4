// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The benchmarks' own rules: nothing is measured with what is not built, a
// sender that failed in every run is no success, and new figures take the place
// of old ones in a README; and their page tells when a picture was taken.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const bench = fileURLToPath(new URL('../bench/', import.meta.url));
const { save, summary } = await import('../bench/lib/common.mjs');

function folder(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-report-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  return dir;
}

const runs = (sender, ...values) => values.map((value) =>
  typeof value === 'string' ? { sender, error: value }
    : { sender, present: value, present95: value, received: value, fps: 30,
      cpu: 10 });
const rows = (...all) => all.map((mine) => ({ all95: 9,
  ...summary({ sender: mine[0].sender }, mine,
    ['present', 'present95', 'received', 'fps', 'cpu']) }));

test('measures nothing with a rig that is not built', (t) => {
  const results = folder(t);
  const { status, stderr } = spawnSync(process.execPath,
    [path.join(bench, 'bench.mjs'), 'latency', '--results', results],
    { encoding: 'utf8', env: { ...process.env, BUILD_DIR: results } });
  assert.equal(status, 2);
  assert.match(stderr, /not built or installed: .*libgstrobotlive\.so/);
  assert.deepEqual(fs.readdirSync(results), []);
});

test('fails where a sender failed in every run', (t) => {
  const results = folder(t);
  const options = { results, runs: 2, seconds: 1 };
  save('latency', options, rows(runs('ours', 20, 30), runs('janus', 40, 'late')));
  assert.throws(() => save('latency', options,
    rows(runs('ours', 20, 30), runs('janus', 'no janus', 'no janus'))),
  /no run succeeded of janus \(no janus\)/);
  const { useless } = JSON.parse(
    fs.readFileSync(path.join(results, 'latency.json')));
  assert.deepEqual(useless, [{ what: 'janus', why: 'no janus' }]);
});

// However late the page gets to look at it.
test('tells when a picture was taken', () => {
  const origin = 1796000000000.4;
  let stamp = 0;
  const luma = (x, y) =>
    (stamp >> (23 - Math.floor(x / 16)) & 1) === Number(y < 16) ? 235 : 16;
  const data = (width, height) => Uint8ClampedArray.from(
    { length: 4 * width * height },
    (_, i) => luma((i >> 2) % width, Math.floor((i >> 2) / width)));
  const page = vm.createContext({
    performance: { timeOrigin: origin },
    document: {
      getElementById: () => ({ requestVideoFrameCallback() {} }),
      createElement: () => ({ getContext: () => ({ drawImage() {},
        getImageData: (x, y, width, height) =>
          ({ data: data(width, height) }) }) }),
    },
  });
  vm.runInContext(
    fs.readFileSync(path.join(bench, 'lib/page.js'), 'utf8'), page);
  // The last before the stamp, 24 bits, begins anew, and the first after it.
  const turn = Math.ceil(origin / 2 ** 24) * 2 ** 24;
  for (const taken of [Math.floor(origin), turn - 1, turn])
    for (const [shown, called] of [[20, 21], [30, 246], [5, 1000]]) {
      stamp = taken % 2 ** 24;
      page.onFrame(taken + called - origin,
        { presentationTime: taken + shown - origin });
      const { taken: told, presented } = vm.runInContext('frames.pop()', page);
      assert.ok(Math.abs(told - taken) < 0.01, `${told - taken} ms`);
      assert.ok(Math.abs(presented - shown) < 0.01, `${presented} ms`);
    }
});

test('puts new figures where the old ones were', (t) => {
  const python = spawnSync('/usr/bin/python3', ['-c', 'import matplotlib']);
  if (python.status !== 0) return t.skip('matplotlib is not installed');
  const results = folder(t);
  const all = [...runs('ours', 20, 30, 25), ...runs('janus', 'no janus')];
  assert.throws(() => save('latency', { results, runs: 3, seconds: 1 },
    rows(all.slice(0, 3), all.slice(3)), { runs_raw: all }));
  const readme = path.join(results, 'README.md');
  const head = '| what | here | beside it | command |\n| --- | --- | --- | --- |\n';
  fs.writeFileSync(readme, 'before\n<!-- report latency -->\nold\n<!-- end -->\n' +
    `<!-- report join -->\nkept\n<!-- end -->\n\n${head}| kept | 1 | 2 | 3 |\n` +
    '| glass to glass, 720p30, mean (p95), ms | old | old | old |\n\nafter\n');
  const { status, stderr } = spawnSync('/usr/bin/python3',
    [path.join(bench, 'report.py'), results, readme], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const text = fs.readFileSync(readme, 'utf8');
  assert.match(text, /\| signalingbin \| 25\.0 \(20\.0–30\.0\) \| 25\.0 \|/);
  assert.match(text, /\*\*No run succeeded of janus\*\*: no janus/);
  assert.match(text, /\| glass to glass, [^|]+ \| 25\.0 \(9\.0\) \|/);
  assert.match(text, /kept\n<!-- end -->[^]*\| kept \| 1[^]*\n\nafter\n$/);
  assert.doesNotMatch(text, /old/);
  for (const plot of ['latency.svg', 'latency.png', 'figures/latency.png'])
    assert.ok(fs.statSync(path.join(results, plot)).size > 1000, plot);
});
