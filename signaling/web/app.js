// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer page: what the user does, what the server says, what is shown.
// The login lives in sessionStorage: it survives a reload, not the tab.

import * as api from './api.js';
import * as text from './text.js';
import { bookingRequest, covers, isActive, nextStart, preferredRobot,
  readBookings, readRobots } from './bookings.js';
import { Feed } from './feed.js';
import { Socket } from './socketio.js';
import { summarize } from './stats.js';
import { TestStream } from './teststream.js';

const REFRESH = 30000; // ms between two looks at robots and bookings
const WARNING = 90000; // ms before the end; the server warns later than this
const STATES = {
  idle: 'Not connected',
  connecting: 'Connecting',
  live: 'Live',
  waiting: 'Waiting',
  reconnecting: 'Reconnecting',
  refused: 'Refused',
  ended: 'Ended',
};
const CURTAINS = {
  idle: 'Choose a robot and press Connect Video Feed.',
  connecting: 'Connecting to the robot …',
  waiting: 'Waiting for the robot …',
  reconnecting: 'The picture was interrupted. Connecting again …',
  refused: 'No picture.',
  ended: 'The session is over.',
};
const HINTS = {
  webrtc: 'Live video from the robot.',
  test: 'A picture that this browser sends to itself, to check the browser '
    + 'alone.',
};

const $ = id => document.getElementById(id);
const video = $('video');

const login = {
  token: sessionStorage.getItem('robotlive.token'),
  user: null, // {id, name, email, role}
};
let robots = [];
let bookings = [];
let iceServers = [];
let clock = { server: Date.now(), at: performance.now() };
let socket = null;
let feed = null;
let testStream = null;
let testStats = null;

// The server's clock, carried on by the monotonic one: the wall clock of the
// computer may be wrong and may jump.
const serverNow = () => clock.server + performance.now() - clock.at;

function setClock(serverTime) {
  if (Number.isFinite(serverTime))
    clock = { server: serverTime, at: performance.now() };
}

// Login and logout

async function onLogin(event) {
  event.preventDefault();
  notice('login-notice', null);
  $('login-button').disabled = true;
  try {
    const answer = await api.login($('email').value.trim(),
      $('password').value);
    $('password').value = '';
    login.token = answer.access_token;
    sessionStorage.setItem('robotlive.token', login.token);
    sessionStorage.setItem('robotlive.user', JSON.stringify(answer.user));
    await enter(answer.user);
  } catch (error) {
    notice('login-notice', text.loginText(error.status));
    $('password').focus();
    $('password').select();
  }
  $('login-button').disabled = false;
}

function logout(sentence) {
  feed?.stop();
  stopTest();
  socket?.close();
  socket = null;
  feed = null;
  login.token = null;
  login.user = null;
  sessionStorage.clear();
  robots = [];
  bookings = [];
  $('book-form').reset();
  notice('booking-notice', null);
  $('viewer').hidden = true;
  $('account').hidden = true;
  $('login').hidden = false;
  notice('login-notice', sentence ?? null);
  $('email').focus();
}

async function enter(user) {
  login.user = user;
  $('who').textContent = user.role === 'admin'
    ? `${user.name || user.email} (administrator)` : user.name || user.email;
  $('login').hidden = true;
  $('account').hidden = false;
  $('viewer').hidden = false;
  $('book').hidden = user.may_book !== true;
  showFeed('idle');
  openSocket();
  resume();
  await refresh();
}

// The picture was there before the reload: bring it back.
function resume() {
  const stored = JSON.parse(sessionStorage.getItem('robotlive.feed') ?? '{}');
  if (stored.type)
    $('type').value = stored.type;
  if (stored.robot)
    $('robot').replaceChildren(new Option(stored.robot, stored.robot));
  onTypeChange();
  if (stored.wanted)
    connect();
}

function remember(wanted) {
  sessionStorage.setItem('robotlive.feed', JSON.stringify(
    { robot: $('robot').value, type: $('type').value, wanted }));
}

// Signalling

function openSocket() {
  socket = new Socket(new URL('/socket.io/', location.href).href,
    () => ({ token: login.token }));
  feed = new Feed({ signalling: socket, iceServers: () => iceServers,
    serverNow });
  feed.addEventListener('state', event => onFeedState(event.detail));
  feed.addEventListener('stream', () => {
    if (video.srcObject !== feed.stream)
      video.srcObject = feed.stream;
    $('sound').hidden = !feed.stream?.getAudioTracks().length;
  });
  feed.addEventListener('limit', () => showLimit(feed.limit));
  feed.addEventListener('session', () => {
    // Extended: the warning before the end is not true any more.
    if (feed.session.expiresAt - serverNow() > WARNING)
      notice('notice', null);
  });
  const link = up => {
    $('link').textContent = up ? 'Server: connected' : 'Server: connecting';
    $('link').dataset.up = up;
  };
  socket
    .on('connect', () => socket.emit('register',
      { userId: String(login.user.id), userType: 'viewer' }))
    .on('disconnect', () => link(false))
    .on('connect_error', ({ code }) => {
      link(false);
      if (code === 'unauthorized')
        logout(text.refusalText(code));
    })
    .on('registered', payload => {
      if (!payload?.success) {
        logout(text.refusalText(payload?.code));
        return;
      }
      link(true);
      setClock(payload.serverTime);
      if (Array.isArray(payload.iceServers))
        iceServers = payload.iceServers;
      feed.signallingUp();
    })
    .on('session-expiring', payload => {
      setClock(payload?.serverTime);
      if (feed.wanted && Number.isFinite(payload?.expiresAt))
        notice('notice', text.expiringText(payload.expiresAt - serverNow(),
          payload.expiresAt), 'warning');
    });
  for (const event of ['answer', 'ice-candidate', 'leave', 'picture-limit',
    'session-updated',
    'session-ended', 'error', 'robot-available', 'robot-unavailable']) {
    socket.on(event, payload => {
      setClock(payload?.serverTime ?? payload?.session?.serverTime);
      feed.onMessage(event, payload);
      if (event.startsWith('robot-') || event.startsWith('session-'))
        refresh();
    });
  }
  link(false);
  socket.connect();
}

