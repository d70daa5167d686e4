// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A session and all that comes and goes around it: what room-property.cpp does
// not say in a word, case by case.
#include "hub-fixture.hpp"

using namespace robotlive;
using namespace robotlive::server;

namespace {

// A World with one robot that names its peers and one page that has an
// instance.
struct Pair : World
{
  Pair ()
  {
    robot = comes ("i", "[]");
    page = join ("viewer", "v", ",\"instance\":\"p\"");
    book ("v", 0, 600000);
  }
  SocketId comes (const std::string &instance, const std::string &peers)
  {
    return join (
        "robot", "r1", ",\"instance\":\"" + instance + "\",\"peers\":" + peers);
  }
  std::string list (const std::string &id) const
  {
    return "[{\"peerId\":\"" + id + "\"}]";
  }
  std::string start ()
  {
    offer (page, "r1");
    return peer_id ();
  }
  std::string registered (SocketId s) const
  {
    auto all = sockets.of (s, "registered");
    return all.empty () ? "" : all.back ();
  }
  void cut (SocketId s) { hub->disconnect (s, "transport close", backend.now); }
  void confirm (SocketId s, const std::string &id)
  {
    send (s, "leave", "{\"to\":\"v\",\"peerId\":\"" + id + "\"}");
  }
  std::string state () const
  {
    auto all = hub->sessions ();
    return all.empty () ? "none" : hub->state (all[0]);
  }
  bool says (const std::string &text, const std::string &what) const
  {
    return text.find (what) != std::string::npos;
  }
  // What another process of the server would go on with.
  void restart ()
  {
    auto running = hub->sessions ();
    hub = std::make_unique<Hub> (
        sockets, backend, config,
        [] (std::string_view token, TimeMs, Identity *out) {
          out->role = token.substr (0, token.find (':'));
          out->subject = token.substr (token.find (':') + 1);
          return TokenError::None;
        },
        [] (const std::string &, TimeMs, TimeMs) {
          return std::vector<IceServer> ();
        });
    hub->restore (running, backend.now);
    hub->recheck_all (backend.now);
  }

  SocketId robot, page;
};

TEST (Sessions, HaveAStateAndEndWithTheRobotsWord)
{
  Pair w;
  const std::string id = w.start ();
  EXPECT_EQ (w.state (), "live");
  w.cut (w.page);
  EXPECT_EQ (w.state (), "viewer-away");
  w.pass (w.config.viewer_grace_ms * 3);
  w.cut (w.robot);
  EXPECT_EQ (w.state (), "robot-away");
  w.pass (w.config.robot_grace_ms * 3);
  EXPECT_EQ (w.state (), "robot-away");
  w.robot = w.comes ("i", w.list (id));
  EXPECT_EQ (w.state (), "viewer-away");
  EXPECT_TRUE (w.hub->end_session (id, "revoked", w.backend.now));
  EXPECT_EQ (w.state (), "ending");
  EXPECT_EQ (w.backend.log.back ().ended_at, 0);
  w.pass (5000);
  w.confirm (w.robot, id);
  EXPECT_EQ (w.state (), "none");
  EXPECT_EQ (w.backend.log.back ().reason, "revoked");
  EXPECT_EQ (w.backend.log.back ().ended_at, w.backend.now);
}

// A page that names no instance cannot be known again by its socket: over a
// restart too it has its grace, and no more.
TEST (Sessions, AnOldViewersGraceRunsOverARestartToo)
{
  for (bool returns : {false, true}) {
    SCOPED_TRACE (returns);
    Pair w;
    SocketId old = w.join ("viewer", "v");
    w.offer (old, "r1");
    const std::string id = w.peer_id ();
    w.restart ();
    w.robot = w.comes ("i", w.list (id));
    w.pass (w.config.viewer_grace_ms - 1);
    EXPECT_EQ (w.state (), "viewer-away");
    if (returns)
      w.send (w.join ("viewer", "v"), "ice-candidate",
          R"({"to":"r1","candidate":null,"peerId":")" + id + "\"}");
    w.pass (2);
    EXPECT_EQ (w.state (), returns ? "live" : "none");
    w.pass (w.config.viewer_grace_ms);
    EXPECT_EQ (w.state (), returns ? "live" : "none");
    EXPECT_EQ (w.sockets.of (w.robot, "leave").size (), returns ? 0u : 1u);
  }
}

