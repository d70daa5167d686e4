// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The senders that are compared. Each has `pid` (the process that is measured)
// and `stop ()`; a viewer reaches it in one of three ways, `signaling`:
//   offer     answer (id, sdp), candidate (id, mline, text), leave (id)
//   janus     the sender offers: offer (id), accept (id, sdp), …
//   socketio  our own server at `url`, with a viewer's `token`, for `robot`
import fs from 'node:fs';
import path from 'node:path';
import { bench, build, output, rigs, start } from './common.mjs';
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
      await new Promise((done) => setTimeout(done, 100));
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

const server = path.join(build, 'signaling', 'server', 'robotlive-signaling');
export const ours = async ({ raw, work, namespace, duration = '12h',
  host = '127.0.0.1', tail = '' }) => {
  const dir = fs.mkdtempSync(path.join(work, 'ours-'));
  const database = ['--database', `sqlite://${dir}/signaling.db`];
  const cli = (...args) => output(server, [...args, ...database]);
  fs.writeFileSync(path.join(dir, 'password'), 'a bench has no secrets');
  const user = cli('user', 'add', 'viewer@bench.example',
    '--password-file', path.join(dir, 'password'));
  fs.writeFileSync(path.join(dir, 'robot.token'),
    cli('robot', 'add', 'robot_bench_001', '--type', 'bench') + '\n');
  fs.writeFileSync(path.join(dir, 'grant.pem'), cli('key', 'show') + '\n');
  const token = cli('token', '--role', 'viewer', '--sub', user,
    '--ttl', '12h');
  const book = (length, from = 'now') => cli('booking', 'add', '--user', user,
    '--robot', 'robot_bench_001', '--start', from, '--duration', length);
  if (duration) book(duration);
  const signaling = start(server, ['serve', ...database, '--listen',
    host === '127.0.0.1' ? '127.0.0.1:0' : '0.0.0.0:0']);
  const port = (await signaling.line((line) => line.startsWith('listening on')))
    .split(':').at(-1);
  const robot = sender(raw, [], `${toViewers(raw)} ! ${tail} signalingbin ` +
    `name=robot signaling-server=http://127.0.0.1:${port} robot-id=robot_bench_001 ` +
    `robot-type=bench token-file=${dir}/robot.token ` +
    `grant-key=${dir}/grant.pem max-viewers=64`,
  { namespace, env: { GST_PLUGIN_PATH: path.join(build, 'gst'),
    GST_REGISTRY: path.join(dir, 'registry.bin') } });
  await robot.line((line) => line === 'ready');
  return {
    signaling: 'socketio', pid: robot.pid, child: robot, server: signaling,
    url: `http://${host}:${port}`, token, user, robot: 'robot_bench_001', book, cli,
    async stop() { await robot.stop(); await signaling.stop(); },
  };
};
