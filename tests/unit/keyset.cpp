// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/keyset.hpp"
#include "base/pasted.hpp"
#include "grant/keymaterial.hpp"
#include <gtest/gtest.h>

using namespace robotlive;

namespace {

constexpr TimeMs kNow = 1800000000000;

std::string
grant_by (const JwtKey &key)
{
  Grant grant;
  grant.issuer = "robotlive";
  grant.viewer_id = "42";
  grant.robot_id = "robot_1";
  grant.peer_id = "peer-1";
  grant.role = "viewer";
  grant.window = {kNow - 60000, kNow + 600000};
  grant.issued_at = kNow;
  return JwtCodec::sign_grant (key, grant);
}

// The token of *jwt* under another header: its signature matches no more.
std::string
with_header (const std::string &jwt, const std::string &header)
{
  return base64url_encode (header) + jwt.substr (jwt.find ('.'));
}

GrantError
check (const JwtKeySet &keys, const std::string &jwt)
{
  return check_grant (keys, jwt, "robot_1", kNow, nullptr);
}

JwtKeySet
set_of (const std::string &text)
{
  std::string error;
  auto set = JwtKeySet::parse (text, &error);
  EXPECT_TRUE (set) << error;
  EXPECT_EQ (error, "");
  return set.value_or (JwtKeySet ());
}

std::string
complaint (const std::string &text)
{
  std::string error;
  EXPECT_FALSE (JwtKeySet::parse (text, &error)) << text;
  return error;
}

const JwtKey kOld = JwtKey::generate_es256 ();
const JwtKey kNew = JwtKey::generate_es256 ();
const JwtKey kOther = JwtKey::generate_es256 ();

} // namespace

TEST (KeySet, APemAfterTheOtherFirstFirst)
{
  const auto set = set_of (kNew.private_pem () + kOld.public_pem ());
  EXPECT_EQ (set.key_ids (),
      (std::vector<std::string>{kNew.key_id (), kOld.key_id ()}));
  EXPECT_TRUE (set.first ().can_sign ());
  EXPECT_EQ (check (set, grant_by (kNew)), GrantError::None);
  EXPECT_EQ (check (set, grant_by (kOld)), GrantError::None);
  EXPECT_EQ (check (set, grant_by (kOther)), GrantError::BadSignature);
}

TEST (KeySet, APrivateKeyAndItsPublicHalfAreOne)
{
  const auto set = set_of (kNew.public_pem () + kNew.private_pem ());
  EXPECT_EQ (set.size (), 1u);
  EXPECT_TRUE (set.first ().can_sign ());
}

TEST (KeySet, WritesAndReadsAJwkSet)
{
  JwtKeySet set (kNew);
  set.add (kOld);
  set.add (kNew);
  const auto copy = set_of (set.jwks ());
  EXPECT_EQ (copy.key_ids (), set.key_ids ());
  EXPECT_FALSE (copy.first ().can_sign ()) << "a private key was published";
  EXPECT_EQ (check (copy, grant_by (kOld)), GrantError::None);
  EXPECT_EQ (JwtKeySet (*JwtKey::from_secret (std::string (32, 's'))).jwks (),
      "{\"keys\":[]}");
}

TEST (KeySet, OneJwk)
{
  EXPECT_EQ (set_of (kNew.public_jwk ()).key_ids ()[0], kNew.key_id ());
}

// An issuer may name its keys as it likes (RFC 7517 section 4.5).
TEST (KeySet, TheNameThatAJwkGivesItselfCounts)
{
  const auto named = [] (const JwtKey &key, const std::string &name) {
    std::string jwk = key.public_jwk ();
    const auto at = jwk.find (key.key_id ());
    return jwk.replace (at, key.key_id ().size (), name);
  };
  const auto set = set_of (
      "{\"keys\":[" + named (kNew, "b") + "," + named (kOld, "a") + "]}");
  auto found = set.candidates ("a");
  ASSERT_EQ (found.size (), 1u);
  EXPECT_EQ (found[0].key_id (), kOld.key_id ());
  EXPECT_TRUE (set.candidates ("c").empty ());
  EXPECT_EQ (set.candidates ("").size (), 2u);
  EXPECT_EQ (check (set, grant_by (kOther)), GrantError::UnknownKey);
  // By its thumbprint all the same.
  EXPECT_EQ (check (set, grant_by (kOld)), GrantError::None);
}

TEST (KeySet, PassesOverWhatIsUnusableInASet)
{
  const auto set =
      set_of (R"({"keys":[7,{"kty":"OKP","crv":"Ed25519","x":"AA"},)"
              R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"},)" +
              kNew.public_jwk () + "]}");
  EXPECT_EQ (set.size (), 1u);
}

TEST (KeySet, TheNamedKeyAloneDecides)
{
  JwtKeySet set (kNew);
  set.add (kOld);
  const std::string jwt = grant_by (kNew);
  // Signed by one, naming the other: the other has not signed it.
  EXPECT_EQ (check (set, with_header (jwt, R"({"alg":"ES256","kid":")" +
                                               kOld.key_id () + "\"}")),
      GrantError::BadSignature);
  EXPECT_EQ (check (set, with_header (jwt, R"({"alg":"ES256","kid":"x"})")),
      GrantError::BadSignature);
  EXPECT_EQ (check (set, with_header (jwt, R"({"alg":"ES256"})")),
      GrantError::BadSignature);
  EXPECT_EQ (check (set, with_header (jwt, R"({"alg":"RS256"})")),
      GrantError::WrongAlgorithm);
  EXPECT_EQ (check (set, with_header (jwt, R"({"alg":"none"})")),
      GrantError::WrongAlgorithm);
  EXPECT_EQ (check (set, with_header (jwt, R"({"alg":"ES256","kid":7})")),
      GrantError::Malformed);
  EXPECT_EQ (check (set, "x"), GrantError::Malformed);
  EXPECT_EQ (check (JwtKeySet (), jwt), GrantError::UnknownKey);
}

