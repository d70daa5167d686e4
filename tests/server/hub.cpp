// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Hub without sockets, and time that passes because the test says so.
// room-matrix.cpp has every (role, event, state).
#include "hub-fixture.hpp"

using namespace robotlive;
using namespace robotlive::server;

namespace {

// What is checked is what is relayed, even if a key is spelt with escapes.
TEST (Hub, RelaysWhatItHasRead)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", -1000, 60000);
  const std::string good = R"({"type":"offer","sdp":"v=0"})";
  w.send (v, "offer",
      R"({"to":"r1","\u006fffer":)" + good + R"(,"offer":{"type":1}})");
  EXPECT_EQ (w.last_code (v), "bad-message");
  EXPECT_TRUE (w.sockets.of (r, "offer").empty ());
  w.send (
      v, "offer", R"({"to":"r1","offer":)" + good + R"(,"offer":{"type":1}})");
  ASSERT_EQ (w.sockets.of (r, "offer").size (), 1u);
  EXPECT_NE (w.sockets.of (r, "offer")[0].find ("\"offer\":" + good),
      std::string::npos);
}

// Whatever stands beside them, in whatever spelling, stays here.
TEST (Hub, RelaysNamedMembersAlone)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", -1000, 60000);
  const std::string fat (900 * 1000, 'x');
  const std::string blanks (900 * 1000, ' ');
  const std::string sdp = R"("type":"offer","sdp":"v=0\r\ns=-\u00e4\"")";
  const std::string clean = R"("offer":{"type":"offer","sdp":"v=0\r\ns=-)"
                            "\xc3\xa4\\\"\"}";
  for (const std::string &object : {"{" + sdp + R"(,"more":")" + fat + "\"}",
           "{" + blanks + sdp + "}", "{" + sdp + R"(,"sdp":"v=1"})",
           "{" + sdp + R"(,"a":{"b":[1]}})", R"({"\u0061":1,)" + sdp + "}"}) {
    w.sockets.sent.clear ();
    w.send (v, "offer",
        R"({"to":"r1","x":[")" + fat + R"("],"offer":)" + object + "}");
    ASSERT_EQ (w.sockets.of (r, "offer").size (), 1u) << object.substr (0, 99);
    const std::string got = w.sockets.of (r, "offer")[0];
    EXPECT_NE (got.find (clean), std::string::npos) << got.substr (0, 200);
    EXPECT_LT (got.size (), 1000u);
  }
  auto candidate = [&] (const std::string &value) {
    w.sockets.sent.clear ();
    w.send (v, "ice-candidate", R"({"to":"r1","candidate":)" + value + "}");
    auto got = w.sockets.of (r, "ice-candidate");
    if (got.empty ())
      return w.last_code (v);
    std::string text = got[0].substr (got[0].find ("\"candidate\":") + 12);
    return text.substr (0, text.find (",\"peerId\""));
  };
  const std::string named = R"({"candidate":"c","sdpMid":"0",)"
                            R"("sdpMLineIndex":0,"usernameFragment":"u"})";
  EXPECT_EQ (candidate (named), named);
  EXPECT_EQ (candidate (R"({"sdpMid":null,"candidate":"c"})"),
      R"({"sdpMid":null,"candidate":"c"})");
  EXPECT_EQ (candidate ("null"), "null");
  EXPECT_EQ (candidate ("\"\""), "null");
  const std::string bare = R"({"candidate":"c","sdpMLineIndex":0})";
  EXPECT_EQ (candidate (R"({"candidate":"c","x":")" + fat + "\"}"), bare);
  EXPECT_EQ (candidate (R"({"candidate":"c","sdpMid":[1]})"), "bad-message");
  EXPECT_EQ (candidate ("{" + blanks + R"("candidate":"c"})"), bare);
  EXPECT_EQ (candidate (R"({"candidate":"c","candidate":"d"})"), bare);
  // One that is written anew keeps all that it may have.
  EXPECT_EQ (candidate (R"({"usernameFragment":"u","sdpMLineIndex":0,"x":1,)"
                        R"("sdpMid":"0","candidate":"c"})"),
      named);
  EXPECT_EQ (
      candidate (R"({"candidate":"c","usernameFragment":")" + fat + "\"}"),
      "bad-message");
  // The other way round as well.
  w.sockets.sent.clear ();
  w.send (r, "answer",
      R"({"to":"v","answer":{"type":"answer","sdp":"v=0","more":")" + fat +
          "\"}}");
  ASSERT_EQ (w.sockets.of (v, "answer").size (), 1u);
  EXPECT_LT (w.sockets.of (v, "answer")[0].size (), 300u);
  // An SDP that only escapes make long.
  std::string escapes;
  for (int i = 0; i < 100 * 1000; i++)
    escapes += "\\u0001";
  w.send (v, "offer",
      R"({"to":"r1","offer":{"type":"offer","sdp":")" + escapes + "\"}}");
  EXPECT_EQ (w.last_code (v), "bad-message");
}

