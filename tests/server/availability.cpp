// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/availability.hpp"
#include <gtest/gtest.h>
#include <random>

using namespace robotlive;
using namespace robotlive::server;

namespace {

bool
covers (const std::vector<Window> &list, TimeMs at)
{
  for (const Window &w : list)
    if (w.starts_at <= at && at < w.ends_at)
      return true;
  return false;
}

} // namespace

// Of each moment exactly one of the two lists tells, whatever the bookings are.
TEST (Availability, FreeIsWhatIsNotTaken)
{
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random (seed);
    auto up_to = [&random] (
                     int n) { return TimeMs (random () % unsigned (n)); };
    const Window within{20, 20 + up_to (60)};
    std::vector<Window> bookings;
    for (TimeMs n = up_to (12); n > 0; --n) {
      TimeMs start = up_to (100);
      // Empty and turned round as well.
      bookings.push_back ({start, start + up_to (20) - 2});
    }
    auto taken = taken_windows (bookings, within);
    auto free = free_windows (taken, within);
    for (TimeMs at = 0; at < 120; ++at) {
      bool inside = within.starts_at <= at && at < within.ends_at;
      ASSERT_EQ (covers (taken, at), inside && covers (bookings, at)) << seed;
      ASSERT_EQ (covers (free, at), inside && !covers (bookings, at)) << seed;
    }
    for (auto *list : {&taken, &free})
      for (std::size_t i = 0; i < list->size (); ++i) {
        ASSERT_LT ((*list)[i].starts_at, (*list)[i].ends_at) << seed;
        if (i > 0) {
          ASSERT_GT ((*list)[i].starts_at, (*list)[i - 1].ends_at) << seed;
        }
      }
    // The next free time is free, and nothing before it is as long.
    const TimeMs from = up_to (100), length = 1 + up_to (30);
    auto is_free = [&] (TimeMs start) {
      for (TimeMs at = start; at < start + length; ++at)
        if (covers (bookings, at))
          return false;
      return true;
    };
    const Window next = next_free_window (bookings, from, length);
    ASSERT_EQ (next.ends_at - next.starts_at, length) << seed;
    ASSERT_TRUE (is_free (next.starts_at)) << seed;
    for (TimeMs start = from; start < next.starts_at; ++start)
      ASSERT_FALSE (is_free (start)) << seed;
  }
}
