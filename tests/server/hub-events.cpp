// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the server says of its own accord: who hears what at each turn of a
// session, among others who have a session too, or none.
#include "hub-fixture.hpp"
#include <map>
#include <set>

using namespace robotlive;
using namespace robotlive::server;

namespace {

struct Crowd : testing::Test
{
  Crowd ()
  {
    names[r1 = w.join ("robot", "r1")] = "r1";
    names[w.join ("robot", "r2")] = "r2";
    names[v = w.join ("viewer", "v")] = "v";
    names[tab = w.join ("viewer", "v")] = "tab";
    names[root = w.join ("admin", "root")] = "root";
    names[w.join ("viewer", "nobody")] = "nobody";
    SocketId eve = w.join ("viewer", "eve");
    names[eve] = "eve";
    w.book ("eve", 0, 100000000, "r2", "");
    w.offer (eve, "r2");
    heard ();
  }
  // "who:what" of all that was sent since the last time, in order of names.
  std::string heard ()
  {
    std::multiset<std::string> all;
    for (const auto &sent : w.sockets.sent)
      all.insert (names[sent.socket] + ":" +
                  sent.payload.substr (2, sent.payload.find ('"', 2) - 2));
    w.sockets.sent.clear ();
    std::string text;
    for (const std::string &one : all)
      text += (text.empty () ? "" : " ") + one;
    return text;
  }
  void book (TimeMs end)
  {
    w.backend.bookings["v"] = {{1, "r1", "", {w.backend.now, end}}};
    w.hub->recheck ("v", w.backend.now);
  }
  void start (SocketId viewer)
  {
    w.offer (viewer, "r1");
    EXPECT_EQ (heard (), "r1:offer");
  }
  std::string reason_to (SocketId socket) const
  {
    auto ends = w.sockets.of (socket, "session-ended");
    if (ends.size () != 1)
      return std::to_string (ends.size ()) + " ends";
    std::size_t at = ends[0].find ("\"reason\":\"") + 10;
    return ends[0].substr (at, ends[0].find ('"', at) - at);
  }

  World w;
  SocketId r1, v, tab, root;
  std::map<SocketId, std::string> names;
};

const char both_ended[] = "r1:session-ended v:session-ended";
const char both_updated[] = "r1:session-updated v:session-updated";

TEST_F (Crowd, ASessionFromItsStartToItsEnd)
{
  book (kStart + 120000);
  EXPECT_EQ (heard (), "tab:robot-available v:robot-available");
  start (v);
  for (TimeMs end : {180000, 150000}) { // extended, shortened
    book (kStart + end);
    EXPECT_EQ (heard (), both_updated);
  }
  w.pass (90000);
  EXPECT_EQ (heard (), "v:session-expiring");
  w.pass (60000);
  EXPECT_EQ (reason_to (r1), "expired");
  EXPECT_EQ (reason_to (v), "expired");
  EXPECT_EQ (heard (), "r1:session-ended tab:robot-unavailable "
                       "v:robot-unavailable v:session-ended");
}

TEST_F (Crowd, ASessionThatIsCancelledRevokedOrLeft)
{
  book (kStart + 120000);
  heard ();
  start (v);
  w.backend.bookings["v"].clear ();
  w.hub->recheck ("v", w.backend.now);
  EXPECT_EQ (reason_to (v), "revoked");
  EXPECT_EQ (heard (), "r1:session-ended tab:robot-unavailable "
                       "v:robot-unavailable v:session-ended");
  book (kStart + 120000);
  heard ();
  start (v);
  for (const auto &entry : w.hub->sessions ())
    if (entry.viewer_id == "v")
      w.hub->end_session (entry.peer_id, "revoked", w.backend.now);
  EXPECT_EQ (reason_to (v), "revoked");
  EXPECT_EQ (heard (), both_ended);
  start (v);
  w.send (v, "leave", R"({"to":"r1"})");
  EXPECT_EQ (heard (), "r1:leave");
  start (v);
  w.send (r1, "leave", R"({"to":"v"})");
  EXPECT_EQ (heard (), "v:leave");
  start (v);
  start (tab);
  w.hub->disconnect (tab, "transport close", w.backend.now);
  EXPECT_EQ (heard (), ""); // a link that breaks is nobody's word
  w.pass (w.config.viewer_grace_ms);
  EXPECT_NE (w.sockets.of (r1, "leave").at (0).find ("viewer-left"),
      std::string::npos);
  EXPECT_EQ (heard (), "r1:leave");
}

TEST_F (Crowd, ARobotThatGoesIsReplacedOrRevoked)
{
  book (kStart + 100000000);
  heard ();
  start (v);
  w.hub->disconnect (r1, "ping timeout", w.backend.now);
  EXPECT_EQ (heard (), "root:robot-unavailable tab:robot-unavailable "
                       "v:robot-unavailable");
  w.pass (w.config.robot_grace_ms);
  EXPECT_EQ (reason_to (v), "robot-offline");
  EXPECT_EQ (heard (), "v:session-ended");
  names[r1 = w.join ("robot", "r1", ",\"instance\":\"a\"")] = "r1";
  EXPECT_EQ (heard (), "r1:registered root:robot-available "
                       "tab:robot-available v:robot-available");
  start (v);
  names[r1] = "old";
  names[r1 = w.join ("robot", "r1", ",\"instance\":\"b\"")] = "r1";
  EXPECT_EQ (reason_to (v), "replaced");
  EXPECT_EQ (heard (), "old:session-ended r1:registered root:robot-available "
                       "tab:robot-available v:robot-available v:session-ended");
  start (v);
  w.hub->revoke_robot ("r1", w.backend.now);
  EXPECT_EQ (reason_to (v), "revoked");
  EXPECT_EQ (heard (), "r1:error r1:session-ended root:robot-unavailable "
                       "tab:robot-unavailable v:robot-unavailable "
                       "v:session-ended");
}

TEST_F (Crowd, AnAdminWhoLooksOn)
{
  book (kStart + 100000000);
  heard ();
  start (v);
  start (root);
  w.pass (w.config.admin_step_ms / 2);
  EXPECT_EQ (heard (), "r1:session-updated root:session-updated");
  w.hub->disconnect (root, "client namespace disconnect", w.backend.now);
  EXPECT_EQ (heard (), "r1:leave");
}

TEST_F (Crowd, ARoomIsForThoseWhoMayWatch)
{
  book (kStart + 120000);
  heard ();
  const char room[] = R"({"roomId":"r1"})";
  w.send (v, "join-room", room);
  EXPECT_EQ (heard (), "v:joined-room");
  w.send (root, "join-room", room);
  EXPECT_EQ (heard (), "root:joined-room v:user-joined");
  w.hub->disconnect (root, "transport close", w.backend.now);
  EXPECT_EQ (heard (), "v:user-left");
  w.pass (120000); // out of the room with the booking
  EXPECT_EQ (heard (), "tab:robot-unavailable v:robot-unavailable");
  w.send (r1, "join-room", room);
  EXPECT_EQ (heard (), "r1:joined-room");
}

} // namespace

