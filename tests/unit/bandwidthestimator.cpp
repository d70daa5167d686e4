// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The estimator on synthetic paths: a bottleneck with a drop-tail queue, loss
// and jitter, fed by a source that sends 30 pictures a second at the target.
#include "ratesimulation.hpp"
#include <gtest/gtest.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

// An encoder that does as it is told, at once: what is seen is the estimator.
class Path : public Stream
{
public:
  Path ()
  {
    encoder.lag = 1e-3;
    encoder.spread = 0;
    encoder.key = 1;
    encoder.keys = 0;
    link.bucket = 0;
    link.queue = 400 * kMs;
    link.delay = 25 * kMs;
    update_interval = 0;
  }
};

} // namespace

TEST (BandwidthEstimator, StartsAtTheStart)
{
  const BandwidthEstimator estimator ({300000, 1500000, 2500000});
  EXPECT_EQ (estimator.target (), 1500000u);
  EXPECT_EQ (estimator.limit (0), RateLimit::None);
}

TEST (BandwidthEstimator, GrowsToTheMaximumOnAWidePath)
{
  Path path;
  path.run (15);
  EXPECT_EQ (path.estimator.target (), 2500000u);
  EXPECT_EQ (path.estimator.limit (path.now), RateLimit::None);
  EXPECT_NEAR (path.estimator.received_rate (), 2500000, 300000);
}

TEST (BandwidthEstimator, StepDownAndUp)
{
  Path path;
  double capacity = 2e6;
  path.link.rate = [&] (std::int64_t) { return capacity; };
  path.run (20);
  EXPECT_GT (path.estimator.target (), 1400000u);

  capacity = 1e6;
  path.run (3);
  EXPECT_LT (path.estimator.target (), 1050000u);
  EXPECT_EQ (path.estimator.limit (path.now), RateLimit::Delay);
  path.run (1);
  path.measure ();
  path.run (11);
  EXPECT_LT (path.latency (0.95), 225) << "a queue stays";
  EXPECT_GT (path.estimator.target (), 600000u);

  capacity = 2e6;
  path.run (15);
  EXPECT_GT (path.estimator.target (), 1600000u);
}

TEST (BandwidthEstimator, PathNarrowerThanTheStart)
{
  Path path;
  path.link.rate = [] (std::int64_t) { return 5e5; };
  path.run (5);
  EXPECT_LT (path.estimator.target (), 550000u);
  path.run (5);
  path.measure ();
  path.run (10);
  EXPECT_LT (path.latency (0.95), 275);
  EXPECT_GE (path.estimator.target (), 300000u);
}

TEST (BandwidthEstimator, LossWithoutAQueueDoesNotHalveTheRate)
{
  Path path;
  path.link.loss = 0.05;
  path.measure ();
  path.run (40);
  EXPECT_GT (path.least, 1200000u);
  EXPECT_NEAR (path.estimator.loss (), 0.05, 0.05);
}

TEST (BandwidthEstimator, HeavyLossLowersTheRate)
{
  Path path;
  path.link.loss = 0.25;
  path.run (10);
  EXPECT_LT (path.estimator.target (), 1000000u);
  EXPECT_EQ (path.estimator.limit (path.now), RateLimit::Loss);
  path.link.loss = 0;
  path.run (20);
  EXPECT_GT (path.estimator.target (), 1500000u);
}

TEST (BandwidthEstimator, JitterWithoutAQueueDoesNotLowerTheRate)
{
  Path path;
  path.link.jitter = 20 * kMs;
  path.measure ();
  path.run (60);
  EXPECT_GE (path.least, 1400000u);
  EXPECT_GT (path.estimator.target (), 2200000u);
}

