// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/resendlimiter.hpp"
#include <gtest/gtest.h>

using robotlive::ResendLimiter;

namespace {
constexpr std::int64_t kMs = 1000;
constexpr std::int64_t kSec = 1000 * kMs;
} // namespace

TEST (ResendLimiter, AnswersOnceInARoundTrip)
{
  ResendLimiter limiter;
  limiter.set_path (2000000, 150 * kMs);
  EXPECT_TRUE (limiter.allow (65535, kSec));
  EXPECT_TRUE (limiter.allow (0, kSec)) << "another packet";
  EXPECT_FALSE (limiter.allow (65535, kSec + 100 * kMs));
  EXPECT_TRUE (limiter.allow (65535, kSec + 160 * kMs)) << "lost again";
  EXPECT_FALSE (limiter.allow (65535, kSec + 200 * kMs));
  EXPECT_EQ (limiter.refused (), 2u);
}

TEST (ResendLimiter, TheFirstPacketsOfAllAreAnswered)
{
  ResendLimiter limiter;
  EXPECT_TRUE (limiter.allow (0, 0));
  EXPECT_TRUE (limiter.allow (1, 0));
}

TEST (ResendLimiter, ANumberUsedAnewIsAnother)
{
  ResendLimiter limiter;
  limiter.set_path (2000000, 500 * kMs);
  EXPECT_TRUE (limiter.allow (7, kSec));
  EXPECT_TRUE (limiter.allow (7 + 1024, kSec));
  EXPECT_TRUE (limiter.allow (7, kSec)) << "forgotten, not confused";
}

TEST (ResendLimiter, ASmallPartOfThePathIsSpentOnIt)
{
  ResendLimiter limiter;
  limiter.set_path (1000000, 20 * kMs);
  std::int64_t now = kSec;
  for (int i = 0; i < 200; i++) // whatever may have been saved up
    limiter.allow (static_cast<std::uint16_t> (i), now);
  int allowed = 0;
  for (int i = 0; i < 20000; i++)
    allowed +=
        limiter.allow (static_cast<std::uint16_t> (i), now += 10 * kMs / 20);
  // 10 s at 250 kbit/s.
  EXPECT_NEAR (allowed, 260, 30);
}

TEST (ResendLimiter, AWholeKeyFrameMayBeAskedFor)
{
  ResendLimiter limiter;
  limiter.set_path (300000, 20 * kMs);
  for (int i = 0; i < 30; i++)
    EXPECT_TRUE (limiter.allow (static_cast<std::uint16_t> (i), kSec)) << i;
}

TEST (ResendLimiter, NothingBeforeANewBeginning)
{
  ResendLimiter limiter;
  limiter.set_path (2000000, 20 * kMs);
  EXPECT_TRUE (limiter.allow (65530, kSec));
  limiter.begin_at (65534);
  EXPECT_FALSE (limiter.allow (65530, 2 * kSec));
  EXPECT_FALSE (limiter.allow (65533, 2 * kSec));
  EXPECT_TRUE (limiter.allow (65534, 2 * kSec));
  EXPECT_TRUE (limiter.allow (3, 2 * kSec));
  limiter.begin_at (2);
  EXPECT_FALSE (limiter.allow (65534, 3 * kSec));
  EXPECT_TRUE (limiter.allow (3, 3 * kSec));
  EXPECT_EQ (limiter.given_up (), 0u) << "no want of room";
}

TEST (ResendLimiter, NothingUntilThePictureBeginsAnew)
{
  ResendLimiter limiter;
  limiter.set_path (2000000, 20 * kMs);
  EXPECT_TRUE (limiter.allow (7, kSec));
  limiter.stop ();
  EXPECT_FALSE (limiter.allow (8, 2 * kSec));
  EXPECT_EQ (limiter.given_up (), 0u) << "no want of room";
  limiter.begin_at (9);
  EXPECT_FALSE (limiter.allow (8, 3 * kSec));
  EXPECT_TRUE (limiter.allow (9, 3 * kSec));
}

TEST (ResendLimiter, TellsWhatThePathHasNoRoomFor)
{
  ResendLimiter limiter;
  limiter.set_path (300000, 100 * kMs);
  for (int i = 0; i < 20; i++)
    EXPECT_TRUE (limiter.allow (static_cast<std::uint16_t> (i), kSec)) << i;
  for (int i = 0; i < 20; i++)
    EXPECT_FALSE (limiter.allow (static_cast<std::uint16_t> (i), kSec));
  EXPECT_EQ (limiter.given_up (), 0u) << "under way";
  for (int i = 20; i < 120; i++)
    limiter.allow (static_cast<std::uint16_t> (i), kSec);
  EXPECT_GT (limiter.given_up (), 60u);
}

TEST (ResendLimiter, ClocksThatGoBackDoNoHarm)
{
  ResendLimiter limiter;
  limiter.set_path (1000000, 100 * kMs);
  EXPECT_TRUE (limiter.allow (1, 100 * kSec));
  EXPECT_FALSE (limiter.allow (1, kSec));
  EXPECT_TRUE (limiter.allow (2, kSec));
}
