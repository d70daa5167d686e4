// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What every measurement needs: child processes that end with us, what the
// kernel says of a process, statistics, and where results go.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

export const bench = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const top = path.dirname(path.dirname(bench));
export const build = process.env.BUILD_DIR ?? path.join(top, 'build');
export const rigs = path.join(build, 'bench');
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// --- child processes ---------------------------------------------------------

const children = new Set();
let ending = false;
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => { ending = true; process.exit(130); });

// Starts a program; `lines` gets each line of its stdout. stderr is kept and
// shown should it end by itself. `namespace`: run it in that network namespace.
export function start(command, args, { env = {}, cwd, namespace } = {}) {
  if (namespace) {
    args = ['netns', 'exec', namespace, command, ...args];
    command = 'ip';
  }
  const child = spawn(command, args, {
    cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.add(child);
  const waiting = [];
  const seen = [];
  let errors = '';
  child.stopping = false;
  child.stderr.on('data', (data) => { errors = (errors + data).slice(-40000); });
  child.stdin.on('error', () => {});
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const at = waiting.findIndex(({ match }) => match(line));
    if (at >= 0) waiting.splice(at, 1)[0].resolve(line);
    else if (seen.push(line) > 1000) seen.shift();
  });
  const fail = (why) => {
    children.delete(child);
    for (const { reject } of waiting.splice(0)) reject(new Error(why));
  };
  child.on('error', (error) => fail(`${command}: ${error.message}`));
  child.ended = new Promise((resolve) => child.on('exit', (code, signal) => {
    fail(`${command} ended (${code ?? signal}): ${errors}`);
    if (!child.stopping && !ending)
      console.error(`${command} ended (${code ?? signal}): ${errors}`);
    resolve(code);
  }));
  child.errors = () => errors;
  child.say = (line) => child.stdin.write(line + '\n');
  // The first line that `match`es, also one that has come already.
  child.line = (match, ms = 15000) => {
    const at = seen.findIndex(match);
    if (at >= 0) return Promise.resolve(seen.splice(at, 1)[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(entry), 1);
        reject(new Error(`${command} said nothing in ${ms} ms: ${errors}`));
      }, ms);
      const entry = {
        match,
        resolve: (line) => { clearTimeout(timer); resolve(line); },
        reject: (error) => { clearTimeout(timer); reject(error); },
      };
      waiting.push(entry);
      if (!children.has(child)) fail(`${command} has ended: ${errors}`);
    });
  };
  child.stop = async () => {
    child.stopping = true;
    if (!children.has(child)) return;
    child.stdin.end();
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await child.ended;
    clearTimeout(timer);
  };
  return child;
}

export const output = (command, args, options = {}) =>
  execFileSync(command, args, { encoding: 'utf8', ...options }).trim();

// --- what the kernel says of a process ---------------------------------------

const tick = 1000 / Number(output('getconf', ['CLK_TCK']));

// CPU in ms since its start, threads, descriptors, and memory of its own in
// MB: pages that are not of a file, since the clip is mapped by some senders.
export function usage(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    at: performance.now(),
    cpu: (Number(field[11]) + Number(field[12])) * tick,
    threads: Number(field[17]),
    memory: Number(/^RssAnon:\s+(\d+)/m.exec(status)[1]) / 1024,
    fds: fs.readdirSync(`/proc/${pid}/fd`).length,
  };
}

// CPU time of its threads in ms, by the scheduler's clock (usage ()'s has steps
// of 10 ms). What threads used that have ended by now is missing.
export function cpuTime(pid) {
  let sum = 0;
  for (const task of fs.readdirSync(`/proc/${pid}/task`))
    sum += Number(fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8')
      .split(' ')[0]);
  return sum / 1e6;
}

// CPU in percent of one core over `seconds`.
export async function measure(pid, seconds) {
  const before = usage(pid);
  await sleep(seconds * 1000);
  const after = usage(pid);
  return { ...after,
    percent: 100 * (after.cpu - before.cpu) / (after.at - before.at) };
}

// --- statistics --------------------------------------------------------------

export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  if (!sorted.length) return null;
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

export function spread(values) {
  const good = values.filter((value) => Number.isFinite(value));
  return {
    n: good.length,
    min: quantile(good, 0),
    median: quantile(good, 0.5),
    max: quantile(good, 1),
    mean: good.length ? good.reduce((a, b) => a + b, 0) / good.length : null,
  };
}

// The slope of y over x by least squares.
export function slope(points) {
  const n = points.length;
  const sx = points.reduce((sum, [x]) => sum + x, 0);
  const sy = points.reduce((sum, [, y]) => sum + y, 0);
  const sxx = points.reduce((sum, [x]) => sum + x * x, 0);
  const sxy = points.reduce((sum, [x, y]) => sum + x * y, 0);
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

// --- results -----------------------------------------------------------------

function machine() {
  const cpus = os.cpus();
  const gst = (() => {
    try {
      return output('gst-inspect-1.0', ['--version']).split('\n')[1];
    } catch { return 'no GStreamer'; }
  })();
  return {
    cpu: cpus[0].model, cores: cpus.length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GB`,
    kernel: os.release(), gstreamer: gst, node: process.version,
    load: os.loadavg()[0],
  };
}

// A row of a table: what *keys* were in those of *runs* that did not fail.
export function summary(head, runs, keys) {
  const good = runs.filter((run) => !run.error);
  const row = { ...head, good: good.length,
    failed: runs.filter((run) => run.error).map((run) => run.error) };
  for (const key of keys)
    row[key] = spread(good.map((run) => run[key] ?? NaN));
  return row;
}

// Writes results/NAME.json: what run.sh's report makes tables and plots of.
// Fails when there is a row for which no run succeeded: such a table compares
// nothing, however well it looks.
export function save(name, options, rows, extra = {}) {
  const useless = rows.filter((row) => row.good === 0).map((row) => {
    const { sender, stream, present, link, where, condition, part, fault } = row;
    return { what: [sender ?? where ?? part, stream, present, link, condition,
      fault].filter((word) => /string|number/.test(typeof word)).join(', '),
    why: row.failed?.[0] ?? 'no run' };
  });
  fs.mkdirSync(options.results, { recursive: true });
  const file = path.join(options.results, `${name}.json`);
  fs.writeFileSync(file, JSON.stringify({
    name, date: new Date().toISOString().slice(0, 10), machine: machine(),
    commit: (() => {
      try {
        return output('git', ['-C', top, 'rev-parse', '--short', 'HEAD'],
          { stdio: ['ignore', 'pipe', 'ignore'] });
      } catch { return null; }
    })(),
    command: `tests/bench/run.sh ${process.argv.slice(2).filter((word, at, all) =>
      word !== '--results' && all[at - 1] !== '--results').join(' ')}`,
    runs: options.runs, seconds: options.seconds, ...extra, useless, rows,
  }, null, 1) + '\n');
  if (useless.length)
    throw new Error('no run succeeded of ' + useless.map(({ what, why }) =>
      `${what} (${why.trim().split('\n')[0]})`).join('; '));
  return file;
}

export function log(...words) {
  console.log(new Date().toISOString().slice(11, 19), ...words);
}

// Those of *known* that --only names, or all. A name may be another
// measurement's; if all are, this one has nothing to do, and says so.
export function chosen(options, known) {
  const names = known.filter((name) => !options.only ||
    options.only.includes(name));
  if (names.length === 0)
    throw new Error(`--only ${options.only.join(',')}: there are only ${
      known.join(', ')} here`);
  return names;
}
