// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The viewer page: what the user does, what the server says, what is shown.
// The login lives in sessionStorage: it survives a reload, not the tab.

import * as api from './api.js';
import * as stage from './stage.js';
import * as text from './text.js';
import { covers, isActive, linkedRobot, nextStart, readBookings, readRobots }
  from './bookings.js';
import { Feed } from './feed.js';
import { bookFromForm, forgetLists, showBookings, showRobots, showTrouble }
  from './lists.js';
import { askPassword, linkedSecret } from './password.js';
import { Socket } from './socketio.js';
import { $, notice } from './stage.js';
import { summarize } from './stats.js';
import { TestStream } from './teststream.js';

const REFRESH = 30000; // ms between two looks at robots and bookings
const WARNING = 60000; // ms before the end; the server may warn earlier
const AGAIN = 5000; // ms of a right at least to go on with it by itself
const AWAY = 3000; // ms that a robot's link may be away unmentioned
const LINKS = {
  trying: 'Server: connecting',
  up: 'Server: connected',
  lost: 'Server: reconnecting',
  down: 'Server: not reachable',
};
const HINTS = {
  webrtc: 'Live video from the robot.',
  test: 'A picture that this browser sends to itself, to check the browser '
    + 'alone.',
};

const login = {
  token: sessionStorage.getItem('robotlive.token'),
  user: null, // {id, name, email, role}
};
const instance = takeInstance();
let robots = [];
let bookings = [];
let iceServers = [];
let iceRefresh = false; // whether the server has TURN passwords to ask for
let clock = { server: Date.now(), at: performance.now() };
let socket = null;
let link = 'trying';
let feed = null;
let warnFrom = WARNING; // ms before the end of this session
let awayTimer = null;
let wentOn = false;
let testStream = null;
let testStats = null;

// By which the server knows this page again, after a reload too. Taken out of
// the store while the page lives: a tab that is duplicated copies the store,
// and must not pass for this one.
function takeInstance() {
  const stored = sessionStorage.getItem('robotlive.instance');
  sessionStorage.removeItem('robotlive.instance');
  // randomUUID () is for secure contexts alone.
  return stored ?? Array.from(crypto.getRandomValues(new Uint8Array(16)),
    byte => byte.toString(16).padStart(2, '0')).join('');
}

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
  const button = $('login-button');
  loginProblem(null);
  button.disabled = true;
  button.textContent = 'Logging in …';
  try {
    const answer = await api.login($('email').value.trim(),
      $('password').value, $('totp').value);
    $('password').value = '';
    askForCode(false);
    login.token = answer.access_token;
    sessionStorage.setItem('robotlive.token', login.token);
    sessionStorage.setItem('robotlive.user', JSON.stringify(answer.user));
    enter(answer.user);
    $('viewer-title').focus();
  } catch (error) {
    const wanted = error.code === 'totp-required';
    const asked = wanted || !$('second-factor').hidden;
    askForCode(asked && (wanted || error.status === 401));
    loginProblem(text.loginText(error));
    const next = $(asked ? 'totp' : 'password');
    next.focus();
    next.select();
  }
  button.disabled = false;
  button.textContent = 'Log in';
}

// The field of the second factor.
function askForCode(wanted) {
  $('second-factor').hidden = !wanted;
  $('totp').required = wanted;
  $('totp').value = '';
}

function loginProblem(sentence) {
  notice('login-notice', sentence);
  for (const id of ['email', 'password', 'totp']) {
    if (sentence === null)
      $(id).removeAttribute('aria-describedby');
    else
      $(id).setAttribute('aria-describedby', 'login-notice');
  }
}

function logout(sentence = null) {
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
  clearTimeout(awayTimer);
  forgetLists();
  stage.showState('idle');
  $('viewer').hidden = true;
  $('account').hidden = true;
  $('login').hidden = false;
  loginProblem(sentence);
  $('email').focus();
}

function enter(user) {
  login.user = user;
  $('who').textContent = user.role === 'admin'
    ? `${user.name || user.email} (administrator)` : user.name || user.email;
  $('login').hidden = true;
  $('account').hidden = false;
  $('viewer').hidden = false;
  $('book').hidden = user.may_book !== true;
  notice('notice', null);
  stage.showState('idle');
  openSocket();
  resume();
  return refresh();
}

