// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Robots over HTTP: /robots, which viewers read as well, and their tokens.
#pragma once
#include "server/app/config.hpp"
#include "server/auth/identity.hpp"
#include "server/http/httpcall.hpp"
#include "server/hub/hub.hpp"
#include "server/store/storebackend.hpp"

namespace robotlive::server {

class RobotRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Config *config;
    const Keys *keys;
    Hub *hub;
    StoreBackend *store;   // null with a console
    StoreBackend *records; // where tokens are written down
    AuditEvents *events;
  };
  explicit RobotRoutes (Parts parts) : parts_ (parts) {}

  bool route (const HttpCallPtr &call) override;

private:
  void list (const HttpCallPtr &call);
  void add (const HttpCallPtr &call);
  void change (const HttpCallPtr &call);
  void remove (const HttpCallPtr &call);
  void issue_token (const HttpCallPtr &call);
  void revoke_tokens (const HttpCallPtr &call);
  void list_tokens (const HttpCallPtr &call, const std::string &robot);
  void revoke_token (const HttpCallPtr &call);
  bool may_issue (const HttpCallPtr &call);
  void say (const HttpCallPtr &call, const char *what, const std::string &id);

  Parts parts_;
};

} // namespace robotlive::server
