// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/cli.hpp"
#include "server/auth/identity.hpp"
#include "server/console/consolebackend.hpp"
#include "server/http/webfiles.hpp"
#include "server/store/bookingrules.hpp"
#include "server/store/store.hpp"
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sodium.h>
#include <termios.h>
#include <unistd.h>

namespace robotlive::server {

namespace {

// What a command works with; the database is opened by the first that needs it.
struct Context
{
  explicit Context (const CommandLine &l) : line (l), config (configure (l))
  {
    auto found = Zone::find (config.time_zone);
    if (!found)
      throw ConfigError ("time-zone is not known");
    zone = std::make_unique<Zone> (*found);
  }

  Store &store ()
  {
    if (console_url (config.database))
      throw ConfigError ("accounts and bookings are in the console");
    return records ();
  }

  // What is ours with a console as well: sessions and keys.
  Store &records ()
  {
    if (!opened)
      opened = Store::open (config.store_url ());
    return *opened;
  }

  Keys keys ()
  {
    bool in_files =
        !config.grant_key_file.empty () &&
        (!config.secret_file.empty () || !config.public_key_file.empty ());
    return Keys::load (config, in_files ? nullptr : &records ());
  }

  std::string issue (const Identity &identity)
  {
    Keys k = keys ();
    if (!k.can_issue ())
      throw ConfigError ("the configured key checks tokens only: they are "
                         "issued where its private half is");
    return k.issue (identity);
  }

