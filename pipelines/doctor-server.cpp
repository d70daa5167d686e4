// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The checks that ask the signalling server, and the STUN and TURN servers
// that it names.
#include "doctor.hpp"
#include <cstdlib>
#include <cstring>
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <random>

namespace robotlive::robot {

namespace {

const unsigned SECONDS = 10; // for each question

struct Answer
{
  unsigned status = 0; // 0: there was none
  std::string error;
  bool tls_error = false;
  std::string body;
  gint64 date = 0; // of the server, seconds of the Unix epoch; 0: not said
};

// ws and wss are http and https.
std::string
http_base (const std::string &server)
{
  std::string base = server;
  if (base.compare (0, 2, "ws") == 0)
    base.replace (0, 2, "http");
  while (!base.empty () && base.back () == '/')
    base.pop_back ();
  return base;
}

// Whether a token may be sent there: not in clear over a network.
bool
private_link (const std::string &base)
{
  if (base.compare (0, 8, "https://") == 0)
    return true;
  GUri *uri = g_uri_parse (base.c_str (), G_URI_FLAGS_NONE, nullptr);
  const char *host = uri ? g_uri_get_host (uri) : nullptr;
  GInetAddress *address =
      host ? g_inet_address_new_from_string (host) : nullptr;
  bool loopback =
      host && (strcmp (host, "localhost") == 0 ||
                  (address && g_inet_address_get_is_loopback (address)));
  g_clear_object (&address);
  if (uri)
    g_uri_unref (uri);
  return loopback;
}

Answer
get (SoupSession *session, const std::string &url, const std::string &token)
{
  Answer answer;
  SoupMessage *message = soup_message_new ("GET", url.c_str ());
  if (!message) {
    answer.error = "'" + url + "' is no URL";
    return answer;
  }
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  if (!token.empty ())
    soup_message_headers_append (
        headers, "Authorization", ("Bearer " + token).c_str ());
  GError *error = nullptr;
  GBytes *body = soup_session_send_and_read (session, message, nullptr, &error);
  if (error) {
    answer.error = error->message;
    answer.tls_error = error->domain == G_TLS_ERROR;
    g_error_free (error);
  } else {
    answer.status = soup_message_get_status (message);
    gsize size = 0;
    const auto *data =
        static_cast<const char *> (g_bytes_get_data (body, &size));
    answer.body.assign (data ? data : "", size);
    const char *date = soup_message_headers_get_one (
        soup_message_get_response_headers (message), "Date");
    GDateTime *time =
        date ? soup_date_time_new_from_http_string (date) : nullptr;
    if (time) {
      answer.date = g_date_time_to_unix (time);
      g_date_time_unref (time);
    }
    g_bytes_unref (body);
  }
  g_object_unref (message);
  return answer;
}

SoupSession *
new_session (const RobotConf &conf, std::string *wrong)
{
  SoupSession *session =
      soup_session_new_with_options ("timeout", SECONDS, nullptr);
  const std::string &file = conf.get ("signaling.tls-ca-file");
  if (file.empty ())
    return session;
  GError *error = nullptr;
  GTlsDatabase *database = g_tls_file_database_new (file.c_str (), &error);
  if (database) {
    soup_session_set_tls_database (session, database);
    g_object_unref (database);
  } else {
    *wrong = error->message;
    g_error_free (error);
  }
  return session;
}

Check
judge_health (const std::string &base, const Answer &answer)
{
  if (!answer.status) {
    std::string remedy =
        answer.tls_error
            ? "a certificate of one's own making needs tls-ca-file; a wrong "
              "clock makes every certificate invalid"
            : "is the server running, the address right, 8080/tcp open on "
              "its firewall? curl " +
                  base + "/health";
    return {"server", Health::Failed, base + ": " + answer.error, remedy};
  }
  if (answer.status == 503)
    return {"server", Health::Warning,
        base + " is degraded: its booking store is down",
        "on the server: journalctl -u robotlive-signaling"};
  if (answer.status != 200 ||
      answer.body.find ("webrtc-signaling") == std::string::npos)
    return {"server", Health::Failed,
        base + " answers " + std::to_string (answer.status) +
            ", but is no signalling server",
        "a proxy must pass on / and /socket.io/: see the operator's guide"};
  gint64 skew = g_get_real_time () / G_USEC_PER_SEC - answer.date;
  if (answer.date && std::llabs (skew) > 60)
    return {"server", Health::Warning,
        base + ": the clocks are " + std::to_string (std::llabs (skew)) +
            " s apart",
        "timedatectl set-ntp true, here and there"};
  return {"server", Health::Ok, base + " is healthy"};
}

// The "urls" of every entry of {iceServers:[{urls: "…" | ["…"]}]}.
std::vector<std::string>
ice_uris (const std::string &body)
{
  std::vector<std::string> uris;
  JsonNode *root = json_from_string (body.c_str (), nullptr);
  if (!root)
    return uris;
  JsonNode *found = json_path_query ("$.iceServers[*].urls", root, nullptr);
  JsonArray *array = found && JSON_NODE_HOLDS_ARRAY (found)
                         ? json_node_get_array (found)
                         : nullptr;
  auto add = [&] (JsonNode *node) {
    if (JSON_NODE_HOLDS_VALUE (node) &&
        json_node_get_value_type (node) == G_TYPE_STRING)
      uris.push_back (json_node_get_string (node));
  };
  for (guint i = 0; array && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    if (JSON_NODE_HOLDS_ARRAY (node))
      for (guint j = 0; j < json_array_get_length (json_node_get_array (node));
           j++)
        add (json_array_get_element (json_node_get_array (node), j));
    else
      add (node);
  }
  if (found)
    json_node_unref (found);
  json_node_unref (root);
  return uris;
}

std::string
read_token (const RobotConf &conf)
{
  gchar *contents = nullptr;
  if (!g_file_get_contents (
          token_file (conf).c_str (), &contents, nullptr, nullptr))
    return "";
  std::string token = g_strstrip (contents);
  g_free (contents);
  // A header's value; what is none is not sent.
  for (char c : token)
    if (!g_ascii_isgraph (c))
      return "";
  return token;
}

} // namespace

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

Check
check_ice_server (const std::string &uri, unsigned seconds)
{
  IceUri parsed = parse_ice_uri (uri);
  if (!parsed.port || parsed.host.empty ())
    return {"turn", Health::Failed, "'" + uri + "' is no STUN or TURN URI",
        "correct [ice] in the server's signaling.conf"};
  GSocketClient *client = g_socket_client_new ();
  g_socket_client_set_timeout (client, seconds);
  if (!parsed.tcp) {
    g_socket_client_set_socket_type (client, G_SOCKET_TYPE_DATAGRAM);
    g_socket_client_set_protocol (client, G_SOCKET_PROTOCOL_UDP);
  }
  GError *error = nullptr;
  GSocketConnection *connection = g_socket_client_connect_to_host (
      client, parsed.host.c_str (), guint16 (parsed.port), nullptr, &error);
  bool answered = connection != nullptr;
  if (connection && !parsed.tcp) {
    // A binding request without attributes: type, length, cookie, id.
    guchar request[20] = {0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    std::random_device random;
    for (size_t i = 8; i < sizeof request; i++)
      request[i] = guchar (random ());
    GSocket *socket = g_socket_connection_get_socket (connection);
    g_socket_set_timeout (socket, seconds);
    guchar reply[1500];
    gssize size = -1;
    if (g_socket_send (socket, reinterpret_cast<gchar *> (request),
            sizeof request, nullptr, &error) > 0)
      size = g_socket_receive (socket, reinterpret_cast<gchar *> (reply),
          sizeof reply, nullptr, &error);
    answered = size >= 20 && memcmp (reply + 4, request + 4, 16) == 0;
  }
  Check check = {"turn", Health::Ok, uri + " answers"};
  if (!answered)
    check = {"turn", Health::Failed,
        uri + ": " + (error ? error->message : "another's answer"),
        "is coturn running, and 3478/udp, 5349/tcp and its relay range open?"};
  g_clear_error (&error);
  g_clear_object (&connection);
  g_object_unref (client);
  return check;
}

Checks
check_server (const RobotConf &conf)
{
  const std::string base = http_base (conf.get ("signaling.server"));
  if (base.empty ())
    return {{"server", Health::Skipped, "none is configured"}};
  std::string wrong;
  SoupSession *session = new_session (conf, &wrong);
  Checks checks;
  if (!wrong.empty ()) {
    checks.push_back ({"server", Health::Failed, wrong,
        "correct tls-ca-file in [signaling]"});
    g_object_unref (session);
    return checks;
  }
  checks.push_back (judge_health (base, get (session, base + "/health", "")));
  if (checks[0].health == Health::Failed) {
    checks.push_back ({"turn", Health::Skipped, "the server names them"});
    g_object_unref (session);
    return checks;
  }
  std::string token = private_link (base) ? read_token (conf) : "";
  Answer answer = get (session, base + "/config", token);
  g_object_unref (session);
  if (answer.status == 401)
    checks.push_back (
        {"turn", Health::Failed, "the server does not take this robot's token",
            "see 'token'; was it revoked?"});
  std::vector<std::string> uris = ice_uris (answer.body);
  for (const std::string &uri : uris)
    checks.push_back (check_ice_server (uri, 5));
  if (uris.empty () && answer.status != 401)
    checks.push_back ({"turn", Health::Skipped,
        "the server names none: viewers must be able to reach this robot "
        "directly"});
  return checks;
}

} // namespace robotlive::robot
