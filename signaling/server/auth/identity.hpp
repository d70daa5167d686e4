// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who somebody is: tokens and passwords.
#pragma once
#include "grant/jwt.hpp"
#include "server/app/config.hpp"
#include "server/auth/grantkeys.hpp"
#include "server/store/store.hpp"
#include <string>

namespace robotlive::server {

// The keys of identity tokens and grants, as configured: from files, or made
// on first use and kept in the store.
class Keys
{
public:
  // *store* may be null if both keys are in files. Throws ConfigError,
  // StoreError.
  static Keys load (const Config &config, Store *store);

  TokenError check (std::string_view token, TimeMs now, Identity *out) const;
  // False if only a public key is configured: others issue the tokens then.
  bool can_issue () const { return identity_.can_sign (); }
  std::string issue (const Identity &identity) const;
  const GrantKeys &grants () const { return grants_; }
  void set_grants (GrantKeys grants) { grants_ = std::move (grants); }

private:
  Keys (JwtKey identity, GrantKeys grants, TokenPolicy policy);

  JwtKey identity_;
  GrantKeys grants_;
  TokenPolicy policy_;
};

// A token of *role* for *subject* that ends *ttl* from *now*. A robot's gets a
// token id, by which it can be revoked.
Identity new_identity (const std::string &subject, const std::string &role,
    TimeMs now, TimeMs ttl);

// Argon2id (libsodium, interactive limits: 64 MiB, some 50 ms). Slow on
// purpose: not for the I/O thread. Empty if there is no memory.
std::string hash_password (const std::string &password);
// An empty *hash* takes as long as a wrong password, and is one.
bool check_password (const std::string &hash, const std::string &password);

// Twice as many hexadecimal digits, from the kernel's random source.
std::string random_text (std::size_t bytes);

// What is a usable e-mail address or id, as accounts and robots have them.
std::string normal_email (const std::string &text); // empty: not usable
bool valid_id (const std::string &text);

} // namespace robotlive::server
