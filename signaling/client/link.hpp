// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Link: one Engine.IO 4 connection over a WebSocket (engine.io-protocol 4),
// from the TCP connect to its end; never reused. It answers the heartbeat and
// ends itself when the server is silent for longer than it promised.
#pragma once
#include "client/endpoint.hpp"
#include "client/timeout.hpp"
#include <cstdint>
#include <functional>
#include <gio/gio.h>
#include <libsoup/soup.h>
#include <memory>
#include <string>
#include <string_view>

namespace robotlive {

// Why a link ended: a code of socketioclient.hpp and a sentence.
struct Failure
{
  std::string code;
  std::string message;
};

class Link : public std::enable_shared_from_this<Link>
{
public:
  struct Limits
  {
    unsigned connect_timeout = 0; // ms, until the server's open packet
    std::size_t max_message = 0;  // bytes
  };
  // Called on the context of open (); none after on_closed or close ().
  struct Handlers
  {
    std::function<void ()> on_open;
    std::function<void (std::string_view)> on_message; // a Socket.IO packet
    std::function<void (const Failure &)> on_closed;
  };

  static std::shared_ptr<Link> open (const Endpoint &endpoint,
      GTlsDatabase *authorities, const Limits &limits, Handlers handlers);
  ~Link ();

  // Queues an Engine.IO packet, type character included.
  void send (const std::string &packet);
  // What was queued is still sent, within a second, if the context runs.
  void close ();

private:
  template <typename T> struct Unref
  {
    void operator() (T *object) const { g_object_unref (object); }
  };
  template <typename T> using Ref = std::unique_ptr<T, Unref<T>>;

  Link (const Endpoint &endpoint, const Limits &limits, Handlers handlers);
  void connect (GTlsDatabase *authorities);
  static void on_network_event (
      SoupMessage *request, gint event, GIOStream *stream, gpointer data);
  static void on_connected (
      GObject *session, GAsyncResult *result, gpointer data);
  void adopt (SoupWebsocketConnection *connection);
  Failure connect_failure (const GError *error) const;

  static void on_frame (SoupWebsocketConnection *connection, gint type,
      GBytes *message, gpointer data);
  static void on_error (
      SoupWebsocketConnection *connection, GError *error, gpointer data);
  static void on_end (SoupWebsocketConnection *connection, gpointer data);
  void handle_packet (std::string_view packet);
  void handle_open (std::string_view handshake);

  void expect_packet ();
  void check_flood ();
  void fail (const Failure &failure);

  const Endpoint endpoint_;
  const Limits limits_;
  Handlers handlers_;
  Ref<SoupSession> session_;
  Ref<SoupMessage> request_;
  Ref<GCancellable> cancellable_;
  Ref<GSocket> socket_;
  Ref<SoupWebsocketConnection> connection_;
  Timeout deadline_; // connecting: of the handshake; open: of the next packet
  Timeout flood_check_;
  unsigned silence_allowed_ = 0; // ms; 0 until the open packet
  std::uint64_t consumed_at_message_ = 0;
  std::size_t sent_since_packet_ = 0;
  bool ended_ = false;
};

} // namespace robotlive
