// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/pathcontrol.hpp"
#include "tracefile.hpp"
#include <algorithm>

using namespace robotlive;

namespace {

constexpr RateRange kRange{300000, 2000000, 2000000};
constexpr std::int64_t kMs = 1000, kSecond = 1000000, kStart = 100 * kSecond;

// A path of *carries* bit/s and 20 ms with a queue, fed with 30 frames of as
// many bit/s as *sent*; what the queue holds longer than *limit* is lost.
class Path
{
public:
  explicit Path (PathControl *control) : control_ (control) {}

  // True when the path fell in one of the frames.
  bool run (double seconds, double sent, double carries)
  {
    bool fell = false;
    for (int frame = 0; frame < seconds * 30; frame++, now += kSecond / 30) {
      std::vector<PacketReport> packets;
      const auto size = sent / 30 / 8;
      branch.passed_bytes += static_cast<std::uint64_t> (size);
      for (double left = size; left > 0; left -= 1200) {
        const double bytes = std::min (left, 1200.);
        free_ = std::max (free_, double (now)) + bytes * 8e6 / carries;
        PacketReport packet;
        packet.sent = now;
        packet.size = static_cast<unsigned> (bytes);
        if (free_ - double (now) < double (limit))
          packet.received = static_cast<std::int64_t> (free_) + 20 * kMs;
        else
          free_ -= bytes * 8e6 / carries;
        packets.push_back (packet);
      }
      fell |= control_->on_feedback (packets, now);
      if (frame % 6 == 0) {
        last = control_->tick (branch, now);
        restarts += last.begin_anew;
      }
    }
    return fell;
  }

  PathControl::Branch branch;
  PathControl::Tick last;
  unsigned restarts = 0;
  std::int64_t now = kStart, limit = 600 * kMs;

private:
  PathControl *control_;
  double free_ = 0; // when the path has sent what it holds
};

} // namespace

TEST (PathControl, DoesNothingBeforeItIsStarted)
{
  PathControl control;
  EXPECT_FALSE (control.started ());
  EXPECT_FALSE (control.on_feedback ({{kStart, kStart, 1200}}, kStart));
  EXPECT_EQ (control.drain (Thinning::None, kStart), 0);
  EXPECT_FALSE (control.limit_changed (2000000, Thinning::None, kStart));
  const auto tick = control.tick ({}, kStart);
  EXPECT_FALSE (tick.begin_anew || tick.limited || tick.overrun || tick.pace);
}

TEST (PathControl, SaysWhereTheRateComesFrom)
{
  PathControl control;
  control.start (kRange, true);
  EXPECT_FALSE (control.has_feedback ());
  control.on_receiver_report (0, 20 * kMs, kStart);
  EXPECT_FALSE (control.has_feedback ());
  control.on_feedback ({{kStart, kStart + 20 * kMs, 1200}}, kStart);
  EXPECT_TRUE (control.has_feedback ());
}

TEST (PathControl, AWidePathIsLeftAlone)
{
  PathControl control;
  control.start (kRange, true);
  Path path (&control);
  EXPECT_FALSE (path.run (10, 1.8e6, 20e6));
  EXPECT_EQ (path.last.rate, 2000000u);
  EXPECT_FALSE (path.last.limited || path.last.overrun || path.last.pace);
  EXPECT_EQ (path.restarts, 0u);
  EXPECT_EQ (control.drain (Thinning::None, path.now), 0);
  EXPECT_FALSE (control.limit_changed (2000000, Thinning::None, path.now));
}

// The recording of a path that drops from 2.2 to 1 Mbit/s after 4.2 s.
struct Drop
{
  unsigned fell = 0, drained = 0;
  double first = 0;         // s since the start, when it was drained
  std::int64_t longest = 0; // us
};

Drop
replay_drop (Thinning thinning)
{
  PathControl control;
  control.start (kRange, true);
  PathControl::Branch branch;
  std::int64_t ticked = 0;
  Drop drop;
  read_trace ("step-down.txt",
      [&] (const auto &packets, std::int64_t now, double seconds) {
        for (const auto &packet : packets)
          branch.passed_bytes += packet.size;
        if (control.on_feedback (packets, now)) {
          drop.fell++;
          if (const auto time = control.drain (thinning, now)) {
            if (drop.drained++ == 0)
              drop.first = seconds;
            drop.longest = std::max (drop.longest, time);
            EXPECT_EQ (control.drain (thinning, now + kMs), 0);
          }
        }
        if (now - ticked >= 200 * kMs) {
          control.tick (branch, now);
          ticked = now;
        }
      });
  return drop;
}

TEST (PathControl, DrainsTheQueueOfAPathThatFell)
{
  const Drop drop = replay_drop (Thinning::None);
  EXPECT_GE (drop.drained, 1u);
  EXPECT_GT (drop.first, 4.2);
  EXPECT_LT (drop.first, 6.2);
  EXPECT_LT (drop.longest, 2 * kSecond);
}

// Whoever gets nothing but key frames has long pauses already.
TEST (PathControl, DoesNotDrainForKeyFramesAlone)
{
  const Drop drop = replay_drop (Thinning::KeyFrames);
  EXPECT_GT (drop.fell, 0u);
  EXPECT_EQ (drop.drained, 0u);
}

TEST (PathControl, PacesOnlyWhereThePathIsNarrowAndItMay)
{
  for (const bool pacing : {true, false}) {
    PathControl control;
    control.start (kRange, pacing);
    Path path (&control);
    path.run (3, 2e6, 1e6);
    EXPECT_TRUE (path.last.limited);
    EXPECT_EQ (path.last.pace, pacing);
  }
}

