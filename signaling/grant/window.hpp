// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Booking: a half-open interval of time. Pure: no clock, no I/O.
#pragma once
#include <cstdint>
#include <limits>

namespace robotlive {

// Milliseconds since the Unix epoch, UTC: the unit of every time on the wire.
using TimeMs = std::int64_t;

constexpr TimeMs kNever = std::numeric_limits<TimeMs>::max ();

enum class WindowState
{
  Pending,
  Open,
  Over
};

// [starts_at, ends_at): the first millisecond is inside, the last one outside.
struct Window
{
  TimeMs starts_at = 0;
  TimeMs ends_at = 0;

  WindowState state (TimeMs now) const;
  // The next time at which state () changes; kNever once it is over.
  TimeMs next_change (TimeMs now) const;
  bool overlaps (const Window &other) const;
};

} // namespace robotlive
