// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The estimator on what real paths reported (traces/): open loop, the sender of
// the recording did what it did.
#include "rate/bandwidthestimator.hpp"
#include <cstdlib>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

using namespace robotlive;

namespace {

constexpr RateRange kRange{300000, 2000000, 2000000};

// Feeds the trace; *each* sees the seconds since its start after each message.
unsigned
replay (const std::string &name, BandwidthEstimator *estimator,
    const std::function<void (double)> &each)
{
  const char *folder = std::getenv ("ROBOTLIVE_TRACES");
  std::ifstream file (std::string (folder ? folder : "traces") + "/" + name);
  EXPECT_TRUE (file.good ()) << name;
  std::vector<PacketReport> packets;
  std::int64_t told = -1;
  unsigned count = 0;
  const auto flush = [&] () {
    if (packets.empty ())
      return;
    // An epoch of its own, as a real clock has.
    estimator->on_feedback (packets, 1000000000 + told * 100);
    each (double (told) / 1e4);
    packets.clear ();
  };
  for (std::string line; std::getline (file, line);) {
    if (line.empty () || line[0] == '#')
      continue;
    std::istringstream fields (line);
    std::int64_t now, sent;
    std::string received;
    PacketReport packet;
    EXPECT_TRUE (fields >> now >> sent >> received >> packet.size) << line;
    if (now != told)
      flush ();
    told = now;
    packet.sent = 1000000000 + sent * 100;
    if (received != "-")
      packet.received = 7000000000 + std::stoll (received) * 100;
    packets.push_back (packet);
    count++;
  }
  flush ();
  return count;
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
