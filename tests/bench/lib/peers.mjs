// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The senders that are compared. Each has `pid` (the process that is measured)
// and `stop ()`; a viewer reaches it in one of three ways, `signaling`:
//   offer     answer (id, sdp), candidate (id, mline, text), leave (id)
//   janus     the sender offers: offer (id), accept (id, sdp), …
//   socketio  our own server at `url`, with a viewer's `token`, for `robot`
import fs from 'node:fs';
import path from 'node:path';
import { bench, build, output, rigs, sleep, start } from './common.mjs';
import { encodedClip, rawClip } from './clips.mjs';

const encode = (text) => Buffer.from(text).toString('base64');
const decode = (text) => Buffer.from(text, 'base64').toString();
const rig = (name) => path.join(bench, 'rig', name);

// What all GStreamer senders do between camera and viewers.
const x264 = 'x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 ' +
  'key-int-max=60 ! video/x-h264,profile=constrained-baseline ! h264parse';
export const toViewers = (raw) => `appsrc name=camera ! ${raw
  ? `videoconvert ! ${x264}`
  : 'h264parse'} ! video/x-h264,stream-format=byte-stream,alignment=au`;

async function answering(child) {
  await child.line((line) => line === 'ready');
  return {
    signaling: 'offer', pid: child.pid, child,
    async answer(id, sdp) {
      child.say(`offer ${id} ${encode(sdp)}`);
      const reply = await child.line((line) =>
        line.startsWith(`answer ${id} `) || line.startsWith(`failed ${id} `));
      const [verb, , ...rest] = reply.split(' ');
      if (verb === 'failed') throw new Error(rest.join(' '));
      return decode(rest[0]);
    },
    candidate: (id, mline, text) =>
      text && child.say(`candidate ${id} ${mline} ${text}`),
    async leave(id) {
      child.say(`leave ${id}`);
      await child.line((line) => line === `left ${id}`);
    },
    stop: () => child.stop(),
  };
}

export const sender = (raw, args, launch, options) =>
  start(path.join(rigs, 'sender'), ['--clip', raw ? rawClip : encodedClip,
    ...(raw ? ['--raw'] : []), ...args, launch], options);

export const webrtcbin = ({ raw, repair = true, namespace }) =>
  answering(sender(raw, repair ? ['--repair'] : [],
    `${toViewers(raw)} ! tee name=viewers ! fakesink async=false sync=false`,
    { namespace }));

export const wrtc = () =>
  answering(start('node', [rig('wrtc-sender.mjs'), rawClip]));

export const aiortc = () =>
  answering(start('/usr/bin/python3', [rig('aiortc-sender.py'), rawClip]));

export const libdatachannel = () =>
  answering(start('node', [rig('datachannel-sender.mjs'), encodedClip]));

// --- Janus: fed by RTP on loopback; only the gateway itself is measured ------

