// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a signaling server listens, out of the URL that a user wrote. Pure.
#pragma once
#include <optional>
#include <string>

namespace robotlive {

struct Endpoint
{
  std::string uri;  // ws[s]://host:port/socket.io/?EIO=4&transport=websocket
  std::string name; // "host:port", for people: never a query or a password
  bool secure = false;
};

// *url* is http, https, ws or wss (RFC 3986). Without a path "/socket.io/" is
// taken. A user or password in it is refused: it would end up in logs.
// On failure *error* is one sentence.
std::optional<Endpoint> parse_endpoint (
    const std::string &url, std::string *error);

} // namespace robotlive
