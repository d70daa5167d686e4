// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Estimator, rate control and a simulated encoder in a loop over a simulated
// link: what a viewer on that link would see.
#include "ratesimulation.hpp"
#include <algorithm>
#include <gtest/gtest.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

constexpr RateRange kRange{300000, 1500000, 2000000};

// Encoders of all kinds on a path of 2.2 Mbit/s that has 1 Mbit/s for a while.
struct Kind
{
  const char *name;
  Encoder encoder;
};

void
PrintTo (const Kind &kind, std::ostream *out)
{
  *out << kind.name;
}

Encoder
encoder (double obeys, double key, unsigned keys, std::int64_t pacing = 0)
{
  Encoder made;
  made.obeys = obeys;
  made.key = key;
  made.keys = keys;
  made.pacing = pacing;
  return made;
}

const Kind kKinds[] = {
    {"KeyFrameEach2S", encoder (1, 5, 60)},
    {"LargeKeyFrames", encoder (1, 8, 60)},
    {"PacedKeyFrames", encoder (1, 5, 60, 33 * kMs)},
    {"BelowItsTarget", encoder (0.9, 5, 60)},
    {"KeyFrameEach10S", encoder (1, 5, 300)},
    {"NoKeyFrames", encoder (1, 1, 0)},
    {"KeyFrameEachSecond", encoder (0.9, 3, 30)},
};

class StepDownAndUp : public testing::TestWithParam<Kind>
{
};

} // namespace

TEST_P (StepDownAndUp, UsesThePathAndKeepsItShort)
{
  Stream stream (kRange);
  stream.encoder = GetParam ().encoder;
  const double share = stream.encoder.obeys;
  double rate = 2.2e6;
  stream.link.rate = [&] (std::int64_t) { return rate; };
  stream.run (15);
  EXPECT_GT (stream.estimator.target (), 0.8 * rate);

  rate = 1e6;
  stream.run (3);
  EXPECT_LT (stream.control.target (), 1e6);
  EXPECT_NE (stream.estimator.limit (stream.now), RateLimit::None);
  stream.measure ();
  stream.run (17);
  EXPECT_GT (stream.bitrate (), 0.75 * share * rate);
  EXPECT_LT (stream.latency (0.95), 220);
  EXPECT_LT (stream.lost (), 0.01);

  rate = 2.2e6;
  stream.run (15);
  EXPECT_GT (stream.control.target (), 0.8 * rate);
  stream.measure ();
  stream.run (10);
  EXPECT_GT (stream.bitrate (), 0.8 * share * rate);
  EXPECT_LT (stream.latency (0.95), 220);
}

INSTANTIATE_TEST_SUITE_P (Encoders, StepDownAndUp, testing::ValuesIn (kKinds),
    [] (const auto &kind) { return std::string (kind.param.name); });

TEST (RateLoop, FindsItsWayOnPathsOfEveryWidth)
{
  for (double rate : {5e5, 7e5, 1e6, 1.4e6, 3e6, 1e7}) {
    Stream stream;
    stream.link.rate = [rate] (std::int64_t) { return rate; };
    stream.run (15);
    stream.measure ();
    stream.run (30);
    const double wanted = std::min (rate, 2.5e6);
    EXPECT_GT (stream.bitrate (), 0.75 * wanted) << rate;
    EXPECT_LT (stream.latency (0.95), 230) << rate;
    EXPECT_LT (stream.lost (), 0.015) << rate;
  }
}

TEST (RateLoop, LossWithoutAQueueDoesNotHalveTheRate)
{
  Stream stream;
  stream.link.rate = [] (std::int64_t) { return 2e7; };
  stream.run (10);
  const unsigned before = stream.control.target ();
  EXPECT_GT (before, 2000000u);
  stream.link.loss = 0.05;
  stream.measure ();
  stream.run (60);
  EXPECT_GT (stream.least, 0.8 * before);
}

TEST (RateLoop, JitterOnAWidePathDoesNotLowerTheRate)
{
  Stream stream;
  stream.link.rate = [] (std::int64_t) { return 2e7; };
  stream.link.delay = 40 * kMs;
  stream.link.jitter = 20 * kMs; // 50 ± 10 ms
  stream.run (10);
  EXPECT_EQ (stream.control.target (), 2500000u);
  stream.measure ();
  stream.run (60);
  EXPECT_EQ (stream.least, 2500000u);
}

