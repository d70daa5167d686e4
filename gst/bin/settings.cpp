// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the bin's properties must be, and what is read from the files they name.
#include "base/secretfile.hpp"
#include "base/tlsfile.hpp"
#include "bin/controller.hpp"
#include "grant/keyfile.hpp"
#include <algorithm>
#include <gio/gio.h>

namespace robotlive {

namespace {

bool
has_scheme (const std::string &uri, std::initializer_list<const char *> schemes)
{
  return std::any_of (schemes.begin (), schemes.end (), [&uri] (const char *s) {
    return g_ascii_strncasecmp (uri.c_str (), s, strlen (s)) == 0;
  });
}

} // namespace

std::string
read_token (const Settings &settings, std::string *error, bool *exposed)
{
  if (!settings.token_file.empty ()) {
    const auto token = read_token_file (settings.token_file, error, exposed);
    if (token.empty ())
      *error += ".";
    return token;
  }
  // As it was meant: people paste it.
  const std::string token = pasted_token (settings.token);
  const std::string wrong = token_complaint (token);
  if (wrong.empty () || token.empty ())
    return token;
  *error = "The value of token is no token: it " + wrong + ".";
  return "";
}

std::string
check_settings (const Settings &settings, bool own_signaller, int *error,
    std::string *warning)
{
  *error = GST_RESOURCE_ERROR_SETTINGS;
  if (!own_signaller && settings.signaling_server.empty ())
    return "signaling-server is not set.";
  if (settings.robot_id.empty ())
    return "robot-id is not set.";
  std::string why;
  if (!settings.signaling_server.empty () && !own_signaller) {
    g_autoptr (GUri) uri = g_uri_parse (
        settings.signaling_server.c_str (), G_URI_FLAGS_NONE, nullptr);
    if (!uri || !g_uri_get_host (uri) || !*g_uri_get_host (uri) ||
        !has_scheme (settings.signaling_server,
            {"http://", "https://", "ws://", "wss://"}))
      return "signaling-server must be an http, https, ws or wss URI with a "
             "host.";
  }
  if (!settings.token.empty () && !settings.token_file.empty ())
    return "token and token-file are both set; set one.";
  bool exposed = false;
  if (read_token (settings, &why, &exposed).empty () && !why.empty ()) {
    if (!settings.token_file.empty ())
      *error = GST_RESOURCE_ERROR_NOT_FOUND;
    return why;
  }
  if (exposed)
    *warning = exposed_complaint (settings.token_file);
  if (settings.min_rtp_port > settings.max_rtp_port)
    return "min-rtp-port is greater than max-rtp-port.";
  if (settings.rate.min > settings.rate.max)
    return "min-bitrate is greater than max-bitrate.";
  if (!settings.stun_server.empty () &&
      !has_scheme (settings.stun_server, {"stun:"}))
    return "stun-server must be stun://host:port.";
  if (!settings.turn_server.empty () &&
      !has_scheme (settings.turn_server, {"turn:", "turns:"}))
    return "turn-server must be turn(s)://user:password@host:port.";
  if (!settings.tls_ca_file.empty ()) {
    g_autoptr (GError) failure = nullptr;
    g_autoptr (GTlsDatabase) database =
        ca_database_new (settings.tls_ca_file.c_str (), &failure);
    if (!database) {
      *error = GST_RESOURCE_ERROR_NOT_FOUND;
      return std::string ("tls-ca-file cannot be used: ") + failure->message;
    }
  }
  if (settings.policy != SessionPolicy::RequireGrant)
    return "";
  if (!settings.grant_key.empty ()) {
    bool unread = false;
    if (!load_key_file (settings.grant_key, &why, &unread)) {
      if (unread)
        *error = GST_RESOURCE_ERROR_NOT_FOUND;
      return why;
    }
  } else if (settings.signaling_server.empty ()) {
    return "grant-key is not set, and there is no signaling-server to get the "
           "key from.";
  } else if (grant_key_url (settings.signaling_server, &why).empty ()) {
    return why;
  }
  return "";
}

} // namespace robotlive
