// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/jwt.hpp"
#include "grant/keymaterial.hpp"
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

using namespace robotlive;

namespace {

constexpr TimeMs kNow = 1800000000000;
const std::string kSecret = "0123456789abcdef0123456789abcdef";

std::string
pem_of_new_key (const char *type, const char *curve, std::size_t bits)
{
  EVP_PKEY *pkey = curve ? EVP_PKEY_Q_keygen (nullptr, nullptr, type, curve)
                         : EVP_PKEY_Q_keygen (nullptr, nullptr, type, bits);
  BIO *bio = BIO_new (BIO_s_mem ());
  PEM_write_bio_PKCS8PrivateKey (
      bio, pkey, nullptr, nullptr, 0, nullptr, nullptr);
  char *data = nullptr;
  const long size = BIO_get_mem_data (bio, &data);
  std::string text (data, static_cast<std::size_t> (size));
  BIO_free (bio);
  EVP_PKEY_free (pkey);
  return text;
}

JwtKey
must_parse (std::string_view text)
{
  std::string error;
  auto key = JwtKey::parse (text, &error);
  EXPECT_TRUE (key) << error;
  return key ? *key : JwtKey::generate_es256 ();
}

const JwtKey &
ec_key ()
{
  static const JwtKey key = JwtKey::generate_es256 ();
  return key;
}

const JwtKey &
rsa_key ()
{
  static const JwtKey key = must_parse (pem_of_new_key ("RSA", nullptr, 2048));
  return key;
}

const JwtKey &
secret_key ()
{
  static const JwtKey key = *JwtKey::from_secret (kSecret);
  return key;
}

Grant
some_grant ()
{
  Grant grant;
  grant.issuer = "https://console.example";
  grant.viewer_id = "42";
  grant.robot_id = "robot_pi_001";
  grant.peer_id = "peer-1";
  grant.role = "viewer";
  grant.window = {kNow - 60000, kNow + 600000};
  grant.issued_at = kNow;
  return grant;
}

GrantError
check (const JwtKey &key, const std::string &jwt, Grant *out = nullptr,
    TimeMs now = kNow)
{
  return JwtCodec::check_grant (key, jwt, "robot_pi_001", now, out);
}

std::string
part (const std::string &jwt, int index)
{
  std::size_t from = 0;
  while (index--)
    from = jwt.find ('.', from) + 1;
  return jwt.substr (from, jwt.find ('.', from) - from);
}

// A token over *header* and *payload*, signed as HS256 with any bytes.
std::string
forge_hs256 (std::string_view header, std::string_view payload,
    const std::string &secret)
{
  const std::string input =
      base64url_encode (header) + "." + base64url_encode (payload);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC (EVP_sha256 (), secret.data (), static_cast<int> (secret.size ()),
      reinterpret_cast<const unsigned char *> (input.data ()), input.size (),
      digest, &size);
  return input + "." +
         base64url_encode ({reinterpret_cast<char *> (digest), size});
}

constexpr char kHeader[] = R"({"alg":"HS256","typ":"JWT"})";
// 1799999940 .. 1800000600 around kNow
constexpr char kPayload[] =
    R"({"sub":"42","aud":"robot_pi_001","jti":"p","nbf":1799999940,)"
    R"("exp":1800000600,"iat":1800000000,"role":"viewer"})";

} // namespace

TEST (Grant, RoundTripsWithEveryAlgorithm)
{
  for (const JwtKey &key : {ec_key (), rsa_key (), secret_key ()}) {
    const std::string jwt = JwtCodec::sign_grant (key, some_grant ());
    Grant grant;
    ASSERT_EQ (check (key, jwt, &grant), GrantError::None);
    EXPECT_EQ (grant.issuer, "https://console.example");
    EXPECT_EQ (grant.viewer_id, "42");
    EXPECT_EQ (grant.robot_id, "robot_pi_001");
    EXPECT_EQ (grant.peer_id, "peer-1");
    EXPECT_EQ (grant.role, "viewer");
    EXPECT_EQ (grant.window.starts_at, kNow - 60000);
    EXPECT_EQ (grant.window.ends_at, kNow + 600000);
    EXPECT_EQ (grant.issued_at, kNow);
  }
}

// r or s shorter than 32 bytes turns up about once in 128 signatures.
TEST (Grant, ManySignaturesVerify)
{
  for (int i = 0; i < 600; ++i)
    ASSERT_EQ (
        check (ec_key (), JwtCodec::sign_grant (ec_key (), some_grant ())),
        GrantError::None)
        << i;
}

