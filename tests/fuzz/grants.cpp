// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Grants and identity tokens, and the keys they are checked with. Each input is
// tried as it is, and, cut at its first newline into header and claims, with a
// right signature: else nothing would come as far as the claims.
#include "fuzz.hpp"
#include "grant/keyset.hpp"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <vector>

using namespace robotlive;

namespace {

constexpr char kSecret[] = "a secret of at least thirty-two bytes, for fuzzing";
constexpr char kRobot[] = "robot_pi_001";
constexpr TimeMs kNow = TimeMs{1800000000} * 1000;

std::string
base64url (const void *data, std::size_t size)
{
  std::string text (4 * (size / 3 + 1) + 1, '\0');
  text.resize (static_cast<std::size_t> (
      EVP_EncodeBlock (reinterpret_cast<unsigned char *> (text.data ()),
          static_cast<const unsigned char *> (data), static_cast<int> (size))));
  while (!text.empty () && text.back () == '=')
    text.pop_back ();
  for (char &c : text)
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string
signed_token (std::string_view header, std::string_view claims)
{
  std::string token = base64url (header.data (), header.size ()) + "." +
                      base64url (claims.data (), claims.size ());
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  REQUIRE (HMAC (EVP_sha256 (), kSecret, sizeof kSecret - 1,
      reinterpret_cast<const unsigned char *> (token.data ()), token.size (),
      mac, &size));
  return token + "." + base64url (mac, size);
}

void
check (const JwtKey &key, std::string_view token, bool may_pass)
{
  Grant grant;
  const GrantError error =
      JwtCodec::check_grant (key, token, kRobot, kNow, &grant);
  if (error == GrantError::None) {
    REQUIRE (may_pass && token.size () <= kMaxTokenSize);
    REQUIRE (grant.robot_id == kRobot && !grant.viewer_id.empty ());
    REQUIRE (grant.window.state (kNow) == WindowState::Open);
  }
  TokenPolicy policy;
  policy.audience = kRobot;
  Identity identity;
  if (JwtCodec::check_identity (key, token, policy, kNow, &identity) ==
      TokenError::None) {
    REQUIRE (may_pass && !identity.subject.empty ());
    REQUIRE (identity.expires_at > kNow - policy.leeway);
    REQUIRE (token.size () <= kMaxTokenSize);
  }
  REQUIRE (grant_error_code (error)[0] && grant_error_text (error));
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  static const JwtKey secret = *JwtKey::from_secret (kSecret);
  static const JwtKey ec = JwtKey::generate_es256 ();
  const std::string_view text (reinterpret_cast<const char *> (data), size);
  check (secret, text, false);
  check (ec, text, false);
  const auto cut = text.find ('\n');
  if (cut != text.npos) {
    const auto token =
        signed_token (text.substr (0, cut), text.substr (cut + 1));
    check (secret, token, true);
    check (ec, token, false);
  }
  std::string error;
  if (const auto set = JwtKeySet::parse (text, &error)) {
    REQUIRE (!set->empty () && set->size () <= 32);
    check_grant (*set, text, kRobot, kNow, nullptr);
  } else {
    REQUIRE (!error.empty ());
  }
  JwtKeySet both (ec);
  both.add (secret);
  REQUIRE (check_grant (both, text, kRobot, kNow, nullptr) != GrantError::None);
  if (const auto key = JwtKey::parse (text, &error)) {
    REQUIRE (key->algorithm () == KeyAlgorithm::HS256 ||
             !key->public_pem ().empty ());
    check (*key, text, false);
  } else {
    REQUIRE (!error.empty ());
  }
  return 0;
}
