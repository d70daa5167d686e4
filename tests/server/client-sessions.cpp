// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Socket.IO client and the sessions of its robot: what it tells at its
// return, what it hears, and another process that has the robot's place.
#include "client-fixture.hpp"
#include "client/standing.hpp"

using namespace robotlive;

namespace {

const std::string kOffer =
    R"(42["offer",{"from":"ann","peerId":"p1","offerId":"o7",)"
    R"("offer":{"type":"offer","sdp":"v=0"}}])";

std::string
registered_with (const std::string &more)
{
  return R"(42["registered",{"success":true,"userId":"r","userType":"robot",)" +
         more + "}]";
}

std::string
session_of (const std::string &peer_id)
{
  return R"({"peerId":")" + peer_id +
         R"(","offerId":"o7","session":{"role":"viewer","notBefore":1,)"
         R"("expiresAt":9000,"serverTime":5,"grant":"g"}})";
}

class ClientSessions : public testing::Test
{
protected:
  void start (SocketIoClientOptions options)
  {
    client = make_socketio_client (std::move (options));
    client->start (&listener);
  }
  void start () { start (options_for (server.url ())); }
  bool registered (int times)
  {
    return wait_for ([&] { return listener.registrations >= times; });
  }
  // The last that begins so; "" if there is none.
  std::string last (const std::string &prefix) const
  {
    for (auto text = server.received.rbegin (); text != server.received.rend ();
         ++text)
      if (text->compare (0, prefix.size (), prefix) == 0)
        return *text;
    return "";
  }
  bool came (const std::string &text)
  {
    return wait_for ([&] { return server.got (text); });
  }

  Server server;
  Listener listener;
  std::unique_ptr<Signaller> client;
};

const std::string kRegister = R"(42["register")";
const std::string kLeave = R"(42["leave")";

} // namespace

TEST_F (ClientSessions, NamesWhatItServes)
{
  start ();
  ASSERT_TRUE (registered (1));
  EXPECT_NE (last (kRegister).find (R"("peers":[])"), std::string::npos)
      << last (kRegister);
  server.send (kOffer);
  ASSERT_TRUE (wait_for ([&] { return listener.offers.size () == 1; }));
  // One of a server without peer ids has no name that another would know.
  listener.serves = {"p1", "p2", "legacy:cid"};
  const auto instance =
      last (kRegister).substr (last (kRegister).find ("\"instance\""), 20);
  server.drop ();
  ASSERT_TRUE (registered (2));
  const auto again = last (kRegister);
  EXPECT_NE (again.find (R"("peers":[{"peerId":"p1","offerId":"o7"},)"),
      std::string::npos)
      << again;
  EXPECT_NE (again.find (R"({"peerId":"p2")"), std::string::npos) << again;
  EXPECT_EQ (again.find ("legacy"), std::string::npos) << again;
  EXPECT_NE (again.find (instance), std::string::npos) << again;
}

TEST_F (ClientSessions, NamesNoMoreThanTheServerTakes)
{
  for (int i = 0; i < 300; i++)
    listener.serves.push_back ("p" + std::to_string (i));
  auto options = options_for (server.url ());
  options.max_message = 1 << 20;
  start (std::move (options));
  ASSERT_TRUE (registered (1));
  EXPECT_NE (last (kRegister).find (R"("p255")"), std::string::npos);
  EXPECT_EQ (last (kRegister).find (R"("p256")"), std::string::npos);
}