// The picture was there before the reload: bring it back, unless a link leads
// to another robot.
function resume() {
  const stored = JSON.parse(sessionStorage.getItem('robotlive.feed') ?? '{}');
  const linked = linkedRobot(location);
  const robot = linked ?? stored.robot;
  if (stored.type)
    $('type').value = stored.type;
  if (robot)
    $('robot').replaceChildren(new Option(robot, robot));
  onTypeChange();
  if (stored.wanted && robot === stored.robot)
    connect();
}

function remember(wanted) {
  sessionStorage.setItem('robotlive.feed', JSON.stringify(
    { robot: $('robot').value, type: $('type').value, wanted }));
}

// The address leads back to the chosen robot.
function onRobotChange() {
  history.replaceState(null, '',
    `#/robot/${encodeURIComponent($('robot').value)}`);
  showTrouble(chosenRobot());
}

// A new password ends every login of its account, this one's as well.
function choosePassword(secret) {
  logout();
  askPassword(secret, () => {
    $('login').hidden = false;
    notice('login-notice', 'Your password is set. Log in with it.', 'good');
    $('email').focus();
  });
}

function onHashChange() {
  const secret = linkedSecret(location);
  if (secret !== null) {
    choosePassword(secret);
    return;
  }
  const linked = linkedRobot(location);
  if (login.user && linked !== null && !feed.wanted && !testStream)
    showRobots(robots, bookings, serverNow(), linked);
  showButtons();
}

// Signaling

function showLink(state) {
  link = state;
  $('link').textContent = LINKS[state];
  $('link').dataset.up = state === 'up';
  showServerAway();
}

// Said as long as it keeps the picture from coming, and no longer.
function showServerAway() {
  const element = $('notice');
  if (feed?.wanted && feed.state !== 'live' && ['lost', 'down'].includes(link)) {
    const code = navigator.onLine ? 'server-away' : 'device-offline';
    if (element.dataset.about !== code)
      notice('notice', text.refusalText(code), 'warning');
    element.dataset.about = code;
  } else if (/^(server-away|device-offline)$/.test(element.dataset.about)) {
    notice('notice', null);
  }
}

function openSocket() {
  const mine = socket = new Socket(api.address('socket.io/'),
    () => ({ token: login.token }));
  feed = new Feed({
    signaling: {
      // Until the server has answered "register" it may know of sessions that
      // an offer would run into.
      get connected() { return mine.connected && link === 'up'; },
      emit: (event, payload) => mine.emit(event, payload),
      request: (event, payload) => mine.request(event, payload),
    },
    iceServers: () => iceServers,
    serverNow,
    endsAt: rightEndsAt,
  });
  feed.addEventListener('state', event => onFeedState(event.detail));
  feed.addEventListener('stream', () => {
    const of = feed;
    stage.show(feed.stream, () => of.pictureSeen());
  });
  feed.addEventListener('limit', () => stage.showLimit(feed.limit));
  feed.addEventListener('session', () => {
    setClock(feed.session.serverTime);
    showTime();
  });
  socket
    .on('connect', () => socket.emit('register', {
      userId: String(login.user.id), userType: 'viewer', instance,
      peers: feed.peerId === null ? [] : [feed.peerId] }))
    .on('disconnect', () => showLink('lost'))
    .on('unreachable', () => showLink('down'))
    .on('connect_error', ({ code }) => {
      showLink('down');
      if (code === 'unauthorized' || code === 'forbidden')
        logout(text.refusalText('unauthorized'));
    })
    .on('registered', onRegistered)
    .on('session-expiring', payload => {
      setClock(payload?.serverTime);
      if (feed.wanted && Number.isFinite(payload?.expiresAt)
          && (payload.peerId ?? feed.peerId) === feed.peerId) {
        warnFrom = Math.max(WARNING,
          payload.expiresAt - serverNow() + 1000);
        showTime();
      }
    });
  for (const event of ['answer', 'ice-candidate', 'leave', 'picture-limit',
    'session-updated', 'session-ended', 'error', 'robot-available',
    'robot-unavailable']) {
    socket.on(event, payload => {
      setClock(payload?.serverTime ?? payload?.session?.serverTime);
      if (payload?.userId === $('robot').value && event.startsWith('robot-'))
        onRobotLink(event === 'robot-available');
      feed.onMessage(event, payload);
      if (event.startsWith('robot-') || event.startsWith('session-'))
        refresh();
    });
  }
  showLink('trying');
  socket.connect();
}