// As an issuer that names no keys signs.
TEST (KeySet, WithoutANameAnyKeyOfTheSetWillDo)
{
  const auto secret = *JwtKey::from_secret (std::string (32, 's'));
  const std::string jwt = grant_by (secret); // has no kid
  JwtKeySet set (kNew);
  set.add (*JwtKey::from_secret (std::string (32, 't')));
  EXPECT_EQ (check (set, jwt), GrantError::BadSignature);
  set.add (secret);
  EXPECT_EQ (check (set, jwt), GrantError::None);
  EXPECT_TRUE (set.has_secret ());
}

TEST (KeySet, AnErrorOfTheGrantIsNoErrorOfTheKeys)
{
  const JwtKeySet set (kNew);
  const auto error =
      check_grant (set, grant_by (kNew), "robot_2", kNow, nullptr);
  EXPECT_EQ (error, GrantError::WrongAudience);
  for (const auto e :
      {GrantError::None, GrantError::Malformed, GrantError::WrongAudience,
          GrantError::NotYetValid, GrantError::Expired})
    EXPECT_FALSE (wants_newer_keys (e));
}

TEST (KeySet, TakesWhatEditorsMakeOfAKeyFile)
{
  std::string windows;
  for (const char c : kNew.public_pem () + "\n" + kOld.public_pem ())
    windows += c == '\n' ? std::string ("  \r\n") : std::string (1, c);
  EXPECT_EQ (set_of ("\xEF\xBB\xBF# our keys\r\n" + windows).size (), 2u);
  EXPECT_EQ (set_of ("\xEF\xBB\xBF" + kNew.public_jwk ()).size (), 1u);
  EXPECT_NE (complaint (std::string ("\xFF\xFE-\0-\0", 6)).find ("UTF-16"),
      std::string::npos);
}

TEST (KeySet, NamesWhatItCannotTake)
{
  const std::string good = kNew.public_pem ();
  EXPECT_EQ (complaint (good + "-----BEGIN PUBLIC KEY-----\nAAAA\n"
                               "-----END PUBLIC KEY-----\n")
                 .find ("Key 2: "),
      0u);
  // Between keys there may be what is none.
  EXPECT_EQ (set_of ("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                     "-----END EC PARAMETERS-----\n" +
                     good)
                 .size (),
      1u);
  std::string many;
  for (int i = 0; i < 33; ++i)
    many += good;
  EXPECT_EQ (complaint (many), "There are more than 32 keys.");
  std::string jwks;
  for (int i = 0; i < 33; ++i)
    jwks += (jwks.empty () ? "" : ",") + kNew.public_jwk ();
  EXPECT_EQ (
      complaint ("{\"keys\":[" + jwks + "]}"), "There are more than 32 keys.");
  for (const char *bad : {"", " \r\n", "\xEF\xBB\xBF", "{}", "{\"keys\":[]}",
           "{", "hello", "-----BEGIN ", "-----BEGIN PUBLIC KEY-----",
           "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"})
    EXPECT_NE (complaint (bad), "") << bad;
  std::string error;
  EXPECT_FALSE (JwtKeySet::parse (std::string (65537, ' ') + good, &error));
  EXPECT_NE (error, "");
}

TEST (Pasted, ATokenIsTakenAsItWasMeant)
{
  for (const char *text : {"a.b.c", "a.b.c\r\n", "  a.b.c  \n", "\"a.b.c\"",
           "'a.b.c'\n", "Bearer a.b.c", "bearer  a.b.c\n", "\"Bearer a.b.c\"",
           "Bearer \"a.b.c\"",
           "\xEF\xBB\xBF"
           "a.b.c",
           "\xEF\xBB\xBF"
           "BEARER\ta.b.c"})
    EXPECT_EQ (pasted_token (text), "a.b.c") << text;
  EXPECT_EQ (pasted_token ("\xEF\xBB\xBF\r\n"), "");
  EXPECT_EQ (pasted_token ("\""), "\"");
  EXPECT_EQ (pasted_token ("bearer"), "bearer");
  EXPECT_EQ (pasted_token ("bearers a"), "bearers a");
}

TEST (Pasted, WhatCannotBeTakenIsNamed)
{
  EXPECT_EQ (token_complaint ("a.b.c"), "");
  EXPECT_EQ (token_complaint (""), "is empty");
  EXPECT_EQ (token_complaint ("a\nb"), "has more than one line");
  EXPECT_EQ (token_complaint ("a b"), "has a blank in it");
  EXPECT_NE (token_complaint ("a\xC3\xA4"), "");
  EXPECT_NE (token_complaint (std::string_view ("a\0b", 3)), "");
  EXPECT_NE (token_complaint ("\xFF\xFE"
                              "a")
                 .find ("UTF-16"),
      std::string::npos);
}
