// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/console/consolebackend.hpp"
#include "protocol/json.hpp"
#include "server/app/config.hpp"
#include "server/auth/identity.hpp"
#include "server/console/consoleclient.hpp"
#include <algorithm>
#include <gio/gio.h>
#include <simdjson.h>

namespace robotlive::server {

namespace {

constexpr std::size_t kMaxAsking = 16; // requests at a time
constexpr std::size_t kMaxQueue = 10000;
constexpr std::size_t kMaxCached = 10000;
// So far its clock and ours may differ where a token's end is concerned.
constexpr TimeMs kClockSkew = 60 * 1000;
constexpr TimeMs kNoBookingCache = 1000;

bool
loopback (const char *host)
{
  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return true;
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  return address && g_inet_address_get_is_loopback (address);
}

using Element = simdjson::dom::element;

// Far enough for every date that a console can write.
constexpr TimeMs kLatest = TimeMs{1} << 52;

// What an entry says under one name. Absent and unreadable are two things: the
// first may stand for "mine" or "any", the second stands for nothing.
enum class Told
{
  Absent, // or null
  Text,
  Unreadable // another type, out of range, or said twice
};

Told
find (const Element &entry, std::string_view key, Element *out)
{
  simdjson::dom::object object;
  if (entry.get (object))
    return Told::Unreadable;
  bool found = false;
  for (auto field : object) {
    if (field.key != key)
      continue;
    if (found)
      return Told::Unreadable;
    found = true;
    *out = field.value;
  }
  return found && !out->is_null () ? Told::Text : Told::Absent;
}

Told
text_of (const Element &entry, std::string_view key, std::string *out)
{
  Element value;
  Told told = find (entry, key, &value);
  std::string_view text;
  if (told != Told::Text)
    return told;
  if (value.get (text))
    return Told::Unreadable;
  *out = std::string (text);
  return told;
}

// A number is taken as its decimal string, a fraction is not.
Told
id_of (const Element &entry, std::string_view key, std::string *out)
{
  Element value;
  std::int64_t number;
  if (find (entry, key, &value) != Told::Text || value.get (number))
    return text_of (entry, key, out);
  *out = std::to_string (number);
  return Told::Text;
}

Told
time_of (const Element &entry, std::string_view key, TimeMs *out)
{
  Element value;
  Told told = find (entry, key, &value);
  std::int64_t number;
  if (told != Told::Text)
    return told;
  if (value.get (number) || number < 0 || number > kLatest)
    return Told::Unreadable;
  *out = number;
  return told;
}

bool
read_window (const Element &entry, const Zone &zone, Window *out)
{
  // Ours says it in milliseconds as well; then no zone is needed.
  Told start_told = time_of (entry, "starts_at", &out->starts_at);
  Told end_told = time_of (entry, "ends_at", &out->ends_at);
  if (start_told != Told::Absent || end_told != Told::Absent)
    return start_told == Told::Text && end_told == Told::Text &&
           out->starts_at < out->ends_at;
  std::string date, start_time, end_time;
  if (text_of (entry, "date", &date) != Told::Text ||
      text_of (entry, "start_time", &start_time) != Told::Text ||
      text_of (entry, "end_time", &end_time) != Told::Text)
    return false;
  auto start = zone.parse (date, start_time);
  auto end = zone.parse (date, end_time);
  if (!start || !end || *start >= *end)
    return false;
  *out = {*start, *end};
  return true;
}

// Whether the entry is a booking of *user* that opens something.
bool
read_entry (const Element &entry, const std::string &user, const Zone &zone,
    Booking *out)
{
  std::string status, owner, id;
  Told owner_told = id_of (entry, "user_id", &owner);
  Told status_told = text_of (entry, "status", &status);
  Told robot_told = id_of (entry, "robot_id", &out->robot_id);
  Told type_told = id_of (entry, "robot_type", &out->robot_type);
  Told id_told = id_of (entry, "id", &id);
  for (Told told : {owner_told, status_told, robot_told, type_told, id_told})
    if (told == Told::Unreadable)
      return false;
  if (owner_told == Told::Text && owner != user)
    return false;
  if (status_told == Told::Text && status != "active" && status != "confirmed")
    return false;
  // A robot that is named but has no usable name is not "every robot".
  if (robot_told == Told::Text && !valid_id (out->robot_id))
    return false;
  bool typeless = robot_told == Told::Text && out->robot_type.empty ();
  if (!typeless && !valid_id (out->robot_type) &&
      (type_told == Told::Text || robot_told != Told::Text))
    return false;
  if (!read_window (entry, zone, &out->window))
    return false;
  if (entry["id"].get (out->id))
    out->id = 0;
  return true;
}

} // namespace

std::optional<std::string>
console_url (const std::string &database)
{
  static const std::string prefix = "console+";
  if (database.rfind (prefix, 0) != 0)
    return std::nullopt;
  std::string url = database.substr (prefix.size ());
  while (!url.empty () && url.back () == '/')
    url.pop_back ();
  g_autoptr (GUri) uri =
      g_uri_parse (url.c_str (), G_URI_FLAGS_HAS_PASSWORD, nullptr);
  std::string scheme = uri ? g_uri_get_scheme (uri) : "";
  const char *host = uri ? g_uri_get_host (uri) : nullptr;
  if (!host || !*host || (scheme != "https" && scheme != "http") ||
      g_uri_get_userinfo (uri) || g_uri_get_query (uri) ||
      g_uri_get_fragment (uri))
    throw ConfigError (
        "database: a console is console+https://host[:port][/base]");
  if (scheme == "http" && !loopback (host))
    throw ConfigError ("database: console+http:// is for a console on this "
                       "machine alone, since tokens travel there: use "
                       "console+https://");
  return url;
}

bool
parse_console_bookings (std::string_view json, const std::string &user,
    const Zone &zone, std::vector<Booking> *out)
{
  Element root;
  simdjson::dom::array entries;
  if (json_parser ().parse (json.data (), json.size ()).get (root) ||
      root.get (entries))
    return false;
  for (Element entry : entries) {
    if (!entry.is_object ())
      return false;
    Booking b;
    if (read_entry (entry, user, zone, &b))
      out->push_back (std::move (b));
  }
  return true;
}

bool
CircuitBreaker::may_ask (TimeMs now)
{
  if (!open ())
    return true;
  if (trying_ || now < open_until_)
    return false;
  trying_ = true;
  return true;
}

void
CircuitBreaker::succeeded ()
{
  failures_ = 0;
  pause_ = 0;
  trying_ = false;
}

void
CircuitBreaker::failed (TimeMs now)
{
  // What was under way when it opened says nothing new.
  bool news = !open () || trying_;
  trying_ = false;
  failures_ = std::min (failures_ + 1, options_.max_failures);
  if (!open () || !news)
    return;
  pause_ = std::clamp (2 * pause_, options_.pause_ms, options_.max_pause_ms);
  open_until_ = now + pause_;
}

ConsoleBackend::ConsoleBackend (
    const ConsoleOptions &options, const Zone &zone, Post post, Log &log)
    : options_ (options), zone_ (zone), log_ (log), breaker_ (options),
      client_ (std::make_unique<ConsoleClient> (options.url + "/my-bookings",
          options.ca_file, options.timeout_ms, kMaxAsking,
          [this, post, alive = std::weak_ptr<bool> (alive_)] (
              ConsoleClient::Answer answer) {
            post ([this, alive, answer = std::move (answer)] {
              if (alive.expired ())
                return;
              --asking_;
              if (answer.error.empty ())
                answered (answer.token, answer.status, answer.body);
              else
                failed (answer.token, answer.error);
              ask_next ();
            });
          }))
{
}

ConsoleBackend::~ConsoleBackend () = default;

void
ConsoleBackend::find_viewer (const Identity &identity, const std::string &token,
    const std::string &robot, Reply reply)
{
  TimeMs now = wall_now ();
  ViewerAnswer unavailable;
  unavailable.available = false;
  auto cached = cache_.find (token);
  if (cached != cache_.end () && now < cached->second.until)
    return reply (cached->second.answer, now);
  auto asked = questions_.find (token);
  if (asked != questions_.end ()) {
    asked->second.replies.push_back (std::move (reply));
    return;
  }
  // The console would refuse a token whose time is over, and what was granted
  // with it before goes on.
  if (token.empty () || identity.expires_at <= now ||
      queue_.size () >= kMaxQueue || !breaker_.may_ask (now))
    return reply (unavailable, now);
  questions_[token] = {identity, {std::move (reply)}};
  if (robot.empty ())
    queue_.push_back (token);
  else
    queue_.push_front (token); // somebody waits at the door
  ask_next ();
}

void
ConsoleBackend::ask_next ()
{
  for (; asking_ < kMaxAsking && !queue_.empty (); ++asking_) {
    client_->get (queue_.front ());
    queue_.pop_front ();
  }
}

void
ConsoleBackend::answered (
    const std::string &token, unsigned status, const std::string &body)
{
  auto it = questions_.find (token);
  if (it == questions_.end ())
    return;
  TimeMs now = wall_now ();
  const Identity &identity = it->second.identity;
  ViewerAnswer answer;
  if (status == 401 || status == 403) {
    // Near the token's end a refusal says nothing about the account.
    bool over = identity.expires_at < now + kClockSkew;
    answer.allowed = over;
    answer.available = !over;
  } else if (status != 200) {
    return failed (token, "HTTP status " + std::to_string (status));
  } else if (!parse_console_bookings (
                 body, identity.subject, zone_, &answer.bookings)) {
    return failed (token, "the answer is not a list of bookings");
  }
  if (!breaker_.healthy ())
    log_.write (LogLevel::Info, "console-up");
  breaker_.succeeded ();
  if (cache_.size () >= kMaxCached)
    for (auto c = cache_.begin (); c != cache_.end ();)
      c = c->second.until <= now ? cache_.erase (c) : std::next (c);
  // Who has just booked need not wait for long.
  bool open = std::any_of (answer.bookings.begin (), answer.bookings.end (),
      [now] (const Booking &b) {
        return b.window.state (now) == WindowState::Open;
      });
  if (cache_.size () < kMaxCached && answer.available)
    cache_[token] = {
        answer, now + (open ? options_.cache_ms
                            : std::min (options_.cache_ms, kNoBookingCache))};
  finish (token, answer);
}

void
ConsoleBackend::failed (const std::string &token, const std::string &why)
{
  TimeMs now = wall_now ();
  log_.limited (LogLevel::Warning, "console-down", {{"reason", why}});
  breaker_.failed (now);
  cache_.clear ();
  ViewerAnswer unavailable;
  unavailable.available = false;
  finish (token, unavailable);
  // Who still waits would wait in vain, once nobody may ask.
  while (!queue_.empty () && breaker_.open ()) {
    std::string next = queue_.front ();
    queue_.pop_front ();
    finish (next, unavailable);
  }
}

void
ConsoleBackend::finish (const std::string &token, const ViewerAnswer &answer)
{
  auto it = questions_.find (token);
  if (it == questions_.end ())
    return;
  // A reply may ask again.
  std::vector<Reply> replies = std::move (it->second.replies);
  questions_.erase (it);
  TimeMs now = wall_now ();
  for (const Reply &reply : replies)
    reply (answer, now);
}

void
ConsoleBackend::session_changed (const SessionEntry &entry)
{
  if (audit_)
    audit_->session_changed (entry);
}

void
ConsoleBackend::find_robot (const Identity &identity,
    std::function<void (const RobotAnswer &, TimeMs)> reply)
{
  // The console keeps no list; what was revoked is written down here.
  if (audit_)
    return audit_->find_robot (identity, std::move (reply));
  reply (RobotAnswer (), wall_now ());
}

} // namespace robotlive::server
