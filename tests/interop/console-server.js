// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A plain robot console: the official socket.io server with nothing but the
// events that signaling/PROTOCOL.md marks as (console). No bookings, no
// sessions, no peerId: offers, answers and candidates are relayed to the room
// that `to` names; every user is in a room of its own id.
//
//   node console-server.js [--port 0] [--host 127.0.0.1] [--token T]
//     [--certificate FILE --key FILE]
//
// prints `listening PORT`. With --token only that token is let in.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { parseArgs } = require('node:util');
const { Server } = require('socket.io');

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    token: { type: 'string' },
    certificate: { type: 'string' },
    key: { type: 'string' },
    'ping-interval': { type: 'string', default: '25000' },
    'ping-timeout': { type: 'string', default: '20000' },
  },
});

const answer = (request, response) => {
  if (request.url !== '/health') {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({
    status: 'healthy',
    service: 'webrtc-signaling',
    timestamp: new Date().toISOString(),
    connections: io.engine.clientsCount,
    rooms: io.sockets.adapter.rooms.size,
  }));
};
const server = options.certificate === undefined ? http.createServer(answer)
  : https.createServer({ cert: fs.readFileSync(options.certificate),
    key: fs.readFileSync(options.key) }, answer);
const io = new Server(server, {
  cors: { origin: '*' },
  pingInterval: Number(options['ping-interval']),
  pingTimeout: Number(options['ping-timeout']),
});

if (options.token !== undefined) {
  io.use((socket, next) => {
    if (socket.handshake.auth.token === options.token) {
      next();
      return;
    }
    const error = new Error('The token is not valid.');
    error.data = { code: 'unauthorized' };
    next(error);
  });
}

io.on('connection', (socket) => {
  socket.on('register', ({ userId, userType }) => {
    socket.data = { userId, userType };
    socket.join(userId);
    socket.emit('registered', { success: true, userId, userType });
    if (userType === 'robot')
      socket.broadcast.emit('robot-available', { userId });
  });

  socket.on('join-room', ({ roomId }) => {
    socket.join(roomId);
    socket.emit('joined-room', { roomId });
    socket.to(roomId).emit('user-joined', socket.data);
  });

  // What an old console relays: the named field and who sent it, no more.
  for (const [event, field] of [['offer', 'offer'], ['answer', 'answer'],
    ['ice-candidate', 'candidate']]) {
    socket.on(event, (data) => {
      socket.to(data.to).emit(event,
        { from: socket.data.userId, [field]: data[field] });
    });
  }

  socket.on('disconnecting', () => {
    for (const room of socket.rooms)
      socket.to(room).emit('user-left', socket.data);
  });
});

server.listen(Number(options.port), options.host, () => {
  process.stdout.write(`listening ${server.address().port}\n`);
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => { io.close(); process.exit(0); });
