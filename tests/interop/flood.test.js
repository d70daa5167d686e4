// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A viewer that sends more than a robot's link carries.
'use strict';
const { after, before, describe, it } = require('node:test');
const assert = require('node:assert/strict');
const { io } = require('socket.io-client');
const { Signaling, Peer, until, offer } = require('./signaling-process.js');

describe('a robot on a slow link', () => {
  const server = new Signaling();
  let robotToken, user;

  before(async () => {
    server.cli(['user', 'add', 'own@example.org'], 'correct horse');
    robotToken = server.cli(['robot', 'add', 'robot_1']);
    server.cli(['booking', 'add', '--user', 'own@example.org', '--robot', 'robot_1',
      '--start', 'now', '--duration', '1h']);
    await server.start();
    user = await server.login('own@example.org', 'correct horse');
  });
  after(() => server.close());

  it('stays, and who floods it is refused and then cut', async () => {
    const join = async (token, userId, userType) => {
      const peer = new Peer(io, server.url, { token, transports: ['websocket'] });
      await peer.register(userId, userType);
      return peer;
    };
    const robot = await join(robotToken, 'robot_1', 'robot');
    const viewer = await join(user.access_token, '1', 'viewer');
    // It reads no more; the kernel takes some megabytes all the same.
    const socket = robot.socket.io.engine.transport.ws._socket;
    socket.pause();
    const sdp = `v=0\r\n${'a=x:'.padEnd(60000, 'y')}\r\n`;
    const flood = setInterval(() => viewer.socket.emit('offer',
      { to: 'robot_1', offer: { type: 'offer', sdp }, peerId: undefined }), 12);
    try {
      await until('the refusal', () => viewer.got('error').some(({ code }) => code === 'busy'), 60);
      await until('the end of the flood', () => viewer.got('disconnect').length > 0, 60);
    } finally {
      clearInterval(flood);
    }
    socket.resume();
    // The robot's link has not broken, and others are served.
    const next = await join(user.access_token, '1', 'viewer');
    await until('an answer to an offer', async () =>
      (await next.ask('offer', offer('robot_1'))).ok === true, 60);
    assert.equal(robot.socket.connected, true);
    assert.doesNotMatch(server.output, /does not read/);
    next.close();
    robot.close();
  });
});
