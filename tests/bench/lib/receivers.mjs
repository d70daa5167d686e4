// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Cheap viewers: libdatachannel in a process of its own, which answers RTCP and
// counts packets but decodes nothing. The other half, `openReceivers`, is what
// a measurement uses; they talk by child_process messages.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

// `namespace`: the viewers are in that network namespace.
export async function openReceivers(peer, namespace) {
  const child = fork(fileURLToPath(import.meta.url), ['--receive'],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], ...(namespace
      ? { execPath: 'ip', execArgv: ['netns', 'exec', namespace,
        process.execPath] } : {}) });
  let next = 1;
  const asked = new Map();
  const call = (body) => new Promise((resolve, reject) => {
    const number = next++;
    asked.set(number, { resolve, reject });
    child.send({ number, ...body });
  });
  child.on('message', async ({ number, result, error, ask, body }) => {
    if (!ask) {
      const { resolve, reject } = asked.get(number);
      asked.delete(number);
      if (error) reject(new Error(error)); else resolve(result);
      return;
    }
    try { // what the receivers want of the sender
      child.send({ number, result: await peer[ask](...body) ?? null });
    } catch (failure) {
      child.send({ number, error: failure.message });
    }
  });
  child.on('exit', () => {
    for (const { reject } of asked.values())
      reject(new Error('the receivers ended'));
  });
  const { signaling, url, token, user, robot } = peer;
  return {
    pid: child.pid,
    // Resolves when the viewer has its first packet.
    // `of`: another robot of the same server.
    join: (id, of = robot) => call({ join: { id, signaling, url, token, user,
      robot: of } }),
    leave: (id) => call({ leave: id }),
    // Packets, bytes and gaps in sequence numbers since the last call, the
    // longest time without a packet that had not ended by then, when (ms since
    // 1970) the last packet came, and what ended the session.
    counts: () => call({ counts: true }),
    // Those from whom no packet came for `ms`; leaves the counts as they are.
    silent: (ms) => call({ silent: ms }),
    close() { child.kill('SIGKILL'); },
  };
}

// --- the process -------------------------------------------------------------

