// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The estimator on what real paths reported (traces/): open loop, the sender of
// the recording did what it did.
#include "tracefile.hpp"
#include <functional>

using namespace robotlive;

namespace {

constexpr RateRange kRange{300000, 2000000, 2000000};

// Feeds the trace; *each* sees the seconds since its start after each message.
unsigned
replay (const std::string &name, BandwidthEstimator *estimator,
    const std::function<void (double)> &each)
{
  return read_trace (
      name, [&] (const auto &packets, std::int64_t now, double seconds) {
        estimator->on_feedback (packets, now);
        each (seconds);
      });
}

} // namespace

TEST (RateTraces, StepDownIsSeenWithinHalfASecond)
{
  BandwidthEstimator estimator (kRange);
  double seen = 0;
  unsigned before = 0;
  const unsigned packets = replay ("step-down.txt", &estimator, [&] (double t) {
    if (t < 4.2)
      before = estimator.target ();
    else if (seen == 0 && estimator.target () < 1000000)
      seen = t;
  });
  EXPECT_GT (packets, 1000u);
  EXPECT_GT (before, 1600000u) << "key frames on a path that is nearly full";
  EXPECT_GT (seen, 4.2);
  EXPECT_LT (seen, 4.7);
  EXPECT_GT (estimator.target (), 400000u);
  EXPECT_LT (estimator.target (), 1000000u);
}

TEST (RateTraces, JitterThatSetsInCostsNothing)
{
  BandwidthEstimator estimator (kRange);
  unsigned least = kRange.max;
  const unsigned packets = replay ("jitter.txt", &estimator,
      [&] (double) { least = std::min (least, estimator.target ()); });
  EXPECT_GT (packets, 1000u);
  EXPECT_EQ (least, 2000000u);
}

TEST (RateTraces, RandomLossCostsNothing)
{
  BandwidthEstimator estimator (kRange);
  unsigned least = kRange.max;
  const unsigned packets = replay ("loss.txt", &estimator,
      [&] (double) { least = std::min (least, estimator.target ()); });
  EXPECT_GT (packets, 1000u);
  EXPECT_NEAR (estimator.loss (), 0.05, 0.03);
  EXPECT_EQ (least, 2000000u);
}