TEST (BandwidthEstimator, GivesWayToCrossTrafficAndComesBack)
{
  Path path;
  double other = 0;
  path.link.rate = [&] (std::int64_t) { return 3e6 - other; };
  path.run (20);
  EXPECT_GT (path.estimator.target (), 2200000u);
  other = 2e6;
  path.run (5);
  path.measure ();
  path.run (5);
  EXPECT_LT (path.estimator.target (), 1100000u);
  EXPECT_LT (path.latency (0.95), 275);
  other = 0;
  path.run (30);
  EXPECT_GT (path.estimator.target (), 2200000u);
}

TEST (BandwidthEstimator, LostFeedbackLowersTheRateToTheMinimum)
{
  Path path;
  path.run (10);
  path.feedback = false;
  path.run (3.5);
  EXPECT_LT (path.estimator.target (), 2000000u);
  EXPECT_EQ (path.estimator.limit (path.now), RateLimit::NoFeedback);
  path.run (20);
  EXPECT_EQ (path.estimator.target (), 300000u);
  path.feedback = true;
  path.run (40);
  EXPECT_GT (path.estimator.target (), 1500000u);
  EXPECT_NE (path.estimator.limit (path.now), RateLimit::NoFeedback);
}

TEST (BandwidthEstimator, SilenceWhileNothingIsSentMeansNothing)
{
  Path path;
  path.run (5);
  const unsigned before = path.estimator.target ();
  for (int i = 0; i < 300; i++)
    path.estimator.on_tick (false, path.now += 200 * kMs);
  EXPECT_EQ (path.estimator.target (), before);
  path.estimator.on_tick (true, path.now += 200 * kMs);
  EXPECT_EQ (path.estimator.target (), before);
}

TEST (BandwidthEstimator, ReceiverReportsAlone)
{
  BandwidthEstimator estimator ({});
  std::int64_t now = kSec;
  for (int i = 0; i < 20; i++)
    estimator.on_receiver_report (0, 50 * kMs, now += kSec);
  EXPECT_GT (estimator.target (), 2000000u);
  for (int i = 0; i < 5; i++)
    estimator.on_receiver_report (0.2, 50 * kMs, now += kSec);
  EXPECT_LT (estimator.target (), 1600000u);
  EXPECT_EQ (estimator.limit (now), RateLimit::Loss);
  for (int i = 0; i < 20; i++)
    estimator.on_receiver_report (0, 50 * kMs, now += kSec);
  const unsigned before = estimator.target ();
  for (int i = 0; i < 4; i++) // the round trip grows: a queue
    estimator.on_receiver_report (0, 400 * kMs, now += kSec);
  EXPECT_LT (estimator.target (), before * 0.6);
  EXPECT_EQ (estimator.limit (now), RateLimit::Delay);
}

TEST (BandwidthEstimator, ALongerRouteIsNotAQueueForEver)
{
  BandwidthEstimator estimator ({});
  std::int64_t now = kSec;
  estimator.on_receiver_report (0, 20 * kMs, now);
  for (int i = 0; i < 300; i++)
    estimator.on_receiver_report (0, 250 * kMs, now += kSec);
  EXPECT_GT (estimator.target (), 2000000u);
}

TEST (BandwidthEstimator, NonsenseStaysWithinTheRange)
{
  std::minstd_rand random (7);
  BandwidthEstimator estimator ({300000, 1500000, 2500000});
  std::int64_t now = kSec;
  for (int i = 0; i < 5000; i++) {
    std::vector<PacketReport> packets (random () % 50);
    for (PacketReport &packet : packets) {
      packet.sent = now - std::int64_t (random () % (10 * kSec));
      if (random () % 3)
        packet.received = std::int64_t (random ()) - std::int64_t (random ());
      packet.size = static_cast<unsigned> (random ());
    }
    now += std::int64_t (random () % kSec);
    estimator.on_feedback (packets, now);
    if (random () % 4 == 0)
      estimator.on_receiver_report (
          double (random () % 300) / 100 - 1, random () % kSec, now);
    estimator.on_tick (random () % 2 == 0, now);
    ASSERT_GE (estimator.target (), 300000u);
    ASSERT_LE (estimator.target (), 2500000u);
  }
}
