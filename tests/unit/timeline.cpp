// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whatever times come in, what goes out can be sent and shown.
#include "media/timeline.hpp"
#include <gtest/gtest.h>
#include <random>

using namespace robotlive;

namespace {

constexpr std::int64_t kMs = 1000000, kSecond = 1000 * kMs;
constexpr std::int64_t kFrame = 33 * kMs;
using Fault = Timeline::Fault;

// A live stream of 30 pictures a second, each of which comes *late* after its
// time; what it says of itself is changed by the test.
class TimelineTest : public testing::Test
{
protected:
  // One that says *pts*; returns where it is placed.
  std::int64_t push (std::optional<std::int64_t> pts,
      std::optional<std::int64_t> dts = std::nullopt)
  {
    const auto placed = timeline.place (pts, dts, now);
    if (placed.fault != Fault::None)
      faults.push_back (placed.fault);
    EXPECT_LE (placed.time - now, Timeline::kMostAhead);
    EXPECT_LE (now - placed.time, Timeline::kMostBehind);
    now += kFrame;
    return placed.time;
  }

  Timeline timeline;
  std::int64_t now = kSecond;
  std::vector<Fault> faults;
};

} // namespace

TEST_F (TimelineTest, LeavesATrueStreamAlone)
{
  const auto late = 400 * kMs;
  for (int i = 0; i < 300; i++) {
    const auto said = now - late;
    EXPECT_EQ (push (said), said);
  }
  // Some come a little early, others late.
  for (int i = 0; i < 30; i++) {
    const auto regular = now;
    now += (i % 3 - 1) * 50 * kMs;
    EXPECT_EQ (push (regular), regular);
    now = regular + kFrame;
  }
  EXPECT_TRUE (faults.empty ());
}

TEST_F (TimelineTest, LeavesAReorderedStreamAlone)
{
  // I B B P: shown in another order than they come in.
  const int order[] = {2, 0, 1};
  for (int group = 0; group < 20; group++)
    for (int i = 0; i < 3; i++) {
      const auto dts = now - 200 * kMs;
      const auto pts =
          now - i * kFrame + order[i] * kFrame - 200 * kMs + 2 * kFrame;
      EXPECT_EQ (push (pts, dts), pts);
    }
  EXPECT_TRUE (faults.empty ());
}

TEST_F (TimelineTest, LetsANetworkCatchUp)
{
  for (int i = 0; i < 30; i++)
    push (now);
  const auto stalled = now;
  now += 4 * kSecond;
  const auto back = now;
  for (int i = 0; stalled + i * kFrame < back; i++) {
    push (stalled + i * kFrame);
    now = back + i * kMs; // all at once
  }
  EXPECT_TRUE (faults.empty ());
}

TEST_F (TimelineTest, TakesALeapOnce)
{
  for (const auto leap : {600 * kSecond, -600 * kSecond, 2 * kSecond, -kSecond,
           std::int64_t (1) << 60, -(std::int64_t (1) << 60)}) {
    timeline.reset ();
    faults.clear ();
    std::int64_t last = 0;
    for (int i = 0; i < 60; i++) {
      const auto at = push (i < 30 ? now : now + leap);
      EXPECT_GT (at, last) << leap;
      last = at;
    }
    ASSERT_EQ (faults.size (), 1u) << leap;
    EXPECT_EQ (faults[0], leap > 0 ? Fault::Ahead : Fault::Back) << leap;
    // And back again.
    faults.clear ();
    for (int i = 0; i < 30; i++) {
      const auto at = push (now);
      EXPECT_GT (at, last) << leap;
      last = at;
    }
    EXPECT_EQ (faults.size (), 1u) << leap;
  }
}

TEST_F (TimelineTest, StampsWhatHasNoTime)
{
  std::int64_t last = 0;
  for (int i = 0; i < 30; i++) {
    const auto came = now;
    const auto at = push (std::nullopt);
    EXPECT_EQ (at, came);
    EXPECT_GT (at, last);
    last = at;
  }
  now -= kFrame; // two at one instant
  EXPECT_GT (push (std::nullopt), last);
  EXPECT_EQ (faults.size (), 31u);
}

TEST_F (TimelineTest, TakesTheOtherTimeWhereOneIsMissing)
{
  for (int i = 0; i < 30; i++) {
    const auto said = now;
    EXPECT_EQ (push (std::nullopt, said), said);
  }
  EXPECT_TRUE (faults.empty ());
}

// Each is behind, or at, the one before: a clock that runs backwards, one that
// stands, one that is slow.
TEST_F (TimelineTest, NeverGoesBackOrStands)
{
  const auto start = now;
  std::int64_t last = 0;
  for (int i = 0; i < 60; i++) {
    const auto at = push (start - i * kFrame);
    EXPECT_GT (at, last);
    last = at;
  }
  timeline.reset ();
  std::vector<std::int64_t> times;
  for (int i = 0; i < 60; i++)
    times.push_back (push (start));
  for (std::size_t i = 4; i < times.size (); i++)
    EXPECT_GT (times[i], times[i - 4]);
  timeline.reset ();
  for (int i = 0; i < 3000; i++)
    push (now / 2); // what push () asks for is enough
}

TEST_F (TimelineTest, HoldsWhateverComes)
{
  std::mt19937_64 random (1);
  std::uniform_int_distribution<int> kind (0, 5);
  std::uniform_int_distribution<std::int64_t> any (
      -(std::int64_t (1) << 61), std::int64_t (1) << 61);
  std::int64_t last = 0;
  for (int i = 0; i < 20000; i++) {
    std::optional<std::int64_t> pts;
    if (const int what = kind (random); what == 0)
      pts = any (random);
    else if (what < 5)
      pts = now + what * kFrame;
    const auto at = push (pts);
    EXPECT_GE (at, last);
    last = at;
  }
}