// A longer route is no queue, although it starts like one.
TEST (RateLoop, ALongerRouteCostsNothing)
{
  for (const std::int64_t delay : {40, 100, 300})
    for (const std::int64_t jitter : {0, 20}) {
      Stream stream;
      stream.link.rate = [] (std::int64_t) { return 2e7; };
      stream.run (10);
      stream.link.delay = delay * kMs;
      stream.link.jitter = jitter * kMs;
      stream.measure ();
      stream.run (15);
      EXPECT_EQ (stream.least, 2500000u) << delay << " to " << delay + jitter;
    }
}

// A path that has next to nothing left makes a delay that jumps as well.
TEST (RateLoop, AQueueThatJumpsIsSeenAtOnce)
{
  for (const double rate : {4e5, 6e5, 8e5, 1e6}) {
    Stream stream;
    double capacity = 1e7;
    stream.link.rate = [&] (std::int64_t) { return capacity; };
    stream.run (10);
    capacity = rate;
    stream.run (0.6);
    EXPECT_LT (stream.estimator.target (), 1.3 * rate) << rate;
  }
}

// What a picture too many costs is lost: the encoder hears of a collapse with
// the feedback that shows it, and not at the next tick.
TEST (RateLoop, ACollapseIsToldAtOnce)
{
  for (int phase = 0; phase < 6; phase++) {
    Stream stream;
    double capacity = 2.2e6;
    stream.link.rate = [&] (std::int64_t) { return capacity; };
    stream.run (20 + 0.033 * phase);
    capacity = 1e6;
    std::int64_t seen = 0, told = 0;
    stream.run (3, [&] {
      if (!seen && stream.estimator.target () < capacity)
        seen = stream.now;
      if (!told && stream.control.target () < capacity)
        told = stream.now;
    });
    ASSERT_GT (seen, 0) << phase;
    EXPECT_EQ (told, seen) << phase;
  }
}

// What waits in a full queue is gone by when the picture begins anew, so that
// nothing is lost and nothing late.
TEST (RateLoop, ACollapsedPathIsDrained)
{
  for (const double rate : {6e5, 8e5, 1e6})
    for (int phase = 0; phase < 6; phase++) {
      Stream stream (kRange);
      stream.drains_wanted = true;
      stream.encoder.lag = 0.1;
      double capacity = 2.2e6;
      stream.link.rate = [&] (std::int64_t) { return capacity; };
      stream.run (20 + 0.05 * phase);
      ASSERT_EQ (stream.drains, 0u) << rate << ' ' << phase;
      capacity = rate;
      const auto step = stream.now;
      bool measured = false;
      stream.run (2, [&] {
        if (stream.drains && !measured)
          stream.measure ();
        measured = stream.drains;
      });
      ASSERT_EQ (stream.drains, 1u) << rate << ' ' << phase;
      EXPECT_LT (stream.drained_at - step, 700 * kMs) << rate << ' ' << phase;
      EXPECT_LT (stream.lost (), 0.02) << rate << ' ' << phase;
      EXPECT_LT (stream.latency (0.9), 250) << rate << ' ' << phase;
    }
}

// Only a collapse is worth a moment without pictures.
TEST (RateLoop, NothingElseStopsThePicture)
{
  for (const Kind &kind : kKinds)
    for (const double rate : {1e6, 2.2e6}) {
      Stream stream (kRange);
      stream.encoder = kind.encoder;
      stream.link.rate = [rate] (std::int64_t) { return rate; };
      stream.run (15); // in which it finds its way
      stream.drains = 0;
      stream.run (60);
      EXPECT_EQ (stream.drains, 0u) << kind.name << ' ' << rate;
    }
  Stream lossy (kRange);
  lossy.link.rate = [] (std::int64_t) { return 2e7; };
  lossy.link.jitter = 20 * kMs;
  lossy.link.loss = 0.05;
  lossy.run (60);
  EXPECT_EQ (lossy.drains, 0u);
}

