// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The stage: the picture and all that must be seen with it, in full screen and
// in a small window as well: state, time left, warnings and reasons, controls.
// Where a picture in picture is that of a <video>, it shows none of it: then it
// stands in the title of the tab.

import * as text from './text.js';
import { closeSmallWindow, find, hasSmallWindow, openSmallWindow, smallWindow }
  from './window.js';

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
const BUSY = ['connecting', 'waiting', 'reconnecting'];
const QUIET = 3000; // ms until what lies on a live picture fades

export const $ = find;
const video = $('video');
const stage = $('stage');

const shown = { state: 'idle', left: null, robot: null };
let warnedOf = null; // the end that the warning shows, ms since the epoch
let captions = null; // the warning, for a picture in picture

// *kind*: "error", "warning" or "good". *parts*: the sentence, or what
// replaceChildren () takes.
export function notice(id, sentence, kind = 'error') {
  const element = $(id);
  if (id === 'notice')
    warnedOf = null;
  delete element.dataset.about;
  element.hidden = sentence === null;
  element.replaceChildren(...[sentence ?? ''].flat());
  element.classList.toggle('error', kind === 'error');
  element.classList.toggle('good', kind === 'good');
  if (id === 'notice')
    drawCurtain();
}

export const isErrorShown = () =>
  !$('notice').hidden && $('notice').classList.contains('error');

// The end comes: *left* ms until *endsAt*. Said to a screen reader once, and
// counted down for the eye. Other words in its place are left alone.
export function warn(left, endsAt) {
  if (warnedOf === null && !$('notice').hidden)
    return;
  const [before, seconds, after] = text.expiringText(left, endsAt);
  if (warnedOf === endsAt) {
    $('seconds').textContent = seconds;
  } else {
    const count = document.createElement('span');
    count.id = 'seconds';
    count.setAttribute('aria-live', 'off');
    count.textContent = seconds;
    notice('notice', [before, count, after], 'warning');
    warnedOf = endsAt;
  }
  caption(before + seconds + after);
}

export function unwarn() {
  if (warnedOf !== null)
    notice('notice', null);
  caption('');
}

// Some browsers draw it on a picture in picture.
function caption(words) {
  if (!captions && words === '')
    return;
  if (!captions) {
    const track = video.addTextTrack('subtitles', 'Session');
    captions = new VTTCue(0, 1e9, '');
    track.addCue(captions);
    track.mode = document.pictureInPictureElement ? 'showing' : 'hidden';
  }
  if (captions.text !== words)
    captions.text = words;
}

// What does not fit is scrolled by the keyboard as well.
function fitMessages() {
  const messages = $('messages');
  if (messages.scrollHeight > messages.clientHeight)
    messages.tabIndex = 0;
  else
    messages.removeAttribute('tabindex');
}

function drawCurtain() {
  const curtain = $('curtain');
  curtain.hidden = shown.state === 'live';
  // A notice says it better, and on a phone there is no room for both.
  curtain.textContent = $('notice').hidden ? CURTAINS[shown.state] ?? '' : '';
  curtain.classList.toggle('busy', BUSY.includes(shown.state));
  fitMessages();
}

export function showState(state) {
  const badge = $('state');
  shown.state = state;
  if (badge.dataset.state !== state) {
    badge.dataset.state = state;
    badge.textContent = STATES[state];
  }
  stage.dataset.state = state;
  drawCurtain();
  $('controls').hidden = state !== 'live';
  if (state !== 'live') {
    showFigures(null);
    $('away').hidden = true;
    if (state === 'ended' || state === 'refused')
      leavePictureInPicture();
    if (state === 'idle')
      closeSmallWindow();
  }
  drawTitle();
}

// *left*: what is left as text, null: nothing to count. *robot*: its name.
export function showLeft(left, robot) {
  const words = left ?? '–';
  if ($('remaining').textContent !== words)
    $('remaining').textContent = words;
  $('left').hidden = !/\d/.test(words);
  shown.left = left;
  shown.robot = robot;
  drawTitle();
}

function drawTitle() {
  const running = shown.state !== 'idle';
  const title = text.titleText({
    state: running ? STATES[shown.state] : '',
    left: /\d/.test(shown.left ?? '') ? shown.left : null,
    robot: running ? shown.robot : null });
  if (document.title === title)
    return;
  document.title = title;
  if (smallWindow())
    smallWindow().document.title = title;
  // What the system says of a picture in picture and of sound.
  if ('mediaSession' in navigator)
    navigator.mediaSession.metadata = running ? new MediaMetadata({ title })
      : null;
}

export function showLimit(limit) {
  const sentence = text.limitText(limit);
  $('limit').hidden = sentence === null;
  $('limit').textContent = sentence ?? '';
}

