// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/storebackend.hpp"
#include "server/app/times.hpp"

namespace robotlive::server {

namespace {

constexpr std::size_t kMaxQueue = 20000;
constexpr std::size_t kMaxUnwritten = 10000;

constexpr std::size_t kMaxStandings = 4096;
constexpr auto kStandingKept = std::chrono::seconds (1);

} // namespace

StoreBackend::StoreBackend (std::unique_ptr<Store> store, Post post, Log &log)
    : store_ (std::move (store)), post_ (std::move (post)), log_ (log),
      worker_ (kMaxQueue)
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
  ask<Standing> (
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
  ask<ViewerAnswer> (
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
  ask<RobotAnswer> (
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
StoreBackend::session_changed (const SessionEntry &entry)
{
  if (unwritten_.size () >= kMaxUnwritten && !unwritten_.count (entry.peer_id))
    unwritten_.erase (unwritten_.begin ());
  Unwritten &state = unwritten_[entry.peer_id];
  state = {entry, ++last_version_};
  write (state.entry, state.version);
}

// An entry is all that there is to say of a session, so it may be written
// twice; the worker keeps the order.
void
StoreBackend::write (const SessionEntry &entry, std::uint64_t version)
{
  ++writing_;
  ask<bool> (
      [entry] (Store &store) {
        store.write_session (entry);
        return true;
      },
      [this, id = entry.peer_id, version] (bool, const StoreError *error) {
        --writing_;
        auto it = unwritten_.find (id);
        bool newest = it != unwritten_.end () && it->second.version == version;
        if (newest && (!error || error->kind != StoreError::Unavailable))
          unwritten_.erase (it);
      });
}

void
StoreBackend::write_again ()
{
  if (writing_ > 0)
    return;
  for (const auto &[id, state] : unwritten_)
    write (state.entry, state.version);
}

} // namespace robotlive::server