// Round trips and losses alone, told once or many times a second, show the way
// as well, if more slowly.
TEST (RateLoop, ReceiverReportsFindTheWay)
{
  for (const std::int64_t interval : {150 * kMs, kSec})
    for (const std::int64_t queue : {200 * kMs, 600 * kMs}) {
      Stream stream (kRange);
      stream.feedback = false;
      stream.reports = true;
      stream.feedback_interval = interval;
      stream.link.queue = queue;
      double rate = 2.2e6;
      stream.link.rate = [&] (std::int64_t) { return rate; };
      stream.run (20);
      EXPECT_GT (stream.control.target (), 1400000u);
      rate = 1e6;
      stream.run (8);
      stream.measure ();
      stream.run (20);
      EXPECT_GT (stream.bitrate (), 0.6 * rate) << interval << ' ' << queue;
      EXPECT_LT (stream.latency (0.9), 450) << interval << ' ' << queue;
      EXPECT_LT (stream.lost (), 0.03) << interval << ' ' << queue;
    }
}

TEST (RateLoop, CrossTraffic)
{
  Stream stream;
  double other = 0;
  stream.link.rate = [&] (std::int64_t) { return 3e6 - other; };
  stream.run (15);
  EXPECT_GT (stream.control.target (), 2300000u);
  other = 2e6;
  stream.run (3);
  stream.measure ();
  stream.run (10);
  EXPECT_LT (stream.control.target (), 1100000u);
  EXPECT_LT (stream.latency (0.95), 220);
  other = 0;
  stream.run (15);
  EXPECT_GT (stream.control.target (), 2300000u);
}

// Others that come and go by the second: what is left is used, and no queue of
// our own making stays.
TEST (RateLoop, BurstsOfOthers)
{
  Stream stream;
  stream.link.rate = [] (std::int64_t at) {
    return at / kSec % 5 == 0 ? 8e5 : 2.5e6;
  };
  stream.run (15);
  stream.measure ();
  stream.run (60);
  EXPECT_GT (stream.bitrate (), 700000);
  EXPECT_LT (stream.latency (0.9), 220);
}

TEST (RateLoop, FeedbackLostAndBack)
{
  Stream stream;
  stream.run (10);
  stream.feedback = false;
  stream.run (20);
  EXPECT_EQ (stream.control.target (), 300000u);
  EXPECT_EQ (stream.estimator.limit (stream.now), RateLimit::NoFeedback);
  stream.feedback = true;
  stream.run (20);
  EXPECT_GT (stream.control.target (), 2000000u);
}

// Wi-Fi hands packets over in bunches, which look like a wide path.
TEST (RateLoop, ABunchingPathIsBelievedOnlyUntilItIsFull)
{
  Stream stream;
  stream.link.rate = [] (std::int64_t) { return 1.2e6; };
  stream.bunches = true;
  stream.run (20);
  stream.measure ();
  stream.run (60);
  EXPECT_GT (stream.bitrate (), 600000);
  EXPECT_LT (stream.latency (0.9), 230);
}

TEST (PacketTrains, TellWhatSpreadThemOut)
{
  PacketTrains trains;
  std::int64_t sent = kSec;
  const auto burst = [&] (double rate, int packets) {
    std::int64_t received = sent + 7777 * kSec;
    for (int i = 0; i < packets; i++)
      trains.add (sent += 100,
          received += static_cast<std::int64_t> (1200 * 8e6 / rate), 1200);
    sent += kSec;
    trains.add (sent, sent + 7777 * kSec, 1200); // the next
    sent += kSec;
  };
  EXPECT_EQ (trains.capacity (sent), 0);
  burst (1e6, 5); // too short to tell
  EXPECT_EQ (trains.capacity (sent), 0);
  burst (1e6, 40);
  EXPECT_NEAR (trains.capacity (sent), 1e6, 2e4);
  EXPECT_NEAR (trains.ceiling (sent), 1e6, 2e4);
  burst (2e6, 40);
  EXPECT_NEAR (trains.capacity (sent), 1e6, 2e4);
  EXPECT_NEAR (trains.ceiling (sent), 2e6, 4e4);
  burst (96e6, 40); // as fast as it was sent
  EXPECT_EQ (trains.ceiling (sent), 0);
  EXPECT_EQ (trains.capacity (sent + 60 * kSec), 0) << "long ago";
}
