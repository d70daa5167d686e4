// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gate/gatesession.hpp"
#include <algorithm>
#include <glib.h>

namespace robotlive {

namespace {

constexpr TimeMs kMaxTime = 253402300799999; // the last ms of the year 9999

Refusal
refused (GrantError error)
{
  return {grant_error_code (error), grant_error_text (error)};
}

} // namespace

std::optional<TimeMs>
parse_time (const std::string &text)
{
  if (!text.empty () && text.size () <= 15 &&
      std::all_of (text.begin (), text.end (),
          [] (char c) { return c >= '0' && c <= '9'; }))
    return std::stoll (text);
  // No default zone: a time without one is nobody's time.
  g_autoptr (GDateTime) time =
      g_date_time_new_from_iso8601 (text.c_str (), nullptr);
  if (!time)
    return std::nullopt;
  const TimeMs ms = g_date_time_to_unix (time) * 1000 +
                    g_date_time_get_microsecond (time) / 1000;
  if (ms < 0 || ms > kMaxTime)
    return std::nullopt;
  return ms;
}

std::string
format_time (TimeMs time)
{
  g_autoptr (GDateTime) whole = g_date_time_new_from_unix_utc (
      std::clamp<TimeMs> (time, 0, kMaxTime) / 1000);
  g_autoptr (GDateTime) exact = g_date_time_add (
      whole, std::clamp<TimeMs> (time, 0, kMaxTime) % 1000 * 1000);
  g_autofree gchar *text = g_date_time_format_iso8601 (exact);
  return text;
}

std::optional<Refusal>
GateSession::Checker::check (const std::string &jwt, const Anchor &arrival,
    BootNs now, Grant *out, Anchor *clock) const
{
  if (keys.empty ())
    return Refusal{"no-key",
        has_key_file ? "The grant-key could not be read."
                     : "There is no grant-key to check the grant with."};
  if (robot_id.empty ())
    return Refusal{
        "no-robot-id", "There is no robot-id that the grant could be for."};
  *clock =
      source == TimeSource::WallClock ? arrival : server.value_or (Anchor{});
  const bool known = source == TimeSource::WallClock || server;
  const GrantError error = check_grant (
      keys, jwt, robot_id, known ? clock->epoch_ms_at (now) : 0, out);
  if (source == TimeSource::WallClock)
    return error == GrantError::None ? std::nullopt
                                     : std::optional (refused (error));
  if (error != GrantError::None && error != GrantError::Expired &&
      error != GrantError::NotYetValid)
    return refused (error);
  // The server's time is at least the time at which it signed: an older grant
  // that is shown again does not turn it back.
  if (!known && !out->issued_at)
    return Refusal{"no-server-time",
        "Neither server-time nor the grant says what time it is."};
  if (!known || clock->epoch_ms_at (arrival.boot) < out->issued_at)
    *clock = {arrival.boot, out->issued_at * 1000000};
  const TimeMs time = clock->epoch_ms_at (now);
  switch (out->window.state (time)) {
    case WindowState::Open:
      return std::nullopt;
    case WindowState::Pending:
      return refused (GrantError::NotYetValid);
    case WindowState::Over:
      break;
  }
  return refused (GrantError::Expired);
}

void
GateSession::set_not_before (const std::string &text, const Anchor &now)
{
  not_before_ = text;
  not_before_arrival_ = now;
  core.lift_revocation ();
  resolve_window ();
}

void
GateSession::set_expires_at (const std::string &text, const Anchor &now)
{
  expires_at_ = text;
  expires_at_arrival_ = now;
  core.lift_revocation ();
  resolve_window ();
}

void
GateSession::set_server_time (const std::string &text, const Anchor &now)
{
  server_time_ = text;
  server_.reset ();
  if (const auto time = parse_time (text))
    server_ = Anchor{now.boot, *time * 1000000};
  resolve_window ();
}

void
GateSession::set_time_source (TimeSource source)
{
  source_ = source;
  resolve_window ();
}

void
GateSession::resolve_window ()
{
  core.set_window_required (!not_before_.empty () || !expires_at_.empty ());
  const auto start = not_before_.empty () ? std::optional<TimeMs> (0)
                                          : parse_time (not_before_);
  const auto end = parse_time (expires_at_);
  const bool server = source_ == TimeSource::ServerTime;
  if (!start || !end || (server && !server_)) {
    core.set_window (std::nullopt);
    return;
  }
  core.set_window (
      Interval{(server ? *server_ : not_before_arrival_).boot_of (*start),
          (server ? *server_ : expires_at_arrival_).boot_of (*end)});
  if (!core.has_session ())
    info = {"", "", "", not_before_.empty () ? 0 : *start, *end};
}

void
GateSession::set_key_file (const std::string &path)
{
  key_file_ = path;
  keys_ = JwtKeySet ();
  require_grant (grant_given_);
}

std::optional<Refusal>
GateSession::problem () const
{
  for (const auto &[name, text] : {std::pair ("not-before", &not_before_),
           std::pair ("expires-at", &expires_at_),
           std::pair ("server-time", &server_time_)})
    if (!text->empty () && !parse_time (*text))
      return Refusal{
          "bad-time", std::string (name) +
                          " is neither an RFC 3339 time with a zone nor "
                          "milliseconds since 1970: \"" +
                          *text + "\"."};
  if (!not_before_.empty () && expires_at_.empty ())
    return Refusal{
        "no-end", "not-before without expires-at opens nothing: set both."};
  return std::nullopt;
}

GateSession::Checker
GateSession::checker () const
{
  return {keys_, !key_file_.empty (), robot_id_, source_, server_};
}

void
GateSession::require_grant (bool required)
{
  grant_given_ = required;
  core.set_grant_required (required || !key_file_.empty ());
}

void
GateSession::accept (const Grant &grant, const Anchor &clock)
{
  if (source_ == TimeSource::ServerTime) {
    server_ = clock;
    resolve_window ();
  }
  core.set_session ({clock.boot_of (grant.window.starts_at),
                        clock.boot_of (grant.window.ends_at)},
      GateSource::Grant);
  info = {grant.viewer_id, grant.peer_id, grant.role, grant.window.starts_at,
      grant.window.ends_at};
}

void
GateSession::set_session (const Interval &session, const std::string &viewer)
{
  core.set_session (session, GateSource::Signaling);
  info = {viewer, "", "", 0, 0};
}

std::optional<Refusal>
GateSession::extend (std::int64_t ms, const Anchor &now)
{
  const auto interval = core.interval ();
  if (!interval || core.revoked () || core.source () == GateSource::Downstream)
    return Refusal{"no-session", "There is no session to extend."};
  if (core.has_session ()) {
    if (ms > 0)
      return Refusal{"grant-required",
          "A granted session is extended by a new grant only."};
    const Anchor end{interval->ends_at, 0};
    core.set_session ({interval->opens_at, end.boot_of (ms)}, core.source ());
    info.expires_at = 0;
    return std::nullopt;
  }
  const TimeMs end = *parse_time (expires_at_);
  const TimeMs moved = ms > 0 && end > kMaxTime - std::min (ms, kMaxTime)
                           ? kMaxTime
                           : std::max<TimeMs> (end + std::max (ms, -end), 0);
  // The new end counts from the same arrival as the old one.
  const Anchor arrival = expires_at_arrival_;
  set_expires_at (format_time (moved), now);
  expires_at_arrival_ = arrival;
  resolve_window ();
  return std::nullopt;
}

void
GateSession::revoke ()
{
  core.revoke ();
}

void
GateSession::forget_stream ()
{
  core.set_downstream (std::nullopt);
  if (core.source () == GateSource::Signaling)
    core.clear_session ();
}

} // namespace robotlive
