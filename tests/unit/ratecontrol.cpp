// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One target for many viewers, and who gets a thinned stream.
#include "rate/ratecontrol.hpp"
#include <gtest/gtest.h>

using namespace robotlive;

namespace {

constexpr std::int64_t kMs = 1000;
constexpr std::int64_t kSec = 1000 * kMs;
constexpr RateRange kRange{300000, 1500000, 2500000};

class Rates : public RateControl
{
public:
  explicit Rates (RatePolicy policy) : RateControl (kRange, policy) {}

  // *seconds* of updates, five a second; how often the encoder was told.
  int run (double seconds, unsigned encoder_rate = 0)
  {
    int told = 0;
    for (int i = 0; i < seconds * 5; i++)
      told += update (encoder_rate, now += 200 * kMs);
    return told;
  }

  std::int64_t now = kSec;
};

} // namespace

TEST (RateControl, StartsAtTheStartOrIsFixed)
{
  EXPECT_EQ (Rates (RatePolicy::Majority).target (), 1500000u);
  EXPECT_EQ (Rates (RatePolicy::SlowestViewer).target (), 1500000u);
  Rates fixed (RatePolicy::Fixed);
  EXPECT_EQ (fixed.target (), 2500000u);
  fixed.set_viewer ("a", 400000, true);
  EXPECT_EQ (fixed.run (5), 0);
  EXPECT_EQ (fixed.target (), 2500000u);
  EXPECT_EQ (fixed.thinning ("a"), Thinning::KeyFrames);
}

TEST (RateControl, SlowestViewerCounts)
{
  Rates rates (RatePolicy::SlowestViewer);
  rates.set_viewer ("a", 2500000, false);
  rates.set_viewer ("b", 800000, true);
  rates.run (1);
  EXPECT_EQ (rates.target (), 800000u);
  EXPECT_EQ (rates.thinning ("b"), Thinning::None);
  rates.remove_viewer ("b");
  rates.run (1);
  EXPECT_EQ (rates.target (), 2500000u);
}

TEST (RateControl, OneOfTwoIsSlow)
{
  Rates rates (RatePolicy::Majority);
  rates.set_viewer ("healthy", 2500000, false);
  rates.set_viewer ("slow", 500000, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 2500000u);
  EXPECT_EQ (rates.thinning ("healthy"), Thinning::None);
  EXPECT_EQ (rates.thinning ("slow"), Thinning::KeyFrames);
}

TEST (RateControl, MajorityIsMoreThanHalf)
{
  Rates rates (RatePolicy::Majority);
  rates.set_viewer ("a", 2400000, false);
  rates.set_viewer ("b", 2000000, true);
  rates.set_viewer ("c", 600000, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 2000000u);
  rates.set_viewer ("d", 700000, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 700000u);
}

TEST (RateControl, TheControllerCountsBeforeOthers)
{
  Rates rates (RatePolicy::Majority);
  rates.set_viewer ("a", 2400000, false);
  rates.set_viewer ("b", 2000000, false);
  rates.set_viewer ("driver", 900000, true, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 900000u);
  EXPECT_EQ (rates.thinning ("driver"), Thinning::None);

  // Nor do those who look on hold up whoever drives.
  rates.set_viewer ("driver", 2400000, false, true);
  rates.set_viewer ("a", 600000, true);
  rates.set_viewer ("b", 600000, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 2400000u);
  EXPECT_EQ (rates.thinning ("driver"), Thinning::None);
  EXPECT_EQ (rates.thinning ("a"), Thinning::KeyFrames);
}

TEST (RateControl, OfTwoWindowsOfTheControllerTheBetterCounts)
{
  Rates rates (RatePolicy::Majority);
  rates.set_viewer ("healthy", 2400000, false, true);
  rates.set_viewer ("slow", 500000, true, true);
  rates.set_viewer ("admin", 600000, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 2400000u);
  EXPECT_EQ (rates.thinning ("slow"), Thinning::KeyFrames);
}

TEST (RateControl, StaysWithinTheRange)
{
  Rates rates (RatePolicy::SlowestViewer);
  rates.set_viewer ("a", 0, true);
  rates.run (2);
  EXPECT_EQ (rates.target (), 300000u);
  rates.set_viewer ("a", 4000000000u, false);
  rates.run (2);
  EXPECT_EQ (rates.target (), 2500000u);
}

TEST (RateControl, KeepsTheTargetWhenTheLastViewerLeaves)
{
  Rates rates (RatePolicy::Majority);
  rates.set_viewer ("a", 900000, true);
  rates.run (2);
  rates.remove_viewer ("a");
  EXPECT_EQ (rates.run (5), 0);
  EXPECT_EQ (rates.target (), 900000u);
}

TEST (RateControl, RisesSeldomAndFallsAtOnce)
{
  Rates rates (RatePolicy::SlowestViewer);
  rates.set_viewer ("a", 1500000, false);
  rates.run (2);
  int told = 0;
  for (unsigned estimate = 1500000; estimate < 2500000; estimate += 20000) {
    rates.set_viewer ("a", estimate, false);
    told += rates.update (0, rates.now += 20 * kMs); // 1 s in all
  }
  EXPECT_LE (told, 2);
  EXPECT_GE (told, 1);

  rates.set_viewer ("a", 1000000, true);
  EXPECT_TRUE (rates.update (0, rates.now += 100 * kMs));
  EXPECT_EQ (rates.target (), 1000000u);
  rates.set_viewer ("a", 1020000, true);
  EXPECT_EQ (rates.run (5), 0) << "for 2 %";
}