function onRegistered(payload) {
  if (!payload?.success) {
    // Whatever it cannot say now it may say later; the socket asks again.
    if (['unavailable', 'internal', 'busy', 'rate-limited']
      .includes(payload?.code))
      showLink('lost');
    else
      logout(text.refusalText('unauthorized'));
    return;
  }
  setClock(payload.serverTime);
  if (Array.isArray(payload.iceServers))
    iceServers = payload.iceServers;
  iceRefresh = payload.iceRefreshMs > 0;
  showLink('up');
  const { sessions } = payload;
  const mine = Array.isArray(sessions)
    && sessions.find(session => session?.peerId === feed.peerId);
  if (mine)
    onRobotLink(mine.state !== 'robot-away');
  feed.signalingUp(sessions);
  refresh();
}

// A robot may be away from the server while its picture goes on.
function onRobotLink(up) {
  clearTimeout(awayTimer);
  $('away').hidden = true;
  if (!up)
    awayTimer = setTimeout(() => {
      $('away').hidden = feed?.state !== 'live' || !feed.flowing;
    }, AWAY);
}

// Robots and bookings

// Resolves to whether the server has answered.
async function refresh() {
  const token = login.token;
  try {
    const [robotList, bookingList, servers] = await Promise.all(
      [api.robots(token), api.bookings(token),
        iceRefresh && api.iceServers(token).catch(() => null)]);
    if (token !== login.token)
      return false;
    if (Array.isArray(servers))
      iceServers = servers;
    robots = readRobots(robotList);
    bookings = readBookings(bookingList, serverNow());
    draw();
    return true;
  } catch (error) {
    if (error.status === 401 && token === login.token)
      logout(text.refusalText('unauthorized'));
    return false;
  }
}

function draw() {
  showRobots(robots, bookings, serverNow());
  showBookings(bookings, robots, serverNow(),
    login.user.may_book === true ? changeBookings : null);
  showTrouble(chosenRobot());
  showButtons();
}

// *change* (token): the request; *done*: what to say when it has worked.
async function changeBookings(button, change, done) {
  notice('booking-notice', null);
  button.disabled = true;
  try {
    await change(login.token);
    await refresh();
    notice('booking-notice', done, 'good');
  } catch (error) {
    notice('booking-notice', text.bookingText(error));
  }
  button.disabled = false;
  // The focus was on the button, which was off, and is perhaps gone.
  if (document.activeElement === document.body)
    (button.isConnected ? button : $('bookings-title')).focus();
}

// The feed

