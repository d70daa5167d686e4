// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Room's presence: which robots a viewer is told of, and the rooms that
// members of one robot meet in. No media signalling passes through a room.
#include "server/hub/room.hpp"
#include <algorithm>

namespace robotlive::server {

bool
Room::may_watch (const Peer &viewer, const std::string &robot_id,
    const std::string &type, TimeMs now) const
{
  return viewer.unlimited () ||
         open_window (viewer.bookings, robot_id, type, now).has_value ();
}

// Tells a viewer of the robots that came into or fell out of its reach.
void
Room::update_presence (Peer &viewer, TimeMs now)
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
      if (viewer.rooms.count (id))
        leave_room (viewer, id);
    }
  viewer.visible = std::move (reach);
  // Also those of robots that it was never told of, being offline.
  std::set<std::string> rooms = viewer.rooms;
  for (const std::string &room : rooms)
    if (!may_join (viewer, room, now))
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
Room::announce (const std::string &robot_id, bool again, TimeMs now)
{
  for (auto &[socket, peer] : peers_) {
    if (again)
      peer.visible.erase (robot_id);
    update_presence (peer, now);
  }
}

bool
Room::may_join (const Peer &viewer, const std::string &room, TimeMs now) const
{
  const std::string own = "_" + viewer.user_id;
  if (room.rfind ("robot_", 0) == 0 && room.size () >= own.size () &&
      room.compare (room.size () - own.size (), own.size (), own) == 0)
    return true;
  auto robot = robots_.find (room);
  return may_watch (
      viewer, room, robot == robots_.end () ? "" : robot->second.type, now);
}

void
Room::on_join_room (
    Peer &peer, const Message &message, std::string_view argument, TimeMs now)
{
  std::string room, error;
  if (!parse_join_room (argument, &room, &error))
    return fail (peer, message, {"bad-message", error});
  bool allowed = false;
  if (peer.robot) {
    auto robot = robots_.find (peer.user_id);
    std::string type =
        robot == robots_.end () ? std::string () : robot->second.type;
    std::string own = "robot_" + type;
    allowed =
        room == peer.user_id ||
        (!type.empty () && (room == own || room.rfind (own + "_", 0) == 0));
  } else {
    allowed = may_join (peer, room, now);
  }
  if (!allowed)
    return fail (peer, message, {"forbidden", "not your room"});
  if (!peer.rooms.count (room) && peer.rooms.size () >= config_.max_rooms)
    return fail (peer, message, {"rate-limited", "too many rooms"});
  if (peer.rooms.insert (room).second) {
    auto payload = std::make_shared<const std::string> (user_presence_payload (
        "user-joined", peer.user_id, peer.robot ? "robot" : "viewer"));
    for (SocketId member : rooms_[room])
      sockets_.emit (member, payload);
    rooms_[room].insert (peer.socket);
  }
  emit (peer.socket, joined_room_payload (room));
  succeed (peer, message);
}

void
Room::leave_room (Peer &peer, const std::string &room_id)
{
  std::string room = room_id; // may be the element that is erased
  peer.rooms.erase (room);
  auto members = rooms_.find (room);
  if (members == rooms_.end ())
    return;
  members->second.erase (peer.socket);
  auto payload = std::make_shared<const std::string> (user_presence_payload (
      "user-left", peer.user_id, peer.robot ? "robot" : "viewer"));
  for (SocketId member : members->second)
    sockets_.emit (member, payload);
  if (members->second.empty ())
    rooms_.erase (members);
}

} // namespace robotlive::server
