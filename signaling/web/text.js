// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every sentence that the page says about a code of PROTOCOL.md, and how it
// writes times and figures. Pure functions: values in, strings out.

const REFUSALS = {
  'unauthorized': 'Your login is no longer valid. Please log in again.',
  'forbidden': 'You are not allowed to watch this robot.',
  'no-active-booking': 'You have no booking for this robot at this time.',
  'robot-offline': 'The robot is not connected. The picture starts by itself '
    + 'as soon as it is back.',
  'unknown-robot': 'This server has no robot of this name.',
  'bad-message': 'The robot and this browser have no video format in common, '
    + 'or a message was damaged.',
  'too-large': 'The connection request of this browser was too large.',
  'rate-limited': 'Too many requests.',
  'busy': 'The robot already serves as many viewers as it can.',
  'unavailable': 'The server cannot check bookings at the moment.',
  'internal': 'The server had an internal error.',
  'grant-refused': 'The robot does not trust this server’s key, so it shows '
    + 'nobody a picture. This is not your fault: please tell the operator.',
  // Not of the protocol: what the page sees itself.
  'server-away': 'The server cannot be reached. The picture starts by itself '
    + 'as soon as the server is back.',
  'device-offline': 'This device is offline. The picture starts by itself as '
    + 'soon as the network is back.',
};

const ENDINGS = {
  'expired': 'Your booking is over, so the picture has stopped.',
  'revoked': 'The operator has ended this session.',
  'robot-offline': 'The robot went offline.',
  'robot-restarted': 'The robot was restarted.',
  'robot-left': 'The robot has stopped sending.',
  'viewer-left': 'The server has closed this session.',
  'replaced': 'The robot connected anew.',
  'grant-refused': 'The robot no longer trusts this server’s key. Please tell '
    + 'the operator.',
  'unknown': 'The server does not know this session any more.',
  'no-answer': 'The server does not answer.',
  // What "revoked" means, by the bookings that are left.
  'cancelled': 'Your booking was cancelled, so the picture has stopped.',
  'stopped': 'An administrator has ended this session.',
};

const LOGIN = {
  400: 'Please enter an e-mail address and a password.',
  401: 'Wrong e-mail address or password.',
  403: 'This account may not log in here.',
  429: 'Too many attempts. Please wait a moment before the next one.',
  503: 'The server cannot check passwords at the moment. '
    + 'Please try again later.',
};

// *next*: start of the next booking, ms since the epoch, optional.
// *retryMs*: when the page itself asks again, optional. *detail*: the robot's
// own words, optional.
export function refusalText(code, { next, retryMs, detail } = {}) {
  let text = REFUSALS[code] ?? 'The server refused the connection.';
  if (code === 'no-active-booking') {
    text += Number.isFinite(next)
      ? ` Your next one starts ${whenText(next, undefined, undefined, true)}.`
      : ' No later booking was found either.';
  }
  if (Number.isFinite(retryMs) && code !== 'robot-offline')
    text += ` Trying again in ${Math.max(1, Math.ceil(retryMs / 1000))} s.`;
  if (typeof detail === 'string' && detail !== '')
    text += ` The robot says: ${detail.slice(0, 200)}`;
  return text;
}

// *until*: end of a booking that still holds, ms since the epoch, optional.
export function endingText(reason, until) {
  const text = ENDINGS[reason] ?? 'The server ended the session.';
  return Number.isFinite(until) ? `${text} Your booking still runs until `
    + `${timeText(until, undefined, true)}: press Connect Video Feed to watch `
    + 'again.' : text;
}

// Why a picture was interrupted that is about to come back; null: no idea.
export function interruptionText(reason) {
  return ENDINGS[reason] === undefined ? null
    : `${ENDINGS[reason]} Connecting again …`;
}

// *retryAfter*: seconds, if the server says.
export function loginText({ status, code, sentence, retryAfter }) {
  if (code === 'totp-required')
    return 'This account has a second factor: enter the code that your '
      + 'authenticator shows.';
  if (code === 'totp-setup-required')
    return 'Administrators need a second factor here, and this account has '
      + 'none. Ask the operator for one.';
  if (status === 401 && /^the code/.test(sentence))
    return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
  if (status === 429 && retryAfter > 0)
    return `Too many failed log-ins. Please try again in ${
      waitText(retryAfter)}, at ${
      timeText(Date.now() + 1000 * retryAfter, undefined, true)}.`;
  return LOGIN[status] ?? (status
    ? `The server answered with an error (${status}). Please try again later.`
    : 'The server cannot be reached.');
}

// Why a password link did not set the password.
export function passwordText({ status, sentence }) {
  if (status === 0)
    return 'The server cannot be reached. The link is still good: please try '
      + 'again.';
  if (status === 403)
    return 'This link has been used already, or its time is over. Ask the '
      + 'operator for a new one.';
  if (status === 422 && sentence) // what is wrong with the password
    return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
  return 'The server cannot set the password now. Please try again later.';
}

