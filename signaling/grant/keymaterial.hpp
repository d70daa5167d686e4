// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a JwtKey holds: private to jwtkey.cpp (makes it) and jwt.cpp (uses it).
#pragma once
#include "grant/jwt.hpp"

namespace robotlive {

struct JwtKey::Material
{
  KeyAlgorithm algorithm = KeyAlgorithm::ES256;
  std::string secret; // HS256 alone
  std::string public_pem;
  std::string private_pem;
  std::string public_jwk;
  std::string key_id;

  Material () = default;
  Material (const Material &) = delete;
  Material &operator= (const Material &) = delete;
  ~Material (); // wipes the secrets
};

// RFC 4648 section 5, without padding. Decoding is strict: nothing for a
// character outside the alphabet or an impossible length.
std::string base64url_encode (std::string_view bytes);
std::optional<std::string> base64url_decode (std::string_view text);

} // namespace robotlive
