// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/storebackend.hpp"
#include "server/app/times.hpp"
#include <algorithm>

namespace robotlive::server {

namespace {

constexpr std::size_t kMaxQueue = 20000;
constexpr std::size_t kMaxLane = 256;
// A session that follows the one before within so long is the same row.
constexpr TimeMs kAnew = 1000;
constexpr std::size_t kMaxNames = 16;

constexpr std::size_t kMaxStandings = 4096;
constexpr auto kStandingKept = std::chrono::seconds (1);

} // namespace

StoreBackend::StoreBackend (std::unique_ptr<Store> store, Post post, Log &log)
    : store_ (std::move (store)), door_store_ (store_->another ()),
      post_ (std::move (post)), log_ (log), worker_ (kMaxQueue, kMaxLane),
      door_ (kMaxQueue, kMaxLane)
{
}

void
StoreBackend::say_health (Log &log, const char *why)
{
  if (why)
    log.limited (LogLevel::Error, "store-down", {{"reason", why}});
  else
    log.limited (LogLevel::Info, "store-up", {});
}

void
StoreBackend::set_policy (const RightsPolicy &policy)
{
  policy_ = policy;
  forget_standings ();
}

void
StoreBackend::forget_standings ()
{
  standings_.clear ();
  ++forgotten_;
}

void
StoreBackend::who (const Identity &identity, const std::string &token,
    std::function<void (const Standing &)> reply)
{
  auto now = std::chrono::steady_clock::now ();
  auto it = standings_.find (token);
  if (it != standings_.end () && now < it->second.until) {
    Standing kept = it->second.standing;
    return reply (kept);
  }
  ask_at_door<Standing> (
      identity.subject,
      [identity, policy = policy_] (Store &store) {
        return who_is (store, identity, policy, wall_now ());
      },
      [this, token, reply, now, round = forgotten_] (
          Standing standing, const StoreError *error) {
        standing.available = error == nullptr;
        if (error)
          standing.allowed = false;
        if (standings_.size () >= kMaxStandings)
          standings_.clear ();
        // From when it was asked for: the answer may be older than it looks.
        if (!error && round == forgotten_)
          standings_[token] = {standing, now + kStandingKept};
        reply (standing);
      });
}

void
StoreBackend::find_viewer (const Identity &identity, const std::string &,
    const std::string &robot,
    std::function<void (const ViewerAnswer &, TimeMs)> reply)
{
  ask_at_door<ViewerAnswer> (
      identity.subject,
      [identity, robot, policy = policy_] (Store &store) {
        ViewerAnswer answer;
        TimeMs now = wall_now ();
        Standing standing = who_is (store, identity, policy, now);
        answer.allowed = standing.allowed;
        answer.reason = standing.reason;
        answer.role = standing.role;
        if (!standing.allowed)
          return answer;
        answer.bookings = store.open_bookings (identity.subject, now);
        if (robot.empty ())
          return answer;
        if (auto record = store.robot (robot)) {
          answer.robot_known = true;
          answer.robot_type = record->type;
        }
        return answer;
      },
      [this, reply] (ViewerAnswer answer, const StoreError *error) {
        answer.available = error == nullptr;
        missed_ = missed_ || error;
        reply (answer, wall_now ());
      });
}

void
StoreBackend::find_robot (const Identity &identity,
    std::function<void (const RobotAnswer &, TimeMs)> reply)
{
  ask_at_door<RobotAnswer> (
      identity.subject,
      [identity, policy = policy_] (Store &store) {
        Standing standing = who_is (store, identity, policy, wall_now ());
        RobotAnswer answer;
        answer.known = standing.robot_known;
        answer.type = standing.robot_type;
        answer.token_valid = standing.allowed;
        answer.ends_at = standing.ends_at;
        return answer;
      },
      [this, reply] (RobotAnswer answer, const StoreError *error) {
        answer.available = error == nullptr;
        missed_ = missed_ || error;
        reply (answer, wall_now ());
      });
}

void
StoreBackend::session_changed (const SessionEntry &given)
{
  SessionEntry entry = given;
  Row &row = rows_.touch (entry.viewer_id + '\n' + entry.robot_id);
  std::vector<std::string> replaces;
  if (row.peer_id == entry.peer_id) {
    entry.started_at = row.started_at;
  } else if (row.ended_at != 0 && entry.ended_at == 0 &&
             entry.started_at >= row.ended_at &&
             entry.started_at <= row.ended_at + kAnew) {
    // Offered anew at once. Who does that without end fills no audit log. One
    // that ran beside the other is no new one, and keeps its row.
    replaces = {row.peer_id};
    entry.started_at = row.started_at;
  }
  bool older = row.peer_id != entry.peer_id && entry.ended_at != 0;
  if (!older)
    row = {entry.peer_id, entry.started_at, entry.ended_at};
  // The one of which there has been no news for longest goes.
  if (unwritten_.size () >= most_unwritten_ &&
      !unwritten_.count (entry.peer_id))
    unwritten_.erase (std::min_element (unwritten_.begin (), unwritten_.end (),
        [] (const auto &one, const auto &other) {
          return one.second.version < other.second.version;
        }));
  // What it replaces need not be written any more; where it is on its way, or
  // could not be written, the row has its name or the one before.
  auto before =
      replaces.empty () ? unwritten_.end () : unwritten_.find (replaces[0]);
  if (before != unwritten_.end ()) {
    const std::vector<std::string> &names = before->second.replaces;
    std::size_t skipped = names.size () > kMaxNames ? 1 : 0;
    replaces.insert (replaces.begin (),
        names.begin () + static_cast<std::ptrdiff_t> (skipped), names.end ());
    unwritten_.erase (before);
  }
  Unwritten &state = unwritten_[entry.peer_id];
  if (!replaces.empty ())
    state.replaces = replaces;
  state.entry = entry;
  state.version = ++last_version_;
  write (state);
}

// An entry is all that there is to say of a session, so it may be written
// twice; the viewer's lane keeps the order.
void
StoreBackend::write (const Unwritten &state)
{
  ++writing_;
  ask_for<bool> (
      state.entry.viewer_id,
      [entry = state.entry, replaces = state.replaces] (Store &store) {
        store.write_session (entry, replaces);
        return true;
      },
      [this, id = state.entry.peer_id, version = state.version] (
          bool, const StoreError *error) {
        --writing_;
        auto it = unwritten_.find (id);
        bool newest = it != unwritten_.end () && it->second.version == version;
        bool refused = error && error->kind != StoreError::Unavailable;
        if (refused)
          log_.limited (LogLevel::Error, "session-not-written",
              {{"peer", id}, {"reason", error->what ()}});
        if (newest && (!error || refused))
          unwritten_.erase (it);
      });
}

void
StoreBackend::write_again ()
{
  if (writing_ > 0)
    return;
  std::vector<Unwritten> list; // a full lane answers at once
  for (const auto &[id, state] : unwritten_)
    list.push_back (state);
  for (const Unwritten &state : list)
    write (state);
}

} // namespace robotlive::server