// A robot that is offline is in nobody's reach: its room must be left as well.
TEST (Hub, ARoomIsLeftWithItsBooking)
{
  World w;
  w.book ("v", 0, 60000);
  w.book ("u", 60000, 120000);
  SocketId v = w.join ("viewer", "v");
  w.send (v, "join-room", R"({"roomId":"r1"})");
  w.send (v, "join-room", R"({"roomId":"robot_pi_v"})");
  EXPECT_EQ (w.sockets.of (v, "joined-room").size (), 2u);
  w.pass (60000);
  w.send (w.join ("viewer", "u"), "join-room", R"({"roomId":"r1"})");
  EXPECT_TRUE (w.sockets.of (v, "user-joined").empty ());
  w.send (w.join ("robot", "r1"), "join-room", R"({"roomId":"robot_pi_v"})");
  EXPECT_EQ (w.sockets.of (v, "user-joined").size (), 1u); // its own
}

// Ids may have what glues them in the names of rooms.
TEST (Hub, WhoSharesANameWithARobotOrAnotherViewerHearsNothing)
{
  const std::vector<std::string> ids = {"1", "pi_1", "b", "a_b", "r_1", "robot",
      "robot_1", "robot_pi_1", "x", "_", "pi", "\xc3\xa4_1"};
  const std::vector<std::string> types = {"", "pi", "pi_a", "a", "robot", "_"};
  auto join = [] (World &w, SocketId s, const std::string &room) {
    w.send (s, "join-room", "{\"roomId\":\"" + room + "\"}");
  };
  auto heard = [] (World &w, SocketId s, const std::string &id) {
    std::size_t n = 0;
    for (const std::string &text : w.sockets.of (s, "user-joined"))
      n += text.find ("\"" + id + "\"") != std::string::npos;
    return n;
  };
  for (const std::string &viewer : ids)
    for (const std::string &robot : ids)
      for (const std::string &type : types) {
        if (viewer == robot)
          continue;
        SCOPED_TRACE (viewer + " and " + robot + " of " + type);
        World w;
        SocketId v = w.join ("viewer", viewer);
        SocketId other = w.join ("viewer", "other");
        // Every name that could be meant, before the robot is there.
        std::vector<std::string> names = {robot, "robot_" + robot,
            "robot_pi_" + robot, "robot_" + viewer, "robot_" + type};
        if (!type.empty ())
          names.push_back ("robot_" + type + "_" + robot);
        for (const std::string &name : names)
          join (w, v, name);
        w.backend.robot_type = type;
        SocketId r = w.join ("robot", robot);
        for (const std::string &name : names)
          join (w, v, name);
        join (w, r, robot);
        EXPECT_EQ (heard (w, v, robot), 0u);
        // What another viewer has for itself is not this one's.
        if (!type.empty ()) {
          join (w, other, "robot_" + type + "_other");
          EXPECT_EQ (heard (w, v, "other"), 0u);
          // But a robot that comes into a viewer's own room is seen.
          join (w, r, "robot_" + type + "_other");
          EXPECT_EQ (heard (w, other, robot), 1u);
          EXPECT_EQ (heard (w, v, robot), 0u);
        }
      }
}

