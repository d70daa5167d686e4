// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page's pure functions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as text from '../../signaling/web/text.js';
import { bookedName, bookingRequest, covers, isActive, linkedRobot, nextStart,
  preferredRobot, readBookings, readRobots } from '../../signaling/web/bookings.js';
import { summarize } from '../../signaling/web/stats.js';

const CODES = ['unauthorized', 'forbidden', 'no-active-booking',
  'robot-offline', 'unknown-robot', 'bad-message', 'too-large', 'rate-limited',
  'busy', 'unavailable', 'internal', 'grant-refused', 'server-away',
  'device-offline'];
const REASONS = ['expired', 'revoked', 'robot-offline', 'viewer-left',
  'replaced', 'robot-restarted', 'robot-left', 'grant-refused', 'unknown',
  'cancelled', 'stopped', 'no-answer'];

test('every code and reason of the protocol has a sentence of its own', () => {
  const unknown = text.refusalText('something-else');
  const sentences = CODES.map(code => text.refusalText(code));
  assert.ok(!sentences.includes(unknown));
  assert.equal(new Set(sentences).size, CODES.length);
  const endings = REASONS.map(reason => text.endingText(reason));
  assert.ok(!endings.includes(text.endingText('something-else')));
  assert.equal(new Set(endings).size, REASONS.length);
});

test('the next booking and the next try are named', () => {
  const next = new Date(2026, 10, 22, 14, 30).getTime();
  assert.match(text.refusalText('no-active-booking', { next }), /2:30|14:30/);
  assert.match(text.refusalText('no-active-booking'), /No later booking/);
  assert.match(text.refusalText('busy', { retryMs: 4100 }), /in 5 s/);
});

test('only what time can heal is tried again', () => {
  for (const code of ['unauthorized', 'forbidden', 'no-active-booking',
    'unknown-robot', 'bad-message', 'too-large', 'nonsense', undefined])
    assert.equal(text.retryDelay(code, 0), null, code);
  assert.equal(text.retryDelay('rate-limited', 0, 7000), 7000);
  assert.equal(text.retryDelay('rate-limited', 3), 8000);
  assert.equal(text.retryDelay('internal', 60), 30000);
  assert.equal(text.retryDelay('busy', 0, -5), 5000);
  assert.equal(text.retryDelay('busy', 0, 1e12), 300000);
  assert.equal(text.retryDelay('busy', 0, '9'), 5000);
});

test('durations and bit rates', () => {
  assert.equal(text.durationText(3725000), '1:02:05');
  assert.equal(text.durationText(65000), '1:05');
  assert.equal(text.durationText(64001), '1:05');
  assert.equal(text.durationText(-1), '0:00');
  assert.equal(text.bitrateText(2130000), '2.13 Mbit/s');
  assert.equal(text.bitrateText(930400), '930 kbit/s');
  assert.equal(text.bitrateText(NaN), '–');
});

test('log-in answers', () => {
  assert.match(text.loginText({ status: 401 }), /Wrong/);
  assert.match(text.loginText({ status: 401, code: 'totp-required' }),
    /second factor/);
  assert.match(text.loginText({ status: 403, code: 'totp-setup-required' }),
    /Ask the operator/);
  assert.equal(text.loginText({ status: 401, code: 'unauthorized',
    sentence: 'the code is wrong, or too old' }),
  'The code is wrong, or too old.');
  assert.match(text.loginText({ status: 429 }), /Too many/);
  assert.match(text.loginText({ status: 0 }), /cannot be reached/);
  assert.match(text.loginText({ status: 502 }), /502/);
  assert.match(text.loginText({ status: 429, retryAfter: 897 }), /again in 15 minutes, at /);
  assert.match(text.loginText({ status: 429, retryAfter: 1 }), /again in 1 second, at /);
  assert.match(text.loginText({ status: 429, retryAfter: NaN }), /wait a moment/);
});

