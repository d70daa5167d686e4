// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The estimator on synthetic paths: a bottleneck with a drop-tail queue, loss
// and jitter, fed by a source that sends 30 pictures a second at the target.
#include "bandwidthestimator.hpp"
#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <random>

using namespace robotlive;

namespace {

constexpr std::int64_t kMs = 1000;
constexpr std::int64_t kSec = 1000 * kMs;

class Path
{
public:
  std::function<double (std::int64_t)> capacity = [] (std::int64_t) {
    return 10e6;
  };
  double loss = 0;
  std::int64_t jitter = 0;        // us, plus or minus, no reordering
  std::int64_t queue = 400 * kMs; // longest wait before a packet is dropped
  bool feedback = true;
  BandwidthEstimator estimator;
  std::int64_t now = kSec;

  explicit Path (const RateRange &range = {}) : estimator (range) {}

  // Seconds of simulated time; *each* sees every picture interval.
  void run (
      double seconds, const std::function<void ()> &each = [] {})
  {
    const std::int64_t end = now + static_cast<std::int64_t> (seconds * kSec);
    while (now < end) {
      send_picture ();
      now += 33333;
      if (feedback && now - last_feedback_ >= 100 * kMs)
        give_feedback ();
      estimator.on_tick (true, now);
      each ();
    }
  }

  // The 95th percentile of the waits of packets sent in the last *seconds*, ms.
  double wait_p95 (double seconds) const
  {
    std::vector<double> waits;
    for (const auto &[sent, wait] : waits_)
      if (sent > now - seconds * kSec)
        waits.push_back (wait / 1e3);
    std::sort (waits.begin (), waits.end ());
    return waits.empty () ? 0 : waits[waits.size () * 95 / 100];
  }

private:
  void send_picture ()
  {
    double bytes = estimator.target () / 30.0 / 8;
    while (bytes > 0) {
      const auto size = static_cast<unsigned> (std::min (bytes, 1200.0));
      bytes -= 1200;
      PacketReport packet;
      packet.sent = now;
      packet.size = size + 40;
      const std::int64_t start = std::max (now, link_free_);
      const bool dropped = start - now > queue || uniform_ (random_) < loss;
      if (start - now <= queue)
        link_free_ = start + static_cast<std::int64_t> (
                                 packet.size * 8e6 / capacity (start));
      if (!dropped) {
        std::int64_t arrival = link_free_ + 25 * kMs;
        if (jitter)
          arrival += static_cast<std::int64_t> (
              (uniform_ (random_) * 2 - 1) * jitter + jitter);
        arrival = std::max (arrival, last_arrival_);
        last_arrival_ = arrival;
        waits_.emplace_back (now, link_free_ - now);
        packet.received = arrival + 12345 * kSec; // another clock
      }
      in_flight_.push_back (packet);
    }
  }

  void give_feedback ()
  {
    last_feedback_ = now;
    std::vector<PacketReport> packets;
    while (!in_flight_.empty ()) {
      const PacketReport &first = in_flight_.front ();
      const std::int64_t known = first.received
                                     ? *first.received - 12345 * kSec + 25 * kMs
                                     : first.sent + 100 * kMs;
      if (known > now)
        break;
      packets.push_back (first);
      in_flight_.pop_front ();
    }
    estimator.on_feedback (packets, now);
  }

  std::minstd_rand random_{42};
  std::uniform_real_distribution<double> uniform_{0, 1};
  std::deque<PacketReport> in_flight_;
  std::vector<std::pair<std::int64_t, std::int64_t>> waits_;
  std::int64_t link_free_ = 0, last_arrival_ = 0, last_feedback_ = 0;
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
  path.capacity = [&] (std::int64_t) { return capacity; };
  path.run (20);
  EXPECT_GT (path.estimator.target (), 1400000u);

  capacity = 1e6;
  path.run (3);
  EXPECT_LT (path.estimator.target (), 1050000u);
  EXPECT_EQ (path.estimator.limit (path.now), RateLimit::Delay);
  path.run (12);
  EXPECT_LT (path.wait_p95 (11), 200) << "a queue stays";
  EXPECT_GT (path.estimator.target (), 600000u);

  capacity = 2e6;
  path.run (15);
  EXPECT_GT (path.estimator.target (), 1600000u);
}

TEST (BandwidthEstimator, PathNarrowerThanTheStart)
{
  Path path;
  path.capacity = [] (std::int64_t) { return 5e5; };
  path.run (5);
  EXPECT_LT (path.estimator.target (), 550000u);
  path.run (15);
  EXPECT_LT (path.wait_p95 (10), 250);
  EXPECT_GE (path.estimator.target (), 300000u);
}

TEST (BandwidthEstimator, LossWithoutAQueueDoesNotHalveTheRate)
{
  Path path;
  path.loss = 0.05;
  unsigned least = path.estimator.target ();
  path.run (40, [&] { least = std::min (least, path.estimator.target ()); });
  EXPECT_GT (least, 1200000u);
  EXPECT_NEAR (path.estimator.loss (), 0.05, 0.05);
}

TEST (BandwidthEstimator, HeavyLossLowersTheRate)
{
  Path path;
  path.loss = 0.25;
  path.run (10);
  EXPECT_LT (path.estimator.target (), 1000000u);
  EXPECT_EQ (path.estimator.limit (path.now), RateLimit::Loss);
  path.loss = 0;
  path.run (20);
  EXPECT_GT (path.estimator.target (), 1500000u);
}

TEST (BandwidthEstimator, JitterWithoutAQueueDoesNotLowerTheRate)
{
  Path path;
  path.jitter = 10 * kMs;
  unsigned least = path.estimator.target ();
  path.run (60, [&] { least = std::min (least, path.estimator.target ()); });
  EXPECT_GE (least, 1400000u);
  EXPECT_GT (path.estimator.target (), 2200000u);
}

TEST (BandwidthEstimator, GivesWayToCrossTrafficAndComesBack)
{
  Path path;
  double other = 0;
  path.capacity = [&] (std::int64_t) { return 3e6 - other; };
  path.run (20);
  EXPECT_GT (path.estimator.target (), 2200000u);
  other = 2e6;
  path.run (10);
  EXPECT_LT (path.estimator.target (), 1100000u);
  EXPECT_LT (path.wait_p95 (5), 250);
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
