// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a token is worth (rights.hpp), and what takes it back, on the same
// databases as store.cpp.
#include "server/store/rights.hpp"
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace robotlive;
using namespace robotlive::server;

namespace {

class Rights : public testing::Test
{
protected:
  Rights ()
  {
    const char *url = std::getenv ("ROBOTLIVE_TEST_DATABASE");
    char pattern[] = "/tmp/robotlive-rights-XXXXXX";
    folder_ = mkdtemp (pattern);
    store = Store::open (url && *url ? url : "sqlite://" + folder_ + "/s.db");
    static int test = 0;
    suffix = "-" + std::to_string (getpid ()) + "-" + std::to_string (++test);
  }
  ~Rights () override
  {
    store.reset ();
    std::filesystem::remove_all (folder_);
  }

  // Its id.
  std::string add (const std::string &name, const std::string &role)
  {
    User user;
    user.email = name + suffix + "@example.org";
    user.name = name;
    user.role = role;
    user.password_hash = "hash";
    return std::to_string (store->add_user (user));
  }
  // A login of now.
  Identity login (const std::string &id, const std::string &jti = "")
  {
    Identity identity;
    identity.subject = id;
    auto user = store->user_by_id (id);
    identity.role = user ? user->role : "viewer";
    identity.issued_at = now / 1000 * 1000;
    identity.expires_at = now + 1000000;
    identity.token_id = jti.empty () ? "" : jti + suffix;
    identity.epoch = user ? user->valid_from : Identity::kNoEpoch;
    return identity;
  }
  Identity robot (const std::string &id, const std::string &jti = "")
  {
    Identity identity;
    identity.subject = id + suffix;
    identity.role = "robot";
    identity.issued_at = now / 1000 * 1000;
    identity.expires_at = now + 1000000;
    identity.token_id = jti.empty () ? "" : jti + suffix;
    return identity;
  }
  // The role that counts; empty: nobody.
  std::string who (const Identity &identity)
  {
    Standing s = who_is (*store, identity, policy, now);
    EXPECT_TRUE (s.allowed || !s.reason.empty ());
    return s.allowed ? s.role : "";
  }
  void change (const std::string &id, const UserChange &c)
  {
    store->change_user (id, c, now);
  }

