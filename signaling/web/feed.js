// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The picture of one robot: offers, takes the answer, and offers again by
// itself as long as the user wants the picture and another try can help.
//
//   idle ─ start ─► connecting ─ first picture ─► live ─ session-ended ─► ended
//                    ▲   │ ▲                       │
//                    │   │ └────── reconnecting ◄──┘ no media, ICE failed
//                    │   └─ refused (final) / waiting (robot offline, busy …)
//                    └────────────────────────────────┘ robot-available, timer
//
// The signalling link may come and go: media that flows is never touched for
// it. Only silence of the media, or the server's word on the session, ends it.

import { summarize } from './stats.js';
import { retryDelay } from './text.js';

const ANSWER_TIMEOUT = 15000; // ms from the offer to the first picture
const DISCONNECTED_TIMEOUT = 4000; // ICE "disconnected" often heals by itself
const STALL = 6000; // ms without a byte of video
const STALL_IN_DOUBT = 2000; // the same, after a link was lost
const DOUBT = 10000; // ms that this impatience lasts
const END_GRACE = 2000; // ms after the end for the server's own word
const FINAL_FROM_ROBOT = ['bad-message', 'too-large', 'forbidden', 'busy'];
const MAX_CANDIDATES = 64; // early ones, kept until the answer is there

export class Feed extends EventTarget {
  state = 'idle'; // as drawn above
  stream = null;
  session = null; // {expiresAt, …} of the server's clock, or null
  stats = null;
  limit = null; // what the robot says keeps the picture down: delay, loss, …

  #signalling;
  #iceServers;
  #serverNow;
  #createPeer;
  #robotId = null;
  #peer = null;
  #peerId = null;
  #lastPeerId = null; // of the connection before, as far as it had one
  #generation = 0;
  #attempt = 0;
  #localCandidates = [];
  #remoteCandidates = [];
  #timers = {};
  #lastByte = 0; // performance.now () of the last growth of bytes
  #doubtUntil = 0; // performance.now (): the other side may have gone
  #sessionLost = false; // the server has ended it, the robot perhaps not

  // *signalling*: a Socket; *iceServers*: () => RTCIceServer[];
  // *serverNow*: () => ms since the epoch by the server's clock.
  constructor({ signalling, iceServers, serverNow,
    createPeer = config => new RTCPeerConnection(config) }) {
    super();
    this.#signalling = signalling;
    this.#iceServers = iceServers;
    this.#serverNow = serverNow;
    this.#createPeer = createPeer;
  }

  get wanted() {
    return this.#robotId !== null;
  }

  start(robotId) {
    this.stop();
    this.#robotId = robotId;
    this.#attempt = 0;
    this.#offer('connecting');
  }

  stop() {
    this.#hangUp();
    this.#robotId = null;
    this.session = null;
    this.#set('idle');
  }

