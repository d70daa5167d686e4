// SPDX-License-Identifier: LGPL-2.1-or-later
// Starts a server binary of the build folder for a test and ends it after it.
'use strict';
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const root = path.resolve(__dirname, '..', '..');

// BUILD_DIR, or the build folder of a plain "meson setup build".
function findBinary(name) {
  const build = process.env.BUILD_DIR || path.join(root, 'build');
  const folders = [path.join(build, 'tests', 'interop'), build];
  for (const folder of folders) {
    const file = path.join(folder, name);
    if (fs.existsSync(file)) return file;
  }
  throw new Error(`${name} is not in ${build}: build it first`);
}

// {port, stop, exited}; stop() waits for the end and returns its status.
function startConformanceServer(args = []) {
  const child = spawn(findBinary('conformance-server'), ['--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve({ code, signal }))
  );
  return new Promise((resolve, reject) => {
    exited.then((status) =>
      reject(new Error(`conformance-server ended: ${JSON.stringify(status)}`))
    );
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^listening (\d+)$/.exec(line);
      if (!match) return;
      resolve({
        port: Number(match[1]),
        pid: child.pid,
        exited,
        stop() {
          child.kill('SIGTERM');
          return exited;
        },
      });
    });
  });
}

module.exports = { findBinary, startConformanceServer };
