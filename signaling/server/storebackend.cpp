// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/storebackend.hpp"
#include "server/times.hpp"

namespace robotlive::server {

namespace {

constexpr std::size_t kMaxQueue = 20000;

// A token without an id (of another issuer) is revoked by its time of issue.
bool
token_valid (const RobotRecord &robot, const Identity &identity)
{
  if (!identity.token_id.empty ())
    return identity.token_id == robot.token_id;
  return identity.issued_at > robot.revoked_at;
}

} // namespace

StoreBackend::StoreBackend (std::unique_ptr<Store> store, Post post)
    : store_ (std::move (store)), post_ (std::move (post)), worker_ (kMaxQueue)
{
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
  ask<bool> (
      [entry] (Store &store) {
        store.write_session (entry);
        return true;
      },
      [] (bool, const StoreError *) {});
}

} // namespace robotlive::server