TEST (Grant, PublicHalfChecksButCannotSign)
{
  for (const JwtKey &key : {ec_key (), rsa_key ()}) {
    const std::string jwt = JwtCodec::sign_grant (key, some_grant ());
    for (const std::string &text : {key.public_pem (), key.public_jwk (),
             "{\"keys\":[{\"kty\":\"OKP\"}," + key.public_jwk () + "]}"}) {
      const JwtKey public_key = must_parse (text);
      EXPECT_FALSE (public_key.can_sign ());
      EXPECT_EQ (public_key.private_pem (), "");
      EXPECT_EQ (public_key.key_id (), key.key_id ());
      EXPECT_EQ (check (public_key, jwt), GrantError::None);
      EXPECT_EQ (JwtCodec::sign_grant (public_key, some_grant ()), "");
    }
  }
}

TEST (Grant, RefusesEveryChangedCharacter)
{
  const std::string jwt = JwtCodec::sign_grant (ec_key (), some_grant ());
  for (std::size_t i = 0; i < jwt.size (); ++i) {
    std::string changed = jwt;
    changed[i] = changed[i] == 'B' ? 'C' : 'B';
    // The last character of a part has bits that decode to nothing.
    const bool spare = i + 1 == jwt.size () || jwt[i + 1] == '.';
    if (!spare) {
      EXPECT_NE (check (ec_key (), changed), GrantError::None) << i;
    }
  }
}

TEST (Grant, RefusesAnotherPayloadUnderTheSameSignature)
{
  const std::string jwt = JwtCodec::sign_grant (ec_key (), some_grant ());
  Grant longer = some_grant ();
  longer.window.ends_at += 3600000;
  const std::string other = JwtCodec::sign_grant (ec_key (), longer);
  EXPECT_EQ (check (ec_key (),
                 part (jwt, 0) + "." + part (other, 1) + "." + part (jwt, 2)),
      GrantError::BadSignature);
  EXPECT_EQ (check (JwtKey::generate_es256 (), jwt), GrantError::BadSignature);
  EXPECT_EQ (check (ec_key (), part (jwt, 0) + "." + part (jwt, 1) + "."),
      GrantError::BadSignature);
}

TEST (Grant, RefusesAlgNone)
{
  for (const char *alg : {"none", "None", "NONE", "nOnE"}) {
    const std::string header = std::string (R"({"typ":"JWT","alg":")") + alg;
    const std::string unsigned_jwt = base64url_encode (header + "\"}") + "." +
                                     base64url_encode (kPayload) + ".";
    for (const JwtKey &key : {ec_key (), rsa_key (), secret_key ()}) {
      EXPECT_EQ (check (key, unsigned_jwt), GrantError::WrongAlgorithm);
      EXPECT_EQ (
          check (key, unsigned_jwt + "AAAA"), GrantError::WrongAlgorithm);
    }
  }
}

TEST (Grant, RefusesAnotherAlgorithmThanTheKeys)
{
  const JwtKey keys[] = {ec_key (), rsa_key (), secret_key ()};
  for (const JwtKey &signer : keys)
    for (const JwtKey &checker : keys)
      EXPECT_EQ (check (checker, JwtCodec::sign_grant (signer, some_grant ())),
          signer.algorithm () == checker.algorithm ()
              ? GrantError::None
              : GrantError::WrongAlgorithm);
  for (const char *alg : {"HS384", "HS512", "ES384", "RS512", "PS256", ""}) {
    const std::string header = std::string ("{\"alg\":\"") + alg + "\"}";
    EXPECT_NE (check (secret_key (), forge_hs256 (header, kPayload, kSecret)),
        GrantError::None);
  }
}

// The public key's text as an HMAC secret (RFC 8725 section 2.1), also with two
// "alg" members that different parsers read differently.
TEST (Grant, RefusesThePublicKeyAsSecret)
{
  for (const JwtKey &key : {ec_key (), rsa_key ()}) {
    const std::string own =
        key.algorithm () == KeyAlgorithm::ES256 ? "ES256" : "RS256";
    for (const std::string &secret : {key.public_pem (), key.public_jwk ()}) {
      EXPECT_EQ (check (key, forge_hs256 (kHeader, kPayload, secret)),
          GrantError::WrongAlgorithm);
      for (const std::string &header :
          {"{\"alg\":\"" + own + "\",\"alg\":\"HS256\"}",
              "{\"alg\":\"HS256\",\"alg\":\"" + own + "\"}"})
        EXPECT_NE (check (key, forge_hs256 (header, kPayload, secret)),
            GrantError::None);
    }
  }
}

