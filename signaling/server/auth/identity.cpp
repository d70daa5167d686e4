// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/identity.hpp"
#include "protocol/json.hpp"
#include "protocol/messages.hpp"
#include "server/console/consolebackend.hpp"
#include <algorithm>
#include <cctype>
#include <cstring>
#include <sodium.h>

namespace robotlive::server {

namespace {

JwtKey
parse_key (const std::string &file)
{
  std::string error;
  auto key = JwtKey::parse (read_text_file (file), &error);
  if (!key)
    throw ConfigError (file + ": " + error);
  return *key;
}

JwtKey
secret_key (const std::string &secret, const std::string &where)
{
  auto key = JwtKey::from_secret (secret);
  if (!key)
    throw ConfigError (where + ": the secret needs 32 bytes or more");
  return *key;
}

// A secret has no id: what one signs, the other takes.
bool
same_key (const JwtKey &a, const JwtKey &b)
{
  if (a.key_id () != b.key_id ())
    return false;
  if (!a.key_id ().empty ())
    return true;
  Identity out;
  const Identity probe = new_identity ("1", "viewer", 1000, 60000);
  return JwtCodec::check_identity (b, JwtCodec::sign_identity (a, probe, {}),
             {}, 2000, &out) == TokenError::None;
}

} // namespace

std::string
random_text (std::size_t bytes)
{
  std::string raw (bytes, '\0');
  randombytes_buf (raw.data (), raw.size ());
  std::string text (2 * bytes + 1, '\0');
  sodium_bin2hex (text.data (), text.size (),
      reinterpret_cast<const unsigned char *> (raw.data ()), raw.size ());
  text.pop_back ();
  return text;
}

Keys::Keys (JwtKey identity, GrantKeys grants, TokenPolicy policy)
    : identity_ (std::move (identity)), grants_ (std::move (grants)),
      policy_ (std::move (policy))
{
}

Keys
Keys::load (const Config &config, Store *store)
{
  auto kept = [store] (const char *name, auto make) {
    if (!store)
      throw ConfigError ("the keys are neither in files nor in a database");
    return store->secret (name, make);
  };
  auto identity = [&] {
    if (auto key = key_of_file (config))
      return *key;
    if (console_url (config.database))
      throw ConfigError ("with a console the server needs its [identity] "
                         "secret-file or public-key-file");
    return secret_key (
        kept ("token-secret", [] { return random_text (32); }), "database");
  };
  return Keys (identity (), GrantKeys::load (config, store, wall_now ()),
      token_policy (config));
}

std::optional<JwtKey>
Keys::key_of_file (const Config &config)
{
  if (!config.public_key_file.empty ())
    return parse_key (config.public_key_file);
  if (!config.secret_file.empty ())
    return secret_key (
        read_secret_file (config.secret_file), config.secret_file);
  return std::nullopt;
}

TokenPolicy
Keys::token_policy (const Config &config)
{
  TokenPolicy policy;
  policy.issuer = config.issuer;
  policy.audience = config.audience;
  policy.leeway = config.leeway_ms;
  return policy;
}

bool
Keys::set_identity (std::optional<JwtKey> key, TokenPolicy policy)
{
  const bool other = key && !same_key (identity_, *key);
  if (key)
    identity_ = std::move (*key);
  policy_ = std::move (policy);
  return other;
}

TokenError
Keys::check (std::string_view token, TimeMs now, Identity *out) const
{
  TokenError error =
      JwtCodec::check_identity (identity_, token, policy_, now, out);
  if (error == TokenError::None && !valid_id (out->subject))
    return TokenError::Malformed;
  return error;
}

std::string
Keys::issue (const Identity &identity) const
{
  return JwtCodec::sign_identity (identity_, identity, policy_);
}

Identity
new_identity (
    const std::string &subject, const std::string &role, TimeMs now, TimeMs ttl)
{
  Identity identity;
  identity.subject = subject;
  identity.role = role;
  identity.token_id = random_text (16);
  identity.issued_at = now;
  identity.expires_at = now + ttl;
  return identity;
}

std::string
hash_password (const std::string &password)
{
  char hash[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str (hash, password.data (), password.size (),
          crypto_pwhash_OPSLIMIT_INTERACTIVE,
          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
    return "";
  return hash;
}

std::string
secret_hash (const std::string &secret)
{
  unsigned char hash[crypto_generichash_BYTES];
  crypto_generichash (hash, sizeof hash,
      reinterpret_cast<const unsigned char *> (secret.data ()), secret.size (),
      nullptr, 0);
  char text[2 * sizeof hash + 1];
  return sodium_bin2hex (text, sizeof text, hash, sizeof hash);
}

std::string
password_link_path (const std::string &secret)
{
  return "/#/password/" + secret;
}

bool
check_password (const std::string &hash, const std::string &password)
{
  static const std::string nobody = hash_password (random_text (16));
  const std::string &against = hash.empty () ? nobody : hash;
  bool right = crypto_pwhash_str_verify (
                   against.c_str (), password.data (), password.size ()) == 0;
  return right && !hash.empty ();
}

std::string
normal_email (const std::string &text)
{
  std::string email = text;
  for (char &c : email)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char> (c - 'A' + 'a');
  std::size_t at = email.find ('@');
  bool plain = std::none_of (email.begin (), email.end (),
      [] (unsigned char c) { return c <= 0x20 || c == 0x7f; });
  if (at == 0 || at == std::string::npos || at + 1 == email.size () ||
      email.find ('@', at + 1) != std::string::npos || email.size () > 190 ||
      !plain || !utf8_valid (email))
    return "";
  return email;
}

bool
valid_id (const std::string &text)
{
  if (text.empty () || text.size () > max_id_length || !utf8_valid (text) ||
      text.front () == ' ' || text.back () == ' ')
    return false;
  return std::none_of (text.begin (), text.end (),
      [] (unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool
valid_robot_id (const std::string &text)
{
  if (!valid_id (text) || text == "." || text == ".." ||
      text.find ("//") != std::string::npos || text.front () == '/' ||
      text.back () == '/' || text.front () == '-')
    return false;
  return std::all_of (text.begin (), text.end (), [] (unsigned char c) {
    return c >= 0x80 || std::isalnum (c) || std::strchr ("._-:@+/", c);
  });
}

bool
valid_name (const std::string &text)
{
  return !text.empty () && text.size () <= 190 && utf8_valid (text) &&
         std::none_of (text.begin (), text.end (),
             [] (unsigned char c) { return c < 0x20 || c == 0x7f; });
}

} // namespace robotlive::server