// A link that is slow is its owner's bad luck, and nobody's weapon.
TEST (Hub, RefusesWhoFloodsASlowLinkAndKeepsWhoHasIt)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  SocketId root = w.join ("admin", "root");
  w.book ("v", -1000, 60000);
  w.offer (v, "r1");
  const std::string candidate = R"({"to":"r1","candidate":{"candidate":"c"}})";
  w.sockets.slow = {r};
  w.sockets.sent.clear ();
  w.send (v, "ice-candidate", candidate);
  EXPECT_EQ (w.last_code (v), "busy");
  w.offer (v, "r1");
  EXPECT_EQ (w.last_code (v), "busy");
  w.offer (root, "r1");
  EXPECT_EQ (w.last_code (root), "busy");
  EXPECT_TRUE (w.sockets.of (r, "offer").empty ());
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  // What the robot says goes on, and so does a good-bye.
  w.send (r, "ice-candidate", R"({"to":"v","candidate":null})");
  EXPECT_EQ (w.sockets.of (v, "ice-candidate").size (), 1u);
  // When it is quick again nothing is held against anybody.
  for (int n = 0; n < 3; n++) {
    w.sockets.slow = {r};
    for (int i = 0; i < 150; i++)
      w.send (v, "ice-candidate", candidate);
    w.sockets.slow.clear ();
    w.send (v, "ice-candidate", candidate);
  }
  EXPECT_EQ (w.sockets.of (r, "ice-candidate").size (), 3u);
  EXPECT_TRUE (w.sockets.disconnected.empty ());
  w.sockets.slow = {r};
  for (int i = 0; i < 201; i++)
    w.send (v, "ice-candidate", candidate);
  EXPECT_EQ (w.sockets.disconnected, std::vector<SocketId>{v});
  w.sockets.slow = {v};
  w.send (r, "ice-candidate", R"({"to":"v","candidate":{"candidate":"c"}})");
  EXPECT_EQ (w.last_code (r), "busy");
  w.send (v, "leave", R"({"to":"r1"})");
  EXPECT_EQ (w.sockets.of (r, "leave").size (), 1u);
}

// One account alone fills the robot's link: the others' messages go on, and who
// comes and goes is not told where that would fill it more.
TEST (Hub, OneThatFillsASlowLinkWaitsAlone)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId a = w.join ("viewer", "a");
  SocketId b = w.join ("viewer", "b");
  for (const char *user : {"a", "b"})
    w.book (user, -1000, 60000);
  w.offer (a, "r1");
  w.offer (b, "r1");
  w.send (r, "join-room", R"({"roomId":"r1"})");
  w.sockets.slow = {r};
  w.sockets.culprit = "a";
  w.sockets.sent.clear ();
  w.sockets.senders.clear ();
  const std::string candidate = R"({"to":"r1","candidate":{"candidate":"c"}})";
  w.send (a, "ice-candidate", candidate);
  EXPECT_EQ (w.last_code (a), "busy");
  w.send (a, "join-room", R"({"roomId":"r1"})");
  w.send (b, "ice-candidate", candidate);
  w.send (b, "join-room", R"({"roomId":"r1"})");
  EXPECT_EQ (w.sockets.of (r, "ice-candidate").size (), 1u);
  const auto joined = w.sockets.of (r, "user-joined");
  ASSERT_EQ (joined.size (), 1u);
  EXPECT_NE (joined[0].find ("\"b\""), std::string::npos);
  EXPECT_EQ (w.sockets.senders[r], (std::vector<std::string>{"b", "b"}));
  // What the server itself has to say is nobody's, and always said.
  w.backend.bookings["a"].clear ();
  w.hub->recheck_all (w.backend.now);
  EXPECT_EQ (w.sockets.of (r, "session-ended").size (), 1u);
  EXPECT_EQ (w.sockets.senders[r].back (), "");
}