TEST (Hub, TwoViewersOfOneNameOfARoomDoNotMeet)
{
  World w;
  SocketId ab = w.join ("viewer", "a_b");
  SocketId b = w.join ("viewer", "b");
  for (SocketId s : {ab, b})
    w.send (s, "join-room", R"({"roomId":"robot_x_a_b"})");
  EXPECT_EQ (w.sockets.of (b, "joined-room").size (), 1u);
  EXPECT_TRUE (w.sockets.of (ab, "user-joined").empty ());
  w.backend.robot_type = "x";
  w.send (w.join ("robot", "r"), "join-room", R"({"roomId":"robot_x_a_b"})");
  EXPECT_EQ (w.sockets.of (ab, "user-joined").size (), 1u);
  EXPECT_TRUE (w.sockets.of (b, "user-joined").empty ());
  w.backend.robot_type = "x_a";
  w.send (w.join ("robot", "q"), "join-room", R"({"roomId":"robot_x_a_b"})");
  EXPECT_EQ (w.sockets.of (b, "user-joined").size (), 1u);
  w.hub->disconnect (b, "transport close", w.backend.now);
  EXPECT_TRUE (w.sockets.of (ab, "user-left").empty ());
}

// The robot lets a "viewer" drive: an administrator does not become one by
// going on with a viewer's peer, nor the other way round.
TEST (Hub, ASessionHasTheRoleOfItsNewestOffer)
{
  World w;
  w.book ("v", 0, 60000);
  SocketId r = w.join ("robot", "r1");
  for (const char *role : {"viewer", "admin", "viewer"}) {
    SocketId v = w.join (role, "v");
    auto running = w.hub->sessions ();
    w.offer (v, "r1",
        running.empty () ? "" : ",\"peerId\":\"" + w.peer_id () + "\"");
    ASSERT_EQ (w.hub->sessions ().size (), 1u);
    EXPECT_EQ (w.hub->sessions ()[0].role, role);
    EXPECT_EQ (w.backend.log.back ().role, role);
    EXPECT_NE (w.sockets.of (r, "offer")
                   .back ()
                   .find (std::string ("\"role\":\"") + role + "\""),
        std::string::npos);
  }
}

// Strangers and offers make the Hub tick: that must not be work for each
// viewer and robot that is here.
TEST (Hub, ATickLooksAtThoseWhoseBookingChanges)
{
  World w;
  w.join ("robot", "r1");
  w.book ("v", 60000, 120000);
  SocketId v = w.join ("viewer", "v");
  SocketId u = w.join ("viewer", "u");
  w.book ("u", 0, 600000);
  w.offer (u, "r1");
  auto checks = w.hub->counters ().presence_checks;
  for (int i = 0; i < 10; i++)
    w.send (w.connect (""), "join-room", R"({"roomId":"r1"})");
  w.pass (w.config.register_wait_ms);
  w.pass (w.config.register_limit_ms);
  EXPECT_EQ (w.hub->counters ().presence_checks, checks);
  EXPECT_TRUE (w.sockets.of (v, "robot-available").empty ());
  w.pass (60000 - w.config.register_wait_ms - w.config.register_limit_ms);
  EXPECT_EQ (w.hub->counters ().presence_checks, checks + 1);
  EXPECT_EQ (w.sockets.of (v, "robot-available").size (), 1u);
  w.pass (60000);
  EXPECT_EQ (w.sockets.of (v, "robot-unavailable").size (), 1u);
  w.pass (-30000); // the clock was set back
  EXPECT_EQ (w.sockets.of (v, "robot-available").size (), 2u);
}