export async function janus({ raw, work }) {
  const dir = fs.mkdtempSync(path.join(work, 'janus-'));
  const http = 20000 + Math.floor(Math.random() * 10000);
  const rtp = 30000 + 2 * Math.floor(Math.random() * 2000);
  const write = (name, text) => fs.writeFileSync(path.join(dir, name), text);
  write('janus.jcfg', `general: { configs_folder = "${dir}"
    plugins_folder = "${janusFolder('plugins')}"
    transports_folder = "${janusFolder('transports')}"
    session_timeout = 0, debug_level = 3, no_media_timer = 5 }
    nat: { ice_lite = false, full_trickle = false }
    plugins: { disable = "${janusOthers('plugins', 'streaming')}" }
    transports: { disable = "${janusOthers('transports', 'http')}" }`);
  write('janus.transport.http.jcfg', `general: { base_path = "/janus"
    http = true, port = ${http}, ip = "127.0.0.1", https = false }
    admin: { admin_http = false }`);
  write('janus.plugin.streaming.jcfg', `camera: { type = "rtp", id = 1
    audio = false, video = true, videoport = ${rtp}, videopt = 96
    videocodec = "h264", videortpmap = "H264/90000"
    videofmtp = "profile-level-id=42e01f;packetization-mode=1"
    videobufferkf = false }`);
  const gateway = start('janus', ['-F', dir, '-C',
    path.join(dir, 'janus.jcfg')]);
  const url = `http://127.0.0.1:${http}/janus`;
  const call = async (where, body) => {
    const reply = await (await fetch(url + where, { method: 'POST',
      body: JSON.stringify({ ...body, transaction: 'bench' }) })).json();
    if (reply.janus === 'error') throw new Error(reply.error.reason);
    return reply;
  };
  for (let tries = 0; ; ++tries) {
    try { await call('', { janus: 'info' }).catch((error) => {
      if (error instanceof TypeError) throw error; }); break;
    } catch (error) {
      if (tries > 100) throw error;
      await sleep(100);
    }
  }
  const feed = sender(raw, [], `${toViewers(raw)} ! rtph264pay pt=96 ` +
    'config-interval=-1 aggregate-mode=zero-latency mtu=1200 ! ' +
    `udpsink host=127.0.0.1 port=${rtp} sync=false async=false`);
  await feed.line((line) => line === 'ready');

  const handles = new Map();
  const event = async (session, wanted) => {
    for (;;) {
      const reply = await (await fetch(`${url}${session}?maxev=1`)).json();
      if (wanted(reply)) return reply;
      if (reply.plugindata?.data?.error)
        throw new Error(reply.plugindata.data.error);
    }
  };
  return {
    signaling: 'janus', pid: gateway.pid, child: gateway,
    async offer(id) {
      const session = `/${(await call('', { janus: 'create' })).data.id}`;
      const attached = await call(session,
        { janus: 'attach', plugin: 'janus.plugin.streaming' });
      const handle = `${session}/${attached.data.id}`;
      handles.set(id, { session, handle });
      await call(handle,
        { janus: 'message', body: { request: 'watch', id: 1 } });
      return (await event(session, (reply) => reply.jsep)).jsep.sdp;
    },
    async accept(id, sdp) {
      await call(handles.get(id).handle, { janus: 'message',
        body: { request: 'start' }, jsep: { type: 'answer', sdp } });
    },
    async candidate(id, sdpMLineIndex, candidate) {
      await call(handles.get(id).handle, { janus: 'trickle',
        candidate: candidate ? { candidate, sdpMLineIndex, sdpMid: '0' }
          : { completed: true } });
    },
    async leave(id) {
      await call(handles.get(id).session, { janus: 'destroy' });
      handles.delete(id);
    },
    async stop() { await feed.stop(); await gateway.stop(); },
  };
}

const janusFolder = (kind) => output('sh', ['-c',
  `dirname "$(dpkg -L janus | grep '/${kind}/.*so$' | head -n 1)"`]);
const janusOthers = (kind, wanted) => fs.readdirSync(janusFolder(kind))
  .filter((name) => name.endsWith('.so') && !name.includes(wanted)).join(',');

// --- ours: server, bookings, and the robot -----------------------------------

// Books from now on; returns the end, in ms since 1970: up to a second less than
// `seconds` from now, because bookings begin and end with a second.
export async function bookNow(robot, seconds) {
  const now = Date.now();
  const reply = await fetch(`${robot.url}/bookings`, { method: 'POST',
    headers: { 'Content-Type': 'application/json',
      Authorization: `Bearer ${robot.token}` },
    body: JSON.stringify({ robot_id: robot.robot, starts_at: now,
      ends_at: now + 1000 * seconds }) });
  const booking = await reply.json();
  if (!reply.ok) throw new Error(`not booked: ${JSON.stringify(booking)}`);
  return booking.ends_at;
}

