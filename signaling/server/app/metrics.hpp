// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Prometheus metrics: the counters that transport and Hub keep anyway,
// brought into prometheus-cpp's text form when somebody asks.
#pragma once
#include "server/hub/hub.hpp"
#include "server/net/networkserver.hpp"
#include <functional>
#include <string>

namespace robotlive::server {

class Metrics
{
public:
  // Both outlive this. *network* may be null (tests).
  Metrics (const NetworkServer *network, const Hub *hub,
      std::function<bool ()> store_healthy);

  std::string text () const; // Prometheus text format 0.0.4

private:
  const NetworkServer *network_;
  const Hub *hub_;
  std::function<bool ()> store_healthy_;
};

} // namespace robotlive::server
