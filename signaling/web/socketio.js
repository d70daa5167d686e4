// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Socket.IO 5 client over Engine.IO 4, as much of it as the viewer page
// needs: namespace "/", JSON packets, acknowledgements, a heartbeat watchdog
// and reconnection for ever with back-off and jitter. WebSocket first; when a
// WebSocket cannot be opened (some proxies), the next try is long-polling.
//
// Nothing is buffered while disconnected: an offer or a candidate that is sent
// late is worse than none. emit () then returns false and request () rejects.

const SEPARATOR = '\x1e';
const CONNECT_TIMEOUT = 10000; // ms until the namespace must be joined
const ACK_TIMEOUT = 10000;
const BACK_OFF = { first: 1000, most: 5000, jitter: 0.5 };

// Socket.IO packet types, socket.io-protocol section "Packet encoding".
export const PacketType = {
  CONNECT: 0,
  DISCONNECT: 1,
  EVENT: 2,
  ACK: 3,
  CONNECT_ERROR: 4,
};

export function encodePacket(type, data, id) {
  let text = String(type);
  if (id !== undefined)
    text += id;
  return data === undefined ? text : text + JSON.stringify(data);
}

// Returns {type, id, data}, or null when *text* is not a packet for us: another
// namespace, a binary packet, no JSON.
export function decodePacket(text) {
  const match = /^([0-4])(\/[^,]*,)?(\d{1,15})?/.exec(text);
  if (!match || (match[2] && match[2] !== '/,'))
    return null;
  const packet = { type: Number(match[1]) };
  if (match[3] !== undefined)
    packet.id = Number(match[3]);
  const rest = text.slice(match[0].length);
  try {
    packet.data = rest === '' ? undefined : JSON.parse(rest);
  } catch {
    return null;
  }
  switch (packet.type) {
    case PacketType.EVENT:
      return Array.isArray(packet.data) && typeof packet.data[0] === 'string'
        ? packet : null;
    case PacketType.ACK:
      return Array.isArray(packet.data) && packet.id !== undefined
        ? packet : null;
    default:
      return packet;
  }
}

// Milliseconds to wait before try number *attempt* (0 is the first one).
export function backOff(attempt, random = Math.random) {
  const base = Math.min(BACK_OFF.first * 2 ** attempt, BACK_OFF.most);
  return Math.round(base * (1 + BACK_OFF.jitter * (2 * random() - 1)));
}

// Both transports: packets in by onPacket (string), the end by onClose (),
// called once; send (packet); close () says nothing more afterwards.
class WebSocketTransport {
  constructor(url, env, onPacket, onClose) {
    this.ws = new env.WebSocket(url.replace(/^http/, 'ws')
      + '?EIO=4&transport=websocket');
    this.ws.addEventListener('message', event => {
      if (typeof event.data === 'string')
        onPacket(event.data);
    });
    this.ws.addEventListener('error', () => {}); // close follows
    this.ws.addEventListener('close', () => onClose());
  }

  send(packet) {
    if (this.ws.readyState === 1)
      this.ws.send(packet);
  }

  close() {
    this.ws.close();
  }
}

class PollingTransport {
  constructor(url, env, onPacket, onClose) {
    this.url = url + '?EIO=4&transport=polling';
    this.env = env;
    this.onPacket = onPacket;
    this.onClose = onClose;
    this.abort = new AbortController();
    this.outgoing = [];
    this.#poll();
  }

  async #poll() {
    try {
      while (!this.abort.signal.aborted) {
        const text = await this.#request({});
        for (const packet of text.split(SEPARATOR)) {
          if (packet[0] === '0' && !this.sid) {
            this.sid = JSON.parse(packet.slice(1)).sid;
            this.url += `&sid=${encodeURIComponent(this.sid)}`;
          }
          this.onPacket(packet);
        }
      }
    } catch {
      this.#end();
    }
  }

  async #request(init) {
    const response = await this.env.fetch(this.url,
      { ...init, cache: 'no-store', signal: this.abort.signal });
    if (!response.ok)
      throw new Error(`HTTP ${response.status}`);
    return response.text();
  }

  // One POST at a time: the order of packets is the order of calls.
  async send(packet) {
    this.outgoing.push(packet);
    if (this.posting)
      return;
    this.posting = true;
    try {
      while (this.outgoing.length > 0) {
        await this.#request({
          method: 'POST',
          headers: { 'Content-Type': 'text/plain;charset=UTF-8' },
          body: this.outgoing.splice(0).join(SEPARATOR),
          keepalive: true, // a "leave" outlives the page that sends it
        });
      }
    } catch {
      this.#end();
    }
    this.posting = false;
  }

  #end() {
    const told = this.abort.signal.aborted;
    this.abort.abort();
    if (!told)
      this.onClose();
  }

  close() {
    // A last POST (packet "41") must not be aborted with the poll.
    if (this.posting)
      setTimeout(() => this.abort.abort(), 1000);
    else
      this.abort.abort();
  }
}