TEST (Hub, TellsAViewerWhatLimitsItsPicture)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", -1000, 60000);
  w.offer (v, "r1");
  w.send (r, "picture-limit", R"({"to":"v","limit":"loss","more":1})");
  ASSERT_EQ (w.sockets.of (v, "picture-limit").size (), 1u);
  EXPECT_EQ (w.sockets.of (v, "picture-limit")[0],
      R"(["picture-limit",{"from":"r1","limit":"loss","peerId":")" +
          w.peer_id () + "\"}]");
  for (const char *limit : {"\"<b>\"", "\"\"", "7", "null"}) {
    w.send (r, "picture-limit",
        std::string (R"({"to":"v","limit":)") + limit + "}");
    EXPECT_EQ (w.last_code (r), "bad-message") << limit;
  }
  EXPECT_EQ (w.sockets.of (v, "picture-limit").size (), 1u);
}

TEST (Hub, ABookingIsHalfOpen)
{
  World w;
  w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 1000, 3000);
  w.hub->recheck_all (w.backend.now);
  w.pass (999);
  EXPECT_TRUE (w.sockets.of (v, "robot-available").empty ());
  w.offer (v, "r1");
  EXPECT_EQ (w.last_code (v), "no-active-booking");
  w.pass (1);
  EXPECT_EQ (w.sockets.of (v, "robot-available").size (), 1u);
  w.offer (v, "r1");
  ASSERT_EQ (w.hub->sessions ().size (), 1u);
  w.pass (1999);
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  EXPECT_TRUE (w.sockets.of (v, "session-ended").empty ());
  w.pass (1);
  EXPECT_TRUE (w.hub->sessions ().empty ());
  EXPECT_NE (w.sockets.of (v, "session-ended").at (0).find ("expired"),
      std::string::npos);
  EXPECT_EQ (w.sockets.of (v, "robot-unavailable").size (), 1u);
  EXPECT_EQ (w.backend.log.back ().reason, "expired");
  EXPECT_EQ (w.backend.log.back ().ended_at, kStart + 3000);
}

TEST (Hub, WarnsOnceBeforeTheEnd)
{
  World w;
  w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 120000);
  w.offer (v, "r1");
  w.pass (59999);
  EXPECT_EQ (w.sockets.of (v, "session-expiring").size (), 0u);
  EXPECT_LE (w.hub->next_deadline (), kStart + 60000);
  w.pass (1);
  w.pass (1000);
  EXPECT_EQ (w.sockets.of (v, "session-expiring").size (), 1u);
}

TEST (Hub, NextDeadlineIsEnoughToBeOnTime)
{
  World w;
  w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 5000, 90000);
  w.hub->recheck_all (w.backend.now);
  for (int i = 0; i < 20 && w.backend.now < kStart + 90000; ++i) {
    ASSERT_NE (w.hub->next_deadline (), kNever);
    w.pass (std::max<TimeMs> (1, w.hub->next_deadline () - w.backend.now));
    if (w.backend.now == kStart + 5000)
      w.offer (v, "r1");
  }
  EXPECT_EQ (w.backend.now, kStart + 90000);
  EXPECT_EQ (w.sockets.of (v, "session-ended").size (), 1u);
}

TEST (Hub, AnAdminIsRenewedUntilRevoked)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId a = w.join ("admin", "root");
  w.offer (a, "r1");
  for (int i = 1; i <= 5; ++i) {
    w.pass (300000);
    auto updates = w.sockets.of (r, "session-updated");
    ASSERT_EQ (updates.size (), static_cast<std::size_t> (i));
    EXPECT_NE (updates.back ().find ("\"grant\":\""), std::string::npos);
    EXPECT_EQ (w.sockets.of (a, "session-updated").back ().find ("grant"),
        std::string::npos);
  }
  w.backend.allowed = false;
  w.pass (300000);
  EXPECT_NE (w.sockets.of (r, "session-ended").at (0).find ("revoked"),
      std::string::npos);
}