// 1 -> "1 second", 897 -> "15 minutes"
export function waitText(seconds) {
  const [count, unit] = seconds <= 90 ? [Math.ceil(seconds), 'second']
    : [Math.ceil(seconds / 60), 'minute'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

// Why a booking was not made or not cancelled. *nextFree*: when the robot is
// free for as long.
export function bookingText({ status, code, sentence, nextFree }, now, locale) {
  if (status === 0)
    return 'The server cannot be reached.';
  if (status === 409 && code === 'conflict') {
    const { starts_at: from, ends_at: to } = nextFree ?? {};
    return 'Somebody else has booked this robot for that time. '
      + (Number.isFinite(from) && Number.isFinite(to)
        ? `The next free time is ${rangeText(from, to, now, locale)}.`
        : 'Please choose another time.');
  }
  // Other 4xx: about what was asked for, in the server's words.
  if (status < 500 && typeof sentence === 'string' && sentence !== '') {
    const words = sentence.slice(0, 200).replace(/\.$/, '');
    return `Not done: ${words}.`;
  }
  return `The server answered with an error (${status}). Please try again `
    + 'later.';
}

// The codes after which asking again can help without anyone doing anything.
// Returns the delay in ms before the next try, or null: stop.
export function retryDelay(code, attempt, retryAfterMs) {
  const given = Number.isFinite(retryAfterMs) && retryAfterMs >= 0
    ? Math.min(retryAfterMs, 300000) : 0;
  switch (code) {
    case 'robot-offline': // "robot-available" comes first, as a rule
      return Math.max(given, 10000);
    case 'busy':
      return Math.max(given, 5000);
    case 'rate-limited':
    case 'unavailable':
    case 'internal':
      return Math.max(given, Math.min(1000 * 2 ** attempt, 30000));
    default:
      return null;
  }
}

const DAY = { weekday: 'long', day: 'numeric', month: 'long' };
const TIME = { hour: 'numeric', minute: '2-digit' };

// *zone*: name the time zone as well.
export function timeText(ms, locale, zone = false) {
  return new Date(ms).toLocaleTimeString(locale,
    zone ? { ...TIME, timeZoneName: 'short' } : TIME);
}

// "today", "tomorrow", or the date; "on" stands before a date only.
function dayText(ms, now, locale) {
  const date = new Date(ms);
  const day = new Date(now);
  if (date.toDateString() === day.toDateString())
    return { on: '', day: 'today' };
  day.setDate(day.getDate() + 1);
  if (date.toDateString() === day.toDateString())
    return { on: '', day: 'tomorrow' };
  const year = date.getFullYear() === new Date(now).getFullYear() ? {}
    : { year: 'numeric' };
  return { on: 'on ',
    day: date.toLocaleDateString(locale, { ...DAY, ...year }) };
}

export function whenText(ms, now = Date.now(), locale = undefined,
  zone = false) {
  const { on, day } = dayText(ms, now, locale);
  return `${on}${day} at ${timeText(ms, locale, zone)}`;
}

// From when to when: the day of the end is named when it is another one.
export function rangeText(start, end, now = Date.now(), locale = undefined) {
  const to = dayText(end, now, locale).day;
  return `${whenText(start, now, locale)} until ${
    dayText(start, now, locale).day === to ? '' : `${to} at `}${
    timeText(end, locale, true)}`;
}

// "Asia/Tokyo (GMT+9)"
export function zoneText(now = Date.now(), locale = undefined) {
  const format = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' });
  const name = format.formatToParts(now)
    .find(part => part.type === 'timeZoneName')?.value;
  const { timeZone } = format.resolvedOptions();
  return name && name !== timeZone ? `${timeZone.replaceAll('_', ' ')} (${name})`
    : timeZone;
}

// 3,725,000 -> "1:02:05"; 65,000 -> "1:05"
export function durationText(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = value => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

// The warning before the end, around the number that counts down.
export function expiringText(remainingMs, endsAt) {
  return ['Your session ends in ',
    String(Math.max(0, Math.ceil(remainingMs / 1000))),
    ` s, at ${timeText(endsAt, undefined, true)}.`];
}

// The tab's title: the state, the time left, the robot.
export function titleText({ state, left, robot }) {
  return [[state, left && `${left} left`].filter(Boolean).join(', '), robot,
    'Robot live video'].filter(Boolean).join(' · ');
}

// What the operator has to look at; null when there is nothing.
export function troubleText(trouble) {
  return { grants: 'This robot does not trust this server’s key. The operator '
      + 'has to look at it.',
    duplicates: 'Several processes use the id of this robot. The operator has '
      + 'to stop all but one.' }[trouble] ?? null;
}

// What the robot says of the path; null when there is nothing to say.
export function limitText(limit) {
  const why = { delay: 'The connection is slow.',
    loss: 'The connection loses data.',
    'no-feedback': 'The connection is interrupted.' }[limit];
  return why === undefined ? null : `The network limits the picture. ${why}`;
}

export function bitrateText(bitsPerSecond) {
  if (!Number.isFinite(bitsPerSecond))
    return '–';
  return bitsPerSecond >= 1e6 ? `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`
    : `${Math.round(bitsPerSecond / 1000)} kbit/s`;
}
