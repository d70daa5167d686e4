// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who a request comes from when proxies may stand between.
#pragma once
#include "server/hub/sockets.hpp"
#include "server/net/address.hpp"
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::server::net {

struct Client
{
  Address address;
  // A program on this machine: no proxy stands between, as far as one can see.
  // What strangers are refused, it may; limits per address do not count it.
  bool local = false;

  static Client of_peer (const Address &peer)
  {
    return {peer, peer.is_loopback ()};
  }
};

// The entries of X-Forwarded-For, or without it the "for" of each element of
// Forwarded (RFC 7239), as they came, the nearest proxy's last.
std::vector<std::string> forwarded_entries (const HttpRequest &request);

// Whether a proxy had the request: it has a header that proxies add.
bool came_through_proxy (const HttpRequest &request);

// *entry*: an address as proxies write it, with a port, in brackets, in quotes
// and with a zone. One that cannot be read ("unknown", "_hidden") is a stranger
// of its own: an address of 100::/16, which nobody has.
Address forwarded_address (std::string_view entry);

// The last entry that no trusted proxy has; *peer* is the TCP peer. Never local
// if there was a proxy, or if Host names something else than this machine.
Client client_of (const Address &peer, const HttpRequest &request,
    const std::vector<Cidr> &trusted);

bool is_trusted (const Address &address, const std::vector<Cidr> &trusted);

} // namespace robotlive::server::net