TEST (RateControl, HalvesTheFrameRateNearTheFloor)
{
  Rates rates (RatePolicy::SlowestViewer);
  EXPECT_FALSE (rates.half_frame_rate ());
  rates.set_viewer ("a", 400000, true);
  rates.run (2);
  EXPECT_TRUE (rates.half_frame_rate ());
  rates.set_viewer ("a", 550000, false);
  rates.run (2);
  EXPECT_TRUE (rates.half_frame_rate ()) << "no flapping";
  rates.set_viewer ("a", 700000, false);
  rates.run (2);
  EXPECT_FALSE (rates.half_frame_rate ());
}

TEST (RateControl, AnEncoderOfAFewBitsKeepsItsFrames)
{
  constexpr RateRange range{250000, 250000, 250000};
  RateControl control (range, RatePolicy::Majority);
  control.set_viewer ("a", 250000, false);
  for (int i = 1; i < 20; i++)
    control.update (0, i * kSec);
  EXPECT_FALSE (control.half_frame_rate ());
}

TEST (RateControl, ALowEstimateWithoutALimitIsNotThinned)
{
  Rates rates (RatePolicy::Fixed);
  rates.set_viewer ("new", 1500000, false);
  rates.run (5);
  EXPECT_EQ (rates.thinning ("new"), Thinning::None);
}

TEST (RateControl, ACameraThatDoesNotObeyIsThinned)
{
  Rates rates (RatePolicy::SlowestViewer);
  rates.set_viewer ("a", 1000000, true);
  rates.run (2, 4000000);
  EXPECT_EQ (rates.thinning ("a"), Thinning::KeyFrames);
  rates.set_viewer ("a", 3000000, true);
  rates.set_viewer ("b", 1000000, true);
  rates.run (2, 1500000);
  EXPECT_EQ (rates.thinning ("b"), Thinning::NonReference);
  EXPECT_FALSE (rates.only_key_frames ());
}

TEST (RateControl, AStreamOfReferencesAloneIsThinnedToKeyFrames)
{
  Rates rates (RatePolicy::Fixed);
  rates.set_viewer ("a", 1500000, true, true, true);
  rates.run (1);
  EXPECT_EQ (rates.thinning ("a"), Thinning::NonReference);
  rates.run (4);
  EXPECT_EQ (rates.thinning ("a"), Thinning::KeyFrames);
  EXPECT_TRUE (rates.only_key_frames ());
  // Where that has helped, it is enough.
  rates.set_viewer ("b", 1500000, true, true, false);
  rates.run (60);
  EXPECT_EQ (rates.thinning ("b"), Thinning::NonReference);
  EXPECT_FALSE (rates.only_key_frames ());
}

TEST (RateControl, APathBelowTheMinimumIsThinned)
{
  Rates rates (RatePolicy::Majority);
  rates.set_viewer ("a", 230000, true, true, true);
  rates.run (5);
  EXPECT_EQ (rates.target (), 300000u);
  EXPECT_EQ (rates.thinning ("a"), Thinning::KeyFrames);
}

TEST (RateControl, AThinnedViewerIsTriedAgainLessAndLessOften)
{
  Rates rates (RatePolicy::Fixed);
  rates.set_viewer ("a", 500000, true);
  rates.run (1);
  ASSERT_EQ (rates.thinning ("a"), Thinning::KeyFrames);
  // While the path shows a limit, nothing is tried.
  rates.run (60);
  ASSERT_EQ (rates.thinning ("a"), Thinning::KeyFrames);

  std::vector<double> waits;
  for (int i = 0; i < 6; i++) {
    rates.set_viewer ("a", 500000, false);
    const std::int64_t from = rates.now;
    while (rates.thinning ("a") == Thinning::KeyFrames &&
           rates.now < from + 120 * kSec)
      rates.run (0.2);
    waits.push_back (double (rates.now - from) / kSec);
    rates.set_viewer ("a", 500000, true); // it did not last
    rates.run (0.2);
    ASSERT_EQ (rates.thinning ("a"), Thinning::KeyFrames);
  }
  EXPECT_LT (waits[0], 1);
  EXPECT_GT (waits[2], waits[1]);
  EXPECT_GT (waits[3], 1.8 * waits[2]);
  EXPECT_LE (waits[5], 31);

  // A path that stays wide gets everything back.
  rates.set_viewer ("a", 2500000, false);
  rates.run (70);
  EXPECT_EQ (rates.thinning ("a"), Thinning::None);
}

TEST (RateControl, UnknownViewersAreNotThinned)
{
  Rates rates (RatePolicy::Majority);
  EXPECT_EQ (rates.thinning ("nobody"), Thinning::None);
  EXPECT_FALSE (rates.only_key_frames ());
  rates.remove_viewer ("nobody");
  EXPECT_EQ (rates.run (5), 0);
}