// Robots and bookings

async function refresh() {
  const token = login.token;
  try {
    const [robotList, bookingList] = await Promise.all(
      [api.robots(token), api.bookings(token)]);
    if (token !== login.token)
      return;
    robots = readRobots(robotList);
    bookings = readBookings(bookingList, serverNow());
    showRobots();
    showBookings();
  } catch (error) {
    if (error.status === 401 && token === login.token)
      logout(text.refusalText('unauthorized'));
  }
}

function showRobots() {
  const chosen = $('robot').value
    || preferredRobot(robots, bookings, serverNow())?.id;
  $('robot').replaceChildren(...robots.map(robot => {
    const name = robot.name === robot.id ? robot.id
      : `${robot.name} (${robot.id})`;
    return new Option(`${name}, ${robot.online ? 'online' : 'offline'}`,
      robot.id, false, robot.id === chosen);
  }));
  if (chosen && $('robot').value !== chosen)
    $('robot').append(new Option(chosen, chosen, true, true));
  if (robots.length === 0)
    $('robot').replaceChildren(new Option('No robot', ''));
  const toBook = $('book-robot').value || $('robot').value;
  $('book-robot').replaceChildren(...robots.map(robot =>
    new Option(robot.name, robot.id, false, robot.id === toBook)));
  $('book-button').disabled = robots.length === 0;
  showButtons();
}

function showBookings() {
  const now = serverNow();
  $('bookings').replaceChildren(...bookings.map(booking => {
    const item = document.createElement('li');
    const line = (className, content) => {
      const element = document.createElement('div');
      element.className = className;
      element.textContent = content;
      item.append(element);
    };
    const active = isActive(booking, now);
    item.dataset.active = active;
    line('what', booking.robotId
      ?? `Any robot of type ${booking.robotType}`);
    line('when', `${text.whenText(booking.startsAt, now)} until `
      + text.timeText(booking.endsAt));
    if (active)
      line('now', 'Now');
    if (login.user.may_book === true)
      item.append(cancelButton(booking, now));
    return item;
  }));
  $('no-bookings').hidden = bookings.length > 0;
}

function cancelButton(booking, now) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Cancel';
  const when = text.whenText(booking.startsAt, now);
  button.setAttribute('aria-label', `Cancel the booking ${when}`);
  button.addEventListener('click', () => {
    if (confirm(`Cancel the booking ${when}?`))
      changeBookings(button, () => api.cancel(login.token, booking.id));
  });
  return button;
}

function onBook(event) {
  event.preventDefault();
  const request = bookingRequest($('book-robot').value, $('book-start').value,
    $('book-minutes').value, serverNow());
  if (request)
    changeBookings($('book-button'), () => api.book(login.token, request));
}

async function changeBookings(button, change) {
  notice('booking-notice', null);
  button.disabled = true;
  try {
    await change();
    await refresh();
  } catch (error) {
    notice('booking-notice', text.bookingText(error));
  }
  button.disabled = false;
}

// The feed

function connect() {
  stopTest();
  notice('notice', null);
  remember(true);
  if ($('type').value === 'test')
    startTest();
  else if ($('robot').value)
    feed.start($('robot').value);
}

function disconnect() {
  remember(false);
  notice('notice', null);
  stopTest();
  feed.stop();
}

async function startTest() {
  feed.stop();
  showFeed('connecting');
  const mine = testStream = new TestStream();
  try {
    const stream = await mine.start();
    if (mine === testStream)
      video.srcObject = stream;
  } catch {
    stopTest();
    notice('notice', 'This browser cannot play WebRTC video.');
  }
}

function stopTest() {
  if (!testStream)
    return;
  testStream.stop();
  testStream = null;
  testStats = null;
  video.srcObject = null;
  showFeed('idle');
}

function onFeedState({ state, code, reason, retryMs, nextBooking, detail }) {
  showFeed(state);
  // The warning before the end stays, whenever it came.
  if (state === 'live' && $('notice').classList.contains('error'))
    notice('notice', null);
  if (code) {
    const robot = robots.find(entry => entry.id === $('robot').value);
    notice('notice', text.refusalText(code, { retryMs, detail,
      next: nextStart(nextBooking, bookings, robot, serverNow()) }));
  }
  if (state === 'ended')
    notice('notice', text.endingText(reason), 'warning');
  if (state === 'ended' || state === 'refused')
    remember(false);
}

