// SPDX-License-Identifier: LGPL-2.1-or-later
//
// STUN and TURN servers, asked as a peer would ask them: the wrong password, a
// relay range that is closed to the server itself and a wrong certificate are
// not seen by looking whether a port answers.
//
// libnice makes and reads the messages, as it does for webrtcbin.
#include "base/tlsfile.hpp"
#include "doctor.hpp"
#include <gio/gio.h>
#include <stun/usages/bind.h>
#include <stun/usages/turn.h>

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
  g_autoptr (GSocketConnectable) address =
      g_network_address_parse (rest.c_str (), tls ? 5349 : 3478, nullptr);
  if (!address)
    return parsed;
  parsed.host = g_network_address_get_hostname (G_NETWORK_ADDRESS (address));
  parsed.port = g_network_address_get_port (G_NETWORK_ADDRESS (address));
  return parsed;
}

namespace {

struct Packet
{
  Packet () = default;
  Packet (const Packet &) = delete; // the message points into the buffer
  Packet &operator= (const Packet &) = delete;

  StunMessage message = {};
  guint8 buffer[1500];
};

struct Reply : Packet
{
  bool came = false;
  std::string problem; // of the transport

  bool good () const
  {
    return came && stun_message_get_class (&message) == STUN_RESPONSE;
  }
  int code () const
  {
    int code = 0;
    if (came)
      stun_message_find_error (&message, &code);
    return code;
  }
  // The words that came with the code.
  std::string reason () const
  {
    guint16 size = 0;
    const void *value =
        stun_message_find (&message, STUN_ATTRIBUTE_ERROR_CODE, &size);
    return value && size > 4
               ? std::string (static_cast<const char *> (value) + 4, size - 4u)
               : "";
  }
};

// A connection to a server, UDP's included.
class Peer
{
public:
  Peer (GSocketConnectable *address, bool udp, bool tls,
      const std::string &ca_file, unsigned seconds, std::string &problem)
      : udp_ (udp)
  {
    stun_agent_init (&agent, STUN_ALL_KNOWN_ATTRIBUTES,
        STUN_COMPATIBILITY_RFC5389, STUN_AGENT_USAGE_LONG_TERM_CREDENTIALS);
    g_autoptr (GSocketClient) client = g_socket_client_new ();
    // A datagram may be lost: three are sent in that time.
    g_socket_client_set_timeout (
        client, udp_ ? std::max (1u, seconds / 3) : seconds);
    if (udp_) {
      g_socket_client_set_socket_type (client, G_SOCKET_TYPE_DATAGRAM);
      g_socket_client_set_protocol (client, G_SOCKET_PROTOCOL_UDP);
    }
    g_autoptr (GError) error = nullptr;
    if (tls && !ca_file.empty ())
      authorities_ = ca_database_new (ca_file.c_str (), &error);
    g_socket_client_set_tls (client, tls);
    g_socket_client_set_enable_proxy (client, FALSE); // as signalingbin
    g_signal_connect (client, "event", G_CALLBACK (on_event), this);
    if (!error)
      connection_ = g_socket_client_connect (client, address, nullptr, &error);
    problem = error ? error->message : "";
    tls_failed = error && error->domain == G_TLS_ERROR;
  }
  ~Peer ()
  {
    g_clear_object (&connection_);
    g_clear_object (&authorities_);
  }
  Peer (const Peer &) = delete;
  Peer &operator= (const Peer &) = delete;

  // @size: of @request, 0 if it could not be made.
  void ask (const Packet &request, size_t size, Reply &reply)
  {
    reply.problem = size > 0 ? "" : "the request cannot be made";
    for (unsigned left = udp_ ? 3 : 1; size > 0 && left > 0 && !reply.came;
         left--) {
      g_autoptr (GError) error = nullptr;
      GOutputStream *out =
          g_io_stream_get_output_stream (G_IO_STREAM (connection_));
      const bool read = g_output_stream_write_all (out, request.buffer, size,
                            nullptr, nullptr, &error) &&
                        receive (reply, &error);
      reply.came = read && !error;
      reply.problem = error ? error->message : read ? "" : "another's answer";
    }
  }

  StunAgent agent;
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