function connect() {
  stopTest();
  notice('notice', null);
  warnFrom = WARNING;
  wentOn = false;
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
  stage.showState('connecting');
  const mine = testStream = new TestStream();
  showButtons();
  try {
    const stream = await mine.start();
    if (mine === testStream)
      stage.show(stream, () => {
        if (mine === testStream)
          stage.showState('live');
      });
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
  stage.show(null);
  stage.showState('idle');
  showButtons();
}

const chosenRobot = () =>
  robots.find(robot => robot.id === $('robot').value);

function onFeedState({ state, code, reason, retryMs, nextBooking, detail }) {
  stage.showState(state);
  showButtons();
  if (state === 'live' && (stage.isErrorShown()
      || $('notice').dataset.about === 'interruption'))
    notice('notice', null);
  if (code) {
    notice('notice', text.refusalText(code, { retryMs, detail,
      next: nextStart(nextBooking, bookings, chosenRobot(), serverNow()) }));
  }
  if (state === 'reconnecting' && text.interruptionText(reason)) {
    notice('notice', text.interruptionText(reason), 'warning');
    $('notice').dataset.about = 'interruption';
  }
  if (state === 'ended')
    sayEnding(reason);
  if (state === 'refused')
    refresh(); // why, may stand in the lists
  if (state === 'ended' || state === 'refused')
    remember(false);
  if (state === 'live')
    wentOn = false;
  showServerAway();
  showTime();
}

// "revoked" has several causes, and "expired" may mean a step that could not be
// renewed, or a booking that another follows: the bookings that are left tell.
async function sayEnding(reason) {
  const of = feed;
  const robot = chosenRobot();
  notice('notice', text.endingText(reason), 'warning');
  if (!['revoked', 'expired'].includes(reason) || !await refresh()
      || of !== feed || feed.state !== 'ended')
    return;
  const until = bookedUntil(robot);
  if (reason === 'expired') {
    const goesOn = login.user.role === 'admin' || until > serverNow() + AGAIN;
    if (goesOn && !wentOn) {
      connect();
      wentOn = true; // until there is a picture
    }
    return;
  }
  const sentence = until !== undefined || login.user.role === 'admin'
    ? text.endingText('stopped', until) : text.endingText('cancelled');
  notice('notice', sentence, 'warning');
}

// What is shown

function showButtons() {
  const running = Boolean(testStream || feed?.wanted);
  const focused = document.activeElement;
  $('connect').disabled = running
    || ($('type').value === 'webrtc' && !$('robot').value);
  $('disconnect').disabled = !running;
  $('robot').disabled = running || $('type').value === 'test';
  $('type').disabled = running;
  // The focus goes on to what can be done next.
  if (focused === $('connect') && running)
    $('disconnect').focus();
  else if (focused === $('disconnect') && !running)
    $('connect').focus();
}

function bookedUntil(robot) {
  const now = serverNow();
  return bookings.find(booking => robot && covers(booking, robot)
    && isActive(booking, now))?.endsAt;
}

// A session may be granted in steps: then it is the booking that ends it.
function rightEndsAt(session) {
  if (login.user?.role === 'admin')
    return Infinity;
  return Math.max(session.expiresAt, bookedUntil(chosenRobot()) ?? 0);
}

function showTime() {
  if (!login.user || !feed)
    return;
  const robot = chosenRobot()?.name ?? $('robot').value;
  if (testStream || !feed.wanted) {
    stage.showLeft(null, robot);
    return;
  }
  if (login.user.role === 'admin') {
    stage.showLeft('no limit', robot);
    return;
  }
  const end = feed.session?.expiresAt ?? bookedUntil(chosenRobot());
  const left = end - serverNow();
  if (!Number.isFinite(left)) {
    stage.showLeft(null, robot);
    return;
  }
  stage.showLeft(text.durationText(left), robot);
  if (left > 0 && left <= warnFrom)
    stage.warn(left, end);
  else
    stage.unwarn();
}

async function tick() {
  if (!login.user)
    return;
  showTime();
  if (testStream) {
    const { receiver } = testStream;
    testStats = summarize(await receiver.getStats(), testStats);
    if (testStream?.receiver !== receiver)
      return;
    stage.showFigures(testStats);
    if (testStats?.frames > 0)
      stage.showState('live');
    return;
  }
  await feed.sample();
  if (feed?.state === 'live')
    stage.showFigures(feed.stats);
}

function onTypeChange() {
  $('type-hint').textContent = HINTS[$('type').value];
  showButtons();
}

async function main() {
  stage.setUpStage();
  $('insecure').hidden = isSecureContext;
  $('login-form').addEventListener('submit', onLogin);
  $('logout').addEventListener('click', () => logout());
  $('feed-form').addEventListener('submit', event => {
    event.preventDefault();
    connect();
  });
  $('disconnect').addEventListener('click', disconnect);
  $('book-form').addEventListener('submit', event => {
    event.preventDefault();
    bookFromForm(robots, serverNow(), changeBookings);
  });
  $('robot').addEventListener('change', onRobotChange);
  $('type').addEventListener('change', onTypeChange);
  addEventListener('hashchange', onHashChange);
  for (const event of ['online', 'offline'])
    addEventListener(event, () => {
      showServerAway();
      socket?.hurry();
    });
  // The robot's branch is taken down at once, not after a time-out.
  addEventListener('pagehide', () => {
    feed?.stop();
    socket?.close();
    if (login.token)
      sessionStorage.setItem('robotlive.instance', instance);
  });
  addEventListener('pageshow', event => {
    if (event.persisted)
      location.reload();
  });
  setInterval(() => tick().catch(() => {}), 1000);
  setInterval(() => login.user && refresh(), REFRESH);

  const secret = linkedSecret(location);
  if (secret !== null) {
    choosePassword(secret);
    return;
  }
  if (!login.token) {
    logout();
    return;
  }
  // A token that is not valid any more is refused by the first answer.
  await enter(JSON.parse(sessionStorage.getItem('robotlive.user')));
}

main();
