// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gate/gatecore.hpp"
#include <algorithm>

namespace robotlive {

namespace {

constexpr std::int64_t kNsPerMs = 1000000;

std::int64_t
saturated (__int128 value)
{
  constexpr __int128 kMin = std::numeric_limits<std::int64_t>::min ();
  constexpr __int128 kMax = std::numeric_limits<std::int64_t>::max ();
  return static_cast<std::int64_t> (std::clamp (value, kMin, kMax));
}

BootNs
warning_at (const Interval &interval, BootNs warning_time)
{
  // An end that never comes needs no warning.
  if (interval.ends_at == kNeverNs)
    return kNeverNs;
  return saturated (static_cast<__int128> (interval.ends_at) - warning_time);
}

} // namespace

BootNs
Anchor::boot_of (std::int64_t epoch_ms) const
{
  return saturated (
      static_cast<__int128> (epoch_ms) * kNsPerMs - epoch_ns + boot);
}

std::int64_t
Anchor::epoch_ms_at (BootNs now) const
{
  return saturated ((static_cast<__int128> (now) - boot + epoch_ns) / kNsPerMs);
}

void
GateCore::set_window (const std::optional<Interval> &window)
{
  window_ = window;
}

void
GateCore::set_window_required (bool required)
{
  window_required_ = required;
}

void
GateCore::set_grant_required (bool required)
{
  grant_required_ = required;
}

void
GateCore::set_session (const Interval &session, GateSource source)
{
  session_ = session;
  session_source_ = source;
  revoked_ = false;
}

void
GateCore::clear_session ()
{
  session_.reset ();
  session_source_ = GateSource::None;
}

void
GateCore::set_downstream (const std::optional<Interval> &sessions)
{
  downstream_ = sessions;
  if (sessions && source () == GateSource::Downstream)
    revoked_ = false;
}

void
GateCore::revoke ()
{
  clear_session ();
  downstream_.reset ();
  revoked_ = true;
}

GateSource
GateCore::source () const
{
  if (window_required_ && !window_)
    return GateSource::None;
  if (session_)
    return session_source_;
  if (grant_required_)
    return GateSource::None;
  if (window_)
    return GateSource::Window;
  return downstream_ ? GateSource::Downstream : GateSource::None;
}

std::optional<Interval>
GateCore::interval () const
{
  if (window_required_ && !window_)
    return std::nullopt;
  if (session_ && window_)
    return Interval{std::max (session_->opens_at, window_->opens_at),
        std::min (session_->ends_at, window_->ends_at)};
  if (session_)
    return session_;
  if (grant_required_)
    return std::nullopt;
  return window_ ? window_ : downstream_;
}

GateState
GateCore::state (BootNs now) const
{
  if (revoked_)
    return GateState::Revoked;
  const auto current = interval ();
  if (!current)
    return GateState::Closed;
  if (now >= current->ends_at || current->opens_at >= current->ends_at)
    return GateState::Expired;
  return now < current->opens_at ? GateState::Pending : GateState::Open;
}

BootNs
GateCore::next_change (BootNs now) const
{
  switch (state (now)) {
    case GateState::Pending:
      return interval ()->opens_at;
    case GateState::Open:
      return interval ()->ends_at;
    case GateState::Closed:
    case GateState::Expired:
    case GateState::Revoked:
      break;
  }
  return kNeverNs;
}

GateFlow::Verdict
GateFlow::decide (GateState state, bool delta_unit)
{
  if (state != GateState::Open) {
    open_ = false;
    return Verdict::Drop;
  }
  if (!open_) {
    open_ = true;
    waiting_ = true;
  }
  if (!waiting_)
    return Verdict::Pass;
  if (delta_unit)
    return Verdict::Drop;
  waiting_ = false;
  return Verdict::PassDiscont;
}

bool
GateFlow::ask_key_unit (BootNs now)
{
  if (asked_ && now - *asked_ < kKeyUnitInterval)
    return false;
  asked_ = now;
  return true;
}

void
GateFlow::reset ()
{
  *this = GateFlow ();
}

void
GateChain::begun (std::uint64_t epoch)
{
  // Not one that was known to be over while its beginning waited in a queue.
  if (epoch <= epoch_)
    return;
  epoch_ = epoch;
  over_ = false;
}

void
GateChain::over (std::uint64_t epoch)
{
  if (epoch < epoch_)
    return;
  epoch_ = epoch;
  over_ = true;
}

std::vector<GateNews::Event>
GateNews::update (const GateCore &core, BootNs now, BootNs warning_time)
{
  std::vector<Event> events;
  const GateState state = core.state (now);
  const auto interval = core.interval ();
  if (state == GateState::Open) {
    if (told_ != GateState::Open)
      events.push_back (Event::Open);
    else if (!(interval == interval_))
      events.push_back (Event::Changed);
    if (!events.empty ())
      warned_ = false;
    if (!warned_ && now >= warning_at (*interval, warning_time)) {
      warned_ = true;
      events.push_back (Event::Expiring);
    }
  } else if (state != told_) {
    if (state == GateState::Expired)
      events.push_back (Event::Expired);
    else if (state == GateState::Revoked)
      events.push_back (Event::Revoked);
    else if (told_ == GateState::Open) // withdrawn, or moved into the future
      events.push_back (Event::Closed);
  }
  told_ = state;
  interval_ = interval;
  return events;
}

BootNs
GateNews::next (const GateCore &core, BootNs now, BootNs warning_time) const
{
  const BootNs change = core.next_change (now);
  if (core.state (now) != GateState::Open || warned_)
    return change;
  return std::min (change, warning_at (*core.interval (), warning_time));
}

void
GateNews::reset ()
{
  *this = GateNews ();
}

} // namespace robotlive
