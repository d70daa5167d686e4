// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport/turntls.hpp"
#include "base/glibptr.hpp"
#include "base/tlsfile.hpp"
#include <gst/gst.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

constexpr unsigned kConnectTimeout = 10; // s
constexpr unsigned kTurnsPort = 5349;    // RFC 7065 section 3.2
constexpr char kScheme[] = "turns://";

// libnice asks a relay from each local address of the relay's family only.
bool
has_ipv4 ()
{
  ifaddrs *all = nullptr;
  if (getifaddrs (&all) != 0)
    return true;
  bool found = false;
  for (const ifaddrs *one = all; one && !found; one = one->ifa_next)
    found = one->ifa_addr && one->ifa_addr->sa_family == AF_INET &&
            !(one->ifa_flags & IFF_LOOPBACK);
  freeifaddrs (all);
  return found;
}

void
no_delay (GSocketConnection *connection)
{
  GSocket *socket = g_socket_connection_get_socket (connection);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, TRUE, nullptr);
  g_socket_set_timeout (socket, 0);
}

// Without file descriptors each attempt fails at once.
constexpr unsigned kAcceptAgain = 200; // ms

} // namespace

// One that listens, for one TURN server. On the loop's thread but for the
// constructor.
struct TurnTls::Port
{
  std::string server; // "host:port"
  std::string ca_file;
  bool six = false;
  guint16 number = 0;
  GPtr<GSocketListener> listener{g_socket_listener_new ()};
  GPtr<GCancellable> cancellable{g_cancellable_new ()};
  std::shared_ptr<std::atomic<unsigned>> open;
  EventLoop *loop = nullptr;
  Timer again;
  bool warned = false; // since the last that was accepted

