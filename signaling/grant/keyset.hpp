// SPDX-License-Identifier: LGPL-2.1-or-later
//
// JwtKeySet: the keys of one issuer, the newest first. A key is replaced by
// putting a new one beside it; a token names the one that signed it (kid).
// Thread-safe as JwtKey is: a value that nobody changes.
#pragma once
#include "grant/jwt.hpp"
#include <vector>

namespace robotlive {

class JwtKeySet
{
public:
  JwtKeySet () = default;
  explicit JwtKeySet (JwtKey key);

  // Any number of PEM keys one after the other, a JWK, or a JWK set (RFC 7517),
  // whose unusable keys are passed over. 32 keys and 64 KiB at most. What is no
  // key between PEM keys (parameters, certificates) is passed over as well; a
  // PEM key that cannot be used fails the whole text.
  static std::optional<JwtKeySet> parse (
      std::string_view text, std::string *error);

  void add (JwtKey key, std::string name = ""); // once: the first stays
  bool empty () const { return keys_.empty (); }
  std::size_t size () const { return keys_.size (); }
  const JwtKey &first () const { return keys_.front ().key; }
  bool has_secret () const;
  std::vector<JwtKey> keys () const;
  std::vector<std::string> key_ids () const;
  // The public halves as a JWK set; secrets are left out.
  std::string jwks () const;

  // Those to check a token with that names *kid*: the key of that name, else
  // those that were given no name (PEM): their issuer may call them as it
  // likes. For a token that names none, all.
  std::vector<JwtKey> candidates (std::string_view kid) const;

private:
  struct Entry
  {
    JwtKey key;
    std::string name; // the JWK's own kid, if it has one
  };
  std::vector<Entry> keys_;
};

// As JwtCodec::check_grant (), with whichever key of the set the grant names.
// UnknownKey: it names one that is not there.
GrantError check_grant (const JwtKeySet &keys, std::string_view jwt,
    std::string_view robot_id, TimeMs now, Grant *out);

// The set is not the one that the grant was signed from: a newer one may be.
bool wants_newer_keys (GrantError error);

} // namespace robotlive
