// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The server's wall clock is set while sessions run.
#include "hub-fixture.hpp"

namespace robotlive::server {

namespace {

constexpr TimeMs kHour = 3600000;

// A viewer who has booked from an hour ago to an hour from now, and watches.
struct Watching
{
  Watching ()
  {
    w.book ("v", -2 * kHour, kHour);
    robot = w.join ("robot", "r1", R"(,"instance":"one","peers":[])");
    viewer = w.join ("viewer", "v", R"(,"instance":"page","peers":[])");
    w.offer (viewer, "r1");
    w.sockets.sent.clear ();
  }
  // The clock is set, *by* in ms.
  void set (TimeMs by)
  {
    w.backend.now += by;
    w.hub->clock_set (by, w.backend.now);
    w.hub->tick (w.backend.now);
  }
  std::size_t running ()
  {
    std::size_t count = 0;
    for (const auto &session : w.hub->sessions ())
      count += session.ending.empty ();
    return count;
  }

  World w;
  SocketId robot, viewer;
};

bool
names_time (
    const std::vector<std::string> &payloads, const char *name, TimeMs time)
{
  const std::string member =
      std::string ("\"") + name + "\":" + std::to_string (time);
  return payloads.size () == 1 &&
         payloads[0].find (member) != std::string::npos;
}

} // namespace

TEST (HubClock, SetBackTheBookingsNewEndIsToldToBoth)
{
  Watching t;
  ASSERT_EQ (t.running (), 1u);
  t.set (-kHour);
  EXPECT_EQ (t.running (), 1u);
  for (SocketId socket : {t.robot, t.viewer}) {
    const auto told = t.w.sockets.of (socket, "session-updated");
    EXPECT_TRUE (names_time (told, "expiresAt", kStart + kHour));
    EXPECT_TRUE (names_time (told, "serverTime", kStart - kHour));
  }
  t.w.pass (2 * kHour - 1000);
  EXPECT_EQ (t.running (), 1u);
  t.w.pass (1000);
  EXPECT_EQ (t.running (), 0u);
}

TEST (HubClock, SetBackBeforeTheBookingItIsOver)
{
  Watching t;
  t.set (-3 * kHour);
  EXPECT_EQ (t.running (), 0u);
  EXPECT_EQ (t.w.sockets.of (t.robot, "session-ended").size (), 1u);
}

TEST (HubClock, SetForwardsBehindTheBookingItIsOver)
{
  Watching t;
  t.set (kHour + 1000);
  EXPECT_EQ (t.running (), 0u);
  EXPECT_EQ (t.w.sockets.of (t.robot, "session-ended").size (), 1u);
}

// Nobody can tell what is booked: what the robot was granted lasts as long as
// the robot lets it.
TEST (HubClock, WithoutAStoreASessionLastsAsLongAsItWasGranted)
{
  for (const TimeMs by : {-kHour, kHour}) {
    Watching t;
    t.w.backend.available = false;
    t.set (by);
    EXPECT_TRUE (t.w.sockets.of (t.robot, "session-updated").empty ());
    t.w.pass (kHour - 1000);
    EXPECT_EQ (t.running (), 1u) << by;
    t.w.pass (1000);
    EXPECT_EQ (t.running (), 0u) << by;
  }
}

TEST (HubClock, AGraceIsNoLonger)
{
  Watching t;
  t.w.hub->disconnect (t.robot, "transport close", t.w.backend.now);
  const SocketId old = t.w.join ("robot", "r2");
  t.w.book ("u", -2 * kHour, kHour, "r2");
  t.w.offer (t.w.join ("viewer", "u"), "r2");
  ASSERT_EQ (t.running (), 2u);
  t.w.hub->disconnect (old, "transport close", t.w.backend.now);
  t.set (-kHour);
  EXPECT_EQ (t.running (), 2u);
  // Of a robot that names no peers; the other's session is its booking's.
  t.w.pass (t.w.config.robot_grace_ms);
  EXPECT_EQ (t.running (), 1u);
}

} // namespace robotlive::server
