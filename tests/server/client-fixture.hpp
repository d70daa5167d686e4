// SPDX-License-Identifier: LGPL-2.1-or-later
//
// For the tests of the Socket.IO client: a listener that records, and a server
// that runs in the same GMainContext and says exactly what a test wants.
#pragma once
#include "client/socketioclient.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <libsoup/soup.h>

namespace robotlive {

inline constexpr const char *kOpen =
    R"(0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,)"
    R"("maxPayload":1000000})";
inline constexpr const char *kConnected = R"(40{"sid":"x"})";
inline constexpr const char *kRegistered =
    R"(42["registered",{"success":true,"userId":"r","userType":"robot"}])";
inline constexpr const char *kSecret = "head.secret.signature";

// Runs the thread-default context until *condition*, or a generous deadline.
template <typename Condition>
bool
wait_for (Condition condition, int seconds = 20)
{
  const gint64 end = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;
  // Wakes the loop so that the deadline is seen.
  GSource *tick = g_timeout_source_new (20);
  g_source_set_callback (
      tick, [] (gpointer) -> gboolean { return TRUE; }, nullptr, nullptr);
  g_source_attach (tick, nullptr);
  while (!condition () && g_get_monotonic_time () < end)
    g_main_context_iteration (nullptr, TRUE);
  g_source_destroy (tick);
  g_source_unref (tick);
  return condition ();
}

struct Error
{
  std::string code;
  std::string message;
  bool fatal;
};

class Listener : public SignallerListener
{
public:
  std::vector<LinkState> states;
  std::vector<Error> errors;
  std::vector<std::string> offers; // peer ids
  std::vector<std::string> leaves;
  std::vector<IceServer> servers;
  int registrations = 0;
  std::function<void ()> on_any_error;
  std::vector<std::string> serves;  // peer ids
  std::vector<std::string> running; // of the last on_sessions ()
  std::vector<std::pair<std::string, std::string>> ended; // peer, reason
  int lists = 0;

  bool reached (LinkState state) const
  {
    return std::find (states.begin (), states.end (), state) != states.end ();
  }
  long count (LinkState state) const
  {
    return std::count (states.begin (), states.end (), state);
  }
  bool told (const std::string &code) const
  {
    return std::any_of (errors.begin (), errors.end (),
        [&] (const Error &e) { return e.code == code; });
  }

