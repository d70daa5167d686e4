// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/hub/backend.hpp"

namespace robotlive::server {

bool
Booking::covers (std::string_view robot, std::string_view type) const
{
  if (!robot_id.empty ())
    return robot_id == robot;
  return !robot_type.empty () && robot_type == type;
}

std::optional<Window>
open_window (const std::vector<Booking> &bookings, std::string_view robot,
    std::string_view type, TimeMs now)
{
  std::optional<Window> open;
  for (const Booking &b : bookings)
    if (b.covers (robot, type) && b.window.state (now) == WindowState::Open &&
        (!open || b.window.ends_at > open->ends_at))
      open = b.window;
  // Each round takes in at least one booking more, so it ends.
  for (bool grown = open.has_value (); grown;) {
    grown = false;
    for (const Booking &b : bookings)
      if (b.covers (robot, type) && b.window.starts_at <= open->ends_at &&
          b.window.ends_at > open->ends_at) {
        open->ends_at = b.window.ends_at;
        grown = true;
      }
  }
  return open;
}

std::optional<Window>
next_window (const std::vector<Booking> &bookings, std::string_view robot,
    std::string_view type, TimeMs now)
{
  std::optional<Window> next;
  for (const Booking &b : bookings)
    if (b.covers (robot, type) && b.window.starts_at > now &&
        (!next || b.window.starts_at < next->starts_at))
      next = b.window;
  return next;
}

} // namespace robotlive::server