TEST (Grant, WindowIsHalfOpenWithoutLeeway)
{
  const Grant grant = some_grant ();
  const std::string jwt = JwtCodec::sign_grant (ec_key (), grant);
  const TimeMs start = grant.window.starts_at, end = grant.window.ends_at;
  EXPECT_EQ (
      check (ec_key (), jwt, nullptr, start - 1), GrantError::NotYetValid);
  EXPECT_EQ (check (ec_key (), jwt, nullptr, start), GrantError::None);
  EXPECT_EQ (check (ec_key (), jwt, nullptr, end - 1), GrantError::None);
  EXPECT_EQ (check (ec_key (), jwt, nullptr, end), GrantError::Expired);
  EXPECT_EQ (check (ec_key (), jwt, nullptr, kNever), GrantError::Expired);
}

TEST (Grant, ForAnotherRobotSaysWhose)
{
  Grant grant = some_grant ();
  grant.robot_id = "robot_pi_002";
  const std::string jwt = JwtCodec::sign_grant (ec_key (), grant);
  Grant out;
  EXPECT_EQ (check (ec_key (), jwt, &out), GrantError::WrongAudience);
  EXPECT_EQ (out.viewer_id, "42");
  EXPECT_EQ (out.robot_id, "");
  EXPECT_EQ (JwtCodec::check_grant (ec_key (), jwt, "", kNow, nullptr),
      GrantError::WrongAudience);
}

TEST (Grant, ClaimsHaveTheirTypes)
{
  const auto verdict = [] (const std::string &payload) {
    return check (secret_key (), forge_hs256 (kHeader, payload, kSecret));
  };
  ASSERT_EQ (verdict (kPayload), GrantError::None);
  EXPECT_EQ (verdict (R"({"sub":42,"aud":["x","robot_pi_001"],)"
                      R"("exp":1800000600})"),
      GrantError::None);
  const char *bad[] = {
      R"({"aud":"robot_pi_001","exp":1800000600})",
      R"({"sub":"","aud":"robot_pi_001","exp":1800000600})",
      R"({"sub":null,"aud":"robot_pi_001","exp":1800000600})",
      R"({"sub":"1","exp":1800000600})",
      R"({"sub":"1","aud":7,"exp":1800000600})",
      R"({"sub":"1","aud":["robot_pi_001",7],"exp":1800000600})",
      R"({"sub":"1","aud":"robot_pi_001"})",
      R"({"sub":"1","aud":"robot_pi_001","exp":"1800000600"})",
      R"({"sub":"1","aud":"robot_pi_001","exp":1800000600.5})",
      R"({"sub":"1","aud":"robot_pi_001","exp":1e99})",
      R"({"sub":"1","aud":"robot_pi_001","exp":-1})",
      R"({"sub":"1","aud":"robot_pi_001","exp":9223372036854775807})",
      R"({"sub":"1","aud":"robot_pi_001","exp":1800000600,"nbf":"0"})",
      R"({"sub":"1","aud":"robot_pi_001","exp":1800000600,"iat":[]})",
      R"({"sub":"1","aud":"robot_pi_001","exp":1800000600,"jti":{}})",
      R"({"sub":"1","aud":"robot_pi_001","exp":1800000600,"role":1})",
      "[]",
      "7",
      "null",
      "\"x\"",
      "{",
      "",
      "\xff\xfe",
  };
  for (const char *payload : bad)
    EXPECT_EQ (verdict (payload), GrantError::Malformed) << payload;
  EXPECT_EQ (check (secret_key (),
                 forge_hs256 (R"({"alg":"HS256","crit":["b64"],"b64":false})",
                     kPayload, kSecret)),
      GrantError::Malformed);
}

