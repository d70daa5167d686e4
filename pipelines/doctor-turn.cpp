// SPDX-License-Identifier: LGPL-2.1-or-later
//
// STUN and TURN servers, asked as a peer would ask them: the wrong password, a
// relay range that is closed to the server itself and a wrong certificate are
// not seen by looking whether a port answers.
#include "doctor.hpp"
#include <cstring>
#include <gio/gio.h>
#include <map>
#include <random>

namespace robotlive::robot {

IceUri
parse_ice_uri (const std::string &uri)
{
  IceUri parsed;
  size_t colon = uri.find (':');
  std::string scheme = uri.substr (0, colon);
  bool tls = scheme == "stuns" || scheme == "turns";
  if (colon == std::string::npos ||
      (!tls && scheme != "stun" && scheme != "turn"))
    return parsed;
  std::string rest = uri.substr (colon + 1);
  if (rest.compare (0, 2, "//") == 0) // as webrtcbin writes them
    rest.erase (0, 2);
  size_t question = rest.find ('?');
  parsed.tcp = tls || (question != std::string::npos &&
                          rest.find ("transport=tcp") != std::string::npos);
  rest = rest.substr (0, question);
  GError *error = nullptr;
  GSocketConnectable *address =
      g_network_address_parse (rest.c_str (), tls ? 5349 : 3478, &error);
  if (!address) {
    g_error_free (error);
    return parsed;
  }
  parsed.host = g_network_address_get_hostname (G_NETWORK_ADDRESS (address));
  parsed.port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  g_object_unref (address);
  return parsed;
}

namespace {

// RFC 8489 sections 5 and 14, RFC 8656 sections 17 and 18.
constexpr guint32 kCookie = 0x2112a442;
enum Method : unsigned
{
  Binding = 0x001,
  Allocate = 0x003,
  Refresh = 0x004
};
constexpr unsigned kSuccess = 0x100;
enum Attribute : unsigned
{
  Username = 0x0006,
  MessageIntegrity = 0x0008,
  ErrorCode = 0x0009,
  Lifetime = 0x000d,
  Realm = 0x0014,
  Nonce = 0x0015,
  RelayedAddress = 0x0016,
  RequestedTransport = 0x0019
};

std::string
number (unsigned value, unsigned bytes)
{
  std::string text;
  while (bytes-- > 0)
    text += char (value >> (8 * bytes));
  return text;
}

unsigned
number_at (const std::string &text, size_t at, unsigned bytes)
{
  unsigned value = 0;
  for (unsigned i = 0; i < bytes; i++)
    value = value << 8 | guchar (text[at + i]);
  return value;
}

std::string
attribute (Attribute type, const std::string &value)
{
  return number (type, 2) + number (unsigned (value.size ()), 2) + value +
         std::string ((4 - value.size () % 4) % 4, '\0');
}

// With MESSAGE-INTEGRITY unless @key is empty.
std::string
request (Method method, const std::string &attributes, const std::string &key)
{
  std::random_device random;
  std::string id;
  while (id.size () < 12)
    id += char (random ());
  const unsigned whole =
      unsigned (attributes.size ()) + (key.empty () ? 0 : 24);
  std::string text = number (method, 2) + number (whole, 2) +
                     number (kCookie, 4) + id + attributes;
  if (key.empty ())
    return text;
  guint8 digest[20];
  gsize size = sizeof digest;
  GHmac *hmac = g_hmac_new (G_CHECKSUM_SHA1,
      reinterpret_cast<const guchar *> (key.data ()), key.size ());
  g_hmac_update (hmac, reinterpret_cast<const guchar *> (text.data ()),
      gssize (text.size ()));
  g_hmac_get_digest (hmac, digest, &size);
  g_hmac_unref (hmac);
  return text +
         attribute (MessageIntegrity,
             std::string (reinterpret_cast<const char *> (digest), size));
}

// The key of long-term credentials; MD5 is the RFC's choice.
std::string
long_term_key (const IceServer &server, const std::string &realm)
{
  const std::string text =
      server.username + ":" + realm + ":" + server.credential;
  guint8 digest[16];
  gsize size = sizeof digest;
  GChecksum *sum = g_checksum_new (G_CHECKSUM_MD5);
  g_checksum_update (sum, reinterpret_cast<const guchar *> (text.data ()),
      gssize (text.size ()));
  g_checksum_get_digest (sum, digest, &size);
  g_checksum_free (sum);
  return {reinterpret_cast<const char *> (digest), size};
}

struct Reply
{
  unsigned type = 0; // 0: none came
  std::map<unsigned, std::string> attributes;
  std::string problem; // of the transport

