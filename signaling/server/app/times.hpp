// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Dates and clock times in a time zone, as people write them, to milliseconds
// UTC and back. DST is GLib's business (GTimeZone, the system's tz database).
#pragma once
#include "grant/window.hpp"
#include <memory>
#include <optional>
#include <string>

typedef struct _GTimeZone GTimeZone;

namespace robotlive::server {

TimeMs wall_now (); // the system's clock; ms UTC

class Zone
{
public:
  // "Europe/Berlin", "UTC"; empty: the system's. Nothing if it is not known.
  static std::optional<Zone> find (const std::string &name);

  // "2026-03-29" and "02:30" or "02:30:00"; "24:00" is the end of that day. A
  // time that the clocks skip does not exist; of one that they repeat the
  // first is meant.
  std::optional<TimeMs> parse (
      const std::string &date, const std::string &time) const;
  // Milliseconds since the epoch, "now", ISO 8601 with a zone, or
  // "YYYY-MM-DD HH:MM[:SS]" (or with "T") in this zone.
  std::optional<TimeMs> parse_moment (
      const std::string &text, TimeMs now) const;
  std::string date (TimeMs at) const; // "2026-03-29"
  std::string time (TimeMs at) const; // "14:30", "14:30:15" if not on a minute
  std::string iso8601 (TimeMs at) const;

private:
  explicit Zone (std::shared_ptr<GTimeZone> zone);
  std::shared_ptr<GTimeZone> zone_;
};

// "90s", "30m", "1h", "1h30m", "2d"; a bare number is seconds. Nothing for
// what is not that, or is not positive, or is longer than ten years.
std::optional<TimeMs> parse_duration (const std::string &text);

} // namespace robotlive::server
