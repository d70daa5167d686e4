// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the application (Hub, HTTP API) sees of the network. Neither libev nor
// sockets show here: what is in net/ owns those, the application
// is tested with fakes. Everything is called on the one I/O thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simdjson::dom {
class element;
}

namespace robotlive::server {

// One Socket.IO connection in namespace "/". Never reused in one process.
using SocketId = std::uint64_t;

struct HandshakeInfo
{
  std::string address; // the client's, after --trusted-proxy was honoured
  std::string origin;
  std::string bearer; // of an Authorization header, without "Bearer "
  std::string nsp = "/";
  bool secure = false;
};

// A Socket.IO event, split and validated but not rebuilt: the views point into
// the packet and live for the call only.
struct Event
{
  std::string_view name;
  // JSON text of each argument after the name, validated (UTF-8, depth).
  std::vector<std::string_view> arguments;
  // The first of them as the parser has it; null: there is none, or nobody has
  // parsed it. For the call only.
  const simdjson::dom::element *first = nullptr;
  std::optional<std::uint64_t> ack_id;
  bool binary = false; // had attachments: no event of ours wants any
  std::vector<std::string_view> attachments;
};

// What the application gives to the transport.
class SocketHandler
{
public:
  virtual ~SocketHandler () = default;
  // CONNECT of namespace "/". *auth* is its JSON payload or empty. The answer
  // is SocketServer::accept () or reject (), now or later.
  virtual void on_connect (
      SocketId socket, const HandshakeInfo &info, std::string_view auth) = 0;
  virtual void on_event (SocketId socket, const Event &event) = 0;
  // Only for sockets that on_connect () was called for; exactly once each.
  virtual void on_disconnect (SocketId socket, std::string_view reason) = 0;
};

// What the transport gives to the application. Unknown ids are ignored: the
// socket may have gone a moment ago.
class SocketServer
{
public:
  virtual ~SocketServer () = default;
  virtual void accept (SocketId socket) = 0;
  // Its identity is known: from now on it may send large packets.
  virtual void trust (SocketId socket) = 0;
  // CONNECT_ERROR with *data* = {"message":…,"data":{"code":…}}, then closed.
  virtual void reject (SocketId socket, std::string_view data) = 0;
  // *payload*: the JSON array ["event", …]. One buffer may go to many sockets.
  // *sender*: the account that caused it; empty: the server itself.
  virtual void emit (SocketId socket,
      std::shared_ptr<const std::string> payload, std::string_view sender) = 0;
  // So much waits for it, or so much of *sender*'s, that what *sender* sends it
  // is to be refused: a socket for which more waits than may is disconnected.
  virtual bool strained (SocketId, std::string_view /*sender*/) const
  {
    return false;
  }
  // *payload*: the JSON array of arguments.
  virtual void ack (
      SocketId socket, std::uint64_t ack_id, std::string_view payload) = 0;
  // Queued packets are sent first; Socket.IO DISCONNECT, then closed.
  virtual void disconnect (SocketId socket) = 0;
  virtual std::size_t connections () const = 0;
};

struct HttpRequest
{
  std::string method;
  std::string path;     // percent-decoded, without the query
  std::string raw_path; // as it came
  std::string query;    // raw, without "?"
  std::vector<std::pair<std::string, std::string>> headers; // lower-case names
  std::string body;                                         // 64 KiB at most
  std::string address;
  bool secure = false;
  bool local = false; // a program on this machine, without a proxy between

  std::string_view header (std::string_view name) const;
};

struct HttpResponse
{
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// Called for each request that is not the Socket.IO endpoint. *reply* is
// called once, on the I/O thread, now or later; after the client has gone it
// does nothing.
class HttpHandler
{
public:
  virtual ~HttpHandler () = default;
  virtual void on_request (
      const HttpRequest &request, std::function<void (HttpResponse)> reply) = 0;
};

} // namespace robotlive::server
