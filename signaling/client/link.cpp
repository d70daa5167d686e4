// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/link.hpp"
#include "protocol/engineio.hpp"
#include <algorithm>
#include <cerrno>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace robotlive {

namespace {

// A server may promise any heartbeat; these bounds keep a wrong one from
// ending a good link at once or from hiding a dead one for hours.
constexpr unsigned kMinSilence = 500; // ms
constexpr unsigned kMaxSilence = 5 * 60 * 1000;
// libsoup's outgoing queue has no limit and no length (3.2). A server that
// takes this much without sending one packet reads nothing any more.
constexpr std::size_t kMaxUnanswered = 4u << 20;
// A server's ping carries nothing, or "probe"; what it carries is sent back.
constexpr std::size_t kMaxPingData = 32;
constexpr unsigned kFloodCheckInterval = 1000; // ms
constexpr unsigned kLinger = 1000;             // ms

// What GLib says, without the full stop that only some of it has.
std::string
cause_of (const GError *error)
{
  std::string text = error->message;
  while (!text.empty () && text.back () == '.')
    text.pop_back ();
  return text;
}

gboolean
end_linger (gpointer)
{
  return G_SOURCE_REMOVE;
}

// Keeps *connection* alive for its last frames; the source owns it, so that
// it goes with the context if that ends earlier.
void
linger (SoupWebsocketConnection *connection)
{
  GSource *source = g_timeout_source_new (kLinger);
  g_source_set_callback (
      source, end_linger, g_object_ref (connection), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
  g_source_unref (source);
}

// Bytes that were taken out of *socket* so far; 0 if unknown.
std::uint64_t
consumed_bytes (GSocket *socket)
{
  if (!socket)
    return 0;
  const int fd = g_socket_get_fd (socket);
  tcp_info info{};
  socklen_t size = sizeof info;
  int unread = 0;
  if (getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
      size < offsetof (tcp_info, tcpi_bytes_received) + 8 ||
      ioctl (fd, SIOCINQ, &unread) != 0)
    return 0;
  return info.tcpi_bytes_received - static_cast<unsigned> (unread);
}

// Whether this machine has lost the address that *socket* is connected from:
// nothing comes to it any more, and TCP waits.
bool
address_is_gone (GSocket *socket)
{
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto *any = reinterpret_cast<sockaddr *> (&address);
  if (!socket || getsockname (g_socket_get_fd (socket), any, &size) != 0)
    return false;
  if (any->sa_family == AF_INET)
    reinterpret_cast<sockaddr_in *> (any)->sin_port = 0;
  else if (any->sa_family == AF_INET6)
    reinterpret_cast<sockaddr_in6 *> (any)->sin6_port = 0;
  else
    return false;
  const int probe = ::socket (any->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0)
    return false;
  const bool gone = bind (probe, any, size) != 0 && errno == EADDRNOTAVAIL;
  ::close (probe);
  return gone;
}

} // namespace

std::shared_ptr<Link>
Link::open (const Endpoint &endpoint, GTlsDatabase *authorities,
    const Limits &limits, Handlers handlers)
{
  struct Opened : Link
  {
    Opened (const Endpoint &e, const Limits &l, Handlers h)
        : Link (e, l, std::move (h))
    {
    }
  };
  auto link = std::make_shared<Opened> (endpoint, limits, std::move (handlers));
  link->connect (authorities);
  return link;
}

Link::Link (const Endpoint &endpoint, const Limits &limits, Handlers handlers)
    : endpoint_ (endpoint), limits_ (limits), handlers_ (std::move (handlers))
{
}

Link::~Link ()
{
  close ();
}

void
Link::connect (GTlsDatabase *authorities)
{
  // A session for each attempt: nothing of a failed one lives on.
  session_.reset (
      soup_session_new_with_options ("user-agent", "gst-robotlive", nullptr));
  if (authorities)
    soup_session_set_tls_database (session_.get (), authorities);
  // permessage-deflate has no output limit in libsoup 3.2: 200 kB become
  // 200 MB whatever the maximum payload is.
  soup_session_remove_feature_by_type (
      session_.get (), SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  request_.reset (soup_message_new ("GET", endpoint_.uri.c_str ()));
  cancellable_.reset (g_cancellable_new ());

  // libsoup never returns from a TLS handshake with a port that speaks plain
  // HTTP, nor from a server that accepts and says nothing.
  std::weak_ptr<Link> weak = weak_from_this ();
  deadline_.start (limits_.connect_timeout, [weak] {
    if (const auto self = weak.lock ())
      self->fail ({"timeout",
          (self->endpoint_.secure ? "No TLS or WebSocket answer from "
                                  : "No WebSocket answer from ") +
              self->endpoint_.name + " within " +
              std::to_string (self->limits_.connect_timeout / 1000) +
              " seconds."});
  });
  if (!request_)
    return; // parse_endpoint () lets no such URI through; the deadline tells
  // A redirection would hand the token to another host.
  soup_message_set_flags (request_.get (), SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (request_.get (), "network-event",
      G_CALLBACK (&Link::on_network_event), this);
  soup_session_websocket_connect_async (session_.get (), request_.get (),
      nullptr, nullptr, G_PRIORITY_DEFAULT, cancellable_.get (),
      &Link::on_connected,
      std::make_unique<std::weak_ptr<Link>> (std::move (weak)).release ());
}

// The one public way to the socket beneath libsoup's streams.
void
Link::on_network_event (
    SoupMessage *, gint event, GIOStream *stream, gpointer data)
{
  auto *self = static_cast<Link *> (data);
  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION (stream))
    return;
  GSocket *socket =
      g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));
  self->socket_.reset (G_SOCKET (g_object_ref (socket)));
}

