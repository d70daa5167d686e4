// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every command of robotlive-signaling that a text of ours tells people to run
// is run: guides, the doctor's remedies, the server's own sentences.
'use strict';
const { after, before, it } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Signaling } = require('./signaling-process.js');

const top = path.resolve(__dirname, '../..');
const COMMAND = /(?:robotlive-signaling |\\?")((?:user|robot|token|booking|session|key) [a-z]+|check-config|token --role)([^`"#|;,():\n\\]*)/g;

// [{file, line, words}]: as they stand there, with what stands for a value.
function commands() {
  const found = [];
  const files = ['README.md', 'docs/operators-guide.md', 'signaling/signaling.conf',
    'signaling/server/app/cliaccounts.cpp', 'signaling/server/hub/hub_rights.cpp', 'signaling/server/http/loginroutes.cpp',
    ...fs.readdirSync(path.join(top, 'pipelines')).filter((name) =>
      /^doctor.*\.cpp$/.test(name)).map((name) => `pipelines/${name}`)];
  for (const file of files) {
    const source = file.endsWith('.cpp');
    fs.readFileSync(path.join(top, file), 'utf8')
      .replace(/\\\n\s*/g, ' ').split('\n').forEach((text, index) => {
      for (const [whole, name, rest] of text.matchAll(COMMAND)) {
        if (whole.includes('…')) // and so on
          continue;
        if (!whole.includes('robotlive-signaling') && !(source && /\\"|remedy/.test(text)))
          continue;
        let words = `${name}${rest}`.trim().split(/\s+/);
        // In a source the value is joined to the text.
        const needs = { 'robot token': 'ID', 'robot add': 'ID', 'user totp': 'EMAIL' }[words.slice(0, 2).join(' ')];
        if (needs && words.length === 2)
          words.push(needs);
        found.push({ where: `${file}:${index + 1}`, words });
      }
    });
  }
  return found;
}

const server = new Signaling();
before(() => {
  server.cli(['user', 'add', 'someone@example.org'], 'correct horse');
  server.cli(['robot', 'add', 'known', '--type', 'arm']);
});
after(() => fs.rmSync(server.work, { recursive: true, force: true }));

it('every command that a text names can be run as it stands there', () => {
  const password = path.join(server.work, 'password');
  fs.writeFileSync(password, 'correct horse battery\n');
  const all = commands();
  assert.ok(all.length > 12, `only ${all.length}`);
  for (const part of ['robot token', 'robot add', 'user add', 'user password', 'user disable', 'user totp', 'token revoke'])
    assert.ok(all.some(({ words }) => words.join(' ').startsWith(part)), part);
  let count = 0;
  for (const { where, words } of all) {
    ++count;
    const [group, verb] = words;
    const makes = verb === 'add';
    const email = `person${count}@example.org`;
    if (group === 'user' && !makes)
      server.cli(['user', 'add', email], 'correct horse');
    const id = `robot${count}`;
    if ((group === 'robot' && !makes) || group === 'booking')
      server.cli(['robot', 'add', id]);
    const args = words.map((word, i) => {
      const before = words[i - 1];
      if (before === '--password-file')
        return password;
      if (group === 'robot' && i === 2)
        return id;
      if (before === '--output')
        return path.join(server.work, 'out');
      if (group === 'booking' && before === '--robot')
        return id;
      if (group === 'booking' && before === '--robot-type')
        return 'arm';
      if (group === 'booking' && before === '--user')
        return 'someone@example.org';
      if (word === 'EMAIL' || /^[\w.]+@[\w.]+$/.test(word))
        return email;
      return { ID: id, TOKENID: 'some-token' }[word] ?? word;
    });
    const { status, stderr } = server.tryCli(args, 'correct horse');
    assert.equal(status, 0, `${where}: ${args.join(' ')}: ${stderr}`);
  }
});
