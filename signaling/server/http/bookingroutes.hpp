// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bookings over HTTP: /bookings and /my-bookings.
#pragma once
#include "server/app/boundedmap.hpp"
#include "server/app/config.hpp"
#include "server/http/httpcall.hpp"
#include "server/hub/hub.hpp"
#include "server/store/bookingrules.hpp"
#include "server/store/storebackend.hpp"
#include <deque>

namespace robotlive::server {

class BookingRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Config *config;
    const Zone *zone;
    Hub *hub;
    StoreBackend *store; // null with a console: the bookings are there
    AuditEvents *events;
  };
  explicit BookingRoutes (Parts parts) : parts_ (parts) {}

  bool route (const HttpCallPtr &call) override;

private:
  void list_bookings (const HttpCallPtr &call, bool all);
  void create_booking (const HttpCallPtr &call);
  void change_booking (const HttpCallPtr &call, std::int64_t id);
  void cancel_booking (const HttpCallPtr &call, std::int64_t id);
  std::string booking_json (const BookingRecord &booking) const;
  // Fields that the body names; false with *error* set for what does not fit.
  // *before*: the booking that is changed, null for a new one.
  bool read_booking (const HttpCall &call, const BookingRecord *before,
      BookingRecord *booking, std::string *error) const;
  BookingRules booking_rules (const HttpCall &call) const;
  bool take_change (const HttpCall &call);

  Parts parts_;
  BoundedMap<std::deque<TimeMs>> changes_{10000}; // of bookings, by user
};

} // namespace robotlive::server
