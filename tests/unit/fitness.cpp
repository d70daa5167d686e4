// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/fitness.hpp"
#include <gtest/gtest.h>
#include <vector>

using namespace robotlive;

namespace {

constexpr std::int64_t kFrame = 33333333; // ns

// Whether pictures of these times, in frames, are found to be out of order; as
// of a format whose slices nobody looks at.
bool
reordered (const std::vector<double> &times)
{
  OrderWatch watch;
  unsigned found = 0;
  for (const double time : times)
    found += watch.see (nullptr,
        100 * kFrame + static_cast<std::int64_t> (time * kFrame), false);
  EXPECT_LE (found, 1u) << "once";
  return found > 0;
}

} // namespace

TEST (OrderWatch, KnowsPicturesThatAreShownBeforeOthers)
{
  for (const unsigned between : {1u, 2u, 3u, 7u}) {
    std::vector<double> times;
    for (unsigned group = 0; group < 20; group++) {
      const double first = group * (between + 1.0);
      times.push_back (first + between);
      for (unsigned n = 0; n < between; n++)
        times.push_back (first + n);
    }
    EXPECT_TRUE (reordered (times)) << between;
  }
}

TEST (OrderWatch, AClockThatGoesBackIsNone)
{
  std::vector<double> on, back, stands, saw;
  for (int n = 0; n < 600; n++) {
    on.push_back (n);
    back.push_back (-n);
    stands.push_back (0);
    // Back for a second and more, then on from there.
    saw.push_back (n % 80 < 40 ? n : 2 * (n - n % 80) + 80 - n);
  }
  EXPECT_FALSE (reordered (on));
  EXPECT_FALSE (reordered (back));
  EXPECT_FALSE (reordered (stands));
  EXPECT_FALSE (reordered (saw));
}

// Times that come late are no order: one now and then goes back.
TEST (OrderWatch, SevenAreNotEnough)
{
  std::vector<double> times;
  for (int n = 0; n < 700; n++)
    times.push_back (n % 100 == 50 ? n - 1.5 : n);
  EXPECT_FALSE (reordered (times));
}