// Events of its own: "connect" (), "disconnect" (reason), "unreachable" (reason)
// when a try to connect comes to nothing, "connect_error" ({message, code}) when
// the server refuses; all others come from the server.
export class Socket {
  #url;
  #auth;
  #env;
  #listeners = new Map();
  #acks = new Map();
  #nextAck = 0;
  #transport = null;
  #wanted = false;
  #attempt = 0;
  #polling = false;
  #timers = {};

  connected = false;

  // *url*: "http(s)://host/socket.io/"; *auth*: () => payload of CONNECT;
  // *env*: WebSocket and fetch, for tests.
  constructor(url, auth, env = globalThis) {
    this.#url = url;
    this.#auth = auth;
    this.#env = env;
  }

  on(event, listener) {
    this.#listeners.set(event, listener);
    return this;
  }

  connect() {
    this.#wanted = true;
    if (!this.#transport)
      this.#open();
  }

  // The next try, if one is waited for, is made now.
  hurry() {
    if (this.#wanted && !this.#transport)
      this.#open();
  }

  close() {
    this.#wanted = false;
    if (this.connected)
      this.#send(PacketType.DISCONNECT);
    this.#drop('client');
  }

  emit(event, payload) {
    if (!this.connected)
      return false;
    this.#send(PacketType.EVENT, [event, payload]);
    return true;
  }

  // Resolves to the acknowledgement's first argument.
  request(event, payload, timeout = ACK_TIMEOUT) {
    if (!this.connected)
      return Promise.reject(new Error('disconnected'));
    const id = this.#nextAck++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#acks.delete(id);
        reject(new Error('timeout'));
      }, timeout);
      this.#acks.set(id, { resolve, reject, timer });
      this.#send(PacketType.EVENT, [event, payload], id);
    });
  }

  #send(type, data, id) {
    this.#transport.send('4' + encodePacket(type, data, id));
  }

  #tell(event, ...args) {
    this.#listeners.get(event)?.(...args);
  }

  #timer(name, delay, callback) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(callback, delay);
  }

  #open() {
    clearTimeout(this.#timers.retry);
    const Transport = this.#polling ? PollingTransport : WebSocketTransport;
    let opened = false;
    // Packets of a transport that was given up are not ours any more.
    const transport = new Transport(this.#url, this.#env,
      packet => {
        if (this.#transport !== transport)
          return;
        opened = opened || packet[0] === '0';
        this.#onEnginePacket(packet);
      },
      () => {
        if (this.#transport !== transport)
          return;
        // Could not even be opened: try the other transport next.
        if (!opened)
          this.#polling = !this.#polling;
        this.#drop('transport closed');
      });
    this.#transport = transport;
    this.#timer('connect', CONNECT_TIMEOUT, () => {
      if (!opened)
        this.#polling = !this.#polling;
      this.#drop('timeout');
    });
  }

  #onEnginePacket(text) {
    switch (text[0]) {
      case '0': {
        const { pingInterval, pingTimeout } = JSON.parse(text.slice(1));
        this.silence = pingInterval + pingTimeout;
        this.#transport.send(
          '4' + encodePacket(PacketType.CONNECT, this.#auth()));
        break;
      }
      case '1':
        this.#drop('server closed');
        return;
      case '2':
        this.#transport.send('3');
        break;
      case '4':
        this.#onPacket(decodePacket(text.slice(1)));
        break;
    }
    if (this.#transport)
      this.#timer('heartbeat', this.silence, () => this.#drop('silence'));
  }

  #onPacket(packet) {
    switch (packet?.type) {
      case PacketType.CONNECT:
        clearTimeout(this.#timers.connect);
        this.#attempt = 0;
        this.connected = true;
        this.#tell('connect');
        break;
      case PacketType.CONNECT_ERROR: {
        const code = packet.data?.data?.code;
        // Asking again with the same token changes nothing.
        if (code === 'unauthorized' || code === 'forbidden')
          this.#wanted = false;
        this.#tell('connect_error', { code, message: packet.data?.message });
        this.#drop('refused');
        break;
      }
      case PacketType.DISCONNECT:
        this.#drop('server disconnect');
        break;
      case PacketType.EVENT:
        this.#tell(packet.data[0], ...packet.data.slice(1));
        break;
      case PacketType.ACK: {
        const ack = this.#acks.get(packet.id);
        this.#acks.delete(packet.id);
        clearTimeout(ack?.timer);
        ack?.resolve(packet.data[0]);
        break;
      }
    }
  }

  #drop(reason) {
    const transport = this.#transport;
    const connected = this.connected;
    this.#transport = null;
    this.connected = false;
    for (const timer of Object.values(this.#timers))
      clearTimeout(timer);
    transport?.close();
    for (const { reject, timer } of this.#acks.values()) {
      clearTimeout(timer);
      reject(new Error('disconnected'));
    }
    this.#acks.clear();
    if (connected)
      this.#tell('disconnect', reason);
    else if (transport && this.#wanted)
      this.#tell('unreachable', reason);
    // The listener may have called close () or connect ().
    if (this.#wanted && !this.#transport)
      this.#timer('retry', backOff(this.#attempt++), () => this.#open());
  }
}
