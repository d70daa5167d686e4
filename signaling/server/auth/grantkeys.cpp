// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/grantkeys.hpp"
#include <algorithm>

namespace robotlive::server {

GrantKeys
GrantKeys::load (const Config &config, Store *store, TimeMs now)
{
  if (!config.grant_key_file.empty ())
    return of_file (config.grant_key_file);
  if (!store)
    throw ConfigError ("the keys are neither in files nor in a database");
  return of_records (store->first_grant_key (
      [] { return JwtKey::generate_es256 ().private_pem (); }, now));
}

GrantKeys
GrantKeys::of_file (const std::string &file)
{
  std::string error;
  const auto set = JwtKeySet::parse (read_text_file (file), &error);
  if (!set)
    throw ConfigError (file + ": " + error);
  if (!set->first ().can_sign ())
    throw ConfigError (
        file + " holds no private key" +
        (set->size () > 1 ? " in front: the first one signs" : ""));
  GrantKeys keys;
  for (const JwtKey &key : set->keys ())
    keys.keys_.push_back ({key, 0, kNever});
  return keys;
}

GrantKeys
GrantKeys::of_records (const std::vector<GrantKeyRecord> &records)
{
  GrantKeys keys;
  for (const GrantKeyRecord &record : records) {
    auto key = JwtKey::parse (record.pem, nullptr);
    if (!key)
      throw ConfigError ("a grant key in the database is damaged");
    keys.keys_.push_back ({*key, record.created_at, record.retires_at});
  }
  if (keys.keys_.empty () || !keys.newest ().can_sign ())
    throw ConfigError ("the grant key in the database is damaged");
  return keys;
}

std::string
GrantKeys::rotate (Store &store, TimeMs now, TimeMs overlap)
{
  const JwtKey fresh = JwtKey::generate_es256 ();
  if (!fresh.can_sign ())
    throw ConfigError ("no key could be made");
  store.add_grant_key (
      fresh.private_pem (), now, now + overlap, [] (const std::string &pem) {
        const auto key = JwtKey::parse (pem, nullptr);
        return key ? key->public_pem () : pem;
      });
  return fresh.key_id ();
}

std::vector<GrantKeys::Key>
GrantKeys::usable (TimeMs now) const
{
  std::vector<Key> list;
  std::copy_if (keys_.begin (), keys_.end (), std::back_inserter (list),
      [now] (const Key &key) { return key.retires_at > now; });
  return list;
}

std::string
GrantKeys::jwks (TimeMs now) const
{
  JwtKeySet set;
  for (const Key &key : usable (now))
    set.add (key.key);
  return set.jwks ();
}

bool
GrantKeys::operator== (const GrantKeys &other) const
{
  return std::equal (keys_.begin (), keys_.end (), other.keys_.begin (),
      other.keys_.end (), [] (const Key &a, const Key &b) {
        // A secret has no id.
        return a.retires_at == b.retires_at && !a.key.key_id ().empty () &&
               a.key.key_id () == b.key.key_id () &&
               a.key.can_sign () == b.key.can_sign ();
      });
}

} // namespace robotlive::server
