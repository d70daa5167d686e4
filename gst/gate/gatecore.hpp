// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What sessiongate decides, without GStreamer, clock or thread: is the gate
// open at a given time, what becomes of a buffer, what is there to tell.
// Not thread-safe: the element holds its lock.
#pragma once
#include "base/boottime.hpp"
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace robotlive {

enum class GateState
{
  Closed,
  Pending,
  Open,
  Expired,
  Revoked
};

// Who let the stream through.
enum class GateSource
{
  None,
  Window,
  Grant,
  Signaling,
  Downstream
};

// [opens_at, ends_at): the first nanosecond is inside, the last one outside.
struct Interval
{
  BootNs opens_at = 0;
  BootNs ends_at = 0;
};

inline bool
operator== (const Interval &a, const Interval &b)
{
  return a.opens_at == b.opens_at && a.ends_at == b.ends_at;
}

// One moment at which a clock of the Unix epoch and CLOCK_BOOTTIME were read.
struct Anchor
{
  BootNs boot = 0;
  std::int64_t epoch_ns = 0;

  // Both saturate: nothing a peer can say overflows.
  BootNs boot_of (std::int64_t epoch_ms) const;
  std::int64_t epoch_ms_at (BootNs now) const;
};

// The rules:
//  - a revoked gate is shut until something new is granted;
//  - a window (not-before, expires-at) and a session (a signed grant, or what
//    signalingbin has checked) must both be open where both are given;
//  - where a window or a grant is required and none was given, it is shut;
//  - a gate with neither follows the sessions that downstream tells of;
//  - nothing given is shut.
class GateCore
{
public:
  void set_window (const std::optional<Interval> &window);
  void set_window_required (bool required);
  void set_grant_required (bool required);
  void set_session (const Interval &session, GateSource source);
  void clear_session ();
  void set_downstream (const std::optional<Interval> &sessions);
  void revoke ();
  void lift_revocation () { revoked_ = false; }

  GateState state (BootNs now) const;
  // When state () changes by itself; kNeverNs when it does not.
  BootNs next_change (BootNs now) const;
  GateSource source () const;
  // What counts now; nothing when nothing is granted.
  std::optional<Interval> interval () const;
  bool has_window () const { return window_.has_value (); }
  bool has_session () const { return session_.has_value (); }
  bool revoked () const { return revoked_; }

private:
  std::optional<Interval> window_, session_, downstream_;
  GateSource session_source_ = GateSource::None;
  bool window_required_ = false;
  bool grant_required_ = false;
  bool revoked_ = false;
};

// What becomes of a buffer of an open or shut gate. After each opening the
// first buffer is marked as a discontinuity, and delta units are dropped until
// a unit that can be decoded on its own.
class GateFlow
{
public:
  enum class Verdict
  {
    Drop,
    Pass,
    PassDiscont
  };

  Verdict decide (GateState state, bool delta_unit);
  // What decide () sees open next is a new opening.
  void shut () { open_ = false; }
  bool waits_for_key_unit () const { return open_ && waiting_; }
  // Whether to ask upstream for a key unit now: at most once in
  // kKeyUnitInterval.
  bool ask_key_unit (BootNs now);
  void reset ();

  static constexpr BootNs kKeyUnitInterval = 500'000'000;

private:
  bool open_ = false;
  bool waiting_ = false; // for the key unit, which carries the DISCONT
  std::optional<BootNs> asked_;
};

// What gates in a row tell each other, so that what waits between two of them
// does not outlive the session of the first. Each opening of a gate has an
// epoch of its own. That it begins is told in order with the buffers, that it
// is over is told past them: a gate drops what comes between the two, and what
// comes with an epoch that it knows to be over.
class GateChain
{
public:
  // The gate upstream has begun this epoch, or has ended it.
  void begun (std::uint64_t epoch);
  void over (std::uint64_t epoch);
  // Whether what comes now is left over from an epoch that is over.
  bool left_over () const { return over_; }
  void reset () { *this = GateChain (); }
  // Another stream: what the last one was told of is past.
  void new_stream () { over_ = false; }

private:
  std::uint64_t epoch_ = 0;
  bool over_ = false;
};

// What the application was told last, and what is new.
class GateNews
{
public:
  enum class Event
  {
    Open,
    Changed,
    Expiring,
    Expired,
    Revoked,
    Closed
  };

  // In order; at most two.
  std::vector<Event> update (
      const GateCore &core, BootNs now, BootNs warning_time);
  // The next time at which update () has something by the clock alone.
  BootNs next (const GateCore &core, BootNs now, BootNs warning_time) const;
  GateState told () const { return told_; }
  void reset ();

private:
  GateState told_ = GateState::Closed;
  std::optional<Interval> interval_;
  bool warned_ = false;
};

} // namespace robotlive