export function showFigures(stats) {
  const say = (id, value, show) => {
    $(id).textContent = Number.isFinite(value) ? show(value) : '–';
  };
  say('fps', stats?.fps, value => `${value.toFixed(1)} fps`);
  say('resolution', stats?.width, () => `${stats.width} × ${stats.height}`);
  say('bitrate', stats?.bitrate, text.bitrateText);
  say('rtt', stats?.rtt, value => `${value.toFixed(value < 10 ? 1 : 0)} ms`);
  say('loss', stats?.loss, value => `${value.toFixed(1)} %`);
}

// Shows *stream*, or nothing; calls *onFrame* when its first frame is drawn. A
// browser may refuse to play by itself; the state does not depend on it.
export function show(stream, onFrame) {
  if (video.srcObject !== stream)
    video.srcObject = stream;
  $('sound').hidden = !stream?.getAudioTracks().length;
  if (!stream)
    return;
  play();
  video.requestVideoFrameCallback?.(() => {
    if (video.srcObject === stream)
      onFrame();
  });
}

function play() {
  video.play().catch(() => {}).finally(showPlay);
}

const showPlay = () => { $('play').hidden = !video.paused; };

function leavePictureInPicture() {
  if (document.pictureInPictureElement)
    document.exitPictureInPicture().catch(() => {});
}

function label(id, words) {
  $(id).setAttribute('aria-label', words);
  $(id).title = words;
}

function toggleSound() {
  video.muted = !video.muted;
  $('sound').setAttribute('aria-pressed', String(!video.muted));
}

function toggleFullScreen() {
  if (smallWindow())
    return; // no browser lets it fill the screen
  const change = document.fullscreenElement
    ? document.exitFullscreen() : stage.requestFullscreen();
  change.catch(() => {}); // the user may forbid it
}

async function togglePictureInPicture() {
  try {
    if (smallWindow())
      closeSmallWindow();
    else if (document.pictureInPictureElement)
      await document.exitPictureInPicture();
    else if (hasSmallWindow())
      await openSmallWindow(stage, $('elsewhere'), stageMoved);
    else
      await video.requestPictureInPicture();
  } catch {
    // The user may forbid it.
  }
}

// Into the small window, or back. A picture that moves may stop; and the focus
// that was on the stage stays behind.
function stageMoved() {
  const small = smallWindow();
  labelPictureInPicture(small !== null);
  showFullScreen();
  small?.addEventListener('resize', fitMessages);
  fitMessages();
  if (video.srcObject)
    play();
  if (small)
    $('bring-back').focus();
  else if (document.activeElement === document.body)
    (($('controls').hidden || $('viewer').hidden) ? $('connect') : $('pip'))
      .focus();
}

const labelPictureInPicture = on =>
  label('pip', on ? 'Exit picture in picture' : 'Picture in picture');

function showFullScreen() {
  $('fullscreen').hidden = !document.fullscreenEnabled || smallWindow() !== null;
}

// What lies on the picture goes when nobody moves, and comes back.
function setUpQuiet() {
  let timer;
  const stir = () => {
    delete stage.dataset.quiet;
    clearTimeout(timer);
    timer = setTimeout(() => { stage.dataset.quiet = ''; }, QUIET);
  };
  for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin'])
    stage.addEventListener(event, stir);
  stir();
}

export function setUpStage() {
  $('pip').hidden = !document.pictureInPictureEnabled && !hasSmallWindow();
  showFullScreen();
  // Browsers start a picture by themselves only while it is muted.
  $('sound').addEventListener('click', toggleSound);
  $('pip').addEventListener('click', togglePictureInPicture);
  $('bring-back').addEventListener('click', closeSmallWindow);
  $('fullscreen').addEventListener('click', toggleFullScreen);
  $('play').addEventListener('click', play);
  for (const event of ['play', 'pause', 'playing'])
    video.addEventListener(event, showPlay);
  video.addEventListener('dblclick', toggleFullScreen);
  document.addEventListener('fullscreenchange', () =>
    label('fullscreen',
      document.fullscreenElement ? 'Exit full screen' : 'Full screen'));
  for (const [event, on] of [['enterpictureinpicture', true],
    ['leavepictureinpicture', false]]) {
    video.addEventListener(event, () => {
      labelPictureInPicture(on);
      if (captions)
        video.textTracks[0].mode = on ? 'showing' : 'hidden';
    });
  }
  // Only with the focus on the stage: single letters are no one's elsewhere.
  stage.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey)
      return;
    if (event.key === 'f' && !$('fullscreen').hidden)
      toggleFullScreen();
    else if (event.key === 'm' && !$('sound').hidden)
      toggleSound();
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && video.srcObject && video.paused)
      play();
  });
  addEventListener('resize', fitMessages);
  setUpQuiet();
  showState('idle');
}
