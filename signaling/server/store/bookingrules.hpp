// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a booking may be, whether it is made or changed, over HTTP or on the
// command line. What is over is a record: nobody changes it.
#pragma once
#include "server/store/store.hpp"
#include <string>

namespace robotlive::server {

struct BookingRules
{
  TimeMs now = 0;
  // Of administrators only what is true for all: no past, no robot that does
  // not exist, no overlap.
  bool administrator = false;
  TimeMs max_booking_ms = kNever; // bookings without a gap count as one
  TimeMs max_booked_ms = kNever;  // of one user, still to come
  TimeMs horizon_ms = kNever;     // the end is no further away
  std::size_t max_open = 100;     // of one user
  // Made within a day, whatever became of them: they stay in the store.
  std::size_t max_made_a_day = 200;
};

bool is_over (const BookingRecord &booking, TimeMs now);

// What is wrong with the window, one sentence; empty: nothing. *before*: the
// booking as it is, null for a new one.
std::string window_error (const Window &window, const BookingRecord *before,
    const BookingRules &rules);

// Throws StoreError for what the other bookings or the robots do not allow.
// Fills in the type of a booking of one robot, by which overlaps with bookings
// of the whole type are seen.
void check_booking (Store &store, BookingRecord *booking,
    const BookingRecord *before, const BookingRules &rules);

} // namespace robotlive::server