  const CommandLine &line;
  Config config;
  std::unique_ptr<Zone> zone;
  std::unique_ptr<Store> opened;
};

std::string
read_line (std::istream &stream)
{
  constexpr std::size_t limit = 65536; // more is no password
  std::string text;
  char c;
  while (text.size () < limit && stream.get (c) && c != '\n')
    text += c;
  if (!text.empty () && text.back () == '\r')
    text.pop_back ();
  return text;
}

// Never an argument: those are in everybody's process list.
std::string
read_password (const CommandLine &line)
{
  std::string file = line.get ("password-file");
  if (!file.empty ()) {
    // Also a pipe, as a shell's <(…): whoever names it is there to see it wait.
    std::ifstream stream (file);
    const std::string text = read_line (stream);
    if (!stream && !stream.eof ())
      throw ConfigError (file + " cannot be read");
    if (text.empty ())
      throw ConfigError (file + " is empty");
    return text;
  }
  if (!isatty (STDIN_FILENO))
    return read_line (std::cin);
  termios before{};
  tcgetattr (STDIN_FILENO, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t> (ECHO);
  std::cerr << "Password: " << std::flush;
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &silent);
  std::string password = read_line (std::cin);
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
  std::cerr << std::endl;
  return password;
}

int
user_add (Context &c)
{
  User user;
  user.email = normal_email (c.line.arguments[0]);
  user.name = c.line.get ("name", c.line.arguments[0].c_str ());
  user.role = c.line.get ("role", "viewer");
  if (user.email.empty ())
    throw ConfigError ("that is not an e-mail address");
  if (user.role != "viewer" && user.role != "admin")
    throw ConfigError ("the role is viewer or admin");
  if (user.name.size () > 190)
    throw ConfigError ("the name is too long");
  // Before the password is asked for.
  if (c.store ().user_by_email (user.email))
    throw StoreError (StoreError::Conflict,
        "a user with the e-mail " + user.email + " exists already");
  std::string password = read_password (c.line);
  if (password.size () < 8 || password.size () > 1024)
    throw ConfigError ("the password needs 8 to 1024 characters");
  user.password_hash = hash_password (password);
  if (user.password_hash.empty ())
    throw ConfigError ("not enough memory to hash the password");
  user.created_at = wall_now ();
  std::cout << c.store ().add_user (user) << std::endl;
  return 0;
}

int
robot_add (Context &c)
{
  RobotRecord robot;
  robot.id = c.line.arguments[0];
  robot.type = c.line.get ("type");
  robot.name = c.line.get ("name");
  robot.created_at = wall_now ();
  if (!valid_id (robot.id) ||
      (!robot.type.empty () && !valid_id (robot.type)) ||
      robot.name.size () > 190)
    throw ConfigError ("the robot's id, type or name is not usable");
  Identity identity =
      new_identity (robot.id, "robot", robot.created_at, c.config.robot_ttl_ms);
  robot.token_id = identity.token_id;
  std::string token = c.issue (identity);
  c.store ().add_robot (robot);
  std::cout << token << std::endl;
  return 0;
}

int
token (Context &c)
{
  std::string role = c.line.get ("role");
  std::string subject = c.line.get ("sub");
  auto ttl = parse_duration (c.line.get ("ttl", "1h"));
  if (role != "robot" && role != "viewer" && role != "admin")
    throw ConfigError ("--role is robot, viewer or admin");
  if (!valid_id (subject))
    throw ConfigError ("--sub is needed");
  if (!ttl)
    throw ConfigError ("--ttl is not a duration like 30m or 1h");
  Identity identity = new_identity (subject, role, wall_now (), *ttl);
  // Not the robot's one registered token: valid beside it until the next
  // rotation.
  identity.token_id.clear ();
  std::cout << c.issue (identity) << std::endl;
  return 0;
}

std::string
user_id (Context &c, const std::string &text)
{
  if (text.find ('@') == std::string::npos) {
    if (!valid_id (text))
      throw ConfigError ("--user is needed: an id or an e-mail address");
    return text;
  }
  auto user = c.store ().user_by_email (normal_email (text));
  if (!user)
    throw ConfigError ("there is no user " + text);
  return std::to_string (user->id);
}

int
booking_add (Context &c)
{
  BookingRecord b;
  b.user_id = user_id (c, c.line.get ("user"));
  b.robot_id = c.line.get ("robot");
  b.robot_type = c.line.get ("robot-type");
  if (b.robot_id.empty () == b.robot_type.empty ())
    throw ConfigError ("either --robot or --robot-type is needed");
  b.created_at = wall_now ();
  auto start = c.zone->parse_moment (c.line.get ("start", "now"), b.created_at);
  auto duration = parse_duration (c.line.get ("duration"));
  if (!start)
    throw ConfigError ("--start is \"now\", ISO 8601 or \"YYYY-MM-DD HH:MM\"");
  if (!duration)
    throw ConfigError ("--duration is needed, like 30m or 1h30m");
  // Whole seconds, because a grant holds seconds.
  b.window.starts_at = *start / 1000 * 1000;
  b.window.ends_at = b.window.starts_at + *duration;
  BookingRules rules;
  rules.now = b.created_at;
  rules.administrator = true;
  bool force = !c.line.get ("force").empty ();
  std::string error = window_error (b.window, nullptr, rules);
  try {
    if (error.empty ())
      check_booking (c.store (), &b, nullptr, rules);
  } catch (const StoreError &refused) {
    if (refused.kind == StoreError::Unavailable)
      throw;
    error = refused.what ();
  }
  if (!error.empty () && !force)
    throw ConfigError (error + " (--force books all the same)");
  if (!error.empty ())
    std::cerr << "warning: " << error << std::endl;
  std::cout << c.store ().add_booking (b) << std::endl;
  return 0;
}

int
booking_list (Context &c)
{
  std::cout << "ID\tUSER\tROBOT\tTYPE\tSTART\tEND\tSTATUS\n";
  for (const BookingRecord &b : c.store ().bookings ())
    std::cout << b.id << '\t' << b.user_id << '\t'
              << (b.robot_id.empty () ? "-" : b.robot_id) << '\t'
              << (b.robot_type.empty () ? "-" : b.robot_type) << '\t'
              << c.zone->iso8601 (b.window.starts_at) << '\t'
              << c.zone->iso8601 (b.window.ends_at) << '\t' << b.status << '\n';
  return 0;
}

int
booking_cancel (Context &c)
{
  const std::string &text = c.line.arguments[0];
  if (text.empty () || text.size () > 18 ||
      text.find_first_not_of ("0123456789") != std::string::npos)
    throw ConfigError ("a booking's id is a number");
  std::int64_t id = std::stoll (text);
  auto booking = c.store ().booking (id);
  if (booking && booking->status == "active" &&
      is_over (*booking, wall_now ()) && c.line.get ("force").empty ())
    throw ConfigError (
        "the booking is over: it is a record (--force cancels it)");
  c.store ().cancel_booking (id);
  return 0;
}

int
session_list (Context &c)
{
  std::cout << "PEER\tVIEWER\tROBOT\tROLE\tSTARTED\tEXPIRES\n";
  for (const SessionEntry &e : c.records ().running_sessions ())
    std::cout << e.peer_id << '\t' << e.viewer_id << '\t' << e.robot_id << '\t'
              << e.role << '\t' << c.zone->iso8601 (e.started_at) << '\t'
              << c.zone->iso8601 (e.expires_at) << '\n';
  return 0;
}

int
key_list (Context &c)
{
  const TimeMs now = wall_now ();
  bool first = true;
  std::cout << "KEY\tMADE\tGOOD UNTIL\n";
  for (const GrantKeys::Key &key : c.keys ().grants ().usable (now)) {
    std::cout << key.key.key_id () << '\t'
              << (key.created_at ? c.zone->iso8601 (key.created_at) : "-")
              << '\t'
              << (first ? "signs"
                     : key.retires_at == kNever
                         ? "-"
                         : c.zone->iso8601 (key.retires_at))
              << '\n';
    first = false;
  }
  return 0;
}

int
key_rotate (Context &c)
{
  if (!c.config.grant_key_file.empty ())
    throw ConfigError (
        "the grant keys are in " + c.config.grant_key_file +
        ": put a new one in front of those in it (openssl genpkey -algorithm "
        "EC -pkeyopt ec_paramgen_curve:P-256), reload the server (systemctl "
        "reload robotlive-signaling), and take the old one out a day later");
  const std::string text = c.line.get ("overlap", "24h");
  auto overlap = parse_duration (text);
  if (text == "0" || text == "0s")
    overlap = 0;
  if (!overlap)
    throw ConfigError ("--overlap is not a duration like 24h, or 0");
  c.keys (); // the first one is made by whoever asks first
  const TimeMs now = wall_now ();
  std::cout << GrantKeys::rotate (c.records (), now, *overlap) << std::endl;
  std::cerr << "the older keys are good until "
            << c.zone->iso8601 (now + *overlap)
            << "; a robot that has them in a file (grant-key) needs what "
               "\"robotlive-signaling key show\" prints"
            << std::endl;
  return 0;
}

int
check_config (Context &c)
{
  c.keys ();
  c.records ();
  if (!c.config.turn_secret_file.empty ())
    read_secret_file (c.config.turn_secret_file);
  ServerOptions options = c.config.network;
  NetworkServer network (options); // reads certificate, key and CIDRs
  std::cout << "configuration "
            << (c.config.file.empty () ? "(built in)" : c.config.file)
            << ": good" << std::endl;
  return 0;
}

} // namespace

int
run_command (const CommandLine &line)
{
  Context c (line);
  if (line.command == "user add")
    return user_add (c);
  if (line.command == "robot add")
    return robot_add (c);
  if (line.command == "token")
    return token (c);
  if (line.command == "booking add")
    return booking_add (c);
  if (line.command == "booking list")
    return booking_list (c);
  if (line.command == "booking cancel")
    return booking_cancel (c);
  if (line.command == "session list")
    return session_list (c);
  if (line.command == "session end") {
    c.records ().request_end (line.arguments[0]);
    return 0;
  }
  if (line.command == "key show") {
    std::cout << c.keys ().grants ().newest ().public_pem ();
    return 0;
  }
  if (line.command == "key list")
    return key_list (c);
  if (line.command == "key rotate")
    return key_rotate (c);
  return check_config (c);
}

} // namespace robotlive::server