TEST (Hub, AnAdminIsNotRenewedBeyondItsToken)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId a = w.connect ("admin:root:" + std::to_string (kStart + 400000));
  w.send (a, "register", R"({"userId":"root","userType":"viewer"})");
  w.offer (a, "r1");
  w.pass (600000);
  EXPECT_TRUE (w.sockets.of (r, "session-updated").empty ());
  EXPECT_EQ (w.sockets.of (r, "session-ended").size (), 1u);
  w.offer (a, "r1");
  EXPECT_EQ (w.last_code (a), "unauthorized");
}

TEST (Hub, AStoreThatIsDownChangesNothingThatRuns)
{
  World w;
  w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 60000);
  w.offer (v, "r1");
  w.backend.available = false;
  w.hub->recheck_all (w.backend.now);
  w.pass (59000);
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  w.offer (v, "r1");
  EXPECT_EQ (w.last_code (v), "unavailable");
  w.pass (1000);
  EXPECT_TRUE (w.hub->sessions ().empty ());
}

TEST (Hub, ExtendedShortenedMovedAndCancelled)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  SocketId other = w.join ("viewer", "o");
  w.book ("v", 0, 60000);
  w.offer (v, "r1");
  for (TimeMs end : {120000, 30000}) {
    w.backend.bookings["v"][0].window.ends_at = kStart + end;
    w.hub->recheck ("v", w.backend.now);
    EXPECT_EQ (w.hub->sessions ().at (0).expires_at, kStart + end);
  }
  EXPECT_EQ (w.sockets.of (r, "session-updated").size (), 2u);
  EXPECT_EQ (w.sockets.of (v, "session-updated").size (), 2u);
  w.backend.bookings["v"][0].window = {kStart + 90000, kStart + 120000};
  w.hub->recheck ("v", w.backend.now);
  EXPECT_NE (w.sockets.of (v, "session-ended").at (0).find ("revoked"),
      std::string::npos);
  EXPECT_EQ (w.sockets.of (other, "session-ended").size (), 0u);
}

TEST (Hub, MessagesKeepTheirOrderWhileTheStoreThinks)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 60000);
  w.backend.hold = true;
  w.offer (v, "r1");
  for (int i = 0; i < 3; ++i)
    w.send (v, "ice-candidate",
        R"({"to":"r1","candidate":{"candidate":"c)" + std::to_string (i) +
            R"(","sdpMid":"0","sdpMLineIndex":0}})");
  EXPECT_TRUE (w.sockets.of (r, "offer").empty ());
  w.backend.release ();
  EXPECT_EQ (w.sockets.of (r, "offer").size (), 1u);
  auto candidates = w.sockets.of (r, "ice-candidate");
  ASSERT_EQ (candidates.size (), 3u);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NE (
        candidates[i].find ("\"c" + std::to_string (i)), std::string::npos);
}

TEST (Hub, AnswersOfTheStoreAfterTheEndAreDropped)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 60000);
  w.backend.hold = true;
  w.offer (v, "r1");
  w.hub->disconnect (v, "transport close", w.backend.now);
  w.backend.release ();
  EXPECT_TRUE (w.sockets.of (r, "offer").empty ());
  EXPECT_TRUE (w.hub->sessions ().empty ());
  w.backend.hold = true;
  w.join ("viewer", "v2");
  w.hub.reset ();
  w.backend.release (); // must not touch the Hub
}

TEST (Hub, APeerIdOpensNothingToOthers)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId r2 = w.join ("robot", "r2");
  SocketId v = w.join ("viewer", "v");
  SocketId eve = w.join ("viewer", "eve");
  w.book ("v", 0, 60000);
  w.book ("eve", 0, 60000, "r2");
  w.offer (v, "r1");
  std::string id = w.peer_id ();
  w.send (eve, "leave", "{\"to\":\"r1\",\"peerId\":\"" + id + "\"}");
  EXPECT_EQ (w.last_code (eve), "forbidden");
  w.send (r2, "answer",
      "{\"to\":\"v\",\"peerId\":\"" + id +
          "\",\"answer\":{\"type\":\"answer\",\"sdp\":\"x\"}}");
  EXPECT_EQ (w.last_code (r2), "forbidden");
  w.offer (eve, "r2", ",\"peerId\":\"" + id + "\"");
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  EXPECT_EQ (w.sockets.of (r2, "offer").at (0).find (id), std::string::npos);
  // The same viewer on another socket: a reload goes on with its peer.
  SocketId reloaded = w.join ("viewer", "v");
  w.offer (reloaded, "r1", ",\"peerId\":\"" + id + "\"");
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  w.hub->disconnect (v, "transport close", w.backend.now);
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  w.hub->disconnect (reloaded, "transport close", w.backend.now);
  w.pass (w.config.viewer_grace_ms - 1);
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  EXPECT_TRUE (w.sockets.of (r, "leave").empty ());
  w.pass (1);
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  EXPECT_NE (
      w.sockets.of (r, "leave").at (0).find ("viewer-left"), std::string::npos);
}

