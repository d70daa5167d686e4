// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/clicontext.hpp"
#include <iostream>
#include <pwd.h>
#include <unistd.h>

namespace robotlive::server {

void
usage_error (const std::string &sentence)
{
  throw CommandError (EX_USAGE, sentence);
}

void
data_error (const std::string &sentence)
{
  throw CommandError (EX_DATAERR, sentence);
}

CommandContext::CommandContext (const CommandLine &l)
    : line (l), config (configure (l))
{
  auto found = Zone::find (config.time_zone);
  if (!found)
    throw ConfigError (
        (config.file.empty () ? std::string () : config.file + ": ") +
        "[server] time-zone: \"" + config.time_zone + "\" is not known");
  zone = std::make_unique<Zone> (*found);
}

Store &
CommandContext::store ()
{
  if (console_url (config.database))
    throw CommandError (
        EX_UNAVAILABLE, "accounts and bookings are in the console");
  return records ();
}

Store &
CommandContext::records ()
{
  if (!opened)
    opened = Store::open (config.store_url ());
  return *opened;
}

Keys
CommandContext::keys ()
{
  bool in_files =
      !config.grant_key_file.empty () &&
      (!config.secret_file.empty () || !config.public_key_file.empty ());
  return Keys::load (config, in_files ? nullptr : &records ());
}

std::string
CommandContext::issue (const Identity &identity)
{
  Keys k = keys ();
  if (!k.can_issue ())
    throw ConfigError ("the configured key checks tokens only: they are "
                       "issued where its private half is");
  return k.issue (identity);
}

// By whom: the account of this machine, which is no account of the server's.
void
CommandContext::did (const char *what, const std::string &target,
    std::initializer_list<std::pair<const char *, const char *>> kinds)
{
  const passwd *account = getpwuid (getuid ());
  AuditEvent event;
  event.at = wall_now ();
  event.actor = "local:" + (account ? std::string (account->pw_name)
                                    : std::to_string (getuid ()));
  event.kind = "admin-action";
  event.what = what;
  event.target = target;
  event.via = "command";
  std::vector<AuditEvent> list = {event};
  for (auto [kind, more] : kinds) {
    event.kind = kind;
    event.what = more;
    list.push_back (event);
  }
  try {
    records ().write_events (list);
  } catch (const StoreError &error) {
    // What it was for is done.
    std::cerr << "warning: not in the audit log: " << error.what ()
              << std::endl;
  }
}

std::string
user_id (CommandContext &c, const std::string &text)
{
  if (text.find ('@') == std::string::npos) {
    if (!valid_id (text))
      usage_error ("--user is needed: an id or an e-mail address");
    return text;
  }
  auto user = c.store ().user_by_email (normal_email (text));
  if (!user)
    throw CommandError (EX_NOUSER, "there is no user " + text);
  return std::to_string (user->id);
}

std::map<std::string, std::string>
names_of_users (CommandContext &c)
{
  std::map<std::string, std::string> names;
  if (console_url (c.config.database))
    return names;
  for (const User &user : c.store ().users ())
    names[std::to_string (user.id)] =
        user.name == user.email || user.name.empty ()
            ? user.email
            : user.name + " <" + user.email + ">";
  return names;
}

Table::Table (const CommandLine &line, std::vector<Column> columns)
    : json_ (!line.get ("json").empty ()), columns_ (std::move (columns))
{
  if (json_)
    writer_.array ();
  for (std::size_t i = 0; i < columns_.size (); ++i)
    text_ += std::string (i ? "\t" : "") + columns_[i].heading;
  text_ += '\n';
}

void
Table::add (const std::string &text, const std::string &json)
{
  if (json_ && at_ == 0)
    writer_.object ();
  if (json_)
    writer_.raw_field (columns_[at_].member, json);
  text_ += (at_ ? "\t" : "") + text;
  if (++at_ < columns_.size ())
    return;
  at_ = 0;
  text_ += '\n';
  if (json_)
    writer_.end ();
}

Table &
Table::cell (const std::string &text)
{
  // A name that somebody chose keeps to its cell.
  std::string plain;
  for (char c : text)
    plain += static_cast<unsigned char> (c) < 0x20 || c == 0x7f ? ' ' : c;
  add (plain.empty () ? "-" : plain,
      text.empty () ? "null" : json_string (text));
  return *this;
}

Table &
Table::number (std::int64_t value)
{
  std::string text = std::to_string (value);
  add (text, text);
  return *this;
}

Table &
Table::flag (bool value, const char *yes, const char *no)
{
  add (value ? yes : no, value ? "true" : "false");
  return *this;
}

Table &
Table::moment (TimeMs at, const Zone &zone)
{
  bool known = at > 0 && at < kNever;
  add (known ? zone.iso8601 (at) : "-", known ? std::to_string (at) : "null");
  return *this;
}

void
Table::print ()
{
  if (json_)
    std::cout << writer_.end ().take () << std::endl;
  else
    std::cout << text_ << std::flush;
}

} // namespace robotlive::server
