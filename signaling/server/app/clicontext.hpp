// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the subcommands share: configuration, database, and how they print.
#pragma once
#include "protocol/json.hpp"
#include "server/app/cli.hpp"
#include "server/auth/identity.hpp"
#include "server/console/consolebackend.hpp"
#include "server/store/store.hpp"
#include <memory>
#include <sysexits.h>

namespace robotlive::server {

// What a command works with; the database is opened by the first that needs it.
struct CommandContext
{
  explicit CommandContext (const CommandLine &l);

  Store &store ();
  // What is ours with a console as well: sessions, keys, tokens.
  Store &records ();
  Keys keys ();
  std::string issue (const Identity &identity);
  // It is done: into the audit log. *kinds*: beside "admin-action".
  void did (const char *what, const std::string &target = "",
      std::initializer_list<std::pair<const char *, const char *>> kinds = {});

  const CommandLine &line;
  Config config;
  std::unique_ptr<Zone> zone;
  std::unique_ptr<Store> opened;
};

// The column of a table, and the member of a JSON object.
struct Column
{
  const char *heading;
  const char *member;
};

// A list for people (tabs between the cells) or, with --json, for programs: an
// array of objects. A number stands bare there, "-" for people is null.
class Table
{
public:
  Table (const CommandLine &line, std::vector<Column> columns);
  Table &cell (const std::string &text);
  Table &number (std::int64_t value);
  Table &flag (bool value, const char *yes, const char *no);
  // Milliseconds for programs; 0 and kNever are "-".
  Table &moment (TimeMs at, const Zone &zone);
  void print ();

private:
  void add (const std::string &text, const std::string &json);
  bool json_ = false;
  std::vector<Column> columns_;
  std::size_t at_ = 0;
  std::string text_;
  JsonWriter writer_;
};

[[noreturn]] void usage_error (const std::string &sentence); // EX_USAGE
[[noreturn]] void data_error (const std::string &sentence);  // EX_DATAERR

// Of --user and of arguments: an id, or the e-mail address of an account.
std::string user_id (CommandContext &c, const std::string &text);
// "Alice <alice@example.org>"; the id itself for who is no account here.
std::map<std::string, std::string> names_of_users (CommandContext &c);

// cliaccounts.cpp. Nothing if it is not one of theirs.
std::optional<int> run_account_command (CommandContext &c);

} // namespace robotlive::server