// Both ends cannot learn of the end at once: what one of the two still had on
// the way is dropped, for a while, and nobody else may say anything of it.
TEST (Hub, LateMessagesOfASessionThatIsOverAreNoErrors)
{
  const std::string candidate = ",\"candidate\":null}";
  for (bool with_id : {true, false}) {
    World w;
    SocketId r = w.join ("robot", "r1");
    SocketId r2 = w.join ("robot", "r2");
    SocketId v = w.join ("viewer", "v");
    SocketId eve = w.join ("viewer", "eve");
    w.book ("v", 0, 60000);
    w.offer (v, "r1");
    std::string id = ",\"peerId\":\"" + w.peer_id () + "\"";
    if (!with_id)
      id.clear ();
    w.hub->disconnect (v, "client namespace disconnect", w.backend.now);
    v = w.join ("viewer", "v");
    w.sockets.acks.clear ();
    std::size_t before = w.sockets.sent.size ();
    w.send (r, "leave", "{\"to\":\"v\"" + id + "}");
    w.send (r, "ice-candidate", "{\"to\":\"v\"" + id + candidate);
    w.send (v, "ice-candidate", "{\"to\":\"r1\"" + id + candidate);
    EXPECT_EQ (w.sockets.sent.size (), before); // nobody hears of it
    ASSERT_EQ (w.sockets.acks.size (), 3u);
    for (const auto &ack : w.sockets.acks)
      EXPECT_EQ (ack.payload, "[{\"ok\":true}]");
    w.send (r2, "leave", "{\"to\":\"v\"" + id + "}");
    EXPECT_EQ (w.last_code (r2), "forbidden");
    w.send (eve, "leave", "{\"to\":\"r1\"" + id + "}");
    EXPECT_EQ (w.last_code (eve), "forbidden");
    w.send (r, "leave", "{\"to\":\"eve\"}");
    EXPECT_EQ (w.sockets.of (r, "error").size (), 1u);
    w.pass (w.config.late_ms);
    w.send (r, "leave", "{\"to\":\"v\"" + id + "}");
    EXPECT_EQ (w.sockets.of (r, "error").size (), 2u);
  }
}

// What a robot says of an offer that a newer one has overtaken is dropped; a
// robot that does not say which offer it means is taken to mean the newest.
TEST (Hub, ALateLeaveDoesNotEndTheSessionOfANewOffer)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 60000);
  w.offer (v, "r1");
  const std::string id = w.peer_id ();
  w.offer (v, "r1", ",\"peerId\":\"" + id + "\"");
  const auto offers = w.sockets.of (r, "offer");
  ASSERT_EQ (offers.size (), 2u);
  std::vector<std::string> of;
  for (const std::string &offer : offers) {
    const auto at = offer.find ("\"offerId\":\"");
    ASSERT_NE (at, std::string::npos);
    of.push_back (offer.substr (at + 11, 32));
    EXPECT_NE (offer.find (id), std::string::npos);
  }
  EXPECT_NE (of[0], of[1]);
  const auto say = [&] (const char *event, const std::string &more) {
    w.send (r, event, "{\"to\":\"v\",\"peerId\":\"" + id + "\"" + more + "}");
  };
  const std::string answer = ",\"answer\":{\"type\":\"answer\",\"sdp\":\"x\"}";
  w.sockets.acks.clear ();
  say ("answer", answer + ",\"offerId\":\"" + of[0] + "\"");
  say ("ice-candidate", ",\"candidate\":null,\"offerId\":\"" + of[0] + "\"");
  say ("leave", ",\"offerId\":\"" + of[0] + "\"");
  ASSERT_EQ (w.sockets.acks.size (), 3u);
  for (const auto &ack : w.sockets.acks)
    EXPECT_EQ (ack.payload, "[{\"ok\":true}]");
  EXPECT_TRUE (w.sockets.of (v, "answer").empty ());
  EXPECT_TRUE (w.sockets.of (v, "ice-candidate").empty ());
  EXPECT_TRUE (w.sockets.of (v, "leave").empty ());
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  say ("answer", answer + ",\"offerId\":\"" + of[1] + "\"");
  say ("answer", answer);
  ASSERT_EQ (w.sockets.of (v, "answer").size (), 2u);
  EXPECT_EQ (w.sockets.of (v, "answer")[0].find ("offerId"), std::string::npos);
  // After a restart the server does not know which offer was the newest.
  const auto running = w.hub->sessions ();
  World after;
  r = after.join ("robot", "r1");
  after.hub->restore (running, after.backend.now);
  after.send (r, "leave",
      "{\"to\":\"v\",\"peerId\":\"" + id + "\",\"offerId\":\"" + of[1] + "\"}");
  EXPECT_TRUE (after.hub->sessions ().empty ());
}

