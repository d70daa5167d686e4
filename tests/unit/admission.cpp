// SPDX-License-Identifier: LGPL-2.1-or-later
#include "access/admission.hpp"
#include <gtest/gtest.h>

using namespace robotlive;

namespace {

constexpr TimeMs kNow = 1700000000000; // the server's
constexpr std::int64_t kBoot = 5000000000;
constexpr std::int64_t kMs = 1000000;

class AdmissionTest : public testing::Test
{
protected:
  AdmissionTest () { admission.set_keys (JwtKeySet (key)); }

  SessionTerms terms (TimeMs now, TimeMs ends, TimeMs issued) const
  {
    Grant grant;
    grant.issuer = "test";
    grant.viewer_id = "ann";
    grant.robot_id = "robot_1";
    grant.peer_id = "p1";
    grant.role = "viewer";
    grant.window = {issued, ends};
    grant.issued_at = issued;
    SessionTerms made;
    made.not_before = issued;
    made.expires_at = ends;
    made.server_time = now;
    made.grant = JwtCodec::sign_grant (key, grant);
    return made;
  }
  bool admit (const std::optional<SessionTerms> &given,
      std::int64_t boot = kBoot, const char *from = "ann",
      const char *peer = "p1")
  {
    return admission.admit (from, peer, given, boot, &out, &refusal);
  }

  JwtKey key = JwtKey::generate_es256 ();
  Admission admission{SessionPolicy::RequireGrant, "robot_1"};
  Admitted out;
  Refusal refusal;
};

} // namespace

TEST_F (AdmissionTest, CountsFromTheServersTime)
{
  ASSERT_TRUE (admit (terms (kNow, kNow + 60000, kNow)));
  EXPECT_EQ (out.opens_at, kBoot);
  EXPECT_EQ (out.ends_at, kBoot + 60000 * kMs);
  EXPECT_EQ (out.role, "viewer");
}

TEST_F (AdmissionTest, AMessageThatWasHeldUpEndsNothingLate)
{
  // The first was on its way for no time, the second for 800 ms.
  admission.note_server_time (kNow, kBoot);
  auto held_up = terms (kNow + 1000, kNow + 60000, kNow + 1000);
  ASSERT_TRUE (admit (held_up, kBoot + 1800 * kMs));
  EXPECT_EQ (out.ends_at, kBoot + 60000 * kMs);
  // One that is quicker still shows that the first was not.
  ASSERT_TRUE (admit (
      terms (kNow + 3000, kNow + 60000, kNow + 3000), kBoot + 2990 * kMs));
  EXPECT_EQ (out.ends_at, kBoot + 59990 * kMs);
  ASSERT_TRUE (admit (
      terms (kNow + 4000, kNow + 60000, kNow + 4000), kBoot + 4000 * kMs));
  EXPECT_EQ (out.ends_at, kBoot + 59990 * kMs);
}

TEST_F (AdmissionTest, AServersClockThatIsSetIsBelieved)
{
  Admission trusting (SessionPolicy::TrustServer, "robot_1");
  const auto ends_after = [&] (TimeMs told, std::int64_t boot) {
    SessionTerms said;
    said.not_before = told - 1000;
    said.server_time = told;
    said.expires_at = told + 60000;
    EXPECT_TRUE (trusting.admit ("ann", "p1", said, boot, &out, &refusal));
    return (out.ends_at - boot) / kMs;
  };
  EXPECT_EQ (ends_after (kNow, kBoot), 60000);
  EXPECT_EQ (ends_after (kNow + 3600000, kBoot + kMs), 60000) << "ahead";
  EXPECT_EQ (ends_after (kNow, kBoot + 2 * kMs), 60000) << "back";
  EXPECT_EQ (ends_after (INT64_MAX - 60000, kBoot + 3 * kMs), 60000);
  EXPECT_EQ (ends_after (INT64_MAX - 60000, kBoot + 4000 * kMs), 56003);
  // Drift: what was told an hour ago counts no longer.
  EXPECT_EQ (ends_after (kNow + 3599000, kBoot + 3600000 * kMs), 60000);
}

