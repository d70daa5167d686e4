// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One Engine.IO session: its transport, heartbeat and outgoing queue. I/O
// thread only.
#pragma once
#include "protocol/engineio.hpp"
#include "server/net/context.hpp"
#include "server/net/queueshares.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::server::net {

class Connection;
class Engine;
class EngineSession;

// What a layer above keeps for a session.
struct EngineSessionData
{
  virtual ~EngineSessionData () = default;
};

// What is spoken inside Engine.IO messages: Socket.IO, or the echo of the
// protocol's test suite.
class MessageHandler
{
public:
  virtual ~MessageHandler () = default;
  virtual void on_open (EngineSession &session) = 0;
  // *text* without its "4". False: the session is closed, "parse error".
  virtual bool on_text (EngineSession &session, std::string_view text) = 0;
  virtual bool on_binary (EngineSession &session, std::string_view bytes) = 0;
  // Nothing can be sent any more.
  virtual void on_close (EngineSession &session, std::string_view reason) = 0;
};

// One packet to send: *head* (with the packet type) and then *body*, which many
// sessions may share. Binary: *body* alone.
struct OutPacket
{
  std::string head;
  std::shared_ptr<const std::string> body;
  bool binary = false;

  std::size_t size () const
  {
    return head.size () + (body ? body->size () : 0);
  }
};

class EngineSession : public std::enable_shared_from_this<EngineSession>
{
public:
  EngineSession (Context &context, MessageHandler &handler, HandshakeInfo info,
      const Client &client);
  ~EngineSession ();

  // Begins with the answer to the handshake request on *connection*.
  void open_polling (Connection &connection);
  void open_websocket (const std::shared_ptr<Connection> &connection);

  const std::string &sid () const { return sid_; }
  const HandshakeInfo &info () const { return info_; }
  bool is_open () const { return state_ == State::open; }
  bool on_polling () const { return !websocket_; }
  // Whether a second WebSocket for it is one too many.
  bool has_websocket () const { return websocket_ || probe_; }
  // A deadline that has passed counts, whether or not its timer has run.
  bool expired (Clock::time_point now) const;
  void expire ();

  // From requests of the long-polling transport.
  void poll (Connection &connection);
  void post (Connection &connection, std::string_view body);
  // A WebSocket for a session on polling: it will probe, then upgrade.
  void probe (const std::shared_ptr<Connection> &connection);

  // From the session's connections.
  void on_text (Connection &connection, std::string_view text);
  void on_binary (Connection &connection, std::string_view bytes);
  void on_connection_gone (Connection &connection);

  // Queued; leaves at the end of the present turn of the event loop.
  // *sender*: whom it counts for while it waits; empty: the server.
  void send (OutPacket packet, std::string_view sender = {});
  void flush ();
  // See SocketServer.
  bool strained (std::string_view sender);
  // Ends it after what is queued. Says "close" to a polling client. *reason*
  // is what socket.io calls it: "ping timeout", "transport close", …
  void close (std::string_view reason);
  // False: over the limit; the session has been closed.
  bool take_message_token ();

  // Bytes of one packet from the client.
  std::size_t max_payload () const { return max_payload_; }
  void set_max_payload (std::size_t bytes);

  // The handler's deadline: without cancel () the session ends then.
  void require_connect (Clock::time_point deadline);
  void cancel_connect_deadline ();

  std::unique_ptr<EngineSessionData> data;

private:
  enum class State : unsigned char
  {
    open,
    closing, // closed above; a polling client has yet to fetch the rest
    closed,
  };

  bool on_packet (
      engineio::PacketType type, bool binary, std::string_view payload);
  void end (std::string_view reason, engineio::PacketType poll_answer,
      bool fetch_later = false);
  void finish ();
  void complete_upgrade ();
  void drop_probe ();
  void answer_poll (std::string body);
  std::string take_poll_body ();
  void flush_websocket (bool all);
  void check_queue ();
  void arm ();
  void on_deadline ();

  Context &context_;
  MessageHandler &handler_;
  std::string sid_;
  HandshakeInfo info_;
  std::shared_ptr<AddressUse> use_;
  TokenBucket messages_;
  Timer timer_;
  std::vector<OutPacket> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0; // that were queued since the beginning
  QueueShares shares_;           // of what waits, once that is much
  std::size_t waiting_bytes () const;
  bool fills (std::size_t part, std::size_t parts) const;
  void drain_shares ();
  std::size_t max_payload_;
  std::shared_ptr<Connection> websocket_; // the transport, once upgraded
  std::shared_ptr<Connection> probe_;
  std::shared_ptr<Connection> poll_; // an unanswered GET
  // The next ping, or the end if its pong does not come.
  Clock::time_point heartbeat_;
  Clock::time_point connect_deadline_ = Clock::time_point::max ();
  Clock::time_point probe_deadline_ = Clock::time_point::max ();
  State state_ = State::open;
  bool pong_due_ = false;
  bool pong_extended_ = false;
  bool upgrading_ = false;   // the probe was answered
  std::string close_reason_; // closed during the upgrade: done after it
  bool dirty_ = false;       // to be flushed this turn
  bool overflowed_ = false;  // about to be cut off as a slow reader
  bool count_address_;       // limits per address apply
};

} // namespace robotlive::server::net
