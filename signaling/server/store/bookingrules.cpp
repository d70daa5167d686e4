// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/bookingrules.hpp"
#include <algorithm>

namespace robotlive::server {

namespace {

// "Now" is a moment ago when the request arrives, and clocks of pages differ.
constexpr TimeMs kTolerance = 60 * 1000;
constexpr TimeMs kDay = 24 * 3600 * 1000;
constexpr TimeMs kLatest = TimeMs{1} << 52;

void
set_type (Store &store, BookingRecord *booking)
{
  if (!booking->robot_id.empty ()) {
    auto robot = store.robot (booking->robot_id);
    if (!robot)
      throw StoreError (StoreError::NotFound, "there is no such robot");
    if (!booking->robot_type.empty () && booking->robot_type != robot->type)
      throw StoreError (
          StoreError::Invalid, "the robot is not of that \"robot_type\"");
    booking->robot_type = robot->type;
    return;
  }
  auto robots = store.robots ();
  if (std::none_of (
          robots.begin (), robots.end (), [booking] (const RobotRecord &r) {
            return r.type == booking->robot_type;
          }))
    throw StoreError (
        StoreError::NotFound, "there is no robot of that \"robot_type\"");
}

// How long the robot is the user's without a gap, as far as *wanted* adds to
// it.
TimeMs
run_of (const std::vector<Booking> &others, const BookingRecord &wanted)
{
  Window run = wanted.window;
  for (bool grown = true; grown;) {
    grown = false;
    for (const Booking &b : others) {
      bool whole_type = b.robot_id.empty () || wanted.robot_id.empty ();
      bool same = whole_type ? b.robot_type == wanted.robot_type
                             : b.robot_id == wanted.robot_id;
      bool touches = b.window.starts_at <= run.ends_at &&
                     b.window.ends_at >= run.starts_at;
      if (!same || !touches ||
          (b.window.starts_at >= run.starts_at &&
              b.window.ends_at <= run.ends_at))
        continue;
      run.starts_at = std::min (run.starts_at, b.window.starts_at);
      run.ends_at = std::max (run.ends_at, b.window.ends_at);
      grown = true;
    }
  }
  return run.ends_at - run.starts_at;
}

} // namespace

bool
is_over (const BookingRecord &booking, TimeMs now)
{
  return booking.window.ends_at <= now;
}

std::string
window_error (const Window &window, const BookingRecord *before,
    const BookingRules &rules)
{
  if (window.starts_at < 0 || window.ends_at > kLatest ||
      window.ends_at <= window.starts_at)
    return "the booking ends before it starts";
  if (window.ends_at <= rules.now)
    return "the booking is in the past";
  bool begun = before && before->window.starts_at <= rules.now;
  if (begun && window.starts_at != before->window.starts_at)
    return "the booking has begun: its start stays";
  if (!begun && window.starts_at < rules.now - kTolerance)
    return "the booking begins in the past";
  if (rules.administrator)
    return "";
  if (window.ends_at - window.starts_at > rules.max_booking_ms)
    return "the booking is too long";
  if (window.ends_at - rules.now > rules.horizon_ms)
    return "the booking is too far ahead";
  return "";
}

void
check_booking (Store &store, BookingRecord *booking,
    const BookingRecord *before, const BookingRules &rules)
{
  bool same_robot = before && before->robot_id == booking->robot_id &&
                    before->robot_type == booking->robot_type;
  // Begun or not: what is booked stays so when the robot is no more.
  if (!same_robot)
    set_type (store, booking);
  bool begun = before && before->window.starts_at <= rules.now;
  if (begun && !same_robot)
    throw StoreError (
        StoreError::Conflict, "the booking has begun: its robot stays");
  if (rules.administrator)
    return;
  std::vector<Booking> others =
      store.open_bookings (booking->user_id, rules.now);
  others.erase (
      std::remove_if (others.begin (), others.end (),
          [booking] (const Booking &b) { return b.id == booking->id; }),
      others.end ());
  if (others.size () >= rules.max_open)
    throw StoreError (StoreError::Conflict, "you have too many bookings");
  if (run_of (others, *booking) > rules.max_booking_ms)
    throw StoreError (StoreError::Conflict,
        "the booking is too long, with those right before and after it");
  TimeMs total =
      booking->window.ends_at - std::max (booking->window.starts_at, rules.now);
  for (const Booking &b : others)
    total += b.window.ends_at - std::max (b.window.starts_at, rules.now);
  if (total > rules.max_booked_ms)
    throw StoreError (
        StoreError::Conflict, "you have booked too many hours: cancel some");
  if (!before && store.bookings_made (booking->user_id, rules.now - kDay) >=
                     rules.max_made_a_day)
    throw StoreError (
        StoreError::Conflict, "you have made too many bookings within a day");
}

} // namespace robotlive::server
