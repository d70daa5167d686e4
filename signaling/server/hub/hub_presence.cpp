// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Hub's presence: which robots a viewer is told of, and the rooms that
// members of one robot meet in. No media signaling passes through a room.
#include "server/hub/hub.hpp"
#include <algorithm>

namespace robotlive::server {

bool
Hub::may_watch (const Peer &viewer, const std::string &robot_id,
    const std::string &type, TimeMs now) const
{
  return viewer.unlimited () ||
         open_window (viewer.bookings, robot_id, type, now).has_value ();
}

bool
Hub::may_watch (
    const Peer &viewer, const std::string &robot_id, TimeMs now) const
{
  auto robot = robots_.find (robot_id);
  return may_watch (
      viewer, robot_id, robot == robots_.end () ? "" : robot->second.type, now);
}

// Tells a viewer of the robots that came into or fell out of its reach.
void
Hub::update_presence (Peer &viewer, TimeMs now)
{
  if (viewer.robot || viewer.state != State::Registered)
    return;
  ++counters_.presence_checks;
  std::set<std::string> reach;
  for (const auto &[id, robot] : robots_)
    if (robot.online () && may_watch (viewer, id, robot.type, now)) {
      reach.insert (id);
      if (!viewer.visible.count (id))
        emit (viewer.socket, robot_available_payload (id, robot.type));
    }
  for (const std::string &id : viewer.visible)
    if (!reach.count (id)) {
      emit (viewer.socket, robot_unavailable_payload (id));
      leave_room (viewer, {id, "", ""});
    }
  viewer.visible = std::move (reach);
  // Also those of robots that it was never told of, being offline.
  std::set<Meeting> rooms = viewer.rooms;
  for (const Meeting &room : rooms)
    if (!room.robot.empty () && !may_watch (viewer, room.robot, now))
      leave_room (viewer, room);
  viewer.presence_at = now;
  viewer.presence_until = kNever;
  for (const Booking &b : viewer.bookings)
    viewer.presence_until =
        std::min (viewer.presence_until, b.window.next_change (now));
  wake_at (viewer.presence_until);
}

// A robot came or went. *again*: viewers that know it are told as well, since
// it may be another process.
void
Hub::announce (const std::string &robot_id, bool again, TimeMs now)
{
  for (auto &[socket, peer] : peers_) {
    if (again)
      peer.visible.erase (robot_id);
    update_presence (peer, now);
  }
}

// What is left of *text* between *before* and *after*; nothing if that is empty
// or *text* is another.
static std::optional<std::string>
between (const std::string &text, const std::string &before,
    const std::string &after)
{
  std::size_t around = before.size () + after.size ();
  if (text.size () <= around || text.compare (0, before.size (), before) != 0 ||
      text.compare (text.size () - after.size (), after.size (), after) != 0)
    return std::nullopt;
  return text.substr (before.size (), text.size () - around);
}

std::optional<Hub::Meeting>
Hub::meeting_of (const Peer &peer, const std::string &room, TimeMs now) const
{
  if (!peer.robot) {
    auto type = between (room, "robot_", "_" + peer.user_id);
    // Who may watch every robot may watch one that there is not.
    bool robot = !type || !peer.unlimited () || robots_.count (room) > 0;
    if (robot && may_watch (peer, room, now))
      return Meeting{room, "", ""};
    return type ? std::optional<Meeting> ({"", *type, peer.user_id})
                : std::nullopt;
  }
  if (room == peer.user_id)
    return Meeting{room, "", ""};
  auto robot = robots_.find (peer.user_id);
  if (robot == robots_.end () || robot->second.type.empty ())
    return std::nullopt;
  const std::string &type = robot->second.type;
  if (room == "robot_" + type)
    return Meeting{"", type, ""};
  auto viewer = between (room, "robot_" + type + "_", "");
  return viewer ? std::optional<Meeting> ({"", type, *viewer}) : std::nullopt;
}

void
Hub::on_join_room (
    Peer &peer, const Message &message, std::string_view argument, TimeMs now)
{
  std::string name, error;
  if (!parse_join_room (argument, &name, &error))
    return fail (peer, message, {"bad-message", error});
  auto meeting = meeting_of (peer, name, now);
  if (!meeting)
    return fail (peer, message, {"forbidden", "not your room"});
  const Meeting &room = *meeting;
  if (!peer.rooms.count (room) && peer.rooms.size () >= config_.max_rooms)
    return fail (peer, message, {"rate-limited", "too many rooms"});
  if (peer.rooms.insert (room).second) {
    tell_members (room, peer, "user-joined");
    rooms_[room].insert (peer.socket);
  }
  emit (peer.socket, joined_room_payload (name));
  succeed (peer, message);
}

// Who comes and goes without end is not told of any more where that would fill
// a slow link.
void
Hub::tell_members (const Meeting &room, const Peer &peer, const char *event)
{
  auto payload = std::make_shared<const std::string> (user_presence_payload (
      event, peer.user_id, peer.robot ? "robot" : "viewer"));
  for (SocketId member : rooms_[room])
    if (!sockets_.strained (member, peer.user_id))
      sockets_.emit (member, payload, peer.user_id);
}

void
Hub::leave_room (Peer &peer, Meeting room)
{
  if (peer.rooms.erase (room) == 0)
    return;
  auto members = rooms_.find (room);
  if (members == rooms_.end ())
    return;
  members->second.erase (peer.socket);
  tell_members (room, peer, "user-left");
  if (members->second.empty ())
    rooms_.erase (members);
}

} // namespace robotlive::server