TEST (Grant, GarbageIsMalformed)
{
  const std::string good = JwtCodec::sign_grant (ec_key (), some_grant ());
  const std::string bad[] = {"", ".", "..", "...", "a.b", "a.b.c", good + ".x",
      "x" + good, good + "=", good + "\n", " " + good,
      std::string (1000000, 'A'), std::string (9000, '.'),
      good + std::string (kMaxTokenSize, 'A'), std::string ("\0\0\0", 3),
      "e30.e30.e30", "W10.W10.W10"};
  for (const std::string &jwt : bad)
    EXPECT_EQ (check (ec_key (), jwt), GrantError::Malformed)
        << jwt.substr (0, 40);
  // Nesting: refused by the depth limit, not by the stack.
  const std::string deep = std::string (3000, '[') + std::string (3000, ']');
  EXPECT_EQ (check (secret_key (), forge_hs256 (kHeader, deep, kSecret)),
      GrantError::Malformed);
}

TEST (Grant, TextAndCodeForEveryError)
{
  for (int i = 0; i <= static_cast<int> (GrantError::Expired); ++i) {
    const auto error = static_cast<GrantError> (i);
    EXPECT_GT (std::string (grant_error_text (error)).size (), 10u);
    EXPECT_GT (std::string (grant_error_code (error)).size (), 1u);
  }
}

TEST (Identity, RoundTripsAndTakesNumbers)
{
  Identity identity;
  identity.subject = "user-1";
  identity.role = "admin";
  identity.token_id = "t-1";
  identity.expires_at = kNow + 60000;
  const TokenPolicy policy{"iss", "aud", 0};
  const std::string jwt =
      JwtCodec::sign_identity (secret_key (), identity, policy);
  Identity out;
  ASSERT_EQ (JwtCodec::check_identity (secret_key (), jwt, policy, kNow, &out),
      TokenError::None);
  EXPECT_EQ (out.subject, "user-1");
  EXPECT_EQ (out.role, "admin");
  EXPECT_EQ (out.token_id, "t-1");
  EXPECT_EQ (out.expires_at, kNow + 60000);

  const std::string number =
      forge_hs256 (kHeader, R"({"sub":12,"exp":1800000060})", kSecret);
  ASSERT_EQ (JwtCodec::check_identity (secret_key (), number, {}, kNow, &out),
      TokenError::None);
  EXPECT_EQ (out.subject, "12");
  EXPECT_EQ (out.role, "");
}

TEST (Identity, PolicyIsHeld)
{
  const auto verdict = [] (const char *payload, const TokenPolicy &policy,
                           TimeMs now) {
    return JwtCodec::check_identity (secret_key (),
        forge_hs256 (kHeader, payload, kSecret), policy, now, nullptr);
  };
  const char *payload =
      R"({"sub":"1","iss":"a","aud":["b"],"nbf":1800000000,"exp":1800000060})";
  const TimeMs end = 1800000060000;
  EXPECT_EQ (verdict (payload, {"a", "b", 0}, kNow), TokenError::None);
  EXPECT_EQ (verdict (payload, {"x", "b", 0}, kNow), TokenError::WrongIssuer);
  EXPECT_EQ (verdict (payload, {"a", "x", 0}, kNow), TokenError::WrongAudience);
  EXPECT_EQ (verdict (payload, {"", "", 0}, end - 1), TokenError::None);
  EXPECT_EQ (verdict (payload, {"", "", 0}, end), TokenError::Expired);
  EXPECT_EQ (verdict (payload, {"", "", 30000}, end + 29999), TokenError::None);
  EXPECT_EQ (
      verdict (payload, {"", "", 30000}, end + 30000), TokenError::Expired);
  // A leeway of an hour is 60 s.
  EXPECT_EQ (
      verdict (payload, {"", "", 3600000}, end + 60000), TokenError::Expired);
  EXPECT_EQ (verdict (payload, {"", "", 0}, kNow - 1), TokenError::NotYetValid);
  EXPECT_EQ (verdict (R"({"sub":"1"})", {}, kNow), TokenError::Malformed);
  EXPECT_EQ (
      verdict (R"({"exp":1800000060})", {}, kNow), TokenError::Malformed);
}

