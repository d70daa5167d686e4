// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The database behind Store: connecting and migrating. Only store*.cpp sees
// SOCI.
#pragma once
#include "server/store/store.hpp"
#include <soci/soci.h>

namespace robotlive::server {

enum class Dialect
{
  Sqlite,
  Postgresql,
  Mysql
};

struct DatabaseAddress
{
  Dialect dialect = Dialect::Sqlite;
  std::string connection; // SOCI's connection string; holds the password
  std::string path;       // of an SQLite file
  bool needs_tls = false; // of MySQL; libpq sees to it itself
};

// Throws StoreError (Invalid).
DatabaseAddress parse_database_url (const std::string &url);

// The statements that lead from each schema version to the next, from none at
// all to the newest.
using Migrations = std::vector<std::vector<const char *>>;
const Migrations &all_migrations ();
// Whatever version the database has, to the newest. Throws StoreError
// (Invalid) if it is newer, and soci_error.
void migrate (
    soci::session &sql, Dialect dialect, const Migrations &migrations);

// A row that the database's own rules refuse, as one that it has already.
bool is_constraint (const soci::soci_error &error);

// Opens, checks and migrates; *prepared*: only opens. Throws StoreError.
std::unique_ptr<soci::session> open_database (
    const DatabaseAddress &address, bool prepared = false);

} // namespace robotlive::server
