// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What sessiongate was given: times as text, a signed grant, and what became
// of them on CLOCK_BOOTTIME. No GStreamer; every time is an argument.
// Not thread-safe: the element holds its lock.
#pragma once
#include "gate/gatecore.hpp"
#include "grant/keyset.hpp"
#include "grant/refusal.hpp"
#include <string>

namespace robotlive {

// RFC 3339 with a zone, or milliseconds since the Unix epoch.
std::optional<TimeMs> parse_time (const std::string &text);
std::string format_time (TimeMs time); // RFC 3339, UTC

// Whose session it is. Times are 0 where the source told none.
struct SessionInfo
{
  std::string viewer;
  std::string peer_id;
  std::string role;
  TimeMs not_before = 0;
  TimeMs expires_at = 0;
};

enum class TimeSource
{
  WallClock,
  ServerTime
};

class GateSession
{
public:
  // What checking a grant needs: a copy, so that it is done without the lock.
  struct Checker
  {
    JwtKeySet keys;
    bool has_key_file = false;
    std::string robot_id;
    TimeSource source = TimeSource::WallClock;
    std::optional<Anchor> server;

    // *arrival*: both clocks when the grant came, *now*: CLOCK_BOOTTIME.
    std::optional<Refusal> check (const std::string &jwt, const Anchor &arrival,
        BootNs now, Grant *out, Anchor *clock) const;
  };

  GateCore core;
  SessionInfo info;

  // *now*: both clocks at this moment, the moment of arrival. An unusable text
  // is kept and shuts the gate; problem () says so.
  void set_not_before (const std::string &text, const Anchor &now);
  void set_expires_at (const std::string &text, const Anchor &now);
  void set_server_time (const std::string &text, const Anchor &now);
  void set_time_source (TimeSource source);
  void set_robot_id (const std::string &id) { robot_id_ = id; }
  void set_key_file (const std::string &path);
  // What the file holds. Whoever reads it does so without the lock: the file
  // may lie on another machine.
  void set_keys (JwtKeySet keys) { keys_ = std::move (keys); }
  // A text that is no time, a window without an end.
  std::optional<Refusal> problem () const;

  Checker checker () const;
  void require_grant (bool required);
  void accept (const Grant &grant, const Anchor &clock);
  void set_session (const Interval &session, const std::string &viewer);
  // Moves the end by *ms*. What was signed is only ever shortened here.
  std::optional<Refusal> extend (std::int64_t ms, const Anchor &now);
  void revoke ();
  // The stream has stopped: what it told is forgotten, what was set is kept.
  void forget_stream ();

  const std::string &not_before () const { return not_before_; }
  const std::string &expires_at () const { return expires_at_; }
  const std::string &server_time () const { return server_time_; }
  const std::string &robot_id () const { return robot_id_; }
  const std::string &key_file () const { return key_file_; }
  TimeSource time_source () const { return source_; }

private:
  void resolve_window ();

  std::string not_before_, expires_at_, server_time_, robot_id_, key_file_;
  Anchor not_before_arrival_, expires_at_arrival_;
  TimeSource source_ = TimeSource::WallClock;
  std::optional<Anchor> server_;
  JwtKeySet keys_;
  bool grant_given_ = false;
};

} // namespace robotlive
