// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What all parts of one NetworkServer share. I/O thread only.
#pragma once
#include "server/net/address.hpp"
#include "server/net/eventloop.hpp"
#include "server/net/forwarded.hpp"
#include "server/net/limits.hpp"
#include "server/net/networkserver.hpp"
#include "server/net/timers.hpp"

#include <string>
#include <unordered_set>
#include <vector>

namespace robotlive::server::net {

class Connection;
class Engine;

struct Context
{
  explicit Context (ServerOptions given)
      : options (std::move (given)), timers (loop), addresses (timers, options),
        read_buffer (64 * 1024)
  {
  }

  void log (std::string_view message) const
  {
    if (options.log)
      options.log (message);
  }

  // Limits per address are for strangers; tests count themselves too.
  bool limits_apply (const Client &client) const
  {
    return options.limit_loopback || !client.local;
  }

  ServerOptions options;
  Counters counters;
  EventLoop loop;
  Timers timers;
  AddressTable addresses;
  std::vector<Cidr> trusted_proxies;
  HttpHandler *http = nullptr;
  Engine *engine = nullptr;
  std::unordered_set<Connection *> connections;
  bool draining = false;
  bool proxy_told = false; // of one that nobody named
  // One for all: a connection that waits holds no buffer.
  std::vector<char> read_buffer;
  std::string write_buffer;
};

} // namespace robotlive::server::net