  // The first frame is on the screen.
  pictureSeen() {
    if (this.#peer && this.state !== 'live') {
      clearTimeout(this.#timers.answer);
      this.#attempt = 0;
      this.#lastByte = performance.now();
      this.#set('live');
    }
  }

  // Registered with the server (again).
  signallingUp() {
    this.#doubt();
    if (this.wanted && !this.#peer)
      this.#offer(this.state);
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

  // To be called about once a second: figures, and the watchdog on them.
  async sample() {
    const peer = this.#peer;
    if (!peer)
      return;
    const stats = summarize(await peer.getStats(), this.stats);
    if (peer !== this.#peer)
      return;
    const now = performance.now();
    if (stats && stats.bytes > (this.stats?.bytes ?? 0))
      this.#lastByte = now;
    this.stats = stats;
    const silence = now - this.#lastByte;
    if (this.#isOver(END_GRACE) && silence > END_GRACE)
      this.#end('expired');
    else if (this.state === 'live'
        && silence > (now < this.#doubtUntil ? STALL_IN_DOUBT : STALL))
      this.#again();
  }

  async #offer(state) {
    this.#hangUp();
    this.#set(state);
    if (!this.#signalling.connected)
      return; // signallingUp () will come
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
    this.#timer('answer', ANSWER_TIMEOUT, () => this.#again());
    try {
      const offer = await peer.createOffer();
      await peer.setLocalDescription(offer);
      if (!current())
        return;
      const ack = await this.#signalling.request('offer', {
        to: this.#robotId,
        offer: { type: 'offer', sdp: peer.localDescription.sdp },
      });
      if (!current())
        return;
      if (ack?.ok === false) {
        this.#refused(ack);
        return;
      }
      this.#setSession(ack);
      if (ack?.peerId !== undefined)
        this.#setPeerId(ack.peerId);
    } catch {
      if (current()) // link lost, or no acknowledgement
        this.#again();
    }
  }

  #setPeerId(peerId) {
    this.#peerId = peerId;
    for (const candidate of this.#localCandidates.splice(0))
      this.#sendCandidate(candidate);
  }

  #sendCandidate(candidate) {
    if (this.#peerId === null) {
      this.#localCandidates.push(candidate);
      return;
    }
    this.#signalling.emit('ice-candidate', {
      to: this.#robotId,
      peerId: this.#peerId,
      candidate: candidate && candidate.candidate !== '' ? {
        candidate: candidate.candidate,
        sdpMid: candidate.sdpMid,
        sdpMLineIndex: candidate.sdpMLineIndex,
      } : null,
    });
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
      this.#again();
    else if (state === 'disconnected')
      this.#timer('disconnected', DISCONNECTED_TIMEOUT, () => this.#again());
  }

  #onRobotAvailable(payload) {
    if (payload.userId !== this.#robotId)
      return;
    const live = this.state === 'live';
    // The robot's link was away for a moment, its media never was.
    const flows = live && !this.#sessionLost
      && performance.now() - this.#lastByte < STALL_IN_DOUBT;
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
    else if (detail !== undefined && FINAL_FROM_ROBOT.includes(code))
      this.#refused({ code, detail });
    else
      this.#again();
  }

  #onSessionEnded(reason) {
    switch (reason) {
      case 'replaced': // another process of the robot: the old media is dead
        this.#peerId = null;
        this.#offer('reconnecting');
        break;
      case 'robot-offline': // media may flow on: the watchdog decides
        this.#sessionLost = true;
        this.#doubt();
        if (this.state !== 'live')
          this.#wait('robot-offline', retryDelay('robot-offline', 0));
        break;
      default:
        this.#end(reason);
    }
  }

  #doubt() {
    this.#doubtUntil = performance.now() + DOUBT;
  }

  // *grace*: ms after the end.
  #isOver(grace) {
    return this.session !== null
      && this.#serverNow() > this.session.expiresAt + grace;
  }

  #end(reason) {
    this.#peerId = null; // the other side knows: no "leave"
    this.#hangUp();
    this.#robotId = null;
    this.session = null;
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
    this.#hangUp();
    this.#robotId = null;
    this.session = null;
    this.#set('refused', { code, nextBooking, detail });
  }

  #wait(code, delay) {
    this.#hangUp();
    this.#set('waiting', { code, retryMs: delay });
    this.#timer('retry', delay, () => this.#offer('waiting'));
  }

  // Gives the peer connection up and offers anew, later each time.
  #again() {
    this.#hangUp();
    this.#set('reconnecting');
    const delay = Math.min(500 * 2 ** this.#attempt++, 8000);
    this.#timer('retry', delay * (0.5 + Math.random()),
      () => this.#offer('reconnecting'));
  }

  #hangUp() {
    this.#generation++;
    for (const timer of Object.values(this.#timers))
      clearTimeout(timer);
    if (this.#peer) {
      this.#peer.onconnectionstatechange = null;
      this.#peer.onicecandidate = null;
      this.#peer.close();
      if (this.#peerId !== null)
        this.#signalling.emit('leave',
          { to: this.#robotId, peerId: this.#peerId });
      this.#lastPeerId = this.#peerId;
    }
    this.#peer = null;
    this.#peerId = null;
    this.#sessionLost = false;
    this.#localCandidates = [];
    this.#remoteCandidates = [];
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