TEST_F (ClientSessions, HearsWhichMayGoOn)
{
  start ();
  ASSERT_TRUE (registered (1));
  EXPECT_EQ (listener.lists, 0) << "the server has said nothing of them";
  server.send (kOffer);
  ASSERT_TRUE (wait_for ([&] { return listener.offers.size () == 1; }));
  listener.serves = {"p1", "p2", "p3"};
  server.registered =
      registered_with (R"("sessions":[)" + session_of ("p2") +
                       R"(],"ended":[{"peerId":"p1","reason":"expired"}])");
  server.drop ();
  ASSERT_TRUE (registered (2));
  ASSERT_TRUE (came (kLeave));
  EXPECT_EQ (listener.lists, 1);
  ASSERT_EQ (listener.running.size (), 1u);
  EXPECT_EQ (listener.running[0], "p2 until 9000");
  ASSERT_EQ (listener.ended.size (), 1u);
  EXPECT_EQ (listener.ended[0].second, "expired");
  // The server hears of each that is over, and of no other.
  ASSERT_TRUE (came (R"(42["leave",{"to":"ann","reason":"expired",)"
                     R"("peerId":"p1","offerId":"o7"}])"));
  ASSERT_TRUE (came (R"(42["leave",{"reason":"revoked","peerId":"p3"}])"));
  EXPECT_EQ (std::count_if (server.received.begin (), server.received.end (),
                 [] (const std::string &text) {
                   return text.compare (0, kLeave.size (), kLeave) == 0;
                 }),
      2);
}

TEST_F (ClientSessions, AnEmptyListIsAList)
{
  listener.serves = {"p1"};
  server.registered = registered_with (R"("sessions":[])");
  start ();
  ASSERT_TRUE (registered (1));
  ASSERT_TRUE (came (R"(42["leave",{"reason":"revoked","peerId":"p1"}])"));
  EXPECT_EQ (listener.lists, 1);
}

TEST_F (ClientSessions, ConfirmsAnEnd)
{
  server.registered = registered_with (R"("sessions":[])");
  start ();
  ASSERT_TRUE (registered (1));
  server.send (kOffer);
  ASSERT_TRUE (wait_for ([&] { return listener.offers.size () == 1; }));
  server.send (R"(42["session-ended",{"peerId":"p1","reason":"revoked"}])");
  ASSERT_TRUE (came (R"(42["leave",{"to":"ann","reason":"revoked",)"
                     R"("peerId":"p1","offerId":"o7"}])"));
  ASSERT_EQ (listener.ended.size (), 1u) << "before the listener was done";
}

TEST_F (ClientSessions, AServerOfOldHearsNoConfirmation)
{
  start ();
  ASSERT_TRUE (registered (1));
  server.send (R"(42["session-ended",{"peerId":"p1","reason":"revoked"}])");
  ASSERT_TRUE (wait_for ([&] { return !listener.ended.empty (); }));
  client->send_limit ("ann", "p9", "none"); // behind it
  ASSERT_TRUE (came (R"(42["picture-limit")"));
  EXPECT_FALSE (server.got (kLeave));
}

TEST_F (ClientSessions, AListThatCannotBeReadIsNoList)
{
  listener.serves = {"p1"};
  for (const char *bad : {R"("sessions":{})", R"("sessions":[7])",
           R"("sessions":[{"peerId":"p1"}])", R"("sessions":[],"ended":7)"}) {
    server.registered = registered_with (bad);
    Listener other;
    other.serves = {"p1"};
    const auto one = make_socketio_client (options_for (server.url ()));
    one->start (&other);
    EXPECT_TRUE (wait_for ([&] { return other.told ("bad-server"); })) << bad;
    EXPECT_EQ (other.lists, 0) << bad;
    one->stop ();
  }
}

// --- another process with the robot's id ------------------------------------

namespace {

const std::string kRefused =
    R"(42["registered",{"success":false,"code":"replaced","message":"m",)"
    R"("instance":"other-1","address":"192.0.2.7","retryAfterMs":300}])";

} // namespace