void
Link::on_connected (GObject *session, GAsyncResult *result, gpointer data)
{
  const std::unique_ptr<std::weak_ptr<Link>> weak (
      static_cast<std::weak_ptr<Link> *> (data));
  g_autoptr (GError) error = nullptr;
  Ref<SoupWebsocketConnection> connection (
      soup_session_websocket_connect_finish (
          SOUP_SESSION (session), result, &error));
  const auto self = weak->lock ();
  if (!self || self->ended_)
    return;
  if (connection)
    self->adopt (connection.release ());
  else
    self->fail (self->connect_failure (error));
}

void
Link::adopt (SoupWebsocketConnection *connection)
{
  connection_.reset (connection);
  // Of one frame; fragments add up without limit in libsoup 3.2
  // (CVE-2025-32049), so check_flood () bounds the sum.
  soup_websocket_connection_set_max_incoming_payload_size (
      connection, limits_.max_message);
  g_signal_connect (connection, "message", G_CALLBACK (&Link::on_frame), this);
  g_signal_connect (connection, "error", G_CALLBACK (&Link::on_error), this);
  g_signal_connect (connection, "closed", G_CALLBACK (&Link::on_end), this);
  consumed_at_message_ = consumed_bytes (socket_.get ());
  check_flood ();
}

Failure
Link::connect_failure (const GError *error) const
{
  const std::string &name = endpoint_.name;
  const unsigned status =
      request_ ? soup_message_get_status (request_.get ()) : 0;
  if (error->domain == G_RESOLVER_ERROR)
    return {
        "unknown-host", "The host name of " + name + " cannot be resolved."};
  if (error->domain == G_TLS_ERROR)
    return {"tls-failed",
        "TLS with " + name + " failed: " + cause_of (error) + "."};
  if (status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN)
    return {"unauthorized", name + " refuses the connection (HTTP " +
                                std::to_string (status) + ")."};
  if (status == SOUP_STATUS_NOT_FOUND)
    return {"not-found",
        "There is no Socket.IO server at " + name + " (HTTP 404)."};
  if (error->domain == SOUP_WEBSOCKET_ERROR && status != 0)
    return {"bad-server", name + " does not speak Engine.IO 4 over WebSocket " +
                              "(HTTP " + std::to_string (status) + ")."};
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    return {"connect-failed",
        "Nothing listens at " + name + " (connection refused)."};
  return {
      "connect-failed", name + " cannot be reached: " + cause_of (error) + "."};
}

void
Link::on_frame (
    SoupWebsocketConnection *, gint type, GBytes *message, gpointer data)
{
  const auto self = static_cast<Link *> (data)->shared_from_this ();
  if (type != SOUP_WEBSOCKET_DATA_TEXT) {
    self->fail ({"bad-message",
        self->endpoint_.name + " sent binary data, which no event has."});
    return;
  }
  self->consumed_at_message_ = consumed_bytes (self->socket_.get ());
  gsize size = 0;
  const auto *bytes =
      static_cast<const char *> (g_bytes_get_data (message, &size));
  self->handle_packet ({bytes, size});
}

void
Link::on_error (SoupWebsocketConnection *, GError *error, gpointer data)
{
  const auto self = static_cast<Link *> (data)->shared_from_this ();
  if (g_error_matches (
          error, SOUP_WEBSOCKET_ERROR, SOUP_WEBSOCKET_CLOSE_TOO_BIG))
    self->fail ({"link-lost",
        self->endpoint_.name + " sent a message that is too large."});
  else
    self->fail ({"link-lost", "The link to " + self->endpoint_.name +
                                  " broke: " + cause_of (error) + "."});
}