// RFC 7519 section 2: a NumericDate may have a fraction.
TEST (Identity, TimesMayBeFractions)
{
  const auto check = [] (const std::string &times, TimeMs now, Identity *out) {
    return JwtCodec::check_identity (secret_key (),
        forge_hs256 (kHeader, "{\"sub\":\"1\"," + times + "}", kSecret),
        {"", "", 0}, now, out);
  };
  Identity out;
  EXPECT_EQ (check ("\"exp\":1800000060.5,\"nbf\":1799999999.25,"
                    "\"iat\":1799999999.75",
                 kNow, &out),
      TokenError::None);
  EXPECT_EQ (out.expires_at, kNow + 60500);
  EXPECT_EQ (out.issued_at, kNow - 250);
  EXPECT_EQ (
      check ("\"exp\":1800000060.5", kNow + 60500, &out), TokenError::Expired);
  EXPECT_EQ (check ("\"exp\":1.80000006e9", kNow, &out), TokenError::None);
  EXPECT_EQ (check ("\"exp\":1800000060,\"nbf\":1800000000.5", kNow, &out),
      TokenError::NotYetValid);
  for (const char *bad : {"-0.5", "1e99", "-1e99", "\"1800000060.5\"",
           "253402300799.5", "[1800000060.5]", "null", "true"})
    EXPECT_EQ (check (std::string ("\"exp\":") + bad, kNow, &out),
        TokenError::Malformed)
        << bad;
}

// A console's other tokens are signed with the same secret.
TEST (Identity, OnlyAccessTokensAreTaken)
{
  const auto check = [] (const std::string &claim, const char *header) {
    return JwtCodec::check_identity (secret_key (),
        forge_hs256 (header, "{\"sub\":\"1\",\"exp\":1800000060," + claim + "}",
            kSecret),
        {}, kNow, nullptr);
  };
  for (const char *good : {R"("type":"access")", R"("token_use":"access")",
           R"("scope":"openid profile")", R"("scp":["watch"])", R"("scope":"")",
           R"("token_type":"Bearer")", R"("typ":"Bearer")", R"("x":"refresh")"})
    EXPECT_EQ (check (good, kHeader), TokenError::None) << good;
  for (const char *bad : {R"("type":"refresh")", R"("token_use":"refresh")",
           R"("token_type":"refresh")", R"("typ":"Refresh")",
           R"("purpose":"password-reset")", R"("token_use":"id")",
           R"("type":7)", R"("purpose":null)", R"("type":"")",
           R"("scope":"refresh")", R"("scope":"openid password-reset")",
           R"("scp":["watch","refresh_token"])", R"("scope":7)", R"("scp":[7])",
           R"("scope":null)", R"("use":"reset")", R"("type":["access"])"})
    EXPECT_EQ (check (bad, kHeader), TokenError::WrongUse) << bad;
  // libjwt takes no other type of token.
  for (const char *typ : {"rt+jwt", "refresh+jwt", "logout+jwt"})
    EXPECT_NE (
        check (R"("x":1)",
            (std::string (R"({"alg":"HS256","typ":")") + typ + "\"}").c_str ()),
        TokenError::None)
        << typ;
}

TEST (Identity, KeepsTheEpochOfItsAccount)
{
  Identity identity;
  identity.subject = "7";
  identity.expires_at = kNow + 60000;
  Identity out;
  auto round = [&] {
    return JwtCodec::check_identity (secret_key (),
        JwtCodec::sign_identity (secret_key (), identity, {}), {}, kNow, &out);
  };
  ASSERT_EQ (round (), TokenError::None);
  EXPECT_EQ (out.epoch, Identity::kNoEpoch);
  identity.epoch = 1799999999123;
  ASSERT_EQ (round (), TokenError::None);
  EXPECT_EQ (out.epoch, 1799999999123);
  for (const char *bad : {"-1", "1.5", "\"1\""})
    EXPECT_EQ (JwtCodec::check_identity (secret_key (),
                   forge_hs256 (kHeader,
                       std::string (R"({"sub":"7","exp":1800000060,"epoch":)") +
                           bad + "}",
                       kSecret),
                   {}, kNow, &out),
        TokenError::Malformed)
        << bad;
}

TEST (Identity, AGrantIsNoIdentity)
{
  const std::string jwt = JwtCodec::sign_grant (ec_key (), some_grant ());
  EXPECT_EQ (JwtCodec::check_identity (ec_key (), jwt, {}, kNow, nullptr),
      TokenError::Malformed);
}

