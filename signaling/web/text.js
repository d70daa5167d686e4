// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every sentence that the page says about a code of PROTOCOL.md, and how it
// writes times and figures. Pure functions: values in, strings out.

const REFUSALS = {
  'unauthorized': 'Your login is not valid any more. Please log in again.',
  'forbidden': 'You are not allowed to watch this robot.',
  'no-active-booking': 'You have no booking for this robot at this time.',
  'robot-offline': 'The robot is not connected. The picture starts by itself '
    + 'as soon as it is back.',
  'unknown-robot': 'The server knows no robot of this name.',
  'bad-message': 'The robot and this browser have no video format in common, '
    + 'or a message was damaged.',
  'too-large': 'The connection request of this browser was too large.',
  'rate-limited': 'Too many requests.',
  'busy': 'The robot already serves as many viewers as it can.',
  'unavailable': 'The server cannot check bookings at the moment.',
  'internal': 'The server had an internal error.',
};

const ENDINGS = {
  'expired': 'Your booking is over, so the picture has stopped.',
  'revoked': 'Your booking was cancelled or an administrator ended the '
    + 'session.',
  'robot-offline': 'The robot went offline.',
  'viewer-left': 'You left the session.',
  'replaced': 'The robot connected anew.',
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
      ? ` Your next one starts ${whenText(next)}.`
      : ' No later booking was found either.';
  }
  if (Number.isFinite(retryMs) && code !== 'robot-offline')
    text += ` Trying again in ${Math.max(1, Math.ceil(retryMs / 1000))} s.`;
  if (typeof detail === 'string' && detail !== '')
    text += ` The robot says: ${detail.slice(0, 200)}`;
  return text;
}

export function endingText(reason) {
  return ENDINGS[reason] ?? 'The server ended the session.';
}

export function loginText(status) {
  return LOGIN[status] ?? (status
    ? `The server answered with an error (${status}). Please try again later.`
    : 'The server cannot be reached.');
}

// Why a booking was not made or not cancelled.
export function bookingText({ status, sentence }) {
  if (status === 0)
    return 'The server cannot be reached.';
  // 4xx: about what was asked for, in the server's words.
  return status < 500 && typeof sentence === 'string' && sentence !== ''
    ? `Not done: ${sentence.slice(0, 200)}.`
    : `The server answered with an error (${status}). Please try again later.`;
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
const TIME = { hour: '2-digit', minute: '2-digit' };

export function timeText(ms, locale) {
  return new Date(ms).toLocaleTimeString(locale, TIME);
}

export function whenText(ms, now = Date.now(), locale) {
  const date = new Date(ms);
  const time = timeText(ms, locale);
  if (date.toDateString() === new Date(now).toDateString())
    return `today at ${time}`;
  return `on ${date.toLocaleDateString(locale, DAY)} at ${time}`;
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

export function expiringText(remainingMs, endsAt) {
  const seconds = Math.max(1, Math.round(remainingMs / 1000));
  return `Your session ends in ${seconds} s, at ${timeText(endsAt)}.`;
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