  TimeMs now = 1'800'000'000'500;
  RightsPolicy policy;
  std::unique_ptr<Store> store;
  std::string suffix;

private:
  std::string folder_;
};

TEST_F (Rights, AreTheAccountsAndNotTheTokens)
{
  std::string id = add ("a", "admin");
  add ("another", "admin");
  Identity token = login (id);
  EXPECT_EQ (who (token), "admin");
  UserChange demote;
  demote.role = "viewer";
  change (id, demote);
  EXPECT_EQ (who (token), "viewer");
  UserChange off;
  off.enabled = false;
  change (id, off);
  EXPECT_EQ (who (token), "");
  UserChange on;
  on.enabled = true;
  change (id, on);
  EXPECT_EQ (who (token), "") << "a lock ends the logins of before";
  EXPECT_EQ (who (login (id)), "viewer");
  token = login (id);
  store->remove_user (id, now, false, false);
  EXPECT_EQ (who (token), "");
  token.epoch = Identity::kNoEpoch;
  EXPECT_EQ (who (token), "");
}

TEST_F (Rights, EndWithALogoutInTheSameMoment)
{
  std::string id = add ("a", "viewer");
  for (int i = 0; i < 3; ++i) {
    Identity token = login (id);
    EXPECT_EQ (who (token), "viewer");
    UserChange out;
    out.end_logins = true;
    change (id, out);
    EXPECT_EQ (who (token), "");
    EXPECT_EQ (who (login (id)), "viewer");
  }
  UserChange password;
  password.password_hash = "other";
  Identity token = login (id);
  change (id, password);
  EXPECT_EQ (who (token), "");
  // Of an issuer that knows no epoch: by the time of issue.
  Identity foreign = login (id);
  foreign.epoch = Identity::kNoEpoch;
  EXPECT_EQ (who (foreign), "") << "the same second";
  now += 2000;
  foreign.issued_at = now;
  EXPECT_EQ (who (foreign), "viewer");
}

TEST_F (Rights, OfOneLoginEndAlone)
{
  std::string id = add ("a", "viewer");
  Identity one = login (id, "one"), two = login (id, "two");
  EXPECT_FALSE (store->revoke_token (one.token_id, now, one.expires_at));
  EXPECT_EQ (who (one), "");
  EXPECT_EQ (who (two), "viewer");
  EXPECT_TRUE (store->revoke_token (one.token_id, now));
}

TEST_F (Rights, OfUnknownSubjectsAreNobodys)
{
  Identity stranger = login ("4711000" + std::to_string (getpid ()));
  EXPECT_EQ (who (stranger), "");
  stranger.role = "admin";
  EXPECT_EQ (who (stranger), "");
  policy.foreign_subjects = true;
  EXPECT_EQ (who (stranger), "admin");
  stranger.role = "anything";
  EXPECT_EQ (who (stranger), "viewer");
  // It says that it is of an account here, and there is none.
  Identity ours = stranger;
  ours.epoch = 0;
  EXPECT_EQ (who (ours), "");
  // The id of an account is that account's alone.
  Identity same = login (add ("a", "admin"));
  EXPECT_EQ (who (same), "admin");
  same.epoch = Identity::kNoEpoch;
  EXPECT_EQ (who (same), "");
  policy.own_accounts = false; // a public key: every token is another issuer's
  same.role = "viewer";
  EXPECT_EQ (who (same), "viewer");
  EXPECT_FALSE (who_is (*store, same, policy, now).user);
  store->revoke_subject (false, same.subject, now);
  EXPECT_EQ (who (same), "");
  same.issued_at = now + 1;
  EXPECT_EQ (who (same), "viewer");
}

TEST_F (Rights, OfRobotsOverlapWhileATokenIsReplaced)
{
  RobotRecord record;
  record.id = "r" + suffix;
  record.type = "pi";
  record.token_id = "first" + suffix;
  record.created_at = now;
  store->add_robot (record, now + 1000000);
  EXPECT_EQ (who (robot ("r", "first")), "robot");
  EXPECT_EQ (who (robot ("r", "never-issued")), "");
  store->set_robot_token (
      record.id, "second" + suffix, now, now + 1000000, now + 5000);
  EXPECT_EQ (who (robot ("r", "first")), "robot");
  EXPECT_EQ (who (robot ("r", "second")), "robot");
  EXPECT_EQ (
      who_is (*store, robot ("r", "first"), policy, now).ends_at, now + 5000);
  EXPECT_EQ (who_is (*store, robot ("r", "second"), policy, now).ends_at,
      now + 1000000);
  // Nothing makes the first good for longer.
  store->set_robot_token (
      record.id, "third" + suffix, now, now + 1000000, now + 500000);
  Identity first = robot ("r", "first");
  now += 5000;
  EXPECT_EQ (who (first), "");
  EXPECT_EQ (who (robot ("r", "second")), "robot");
  store->revoke_token ("second" + suffix, now);
  EXPECT_EQ (who (robot ("r", "second")), "");
  EXPECT_EQ (who (robot ("r", "third")), "robot");
  store->set_robot_token (record.id, "fourth" + suffix, now);
  EXPECT_EQ (who (robot ("r", "third")), "");
  EXPECT_EQ (who (robot ("r", "fourth")), "robot");
  // Another robot's token, and a person's, are no tokens of this one.
  store->add_token (
      {"other" + suffix, "other" + suffix, "robot", now, 0, 0, 0});
  EXPECT_EQ (who (robot ("r", "other")), "");
  store->remove_robot (record.id, now);
  EXPECT_EQ (who (robot ("r", "fourth")), "");
  EXPECT_EQ (store->tokens (record.id).size (), 4u);
}

TEST_F (Rights, OfRobotsThatTheStoreDoesNotKnowCanBeTakenBack)
{
  Identity with_id = robot ("ghost", "g"), without = robot ("ghost");
  EXPECT_EQ (who (with_id), "robot");
  EXPECT_EQ (who (without), "robot");
  EXPECT_FALSE (store->revoke_token (with_id.token_id, now));
  EXPECT_EQ (who (with_id), "");
  EXPECT_EQ (who (without), "robot");
  store->revoke_subject (true, without.subject, now);
  EXPECT_EQ (who (without), "");
  EXPECT_EQ (who (robot ("ghost", "g2")), "") << "issued before";
  without.issued_at = now + 1000;
  EXPECT_EQ (who (without), "robot");
  without.subject += "x";
  EXPECT_EQ (who (without), "robot");
  store->add_token ({"g3" + suffix, with_id.subject, "robot", now, 0, 0, 0});
  EXPECT_EQ (who (robot ("ghost", "g3")), "robot") << "issued here since";
  EXPECT_THROW (store->revoke_token ("", now), StoreError);
  EXPECT_THROW (store->revoke_token (std::string (200, 'x'), now), StoreError);
}

TEST_F (Rights, ALinkIsGoodOnceAndForAWhile)
{
  std::string id = add ("a", "viewer");
  store->add_password_link ("h1" + suffix, id, now + 1000);
  store->add_password_link ("h2" + suffix, id, now + 1000);
  EXPECT_FALSE (store->take_password_link ("h1" + suffix, now)) << "replaced";
  EXPECT_FALSE (store->take_password_link ("h2" + suffix, now + 1000));
  EXPECT_EQ (store->take_password_link ("h2" + suffix, now + 999), id);
  EXPECT_FALSE (store->take_password_link ("h2" + suffix, now + 999));
  store->add_password_link ("h3" + suffix, id, now + 1000);
  UserChange change;
  change.password_hash = "other";
  store->change_user (id, change, now);
  EXPECT_FALSE (store->take_password_link ("h3" + suffix, now))
      << "the password was set meanwhile";
  EXPECT_THROW (store->add_password_link ("h4", "99999999", now), StoreError);
}

TEST_F (Rights, WhatIsOverIsKeptAsLongAsItIsToBe)
{
  auto session = [this] (const char *name, TimeMs ended_at) {
    SessionEntry e;
    e.peer_id = name + suffix;
    e.viewer_id = "v" + suffix;
    e.robot_id = "r" + suffix;
    e.address = "192.0.2.1";
    e.started_at = 1000;
    e.ended_at = ended_at;
    store->write_session (e);
  };
  auto kept = [this] {
    AuditQuery query;
    query.viewer_id = "v" + suffix;
    std::string text;
    for (const SessionEntry &e : store->audit (query))
      text += e.peer_id.substr (0, 1) + (e.address.empty () ? "-" : "@");
    std::sort (text.begin (), text.end ());
    return text;
  };
  session ("a", 10000); // long ago
  session ("b", 50000);
  session ("c", 0); // still running
  BookingRecord b;
  b.user_id = "v" + suffix;
  b.robot_id = "r" + suffix;
  b.window = {1000, 20000};
  b.id = store->add_booking (b);
  Retention retention;
  EXPECT_FALSE (retention.any ());
  retention.addresses = 30000;
  store->forget_old (retention, 60000);
  EXPECT_EQ (kept (), "-@@abc");
  EXPECT_TRUE (store->booking (b.id));
  retention.sessions = 40000;
  retention.bookings = 40000;
  store->forget_old (retention, 60000);
  EXPECT_EQ (kept (), "@@bc");
  EXPECT_TRUE (store->booking (b.id)) << "it ended just then";
  store->forget_old (retention, 60001);
  EXPECT_FALSE (store->booking (b.id));
}

TEST_F (Rights, ARemovedPersonLeavesAPseudonym)
{
  std::string id = add ("a", "viewer");
  BookingRecord b;
  b.user_id = id;
  b.robot_id = "r" + suffix;
  b.window = {now - 1000, now + 1000};
  b.id = store->add_booking (b);
  SessionEntry e;
  e.peer_id = "p" + suffix;
  e.viewer_id = id;
  e.robot_id = b.robot_id;
  e.address = "192.0.2.1";
  e.started_at = now - 500;
  store->write_session (e);
  store->remove_user (id, now, false, true);
  EXPECT_FALSE (store->user_by_id (id));
  EXPECT_EQ (store->booking (b.id)->status, "cancelled");
  EXPECT_EQ (store->booking (b.id)->user_id, id);
  AuditQuery query;
  query.viewer_id = id;
  ASSERT_EQ (store->audit (query).size (), 1u);
  EXPECT_EQ (store->audit (query)[0].address, "");
  EXPECT_THROW (store->remove_user (id, now, false, true), StoreError);
}

} // namespace