TEST (Hub, RemembersAFewSessionsThatAreOverOnly)
{
  World w;
  w.config.max_ended = 2;
  w.hub->set_config (w.config);
  SocketId r = w.join ("robot", "r1");
  for (const char *user : {"a", "b", "c"}) {
    w.book (user, 0, 60000);
    SocketId v = w.join ("viewer", user);
    w.offer (v, "r1");
    w.hub->disconnect (v, "client namespace disconnect", w.backend.now);
  }
  w.send (r, "leave", R"({"to":"c"})");
  w.send (r, "leave", R"({"to":"b"})");
  EXPECT_TRUE (w.sockets.of (r, "error").empty ());
  w.send (r, "leave", R"({"to":"a"})");
  EXPECT_EQ (w.last_code (r), "forbidden");
}

TEST (Hub, ARobotMayComeBackWithinItsGrace)
{
  World w;
  const std::string instance = ",\"instance\":\"i\"";
  SocketId r = w.join ("robot", "r1", instance);
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 60000);
  w.offer (v, "r1");
  w.hub->disconnect (r, "ping timeout", w.backend.now);
  EXPECT_EQ (w.sockets.of (v, "robot-unavailable").size (), 1u);
  w.pass (w.config.robot_grace_ms - 1);
  r = w.join ("robot", "r1", instance);
  EXPECT_EQ (w.hub->sessions ().size (), 1u);
  EXPECT_EQ (w.sockets.of (v, "robot-available").size (), 2u);
  w.hub->disconnect (r, "ping timeout", w.backend.now);
  w.pass (w.config.robot_grace_ms);
  EXPECT_NE (w.sockets.of (v, "session-ended").at (0).find ("robot-offline"),
      std::string::npos);
  r = w.join ("robot", "r1", instance);
  w.offer (v, "r1");
  w.hub->disconnect (r, "client namespace disconnect", w.backend.now);
  EXPECT_EQ (w.sockets.of (v, "session-ended").size (), 2u); // a goodbye
}

// What was sent to its dead link, or could be sent to none, is told again: else
// it would stream to somebody whose session was ended.
TEST (Hub, ARobotThatComesBackIsToldWhatItMissed)
{
  const std::string instance = ",\"instance\":\"i\"";
  for (bool noticed : {false, true}) {
    World w;
    SocketId r = w.join ("robot", "r1", instance);
    for (const char *user : {"v", "u", "x"}) {
      w.book (user, 0, 60000);
      w.offer (w.join ("viewer", user), "r1");
    }
    std::map<std::string, std::string> peers;
    for (const SessionEntry &e : w.hub->sessions ())
      peers[e.viewer_id] = e.peer_id;
    if (noticed)
      w.hub->disconnect (r, "ping timeout", w.backend.now);
    EXPECT_TRUE (w.hub->end_session (peers["v"], "revoked", w.backend.now));
    w.backend.bookings["u"][0].window.ends_at = kStart + 30000;
    w.hub->recheck ("u", w.backend.now);
    w.pass (1000);
    r = w.join ("robot", "r1", instance);
    EXPECT_EQ (w.hub->sessions ().size (), 2u);
    auto ended = w.sockets.of (r, "session-ended");
    ASSERT_EQ (ended.size (), 1u);
    EXPECT_NE (ended[0].find (peers["v"]), std::string::npos);
    EXPECT_NE (ended[0].find ("revoked"), std::string::npos);
    auto updated = w.sockets.of (r, "session-updated");
    ASSERT_EQ (updated.size (), 2u);
    std::string ends = std::to_string (kStart + 30000);
    EXPECT_TRUE (std::any_of (
        updated.begin (), updated.end (), [&] (const std::string &text) {
          return text.find (peers["u"]) != text.npos &&
                 text.find (ends) != text.npos;
        }));
  }
}

