// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One accepted TCP connection: HTTP requests until one of them upgrades it to
// a WebSocket. It lives until it is closed. I/O thread only.
#pragma once
#include "server/net/context.hpp"
#include "server/net/http.hpp"
#include "server/net/tcpstream.hpp"
#include "server/net/websocket.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace robotlive::server::net {

class EngineSession;

class Connection : public std::enable_shared_from_this<Connection>
{
public:
  Connection (Context &context, int fd, const Address &peer,
      const std::shared_ptr<ssl_ctx_st> &tls);
  ~Connection ();

  void start ();
  // At once, without a word to the peer.
  void close ();
  // Closes if no request is being answered and no WebSocket is open.
  void close_if_idle ();

  // For the present request, once.
  void respond (HttpResponse response);
  // Keeps the request unanswered; the session hears of it if the client goes.
  void hold (std::shared_ptr<EngineSession> session);
  // 101. *session* gets what comes; null: for a connection about to be closed.
  void upgrade (
      const std::string &accept_key, std::shared_ptr<EngineSession> session);

  // WebSocket: whole frames. What the socket does not take at once is kept;
  // no more should be written while blocked ().
  void write (std::string_view bytes);
  bool blocked () const { return !unsent_.empty (); }
  std::size_t unsent () const { return unsent_.size (); }
  void set_max_message (std::size_t bytes);
  // WebSocket close frame after what is unsent. *code* 0: without a code.
  void close_websocket (std::uint16_t code);

  bool accepts_upgrade () const { return http_ && http_->wants_websocket (); }

private:
  enum class Mode : unsigned char
  {
    request,   // reading one
    answering, // the application or a session owes a response
    websocket,
    lingering, // said all; waits a moment for the peer to close
    closed,
  };

  void wait_readable ();
  void wait_writable ();
  void on_event (ev::io &watch, int events);
  void on_ready (int events);
  void on_readable ();
  void on_writable ();
  void on_bytes (char *data, std::size_t size);
  void on_peer_gone ();
  void drop ();
  void on_deadline ();

  void process_http ();
  void handle_request ();
  bool take_unnamed_proxy ();
  void call_application (HttpRequest request);
  void refuse (int status);
  bool is_preflight (const HttpRequest &request) const;
  void finish_response ();
  void linger ();

  void process_websocket (char *data, std::size_t size);

  Context &context_;
  TcpStream stream_;
  Address peer_;
  std::shared_ptr<AddressUse> use_;
  Timer timer_;
  std::string unsent_;
  std::unique_ptr<HttpReader> http_;
  std::unique_ptr<WsReader> websocket_;
  std::shared_ptr<EngineSession> session_;
  std::shared_ptr<Connection> kept_; // itself, until it is closed
  bool secure_ = false;     // the request came over TLS, here or at a proxy
  bool cors_named_ = false; // not by "*" alone
  std::string cors_origin_; // to be named in the response; empty: none
  std::uint64_t request_number_ = 0;
  std::size_t discarded_ = 0; // bytes read after the last word
  Mode mode_ = Mode::request;
  bool processing_ = false;
  bool keep_alive_ = true;
  bool head_only_ = false;
  bool peer_done_ = false; // the peer has shut down its side
  bool close_after_write_ = false;
};

} // namespace robotlive::server::net
