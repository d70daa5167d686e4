// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sessions over HTTP: /sessions, for administrators.
#pragma once
#include "server/http/httpcall.hpp"
#include "server/hub/hub.hpp"
#include "server/store/storebackend.hpp"

namespace robotlive {
class JsonWriter;
}

namespace robotlive::server {

// As /sessions and /audit have it. *state*: of one that runs.
void append_session (
    JsonWriter &w, const SessionEntry &entry, const char *state = "");

class SessionRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    Hub *hub;
    StoreBackend *records; // where sessions are written down
    AuditEvents *events;
  };
  explicit SessionRoutes (Parts parts) : parts_ (parts) {}

  bool route (const HttpCallPtr &call) override;

private:
  void list_sessions (const HttpCallPtr &call);
  void end_session (const HttpCallPtr &call, const std::string &peer_id);

  Parts parts_;
};

} // namespace robotlive::server
