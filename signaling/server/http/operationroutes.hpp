// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What operators and pages ask first: /health, /metrics, and /config with the
// ICE servers.
#pragma once
#include "server/app/config.hpp"
#include "server/app/metrics.hpp"
#include "server/auth/turncredentials.hpp"
#include "server/http/httpcall.hpp"
#include "server/hub/hub.hpp"

namespace robotlive::server {

class OperationRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Config *config;
    const TurnCredentials *turn;
    SocketServer *sockets;
    Hub *hub;
    Backend *backend;
    Metrics *metrics;
    std::function<bool ()> healthy;
  };
  explicit OperationRoutes (Parts parts) : parts_ (std::move (parts)) {}

  bool route (const HttpCallPtr &call) override;

private:
  void health (const HttpCallPtr &call);
  void config (const HttpCallPtr &call);
  void metrics (const HttpCallPtr &call);

  Parts parts_;
};

} // namespace robotlive::server