// Whatever takes the right away while the robot has no link, in this process
// of the server or the next one.
TEST (Sessions, EveryRevocationReachesARobotThatWasAway)
{
  for (bool restart : {false, true})
    for (const char *how :
        {"cancelled", "ended", "account", "token", "left", "shortened"}) {
      SCOPED_TRACE (std::string (how) + (restart ? ", restarted" : ""));
      Pair w;
      const std::string id = w.start ();
      const std::string what = how;
      w.cut (w.robot);
      w.pass (7000);
      if (what == "cancelled")
        w.backend.bookings.clear ();
      else if (what == "shortened")
        w.backend.bookings["v"][0].window.ends_at = w.backend.now;
      else if (what == "account")
        w.backend.allowed = false;
      if (what == "ended")
        w.hub->end_session (id, "revoked", w.backend.now);
      else if (what == "token")
        w.hub->revoke_robot ("r1", w.backend.now);
      else if (what == "left")
        w.send (w.page, "leave", "{\"to\":\"r1\",\"peerId\":\"" + id + "\"}");
      else
        w.hub->recheck ("v", w.backend.now);
      EXPECT_EQ (w.state (), "ending");
      if (restart)
        w.restart ();
      EXPECT_EQ (w.state (), "ending");
      w.pass (10000);
      const SocketId back = w.comes ("i", w.list (id));
      const std::string answer = w.registered (back);
      EXPECT_TRUE (w.says (answer, "\"sessions\":[]")) << answer;
      EXPECT_TRUE (w.says (answer, id)) << answer;
      EXPECT_EQ (w.backend.log.back ().ended_at, 0);
      w.confirm (back, id);
      EXPECT_EQ (w.state (), "none");
      EXPECT_EQ (w.backend.log.back ().ended_at, w.backend.now);
    }
}

TEST (Sessions, ARobotWhoseTokenIsNoMoreIsToldOfEach)
{
  Pair w;
  const std::string id = w.start ();
  w.cut (w.robot);
  w.backend.token_valid = false; // by another process: this one was not told
  const SocketId back = w.comes ("i", w.list (id));
  ASSERT_EQ (w.sockets.of (back, "session-ended").size (), 1u);
  EXPECT_TRUE (w.says (w.sockets.of (back, "session-ended")[0], id));
  EXPECT_TRUE (w.says (w.registered (back), "unauthorized"));
  EXPECT_EQ (w.state (), "ending");
  w.pass (600000);
  EXPECT_EQ (w.state (), "none");
}

// Who was revoked may say that the media are over, for a moment.
TEST (Sessions, ARevokedRobotMaySayItsLastWord)
{
  for (bool says : {true, false}) {
    Pair w;
    const std::string id = w.start ();
    w.hub->revoke_robot ("r1", w.backend.now);
    EXPECT_TRUE (w.sockets.disconnected.empty ());
    EXPECT_FALSE (w.hub->robot_online ("r1"));
    EXPECT_EQ (w.sockets.of (w.robot, "session-ended").size (), 1u);
    if (says)
      w.confirm (w.robot, id);
    else
      w.pass (w.config.revoked_linger_ms);
    EXPECT_EQ (w.sockets.disconnected, std::vector<SocketId> ({w.robot}));
    EXPECT_EQ (w.state (), says ? "none" : "ending");
  }
}

TEST (Sessions, ARowEndsWithTheLongestGrantIfNobodySaysAnything)
{
  Pair w;
  w.start ();
  w.cut (w.robot);
  w.backend.bookings["v"][0].window.ends_at = kStart + 60000;
  w.hub->recheck ("v", w.backend.now);
  w.pass (60000);
  EXPECT_EQ (w.state (), "ending"); // the robot knows of 600 s
  w.pass (1000000);
  EXPECT_EQ (w.state (), "none");
  EXPECT_EQ (w.backend.log.back ().ended_at, kStart + 600000);
  EXPECT_EQ (w.backend.log.back ().reason, "expired");
}

TEST (Sessions, AnExtensionThatNeverReachedTheRobotIsNone)
{
  Pair w;
  w.start ();
  w.cut (w.robot);
  w.backend.bookings["v"][0].window.ends_at = kStart + 6000000;
  w.hub->recheck ("v", w.backend.now);
  w.pass (599999);
  EXPECT_EQ (w.state (), "robot-away");
  w.pass (1);
  EXPECT_EQ (w.state (), "none");
  EXPECT_EQ (w.backend.log.back ().ended_at, kStart + 600000);
}