TEST (PathControl, SeesThatWhatIsLeftDoesNotAllArrive)
{
  PathControl control;
  control.start (kRange, true);
  Path path (&control);
  path.run (6, 1.2e6, 0.5e6);
  EXPECT_TRUE (path.last.overrun);
  EXPECT_LT (path.last.rate, 600000u);
  path.run (12, 0.2e6, 0.5e6);
  EXPECT_FALSE (path.last.overrun);
}

// Receiver reports tell of no arrivals: what passes is held against the
// estimate.
TEST (PathControl, SeesAnOverrunWithoutFeedback)
{
  PathControl control;
  control.start (kRange, true);
  PathControl::Branch branch;
  PathControl::Tick tick;
  auto now = kStart;
  const auto run = [&] (double seconds, double loss, double rate) {
    for (int n = 0; n < seconds * 5; n++, now += 200 * kMs) {
      branch.passed_bytes += static_cast<std::uint64_t> (rate / 5 / 8);
      if (n % 5 == 0)
        control.on_receiver_report (loss, 50 * kMs, now);
      tick = control.tick (branch, now);
    }
  };
  run (12, 0.3, 2e6);
  EXPECT_TRUE (tick.overrun);
  EXPECT_TRUE (tick.limited);
  run (4, 0, 0.1e6);
  EXPECT_FALSE (tick.overrun);
}

// Packets that are given up mean a key frame, one in two seconds.
TEST (PathControl, MendsAPictureThatLostPackets)
{
  PathControl control;
  control.start (kRange, true);
  Path path (&control);
  path.run (3, 1e6, 20e6);
  EXPECT_EQ (path.restarts, 0u);
  path.branch.given_up = 7;
  path.run (0.5, 1e6, 20e6);
  EXPECT_EQ (path.restarts, 1u);
  path.branch.given_up = 9; // too soon
  path.run (1, 1e6, 20e6);
  EXPECT_EQ (path.restarts, 1u);
  path.run (2, 1e6, 20e6);
  EXPECT_EQ (path.restarts, 1u); // and not for what was then
  path.branch.given_up = 10;
  path.run (0.5, 1e6, 20e6);
  EXPECT_EQ (path.restarts, 2u);
}

// It waits for room in the queue, but for no longer than a second.
TEST (PathControl, MendsInAFullQueueWithinASecond)
{
  PathControl control;
  control.start (kRange, true);
  Path path (&control);
  path.run (3, 2e6, 1e6);
  ASSERT_GT (control.estimator ().waiting (), 120);
  path.branch.given_up = 1;
  path.run (0.6, 2e6, 1e6);
  EXPECT_EQ (path.restarts, 0u);
  path.run (0.8, 2e6, 1e6);
  EXPECT_EQ (path.restarts, 1u);
}

TEST (PathControl, AsksForKeyFramesOfThinnedVideo)
{
  PathControl control;
  PathControl::Branch branch;
  auto now = kStart;
  const auto thin = [&] (Thinning level, bool often) {
    const bool asks = control.thin (level, often, branch, now);
    branch.thinning = level;
    return asks;
  };
  EXPECT_FALSE (thin (Thinning::None, false));
  EXPECT_FALSE (thin (Thinning::KeyFrames, false));
  branch.waits_for_key = true;
  now += 2900 * kMs;
  EXPECT_FALSE (thin (Thinning::KeyFrames, false));
  now += 200 * kMs;
  EXPECT_TRUE (thin (Thinning::KeyFrames, false)); // it stood still for 3 s
  EXPECT_FALSE (thin (Thinning::KeyFrames, false));
  // Where all have nothing else, as often as one leaves, with room for others.
  branch.spread = 500 * kMs;
  now += 699 * kMs;
  EXPECT_FALSE (thin (Thinning::KeyFrames, true));
  now += 2 * kMs;
  EXPECT_TRUE (thin (Thinning::KeyFrames, true));
  branch.spread = 0; // not more than two a second
  now += 499 * kMs;
  EXPECT_FALSE (thin (Thinning::KeyFrames, true));
  now += 2 * kMs;
  EXPECT_TRUE (thin (Thinning::KeyFrames, true));
  // More is sent again: it goes on with a key frame, at once.
  now += kMs;
  EXPECT_TRUE (thin (Thinning::NonReference, false));
  branch.waits_for_key = false;
  EXPECT_FALSE (thin (Thinning::None, false));
}

TEST (PathControl, TellsOnceWhatKeepsTheVideoDown)
{
  PathControl control;
  control.start (kRange, true);
  Path path (&control);
  path.run (4, 2e6, 0.8e6);
  const auto told = control.limit_changed (2000000, Thinning::None, path.now);
  ASSERT_TRUE (told);
  EXPECT_NE (*told, RateLimit::None);
  path.run (4, 2e6, 0.8e6);
  EXPECT_FALSE (control.limit_changed (2000000, Thinning::None, path.now));
  // Wide again: no more, and not before three seconds are over.
  path.run (40, 1.9e6, 20e6);
  const auto over = control.limit_changed (2000000, Thinning::None, path.now);
  ASSERT_TRUE (over);
  EXPECT_EQ (*over, RateLimit::None);
  path.run (1, 8e6, 0.8e6);
  EXPECT_FALSE (control.limit_changed (2000000, Thinning::None, path.now));
}
