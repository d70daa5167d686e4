// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The picture of one robot: offers, takes the answer, and offers again by
// itself as long as the user wants the picture and another try can help.
//
//   idle ─ start ─► connecting ─ frame decoded ─► live ─ session-ended ─► ended
//                    ▲   │ ▲                       │
//                    │   │ └────── reconnecting ◄──┘ no media, ICE failed
//                    │   └─ refused (final) / waiting (robot offline, busy …)
//                    └────────────────────────────────┘ robot-available, timer
//
// The state is that of the media: "live" means that frames are decoded, never
// that a player plays. The signaling link may come and go: a connection over
// which bytes flow is not given up for it. Only silence of the media, or the
// server's word on the session, ends it. What is offered after a silence is
// offered under the old peerId, so the session stays the same.

import { summarize } from './stats.js';
import { retryDelay } from './text.js';

const ANSWER_TIMEOUT = 15000; // ms from the offer to the first byte
const DISCONNECTED_TIMEOUT = 4000; // ICE "disconnected" often heals by itself
const LOOK = 250; // ms between two looks while something is expected
const STALL = 6000; // ms without a byte of video
const STALL_IN_DOUBT = 4500; // the same, after a link was lost
const FLOWING = 3000; // ms since the last byte in which media flows
const DOUBT = 10000; // ms that this impatience lasts
// What one look can add to a silence: a hidden or sleeping page looks seldom,
// and a single look that finds no new bytes proves nothing.
const MOST_SILENCE = 2500;
const END_GRACE = 2000; // ms after the end for the server's own word
const FIGURES = 900; // ms at least between two samples for the figures
const SAMPLES = 4; // the figures are means over that many
const FINAL_FROM_ROBOT = ['bad-message', 'too-large', 'busy', 'grant-refused'];
const MAX_CANDIDATES = 64; // early ones, kept until they can be used
// After these the server has no session for this picture, but media may flow
// on: the robot decides, and silence says so.
const SESSION_LOST = ['robot-offline', 'robot-restarted', 'viewer-left',
  'unknown'];

export class Feed extends EventTarget {
  state = 'idle'; // as drawn above
  stream = null;
  session = null; // {expiresAt, …} of the server's clock, or null
  stats = null;
  limit = null; // what the robot says keeps the picture down: delay, loss, …

  #signaling;
  #iceServers;
  #serverNow;
  #endsAt;
  #createPeer;
  #robotId = null;
  #peer = null;
  #peerId = null;
  #lastPeerId = null; // of the connection before, as far as it had one
  #resume = null; // a session of ours without a peer connection
  #generation = 0;
  #attempt = 0;
  #localCandidates = [];
  #remoteCandidates = [];
  #timers = {};
  #past = []; // samples that the figures are worked out from
  #bytes = 0;
  #silence = 0; // ms without new bytes, as far as looks can tell
  #lookedAt = 0;
  #doubtUntil = 0; // performance.now (): the other side may have gone
  #sessionLost = false; // the server has ended it, the robot perhaps not

  // *signaling*: a Socket; *iceServers*: () => RTCIceServer[];
  // *serverNow*: () => ms since the epoch by the server's clock;
  // *endsAt*: (session) => when the right to it ends by all that is known.
  constructor({ signaling, iceServers, serverNow,
    endsAt = session => session.expiresAt,
    createPeer = config => new RTCPeerConnection(config) }) {
    super();
    this.#signaling = signaling;
    this.#iceServers = iceServers;
    this.#serverNow = serverNow;
    this.#endsAt = endsAt;
    this.#createPeer = createPeer;
  }

  get wanted() {
    return this.#robotId !== null;
  }

  // The session's name, with a peer connection or just without one.
  get peerId() {
    return this.#peerId ?? this.#resume;
  }

