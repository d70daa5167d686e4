// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The checks that ask the signaling server, and the STUN and TURN servers
// that it names.
#include "base/secretfile.hpp"
#include "base/tlsfile.hpp"
#include "doctor-http.hpp"
#include "doctor.hpp"
#include <cstdlib>
#include <cstring>
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

namespace robotlive::robot {

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

namespace {

const unsigned SECONDS = 10; // for each question

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
  GTlsDatabase *database = ca_database_new (file.c_str (), &error);
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
            ", but is no signaling server",
        "a proxy must pass on / and /socket.io/: see the operator's guide"};
  gint64 skew = g_get_real_time () / G_USEC_PER_SEC - answer.date;
  if (answer.date && std::llabs (skew) > 60)
    return {"server", Health::Warning,
        base + ": the clocks are " + std::to_string (std::llabs (skew)) +
            " s apart",
        "timedatectl set-ntp true, here and there"};
  return {"server", Health::Ok, base + " is healthy"};
}

// Every URI of {iceServers:[{urls: "…" | ["…"], username?, credential?}]}.
std::vector<IceServer>
ice_servers (const std::string &body)
{
  std::vector<IceServer> servers;
  JsonNode *root = json_from_string (body.c_str (), nullptr);
  JsonNode *list =
      root && JSON_NODE_HOLDS_OBJECT (root)
          ? json_object_get_member (json_node_get_object (root), "iceServers")
          : nullptr;
  JsonArray *entries = list && JSON_NODE_HOLDS_ARRAY (list)
                           ? json_node_get_array (list)
                           : nullptr;
  auto text = [] (JsonNode *node) {
    return node && JSON_NODE_HOLDS_VALUE (node) &&
                   json_node_get_value_type (node) == G_TYPE_STRING
               ? std::string (json_node_get_string (node))
               : std::string ();
  };
  for (guint i = 0; entries && i < json_array_get_length (entries); i++) {
    JsonNode *node = json_array_get_element (entries, i);
    if (!JSON_NODE_HOLDS_OBJECT (node))
      continue;
    JsonObject *entry = json_node_get_object (node);
    IceServer server;
    server.username = text (json_object_get_member (entry, "username"));
    server.credential = text (json_object_get_member (entry, "credential"));
    auto add = [&] (JsonNode *uri) {
      server.uri = text (uri);
      if (!server.uri.empty ())
        servers.push_back (server);
    };
    JsonNode *urls = json_object_get_member (entry, "urls");
    JsonArray *several = urls && JSON_NODE_HOLDS_ARRAY (urls)
                             ? json_node_get_array (urls)
                             : nullptr;
    if (!several)
      add (urls);
    for (guint j = 0; several && j < json_array_get_length (several); j++)
      add (json_array_get_element (several, j));
  }
  if (root)
    json_node_unref (root);
  return servers;
}

std::string
read_token (const RobotConf &conf)
{
  // Why not is said by check_token ().
  std::string why;
  return read_token_file (token_file (conf), &why);
}

// A token with a right signature may have been revoked: the server alone knows.
// It has no account to show to a robot (403), and does not know who has none
// (401).
void
judge_token (const RobotConf &conf, const Answer &answer, Checks *checks)
{
  if (answer.status == 401)
    checks->push_back ({"token", Health::Failed,
        "the server does not take this robot's token: it was revoked or "
        "replaced, or is of another server",
        "on the server: robotlive-signaling robot token " +
            conf.get ("robot.id") + ", and put what it prints into " +
            token_file (conf)});
}

} // namespace

Answer
ask (const RobotConf &conf, const std::string &url, const std::string &token)
{
  Answer answer;
  SoupSession *session = new_session (conf, &answer.error);
  if (answer.error.empty ())
    answer = get (session, url, token);
  g_object_unref (session);
  return answer;
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
    checks.push_back ({"turn", Health::Skipped,
        "not asked: the server, which names them, was not reached"});
    g_object_unref (session);
    return checks;
  }
  std::string token = private_link (base) ? read_token (conf) : "";
  if (!token.empty ())
    judge_token (conf, get (session, base + "/auth/me", token), &checks);
  Answer answer = get (session, base + "/config", token);
  g_object_unref (session);
  if (answer.status == 401)
    checks.push_back (
        {"turn", Health::Failed, "the server does not take this robot's token",
            "see 'token'; was it revoked?"});
  std::vector<IceServer> servers = ice_servers (answer.body);
  for (const IceServer &server : servers)
    checks.push_back (
        check_ice_server (server, conf.get ("signaling.tls-ca-file"), 5));
  if (servers.empty () && answer.status != 401)
    checks.push_back ({"turn", Health::Skipped,
        "the server names none: viewers must be able to reach this robot "
        "directly"});
  return checks;
}

} // namespace robotlive::robot