TEST_F (ClientSessions, StaysAwayWhenItIsReplaced)
{
  server.registered = kRefused;
  std::vector<gint64> at;
  start ();
  ASSERT_TRUE (wait_for ([&] {
    if (server.connections > int (at.size ()))
      at.push_back (g_get_monotonic_time ());
    return at.size () == 3;
  }));
  // As long as it was asked to, then twice as long.
  EXPECT_GE (at[1] - at[0], 280000);
  EXPECT_GE (at[2] - at[1], 580000);
  ASSERT_EQ (listener.errors.size (), 1u) << "told once";
  EXPECT_EQ (listener.errors[0].code, "replaced");
  EXPECT_FALSE (listener.errors[0].fatal);
  for (const char *named : {"other-1", "192.0.2.7", "\"r\""})
    EXPECT_NE (listener.errors[0].message.find (named), std::string::npos)
        << listener.errors[0].message;
  // The place is free: it takes it, and its waits are short again.
  server.registered = registered_with (R"("sessions":[])");
  ASSERT_TRUE (registered (1));
  server.drop ();
  ASSERT_TRUE (registered (2));
  EXPECT_TRUE (listener.told ("link-lost"));
}

TEST_F (ClientSessions, IsToldByAnErrorAndThenCutOff)
{
  auto options = options_for (server.url ());
  options.replaced_first = 60000;
  options.replaced_longest = 60000;
  start (std::move (options));
  ASSERT_TRUE (registered (1));
  server.send (R"(42["error",{"code":"replaced","message":"m",)"
               R"("instance":"other-1","address":"192.0.2.7"}])");
  ASSERT_TRUE (wait_for ([&] { return listener.told ("replaced"); }));
  server.drop ();
  ASSERT_TRUE (
      wait_for ([&] { return listener.count (LinkState::Disconnected) == 1; }));
  EXPECT_FALSE (wait_for ([&] { return server.connections > 1; }, 1));
  EXPECT_EQ (listener.errors.size (), 1u);
}

// Its viewers keep their picture, and their ends reach it.
TEST_F (ClientSessions, ComesBackForTheViewersThatItServes)
{
  auto options = options_for (server.url ());
  options.replaced_first = 60000;
  options.replaced_longest = 60000;
  listener.serves = {"p1"};
  server.registered = registered_with (
      R"("standby":true,"instance":"other-1","address":"192.0.2.7",)"
      R"("retryAfterMs":60000,"sessions":[)" +
      session_of ("p1") + "]");
  start (std::move (options));
  ASSERT_TRUE (registered (1));
  EXPECT_TRUE (listener.told ("replaced"));
  server.drop ();
  ASSERT_TRUE (registered (2));
  server.send (R"(42["session-ended",{"peerId":"p1","reason":"revoked"}])");
  ASSERT_TRUE (came (R"(42["leave",{"reason":"revoked","peerId":"p1"}])"));
  EXPECT_EQ (std::count_if (listener.errors.begin (), listener.errors.end (),
                 [] (const Error &e) { return e.code == "replaced"; }),
      1);
  // With the last of them it has nothing more to do here.
  listener.serves.clear ();
  const int before = server.connections;
  server.drop ();
  EXPECT_FALSE (wait_for ([&] { return server.connections > before; }, 1));
}

TEST (Displacement, WaitsAtLeastAsLongAsAsked)
{
  Displacement waits (120000, 600000);
  EXPECT_TRUE (waits.begin ("a", std::nullopt));
  EXPECT_EQ (waits.next (0), 120000u);
  EXPECT_FALSE (waits.begin ("a", TimeMs (200000)));
  EXPECT_EQ (waits.next (0), 240000u);
  EXPECT_EQ (waits.next (0), 480000u);
  EXPECT_EQ (waits.next (0), 600000u);
  EXPECT_EQ (waits.next (0.999), 899700u);
  EXPECT_TRUE (waits.begin ("b", TimeMs (std::int64_t (1) << 50)));
  EXPECT_EQ (waits.next (0), 600000u);
  waits.end ();
  EXPECT_FALSE (waits.displaced ());
  EXPECT_TRUE (waits.begin ("b", TimeMs (1000)));
  EXPECT_EQ (waits.next (0), 1000u);
}
