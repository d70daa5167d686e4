// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The grant keys: the newest signs, the older ones are published beside it
// until they retire. From a file, or from the store, where "key rotate" makes
// a new one.
#pragma once
#include "grant/keyset.hpp"
#include "server/app/config.hpp"
#include "server/store/store.hpp"
#include <string>
#include <vector>

namespace robotlive::server {

class GrantKeys
{
public:
  struct Key
  {
    JwtKey key;
    TimeMs created_at = 0; // 0: not known
    TimeMs retires_at = kNever;
  };

  // From the file that is configured, else from *store*, where the first is
  // made. *store* may be null with a file. Throws ConfigError, StoreError.
  static GrantKeys load (const Config &config, Store *store, TimeMs now);
  // Several PEM keys, a JWK or a JWK set; the first one signs.
  static GrantKeys of_file (const std::string &file);
  static GrantKeys of_records (const std::vector<GrantKeyRecord> &records);
  // Makes a key in *store*; the others retire in *overlap* at the latest.
  // Returns its key id.
  static std::string rotate (Store &store, TimeMs now, TimeMs overlap);

  const JwtKey &newest () const { return keys_.front ().key; }
  // Those that are good at *now*, the newest first.
  std::vector<Key> usable (TimeMs now) const;
  std::string jwks (TimeMs now) const; // RFC 7517, public halves alone
  bool operator== (const GrantKeys &other) const;

private:
  std::vector<Key> keys_; // one at least
};

} // namespace robotlive::server
