// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/availability.hpp"
#include <algorithm>

namespace robotlive::server {

std::vector<Window>
taken_windows (std::vector<Window> bookings, const Window &within)
{
  std::sort (bookings.begin (), bookings.end (),
      [] (const Window &a, const Window &b) {
        return a.starts_at < b.starts_at;
      });
  std::vector<Window> taken;
  for (Window w : bookings) {
    w.starts_at = std::max (w.starts_at, within.starts_at);
    w.ends_at = std::min (w.ends_at, within.ends_at);
    if (w.starts_at >= w.ends_at)
      continue;
    if (!taken.empty () && w.starts_at <= taken.back ().ends_at)
      taken.back ().ends_at = std::max (taken.back ().ends_at, w.ends_at);
    else
      taken.push_back (w);
  }
  return taken;
}

std::vector<Window>
free_windows (const std::vector<Window> &taken, const Window &within)
{
  std::vector<Window> free;
  TimeMs from = within.starts_at;
  for (const Window &w : taken) {
    if (from < w.starts_at)
      free.push_back ({from, w.starts_at});
    from = w.ends_at;
  }
  if (from < within.ends_at)
    free.push_back ({from, within.ends_at});
  return free;
}

Window
next_free_window (
    const std::vector<Window> &bookings, TimeMs from, TimeMs length)
{
  for (const Window &w : taken_windows (bookings, {from, kNever})) {
    if (w.starts_at - from >= length)
      break;
    from = w.ends_at;
  }
  return {from, from > kNever - length ? kNever : from + length};
}

} // namespace robotlive::server