const server = path.join(build, 'signaling', 'server', 'robotlive-signaling');
const robotId = 'robot_bench_001';

export async function ours({ raw, work, duration = '12h',
  host = '127.0.0.1', noRobot = false, properties = '', namespace,
  fetchedKey = false, env = {} }) {
  const dir = fs.mkdtempSync(path.join(work, 'ours-'));
  const database = ['--database', `sqlite://${dir}/signaling.db`];
  const cli = (...args) => output(server, [...args, ...database]);
  const keep = (name, text) =>
    fs.writeFileSync(path.join(dir, name), text + '\n', { mode: 0o600 });
  keep('password', 'a bench has no secrets');
  keep('signaling.conf', '[sessions]\nmax-sessions-per-user=64');
  const user = cli('user', 'add', 'viewer@bench.example',
    '--password-file', path.join(dir, 'password'));
  const addToken = (id) => {
    const issued = cli('robot', 'add', id, '--type', 'bench');
    keep(`${id}.token`, issued);
    return issued;
  };
  const robotToken = addToken(robotId);
  keep('grant.pem', cli('key', 'show'));
  const token = cli('token', '--role', 'viewer', '--sub', user,
    '--ttl', '12h');
  const peer = {
    signaling: 'socketio', token, robotToken, user, robot: robotId, cli,
    // Returns the booking's id. Bookings of one robot must not overlap.
    book: (length, from = 'now') => cli('booking', 'add', '--user', user,
      '--robot', robotId, '--start', from, '--duration', length),
    async startServer(port = 0) {
      peer.server = start(server, ['serve', ...database, '--config',
        path.join(dir, 'signaling.conf'), '--listen',
        `${host === '127.0.0.1' ? host : '0.0.0.0'}:${port}`],
      { env: env.server });
      const ready = await peer.server.line((line) =>
        line.startsWith('listening on'));
      peer.port = ready.split(':').at(-1);
      peer.url = `http://${host}:${peer.port}`;
    },
    // As the README's pipeline; the bin's own limits are not what is measured.
    launch(id, stamped) {
      return sender(stamped, [], `${toViewers(stamped)} ! sessiongate ` +
        `name=gate ! signalingbin signaling-server=http://${
          namespace ? host : '127.0.0.1'}:${peer.port} ` +
        `robot-id=${id} robot-type=bench max-viewers=64 ${properties} ` +
        `token-file=${dir}/${id}.token ${
          fetchedKey ? '' : `grant-key=${dir}/grant.pem`}`,
      { namespace, env: { GST_PLUGIN_PATH: path.join(build, 'gst'),
        GST_REGISTRY: path.join(rigs, 'registry.bin'), ...env.robot } });
    },
    async startRobot() {
      peer.child = peer.launch(robotId, raw);
      peer.pid = peer.child.pid;
      await peer.child.line((line) => line === 'ready');
      await peer.online();
    },
    // One more robot of this server, with bookings of its own.
    async addRobot(id, stamped) {
      addToken(id);
      const child = peer.launch(id, stamped);
      await child.line((line) => line === 'ready');
      await peer.online(id);
      const { signaling, url } = peer;
      return { signaling, url, token, user, robot: id, child, pid: child.pid,
        stop: () => child.stop() };
    },
    // Resolves when the server shows the robot as online.
    async online(id = robotId) {
      for (let tries = 0; tries < 150; ++tries) {
        const reply = await fetch(`${peer.url}/robots`,
          { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
        if (reply?.ok) {
          const robots = await reply.json();
          if ((robots.robots ?? robots).some((r) =>
            r.online && r.id === id)) return;
        }
        await sleep(100);
      }
      throw new Error(`${id} is not online: ${peer.child?.errors() ?? ''}`);
    },
    async stop() { await peer.child?.stop(); await peer.server.stop(); },
  };
  if (duration) peer.book(duration);
  await peer.startServer();
  if (!noRobot) await peer.startRobot();
  return peer;
}