TEST (Hub, ABookingCancelledWhileTheRobotWasAwayEndsItsSession)
{
  World before;
  before.join ("robot", "r1");
  for (const char *user : {"v", "u"}) {
    before.book (user, 0, 60000);
    before.offer (before.join ("viewer", user), "r1");
  }
  World after; // the server was started again
  after.hub->restore (before.hub->sessions (), after.backend.now);
  after.book ("v", 0, 60000);
  auto running = after.hub->sessions ();
  ASSERT_EQ (running.size (), 2u);
  after.hub->recheck_all (after.backend.now);
  // It has no right from then on; its row ends with the robot's word.
  for (const SessionEntry &e : after.hub->sessions ())
    EXPECT_EQ (e.ending, e.viewer_id == "u" ? "revoked" : "");
  SocketId r = after.join ("robot", "r1");
  ASSERT_EQ (after.hub->sessions ().size (), 1u);
  EXPECT_EQ (after.hub->sessions ()[0].viewer_id, "v");
  EXPECT_EQ (after.sockets.of (r, "session-ended").size (), 1u);

  World third; // one that an administrator ends before the robot is there
  third.hub->restore (running, third.backend.now);
  third.book ("v", 0, 60000);
  third.book ("u", 0, 60000);
  third.hub->end_session (running[0].peer_id, "revoked", third.backend.now);
  r = third.join ("robot", "r1");
  auto ended = third.sockets.of (r, "session-ended");
  ASSERT_EQ (ended.size (), 1u);
  EXPECT_NE (ended[0].find (running[0].peer_id), std::string::npos);
  // What another process had before a goodbye is nothing to it.
  third.hub->disconnect (r, "client namespace disconnect", third.backend.now);
  EXPECT_TRUE (third.hub->sessions ().empty ());
  r = third.join ("robot", "r1");
  EXPECT_TRUE (third.sockets.of (r, "session-ended").empty ());
}

TEST (Hub, ARevokedRobotIsCutAtOnce)
{
  World w;
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.book ("v", 0, 60000);
  w.offer (v, "r1");
  w.backend.token_valid = false;
  w.hub->revoke_robot ("r1", w.backend.now);
  EXPECT_EQ (w.sockets.disconnected.back (), r);
  EXPECT_NE (w.sockets.of (v, "session-ended").at (0).find ("revoked"),
      std::string::npos);
  SocketId again = w.join ("robot", "r1");
  EXPECT_EQ (w.sockets.disconnected.back (), again);
  EXPECT_FALSE (w.hub->robot_online ("r1"));
}

