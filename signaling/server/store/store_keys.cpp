// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Store's grant keys: the newest signs, the older ones are good until they
// retire.
#include "server/store/store_impl.hpp"
#include <algorithm>

namespace robotlive::server {

using soci::into;
using soci::use;

namespace {

std::vector<GrantKeyRecord>
read_keys (soci::session &sql)
{
  std::vector<GrantKeyRecord> list;
  GrantKeyRecord key;
  each_row (
      sql,
      "SELECT pem, created_at, retires_at FROM grant_keys ORDER BY id DESC",
      [&] (soci::statement &st) {
        st.exchange (into (key.pem));
        st.exchange (into (key.created_at));
        st.exchange (into (key.retires_at));
      },
      [&] { list.push_back (key); });
  return list;
}

// Within write () only. The keys' own numbers: those of people and bookings are
// shown, and nobody wonders why one is left out.
void
insert_key (soci::session &sql, const GrantKeyRecord &key)
{
  std::int64_t id = 0;
  sql << "SELECT COALESCE(MAX(id), 0) + 1 FROM grant_keys", into (id);
  sql << "INSERT INTO grant_keys (id, pem, created_at, retires_at) VALUES "
         "(:i, :p, :c, :r)",
      use (id), use (key.pem), use (key.created_at), use (key.retires_at);
}

} // namespace

std::vector<GrantKeyRecord>
Store::grant_keys ()
{
  return impl_->with_session (
      [] (soci::session &sql) { return read_keys (sql); });
}

std::vector<GrantKeyRecord>
Store::first_grant_key (const std::function<std::string ()> &make, TimeMs now)
{
  auto there = grant_keys ();
  if (!there.empty ())
    return there;
  return impl_->write ([&] (soci::session &sql) {
    auto list = read_keys (sql); // of one who was quicker
    if (!list.empty ())
      return list;
    // Up to schema 2 it was in table settings.
    std::string pem;
    sql << "SELECT value FROM settings WHERE name = 'grant-key'", into (pem);
    if (sql.got_data ())
      insert_key (sql, {pem, 0, kNever});
    else
      insert_key (sql, {make (), now, kNever});
    sql << "DELETE FROM settings WHERE name = 'grant-key'";
    return read_keys (sql);
  });
}

void
Store::add_grant_key (const std::string &pem, TimeMs now, TimeMs retires_at,
    const std::function<std::string (const std::string &)> &public_half)
{
  impl_->write ([&] (soci::session &sql) {
    auto old = read_keys (sql);
    sql << "DELETE FROM grant_keys";
    for (auto key = old.rbegin (); key != old.rend (); ++key) {
      key->retires_at = std::min (key->retires_at, retires_at);
      key->pem = public_half (key->pem);
      if (key->retires_at > now)
        insert_key (sql, *key);
    }
    insert_key (sql, {pem, now, kNever});
  });
}

} // namespace robotlive::server
