// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/clicontext.hpp"
#include "server/app/configkeys.hpp"
#include "server/app/configwarnings.hpp"
#include "server/http/webfiles.hpp"
#include "server/store/bookingrules.hpp"
#include <algorithm>
#include <iostream>

namespace robotlive::server {

namespace {

int
booking_add (CommandContext &c)
{
  BookingRecord b;
  b.user_id = user_id (c, c.line.get ("user"));
  b.robot_id = c.line.get ("robot");
  b.robot_type = c.line.get ("robot-type");
  if (b.robot_id.empty () == b.robot_type.empty ())
    usage_error ("either --robot or --robot-type is needed");
  b.created_at = wall_now ();
  auto start = c.zone->parse_moment (c.line.get ("start", "now"), b.created_at);
  std::string length = c.line.get ("duration");
  auto duration = parse_duration (length);
  if (!start)
    usage_error ("--start is \"now\", ISO 8601 or \"YYYY-MM-DD HH:MM\"");
  // A bare number is a slip more often than it is seconds.
  if (!duration || length.find_first_not_of ("0123456789") == length.npos)
    usage_error ("--duration is needed, with its unit, like 30m or 1h30m");
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
    data_error (error + " (--force books all the same)");
  if (!error.empty ())
    std::cerr << "warning: " << error << std::endl;
  if (!console_url (c.config.database) && !c.config.trust_unknown_subjects &&
      !c.store ().user_by_id (b.user_id))
    std::cerr << "warning: there is no account " << b.user_id << " (user add)"
              << std::endl;
  try {
    std::string id = std::to_string (c.store ().add_booking (b));
    std::cout << id << std::endl;
    c.did ("booking-added", id);
  } catch (const StoreError &refused) {
    if (!refused.clash)
      throw;
    const auto &[with, next] = *refused.clash;
    throw StoreError (refused.kind,
        std::string (refused.what ()) + ": from " +
            c.zone->iso8601 (with.starts_at) + " to " +
            c.zone->iso8601 (with.ends_at) + "; it is free for as long from " +
            c.zone->iso8601 (next.starts_at));
  }
  return EX_OK;
}

int
booking_list (CommandContext &c)
{
  auto names = names_of_users (c);
  Table table (c.line,
      {{"ID", "id"}, {"USER", "user_id"}, {"ROBOT", "robot_id"},
          {"TYPE", "robot_type"}, {"START", "starts_at"}, {"END", "ends_at"},
          {"STATUS", "status"}, {"NAME", "user_name"}});
  for (const BookingRecord &b : c.store ().bookings ()) {
    table.number (b.id).cell (b.user_id).cell (b.robot_id).cell (b.robot_type);
    table.moment (b.window.starts_at, *c.zone);
    table.moment (b.window.ends_at, *c.zone).cell (b.status);
    table.cell (names[b.user_id]);
  }
  table.print ();
  return EX_OK;
}

int
booking_cancel (CommandContext &c)
{
  const std::string &text = c.line.arguments[0];
  if (text.empty () || text.size () > 18 ||
      text.find_first_not_of ("0123456789") != std::string::npos)
    usage_error ("a booking's id is a number");
  std::int64_t id = std::stoll (text);
  auto booking = c.store ().booking (id);
  if (booking && booking->status == "active" &&
      is_over (*booking, wall_now ()) && c.line.get ("force").empty ())
    data_error ("the booking is over: it is a record (--force cancels it)");
  c.store ().cancel_booking (id);
  c.did ("booking-cancelled", text);
  return EX_OK;
}

int
session_list (CommandContext &c)
{
  auto names = names_of_users (c);
  Table table (c.line,
      {{"PEER", "peerId"}, {"VIEWER", "viewerId"}, {"ROBOT", "robotId"},
          {"ROLE", "role"}, {"STARTED", "startedAt"}, {"EXPIRES", "expiresAt"},
          {"STATE", "state"}, {"NAME", "viewerName"}});
  for (const SessionEntry &e : c.records ().running_sessions ()) {
    table.cell (e.peer_id).cell (e.viewer_id).cell (e.robot_id).cell (e.role);
    table.moment (e.started_at, *c.zone).moment (e.expires_at, *c.zone);
    // Whose links are up is for the server to say (GET /sessions).
    table.cell (e.ending.empty () ? "running" : "ending");
    table.cell (names[e.viewer_id]);
  }
  table.print ();
  return EX_OK;
}

// What happened, newest first: sessions, or with --kind security events.
int
audit_list (CommandContext &c)
{
  const TimeMs now = wall_now ();
  auto moment = [&] (const char *name, TimeMs otherwise) {
    std::string text = c.line.get (name);
    auto at = text.empty () ? std::optional<TimeMs> (otherwise)
                            : c.zone->parse_moment (text, now);
    if (!at)
      usage_error (
          std::string ("--") + name + " is ISO 8601 or \"YYYY-MM-DD HH:MM\"");
    return *at;
  };
  const std::string limit = c.line.get ("limit", "1000");
  if (limit.empty () || limit.size () > 7 ||
      limit.find_first_not_of ("0123456789") != limit.npos ||
      std::stoi (limit) == 0)
    usage_error ("--limit is a number");
  EventQuery query;
  query.from = moment ("from", 0);
  query.to = moment ("to", kNever);
  query.limit = std::stoi (limit);
  query.person = c.line.get ("viewer");
  query.target = c.line.get ("robot");
  const std::string kind = c.line.get ("kind", "session");
  if (kind == "session") {
    Table table (c.line,
        {{"PEER", "peerId"}, {"VIEWER", "viewerId"}, {"ROBOT", "robotId"},
            {"ROLE", "role"}, {"ADDRESS", "address"}, {"STARTED", "startedAt"},
            {"EXPIRES", "expiresAt"}, {"ENDED", "endedAt"},
            {"REASON", "reason"}});
    for (const SessionEntry &e : c.records ().audit (
             {query.from, query.to, query.limit, query.target, query.person})) {
      table.cell (e.peer_id).cell (e.viewer_id).cell (e.robot_id);
      table.cell (e.role).cell (e.address).moment (e.started_at, *c.zone);
      table.moment (e.expires_at, *c.zone).moment (e.ended_at, *c.zone);
      table.cell (e.reason);
    }
    table.print ();
    c.did ("audit-read");
    return EX_OK;
  }
  const auto &kinds = event_kinds ();
  if (kind != "event" &&
      std::find (kinds.begin (), kinds.end (), kind) == kinds.end ())
    usage_error ("--kind is session, event, denied, login, password, token, "
                 "revocation or admin-action");
  query.kind = kind == "event" ? "" : kind;
  Table table (c.line,
      {{"TIME", "at"}, {"KIND", "kind"}, {"WHO", "who"}, {"WHAT", "what"},
          {"TARGET", "target"}, {"ADDRESS", "address"}, {"VIA", "via"},
          {"CODE", "code"}, {"COUNT", "count"}});
  for (const AuditEvent &e : c.records ().events (query)) {
    table.moment (e.at, *c.zone).cell (e.kind).cell (e.actor).cell (e.what);
    table.cell (e.target).cell (e.address).cell (e.via).cell (e.code);
    table.number (e.count);
  }
  table.print ();
  c.did ("audit-read");
  return EX_OK;
}

int
key_list (CommandContext &c)
{
  Table table (c.line,
      {{"KEY", "kid"}, {"MADE", "created_at"}, {"GOOD UNTIL", "good_until"}});
  bool first = true;
  for (const GrantKeys::Key &key : c.keys ().grants ().usable (wall_now ())) {
    table.cell (key.key.key_id ()).moment (key.created_at, *c.zone);
    if (first)
      table.cell ("signs");
    else
      table.moment (key.retires_at, *c.zone);
    first = false;
  }
  table.print ();
  return EX_OK;
}

int
key_rotate (CommandContext &c)
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
    usage_error ("--overlap is not a duration like 24h, or 0");
  c.keys (); // the first one is made by whoever asks first
  const TimeMs now = wall_now ();
  std::string id = GrantKeys::rotate (c.records (), now, *overlap);
  std::cout << id << std::endl;
  c.did ("key-rotated", id);
  std::cerr << "the older keys are good until "
            << c.zone->iso8601 (now + *overlap)
            << "; a robot that has them in a file (grant-key) needs what "
               "\"robotlive-signaling key show\" prints"
            << std::endl;
  return 0;
}

int
check_config (CommandContext &c)
{
  if (!c.line.get ("keys").empty ()) {
    for (const ConfigKey &key : config_key_table ())
      std::cout << key.name << '\t' << effect_name (key.effect) << '\n';
    return 0;
  }
  c.keys ();
  c.records ();
  if (!c.config.turn_secret_file.empty ())
    read_secret_file (c.config.turn_secret_file);
  ServerOptions options = c.config.network;
  NetworkServer network (options); // reads certificate, key and CIDRs
  for (const std::string &warning : config_warnings (c.config))
    std::cerr << "warning: " << warning << std::endl;
  std::cout << "configuration "
            << (c.config.file.empty () ? "(built in)" : c.config.file)
            << ": good" << std::endl;
  return 0;
}

} // namespace

int
run_command (const CommandLine &line)
{
  CommandContext c (line);
  if (auto status = run_account_command (c))
    return *status;
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
    c.did ("session-ended", line.arguments[0]);
    std::cerr << "the viewer may come back while its booking runs (booking "
                 "cancel keeps it out)"
              << std::endl;
    return 0;
  }
  if (line.command == "audit list")
    return audit_list (c);
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