TEST (Hub, LimitsWhatWaitsAndWhoWatches)
{
  World w;
  SocketId s = w.connect ("viewer:v");
  for (int i = 0; i < 40; ++i)
    w.offer (s, "r1");
  EXPECT_EQ (w.sockets.of (s, "error").size (), 8u);
  EXPECT_EQ (w.last_code (s), "busy");
  w.pass (w.config.register_wait_ms);
  EXPECT_EQ (w.sockets.of (s, "error").size (), 40u);
  w.pass (w.config.register_limit_ms);
  EXPECT_EQ (w.sockets.disconnected.back (), s);

  // By bytes as well, and by fewer without a token.
  for (const char *token : {"", "viewer:v"}) {
    s = w.connect (token);
    std::string half (w.config.max_untrusted_waiting_bytes / 2 + 1, 'x');
    for (int i = 0; i < 2; ++i)
      w.send (s, "offer", json_string (half));
    EXPECT_EQ (w.last_code (s), *token ? "" : "busy");
    EXPECT_EQ (w.sockets.trusted.count (s), *token ? 1u : 0u);
    w.config.max_waiting_bytes = 3 * half.size ();
    w.hub->set_config (w.config);
    w.send (s, "offer", json_string (half));
    EXPECT_EQ (w.last_code (s), "busy");
  }

  w.config.max_viewers = 2;
  w.hub->set_config (w.config);
  SocketId r = w.join ("robot", "r1");
  w.book ("v", 0, 600000);
  for (int i = 0; i < 3; ++i) {
    s = w.join ("viewer", "v");
    w.offer (s, "r1");
  }
  EXPECT_EQ (w.last_code (s), "busy");
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  // Who has a place keeps it, with a new offer.
  const std::size_t refused = w.sockets.of (s, "error").size ();
  w.offer (s, "r1", ",\"peerId\":\"" + w.peer_id () + "\"");
  EXPECT_EQ (w.sockets.of (s, "error").size (), refused);
  EXPECT_EQ (w.hub->sessions ().size (), 2u);
  EXPECT_EQ (w.sockets.of (r, "offer").size (), 3u);
}

TEST (Hub, AUserHasSoManySocketsAndNoMore)
{
  World w;
  w.config.max_sockets_per_user = 3;
  w.hub->set_config (w.config);
  SocketId first = w.join ("viewer", "v");
  w.join ("viewer", "v");
  w.join ("viewer", "v");
  SocketId over = w.join ("viewer", "v");
  EXPECT_EQ (w.sockets.disconnected, std::vector<SocketId> ({over}));
  auto told = w.sockets.of (over, "registered");
  ASSERT_EQ (told.size (), 1u);
  EXPECT_NE (told[0].find ("\"code\":\"busy\""), std::string::npos);
  w.join ("viewer", "other"); // has places of its own
  EXPECT_EQ (w.sockets.disconnected.size (), 1u);
  // Who registers again takes no second place; who leaves gives up its own.
  w.send (first, "register", R"({"userId":"v","userType":"viewer"})");
  w.hub->disconnect (first, "transport close", w.backend.now);
  w.join ("viewer", "v");
  EXPECT_EQ (w.sockets.disconnected.size (), 1u);
  // Users who are gone are forgotten, however many there were.
  for (int i = 0; i < 1000; ++i)
    w.hub->disconnect (w.join ("viewer", "u" + std::to_string (i)),
        "transport close", w.backend.now);
  SocketId last = w.join ("viewer", "v");
  EXPECT_EQ (w.sockets.disconnected.back (), last);
}

TEST (Hub, SessionsOfBeforeARestartAreFoundAgain)
{
  World w;
  w.book ("v", -1000, 60000);
  SessionEntry entry;
  entry.peer_id = "old";
  entry.viewer_id = "v";
  entry.robot_id = "r1";
  entry.role = "viewer";
  entry.started_at = kStart - 1000;
  entry.expires_at = kStart + 60000;
  w.hub->restore ({entry}, kStart);
  SocketId r = w.join ("robot", "r1");
  SocketId v = w.join ("viewer", "v");
  w.send (v, "ice-candidate", R"({"to":"r1","peerId":"old","candidate":null})");
  EXPECT_EQ (w.sockets.of (r, "ice-candidate").size (), 1u);
  w.pass (60000);
  EXPECT_EQ (w.sockets.of (r, "session-ended").size (), 1u);
  EXPECT_EQ (w.sockets.of (v, "session-ended").size (), 1u);
}

TEST (Hub, BookingsThatFollowEachOtherAreOneSession)
{
  std::vector<Booking> list = {{1, "r1", "", {0, 10}}, {2, "r1", "", {20, 30}},
      {3, "", "pi", {10, 20}}, {4, "r2", "", {30, 40}}};
  EXPECT_EQ (open_window (list, "r1", "pi", 5)->ends_at, 30);
  EXPECT_EQ (open_window (list, "r1", "car", 5)->ends_at, 10);
  EXPECT_FALSE (open_window (list, "r1", "pi", 30));
  EXPECT_FALSE (open_window (list, "r3", "", 15));
  EXPECT_EQ (next_window (list, "r1", "car", 15)->starts_at, 20);
}

} // namespace
