// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/times.hpp"
#include <chrono>
#include <cstdio>
#include <glib.h>

namespace robotlive::server {

namespace {

using DateTime = std::shared_ptr<GDateTime>;

DateTime
own (GDateTime *time)
{
  return time ? DateTime (time, g_date_time_unref) : DateTime ();
}

std::string
format (GTimeZone *zone, TimeMs at, const char *pattern)
{
  DateTime utc = own (g_date_time_new_from_unix_utc (at / 1000));
  DateTime local =
      utc ? own (g_date_time_to_timezone (utc.get (), zone)) : DateTime ();
  gchar *text = local ? g_date_time_format (local.get (), pattern) : nullptr;
  std::string result = text ? text : "";
  g_free (text);
  return result;
}

bool
only (const std::string &text, const char *allowed)
{
  return !text.empty () &&
         text.find_first_not_of (allowed) == std::string::npos;
}

} // namespace

TimeMs
wall_now ()
{
  using namespace std::chrono;
  return duration_cast<milliseconds> (system_clock::now ().time_since_epoch ())
      .count ();
}

Zone::Zone (std::shared_ptr<GTimeZone> zone) : zone_ (std::move (zone)) {}

std::optional<Zone>
Zone::find (const std::string &name)
{
  GTimeZone *zone = name.empty () ? g_time_zone_new_local ()
                                  : g_time_zone_new_identifier (name.c_str ());
  if (!zone)
    return std::nullopt;
  return Zone (std::shared_ptr<GTimeZone> (zone, g_time_zone_unref));
}

std::optional<TimeMs>
Zone::parse (const std::string &date, const std::string &time) const
{
  int year, month, day, hour, minute, second = 0, used = 0;
  char end;
  if (date.size () != 10 || !only (date, "0123456789-") ||
      std::sscanf (
          date.c_str (), "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 ||
      used != 10)
    return std::nullopt;
  bool seconds = time.size () == 8;
  if ((time.size () != 5 && !seconds) || !only (time, "0123456789:") ||
      std::sscanf (time.c_str (), "%2d:%2d:%2d%c", &hour, &minute, &second,
          &end) != (seconds ? 3 : 2) ||
      hour < 0 || minute < 0 || second < 0)
    return std::nullopt;
  bool midnight = hour == 24 && minute == 0 && second == 0;
  if (midnight) {
    // The next day's first moment, by way of noon: clocks may skip a midnight.
    DateTime noon =
        own (g_date_time_new (zone_.get (), year, month, day, 12, 0, 0));
    DateTime next =
        noon ? own (g_date_time_add_days (noon.get (), 1)) : DateTime ();
    if (!next)
      return std::nullopt;
    g_date_time_get_ymd (next.get (), &year, &month, &day);
    hour = 0;
  }
  DateTime at = own (
      g_date_time_new (zone_.get (), year, month, day, hour, minute, second));
  if (!at)
    return std::nullopt;
  // GLib moves a time that the clocks skip: it is another one then.
  if (!midnight && (g_date_time_get_hour (at.get ()) != hour ||
                       g_date_time_get_minute (at.get ()) != minute))
    return std::nullopt;
  // Of a repeated hour (on Lord Howe Island: half an hour), the first.
  for (int minutes : {-30, -60}) {
    DateTime before = own (g_date_time_add_minutes (at.get (), minutes));
    if (before && g_date_time_get_hour (before.get ()) == hour &&
        g_date_time_get_minute (before.get ()) == minute) {
      at = before;
      break;
    }
  }
  return TimeMs{g_date_time_to_unix (at.get ())} * 1000;
}

std::optional<TimeMs>
Zone::parse_moment (const std::string &text, TimeMs now) const
{
  if (text == "now")
    return now;
  if (only (text, "0123456789"))
    return text.size () <= 15 ? std::optional<TimeMs> (std::stoll (text))
                              : std::nullopt;
  if (text.size () > 40)
    return std::nullopt;
  if (text.size () > 11 && (text[10] == ' ' || text[10] == 'T'))
    if (auto local = parse (text.substr (0, 10), text.substr (11)))
      return local;
  // Without a default zone GLib takes only text that names its own.
  DateTime at = own (g_date_time_new_from_iso8601 (text.c_str (), nullptr));
  if (!at)
    return std::nullopt;
  return TimeMs{g_date_time_to_unix (at.get ())} * 1000 +
         g_date_time_get_microsecond (at.get ()) / 1000;
}

std::string
Zone::date (TimeMs at) const
{
  return format (zone_.get (), at, "%Y-%m-%d");
}

std::string
Zone::time (TimeMs at) const
{
  return format (zone_.get (), at, at % 60000 == 0 ? "%H:%M" : "%H:%M:%S");
}

std::string
Zone::iso8601 (TimeMs at) const
{
  return format (zone_.get (), at, "%Y-%m-%dT%H:%M:%S%:z");
}

std::optional<TimeMs>
parse_duration (const std::string &text)
{
  constexpr TimeMs longest = TimeMs{3653} * 86400 * 1000;
  TimeMs total = 0, number = 0;
  bool digits = false;
  for (char c : text + (only (text, "0123456789") ? "s" : "")) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + (c - '0');
      digits = true;
      if (number > longest)
        return std::nullopt;
      continue;
    }
    TimeMs unit = c == 's'   ? 1000
                  : c == 'm' ? 60000
                  : c == 'h' ? 3600000
                  : c == 'd' ? 86400000
                             : 0;
    if (unit == 0 || !digits || number > longest / unit)
      return std::nullopt;
    total += number * unit;
    number = 0;
    digits = false;
  }
  if (digits || total <= 0 || total > longest)
    return std::nullopt;
  return total;
}

} // namespace robotlive::server
