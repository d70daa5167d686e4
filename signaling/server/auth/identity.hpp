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

  // The key of identity tokens, read again: from the file that *config* names;
  // nothing if the key is in the store, where it does not change. Throws
  // ConfigError.
  static std::optional<JwtKey> key_of_file (const Config &config);
  static TokenPolicy token_policy (const Config &config);
  // True if the key is another than before.
  bool set_identity (std::optional<JwtKey> key, TokenPolicy policy);

private:
  Keys (JwtKey identity, GrantKeys grants, TokenPolicy policy);

  JwtKey identity_;
  GrantKeys grants_;
  TokenPolicy policy_;
};

// A token of *role* for *subject* that ends *ttl* from *now*, with an id by
// which it can be revoked.
Identity new_identity (const std::string &subject, const std::string &role,
    TimeMs now, TimeMs ttl);

// Argon2id (libsodium, interactive limits: 64 MiB, some 50 ms). Slow on
// purpose: not for the I/O thread. Empty if there is no memory.
std::string hash_password (const std::string &password);
// Of a one-time secret, which is never kept itself.
std::string secret_hash (const std::string &secret);
// Where the page takes the secret of a password link. In a fragment, so that it
// is in nobody's log.
std::string password_link_path (const std::string &secret);
// An empty *hash* takes as long as a wrong password, and is one.
bool check_password (const std::string &hash, const std::string &password);

// A robot's token that ends sooner is warned about.
constexpr TimeMs kTokenWarning = TimeMs{30} * 86400 * 1000;

// Twice as many hexadecimal digits, from the kernel's random source.
std::string random_text (std::size_t bytes);

// What is a usable e-mail address or id, as accounts and robots have them.
std::string normal_email (const std::string &text); // empty: not usable
bool valid_id (const std::string &text);
// What a robot may be called from now on: no blanks, nothing that a shell or a
// path gives a meaning of its own. Those of before are valid_id () at least.
bool valid_robot_id (const std::string &text);
// A name to show: one line of UTF-8.
bool valid_name (const std::string &text);

} // namespace robotlive::server
