// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/auditevents.hpp"
#include "server/app/times.hpp"

namespace robotlive::server {

namespace {

constexpr auto kMinute = std::chrono::minutes (1);
// Kinds of refusals a minute that are told apart, of strangers and of those
// who have shown a token; the others are counted together.
constexpr std::size_t kMaxStrangers = 64;
constexpr std::size_t kMaxKnown = 2048;
constexpr std::size_t kMaxPending = 20000;
constexpr std::size_t kMaxAtOnce = 500;

LogLevel
level_of (const AuditEvent &event)
{
  bool suspicious = event.kind == "denied" || event.what == "failed" ||
                    event.what == "throttled" || event.what == "wrong";
  return suspicious ? LogLevel::Warning : LogLevel::Info;
}

} // namespace

AuditEvents::AuditEvents (StoreBackend &store, Log &log)
    : store_ (store), log_ (log), minute_ (std::chrono::steady_clock::now ())
{
}

void
AuditEvents::say (const AuditEvent &e)
{
  log_.limited (level_of (e), e.kind,
      {{"who", e.actor}, {"what", e.what}, {"target", e.target},
          {"address", e.address}, {"via", e.via}, {"code", e.code},
          {"times", e.count > 1 ? std::to_string (e.count) : ""}});
}

void
AuditEvents::note (AuditEvent event)
{
  if (event.at == 0)
    event.at = wall_now ();
  say (event);
  queue (std::move (event));
}

void
AuditEvents::sum (AuditEvent event, Line line)
{
  if (event.at == 0)
    event.at = wall_now ();
  Key key{event.kind, event.actor, event.address,
      event.kind == "denied" ? event.via + " " + event.code : event.what};
  auto it = sums_.find (key);
  if (it != sums_.end ()) {
    ++it->second.more;
    return;
  }
  bool stranger = event.actor.empty ();
  std::size_t same = stranger ? strangers_ : sums_.size () - strangers_;
  if (same >= (stranger ? kMaxStrangers : kMaxKnown)) {
    // All that are left over, under their kind alone.
    AuditEvent rest;
    rest.at = event.at;
    rest.kind = event.kind;
    rest.what = "others";
    rest.via = event.via;
    Sum &others = sums_[Key{event.kind, "", "", "others"}];
    others.event = rest;
    ++others.more;
    return;
  }
  strangers_ += stranger ? 1 : 0;
  sums_[key] = {event, 0, line};
  if (line == Line::Yes)
    say (event);
  queue (std::move (event));
}

void
AuditEvents::end_minute ()
{
  for (auto &[key, sum] : sums_) {
    if (sum.more == 0)
      continue;
    sum.event.count = sum.more;
    sum.event.at = wall_now ();
    if (sum.line == Line::Yes)
      say (sum.event);
    queue (std::move (sum.event));
  }
  sums_.clear ();
  strangers_ = 0;
  minute_ = std::chrono::steady_clock::now ();
}

void
AuditEvents::queue (AuditEvent event)
{
  if (pending_.size () >= kMaxPending) {
    ++lost_;
    log_.limited (LogLevel::Error, "audit-lost",
        {{"kind", event.kind}, {"lost", std::to_string (lost_)}});
    return;
  }
  pending_.push_back (std::move (event));
  write ();
}

void
AuditEvents::tick ()
{
  if (std::chrono::steady_clock::now () >= minute_ + kMinute)
    end_minute ();
  write ();
}

void
AuditEvents::flush ()
{
  end_minute ();
  writing_ = false; // what is on its way comes first, in the same lane
  write ();
}

// One bunch at a time. What the store does not take waits for the next tick.
void
AuditEvents::write ()
{
  if (writing_ || pending_.empty ())
    return;
  std::vector<AuditEvent> bunch;
  if (pending_.size () <= kMaxAtOnce) {
    bunch.swap (pending_);
  } else {
    auto end = pending_.begin () + kMaxAtOnce;
    bunch.assign (std::make_move_iterator (pending_.begin ()),
        std::make_move_iterator (end));
    pending_.erase (pending_.begin (), end);
  }
  writing_ = true;
  auto shared =
      std::make_shared<const std::vector<AuditEvent>> (std::move (bunch));
  store_.ask_for<bool> (
      "\naudit",
      [shared] (Store &store) {
        store.write_events (*shared);
        return true;
      },
      [this, shared, alive = std::weak_ptr<bool> (alive_)] (
          bool, const StoreError *error) {
        if (alive.expired ())
          return;
        writing_ = false;
        bool again = error && error->kind == StoreError::Unavailable;
        if (again && pending_.size () + shared->size () <= kMaxPending)
          pending_.insert (pending_.begin (), shared->begin (), shared->end ());
        else if (error)
          lost_ += shared->size ();
        if (!error)
          write ();
      });
}

} // namespace robotlive::server
