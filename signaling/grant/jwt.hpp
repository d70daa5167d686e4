// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Signs and checks JWTs: jwt.cpp is the one file that knows libjwt, jwtkey.cpp
// the one that knows OpenSSL's keys.
// Thread-safe: every function works on its arguments alone.
#pragma once
#include "grant/grant.hpp"
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive {

enum class KeyAlgorithm
{
  HS256,
  RS256,
  ES256
};

// A key and the one algorithm it is used with: the algorithm is never taken
// from a token (RFC 8725 section 3.1).
class JwtKey
{
public:
  // PEM (public or private; EC P-256 -> ES256, RSA of 2048 bits or more ->
  // RS256), a JWK or a JWK set (RFC 7517; the first usable signature key; a
  // key of type "oct" is a secret: HS256). Encrypted PEM is refused. *error* is
  // one sentence that names neither key material nor file content.
  static std::optional<JwtKey> parse (
      std::string_view text, std::string *error);
  // HS256. 32 bytes at least (RFC 7518 section 3.2), 4096 at most.
  static std::optional<JwtKey> from_secret (std::string_view secret);
  static JwtKey generate_es256 ();

  KeyAlgorithm algorithm () const;
  bool can_sign () const;
  // Empty for a secret.
  std::string public_pem () const;
  // Empty for a secret, and for a public key.
  std::string private_pem () const;
  // JSON object with kid (RFC 7638 thumbprint), alg, use; empty for a secret.
  std::string public_jwk () const;
  std::string key_id () const; // the kid; empty for a secret

  JwtKey (const JwtKey &) = default;
  JwtKey &operator= (const JwtKey &) = default;

private:
  struct Material;
  explicit JwtKey (std::shared_ptr<const Material> material);
  std::shared_ptr<const Material> material_;
  friend class JwtCodec;
};

// What an identity token says (PROTOCOL.md, "Identity").
struct Identity
{
  std::string subject;  // sub; a number is taken as its decimal string
  std::string role;     // "robot", "admin", anything else is a viewer
  std::string token_id; // jti, may be empty
  TimeMs expires_at = kNever;
  TimeMs issued_at = 0;
  // The account's "valid from" when the token was made: a claim of our own,
  // finer than iat. kNoEpoch: the token is of another issuer.
  TimeMs epoch = kNoEpoch;

  static constexpr TimeMs kNoEpoch = -1;
  // A session's of before the server's start: what it was opened with is not
  // kept, but for when that was issued.
  static constexpr TimeMs kRestored = -2;
};

enum class TokenError
{
  None,
  Malformed,
  WrongAlgorithm,
  BadSignature,
  Expired,
  NotYetValid,
  WrongIssuer,
  WrongAudience,
  WrongUse,
};
const char *token_error_text (TokenError error);

struct TokenPolicy
{
  std::string issuer;    // when set, iss must equal it
  std::string audience;  // when set, aud must contain it
  TimeMs leeway = 30000; // 60000 at most
};

// No token longer than this is looked at.
constexpr std::size_t kMaxTokenSize = 8192;

class JwtCodec
{
public:
  // Empty when the key cannot sign or a string is not UTF-8. A further claim,
  // token_use "grant", keeps a grant from passing as an identity.
  static std::string sign_grant (const JwtKey &key, const Grant &grant);
  // Signature, algorithm, claims and audience; the window is checked against
  // *now* (ms UTC, the *server's* time: a robot has no trustworthy clock).
  // sub, aud and exp are required; nbf, iat, jti, iss and role may be absent.
  // *out* (may be null) is filled from WrongAudience on, when the signature is
  // right, so that a refusal can say whose grant it was.
  static GrantError check_grant (const JwtKey &key, std::string_view jwt,
      std::string_view robot_id, TimeMs now, Grant *out);

  // What the token says of itself: the key that it is signed with (kid), ""
  // when it says none, and whether its algorithm is one of *algorithms*. False
  // when it is no token. Not verified: a hint for choosing a key.
  static bool read_header (std::string_view jwt,
      const std::vector<KeyAlgorithm> &algorithms, std::string *kid,
      bool *known_algorithm);

  // Empty when the key cannot sign or a string is not UTF-8.
  static std::string sign_identity (
      const JwtKey &key, const Identity &identity, const TokenPolicy &policy);
  // sub and exp are required. A fixed algorithm: the key's. A token that says
  // that it is for something else than access (refresh, password reset, id, a
  // grant) is refused.
  static TokenError check_identity (const JwtKey &key, std::string_view jwt,
      const TokenPolicy &policy, TimeMs now, Identity *out);
};

} // namespace robotlive
