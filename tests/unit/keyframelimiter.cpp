// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/keyframelimiter.hpp"
#include <gtest/gtest.h>

using namespace robotlive;
using Verdict = KeyFrameLimiter::Verdict;

namespace {

constexpr std::int64_t kMs = 1000000;

} // namespace

// The first is served at once; all that come in the interval after it become
// one, at its end.
TEST (KeyFrameLimiter, MakesOneOfMany)
{
  KeyFrameLimiter limiter; // 500 ms
  std::int64_t now = 7 * kMs, wait = 0;
  EXPECT_EQ (limiter.ask (now, &wait), Verdict::Pass);
  EXPECT_EQ (limiter.ask (now + 100 * kMs, &wait), Verdict::Later);
  EXPECT_EQ (wait, 400 * kMs);
  for (int i = 101; i < 500; i++)
    EXPECT_EQ (limiter.ask (now + i * kMs, &wait), Verdict::Drop);
  now += 500 * kMs;
  EXPECT_TRUE (limiter.due ());
  EXPECT_EQ (limiter.ask (now, &wait), Verdict::Pass);
  // That one begins an interval of its own.
  EXPECT_EQ (limiter.ask (now + 499 * kMs, &wait), Verdict::Later);
  EXPECT_EQ (wait, 1 * kMs);
}

// A viewer asks more than once before its key frame comes; nothing is left of
// that to make the next viewer wait.
TEST (KeyFrameLimiter, AKeyFrameServesAllThatWait)
{
  KeyFrameLimiter limiter;
  std::int64_t now = 7 * kMs, wait = 0;
  EXPECT_EQ (limiter.ask (now, &wait), Verdict::Pass);
  EXPECT_EQ (limiter.ask (now + kMs, &wait), Verdict::Later);
  limiter.came ();
  EXPECT_FALSE (limiter.due ());
  EXPECT_EQ (limiter.ask (now + 600 * kMs, &wait), Verdict::Pass);
  // It makes no interval shorter: what is asked for after it waits as before.
  limiter.came ();
  EXPECT_EQ (limiter.ask (now + 700 * kMs, &wait), Verdict::Later);
  EXPECT_EQ (wait, 400 * kMs);
  EXPECT_TRUE (limiter.due ());
}

TEST (KeyFrameLimiter, WaitsForNobodyAfterTheInterval)
{
  KeyFrameLimiter limiter;
  std::int64_t wait = 0;
  for (std::int64_t now = 0; now < 5000 * kMs; now += 500 * kMs)
    EXPECT_EQ (limiter.ask (now, &wait), Verdict::Pass);
}

TEST (KeyFrameLimiter, WithoutAnIntervalAllPass)
{
  KeyFrameLimiter limiter;
  limiter.set_interval (0);
  std::int64_t wait = 0;
  for (int i = 0; i < 10; i++)
    EXPECT_EQ (limiter.ask (5, &wait), Verdict::Pass);
}
