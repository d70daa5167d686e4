// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/pacer.hpp"
#include <gtest/gtest.h>
#include <vector>

using robotlive::Pacer;

namespace {

constexpr std::int64_t kMs = 1000;

// When each of *packets* of 1000 bytes leaves, after the first, when the
// thread waits as it is told.
std::vector<std::int64_t>
departures (Pacer &pacer, unsigned packets, std::int64_t duration = 33 * kMs)
{
  std::int64_t now = 77 * kMs;
  pacer.begin (packets * 1000, duration, now);
  std::vector<std::int64_t> times;
  for (unsigned i = 0; i < packets; i++) {
    now += pacer.wait (1000, now);
    times.push_back (now - 77 * kMs);
    now += 10; // the sending itself
  }
  return times;
}

} // namespace

TEST (Pacer, ALargePictureIsSpreadOverItsTime)
{
  Pacer pacer;
  pacer.set_path (1000000, true); // 4 kB a picture
  const auto times = departures (pacer, 40);
  EXPECT_EQ (times.front (), 0);
  EXPECT_GT (times.back (), 22 * kMs);
  EXPECT_LT (times.back (), 33 * kMs) << "the next picture is not held up";
  // Nowhere a burst of more than a tenth.
  for (std::size_t i = 4; i < times.size (); i++)
    EXPECT_GT (times[i] - times[i - 4], 1 * kMs);
}

TEST (Pacer, OrdinaryPicturesLeaveAtOnce)
{
  Pacer pacer;
  pacer.set_path (1000000, true);
  EXPECT_LT (departures (pacer, 7).back (), 1 * kMs);
  EXPECT_TRUE (pacer.one_by_one ());
}

TEST (Pacer, OnAWidePathNothingWaits)
{
  Pacer pacer;
  EXPECT_LT (departures (pacer, 100).back (), 2 * kMs) << "nothing known yet";
  EXPECT_FALSE (pacer.one_by_one ());
  pacer.set_path (1000000, false);
  EXPECT_LT (departures (pacer, 100).back (), 2 * kMs);
  EXPECT_FALSE (pacer.one_by_one ());
  // Not from the middle of a picture on: its first packets may be held still.
  pacer.set_path (1000000, true);
  EXPECT_FALSE (pacer.one_by_one ());
}

TEST (Pacer, AKeyFrameAloneLeavesAsSlowlyAsThePathTakesIt)
{
  Pacer pacer;
  pacer.set_path (500000, true, true);
  const auto times = departures (pacer, 40); // 40 kB: 0.8 s at 400 kbit/s
  EXPECT_GT (times.back (), 700 * kMs);
  EXPECT_LT (times.back (), 850 * kMs);
  EXPECT_LT (departures (pacer, 4000).back (), 1600 * kMs);
  pacer.set_path (500000, false, true);
  EXPECT_LT (departures (pacer, 40).back (), 1 * kMs);
}

TEST (Pacer, StrangeDurationsAreBounded)
{
  Pacer pacer;
  pacer.set_path (1000000, true);
  EXPECT_LT (departures (pacer, 400, 5000 * kMs).back (), 40 * kMs);
  EXPECT_LT (departures (pacer, 40, 0).back (), 33 * kMs);
  EXPECT_LT (departures (pacer, 40, 1).back (), 8 * kMs);
}

TEST (Pacer, AThreadThatIsLateDoesNotWaitMore)
{
  Pacer pacer;
  pacer.set_path (1000000, true);
  pacer.begin (40000, 33 * kMs, 0);
  pacer.wait (1000, 0);
  EXPECT_EQ (pacer.wait (1000, 500 * kMs), 0);
  EXPECT_LT (pacer.wait (1000, -500 * kMs), 33 * kMs) << "clock went back";
  // More than was announced: headers.
  for (int i = 0; i < 100; i++)
    EXPECT_LE (pacer.wait (1000, 20 * kMs), 7 * kMs);
}