TEST (JwtKey, RefusesWhatIsNoUsableKey)
{
  const std::string bad[] = {
      "",
      "   ",
      "hello",
      "-----BEGIN PUBLIC KEY-----\nAAAA\n",
      "{",
      "{}",
      "{\"keys\":[]}",
      "{\"keys\":7}",
      std::string (70000, 'x'),
      pem_of_new_key ("RSA", nullptr, 1024),
      pem_of_new_key ("EC", "P-384", 0),
      pem_of_new_key ("EC", "secp256k1", 0),
      // not on the curve
      R"({"kty":"EC","crv":"P-256",)"
      R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
      R"("y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})",
      R"({"kty":"oct","k":"c2hvcnQ"})",
      R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
  };
  for (const std::string &text : bad) {
    std::string error;
    EXPECT_FALSE (JwtKey::parse (text, &error)) << text;
    EXPECT_NE (error, "");
    EXPECT_LT (error.size (), 100u);
  }
  EXPECT_FALSE (JwtKey::from_secret (std::string (31, 'x')));
  EXPECT_FALSE (JwtKey::from_secret (std::string (4097, 'x')));
}

TEST (JwtKey, RefusesKeysForOtherUses)
{
  std::string jwk = ec_key ().public_jwk ();
  jwk.replace (jwk.find ("\"sig\""), 5, "\"enc\"");
  EXPECT_FALSE (JwtKey::parse (jwk, nullptr));
  jwk = ec_key ().public_jwk ();
  jwk.replace (jwk.find ("\"ES256\""), 7, "\"HS256\"");
  EXPECT_FALSE (JwtKey::parse (jwk, nullptr));
}

TEST (JwtKey, PrivatePemRoundTrips)
{
  const JwtKey copy = must_parse (ec_key ().private_pem ());
  EXPECT_TRUE (copy.can_sign ());
  EXPECT_EQ (copy.public_pem (), ec_key ().public_pem ());
  EXPECT_EQ (check (ec_key (), JwtCodec::sign_grant (copy, some_grant ())),
      GrantError::None);
  EXPECT_EQ (secret_key ().public_pem () + secret_key ().private_pem () +
                 secret_key ().public_jwk (),
      "");
}

// RFC 7515 appendix A. The payload has no sub, so a right signature ends in
// Malformed and a wrong one in BadSignature.
TEST (Rfc7515, ExamplesVerify)
{
  const std::string payload =
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
      "mNvbS9pc19yb290Ijp0cnVlfQ.";
  struct
  {
    const char *jwk, *header, *signature;
  } const examples[] = {
      {R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS)"
       R"(0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"})",
          "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
          "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
      {R"({"kty":"EC","crv":"P-256",)"
       R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
       R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",)"
       R"("d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})",
          "eyJhbGciOiJFUzI1NiJ9",
          "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
          "F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
          "KTUJqPP3-Kg6NU1Q"},
      {R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJc)"
       R"(yQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2l)"
       R"(ZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX)"
       R"(ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb)"
       R"(3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs)"
       R"(91kzk2PAcDTW9gb54h4FRWyuXpoQ"})",
          "eyJhbGciOiJSUzI1NiJ9",
          "cC4hiUPoj9Eetdgtv3hF80EGrhuB__"
          "dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm"
          "4Bh-0Qc_lF5YKt_"
          "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--"
          "f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
          "eSN9383Lc"
          "OLn6_dO--xi12jzDwusC-"
          "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi"
          "pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
  };
  for (const auto &example : examples) {
    const JwtKey key = must_parse (example.jwk);
    const std::string jwt =
        std::string (example.header) + payload + example.signature;
    EXPECT_EQ (check (key, jwt), GrantError::Malformed) << example.header;
    std::string changed = jwt;
    char &c = changed[jwt.size () - 20];
    c = c == 'A' ? 'B' : 'A';
    EXPECT_EQ (check (key, changed), GrantError::BadSignature) << changed;
  }
}

TEST (Rfc7638, ThumbprintOfTheExample)
{
  const JwtKey key = must_parse (
      R"({"kty":"RSA","e":"AQAB","alg":"RS256","kid":"2011-04-29","n":"0vx7ago)"
      R"(ebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxu)"
      R"(hDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93)"
      R"(lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg)"
      R"(dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2N)"
      R"(cRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"})");
  EXPECT_EQ (key.key_id (), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST (Base64Url, RoundTripsAndIsStrict)
{
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ (base64url_decode (base64url_encode (bytes)), bytes);
    bytes += static_cast<char> (i * 7);
  }
  for (const char *text : {"A", "AA=", "AA==", "A+", "A/", "A A", "\n"})
    EXPECT_FALSE (base64url_decode (text)) << text;
}
