// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bookings and accounts have changed, or may have: what that means for the
// Hub's sessions.
#include "server/hub/hub.hpp"
#include <algorithm>

namespace robotlive::server {

void
Hub::recheck (const std::string &viewer_id, TimeMs now)
{
  recheck_viewers (&viewer_id, now);
}

void
Hub::recheck_all (TimeMs now)
{
  recheck_viewers (nullptr, now);
  recheck_robots ();
}

void
Hub::clock_set (TimeMs by, TimeMs now)
{
  auto shift = [by] (TimeMs &at) {
    if (at != 0 && at != kNever)
      at += by;
  };
  for (auto &[socket, peer] : peers_) {
    shift (peer.relay_renew_at);
    shift (peer.connected_at);
    peer.presence_until = 0; // to be worked out anew
  }
  for (auto &[id, robot] : robots_) {
    shift (robot.refuses_since);
    auto shift_process = [&shift] (Process &process) {
      shift (process.gone_at);
      shift (process.since);
      shift (process.seen_at);
      shift (process.claim_until);
      shift (process.close_at);
    };
    shift_process (robot.holder);
    for (Process &process : robot.displaced)
      shift_process (process);
  }
  for (auto &[peer_id, session] : sessions_) {
    shift (session.viewer_gone_at);
    shift (session.tried_at);
    shift (session.window.ends_at);
    // Where a booking ends is not known before it is looked at by this clock.
    session.booked_until = session.unlimited () ? session.window.ends_at : 0;
    shift (session.entry.expires_at);
    shift (session.entry.granted_until);
    backend_.session_changed (session.entry);
  }
  for (Ended &ended : ended_)
    shift (ended.at);
  wake_at (now);
  recheck_all (now);
}

void
Hub::recheck_tokens (bool new_key, TimeMs now)
{
  // What is over has its own end.
  auto good = [&] (bool anonymous, const std::string &token) {
    if (anonymous)
      return config_.allow_anonymous;
    Identity identity;
    TokenError error = token.empty () ? TokenError::None
                                      : authenticate_ (token, now, &identity);
    return error == TokenError::Expired ||
           (error == TokenError::None && !(token.empty () && new_key));
  };
  std::vector<SocketId> sockets;
  for (const auto &[socket, peer] : peers_)
    if (peer.identity && !good (peer.anonymous, peer.token))
      sockets.push_back (socket);
  std::vector<std::string> peer_ids;
  for (const auto &[peer_id, session] : sessions_)
    if (!session.ending () && !good (session.entry.anonymous, session.token))
      peer_ids.push_back (peer_id);
  for (const std::string &peer_id : peer_ids)
    end_session (peer_id, "revoked", now);
  for (SocketId socket : sockets)
    cut_off (socket, "the token does not count any more", now);
}

// *only*: null for all. Each login is asked with for what it opened: another
// one of the same viewer may be good while this one is not. Whose time is over
// another one may speak for.
void
Hub::recheck_viewers (const std::string *only, TimeMs now)
{
  struct Asked
  {
    std::string viewer_id;
    Identity identity;
    std::string token;
    std::vector<SocketId> sockets;
    std::vector<std::string> peer_ids;
  };
  std::map<std::string, Asked> logins;
  auto ask = [&] (const Identity &identity, const std::string &token,
                 const std::string &viewer_id) -> Asked & {
    std::string key =
        viewer_id + '\n' + token + '\n' + std::to_string (identity.issued_at);
    Asked &asked = logins[key];
    asked.viewer_id = viewer_id;
    asked.identity = identity;
    asked.token = token;
    return asked;
  };
  auto add_socket = [&] (SocketId socket) {
    const Peer *peer = find (socket);
    if (!peer || peer->anonymous)
      return;
    ask (*peer->identity, peer->token, peer->user_id)
        .sockets.push_back (socket);
  };
  auto add_session = [&] (const Session &session) {
    const SessionEntry &entry = session.entry;
    if (entry.anonymous || session.ending ())
      return;
    const bool over = session.identity.expires_at <= now;
    auto sockets = viewers_.find (entry.viewer_id);
    if (over && sockets != viewers_.end ())
      if (const Peer *peer = find (*sockets->second.begin ()))
        if (!peer->anonymous) {
          ask (*peer->identity, peer->token, entry.viewer_id)
              .peer_ids.push_back (entry.peer_id);
          return;
        }
    ask (session.identity, session.token, entry.viewer_id)
        .peer_ids.push_back (entry.peer_id);
  };
  if (only) {
    auto sockets = viewers_.find (*only);
    if (sockets != viewers_.end ())
      for (SocketId socket : sockets->second)
        add_socket (socket);
    for (auto it : listed (by_viewer_, *only))
      add_session (it->second);
  } else {
    for (const auto &[viewer_id, sockets] : viewers_)
      for (SocketId socket : sockets)
        add_socket (socket);
    for (const auto &[peer_id, session] : sessions_)
      add_session (session);
  }
  for (auto &[key, asked] : logins)
    backend_.find_viewer (asked.identity, asked.token, "",
        [this, alive = std::weak_ptr<bool> (alive_), asked = asked] (
            const ViewerAnswer &answer, TimeMs at) {
          if (!alive.expired ())
            apply (asked.viewer_id, asked.sockets, asked.peer_ids, answer, at);
        });
}

// The viewer's bookings as they are now. A store that cannot be asked changes
// nothing: running sessions keep their granted end.
void
Hub::apply (const std::string &viewer_id, const std::vector<SocketId> &sockets,
    const std::vector<std::string> &peer_ids, const ViewerAnswer &answer,
    TimeMs now)
{
  if (!answer.available)
    return;
  for (SocketId socket : sockets)
    if (Peer *peer = answer.allowed ? find (socket) : nullptr) {
      take_role (*peer, answer);
      peer->bookings = answer.bookings;
      update_presence (*peer, now);
    }
  for (const std::string &peer_id : peer_ids) {
    auto it = sessions_.find (peer_id);
    if (it != sessions_.end () && it->second.entry.viewer_id == viewer_id)
      apply (it, answer, now);
  }
  if (!answer.allowed)
    for (SocketId socket : sockets)
      cut_off (socket, answer.why (), now);
}

void
Hub::apply (Sessions::iterator it, const ViewerAnswer &answer, TimeMs now)
{
  Session &session = it->second;
  const SessionEntry &entry = session.entry;
  if (session.ending () || entry.anonymous)
    return;
  if (!answer.allowed)
    return end (it, "revoked", now);
  take_role (session, answer);
  if (session.unlimited ())
    return;
  auto robot = robots_.find (entry.robot_id);
  const std::string &type =
      robot == robots_.end () ? entry.robot_type : robot->second.type;
  auto booked = open_window (answer.bookings, entry.robot_id, type, now);
  if (booked) {
    // A step stays as long as it is; the next one comes in its time.
    Window window = *booked;
    if (config_.grant_step_ms > 0)
      window.ends_at = std::min (window.ends_at, session.window.ends_at);
    return set_window (session, window, booked->ends_at, now);
  }
  // Before the robot has said its type (a session of an older version of this
  // server) nobody can tell what a booking of a type covers.
  const bool unknown = type.empty () && robot == robots_.end () &&
                       std::any_of (answer.bookings.begin (),
                           answer.bookings.end (), [now] (const Booking &b) {
                             return b.robot_id.empty () &&
                                    b.window.state (now) == WindowState::Open;
                           });
  if (!unknown)
    end (it, now >= session.booked_until ? "expired" : "revoked", now);
}

} // namespace robotlive::server
