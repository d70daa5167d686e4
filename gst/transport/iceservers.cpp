// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport/iceservers.hpp"

namespace robotlive {

namespace {

constexpr std::size_t kMaxTurnServers = 8;

std::string
encode (const std::string &text)
{
  g_autofree char *encoded =
      g_uri_escape_string (text.c_str (), nullptr, FALSE);
  return encoded;
}

// Decodes first, so that what is encoded already is not encoded twice.
std::string
encode_once (const std::string &text)
{
  g_autofree char *decoded = g_uri_unescape_string (text.c_str (), nullptr);
  return encode (decoded ? decoded : text);
}

// What follows the scheme: "host:port?transport=udp".
std::string
rest_of (const std::string &uri)
{
  auto start = uri.find (':');
  if (start == std::string::npos)
    return "";
  start++;
  while (start < uri.size () && uri[start] == '/')
    start++;
  return uri.substr (start);
}

bool
has_scheme (const std::string &uri, const char *scheme)
{
  return g_ascii_strncasecmp (uri.c_str (), scheme, strlen (scheme)) == 0;
}

} // namespace

std::string
normalized_stun (const std::string &uri)
{
  const auto rest = rest_of (uri);
  if (rest.empty ())
    return "";
  // Without a port webrtcbin takes none: RFC 7064's default. An IPv6 address
  // has colons of its own, in brackets.
  const auto port = rest.find (
      ':', rest.rfind (']') == std::string::npos ? 0 : rest.rfind (']'));
  return "stun://" + rest + (port == std::string::npos ? ":3478" : "");
}

std::string
normalized_turn (const std::string &uri)
{
  const char *scheme = has_scheme (uri, "turns:") ? "turns://" : "turn://";
  auto rest = rest_of (uri);
  const auto at = rest.rfind ('@');
  if (at == std::string::npos)
    return scheme + rest;
  const auto who = rest.substr (0, at);
  const auto colon = who.find (':');
  auto credentials = encode_once (who.substr (0, colon));
  if (colon != std::string::npos)
    credentials += ":" + encode_once (who.substr (colon + 1));
  return scheme + credentials + "@" + rest.substr (at + 1);
}

void
add_ice_servers (const std::vector<IceServer> &servers, PeerSettings *peer)
{
  for (const auto &server : servers)
    for (const auto &url : server.urls) {
      if (has_scheme (url, "stun:") && peer->stun_server.empty ()) {
        peer->stun_server = normalized_stun (url);
      } else if ((has_scheme (url, "turn:") || has_scheme (url, "turns:")) &&
                 peer->turn_servers.size () < kMaxTurnServers) {
        peer->turn_servers.push_back (
            std::string (has_scheme (url, "turns:") ? "turns://" : "turn://") +
            encode (server.username) + ":" + encode (server.credential) + "@" +
            rest_of (url));
      }
    }
}

} // namespace robotlive
