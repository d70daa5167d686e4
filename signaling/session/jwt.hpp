// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one file that knows libjwt (and OpenSSL for JWK): signs and checks JWTs.
// Thread-safe: every function works on its arguments alone.
#pragma once
#include "session/grant.hpp"
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace robotlive {

enum class KeyAlgorithm { HS256, RS256, ES256 };

// A key and the one algorithm it is used with: the algorithm is never taken
// from a token (RFC 8725 section 3.1).
class JwtKey
{
public:
  // PEM (public or private; EC P-256 -> ES256, RSA -> RS256), a JWK or a JWK
  // set (RFC 7517; the first usable signature key). *error* is one sentence
  // that names neither key material nor file content.
  static std::optional<JwtKey> parse (std::string_view text,
      std::string *error);
  static std::optional<JwtKey> from_secret (std::string_view secret); // HS256
  static JwtKey generate_es256 ();

  KeyAlgorithm algorithm () const;
  bool can_sign () const;
  std::string public_pem () const;
  std::string private_pem () const;
  std::string public_jwk () const; // JSON object with kid, alg, use

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
  std::string subject; // sub; a number is taken as its decimal string
  std::string role;    // "robot", "admin", anything else is a viewer
  std::string token_id; // jti, may be empty
  TimeMs expires_at = kNever;
  TimeMs issued_at = 0;
};

enum class TokenError {
  None,
  Malformed,
  WrongAlgorithm,
  BadSignature,
  Expired,
  NotYetValid,
  WrongIssuer,
  WrongAudience,
};
const char *token_error_text (TokenError error);

struct TokenPolicy
{
  std::string issuer;   // when set, iss must equal it
  std::string audience; // when set, aud must contain it
  TimeMs leeway = 30000; // 60000 at most
};

class JwtCodec
{
public:
  static std::string sign_grant (const JwtKey &key, const Grant &grant);
  // Signature, algorithm, claims and audience; the window is checked against
  // *now* (ms UTC, the *server's* time: a robot has no trustworthy clock).
  static GrantError check_grant (const JwtKey &key, std::string_view jwt,
      std::string_view robot_id, TimeMs now, Grant *out);

  static std::string sign_identity (const JwtKey &key,
      const Identity &identity, const TokenPolicy &policy);
  static TokenError check_identity (const JwtKey &key, std::string_view jwt,
      const TokenPolicy &policy, TimeMs now, Identity *out);
};

} // namespace robotlive