  void on_link_state (LinkState state) override { states.push_back (state); }
  void on_registered (
      const std::vector<IceServer> &ice, std::optional<TimeMs>) override
  {
    servers = ice;
    registrations++;
  }
  std::vector<std::string> serving () const override { return serves; }
  void on_sessions (const std::vector<RunningSession> &sessions,
      const std::vector<EndedPeer> &gone) override
  {
    lists++;
    running.clear ();
    for (const auto &session : sessions)
      running.push_back (session.peer_id + " until " +
                         std::to_string (session.terms->expires_at));
    for (const auto &peer : gone)
      ended.emplace_back (peer.peer_id, peer.reason);
  }
  void on_offer (const std::string &, const std::string &peer_id,
      const std::string &, const std::optional<SessionTerms> &) override
  {
    offers.push_back (peer_id);
  }
  void on_candidate (
      const std::string &, const std::string &, const IceCandidate &) override
  {
  }
  void on_leave (const std::string &peer_id, const std::string &) override
  {
    leaves.push_back (peer_id);
  }
  void on_session_updated (const std::string &, const SessionTerms &) override
  {
  }
  void on_session_ended (
      const std::string &peer_id, const std::string &reason) override
  {
    ended.emplace_back (peer_id, reason);
  }
  void on_error (
      const std::string &code, const std::string &message, bool fatal) override
  {
    errors.push_back ({code, message, fatal});
    if (on_any_error)
      on_any_error ();
  }
};

inline SocketIoClientOptions
options_for (const std::string &url)
{
  SocketIoClientOptions options;
  options.url = url;
  options.robot_id = "r";
  options.token = [] (std::string *) { return std::string (kSecret); };
  options.connect_timeout = 20000; // a slow machine must not time out
  options.register_timeout = 20000;
  options.backoff_min = 20;
  options.backoff_max = 100;
  options.max_message = 10000;
  return options;
}

inline std::string
local_url (unsigned port, const char *scheme = "ws")
{
  return std::string (scheme) + "://127.0.0.1:" + std::to_string (port);
}

inline unsigned
port_of (GSocketListener *listener)
{
  return g_socket_listener_add_any_inet_port (listener, nullptr, nullptr);
}

// Answers each WebSocket with *greeting*; by default it then acts as a good
// server up to "registered" and records what the client says.
class Server
{
public:
  explicit Server (int http_status = 0, GTlsCertificate *certificate = nullptr)
      : http_status_ (http_status), tls_ (certificate != nullptr)
  {
    server_ = soup_server_new ("tls-certificate", certificate, nullptr);
    soup_server_remove_websocket_extension (
        server_, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
    if (http_status_)
      soup_server_add_early_handler (
          server_, nullptr, &Server::on_request, this, nullptr);
    else
      soup_server_add_websocket_handler (server_, "/socket.io/", nullptr,
          nullptr, &Server::on_websocket, this, nullptr);
    const int flags = SOUP_SERVER_LISTEN_IPV4_ONLY |
                      (certificate ? SOUP_SERVER_LISTEN_HTTPS : 0);
    EXPECT_TRUE (soup_server_listen_local (
        server_, 0, static_cast<SoupServerListenOptions> (flags), nullptr));
    GSList *uris = soup_server_get_uris (server_);
    port = static_cast<unsigned> (
        g_uri_get_port (static_cast<GUri *> (uris->data)));
    g_slist_free_full (
        uris, [] (gpointer uri) { g_uri_unref (static_cast<GUri *> (uri)); });
  }
  ~Server ()
  {
    drop ();
    if (tls_) {
      // libsoup 3.6 uses a connection after its end when the server is taken
      // down during that connection's handshake, and tells nobody of the
      // handshake: such a server stays until the process ends.
      static std::vector<SoupServer *> kept;
      soup_server_remove_handler (server_, "/socket.io/");
      kept.push_back (server_);
      return;
    }
    soup_server_disconnect (server_);
    g_object_unref (server_);
  }
  Server (const Server &) = delete;
  Server &operator= (const Server &) = delete;

  std::string url () const { return local_url (port); }
  void send (const std::string &text)
  {
    ASSERT_NE (connection_, nullptr);
    soup_websocket_connection_send_text (connection_, text.c_str ());
  }
  void send_binary (std::size_t size)
  {
    ASSERT_NE (connection_, nullptr);
    const std::string bytes (size, 'x');
    soup_websocket_connection_send_binary (connection_, bytes.data (), size);
  }
  // Bytes beneath libsoup's framing.
  bool send_raw (const std::string &bytes)
  {
    if (!connection_)
      return false;
    return g_output_stream_write_all (
        g_io_stream_get_output_stream (
            soup_websocket_connection_get_io_stream (connection_)),
        bytes.data (), bytes.size (), nullptr, nullptr, nullptr);
  }
  void drop ()
  {
    if (!connection_)
      return;
    g_signal_handlers_disconnect_by_data (connection_, this);
    g_clear_object (&connection_);
  }

  std::vector<std::string> greeting = {kOpen};
  std::string registered = kRegistered; // the answer to "register"
  bool behave = true;
  std::vector<std::string> received;
  int connections = 0;
  int closed = 0;
  unsigned port = 0;

  bool got (const std::string &prefix) const
  {
    return std::any_of (
        received.begin (), received.end (), [&] (const std::string &text) {
          return text.compare (0, prefix.size (), prefix) == 0;
        });
  }

private:
  static void on_request (SoupServer *, SoupServerMessage *message,
      const char *, GHashTable *, gpointer data)
  {
    auto *self = static_cast<Server *> (data);
    self->connections++;
    if (self->http_status_ / 100 == 3)
      soup_message_headers_append (
          soup_server_message_get_response_headers (message), "Location",
          self->redirect.c_str ());
    soup_server_message_set_status (
        message, static_cast<guint> (self->http_status_), nullptr);
  }

  static void on_websocket (SoupServer *, SoupServerMessage *, const char *,
      SoupWebsocketConnection *connection, gpointer data)
  {
    auto *self = static_cast<Server *> (data);
    self->drop ();
    self->connections++;
    self->connection_ = SOUP_WEBSOCKET_CONNECTION (g_object_ref (connection));
    g_signal_connect (
        connection, "message", G_CALLBACK (&Server::on_message), self);
    g_signal_connect (
        connection, "closed", G_CALLBACK (&Server::on_closed), self);
    for (const std::string &text : self->greeting)
      soup_websocket_connection_send_text (connection, text.c_str ());
  }

  static void on_message (
      SoupWebsocketConnection *connection, gint, GBytes *bytes, gpointer data)
  {
    auto *self = static_cast<Server *> (data);
    gsize size = 0;
    const auto *text =
        static_cast<const char *> (g_bytes_get_data (bytes, &size));
    self->received.emplace_back (text, size);
    if (!self->behave)
      return;
    if (self->received.back ().compare (0, 2, "40") == 0)
      soup_websocket_connection_send_text (connection, kConnected);
    else if (self->received.back ().compare (0, 13, "42[\"register\"") == 0)
      soup_websocket_connection_send_text (
          connection, self->registered.c_str ());
  }

  static void on_closed (SoupWebsocketConnection *, gpointer data)
  {
    static_cast<Server *> (data)->closed++;
  }

public:
  std::string redirect;

private:
  int http_status_;
  bool tls_;
  SoupServer *server_ = nullptr;
  SoupWebsocketConnection *connection_ = nullptr;
};

} // namespace robotlive
