// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the files of the Store share: its connection and how statements are run.
#pragma once
#include "server/store/store_schema.hpp"

namespace robotlive::server {

struct Store::Impl
{
  DatabaseAddress address;
  std::unique_ptr<soci::session> sql;
  std::int64_t writes = 0; // that went into the revision
  bool prepared = false;   // another has checked and migrated it

  // Runs *fn* with the session; a lost connection is made anew, once.
  template <typename Fn> auto with_session (Fn fn) -> decltype (fn (*sql))
  {
    if (!sql)
      sql = open_database (address, prepared);
    try {
      return fn (*sql);
    } catch (const StoreError &) {
      throw;
    } catch (const soci::soci_error &error) {
      bool lost =
          error.get_error_category () == soci::soci_error::connection_error;
      if (address.dialect != Dialect::Sqlite && !alive ())
        lost = true;
      if (lost)
        sql.reset ();
      // The next try would end the same way.
      if (!lost && is_constraint (error))
        throw StoreError (StoreError::Conflict,
            "the database refuses this change: it has such a row already");
      throw StoreError (
          StoreError::Unavailable, "database: " + error.get_error_message ());
    }
  }

  bool alive ()
  {
    try {
      int one = 0;
      *sql << "SELECT 1", soci::into (one);
      return one == 1;
    } catch (const std::exception &) {
      return false;
    }
  }

  // The first statement locks one row (SQLite: the file) until the end of the
  // transaction. All writers take it, so none can race another: an overlap
  // that is looked for cannot appear before the commit.
  template <typename Fn> auto write (Fn fn) -> decltype (fn (*sql))
  {
    return with_session ([&] (soci::session &s) {
      soci::transaction transaction (s);
      s << "UPDATE meta SET value = value + 1 WHERE name = 'revision'";
      if constexpr (std::is_void_v<decltype (fn (s))>) {
        fn (s);
        transaction.commit ();
        ++writes;
      } else {
        auto result = fn (s);
        transaction.commit ();
        ++writes;
        return result;
      }
    });
  }
};

// Within write () only.
inline std::int64_t
next_id (soci::session &sql)
{
  long long id = 0;
  sql << "UPDATE meta SET value = value + 1 WHERE name = 'next_id'";
  sql << "SELECT value FROM meta WHERE name = 'next_id'", soci::into (id);
  return id;
}

// store_accounts.cpp
void forget_old_tokens (soci::session &sql, TimeMs now);

// The rows of one SELECT. *define* binds columns and parameters, *row* is
// called for each.
template <typename Define, typename Row>
void
each_row (soci::session &sql, const std::string &query, Define define, Row row)
{
  soci::statement statement (sql);
  define (statement);
  statement.alloc ();
  statement.prepare (query);
  statement.define_and_bind ();
  statement.execute ();
  while (statement.fetch ())
    row ();
}

} // namespace robotlive::server
