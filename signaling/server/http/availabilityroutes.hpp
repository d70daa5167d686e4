// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When a robot is free and when it is taken, without names, for everybody who
// may book.
#pragma once
#include "server/app/times.hpp"
#include "server/http/httpcall.hpp"
#include "server/store/storebackend.hpp"

namespace robotlive::server {

class AvailabilityRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Zone *zone;
    StoreBackend *store; // null with a console
  };
  explicit AvailabilityRoutes (Parts parts) : parts_ (parts) {}

  bool route (const HttpCallPtr &call) override;

private:
  void tell (const HttpCallPtr &call, bool free);

  Parts parts_;
};

} // namespace robotlive::server
