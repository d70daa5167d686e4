// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs the measurements that are named; run.sh has prepared all they need.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bench, build, log, rigs } from './lib/common.mjs';
import { makeClips } from './lib/clips.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: {
  runs: { type: 'string' }, seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  only: { type: 'string' }, viewers: { type: 'string' },
  scenarios: { type: 'string' },
  results: { type: 'string', default: path.join(bench, 'results') },
} });

const number = (text, otherwise) => {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    console.error(`bench.mjs: ${text} is no number of runs or seconds`);
    process.exit(2);
  }
  return Number(text);
};

// What a measurement runs of ours: better refused here than found missing by
// each run of it.
function missing(names) {
  const media = names.some((name) => name !== 'signaling');
  const wanted = [
    path.join(build, 'signaling', 'server', 'robotlive-signaling'),
    path.join(bench, 'node_modules', 'socket.io-client', 'package.json'),
    ...media ? [path.join(build, 'gst', 'libgstrobotlive.so'),
      path.join(rigs, 'sender'), path.join(rigs, 'impair'),
      path.join(rigs, 'packetfloor')] : [],
    ...names.includes('signaling') ? [path.join(rigs, 'signaling-load')] : [],
  ];
  return wanted.filter((file) => !fs.existsSync(file));
}

const lacking = missing(positionals);
if (lacking.length) {
  console.error(`bench.mjs: not built or installed: ${lacking.join(', ')}; ` +
    'run.sh without --no-install does that');
  process.exit(2);
}
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'robotlive-bench-'));
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));
if (positionals.some((name) => name !== 'signaling')) makeClips();
let failed = false;
for (const name of positionals) {
  const { run, defaults = {} } = await import(`./${name}.mjs`);
  const options = {
    work, results: path.resolve(values.results), quick: values.quick,
    only: values.only?.split(','),
    scenarios: values.scenarios?.split(','),
    viewers: values.viewers?.split(',').map(Number),
    runs: number(values.runs, values.quick ? 1 : defaults.runs ?? 6),
    seconds: number(values.seconds, values.quick ? 3 : defaults.seconds ?? 20),
  };
  try {
    log(`${name}: ${options.runs} runs of ${options.seconds} s`);
    log(`${name}: ${await run(options)}`);
  } catch (error) {
    log(`${name} failed: ${error.stack}`);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
