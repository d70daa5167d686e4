// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rights that end while somebody is connected: the socket and its sessions go
// with them, and nobody else's.
#include "hub-fixture.hpp"

using namespace robotlive;
using namespace robotlive::server;

namespace {

bool
gone (const World &w, SocketId socket)
{
  const auto &list = w.sockets.disconnected;
  return std::find (list.begin (), list.end (), socket) != list.end ();
}

TEST (HubRights, AnAdministratorThatIsNoneAnyMoreWatchesOnWithABookingOnly)
{
  World w;
  w.backend.roles = {{"boss", "admin"}, {"chief", "admin"}};
  w.book ("chief", 0, 3600000);
  const SocketId robot = w.join ("robot", "r1");
  const SocketId boss = w.join ("admin", "boss");
  const SocketId chief = w.join ("admin", "chief");
  w.offer (boss, "r1");
  w.offer (chief, "r1");
  ASSERT_EQ (w.hub->sessions ().size (), 2u);
  w.backend.roles["boss"] = w.backend.roles["chief"] = "viewer";
  w.hub->recheck_all (w.backend.now);
  ASSERT_EQ (w.hub->sessions ().size (), 1u);
  EXPECT_EQ (w.hub->sessions ()[0].viewer_id, "chief");
  EXPECT_EQ (w.hub->sessions ()[0].role, "viewer");
  EXPECT_EQ (w.hub->sessions ()[0].expires_at, kStart + 3600000);
  EXPECT_EQ (w.sockets.of (robot, "session-ended").size (), 1u);
  EXPECT_FALSE (gone (w, boss)) << "who is a viewer may stay";
  w.offer (boss, "r1");
  EXPECT_EQ (w.last_code (boss), "no-active-booking");
}

TEST (HubRights, ARenewalIsNoneForWhoLostTheRole)
{
  World w;
  w.backend.roles["boss"] = "admin";
  w.join ("robot", "r1");
  w.offer (w.join ("admin", "boss"), "r1");
  ASSERT_EQ (w.hub->sessions ().size (), 1u);
  w.backend.roles["boss"] = "viewer";
  w.pass (w.config.admin_step_ms * 3 / 4);
  EXPECT_TRUE (w.hub->sessions ().empty ());
}

TEST (HubRights, OneLoginEndsAndTheOtherGoesOn)
{
  World w;
  w.book ("7", 0, 3600000);
  w.join ("robot", "r1");
  auto join = [&w] (const char *token) {
    const SocketId s = w.connect (token);
    w.send (s, "register", "{\"userId\":\"7\",\"userType\":\"viewer\"}");
    w.offer (s, "r1");
    return s;
  };
  const SocketId one = join ("viewer:7#one"), two = join ("viewer:7#two");
  ASSERT_EQ (w.hub->sessions ().size (), 2u);
  w.backend.revoked = {"one"};
  w.hub->recheck ("7", w.backend.now);
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  EXPECT_TRUE (gone (w, one));
  EXPECT_FALSE (gone (w, two));
  EXPECT_EQ (w.last_code (one), "unauthorized");
}

TEST (HubRights, NobodyIsAnAdministratorWhileTheStoreIsSilent)
{
  World w;
  w.backend.roles["boss"] = "admin";
  w.join ("robot", "r1");
  w.backend.available = false;
  const SocketId boss = w.join ("admin", "boss");
  EXPECT_TRUE (w.sockets.of (boss, "robot-available").empty ());
  w.offer (boss, "r1");
  EXPECT_EQ (w.last_code (boss), "unavailable");
  w.backend.available = true;
  w.hub->recheck_all (w.backend.now);
  EXPECT_EQ (w.sockets.of (boss, "robot-available").size (), 1u);
}

TEST (HubRights, ASocketAndItsSessionEndWithTheToken)
{
  World w;
  w.book ("7", 0, 3600000);
  w.book ("8", 0, 3600000);
  w.join ("robot", "r1");
  const std::string end = std::to_string (kStart + 60000);
  const SocketId s = w.connect ("viewer:7:" + end);
  w.send (s, "register", "{\"userId\":\"7\",\"userType\":\"viewer\"}");
  w.offer (s, "r1");
  w.offer (w.join ("viewer", "8"), "r1");
  ASSERT_EQ (w.hub->sessions ().size (), 2u);
  w.pass (59000);
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  EXPECT_LE (w.hub->next_deadline (), kStart + 60000) << "nobody would look";
  w.pass (1000);
  EXPECT_TRUE (gone (w, s));
  ASSERT_EQ (w.hub->sessions ().size (), 1u);
  EXPECT_EQ (w.hub->sessions ()[0].viewer_id, "8");
}

TEST (HubRights, ANewLoginOfTheSamePersonSpeaksForTheSession)
{
  World w;
  w.book ("7", 0, 3600000);
  w.join ("robot", "r1");
  const SocketId s = w.connect ("viewer:7:" + std::to_string (kStart + 60000));
  w.send (s, "register", "{\"userId\":\"7\",\"userType\":\"viewer\"}");
  w.offer (s, "r1");
  w.join ("viewer", "7");
  w.pass (60000);
  EXPECT_TRUE (gone (w, s));
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
}

TEST (HubRights, ARobotsLinkEndsWithItsToken)
{
  World w;
  w.book ("7", 0, 3600000);
  w.backend.robot_token_ends = kStart + 60000; // another one replaces it
  const SocketId robot = w.join ("robot", "r1");
  w.offer (w.join ("viewer", "7"), "r1");
  w.pass (59000);
  EXPECT_TRUE (w.hub->robot_online ("r1"));
  w.pass (1000);
  EXPECT_FALSE (w.hub->robot_online ("r1"));
  EXPECT_EQ (w.last_code (robot), "unauthorized");
  EXPECT_TRUE (w.hub->sessions ().empty ());
  // One whose token is revoked by another process of the server.
  w.backend.robot_token_ends = kNever;
  const SocketId again = w.join ("robot", "r1");
  EXPECT_TRUE (w.hub->robot_online ("r1"));
  w.backend.available = false;
  w.backend.token_valid = false;
  w.hub->recheck_robots ();
  EXPECT_TRUE (w.hub->robot_online ("r1")) << "nobody has said that";
  w.backend.available = true;
  w.hub->recheck_robots ();
  EXPECT_FALSE (w.hub->robot_online ("r1"));
  EXPECT_EQ (w.last_code (again), "unauthorized");
}

TEST (HubRights, ARobotThatNobodyKnowsIsOfNoTypeOfItsOwn)
{
  for (bool allowed : {false, true}) {
    World w;
    w.config.allow_unknown_robots = allowed;
    w.hub->set_config (w.config);
    w.backend.robots_known = false;
    w.backend.roles["boss"] = "admin";
    w.join ("robot", "ghost", ",\"robotType\":\"big\"");
    const SocketId boss = w.join ("admin", "boss");
    w.offer (boss, "robot_big");
    EXPECT_EQ (w.hub->sessions ().size (), allowed ? 1u : 0u);
  }
}

TEST (HubRights, ARelayIsGivenAsLongAsTheRightAndTenMinutesAtMost)
{
  World w;
  w.config.robot_relay_ms = 3600000;
  w.hub->set_config (w.config);
  w.backend.roles["boss"] = "admin";
  w.join ("robot", "r1", ",\"instance\":\"i\"");
  ASSERT_EQ (w.relays.size (), 1u);
  EXPECT_EQ (w.relays.back ().first, "r1");
  w.join ("viewer", "7");
  EXPECT_EQ (w.relays.back ().first, "") << "no booking, no relay";
  w.book ("7", 0, 120000);
  w.join ("viewer", "7");
  EXPECT_EQ (
      w.relays.back (), std::make_pair (std::string ("7"), kStart + 120000));
  w.book ("8", 0, 7200000);
  w.join ("viewer", "8");
  EXPECT_EQ (w.relays.back ().second, kStart + 600000);
  w.join ("admin", "boss");
  EXPECT_EQ (w.relays.back ().second, kStart + 600000);
  // The robot is told anew, for the viewers that are still to come.
  const std::size_t before = w.relays.size ();
  w.pass (1800000);
  ASSERT_EQ (w.relays.size (), before + 1);
  EXPECT_EQ (w.relays.back ().first, "r1");
}

} // namespace