  // Bytes of a picture came a moment ago.
  get flowing() {
    // The first frame may be on the screen before the first look at bytes.
    return Boolean(this.#peer) && (this.#bytes > 0 || this.state === 'live')
      && this.#silence < FLOWING;
  }

  start(robotId) {
    this.stop();
    this.#robotId = robotId;
    this.#attempt = 0;
    this.#offer('connecting');
  }

  stop() {
    this.#leave();
    this.#robotId = null;
    this.session = null;
    this.#set('idle');
  }

  // A frame was decoded.
  pictureSeen() {
    if (this.#peer && this.state !== 'live') {
      clearTimeout(this.#timers.answer);
      this.#attempt = 0;
      this.#silence = 0;
      this.#set('live');
    }
  }

  // Registered with the server (again). *sessions*: those that the server has
  // for this instance of the page; undefined from one that keeps no list.
  signalingUp(sessions) {
    this.#doubt();
    if (Array.isArray(sessions))
      this.#takeUp(sessions);
    if (!this.wanted)
      return;
    if (!this.#peer)
      this.#offer(this.state === 'waiting' ? 'connecting' : this.state);
    else if (this.#peerId !== null)
      this.#sendCandidates();
  }

  #takeUp(sessions) {
    let known = false;
    for (const entry of sessions) {
      const { peerId, robotId, state, session } = entry ?? {};
      if (typeof peerId !== 'string' || state === 'ending')
        continue;
      if (peerId === this.peerId) {
        known = true;
        this.#sessionLost = false;
        this.#setSession(session);
      } else if (this.wanted && this.peerId === null
          && robotId === this.#robotId && !this.#peer) {
        this.#resume = peerId; // of before a reload, or its answer was lost
      } else {
        this.#signaling.emit('leave', { to: robotId, peerId });
      }
    }
    if (this.#peerId !== null && !known)
      this.#sessionLost = true; // "session-ended" comes and says why
  }

  // One of the server's messages that name a peer connection or a robot.
  onMessage(event, payload) {
    if (!this.wanted || typeof payload !== 'object' || payload === null)
      return;
    switch (event) {
      case 'robot-available':
        this.#onRobotAvailable(payload);
        return;
      case 'robot-unavailable':
        if (payload.userId === this.#robotId)
          this.#doubt();
        return;
      case 'error':
        // The same as a negative acknowledgement; whichever comes first.
        if ((payload.to ?? this.#robotId) === this.#robotId
            && payload.event === 'offer' && this.#peer
            && this.#peerId === null)
          this.#refused(payload);
        return;
    }
    if (this.#peerId === null && this.#resume !== null
        && payload.peerId === this.#resume) {
      this.#onResumable(event, payload);
      return;
    }
    if (!this.#peer)
      return;
    // The robot's last words on the connection before.
    if (this.#peerId === null && this.#lastPeerId !== null
        && payload.peerId === this.#lastPeerId)
      return;
    // Answer and candidates may overtake the acknowledgement of the offer.
    if (this.#peerId === null && event === 'answer'
        && payload.from === this.#robotId)
      this.#setPeerId(payload.peerId ?? null);
    if (this.#peerId !== null && payload.peerId !== undefined
        && payload.peerId !== this.#peerId)
      return;
    switch (event) {
      case 'answer':
        this.#onAnswer(payload.answer);
        break;
      case 'ice-candidate':
        this.#onCandidate(payload.candidate);
        break;
      case 'leave':
        this.#onLeave(payload.reason);
        break;
      case 'picture-limit':
        this.#setLimit(payload.limit === 'none' ? null : payload.limit);
        break;
      case 'session-updated':
        this.#setSession(payload.session);
        break;
      case 'session-ended':
        this.#onSessionEnded(payload.reason);
        break;
    }
  }

  // A session that is about to be offered for again: what the robot still says
  // of the connection before is nothing to the next one.
  #onResumable(event, { reason, session }) {
    if (event === 'session-updated') {
      this.#setSession(session);
    } else if (event === 'session-ended') {
      this.#resume = null;
      if (![...SESSION_LOST, 'replaced', 'robot-left'].includes(reason))
        this.#end(reason);
    } else if (event === 'leave') {
      this.#resume = null;
    }
  }

  // To be called about once a second: figures, first frame, and the watchdog.
  async sample() {
    const peer = this.#peer;
    if (!peer)
      return;
    const stats = summarize(await peer.getStats(), this.#past[0] ?? null);
    if (peer !== this.#peer)
      return;
    const now = performance.now();
    const silent = Math.min(now - this.#lookedAt, MOST_SILENCE);
    this.#lookedAt = now;
    if (stats && stats.bytes > this.#bytes) {
      this.#bytes = stats.bytes;
      this.#silence = 0;
    } else {
      this.#silence += silent;
    }
    if (stats && !(stats.at - this.#past.at(-1)?.at < FIGURES)) {
      this.stats = stats;
      this.#past = [...this.#past, stats].slice(-SAMPLES);
    }
    if (stats?.frames > 0)
      this.pictureSeen();
    if (this.#isOver(END_GRACE) && this.#silence > END_GRACE)
      this.#end('expired');
    else if (this.state === 'live'
        && this.#silence > (now < this.#doubtUntil ? STALL_IN_DOUBT : STALL))
      this.#again();
  }

  // Looks more often while a first picture, or silence, is expected.
  #look() {
    this.#timer('look', LOOK, async () => {
      const generation = this.#generation;
      await this.sample().catch(() => {}); // the connection was closed
      if (generation === this.#generation && (this.state !== 'live'
          || performance.now() < this.#doubtUntil))
        this.#look();
    });
  }

  // Too late, or ICE has failed; but bytes may flow all the same.
  async #doubtful(timer) {
    const generation = this.#generation;
    await this.sample().catch(() => {});
    if (generation !== this.#generation)
      return;
    if (!this.flowing)
      this.#again();
    else if (this.state !== 'live')
      this.#timer(timer, ANSWER_TIMEOUT, () => this.#doubtful(timer));
  }

  async #offer(state) {
    this.#hangUp();
    if (!this.#signaling.connected) {
      this.#set(state, { offline: true });
      return; // signalingUp () will come
    }
    this.#set(state);
    const generation = this.#generation;
    const current = () => generation === this.#generation;
    const peer = this.#createPeer({ iceServers: this.#iceServers(),
      bundlePolicy: 'max-bundle' });
    this.#peer = peer;
    // Sound is answered "inactive" by a robot that has none.
    for (const kind of ['video', 'audio'])
      peer.addTransceiver(kind, { direction: 'recvonly' });
    peer.ontrack = event => {
      // One stream, whichever the robot says: picture and sound in step.
      this.stream ??= new MediaStream();
      this.stream.addTrack(event.track);
      this.dispatchEvent(new Event('stream'));
    };
    peer.onicecandidate = event => this.#sendCandidate(event.candidate);
    peer.onconnectionstatechange = () => {
      if (current())
        this.#onConnectionState(peer.connectionState);
    };
    this.#timer('answer', ANSWER_TIMEOUT, () => this.#doubtful('answer'));
    this.#lookedAt = performance.now();
    this.#look();
    try {
      const offer = await peer.createOffer();
      await peer.setLocalDescription(offer);
      if (!current())
        return;
      const ack = await this.#signaling.request('offer', {
        to: this.#robotId,
        offer: { type: 'offer', sdp: peer.localDescription.sdp },
        ...(this.#resume !== null && { peerId: this.#resume }),
      });
      if (!current())
        return;
      if (ack?.ok === false) {
        this.#refused(ack);
        return;
      }
      this.#setSession(ack?.session ?? ack);
      if (ack?.peerId !== undefined)
        this.#setPeerId(ack.peerId);
    } catch (error) {
      if (current()) // link lost, or no acknowledgement
        this.#again(error.message === 'timeout' ? 'no-answer' : undefined);
    }
  }

  #setPeerId(peerId) {
    this.#peerId = peerId;
    this.#resume = null;
    this.#sendCandidates();
  }

  #sendCandidates() {
    for (const candidate of this.#localCandidates.splice(0))
      this.#sendCandidate(candidate);
  }

  // Those that cannot be sent now wait for the peerId, or for the link.
  #sendCandidate(candidate) {
    const sent = this.#peerId !== null
      && this.#signaling.emit('ice-candidate', {
        to: this.#robotId,
        peerId: this.#peerId,
        candidate: candidate && candidate.candidate !== '' ? {
          candidate: candidate.candidate,
          sdpMid: candidate.sdpMid,
          sdpMLineIndex: candidate.sdpMLineIndex,
        } : null,
      }) !== false;
    if (!sent && this.#localCandidates.length < MAX_CANDIDATES)
      this.#localCandidates.push(candidate);
  }

  async #onAnswer(answer) {
    const peer = this.#peer;
    try {
      await peer.setRemoteDescription({ type: 'answer', sdp: answer?.sdp });
    } catch {
      if (peer === this.#peer)
        this.#again();
      return;
    }
    if (peer === this.#peer) {
      for (const candidate of this.#remoteCandidates.splice(0))
        this.#onCandidate(candidate);
    }
  }

  #onCandidate(candidate) {
    if (!this.#peer.remoteDescription) {
      if (this.#remoteCandidates.length < MAX_CANDIDATES)
        this.#remoteCandidates.push(candidate);
      return;
    }
    if (candidate?.candidate) // one bad candidate is no reason to give up
      this.#peer.addIceCandidate(candidate).catch(() => {});
  }

  #onConnectionState(state) {
    clearTimeout(this.#timers.disconnected);
    if (state === 'failed')
      this.#doubtful('answer');
    else if (state === 'disconnected')
      this.#timer('disconnected', DISCONNECTED_TIMEOUT,
        () => this.#doubtful('answer'));
  }

  #onRobotAvailable(payload) {
    if (payload.userId !== this.#robotId)
      return;
    const live = this.state === 'live';
    // The robot's link was away for a moment, its media never was.
    const flows = live && !this.#sessionLost && this.flowing;
    const underWay = !live && this.#peer && !this.#sessionLost;
    if (!flows && !underWay)
      this.#offer(live ? 'reconnecting' : 'connecting');
  }

  // The robot gave the peer connection up. *reason* is a word, or "code: why"
  // when it refused the offer.
  #onLeave(reason) {
    const [, code, detail] = /^([a-z-]+)(?:: (.*))?$/.exec(reason ?? '') ?? [];
    this.#peerId = null;
    if (this.#isOver(-END_GRACE))
      this.#end('expired');
    else if (code === 'grant-refused')
      this.#refused({ code });
    else if (code === 'forbidden' && detail !== undefined)
      // The server has allowed it: what the robot does not take is its grant.
      this.#refused({ code: 'grant-refused', detail });
    else if (detail !== undefined && FINAL_FROM_ROBOT.includes(code))
      this.#refused({ code, detail });
    else
      this.#again(code);
  }

  #onSessionEnded(reason) {
    if (reason === 'grant-refused') {
      this.#peerId = null;
      this.#refused({ code: reason });
    } else if (reason === 'replaced' || reason === 'robot-left') {
      this.#peerId = null; // the media is dead with it
      this.#offer('reconnecting');
    } else if (SESSION_LOST.includes(reason)) {
      this.#sessionLost = true;
      this.#doubt();
      if (this.state === 'live')
        return; // media may flow on: the watchdog decides
      if (reason === 'robot-offline')
        this.#wait(reason, retryDelay(reason, 0));
      else
        this.#again(reason);
    } else {
      this.#end(reason);
    }
  }

  #doubt() {
    this.#doubtUntil = performance.now() + DOUBT;
    if (this.#peer)
      this.#look();
  }

  // *grace*: ms after the end.
  #isOver(grace) {
    return this.session !== null
      && this.#serverNow() > this.#endsAt(this.session) + grace;
  }

  #end(reason) {
    this.#forget();
    this.#set('ended', { reason });
  }

  #refused({ code, retryAfterMs, nextBooking, detail }) {
    if (code === 'no-active-booking' && this.#isOver(-END_GRACE)) {
      this.#end('expired');
      return;
    }
    const delay = retryDelay(code, this.#attempt++, retryAfterMs);
    if (delay !== null) {
      this.#wait(code, delay);
      return;
    }
    this.#forget();
    this.#set('refused', { code, nextBooking, detail });
  }

  #wait(code, delay) {
    this.#hangUp();
    this.#set('waiting', { code, retryMs: delay });
    this.#timer('retry', delay, () => this.#offer('waiting'));
  }

  // Gives the peer connection up and offers anew, later each time.
  #again(reason) {
    this.#hangUp();
    this.#set('reconnecting', { reason });
    const delay = Math.min(500 * 2 ** this.#attempt++, 8000);
    this.#timer('retry', delay * (0.5 + Math.random()),
      () => this.#offer('reconnecting'));
  }

  // The other side knows that it is over: no "leave".
  #forget() {
    this.#peerId = null;
    this.#hangUp();
    this.#resume = null;
    this.#robotId = null;
    this.session = null;
  }

  #leave() {
    this.#hangUp();
    if (this.#resume !== null)
      this.#signaling.emit('leave',
        { to: this.#robotId, peerId: this.#resume });
    this.#lastPeerId = this.#resume ?? this.#lastPeerId;
    this.#resume = null;
  }

  // The session, unless the server has ended it, is kept for the next offer.
  #hangUp() {
    this.#generation++;
    for (const timer of Object.values(this.#timers))
      clearTimeout(timer);
    if (this.#peer) {
      this.#peer.onconnectionstatechange = null;
      this.#peer.onicecandidate = null;
      this.#peer.close();
      this.#lastPeerId = this.#peerId;
      if (this.#peerId !== null && !this.#sessionLost)
        this.#resume = this.#peerId;
    }
    this.#peer = null;
    this.#peerId = null;
    this.#sessionLost = false;
    this.#localCandidates = [];
    this.#remoteCandidates = [];
    this.#past = [];
    this.#bytes = 0;
    this.#silence = 0;
    this.stats = null;
    this.#setLimit(null);
    if (this.stream) {
      this.stream = null;
      this.dispatchEvent(new Event('stream'));
    }
  }

  #setLimit(limit) {
    if (limit === this.limit)
      return;
    this.limit = limit;
    this.dispatchEvent(new Event('limit'));
  }

  #setSession(session) {
    if (Number.isFinite(session?.expiresAt)) {
      this.session = session;
      this.dispatchEvent(new Event('session'));
    }
  }

  #timer(name, delay, callback) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(callback, delay);
  }

  #set(state, detail = {}) {
    this.state = state;
    this.dispatchEvent(
      Object.assign(new Event('state'), { detail: { state, ...detail } }));
  }
}