TEST_F (AdmissionTest, RefusesTheGrantOfAnother)
{
  EXPECT_FALSE (admit (terms (kNow, kNow + 60000, kNow), kBoot, "bob"));
  EXPECT_EQ (refusal.code, "forbidden");
  EXPECT_FALSE (admit (terms (kNow, kNow + 60000, kNow), kBoot, "ann", "p2"));
  EXPECT_FALSE (admit (std::nullopt));
  EXPECT_NE (refusal.message.find ("trust-server"), std::string::npos);
  admission.set_keys (JwtKeySet (JwtKey::generate_es256 ()));
  EXPECT_FALSE (admit (terms (kNow, kNow + 60000, kNow)));
  EXPECT_EQ (refusal.code, kGrantRefused);
  // The right one beside it.
  JwtKeySet both (JwtKey::generate_es256 ());
  both.add (key);
  admission.set_keys (both);
  EXPECT_TRUE (admit (terms (kNow, kNow + 60000, kNow)));
}

TEST_F (AdmissionTest, ALyingRelayCannotReplayAnOldGrant)
{
  ASSERT_TRUE (admit (terms (kNow, kNow + 60000, kNow)));
  // An hour of true time later, with a server time that stood still.
  const auto later = kBoot + 3600 * 1000 * kMs;
  EXPECT_FALSE (admit (terms (kNow, kNow + 60000, kNow), later));
  EXPECT_EQ (refusal.code, "no-active-booking");
}

TEST_F (AdmissionTest, ALyingRelayCannotStretchAGrant)
{
  // "It is a year ago": the grant still lasts no longer than it was meant to.
  ASSERT_TRUE (admit (terms (kNow, kNow + 60000, kNow)));
  Admission fresh (SessionPolicy::RequireGrant, "robot_1");
  fresh.set_keys (JwtKeySet (key));
  auto lie = terms (kNow, kNow + 60000, kNow);
  lie.server_time = kNow - 20000; // within nbf's leeway, if there is one
  if (fresh.admit ("ann", "p1", lie, kBoot, &out, &refusal))
    EXPECT_LE (out.ends_at, kBoot + 60000 * kMs);
  else
    EXPECT_EQ (refusal.code, "no-active-booking");
}

TEST_F (AdmissionTest, TrustServerTakesItsWord)
{
  Admission trusting (SessionPolicy::TrustServer, "robot_1");
  EXPECT_TRUE (trusting.ready ());
  ASSERT_TRUE (
      trusting.admit ("ann", "p1", std::nullopt, kBoot, &out, &refusal));
  EXPECT_EQ (out.ends_at, kNeverNs);
  SessionTerms word;
  word.server_time = kNow;
  word.expires_at = kNow + 1000;
  ASSERT_TRUE (trusting.admit ("ann", "p1", word, kBoot, &out, &refusal));
  EXPECT_EQ (out.ends_at, kBoot + 1000 * kMs);
  word.expires_at = kNow;
  EXPECT_FALSE (trusting.admit ("ann", "p1", word, kBoot, &out, &refusal));
  // Times that overflow are no times.
  word.expires_at = INT64_MAX;
  word.server_time = -2;
  EXPECT_FALSE (trusting.admit ("ann", "p1", word, kBoot, &out, &refusal));
  EXPECT_EQ (refusal.code, "bad-message");
}

TEST_F (AdmissionTest, WithoutAKeyNothingIsReady)
{
  Admission keyless (SessionPolicy::RequireGrant, "robot_1");
  EXPECT_FALSE (keyless.ready ());
  EXPECT_FALSE (keyless.admit (
      "ann", "p1", terms (kNow, kNow + 60000, kNow), kBoot, &out, &refusal));
  EXPECT_EQ (refusal.code, "unavailable");
}