test('times name the day of the end and the zone', () => {
  const at = (...when) => new Date(...when).getTime();
  const now = at(2026, 11, 23, 9);
  const range = (start, end) => text.rangeText(start, end, now, 'en-US');
  const zone = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(now).find(({ type }) => type === 'timeZoneName').value;
  assert.equal(range(at(2026, 11, 23, 10), at(2026, 11, 23, 11)),
    `today at 10:00 AM until 11:00 AM ${zone}`);
  assert.equal(range(at(2026, 11, 24, 10), at(2026, 11, 25, 10)),
    `tomorrow at 10:00 AM until Friday, December 25 at 10:00 AM ${zone}`);
  assert.match(range(at(2027, 0, 2, 9, 5), at(2027, 0, 2, 10)),
    /^on Saturday, January 2, 2027 at 9:05 AM until 10:00 AM/);
  assert.equal(text.timeText(at(2026, 11, 23, 16, 26), 'de'), '16:26');
  assert.ok(text.zoneText(now, 'en-US').includes(
    Intl.DateTimeFormat().resolvedOptions().timeZone.replaceAll('_', ' ')));
});

test('the title names the state, the time left and the robot', () => {
  assert.equal(text.titleText({ state: 'Live', left: '0:37', robot: 'Arm 1' }),
    'Live, 0:37 left · Arm 1 · Robot live video');
  assert.equal(text.titleText({ state: '', left: null, robot: null }),
    'Robot live video');
});

test('links lead to a robot', () => {
  const linked = (hash, search = '') => linkedRobot({ hash, search });
  assert.equal(linked('#/robot/a%20b%2Fc'), 'a b/c');
  assert.equal(linked('#/robot/a/'), 'a');
  assert.equal(linked('', '?robot=x'), 'x');
  assert.equal(linked('#/robot/a', '?robot=x'), 'a');
  for (const hash of ['', '#/robot/', '#/robots', '#/robot/%'])
    assert.equal(linked(hash), null, hash);
  const robots = [{ id: 'r1', name: 'Arm' }];
  assert.equal(bookedName({ robotId: 'r1' }, robots), 'Arm');
  assert.equal(bookedName({ robotId: 'r2' }, robots), 'r2');
  assert.match(bookedName({ robotId: null, robotType: 'pi' }, robots), /pi/);
});

test('robots: bad entries are left out, online ones come first', () => {
  assert.deepEqual(readRobots({ robots: [] }), []);
  assert.deepEqual(
    readRobots([null, {}, { id: 7 }, { id: 'b', online: 1, duplicates: [{}] },
      { id: 'c', robot_type: 'pi', name: 'C', online: true, duplicates: [] },
      { id: 'd', refusesGrants: { since: 1, count: 2 } },
      { id: 'e', refusesGrants: null, duplicates: null }]),
    [{ id: 'c', type: 'pi', name: 'C', online: true, trouble: null },
      { id: 'b', type: '', name: 'b', online: false, trouble: 'duplicates' },
      { id: 'd', type: '', name: 'd', online: false, trouble: 'grants' },
      { id: 'e', type: '', name: 'e', online: false, trouble: null }]);
  const sentences = ['grants', 'duplicates', null, undefined]
    .map(text.troubleText);
  assert.match(sentences[0], /does not trust/);
  assert.match(sentences[1], /Several processes/);
  assert.deepEqual(sentences.slice(2), [null, null]);
});