  bool listen (std::string *error)
  {
    six = !has_ipv4 ();
    g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (
        six ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4);
    g_autoptr (GSocketAddress) wanted = g_inet_socket_address_new (loopback, 0);
    g_autoptr (GSocketAddress) given = nullptr;
    g_autoptr (GError) failure = nullptr;
    if (!g_socket_listener_add_address (listener.get (), wanted,
            G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr, &given,
            &failure)) {
      *error = failure->message;
      return false;
    }
    number = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (given));
    return true;
  }

  void accept ()
  {
    g_socket_listener_accept_async (
        listener.get (), cancellable.get (), on_accepted, this);
  }

  void close ()
  {
    g_cancellable_cancel (cancellable.get ());
    g_socket_listener_close (listener.get ());
    again.cancel ();
  }

  static void on_accepted (GObject *source, GAsyncResult *result, gpointer data)
  {
    g_autoptr (GError) error = nullptr;
    g_autoptr (GSocketConnection) local = g_socket_listener_accept_finish (
        G_SOCKET_LISTENER (source), result, nullptr, &error);
    if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
        g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
      return; // *data* may be gone
    auto *self = static_cast<Port *> (data);
    if (!local) {
      if (!self->warned)
        GST_WARNING ("TURN over TLS: %s", error->message);
      self->warned = true;
      self->again =
          self->loop->after (kAcceptAgain, [self] () { self->accept (); });
      return;
    }
    self->warned = false;
    self->carry (local);
    self->accept ();
  }

  struct Pair
  {
    GPtr<GSocketConnection> local;
    GPtr<GCancellable> cancellable;
    std::string server;
    std::shared_ptr<std::atomic<unsigned>> open;
    Pair (GPtr<GSocketConnection> l, GPtr<GCancellable> c, std::string s,
        std::shared_ptr<std::atomic<unsigned>> o)
        : local (std::move (l)), cancellable (std::move (c)),
          server (std::move (s)), open (std::move (o))
    {
      ++*open;
    }
    ~Pair () { --*open; }
  };

  void carry (GSocketConnection *local)
  {
    no_delay (local);
    g_autoptr (GSocketClient) client = g_socket_client_new ();
    g_socket_client_set_tls (client, TRUE);
    g_socket_client_set_enable_proxy (client, FALSE);
    g_socket_client_set_timeout (client, kConnectTimeout);
    if (!ca_file.empty ())
      g_signal_connect_data (
          client, "event", G_CALLBACK (on_event), new std::string (ca_file),
          [] (gpointer text, GClosure *) {
            delete static_cast<std::string *> (text);
          },
          static_cast<GConnectFlags> (0));
    g_socket_client_connect_to_host_async (client, server.c_str (), kTurnsPort,
        cancellable.get (), on_connected,
        new Pair (share (local), share (cancellable.get ()), server, open));
  }

  static void on_event (GSocketClient *, GSocketClientEvent event,
      GSocketConnectable *, GIOStream *stream, std::string *ca_file)
  {
    if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING)
      return;
    g_autoptr (GError) error = nullptr;
    g_autoptr (GTlsDatabase) trusted =
        ca_database_new (ca_file->c_str (), &error);
    // Without it nothing is trusted, as it should be.
    g_tls_connection_set_database (G_TLS_CONNECTION (stream), trusted);
    if (!trusted)
      GST_WARNING ("%s: %s", ca_file->c_str (), error->message);
  }

  static void on_connected (
      GObject *client, GAsyncResult *result, gpointer data)
  {
    std::unique_ptr<Pair> pair (static_cast<Pair *> (data));
    g_autoptr (GError) error = nullptr;
    g_autoptr (GSocketConnection) remote =
        g_socket_client_connect_to_host_finish (
            G_SOCKET_CLIENT (client), result, &error);
    if (!remote) {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        GST_WARNING ("TURN server %s cannot be reached by TLS: %s",
            pair->server.c_str (), error->message);
      g_io_stream_close (G_IO_STREAM (pair->local.get ()), nullptr, nullptr);
      return;
    }
    no_delay (remote);
    g_io_stream_splice_async (G_IO_STREAM (pair->local.get ()),
        G_IO_STREAM (remote),
        static_cast<GIOStreamSpliceFlags> (G_IO_STREAM_SPLICE_CLOSE_STREAM1 |
                                           G_IO_STREAM_SPLICE_CLOSE_STREAM2),
        G_PRIORITY_DEFAULT, pair->cancellable.get (), on_done, pair.get ());
    pair.release ();
  }

  static void on_done (GObject *, GAsyncResult *result, gpointer data)
  {
    const std::unique_ptr<Pair> pair (static_cast<Pair *> (data));
    g_autoptr (GError) error = nullptr;
    g_io_stream_splice_finish (result, &error);
    GST_DEBUG ("a TLS connection to a TURN server ended: %s",
        error ? error->message : "closed");
  }
};

TurnTls::TurnTls (std::string ca_file) : ca_file_ (std::move (ca_file)) {}

TurnTls::~TurnTls ()
{
  loop_.run ([this] () {
    for (auto &[server, port] : ports_)
      port->close ();
  });
  // What that cancels closes its sockets on the loop's thread.
  for (int i = 0; i < 200 && *open_ > 0; i++)
    g_usleep (5000);
  loop_.run ([] () {});
}

std::string
TurnTls::local_uri (const std::string &uri, std::string *error)
{
  if (uri.rfind (kScheme, 0) != 0)
    return uri;
  const auto at = uri.rfind ('@');
  const auto host = at == std::string::npos ? sizeof kScheme - 1 : at + 1;
  const auto server = uri.substr (host, uri.find_first_of ("?/", host) - host);
  auto &port = ports_[server];
  if (!port) {
    auto made = std::make_unique<Port> ();
    made->server = server;
    made->ca_file = ca_file_;
    made->open = open_;
    made->loop = &loop_;
    if (!made->listen (error)) {
      ports_.erase (server);
      return "";
    }
    port = std::move (made);
    loop_.post ([target = port.get ()] () { target->accept (); });
  }
  return "turn://" +
         uri.substr (sizeof kScheme - 1, host - sizeof kScheme + 1) +
         (port->six ? "[::1]:" : "127.0.0.1:") + std::to_string (port->number) +
         "?transport=tcp";
}

} // namespace robotlive
