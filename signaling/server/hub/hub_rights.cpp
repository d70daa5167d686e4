// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Rights that were taken back, or that came to their end: a socket and its
// sessions go with them.
#include "server/hub/hub.hpp"
#include <algorithm>

namespace robotlive::server {

// Nobody is an administrator by the token alone while the store is silent.
void
Hub::take_role (Peer &peer, const ViewerAnswer &answer)
{
  if (!answer.available || !answer.allowed)
    peer.role.clear ();
  else
    peer.role = answer.role.empty () ? peer.identity->role : answer.role;
}

// Who is no administrator any more watches on with a booking only. It is not
// so the other way round: a session keeps the terms that it was offered on.
void
Hub::take_role (Session &session, const ViewerAnswer &answer)
{
  if (answer.available && answer.allowed && !answer.role.empty () &&
      answer.role != "admin")
    session.entry.role = "viewer";
}

// A session ends with the login that opened it, unless the same person is here
// with another one.
bool
Hub::login_over (Session &session, TimeMs now)
{
  const SessionEntry &entry = session.entry;
  if (entry.login_expires_at == 0 || entry.anonymous ||
      now < session.identity.expires_at)
    return false;
  auto sockets = viewers_.find (entry.viewer_id);
  if (sockets != viewers_.end ())
    for (SocketId socket : sockets->second) {
      const Peer *peer = find (socket);
      if (peer && !peer->anonymous && peer->identity->expires_at > now)
        use_login (session, *peer);
    }
  return now >= session.identity.expires_at;
}

void
Hub::cut_off (SocketId socket, const std::string &text, TimeMs now)
{
  Peer *peer = find (socket);
  if (!peer)
    return;
  const std::string id = peer->user_id, instance = peer->instance;
  if (log_)
    log_->limited (LogLevel::Info, "right-ended",
        {{"user", id}, {"reason", text}, {"address", peer->info.address}});
  auto robot = robots_.find (id);
  if (peer->robot && peer->state == State::Registered &&
      robot != robots_.end ()) {
    if (robot->second.holder.socket == socket)
      return revoke_robot (id, now);
    for (auto it : listed (by_robot_, id))
      if (it->second.entry.robot_instance == instance)
        end (it, "revoked", now);
    Process *process = robot->second.find (instance);
    if (process && process->close_at == kNever) {
      emit (socket, error_payload ({"unauthorized", text}));
      process->close_at = now + config_.revoked_linger_ms;
      wake_at (process->close_at);
    }
    return close_if_idle (id, instance, now);
  }
  emit (socket, error_payload ({"unauthorized", text}));
  forget (socket);
  sockets_.disconnect (socket);
}

void
Hub::revoke_robot (const std::string &robot_id, TimeMs now)
{
  for (auto it : listed (by_robot_, robot_id))
    end (it, "revoked", now);
  auto found = robots_.find (robot_id);
  if (found == robots_.end ())
    return;
  Robot &robot = found->second;
  if (log_)
    log_->write (LogLevel::Warning, "robot-revoked", {{"robot", robot_id}});
  // Who still has media to shut may say so, for a moment.
  Process held = robot.holder;
  robot.holder = Process ();
  if (held.socket != 0)
    robot.displaced.push_back (held);
  for (Process &process : robot.displaced) {
    if (process.socket == 0)
      continue;
    emit (process.socket,
        error_payload ({"unauthorized", "the token was revoked"}));
    process.seen_at = 0;
    process.close_at = now + config_.revoked_linger_ms;
    wake_at (process.close_at);
    if (!serves (robot_id, process.instance))
      cut (process, now);
  }
  if (!in_use (robot_id, robot, now))
    robots_.erase (robot_id);
  announce (robot_id, false, now);
}

void
Hub::recheck_robots (const std::string *only)
{
  std::vector<const Peer *> robots;
  for (const auto &[socket, peer] : peers_)
    if (peer.robot && !peer.anonymous && peer.state == State::Registered &&
        (!only || peer.user_id == *only))
      robots.push_back (&peer);
  // An answer that comes at once may end one of them.
  std::vector<std::pair<SocketId, Identity>> questions;
  for (const Peer *peer : robots)
    questions.emplace_back (peer->socket, *peer->identity);
  for (const auto &[socket, identity] : questions)
    backend_.find_robot (identity,
        [this, alive = std::weak_ptr<bool> (alive_), socket = socket] (
            const RobotAnswer &answer, TimeMs at) {
          if (!alive.expired ())
            robot_checked (socket, answer, at);
        });
}

void
Hub::robot_checked (SocketId socket, const RobotAnswer &answer, TimeMs now)
{
  Peer *peer = find (socket);
  if (!peer || !answer.available)
    return;
  if (!answer.token_valid)
    return cut_off (socket, "the token was revoked", now);
  peer->identity->expires_at =
      std::min (peer->identity->expires_at, answer.ends_at);
  wake_at (peer->identity->expires_at);
}

void
Hub::check_token_end (const Peer &peer, TimeMs now, std::vector<SocketId> *over)
{
  if (!peer.identity || peer.state != State::Registered)
    return;
  if (now >= peer.identity->expires_at)
    over->push_back (peer.socket);
  else
    wake_at (peer.identity->expires_at);
}

void
Hub::warn_of_token_end (const Peer &robot, TimeMs now)
{
  TimeMs left = robot.identity->expires_at - now;
  if (!log_ || robot.anonymous || left > config_.token_warning_ms)
    return;
  log_->limited (LogLevel::Warning, "robot-token-ends",
      {{"robot", robot.user_id},
          {"days", std::to_string (left / (TimeMs{86400} * 1000))},
          {"remedy", "robot token " + robot.user_id + " --replace-in 24h"}});
}

// Before those that it has are over, for the viewers that are still to come.
void
Hub::renew_relay (Peer &robot, TimeMs now)
{
  if (now < robot.relay_renew_at)
    return wake_at (robot.relay_renew_at);
  RegisteredMessage again;
  again.success = true;
  again.user_id = robot.user_id;
  again.user_type = "robot";
  again.server_time = now;
  again.ice_servers = ice_servers_ (robot.user_id, now, relay_end (robot, now));
  emit (robot.socket, registered_payload (again));
  robot.relay_renew_at =
      now + std::max<TimeMs> (config_.robot_relay_ms / 2, 1000);
  wake_at (robot.relay_renew_at);
}

// Until when a relay may be used: as long as the right goes that it is used
// for. A viewer without a booking now has none.
TimeMs
Hub::relay_end (const Peer &peer, TimeMs now) const
{
  if (peer.robot)
    return peer.identity->expires_at;
  if (peer.unlimited ())
    return std::min (peer.identity->expires_at, now + config_.viewer_relay_ms);
  TimeMs end = 0;
  for (const Booking &b : peer.bookings)
    if (b.window.state (now) == WindowState::Open)
      end = std::max (end, b.window.ends_at);
  return std::min (
      {end, peer.identity->expires_at, now + config_.viewer_relay_ms});
}

} // namespace robotlive::server