test('bookings: order, cover, activity at the edges', () => {
  const read = readBookings([
    { id: 1, robot_id: 'r1', starts_at: 500, ends_at: 900 },
    { id: 2, robot_type: 'pi', starts_at: 100, ends_at: 200 },
    { id: 3, robot_id: 'r1', starts_at: 10, ends_at: 100 },
    { id: 4, robot_id: 'r1', starts_at: 300, ends_at: 400,
      status: 'cancelled' },
    { id: 5, starts_at: 'x', ends_at: 400 }, null], 100);
  assert.deepEqual(read.map(booking => booking.id), [2, 1]);
  const [byType, byId] = read;
  assert.equal(covers(byId, { id: 'r1', type: 'x' }), true);
  assert.equal(covers(byId, { id: 'r2', type: 'pi' }), false);
  assert.equal(covers(byType, { id: 'r2', type: 'pi' }), true);
  assert.deepEqual([99, 100, 199, 200].map(now => isActive(byType, now)),
    [false, true, true, false]);
  const robots = readRobots([{ id: 'r1', online: true },
    { id: 'r2', type: 'pi' }]);
  assert.equal(preferredRobot(robots, read, 150).id, 'r2');
  assert.equal(preferredRobot(robots, read, 250).id, 'r1');
  assert.equal(preferredRobot([], read, 250), undefined);
  assert.equal(nextStart(undefined, read, robots[0], 250), 500);
  assert.equal(nextStart(700, read, robots[0], 250), 700);
  assert.equal(nextStart({ starts_at: 800 }, read, robots[0], 250), 800);
  assert.equal(nextStart(null, read, undefined, 250), undefined);
});

test('statistics are per second and survive missing fields', () => {
  const report = (at, frames, bytes, received, lost) => [
    ['v', { type: 'inbound-rtp', kind: 'video', timestamp: at,
      framesDecoded: frames, bytesReceived: bytes, packetsReceived: received,
      packetsLost: lost, frameWidth: 1280, frameHeight: 720 }],
    ['t', { type: 'transport', selectedCandidatePairId: 'p' }],
    ['p', { type: 'candidate-pair', currentRoundTripTime: 0.0125 }],
  ];
  assert.equal(summarize([], null), null);
  const first = summarize(report(1000, 10, 1000, 100, 0), null);
  assert.equal(first.fps, undefined);
  const second = summarize(report(3000, 70, 501000, 298, 2), first);
  assert.equal(second.fps, 30);
  assert.equal(second.bitrate, 2e6);
  assert.equal(second.loss, 1);
  assert.equal(second.rtt, 12.5);
  assert.equal(second.width, 1280);
  const bare = summarize([['v', { type: 'inbound-rtp', kind: 'video',
    timestamp: 4000 }]], null);
  assert.equal(bare.rtt, undefined);
  assert.equal(bare.bytes, 0);
});

test('a booking is asked for in milliseconds', () => {
  assert.deepEqual(bookingRequest('r', '', '1.5', 1000.7),
    { robot_id: 'r', starts_at: 1000, ends_at: 91000 });
  const start = new Date('2031-01-01T10:00').getTime();
  assert.deepEqual(bookingRequest('r', '2031-01-01T10:00', 30, 0),
    { robot_id: 'r', starts_at: start, ends_at: start + 1800000 });
  for (const [start, minutes] of [['soon', 30], ['', 0], ['', -1], ['', 'x']])
    assert.equal(bookingRequest('r', start, minutes, 0), null);
});

test('why a booking failed is said in words', () => {
  assert.match(text.bookingText({ status: 0 }), /cannot be reached/);
  assert.match(text.bookingText({ status: 503, sentence: 'db down' }), /503/);
  assert.equal(text.bookingText({ status: 422, sentence: 'too long' }),
    'Not done: too long.');
  assert.match(text.bookingText({ status: 409 }), /409/);
  assert.match(text.bookingText({ status: 409, code: 'conflict' }),
    /^Somebody else has .* Please choose another time\.$/);
  const from = new Date('2031-03-30T14:15').getTime();
  assert.match(text.bookingText({ status: 409, code: 'conflict',
    nextFree: { starts_at: from, ends_at: from + 1800000 } }, from - 3600000,
  'en-GB'),
  /^Somebody else has .* The next free time is .*14:15 .*14:45.*\.$/);
});
