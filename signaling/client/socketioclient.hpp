// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Socket.IO 5 / Engine.IO 4 client of a robot: the real Signaller, on
// libsoup 3, WebSocket transport only (signaling/PROTOCOL.md). It connects,
// registers, joins its rooms, answers the heartbeat, and reconnects for ever.
//
// Thread: the GMainContext that was the thread-default when start () was
// called; every method and every call of the listener happens there.
#pragma once
#include "client/signaller.hpp"
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace robotlive {

struct SocketIoClientOptions
{
  // http://, https://, ws:// or wss://, host and optional port. Without a path
  // "/socket.io/" is used; a path other than "/" is taken as the endpoint's.
  std::string url;
  std::string robot_id;
  std::string robot_type; // may be empty; told to the server in register
  // Rooms joined after registering, for servers that relay to rooms.
  std::vector<std::string> rooms;
  // Asked before each attempt to connect, so that a renewed token file is
  // taken up. Returns the JWT, "" for none; on failure returns "" and sets
  // *error* to one sentence without the token. Called on a thread that nobody
  // waits for, never twice at a time.
  std::function<std::string (std::string *error)> token;
  // PEM file of certificate authorities to trust instead of the system's.
  std::string tls_ca_file;

  // Times in ms.
  unsigned connect_timeout = 10000;  // TCP, TLS and the WebSocket handshake
  unsigned register_timeout = 10000; // from there to "registered"
  unsigned backoff_min = 1000;       // first wait; doubled for each failure
  unsigned backoff_max = 30000;      // each wait is times 0.5 to 1.5
  unsigned stable_after = 10000;     // registered this long resets the wait
  // Another process of this robot has its place: the first wait, if the server
  // names none, and the longest, in which it is doubled; each is times 1
  // to 1.5.
  unsigned replaced_first = 120000;
  unsigned replaced_longest = 600000;
  std::size_t max_message = 1 << 20; // bytes; a larger one ends the connection
};

// Codes given to SignallerListener::on_error () besides those that the server
// sends in *error* events (PROTOCOL.md). The message is one English sentence
// that names the server's host and port, never a token, user or password.
//
// | code              | cause                                       | fatal |
// | ----------------- | ------------------------------------------- | ----- |
// | bad-configuration | URL, robot id or CA file cannot be used     | yes   |
// | unknown-host      | the host name does not resolve              | no    |
// | connect-failed    | refused, reset, no route                    | no    |
// | timeout           | no answer within the deadline, of a file of | no    |
// |                   | ours as well, which is waited for           |       |
// | tls-failed        | certificate not trusted, or no TLS there    | no    |
// | not-found         | HTTP 404: no Socket.IO endpoint there       | no    |
// | unauthorized      | 401, 403, or the token is refused; retried  | no    |
// |                   | at backoff_max, with the token read again   |       |
// | bad-server        | another HTTP status, or not Engine.IO 4     | no    |
// | replaced          | another process of this robot has its place | no    |
// | link-lost         | closed, or silent past its heartbeat        | no    |
// | bad-message       | a message that cannot be understood         | no    |
//
// A cause is told once until the link has been registered for *stable_after*.
//
// Answers, candidates and leaves that are sent while the link is down wait for
// the next registration, 64 of them and 10 s at most: a short drop does not
// lose a negotiation, and a stale one is not revived.
//
// "register" names the peers that the listener serves; the server's list of
// those that may go on comes to on_sessions (). A server that sends such a list
// hears of each session that it has ended (session-ended, or left out of the
// list) by *leave*, once the listener is done with it.
//
// "replaced" is told once for each other process. Who still serves viewers then
// stays, or comes back, for them alone; who serves none stays away for minutes.
//
// The client must not be destroyed inside a call of its listener; stop () may
// be called there.
std::unique_ptr<Signaller> make_socketio_client (SocketIoClientOptions options);

} // namespace robotlive
