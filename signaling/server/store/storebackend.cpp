// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/storebackend.hpp"
#include "server/app/times.hpp"

namespace robotlive::server {

namespace {

constexpr std::size_t kMaxQueue = 20000;
constexpr std::size_t kMaxUnwritten = 10000;

// A token without an id (of another issuer) is revoked by its time of issue.
bool
token_valid (const RobotRecord &robot, const Identity &identity)
{
  if (!identity.token_id.empty ())
    return identity.token_id == robot.token_id;
  return identity.issued_at > robot.revoked_at;
}

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
StoreBackend::find_viewer (const Identity &identity, const std::string &,
    const std::string &robot,
    std::function<void (const ViewerAnswer &, TimeMs)> reply)
{
  ask<ViewerAnswer> (
      [identity, robot] (Store &store) {
        ViewerAnswer answer;
        answer.bookings = store.open_bookings (identity.subject, wall_now ());
        // Accounts of another issuer are not in the store: the token counts.
        auto user = store.user_by_id (identity.subject);
        answer.allowed =
            !user || identity.role != "admin" || user->role == "admin";
        if (robot.empty ())
          return answer;
        if (auto record = store.robot (robot)) {
          answer.robot_known = true;
          answer.robot_type = record->type;
        }
        return answer;
      },
      [reply] (ViewerAnswer answer, const StoreError *error) {
        answer.available = error == nullptr;
        reply (answer, wall_now ());
      });
}

void
StoreBackend::find_robot (const Identity &identity,
    std::function<void (const RobotAnswer &, TimeMs)> reply)
{
  ask<RobotAnswer> (
      [identity] (Store &store) {
        RobotAnswer answer;
        if (auto record = store.robot (identity.subject)) {
          answer.known = true;
          answer.type = record->type;
          answer.token_valid = token_valid (*record, identity);
        }
        return answer;
      },
      [reply] (RobotAnswer answer, const StoreError *error) {
        answer.available = error == nullptr;
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
