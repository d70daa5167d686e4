// SPDX-License-Identifier: LGPL-2.1-or-later
#include "access/admission.hpp"
#include <algorithm>
#include <ctime>

namespace robotlive {

namespace {

constexpr std::int64_t kNsPerMs = 1000000;
// Messages are not held up for longer: a clock that shows less was set back.
constexpr TimeMs kLongestDelay = 5000;
// Clocks drift apart.
constexpr std::int64_t kToldLately = std::int64_t (600) * 1000 * kNsPerMs;

// *now_ns* plus *ms*, which a peer chose: saturates instead of overflowing.
std::int64_t
later (std::int64_t now_ns, TimeMs ms)
{
  constexpr TimeMs kTenYears = TimeMs (10) * 366 * 24 * 3600 * 1000;
  return ms > kTenYears ? kNeverNs
                        : now_ns + std::max<TimeMs> (ms, 0) * kNsPerMs;
}

// a - b for times that a peer chose.
bool
difference (TimeMs a, TimeMs b, TimeMs *out)
{
  return !__builtin_sub_overflow (a, b, out);
}

} // namespace

Admission::Admission (SessionPolicy policy, std::string robot_id)
    : policy_ (policy), robot_id_ (std::move (robot_id))
{
}

void
Admission::note_server_time (TimeMs told, std::int64_t now_ns)
{
  TimeMs behind = 0;
  if (told_time_ != 0 && now_ns - told_at_ns_ <= kToldLately &&
      difference (told_now (now_ns), told, &behind) && behind > 0 &&
      behind <= kLongestDelay)
    return;
  told_time_ = told;
  told_at_ns_ = now_ns;
}

TimeMs
Admission::server_now (TimeMs told, std::int64_t now_ns)
{
  note_server_time (told, now_ns);
  return told_now (now_ns);
}

TimeMs
Admission::told_now (std::int64_t now_ns) const
{
  TimeMs now = 0;
  return __builtin_add_overflow (
             told_time_, (now_ns - told_at_ns_) / kNsPerMs, &now)
             ? told_time_
             : now;
}

bool
Admission::admit_grant (const std::string &from, const std::string &peer_id,
    const SessionTerms &terms, std::int64_t now_ns, Admitted *out,
    Refusal *refusal)
{
  if (terms.grant.empty ()) {
    *refusal = {"forbidden",
        "The signaling server sent no grant for this viewer; a server that "
        "knows no grants needs session-policy=trust-server."};
    return false;
  }
  if (keys_.empty ()) {
    *refusal = {
        "unavailable", "The robot has no key to check grants with yet."};
    return false;
  }
  const TimeMs signed_now =
      signed_time_ ? signed_time_ + (now_ns - signed_at_ns_) / kNsPerMs : 0;
  const TimeMs now =
      std::max (server_now (terms.server_time, now_ns), signed_now);

  Grant grant;
  const GrantError error =
      check_grant (keys_, terms.grant, robot_id_, now, &grant);
  if (error != GrantError::None) {
    const bool window =
        error == GrantError::Expired || error == GrantError::NotYetValid;
    *refusal = {window                     ? "no-active-booking"
                : wants_newer_keys (error) ? kGrantRefused
                                           : "forbidden",
        grant_error_text (error)};
    return false;
  }
  if (grant.peer_id != peer_id || grant.viewer_id != from) {
    *refusal = {"forbidden", "The grant is for another viewer."};
    return false;
  }
  if (grant.issued_at > signed_now) {
    signed_time_ = grant.issued_at;
    signed_at_ns_ = now_ns;
  }
  // However early the relay claims it is, a grant lasts no longer than the
  // server meant when it signed it.
  TimeMs remaining = 0, lifetime = 0;
  if (!difference (grant.window.ends_at, now, &remaining) ||
      !difference (grant.window.ends_at,
          std::max (grant.issued_at, grant.window.starts_at), &lifetime)) {
    *refusal = {"forbidden", grant_error_text (GrantError::Malformed)};
    return false;
  }
  out->role = grant.role;
  out->opens_at = now_ns;
  out->ends_at = later (now_ns, std::min (remaining, lifetime));
  return true;
}

bool
Admission::admit (const std::string &from, const std::string &peer_id,
    const std::optional<SessionTerms> &terms, std::int64_t now_ns,
    Admitted *out, Refusal *refusal)
{
  *out = Admitted ();
  out->opens_at = now_ns;
  if (policy_ == SessionPolicy::RequireGrant)
    return admit_grant (
        from, peer_id, terms.value_or (SessionTerms ()), now_ns, out, refusal);
  if (policy_ == SessionPolicy::Open || !terms)
    return true;

  out->role = terms->role;
  if (terms->expires_at == 0)
    return true; // the server set no end
  const TimeMs now = server_now (terms->server_time, now_ns);
  TimeMs remaining = 0, wait = 0;
  if (!difference (terms->expires_at, now, &remaining) ||
      !difference (terms->not_before, now, &wait)) {
    *refusal = {"bad-message", "The session's times make no sense."};
    return false;
  }
  if (remaining <= 0 || wait > 0) {
    *refusal = {"no-active-booking", "The booking is not open now."};
    return false;
  }
  out->ends_at = later (now_ns, remaining);
  return true;
}

} // namespace robotlive
