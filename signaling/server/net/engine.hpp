// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Engine.IO endpoints: which session a request belongs to, and the errors
// of those that belong to none. I/O thread only.
#pragma once
#include "server/hub/sockets.hpp"
#include "server/net/context.hpp"
#include "server/net/enginesession.hpp"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace robotlive::server::net {

// Codes and texts are the official server's.
enum class EngineError
{
  unknown_transport = 0,
  unknown_sid = 1,
  bad_method = 2,
  bad_request = 3,
  forbidden = 4,
  unsupported_version = 5,
};

class Engine
{
public:
  explicit Engine (Context &context) : context_ (context) {}

  // "/socket.io/" serves "/socket.io" as well.
  void add_endpoint (std::string path, MessageHandler &handler);
  bool serves (std::string_view path) const;
  // The longest body of a request for a session; nothing if it is for none.
  std::optional<std::size_t> max_body (const HttpRequest &request) const;
  // Answers *request*, holds it, or upgrades the connection.
  void handle (const std::shared_ptr<Connection> &connection,
      const HttpRequest &request, const Client &client);
  static void respond_error (Connection &connection, EngineError error);

  void flush_later (std::shared_ptr<EngineSession> session);
  void remove (EngineSession &session);
  void close_all (std::string_view reason);
  std::size_t size () const { return sessions_.size (); }

private:
  MessageHandler *endpoint (std::string_view path) const;
  std::shared_ptr<EngineSession> find (
      const std::string &sid, MessageHandler &handler) const;
  void open (const std::shared_ptr<Connection> &connection,
      const HttpRequest &request, const Client &client,
      MessageHandler &handler);
  void upgrade (const std::shared_ptr<Connection> &connection,
      const HttpRequest &request,
      const std::shared_ptr<EngineSession> &session);

  struct Entry
  {
    std::shared_ptr<EngineSession> session;
    MessageHandler *handler;
  };

  Context &context_;
  std::vector<std::pair<std::string, MessageHandler *>> endpoints_;
  std::unordered_map<std::string, Entry> sessions_;
  std::vector<std::shared_ptr<EngineSession>> dirty_;
};

// 20 characters of base64url from the kernel's random source: 120 bits.
std::string random_id ();
// The open packet with the server's intervals and limits.
std::string encode_handshake (
    const ServerOptions &options, engineio::Handshake handshake);

} // namespace robotlive::server::net