  // False when it is no answer to what was asked, or not signed with the
  // password that it was asked with.
  bool receive (Reply &reply, GError **error)
  {
    GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection_));
    gsize size = 0, rest = 0;
    if (udp_) {
      const gssize read = g_input_stream_read (
          in, reply.buffer, sizeof reply.buffer, nullptr, error);
      size = read > 0 ? gsize (read) : 0;
    } else if (g_input_stream_read_all (in, reply.buffer,
                   STUN_MESSAGE_HEADER_LENGTH, &size, nullptr, error) &&
               size == STUN_MESSAGE_HEADER_LENGTH) {
      // Over a stream the header tells the length.
      reply.message.buffer = reply.buffer;
      const gsize whole = stun_message_length (&reply.message);
      if (whole < size || whole > sizeof reply.buffer ||
          !g_input_stream_read_all (
              in, reply.buffer + size, whole - size, &rest, nullptr, error))
        return false;
      size += rest;
    }
    return stun_agent_validate (&agent, &reply.message, reply.buffer, size,
               nullptr, nullptr) == STUN_VALIDATION_SUCCESS;
  }

  const bool udp_;
  GSocketConnection *connection_ = nullptr;
  GTlsDatabase *authorities_ = nullptr;
};

// "192.0.2.1:49160"
std::string
relayed_address (const Reply &reply)
{
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  if (stun_message_find_xor_addr (&reply.message, STUN_ATTRIBUTE_RELAY_ADDRESS,
          &storage, &size) != STUN_MESSAGE_RETURN_SUCCESS)
    return "an address that is none";
  g_autoptr (GSocketAddress) address =
      g_socket_address_new_from_native (&storage, size);
  g_autofree gchar *text =
      g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address));
  return text;
}

Check
refused (const IceServer &server, const Reply &reply)
{
  const int code = reply.code ();
  if (!reply.came)
    return {"turn", Health::Failed, server.uri + ": " + reply.problem,
        "is coturn running, and 3478/udp, 5349/tcp and its relay range open?"};
  if (code == 401)
    return {"turn", Health::Failed,
        server.uri + " does not take the password that the server gives",
        "turn-secret-file of signaling.conf and static-auth-secret of "
        "turnserver.conf must be the same, and both clocks right"};
  std::string what = reply.reason ();
  what = what.empty () ? "" : " (" + what + ")";
  return {"turn", Health::Failed,
      server.uri + " gives no relay: error " + std::to_string (code) + what,
      "see coturn's log; user-quota, total-quota, min-port, max-port"};
}

Check
try_relay (const IceServer &server, Peer &peer)
{
  Packet request;
  Reply challenge, reply, released;
  auto bytes = [] (const std::string &text) {
    // libnice's parameters are not const, and it does not write to them.
    return reinterpret_cast<guint8 *> (const_cast<char *> (text.data ()));
  };
  auto allocate = [&] (StunMessage *previous, const std::string &user,
                      const std::string &password) {
    return stun_usage_turn_create (&peer.agent, &request.message,
        request.buffer, sizeof request.buffer, previous,
        STUN_USAGE_TURN_REQUEST_PORT_NORMAL, -1, -1, bytes (user), user.size (),
        previous ? bytes (password) : nullptr, password.size (),
        STUN_USAGE_TURN_COMPATIBILITY_RFC5766);
  };
  peer.ask (request, allocate (nullptr, "", ""), challenge);
  if (challenge.code () != 401)
    return refused (server, challenge);
  peer.ask (request,
      allocate (&challenge.message, server.username, server.credential), reply);
  if (!reply.good ())
    return refused (server, reply);
  // Given back, so that no quota is held until it would have ended.
  const size_t size = stun_usage_turn_create_refresh (&peer.agent,
      &request.message, request.buffer, sizeof request.buffer,
      &challenge.message, 0, bytes (server.username), server.username.size (),
      bytes (server.credential), server.credential.size (),
      STUN_USAGE_TURN_COMPATIBILITY_RFC5766);
  peer.ask (request, size, released);
  return {"turn", Health::Ok,
      server.uri + " relays from " + relayed_address (reply)};
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
  Packet request;
  peer.ask (request,
      stun_usage_bind_create (
          &peer.agent, &request.message, request.buffer, sizeof request.buffer),
      reply);
  if (!reply.good ())
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
  g_autoptr (GSocketConnectable) host =
      g_network_address_new (uri.host.c_str (), guint16 (uri.port));
  Check check = {"turn", Health::Failed, server.uri + ": no address",
      "is the name right?"};
  if (uri.tcp)
    return ask_at (host, server, uri, ca_file, seconds);
  // Over UDP only an answer tells that there is somebody.
  g_autoptr (GSocketAddressEnumerator) all =
      g_socket_connectable_enumerate (host);
  g_autoptr (GError) error = nullptr;
  while (check.health == Health::Failed) {
    g_autoptr (GSocketAddress) one =
        g_socket_address_enumerator_next (all, nullptr, &error);
    if (!one)
      break;
    check = ask_at (G_SOCKET_CONNECTABLE (one), server, uri, ca_file, seconds);
  }
  if (error)
    check.text = server.uri + ": " + error->message;
  return check;
}

} // namespace robotlive::robot