  unsigned code () const
  {
    const auto found = attributes.find (ErrorCode);
    if (found == attributes.end () || found->second.size () < 4)
      return 0;
    return (number_at (found->second, 2, 1) & 7) * 100 +
           number_at (found->second, 3, 1);
  }
  std::string get (Attribute name) const
  {
    const auto found = attributes.find (name);
    return found == attributes.end () ? "" : found->second;
  }
};

// False when @text is no reply to @sent.
bool
parse (const std::string &text, const std::string &sent, Reply &reply)
{
  if (text.size () < 20 || text.compare (4, 16, sent, 4, 16) != 0)
    return false;
  reply.type = number_at (text, 0, 2);
  size_t at = 20;
  const size_t end =
      std::min<size_t> (text.size (), at + number_at (text, 2, 2));
  while (at + 4 <= end) {
    const size_t size = number_at (text, at + 2, 2);
    if (at + 4 + size > end)
      break;
    reply.attributes.emplace (
        number_at (text, at, 2), text.substr (at + 4, size));
    at += 4 + (size + 3) / 4 * 4;
  }
  return true;
}

// A connection to a server, UDP's included.
class Peer
{
public:
  Peer (GSocketConnectable *address, bool udp, bool tls,
      const std::string &ca_file, unsigned seconds, std::string &problem)
      : udp_ (udp)
  {
    GSocketClient *client = g_socket_client_new ();
    // A datagram may be lost: three are sent in that time.
    g_socket_client_set_timeout (
        client, udp_ ? std::max (1u, seconds / 3) : seconds);
    if (udp_) {
      g_socket_client_set_socket_type (client, G_SOCKET_TYPE_DATAGRAM);
      g_socket_client_set_protocol (client, G_SOCKET_PROTOCOL_UDP);
    }
    GError *error = nullptr;
    if (tls && !ca_file.empty ())
      authorities_ = g_tls_file_database_new (ca_file.c_str (), &error);
    g_socket_client_set_tls (client, tls);
    g_socket_client_set_enable_proxy (client, FALSE); // as signalingbin
    g_signal_connect (client, "event", G_CALLBACK (on_event), this);
    if (!error)
      connection_ = g_socket_client_connect (client, address, nullptr, &error);
    g_object_unref (client);
    if (error) {
      problem = error->message;
      tls_failed = error->domain == G_TLS_ERROR;
      g_error_free (error);
    }
  }
  ~Peer ()
  {
    g_clear_object (&connection_);
    g_clear_object (&authorities_);
  }
  Peer (const Peer &) = delete;
  Peer &operator= (const Peer &) = delete;

  Reply ask (const std::string &text)
  {
    Reply reply;
    for (unsigned left = udp_ ? 3 : 1; left > 0 && !reply.type; left--) {
      GError *error = nullptr;
      GOutputStream *out =
          g_io_stream_get_output_stream (G_IO_STREAM (connection_));
      if (g_output_stream_write_all (
              out, text.data (), text.size (), nullptr, nullptr, &error) &&
          !parse (read (&error), text, reply) && !error)
        reply.problem = "another's answer";
      if (error)
        reply.problem = error->message;
      g_clear_error (&error);
    }
    return reply;
  }

  bool tls_failed = false;

private:
  static void on_event (GSocketClient *, GSocketClientEvent event,
      GSocketConnectable *, GIOStream *stream, gpointer data)
  {
    auto *self = static_cast<Peer *> (data);
    if (event == G_SOCKET_CLIENT_TLS_HANDSHAKING && self->authorities_)
      g_tls_connection_set_database (
          G_TLS_CONNECTION (stream), self->authorities_);
  }

  std::string read (GError **error)
  {
    GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection_));
    char buffer[1500];
    if (udp_) {
      const gssize size =
          g_input_stream_read (in, buffer, sizeof buffer, nullptr, error);
      return {buffer, size > 0 ? size_t (size) : 0};
    }
    // Over a stream the header tells the length.
    gsize head = 0, rest = 0;
    if (!g_input_stream_read_all (in, buffer, 20, &head, nullptr, error) ||
        head < 20)
      return {};
    const unsigned size = number_at ({buffer, 20}, 2, 2);
    if (size > sizeof buffer - 20 ||
        !g_input_stream_read_all (in, buffer + 20, size, &rest, nullptr, error))
      return {};
    return {buffer, 20 + rest};
  }

  const bool udp_;
  GSocketConnection *connection_ = nullptr;
  GTlsDatabase *authorities_ = nullptr;
};

