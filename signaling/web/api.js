// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The server's HTTP API, as far as a viewer needs it. Every call resolves to
// the parsed JSON or throws ApiError with the HTTP status (0: not reached).

const TIMEOUT = 15000;

// Where the page lies, which may be any path behind a proxy.
const BASE = new URL('.', import.meta.url);

export const address = path => new URL(path, BASE).href;

export class ApiError extends Error {
  constructor(status, { code, message, next_free } = {}, retryAfter = NaN) {
    super(`HTTP ${status}`);
    this.status = status;
    this.code = code;
    this.sentence = message; // the server's own words, if any
    this.nextFree = next_free; // { starts_at, ends_at }, of a booking
    this.retryAfter = retryAfter; // seconds, if it says
  }
}

async function call(path, { token, body, method } = {}) {
  let response;
  let answer;
  try {
    response = await fetch(address(path), {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body ? { 'Content-Type': 'application/json' } : {}),
      },
      body: body && JSON.stringify(body),
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    answer = await response.json();
  } catch {
    if (response?.ok !== false)
      throw new ApiError(0);
  }
  if (!response.ok)
    throw new ApiError(response.status, answer ?? {},
      Number(response.headers.get('Retry-After') ?? NaN));
  return answer;
}

// *totp*: the code of the account's authenticator, if it has one.
export const login = (email, password, totp) =>
  call('auth/login', { body: { email, password, ...(totp && { totp }) } });
// By a password link's secret, which is spent by it.
export const setPassword = (link, password) =>
  call('auth/password', { method: 'PUT', body: { link, password } });
export const robots = token => call('robots', { token });
// TURN passwords are short-lived, and there are none without a booking.
export const iceServers = async token =>
  (await call('config', { token })).iceServers;
export const bookings = token => call('my-bookings', { token });
export const book = (token, booking) =>
  call('bookings', { token, body: booking });
export const cancel = (token, id) =>
  call(`bookings/${encodeURIComponent(id)}`, { token, method: 'DELETE' });
