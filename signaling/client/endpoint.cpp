// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/endpoint.hpp"
#include <glib.h>

namespace robotlive {

// GLib lets spaces through in a host name.
static bool
is_host (const char *host)
{
  if (!host || !*host)
    return false;
  for (const char *c = host; *c; c++)
    if (g_ascii_isspace (*c) || g_ascii_iscntrl (*c))
      return false;
  return true;
}

std::optional<Endpoint>
parse_endpoint (const std::string &url, std::string *error)
{
  if (url.empty ()) {
    *error = "No signaling server is set.";
    return std::nullopt;
  }
  // The URL itself is not quoted in the errors: it may hold a password.
  const auto flags =
      static_cast<GUriFlags> (G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED);
  g_autoptr (GUri) uri = g_uri_parse (url.c_str (), flags, nullptr);
  if (!uri || !is_host (g_uri_get_host (uri))) {
    *error = "The signaling server's URL cannot be read; expected is "
             "wss://HOST:PORT or ws://HOST:PORT.";
    return std::nullopt;
  }
  const std::string scheme = g_uri_get_scheme (uri);
  Endpoint endpoint;
  endpoint.secure = scheme == "https" || scheme == "wss";
  if (!endpoint.secure && scheme != "http" && scheme != "ws") {
    *error = "The signaling server's URL must begin with wss://, https://, "
             "ws:// or http://.";
    return std::nullopt;
  }
  if (g_uri_get_userinfo (uri)) {
    *error = "The signaling server's URL must not hold a user or password; "
             "use a token.";
    return std::nullopt;
  }

  int port = g_uri_get_port (uri);
  if (port == 0) {
    *error = "The signaling server's port must be 1 to 65535.";
    return std::nullopt;
  }
  if (port < 0)
    port = endpoint.secure ? 443 : 80;
  std::string path = g_uri_get_path (uri);
  if (path.empty () || path == "/")
    path = "/socket.io/";
  std::string query = "EIO=4&transport=websocket";
  if (const char *own = g_uri_get_query (uri); own && *own)
    query = std::string (own) + "&" + query;

  const std::string host = g_uri_get_host (uri);
  g_autofree char *joined = g_uri_join (flags, endpoint.secure ? "wss" : "ws",
      nullptr, host.c_str (), port, path.c_str (), query.c_str (), nullptr);
  endpoint.uri = joined;
  const bool literal_v6 = host.find (':') != std::string::npos;
  endpoint.name =
      (literal_v6 ? "[" + host + "]" : host) + ":" + std::to_string (port);
  return endpoint;
}

} // namespace robotlive