async function receive() {
  const { default: dc } = await import('node-datachannel');
  const { io } = await import('socket.io-client');
  const viewers = new Map();
  const asked = new Map();
  let next = 1;
  const ask = (what, ...body) => new Promise((resolve, reject) => {
    const number = next++;
    asked.set(number, { resolve, reject });
    process.send({ number, ask: what, body });
  });

  function connection(id) {
    const viewer = { id, packets: 0, bytes: 0, lost: 0, last: -1, ssrc: 0,
      gap: 0 };
    viewer.pc = new dc.PeerConnection(id, { iceServers: [],
      disableAutoNegotiation: true });
    viewer.gathered = new Promise((done) => viewer.pc.onGatheringStateChange(
      (state) => state === 'complete' && done()));
    viewers.set(id, viewer);
    return viewer;
  }
  function listen(viewer, track) {
    viewer.track = track;
    track.setMediaHandler(new dc.RtcpReceivingSession());
    viewer.first = new Promise((done) => track.onMessage((packet) => {
      if ((packet[1] & 0x7f) >= 64 && (packet[1] & 0x7f) < 96) return; // RTCP
      const sequence = packet.readUInt16BE(2);
      if (viewer.last >= 0) {
        const step = (sequence - viewer.last) & 0xffff;
        if (step > 1 && step < 0x8000) viewer.lost += step - 1;
      }
      viewer.last = sequence;
      const now = performance.timeOrigin + performance.now();
      viewer.gap = Math.max(viewer.gap, now - (viewer.lastAt ?? now));
      viewer.lastAt = now;
      if (viewer.packets++ === 0) done();
      viewer.bytes += packet.length;
    }));
  }
  async function offer(viewer) {
    const media = new dc.Video('0', 'RecvOnly');
    media.addH264Codec(108);
    listen(viewer, viewer.pc.addTrack(media));
    viewer.pc.setLocalDescription('offer');
    await viewer.gathered;
    return viewer.pc.localDescription().sdp;
  }
  const late = (promise, what) => Promise.race([promise,
    new Promise((_, fail) => setTimeout(() => fail(new Error(what)), 20000))]);

  async function join({ id, signaling, url, token, user, robot }) {
    const viewer = connection(id);
    if (signaling === 'offer') {
      const sdp = await ask('answer', id, await offer(viewer));
      viewer.pc.setRemoteDescription(sdp, 'answer');
    } else if (signaling === 'janus') {
      const found = new Promise((done) => viewer.pc.onTrack(done));
      viewer.pc.setRemoteDescription(await ask('offer', id), 'offer');
      listen(viewer, await late(found, 'Janus offers no track'));
      viewer.pc.setLocalDescription('answer');
      await viewer.gathered;
      await ask('accept', id, viewer.pc.localDescription().sdp);
    } else {
      const socket = viewer.socket = io(url, { auth: { token },
        transports: ['websocket'], forceNew: true });
      await late(new Promise((done, fail) => {
        socket.on('connect', done);
        socket.on('connect_error', fail);
      }), 'the server does not answer');
      // Again whenever the link is new: a viewer that comes back under the same
      // name has its session again.
      const instance = randomUUID();
      const register = () => socket.emit('register', { userId: user,
        userType: 'viewer', token, instance,
        peers: viewer.peerId ? [viewer.peerId] : [] });
      register();
      socket.on('connect', register);
      await late(new Promise((done, fail) => {
        socket.on('registered', (reply) => reply.success ? done()
          : fail(new Error(reply.message)));
      }), 'not registered');
      // Candidates may come before the answer, which must be set first.
      let described;
      const ready = new Promise((done) => { described = done; });
      const answered = new Promise((done, fail) => {
        socket.on('answer', done);
        socket.on('error', ({ message }) => fail(new Error(message)));
        socket.on('leave', ({ reason }) => fail(new Error(reason)));
        socket.on('ice-candidate', ({ candidate }) => {
          if (candidate?.candidate) ready.then(() => {
            if (viewers.has(id))
              viewer.pc.addRemoteCandidate(candidate.candidate, '0');
          }).catch(() => {}); // the viewer has left
        });
      });
      answered.catch(() => {});
      socket.on('session-ended', ({ reason }) => { viewer.ended = reason; });
      socket.emit('offer', { to: robot,
        offer: { type: 'offer', sdp: await offer(viewer) } });
      const { answer, peerId } = await late(answered, 'no answer');
      viewer.peerId = peerId;
      viewer.leave = () => socket.emit('leave', { to: robot, peerId });
      viewer.pc.setRemoteDescription(answer.sdp, 'answer');
      described();
    }
    await late(viewer.first, `no packet reached ${id} ` +
      `(${viewer.pc.state()})`);
  }
  async function leave(id) {
    const viewer = viewers.get(id);
    if (!viewer) return;
    viewers.delete(id);
    viewer.leave?.();
    viewer.pc.close();
    setTimeout(() => viewer.socket?.disconnect(), 200);
  }
  function counts() {
    return [...viewers.values()].map((viewer) => {
      const { id, packets, bytes, lost, lastAt, ended } = viewer;
      const now = performance.timeOrigin + performance.now();
      const gap = Math.max(viewer.gap, now - (lastAt ?? now));
      Object.assign(viewer, { packets: 0, bytes: 0, lost: 0, gap: 0 });
      return { id, packets, bytes, lost, gap, lastAt, ended };
    });
  }

  function silent(ms) {
    const since = performance.timeOrigin + performance.now() - ms;
    return [...viewers.values()].filter(({ lastAt }) => !(lastAt > since))
      .map(({ id }) => id);
  }

  process.on('disconnect', () => process.exit(0));
  process.on('message', async (message) => {
    const { number } = message;
    if ('result' in message || message.error) {
      const { resolve, reject } = asked.get(number);
      asked.delete(number);
      if (message.error) reject(new Error(message.error));
      else resolve(message.result);
      return;
    }
    try {
      const result = message.join ? await join(message.join)
        : message.leave ? await leave(message.leave)
        : message.silent ? silent(message.silent) : counts();
      process.send({ number, result: result ?? null });
    } catch (error) {
      process.send({ number, error: error.message });
    }
  });
}

if (process.argv[2] === '--receive') await receive();