void
Link::on_end (SoupWebsocketConnection *, gpointer data)
{
  const auto self = static_cast<Link *> (data)->shared_from_this ();
  self->fail ({"link-lost", self->endpoint_.name + " closed the connection."});
}

void
Link::handle_packet (std::string_view text)
{
  const auto packet = engineio::decode_text (text);
  if (!packet) {
    fail ({"bad-server", endpoint_.name + " sent what is not Engine.IO."});
    return;
  }
  // Not for a ping: answering it must not make room for the next answer.
  if (packet->type != engineio::PacketType::ping)
    sent_since_packet_ = 0;
  if (silence_allowed_ == 0 && packet->type != engineio::PacketType::open) {
    fail ({"bad-server", endpoint_.name + " did not begin with a handshake."});
    return;
  }
  expect_packet ();
  switch (packet->type) {
    case engineio::PacketType::open:
      handle_open (packet->data);
      break;
    case engineio::PacketType::ping:
      if (packet->data.size () > kMaxPingData) {
        fail ({"bad-server", endpoint_.name + " sent what is not Engine.IO."});
        return;
      }
      send ("3" + std::string (packet->data));
      break;
    case engineio::PacketType::message:
      if (const auto handler = handlers_.on_message) // a copy: it may close ()
        handler (packet->data);
      break;
    case engineio::PacketType::close:
      fail ({"link-lost", endpoint_.name + " closed the connection."});
      break;
    default: // noop, and pong that nobody asked for
      break;
  }
}

void
Link::handle_open (std::string_view json)
{
  const auto handshake = engineio::decode_open (json);
  if (!handshake || silence_allowed_ != 0) {
    fail ({"bad-server",
        endpoint_.name + " sent a handshake that is not Engine.IO 4."});
    return;
  }
  const std::uint64_t promised =
      std::uint64_t{handshake->ping_interval_ms} + handshake->ping_timeout_ms;
  silence_allowed_ = static_cast<unsigned> (
      std::clamp<std::uint64_t> (promised, kMinSilence, kMaxSilence));
  expect_packet ();
  if (const auto handler = handlers_.on_open)
    handler ();
}

void
Link::send (const std::string &packet)
{
  if (ended_ || !connection_ ||
      soup_websocket_connection_get_state (connection_.get ()) !=
          SOUP_WEBSOCKET_STATE_OPEN)
    return;
  sent_since_packet_ += packet.size ();
  if (sent_since_packet_ > kMaxUnanswered) {
    fail ({"link-lost", endpoint_.name + " takes no more messages."});
    return;
  }
  soup_websocket_connection_send_text (connection_.get (), packet.c_str ());
}

// A server that was frozen or cut off is noticed by its silence alone
// (engine.io-protocol 4, "Heartbeat").
void
Link::expect_packet ()
{
  if (silence_allowed_ == 0)
    return;
  deadline_.start (silence_allowed_, [this] {
    const auto self = shared_from_this ();
    fail ({"link-lost", endpoint_.name + " has been silent for " +
                            std::to_string ((silence_allowed_ + 500) / 1000) +
                            " seconds."});
  });
}

void
Link::check_flood ()
{
  const std::uint64_t consumed = consumed_bytes (socket_.get ());
  // Twice the size and some more: frame headers and TLS records count too.
  if (consumed > consumed_at_message_ + 2 * limits_.max_message + 65536) {
    fail ({"link-lost", endpoint_.name + " sent a message that is too large."});
    return;
  }
  if (address_is_gone (socket_.get ())) {
    fail ({"link-lost", "This machine's address has changed."});
    return;
  }
  flood_check_.start (kFloodCheckInterval, [this] {
    const auto self = shared_from_this ();
    check_flood ();
  });
}

void
Link::fail (const Failure &failure)
{
  if (ended_)
    return;
  const auto self = shared_from_this ();
  const auto on_closed = std::move (handlers_.on_closed);
  close ();
  if (on_closed)
    on_closed (failure);
}

void
Link::close ()
{
  if (ended_)
    return;
  ended_ = true;
  handlers_ = {};
  deadline_.stop ();
  flood_check_.stop ();
  if (request_)
    g_signal_handlers_disconnect_by_data (request_.get (), this);
  if (cancellable_)
    g_cancellable_cancel (cancellable_.get ());
  if (!connection_)
    return;
  g_signal_handlers_disconnect_by_data (connection_.get (), this);
  if (soup_websocket_connection_get_state (connection_.get ()) ==
      SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (
        connection_.get (), SOUP_WEBSOCKET_CLOSE_NORMAL, nullptr);
  linger (connection_.get ());
  connection_.reset ();
}

} // namespace robotlive