TEST (Sessions, APageComesBackToItsOwnAndToNoOthers)
{
  Pair w;
  const std::string id = w.start ();
  // A copy of the page has its instance: it does not take what is in use.
  SocketId copy = w.join ("viewer", "v", ",\"instance\":\"p\",\"peers\":[]");
  EXPECT_TRUE (w.says (w.registered (copy), "\"sessions\":[]"));
  // The page itself, whose old link is dead and nobody knows.
  SocketId back = w.join (
      "viewer", "v", ",\"instance\":\"p\",\"peers\":[\"" + id + "\",\"gone\"]");
  EXPECT_TRUE (w.says (w.registered (back), id));
  ASSERT_EQ (w.sockets.of (back, "session-ended").size (), 1u);
  EXPECT_TRUE (w.says (w.sockets.of (back, "session-ended")[0], "\"unknown\""));
  w.cut (w.page); // the server notices: nothing is lost
  EXPECT_EQ (w.state (), "live");
  // Another account, and another page of the same one.
  w.book ("eve", 0, 600000);
  SocketId eve = w.join (
      "viewer", "eve", ",\"instance\":\"p\",\"peers\":[\"" + id + "\"]");
  EXPECT_TRUE (w.says (w.registered (eve), "\"sessions\":[]"));
  EXPECT_TRUE (w.says (w.sockets.of (eve, "session-ended").at (0), "unknown"));
  EXPECT_FALSE (w.says (w.sockets.of (eve, "session-ended").at (0), "r1"));
  SocketId other = w.join ("viewer", "v", ",\"instance\":\"q\"");
  EXPECT_TRUE (w.says (w.registered (other), "\"sessions\":[]"));
  EXPECT_EQ (w.state (), "live");
  // Cancelled while the page was away: told why.
  w.cut (back);
  w.backend.bookings.clear ();
  w.hub->recheck ("v", w.backend.now);
  back =
      w.join ("viewer", "v", ",\"instance\":\"p\",\"peers\":[\"" + id + "\"]");
  EXPECT_TRUE (w.says (w.sockets.of (back, "session-ended").at (0), "revoked"));
}

TEST (Sessions, ARestartOfTheRobotGivesItsOldProcessAGrace)
{
  Pair w;
  const std::string id = w.start ();
  w.cut (w.robot);
  SocketId young = w.comes ("j", "[]");
  EXPECT_TRUE (w.says (w.registered (young), "\"sessions\":[]"));
  w.pass (w.config.robot_grace_ms - 1);
  EXPECT_EQ (w.state (), "robot-away");
  w.pass (1);
  EXPECT_TRUE (w.says (
      w.sockets.of (w.page, "session-ended").at (0), "robot-restarted"));
  SocketId old = w.comes ("i", w.list (id));
  EXPECT_TRUE (w.says (w.registered (old), "\"code\":\"replaced\""));
  EXPECT_TRUE (w.says (w.sockets.of (old, "session-ended").at (0), id));
  EXPECT_EQ (w.sockets.disconnected.back (), old);
  // The new one goes for good: then the old one may have the place.
  w.cut (young);
  w.pass (w.config.robot_grace_ms);
  old = w.comes ("i", "[]");
  EXPECT_TRUE (w.says (w.registered (old), "\"success\":true"));
  EXPECT_TRUE (w.hub->robot_online ("r1"));
}

TEST (Sessions, AnOfferMovesASessionToTheProcessInPlace)
{
  Pair w;
  const std::string id = w.start ();
  SocketId young = w.comes ("j", "[]");
  ASSERT_EQ (w.sockets.of (w.robot, "error").size (), 1u);
  EXPECT_TRUE (w.sockets.disconnected.empty ());
  w.offer (w.page, "r1", ",\"peerId\":\"" + id + "\"");
  EXPECT_EQ (w.sockets.of (young, "offer").size (), 1u);
  EXPECT_TRUE (
      w.says (w.sockets.of (w.robot, "session-ended").at (0), "replaced"));
  EXPECT_EQ (w.sockets.disconnected, std::vector<SocketId> ({w.robot}));
  EXPECT_EQ (w.peer_id (), id);
  EXPECT_EQ (w.state (), "live");
}

TEST (Sessions, StepsOfAViewerStopWithTheBookingAndWithoutALink)
{
  Pair w;
  w.config.grant_step_ms = 60000;
  w.hub->set_config (w.config);
  const std::string id = w.start ();
  EXPECT_TRUE (w.says (w.sockets.of (w.robot, "offer").at (0),
      "\"expiresAt\":" + std::to_string (kStart + 60000)));
  for (int i = 0; i < 12; ++i)
    w.pass (30000 - (i == 11 ? 1 : 0));
  EXPECT_GE (w.sockets.of (w.robot, "session-updated").size (), 8u);
  // The viewer hears of the booking's end alone.
  EXPECT_TRUE (w.sockets.of (w.page, "session-updated").empty ());
  w.cut (w.robot);
  const TimeMs step = w.hub->sessions ().at (0).granted_until;
  EXPECT_LE (step, w.backend.now + 60000);
  w.pass (step - w.backend.now);
  EXPECT_EQ (w.state (), "none");
  EXPECT_EQ (w.backend.log.back ().ended_at, step);
}

