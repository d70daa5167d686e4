// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Socket.IO on top of Engine.IO sessions: which namespaces a session has
// joined, and the application's view of each as one socket. The application is
// never called from within one of its own calls. I/O thread only.
#pragma once
#include "protocol/socketio.hpp"
#include "server/hub/sockets.hpp"
#include "server/net/enginesession.hpp"

#include <unordered_map>

namespace robotlive::server::net {

class Sockets final : public MessageHandler
{
public:
  explicit Sockets (Context &context);

  void set_handler (SocketHandler &handler) { handler_ = &handler; }

  void on_open (EngineSession &session) override;
  bool on_text (EngineSession &session, std::string_view text) override;
  bool on_binary (EngineSession &session, std::string_view bytes) override;
  void on_close (EngineSession &session, std::string_view reason) override;

  // See SocketServer.
  void trust (SocketId id);
  void accept (SocketId socket);
  void reject (SocketId socket, std::string_view data);
  void emit (SocketId socket, std::shared_ptr<const std::string> payload,
      std::string_view sender);
  bool strained (SocketId socket, std::string_view sender) const;
  void ack (SocketId socket, std::uint64_t ack_id, std::string_view payload);
  void send_binary (SocketId socket, std::string_view payload,
      const std::vector<std::string_view> &attachments,
      std::optional<std::uint64_t> ack_id);
  void disconnect (SocketId socket);

private:
  struct Socket
  {
    std::shared_ptr<EngineSession> session;
    std::size_t nsp = 0; // index in the options' namespaces
    enum class State : unsigned char
    {
      connecting, // the application has not answered yet
      joined,
      leaving, // rejected or disconnected; what still comes is ignored
    } state = State::connecting;
  };
  struct Data;

  static Data &data (EngineSession &session);
  std::optional<std::size_t> find_namespace (std::string_view nsp) const;
  bool on_connect (EngineSession &session, const socketio::Packet &packet);
  bool on_leave (EngineSession &session, SocketId id);
  void dispatch (SocketId id, socketio::Packet &packet,
      std::vector<std::string_view> attachments);
  Socket *find (SocketId id, Socket::State state);
  void remove (SocketId id, std::string_view reason);
  void close_later (Socket &socket, std::string_view reason);

  Context &context_;
  SocketHandler *handler_ = nullptr;
  std::unordered_map<SocketId, Socket> sockets_;
  std::vector<std::string> event_heads_; // "42", "42/custom,"
  SocketId last_id_ = 0;
};

// The other handler: each message comes back as it was.
class Echo final : public MessageHandler
{
public:
  void on_open (EngineSession &) override {}
  bool on_text (EngineSession &session, std::string_view text) override;
  bool on_binary (EngineSession &session, std::string_view bytes) override;
  void on_close (EngineSession &, std::string_view) override {}
};

} // namespace robotlive::server::net
