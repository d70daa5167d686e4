// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What ends a Hub's session, and what moves its end: a booking, an
// administrator, a word of either side, time. A link that breaks is none of
// these.
#include "server/hub/hub.hpp"
#include <algorithm>

namespace robotlive::server {

std::vector<Hub::Sessions::iterator>
Hub::listed (const Index &index, const std::string &key)
{
  std::vector<Sessions::iterator> list;
  auto ids = index.find (key);
  if (ids != index.end ())
    for (const std::string &id : ids->second)
      list.push_back (sessions_.find (id));
  return list;
}

// That serves the session; null: nobody has seen it since the server's start.
const Hub::Process *
Hub::process (const SessionEntry &entry) const
{
  auto robot = robots_.find (entry.robot_id);
  return robot == robots_.end () ? nullptr
                                 : robot->second.find (entry.robot_instance);
}

SocketId
Hub::link (const SessionEntry &entry) const
{
  const Process *p = process (entry);
  return p ? p->socket : 0;
}

const char *
Hub::state (const SessionEntry &entry) const
{
  auto it = sessions_.find (entry.peer_id);
  if (!entry.ending.empty ())
    return "ending";
  if (link (entry) == 0)
    return "robot-away";
  return it == sessions_.end () || it->second.viewer_socket == 0 ? "viewer-away"
                                                                 : "live";
}

// Whoever may go on with a session may have logged in anew. The role stays that
// of its newest offer.
void
Hub::use_login (Session &session, const Peer &peer)
{
  session.viewer_gone_at = 0;
  const bool admin = peer.role == "admin";
  if (admin != (session.entry.role == "admin") ||
      peer.anonymous != session.entry.anonymous)
    return;
  session.identity = *peer.identity;
  session.token = peer.token;
  session.entry.login_issued_at = peer.identity->issued_at;
  session.entry.login_expires_at = peer.identity->expires_at;
  backend_.session_changed (session.entry);
}

// Whole seconds, because a JWT holds seconds.
Window
Hub::admin_window (TimeMs now) const
{
  TimeMs start = now / 1000 * 1000;
  return {start, start + config_.admin_step_ms};
}

// What is granted of it now.
Window
Hub::granted (const Window &booked, bool unlimited, TimeMs now) const
{
  if (unlimited)
    return admin_window (now);
  Window window = booked;
  if (config_.grant_step_ms > 0)
    window.ends_at =
        std::min (window.ends_at, now / 1000 * 1000 + config_.grant_step_ms);
  return window;
}

// A viewer is told of its booking's end, the robot of the step's.
SessionTerms
Hub::terms (const Session &session, TimeMs now, bool for_robot) const
{
  SessionTerms t;
  t.role = session.entry.role;
  t.not_before = session.window.starts_at;
  t.expires_at = for_robot
                     ? session.window.ends_at
                     : std::max (session.window.ends_at, session.booked_until);
  t.server_time = now;
  if (for_robot && grant_key_) {
    Grant grant;
    grant.issuer = config_.issuer;
    grant.viewer_id = session.entry.viewer_id;
    grant.robot_id = session.entry.robot_id;
    grant.peer_id = session.entry.peer_id;
    grant.role = session.entry.role;
    grant.window = session.window;
    grant.issued_at = now;
    t.grant = JwtCodec::sign_grant (*grant_key_, grant);
  }
  return t;
}

// The robot may go by it from now on. One that is shorter than the one before
// may not have reached it: what counts is the longest.
void
Hub::grant_told (Session &session)
{
  SessionEntry &entry = session.entry;
  if (entry.granted_until >= session.window.ends_at &&
      entry.expires_at == session.window.ends_at)
    return;
  entry.granted_until = std::max (entry.granted_until, session.window.ends_at);
  entry.expires_at = session.window.ends_at;
  backend_.session_changed (entry);
}

// Extended, moved or shortened: both sides are told, the robot with a grant.
void
Hub::set_window (
    Session &session, const Window &window, TimeMs booked_until, TimeMs now)
{
  const bool same = window.starts_at == session.window.starts_at &&
                    window.ends_at == session.window.ends_at;
  const TimeMs told = std::max (session.window.ends_at, session.booked_until);
  if (same && booked_until == session.booked_until)
    return;
  const bool moved =
      window.starts_at != session.window.starts_at && !session.unlimited ();
  session.window = window;
  session.booked_until = booked_until;
  session.warned = false;
  SessionEntry &entry = session.entry;
  if (!same) {
    const SocketId robot = link (entry);
    emit (robot,
        session_updated_payload (entry.peer_id, terms (session, now, true)));
    if (robot != 0)
      entry.granted_until = std::max (entry.granted_until, window.ends_at);
  }
  if (moved || std::max (window.ends_at, booked_until) != told)
    emit (session.viewer_socket,
        session_updated_payload (entry.peer_id, terms (session, now, false)));
  entry.expires_at = window.ends_at;
  backend_.session_changed (entry);
  wake_at (due_at (session));
}

// The robot shuts the branch and says so; until then the session is ending. One
// that is not there hears of it first thing when it is back. A robot of before
// confirms nothing.
void
Hub::end (Sessions::iterator it, const std::string &reason, TimeMs now)
{
  Session &session = it->second;
  SessionEntry &entry = session.entry;
  if (session.ending ())
    return;
  const std::string payload =
      session_ended_payload (entry.peer_id, entry.robot_id, reason);
  const Process *robot = process (entry);
  const bool there = robot && robot->socket != 0;
  if (there)
    emit (robot->socket, payload);
  emit (session.viewer_socket, payload);
  const bool stopped = now >= entry.granted_until;
  if (stopped || (there && !robot->lists))
    return finish (
        it, reason, stopped ? std::min (now, entry.granted_until) : now, now);
  entry.ending = reason;
  session.viewer_socket = 0;
  if (log_)
    log_->write (LogLevel::Info, "session-ending",
        {{"peer", entry.peer_id}, {"user", entry.viewer_id},
            {"robot", entry.robot_id}, {"reason", reason}});
  backend_.session_changed (entry);
  wake_at (due_at (session));
}

void
Hub::finish (Sessions::iterator it, const std::string &reason, TimeMs ended_at,
    TimeMs now)
{
  SessionEntry entry = std::move (it->second.entry);
  sessions_.erase (it);
  auto drop = [&entry] (Index &index, const std::string &key) {
    auto ids = index.find (key);
    ids->second.erase (entry.peer_id);
    if (ids->second.empty ())
      index.erase (ids);
  };
  drop (by_robot_, entry.robot_id);
  drop (by_viewer_, entry.viewer_id);
  entry.reason = entry.ending.empty () ? reason : entry.ending;
  entry.ending.clear ();
  entry.ended_at = std::max (ended_at, entry.started_at);
  if (log_)
    log_->limited_for (entry.viewer_id, LogLevel::Info, "session-ended",
        {{"peer", entry.peer_id}, {"user", entry.viewer_id},
            {"robot", entry.robot_id}, {"reason", entry.reason}});
  ended_.push_back ({entry.peer_id, entry.viewer_id, entry.robot_id,
      entry.robot_instance, entry.reason, now});
  while (ended_.size () > config_.max_ended ||
         ended_.front ().at + std::max ({config_.late_ms, config_.missed_ms,
                                  config_.remember_ms}) <=
             now)
    ended_.pop_front ();
  ++counters_.ended[entry.reason];
  backend_.session_changed (entry);
  close_if_idle (entry.robot_id, entry.robot_instance, now);
}

// *told*: the robot's own words, for the viewer.
void
Hub::robot_left (Sessions::iterator it, const std::string &reason, TimeMs now,
    const std::string &told)
{
  Session &session = it->second;
  if (!session.ending ()) {
    Signal leave;
    leave.kind = SignalKind::Leave;
    leave.from = session.entry.robot_id;
    leave.peer_id = session.entry.peer_id;
    leave.reason = told.empty () ? reason : told;
    emit (session.viewer_socket, signal_payload (leave));
  }
  finish (it, reason, std::min (now, session.entry.granted_until), now);
}

void
Hub::viewer_left (Sessions::iterator it, const std::string &told, TimeMs now)
{
  Session &session = it->second;
  const SocketId robot = link (session.entry);
  if (robot == 0) { // told first thing when it is back
    session.viewer_socket = 0;
    return end (it, "viewer-left", now);
  }
  Signal leave;
  leave.kind = SignalKind::Leave;
  leave.from = session.entry.viewer_id;
  leave.peer_id = session.entry.peer_id;
  leave.reason = told;
  emit (robot, signal_payload (leave));
  finish (it, "viewer-left", now, now);
}

bool
Hub::end_session (const std::string &peer_id, const char *reason, TimeMs now)
{
  auto it = sessions_.find (peer_id);
  if (it == sessions_.end ())
    return false;
  end (it, reason, now);
  return true;
}

// A page with an instance may come back; of an old one nobody knows.
void
Hub::viewer_gone (const Peer &peer, bool goodbye, TimeMs now)
{
  for (auto it : listed (by_viewer_, peer.user_id)) {
    Session &session = it->second;
    if (session.viewer_socket != peer.socket || session.ending ())
      continue;
    session.viewer_socket = 0;
    if (!session.entry.viewer_instance.empty ())
      continue;
    if (goodbye) {
      viewer_left (it, "viewer-left", now);
    } else {
      session.viewer_gone_at = now;
      wake_at (due_at (session));
    }
  }
}

// In steps, as long as the robot can hear of them.
bool
Hub::renewable (const Session &session) const
{
  const TimeMs end_at = session.window.ends_at;
  if (session.ending () || link (session.entry) == 0)
    return false;
  return session.unlimited () ? session.identity.expires_at > end_at
                              : session.booked_until > end_at;
}

// Half a step before the end: time for more than one try.
TimeMs
Hub::renew_at (const Session &session) const
{
  const TimeMs step =
      session.unlimited () ? config_.admin_step_ms : config_.grant_step_ms;
  const TimeMs at = session.window.ends_at - step / 2;
  const TimeMs again = session.tried_at + std::max<TimeMs> (1000, step / 20);
  return session.tried_at == 0 ? at : std::max (at, again);
}

// When time alone changes something.
TimeMs
Hub::due_at (const Session &session) const
{
  const SessionEntry &entry = session.entry;
  if (session.ending ())
    return entry.granted_until;
  TimeMs at = session.window.ends_at;
  if (entry.login_expires_at != 0)
    at = std::min (at, session.identity.expires_at);
  if (link (entry) == 0)
    at = std::min (at, entry.granted_until);
  if (session.viewer_socket == 0 && session.viewer_gone_at != 0)
    at = std::min (at, session.viewer_gone_at + config_.viewer_grace_ms);
  const bool renew = renewable (session);
  if (renew && !session.renewing)
    at = std::min (at, renew_at (session));
  const TimeMs last = std::max (session.window.ends_at, session.booked_until);
  if (!session.warned && !(renew && session.unlimited ()))
    at = std::min (at, last - config_.expiry_warning_ms);
  return at;
}

void
Hub::renew (Session &session, TimeMs now)
{
  session.tried_at = now;
  if (session.unlimited () && session.identity.expires_at <= now)
    return; // the token's time is over: no step more
  session.renewing = true;
  auto reply = [this, alive = std::weak_ptr<bool> (alive_),
                   peer_id = session.entry.peer_id] (
                   const ViewerAnswer &answer, TimeMs at) {
    if (alive.expired ())
      return;
    auto it = sessions_.find (peer_id);
    if (it == sessions_.end ())
      return;
    Session &s = it->second;
    s.renewing = false;
    // While the store cannot be asked the session runs to its granted end.
    if (!answer.available || s.ending ())
      return wake_at (due_at (s));
    if (!answer.allowed)
      return end (it, "revoked", at);
    if (!s.unlimited () || (!answer.role.empty () && answer.role != "admin"))
      apply (it, answer, at);
    it = sessions_.find (peer_id);
    if (it == sessions_.end () || it->second.ending () ||
        link (it->second.entry) == 0)
      return;
    Session &again = it->second;
    Window booked{again.window.starts_at, again.booked_until};
    Window next = granted (booked, again.unlimited (), at);
    again.tried_at = 0;
    set_window (again, next,
        again.unlimited () ? next.ends_at : again.booked_until, at);
  };
  if (session.entry.anonymous)
    reply (ViewerAnswer (), now);
  else
    backend_.find_viewer (session.identity, session.token, "", reply);
}

// False: the session is over.
bool
Hub::tick_session (Sessions::iterator it, TimeMs now)
{
  Session &session = it->second;
  SessionEntry &entry = session.entry;
  const TimeMs end_at = session.window.ends_at;
  if (session.ending ()) {
    if (now < entry.granted_until)
      return true;
    finish (it, entry.ending, entry.granted_until, now);
    return false;
  }
  // An end that was moved out while the robot was away has not reached it.
  if (now >= end_at || login_over (session, now) ||
      (link (entry) == 0 && now >= entry.granted_until)) {
    const std::string peer_id = entry.peer_id;
    end (it, "expired", now);
    return sessions_.count (peer_id) > 0;
  }
  if (session.viewer_socket == 0 && session.viewer_gone_at != 0 &&
      now >= session.viewer_gone_at + config_.viewer_grace_ms) {
    const std::string peer_id = entry.peer_id;
    viewer_left (it, "viewer-left", now);
    return sessions_.count (peer_id) > 0;
  }
  const TimeMs last = std::max (end_at, session.booked_until);
  const bool steps_on = session.unlimited () && renewable (session);
  if (!session.warned && !steps_on && now >= last - config_.expiry_warning_ms) {
    session.warned = true;
    emit (session.viewer_socket,
        session_expiring_payload (entry.peer_id, entry.robot_id, last, now));
  }
  return true;
}

void
Hub::tick_sessions (TimeMs now)
{
  std::vector<std::string> due;
  for (auto it = sessions_.begin (); it != sessions_.end ();) {
    auto next = std::next (it);
    if (tick_session (it, now)) {
      Session &session = it->second;
      if (renewable (session) && !session.renewing && now >= renew_at (session))
        due.push_back (it->first);
      else
        wake_at (due_at (session));
    }
    it = next;
  }
  for (const std::string &peer_id : due) {
    auto it = sessions_.find (peer_id);
    if (it == sessions_.end ())
      continue;
    renew (it->second, now);
    it = sessions_.find (peer_id);
    if (it != sessions_.end ())
      wake_at (due_at (it->second));
  }
}

void
Hub::restore (const std::vector<SessionEntry> &entries, TimeMs now)
{
  for (const SessionEntry &entry : entries) {
    Session session;
    session.entry = entry;
    SessionEntry &e = session.entry;
    if (e.granted_until == 0)
      e.granted_until = e.expires_at;
    // A bench that everybody may watch is one no more: then a booking counts.
    e.anonymous = e.anonymous && config_.allow_anonymous;
    session.window = {e.started_at, e.expires_at};
    session.booked_until = e.expires_at;
    session.identity.subject = e.viewer_id;
    session.identity.role = e.role;
    session.identity.epoch = Identity::kRestored;
    session.identity.issued_at =
        e.login_issued_at != 0 ? e.login_issued_at : e.started_at;
    // An administrator's grant of an older version of this server is not
    // renewed before that one shows a token again.
    session.identity.expires_at = e.login_expires_at != 0 ? e.login_expires_at
                                  : e.role == "admin"     ? now
                                                          : kNever;
    // Of a page without an instance nobody knows whether it lives: its grace
    // runs from here, as the server before can have seen no link break.
    if (e.viewer_instance.empty () && e.ending.empty ())
      session.viewer_gone_at = now;
    session.serial = next_serial_++;
    by_robot_[e.robot_id].insert (e.peer_id);
    by_viewer_[e.viewer_id].insert (e.peer_id);
    const std::string id = e.peer_id;
    sessions_.emplace (id, std::move (session));
  }
  wake_at (now);
}

std::vector<SessionEntry>
Hub::sessions () const
{
  std::vector<SessionEntry> list;
  for (const auto &[id, session] : sessions_)
    list.push_back (session.entry);
  return list;
}

} // namespace robotlive::server
