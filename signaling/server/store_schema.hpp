// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The database behind Store: connecting and migrating. Only store*.cpp sees
// SOCI.
#pragma once
#include "server/store.hpp"
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
};

// Throws StoreError (Invalid).
DatabaseAddress parse_database_url (const std::string &url);

// Opens, checks and migrates. Throws StoreError.
std::unique_ptr<soci::session> open_database (const DatabaseAddress &address);

} // namespace robotlive::server