// "192.0.2.1:49160" of XOR-RELAYED-ADDRESS; "" if it is none.
std::string
address_text (std::string value)
{
  const bool six = value.size () == 20;
  if (!six && value.size () != 8)
    return "";
  const unsigned port = number_at (value, 2, 2) ^ (kCookie >> 16);
  if (six) // its last bytes are mixed with the transaction's
    return "port " + std::to_string (port) + " (IPv6)";
  const std::string cookie = number (kCookie, 4);
  std::string text;
  for (unsigned i = 0; i < 4; i++)
    text += (i ? "." : "") +
            std::to_string (guchar (value[4 + i]) ^ guchar (cookie[i]));
  return text + ":" + std::to_string (port);
}

Check
refused (const IceServer &server, const Reply &reply)
{
  const unsigned code = reply.code ();
  if (!reply.type)
    return {"turn", Health::Failed, server.uri + ": " + reply.problem,
        "is coturn running, and 3478/udp, 5349/tcp and its relay range open?"};
  if (code == 401)
    return {"turn", Health::Failed,
        server.uri + " does not take the password that the server gives",
        "turn-secret-file of signaling.conf and static-auth-secret of "
        "turnserver.conf must be the same, and both clocks right"};
  std::string what = reply.get (ErrorCode);
  what = what.size () > 4 ? " (" + what.substr (4) + ")" : "";
  return {"turn", Health::Failed,
      server.uri + " gives no relay: error " + std::to_string (code) + what,
      "see coturn's log; user-quota, total-quota, min-port, max-port"};
}

Check
try_relay (const IceServer &server, Peer &peer)
{
  const std::string udp = attribute (RequestedTransport, {"\x11\0\0\0", 4});
  Reply reply = peer.ask (request (Allocate, udp, ""));
  if (reply.code () != 401)
    return refused (server, reply);
  const std::string realm = reply.get (Realm);
  const std::string who = attribute (Username, server.username) +
                          attribute (Realm, realm) +
                          attribute (Nonce, reply.get (Nonce));
  const std::string key = long_term_key (server, realm);
  reply = peer.ask (request (Allocate, udp + who, key));
  if (reply.type != (Allocate | kSuccess))
    return refused (server, reply);
  // Given back, so that no quota is held until it would have ended.
  peer.ask (request (
      Refresh, attribute (Lifetime, std::string (4, '\0')) + who, key));
  return {"turn", Health::Ok,
      server.uri + " relays from " + address_text (reply.get (RelayedAddress))};
}

// At one address; over TCP at whichever of the host's answers first.
Check
ask_at (GSocketConnectable *address, const IceServer &server, const IceUri &uri,
    const std::string &ca_file, unsigned seconds)
{
  const bool turn = server.uri.compare (0, 4, "turn") == 0;
  const bool tls = server.uri.compare (4, 1, "s") == 0;
  Reply reply;
  Peer peer (address, !uri.tcp, tls, ca_file, seconds, reply.problem);
  if (peer.tls_failed)
    return {"turn", Health::Failed, server.uri + ": " + reply.problem,
        "its certificate must be for " + uri.host +
            " and of an authority that this robot knows (tls-ca-file)"};
  if (!reply.problem.empty ())
    return refused (server, reply);
  if (turn && !server.username.empty ())
    return try_relay (server, peer);
  reply = peer.ask (request (Binding, "", ""));
  if (reply.type != (Binding | kSuccess))
    return refused (server, reply);
  if (turn)
    return {"turn", Health::Warning,
        server.uri + " answers; no password came with it, so no relay was "
                     "tried",
        "see 'token': passwords are for its bearer, over TLS"};
  return {"turn", Health::Ok, server.uri + " answers"};
}

} // namespace

Check
check_ice_server (
    const IceServer &server, const std::string &ca_file, unsigned seconds)
{
  const IceUri uri = parse_ice_uri (server.uri);
  if (!uri.port || uri.host.empty ())
    return {"turn", Health::Failed,
        "'" + server.uri + "' is no STUN or TURN URI",
        "correct [ice] in the server's signaling.conf"};
  GSocketConnectable *host =
      g_network_address_new (uri.host.c_str (), guint16 (uri.port));
  Check check = {"turn", Health::Failed, server.uri + ": no address",
      "is the name right?"};
  if (uri.tcp) {
    check = ask_at (host, server, uri, ca_file, seconds);
  } else {
    // Over UDP only an answer tells that there is somebody.
    GSocketAddressEnumerator *all = g_socket_connectable_enumerate (host);
    GError *error = nullptr;
    while (check.health == Health::Failed) {
      GSocketAddress *one =
          g_socket_address_enumerator_next (all, nullptr, &error);
      if (!one)
        break;
      check =
          ask_at (G_SOCKET_CONNECTABLE (one), server, uri, ca_file, seconds);
      g_object_unref (one);
    }
    if (error)
      check.text = server.uri + ": " + error->message;
    g_clear_error (&error);
    g_object_unref (all);
  }
  g_object_unref (host);
  return check;
}

} // namespace robotlive::robot