TEST (Sessions, AnAdministratorsStepsGoOnInTheNextProcess)
{
  Pair w;
  SocketId root = w.join ("admin", "root", ",\"instance\":\"a\"");
  w.offer (root, "r1");
  const std::string id = w.peer_id ();
  w.restart ();
  SocketId back = w.comes ("i", w.list (id));
  EXPECT_TRUE (w.says (w.registered (back), id));
  w.pass (w.config.admin_step_ms / 2);
  EXPECT_EQ (w.sockets.of (back, "session-updated").size (), 1u);
  w.backend.allowed = false; // gone meanwhile
  w.pass (w.config.admin_step_ms / 2);
  EXPECT_EQ (w.sockets.of (back, "session-ended").size (), 1u);
}

// Nobody gets at what others have by naming it.
TEST (Sessions, NamingPeersOfOthersOpensNothing)
{
  Pair w;
  const std::string id = w.start ();
  SocketId r2 =
      w.join ("robot", "r2", ",\"instance\":\"i\",\"peers\":" + w.list (id));
  EXPECT_TRUE (w.says (w.registered (r2), "\"sessions\":[]"));
  EXPECT_EQ (w.state (), "live");
  w.confirm (r2, id);
  EXPECT_EQ (w.last_code (r2), "forbidden");
  EXPECT_EQ (w.state (), "live");
}

TEST (Sessions, OneViewerDoesNotFillTheRobot)
{
  World w;
  w.config.max_viewers = 4;
  w.config.max_sessions_per_user = 2;
  w.hub->set_config (w.config);
  SocketId r = w.join ("robot", "r1");
  SocketId other = w.join ("robot", "r2");
  for (const char *user : {"v", "u", "x"}) {
    w.book (user, 0, 600000);
    w.book (user, 0, 600000, "r2");
  }
  auto watch = [&] (const char *role, const char *user, const char *robot) {
    SocketId s = w.join (role, user);
    w.offer (s, robot);
    return s;
  };
  const SocketId first = watch ("viewer", "v", "r1");
  EXPECT_EQ (w.last_code (first), "");
  const std::string id = w.peer_id ();
  EXPECT_EQ (w.last_code (watch ("viewer", "v", "r1")), "");
  const SocketId third = watch ("viewer", "v", "r1");
  EXPECT_EQ (w.last_code (third), "busy");
  // A link that is gone leaves its session running, so its place is taken.
  w.hub->disconnect (first, "transport close", w.backend.now);
  EXPECT_EQ (w.last_code (watch ("viewer", "v", "r1")), "busy");
  // Its own session by its id, another robot, another user: not counted.
  const std::size_t refused = w.sockets.of (third, "error").size ();
  w.offer (third, "r1", ",\"peerId\":\"" + id + "\"");
  EXPECT_EQ (w.sockets.of (third, "error").size (), refused);
  EXPECT_EQ (w.last_code (watch ("viewer", "v", "r2")), "");
  EXPECT_EQ (w.last_code (watch ("viewer", "u", "r1")), "");
  EXPECT_EQ (w.last_code (watch ("viewer", "u", "r1")), "");
  EXPECT_EQ (w.last_code (watch ("viewer", "x", "r1")), "busy");
  // Full of viewers; administrators have places of their own, as many.
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ (w.last_code (watch ("admin", "root", "r1")), "");
  EXPECT_EQ (w.last_code (watch ("admin", "root", "r1")), "busy");
  EXPECT_EQ (w.sockets.of (r, "offer").size (), 9u);
  EXPECT_EQ (w.sockets.of (other, "offer").size (), 1u);
  // What ends gives its place back.
  EXPECT_TRUE (w.hub->end_session (id, "revoked", w.backend.now));
  EXPECT_EQ (w.last_code (watch ("viewer", "v", "r1")), "");
}

// They call themselves what they like, and a page may call all of them the
// same.
TEST (Sessions, AnonymousViewersAreNotCountedByName)
{
  World w;
  w.config.allow_anonymous = true;
  w.config.max_viewers = 3;
  w.config.max_sessions_per_user = 1;
  w.hub->set_config (w.config);
  w.join ("robot", "r1");
  for (int i = 0; i < 4; ++i) {
    SocketId s = w.connect ("");
    w.send (s, "register", R"({"userId":"guest","userType":"viewer"})");
    w.offer (s, "r1");
    EXPECT_EQ (w.last_code (s), i < 3 ? "" : "busy");
  }
}

} // namespace