function onPicture() {
  if (testStream)
    showFeed('live');
  else
    feed?.pictureSeen();
}

// What is shown

function notice(id, sentence, kind = 'error') {
  const element = $(id);
  element.hidden = sentence === null;
  element.textContent = sentence ?? '';
  element.classList.toggle('error', kind === 'error');
}

function showFeed(state) {
  const badge = $('state');
  if (badge.dataset.state !== state) {
    badge.dataset.state = state;
    badge.textContent = STATES[state];
  }
  const curtain = $('curtain');
  curtain.hidden = state === 'live';
  curtain.textContent = CURTAINS[state] ?? '';
  curtain.classList.toggle('busy',
    ['connecting', 'waiting', 'reconnecting'].includes(state));
  $('controls').hidden = state !== 'live';
  if (state !== 'live')
    showFigures(null);
  showButtons();
}

function showLimit(limit) {
  const sentence = text.limitText(limit);
  $('limit').hidden = sentence === null;
  $('limit').textContent = sentence ?? '';
}

function showButtons() {
  const running = Boolean(testStream || feed?.wanted);
  $('connect').disabled = running
    || ($('type').value === 'webrtc' && !$('robot').value);
  $('disconnect').disabled = !running;
  $('robot').disabled = running || $('type').value === 'test';
  $('type').disabled = running;
}

function showFigures(stats) {
  const say = (id, value, show) => {
    $(id).textContent = Number.isFinite(value) ? show(value) : '–';
  };
  say('fps', stats?.fps, value => `${value.toFixed(1)} fps`);
  say('resolution', stats?.width, () => `${stats.width} × ${stats.height}`);
  say('bitrate', stats?.bitrate, text.bitrateText);
  say('rtt', stats?.rtt, value => `${value.toFixed(value < 10 ? 1 : 0)} ms`);
  say('loss', stats?.loss, value => `${value.toFixed(1)} %`);
}

// The end of the session: the server's word, else the booking's.
function sessionEnd() {
  if (feed.session)
    return feed.session.expiresAt;
  const robot = robots.find(entry => entry.id === $('robot').value);
  const now = serverNow();
  return bookings.find(booking => robot && covers(booking, robot)
    && isActive(booking, now))?.endsAt;
}

async function tick() {
  if (!login.user)
    return;
  if (testStream) {
    const { receiver } = testStream;
    testStats = summarize(await receiver.getStats(), testStats);
    if (testStream?.receiver === receiver)
      showFigures(testStats);
    $('remaining').textContent = '–';
    return;
  }
  await feed.sample();
  if (!feed)
    return; // logged out meanwhile
  if (feed.state === 'live')
    showFigures(feed.stats);
  const unlimited = login.user.role === 'admin';
  const end = feed.wanted ? sessionEnd() : undefined;
  $('remaining').textContent = unlimited && feed.wanted ? 'no limit'
    : Number.isFinite(end) ? text.durationText(end - serverNow()) : '–';
}

function onTypeChange() {
  $('type-hint').textContent = HINTS[$('type').value];
  showButtons();
}

function setUpControls() {
  $('pip').hidden = !document.pictureInPictureEnabled;
  $('fullscreen').hidden = !document.fullscreenEnabled;
  // Browsers start a picture by themselves only while it is muted.
  $('sound').addEventListener('click', () => {
    video.muted = !video.muted;
    $('sound').setAttribute('aria-pressed', String(!video.muted));
  });
  $('pip').addEventListener('click', () => {
    const change = document.pictureInPictureElement
      ? document.exitPictureInPicture() : video.requestPictureInPicture();
    change.catch(() => {}); // the user may forbid it
  });
  $('fullscreen').addEventListener('click', () => {
    const change = document.fullscreenElement
      ? document.exitFullscreen() : $('stage').requestFullscreen();
    change.catch(() => {});
  });
}

async function main() {
  $('login-form').addEventListener('submit', onLogin);
  $('logout').addEventListener('click', () => logout());
  $('feed-form').addEventListener('submit', event => {
    event.preventDefault();
    connect();
  });
  $('disconnect').addEventListener('click', disconnect);
  $('book-form').addEventListener('submit', onBook);
  $('type').addEventListener('change', onTypeChange);
  video.addEventListener('playing', onPicture);
  // The robot's branch is taken down at once, not after a time-out.
  addEventListener('pagehide', () => {
    feed?.stop();
    socket?.close();
  });
  addEventListener('pageshow', event => {
    if (event.persisted)
      location.reload();
  });
  setUpControls();
  setInterval(() => tick().catch(() => {}), 1000);
  setInterval(() => login.user && refresh(), REFRESH);

  if (!login.token) {
    logout();
    return;
  }
  // A token that is not valid any more is refused by the first answer.
  await enter(JSON.parse(sessionStorage.getItem('robotlive.user')));
}

main();
