// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The audit log over HTTP: /audit, as JSON and CSV, for administrators.
#pragma once
#include "server/app/times.hpp"
#include "server/http/httpcall.hpp"
#include "server/store/storebackend.hpp"

namespace robotlive::server {

class AuditRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Zone *zone;
    StoreBackend *records; // where sessions and events are written down
    AuditEvents *events;
  };
  explicit AuditRoutes (Parts parts) : parts_ (parts) {}

  bool route (const HttpCallPtr &call) override;

private:
  void audit (const HttpCallPtr &call);
  void audit_events (const HttpCallPtr &call, const AuditQuery &asked,
      const std::string &kind, bool csv);

  Parts parts_;
};

} // namespace robotlive::server
