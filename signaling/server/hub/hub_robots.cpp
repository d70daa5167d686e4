// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The processes of a robot. One holds the robot's place: offers go to it. One
// that another has displaced goes on with the sessions that it serves and gets
// no new ones. A session belongs to the process that serves it, link or not.
#include "server/hub/hub.hpp"
#include <algorithm>

namespace robotlive::server {

const Hub::Process *
Hub::Robot::find (const std::string &instance) const
{
  if (holder.instance == instance)
    return &holder;
  for (const Process &process : displaced)
    if (process.instance == instance)
      return &process;
  return nullptr;
}

Hub::Process *
Hub::Robot::find (const std::string &instance)
{
  return const_cast<Process *> (std::as_const (*this).find (instance));
}

void
Hub::register_robot (Peer &peer, const Message &message)
{
  auto reply = [this, alive = std::weak_ptr<bool> (alive_),
                   socket = peer.socket,
                   message] (const RobotAnswer &answer, TimeMs now) {
    Peer *p = alive.expired () ? nullptr : find (socket);
    if (!p)
      return;
    p->busy = false;
    robot_answered (*p, message, answer, now);
  };
  backend_.find_robot (*peer.identity, reply);
}

void
Hub::robot_answered (
    Peer &peer, const Message &message, const RobotAnswer &answer, TimeMs now)
{
  const SocketId socket = peer.socket;
  const std::string id = peer.user_id;
  if (!answer.available)
    return refuse_register (
        peer, message, "unavailable", "try again in a moment", true);
  if (!answer.token_valid)
    return refuse_revoked (peer, message, now);
  peer.identity->expires_at =
      std::min (peer.identity->expires_at, answer.ends_at);
  warn_of_token_end (peer, now);
  if (must_stand_by (peer, now))
    return stand_by (peer, message, now);
  auto before = robots_.find (id);
  const bool first = before == robots_.end ();
  const bool back =
      first || (!peer.instance.empty () &&
                   peer.instance == before->second.holder.instance);
  hold (peer, answer, now);
  if (log_)
    log_->write (LogLevel::Info, "robot-registered",
        {{"robot", id}, {"type", robots_[id].type}, {"instance", peer.instance},
            {"address", peer.info.address}});
  RegisteredMessage registered;
  if (peer.lists)
    compare_lists (peer, true, &registered, now);
  finish_register (peer, message, std::move (registered), now);
  announce (id, true, now);
  if (back && !peer.lists)
    tell_missed (peer, first, now);
  // The type may be another now, and what covers it.
  std::set<std::string> viewers;
  for (auto it : listed (by_robot_, id)) {
    it->second.entry.robot_type = robots_[id].type;
    if (!it->second.entry.anonymous)
      viewers.insert (it->second.entry.viewer_id);
  }
  wake_at (now); // steps that waited for the link
  for (const std::string &viewer : viewers)
    recheck (viewer, now);
  drain (socket, now);
}

// It may still serve those whom it served before its token was taken back.
void
Hub::refuse_revoked (Peer &peer, const Message &message, TimeMs now)
{
  for (auto it : listed (by_robot_, peer.user_id))
    if (it->second.entry.robot_instance == peer.instance)
      end (it, "revoked", now);
  tell_dropped (peer, "revoked");
  refuse_register (
      peer, message, "unauthorized", "the token was revoked", true);
}

// A refusal lists nothing: each peer that the process has and may not go on
// with is named, and each that it had when this server last heard of it.
void
Hub::tell_dropped (const Peer &peer, const char *otherwise)
{
  std::map<std::string, std::string> dropped;
  if (peer.named)
    for (const NamedPeer &named : *peer.named)
      dropped[named.peer_id] = otherwise;
  for (const Ended &e : ended_)
    if (e.robot_id == peer.user_id && dropped.count (e.peer_id) > 0)
      dropped[e.peer_id] = e.reason;
  for (auto it : listed (by_robot_, peer.user_id)) {
    const SessionEntry &entry = it->second.entry;
    if (entry.robot_instance != peer.instance)
      continue;
    if (it->second.ending ())
      dropped[entry.peer_id] = entry.ending;
    else
      dropped.erase (entry.peer_id);
  }
  for (const auto &[peer_id, reason] : dropped)
    emit (peer.socket, session_ended_payload (peer_id, peer.user_id, reason));
}

// The newer start of two processes wins once. As long as it is there the other
// does not get the place back.
bool
Hub::must_stand_by (const Peer &peer, TimeMs now) const
{
  auto it = robots_.find (peer.user_id);
  if (it == robots_.end () || peer.instance.empty ())
    return false;
  const Robot &robot = it->second;
  const bool displaced =
      std::any_of (robot.displaced.begin (), robot.displaced.end (),
          [&peer] (const Process &p) { return p.instance == peer.instance; });
  const bool held =
      robot.online () || now < robot.holder.gone_at + config_.robot_grace_ms;
  return displaced && held && robot.holder.instance != peer.instance;
}

void
Hub::stand_by (Peer &peer, const Message &message, TimeMs now)
{
  Robot &robot = robots_[peer.user_id];
  Process &process = *robot.find (peer.instance);
  cut (process, now);
  process.address = peer.info.address;
  process.seen_at = now;
  process.claim_until = kNever;
  process.lists = peer.lists;
  RegisteredMessage answer;
  if (peer.lists)
    compare_lists (peer, true, &answer, now);
  answer.instance = robot.holder.instance;
  answer.address = robot.holder.address;
  answer.retry_after_ms = config_.replaced_retry_ms;
  say_replaced (peer.user_id, robot, process, "refused");
  if (!serves (peer.user_id, peer.instance)) {
    answer.sessions.reset ();
    answer.ended.clear ();
    tell_dropped (peer, "robot-restarted");
    return refuse_register (peer, message, "replaced",
        "another process of this robot has its place", true,
        std::move (answer));
  }
  process.socket = peer.socket;
  answer.standby = true;
  const SocketId socket = peer.socket;
  finish_register (peer, message, std::move (answer), now);
  if (!peer.lists)
    tell_missed (peer, false, now);
  drain (socket, now);
}

void
Hub::say_replaced (const std::string &robot_id, const Robot &robot,
    const Process &other, const char *what)
{
  if (log_)
    log_->limited (LogLevel::Warning, "robot-replaced",
        {{"robot", robot_id}, {"message", what}, {"instance", other.instance},
            {"address", other.address}, {"by-instance", robot.holder.instance},
            {"by-address", robot.holder.address}});
}

// Gives the robot's place to the process of *peer*.
void
Hub::hold (Peer &peer, const RobotAnswer &answer, TimeMs now)
{
  const std::string &id = peer.user_id;
  const bool first = robots_.find (id) == robots_.end ();
  Robot &robot = robots_[id];
  const bool same =
      !peer.instance.empty () && peer.instance == robot.holder.instance;
  if (first)
    robot.holder.instance = peer.instance; // nobody is displaced
  else if (same)
    cut (robot.holder, now);
  else
    displace (id, robot, peer, now);
  robot.displaced.erase (
      std::remove_if (robot.displaced.begin (), robot.displaced.end (),
          [&] (Process &p) {
            if (p.instance != peer.instance)
              return false;
            cut (p, now);
            return true;
          }),
      robot.displaced.end ());
  robot.holder = Process ();
  robot.holder.instance = peer.instance;
  robot.holder.socket = peer.socket;
  robot.holder.address = peer.info.address;
  robot.holder.lists = peer.lists;
  if (!same)
    robot.refuses_since = robot.refused = 0;
  // The operator's word on the type counts. A robot that the store does not
  // know would else draw the offers to any type to itself.
  const bool own_word = config_.allow_unknown_robots || peer.anonymous;
  robot.type = answer.known ? answer.type : own_word ? peer.robot_type : "";
  if (first)
    adopt (id, robot, now);
}

// The holder's link ends; its sessions do not.
void
Hub::cut (Process &process, TimeMs now)
{
  const SocketId old = process.socket;
  if (old == 0)
    return;
  process.socket = 0;
  process.gone_at = now;
  forget (old);
  sockets_.disconnect (old);
}

void
Hub::displace (
    const std::string &robot_id, Robot &robot, const Peer &by, TimeMs now)
{
  Process old = robot.holder;
  const bool there = old.socket != 0;
  if (!old.lists) {
    // By the old connection, if it still hears us.
    end_process_sessions (
        robot_id, old.instance, there ? "replaced" : "robot-offline", now);
    cut (old, now);
  } else if (there) {
    ErrorMessage error{
        "replaced", "another process of this robot has its place"};
    error.instance = by.instance;
    error.address = by.info.address;
    error.retry_after_ms = config_.replaced_retry_ms;
    emit (old.socket, error_payload (error));
  } else {
    old.claim_until = now + config_.robot_grace_ms;
    wake_at (old.claim_until);
  }
  old.since = now;
  old.seen_at = there ? now : 0;
  if (old.instance.empty ()) // cannot be told from others
    return;
  robot.holder = Process ();
  robot.holder.instance = by.instance;
  robot.holder.address = by.info.address;
  if (there)
    say_replaced (robot_id, robot, old, "displaced");
  remember_displaced (robot, old);
  close_if_idle (robot_id, old.instance, now);
}

void
Hub::remember_displaced (Robot &robot, Process process)
{
  robot.displaced.push_back (std::move (process));
  for (auto it = robot.displaced.begin ();
       it != robot.displaced.end () &&
       robot.displaced.size () > config_.max_displaced;)
    it = it->socket == 0 && it->claim_until == kNever
             ? robot.displaced.erase (it)
             : std::next (it);
}

// The first process of a robot that this server sees. Sessions of before its
// start belong to the process that served them then; those of a version that
// kept no such thing, to this one.
void
Hub::adopt (const std::string &robot_id, Robot &robot, TimeMs now)
{
  std::set<std::string> others;
  for (auto it : listed (by_robot_, robot_id)) {
    SessionEntry &entry = it->second.entry;
    if (entry.robot_instance.empty () && !robot.holder.instance.empty ()) {
      entry.robot_instance = robot.holder.instance;
      backend_.session_changed (entry);
    } else if (entry.robot_instance != robot.holder.instance) {
      others.insert (entry.robot_instance);
    }
  }
  for (const std::string &instance : others) {
    Process process;
    process.instance = instance;
    process.lists = true;
    process.since = process.gone_at = now;
    process.claim_until = now + config_.robot_grace_ms;
    wake_at (process.claim_until);
    robot.displaced.push_back (std::move (process));
  }
}

// The robot is the authority on media, the server on rights: what the robot
// does not name is over, what the server does not name has no right.
// *fresh_link*: on an old one the two lists may have crossed.
void
Hub::compare_lists (
    Peer &peer, bool fresh_link, RegisteredMessage *answer, TimeMs now)
{
  answer->sessions.emplace ();
  std::map<std::string, std::string> named;
  if (peer.named)
    for (const NamedPeer &p : *peer.named)
      named[p.peer_id] = p.offer_id;
  for (auto it : listed (by_robot_, peer.user_id)) {
    Session &session = it->second;
    SessionEntry &entry = session.entry;
    auto has = named.find (entry.peer_id);
    if (entry.robot_instance != peer.instance)
      continue;
    if (has == named.end () && fresh_link) {
      robot_left (it, "robot-left", now);
      continue;
    }
    if (session.ending ()) {
      answer->ended.push_back ({entry.peer_id, entry.ending});
    } else {
      // A newer offer went to a dead link: the robot never heard of it.
      if (has != named.end () && !has->second.empty () && fresh_link)
        entry.offer_id = has->second;
      RunningSession r;
      r.peer_id = entry.peer_id;
      r.offer_id = entry.offer_id;
      r.terms = terms (session, now, true);
      answer->sessions->push_back (std::move (r));
      grant_told (session);
    }
    named.erase (entry.peer_id);
  }
  for (const Ended &e : ended_)
    if (e.robot_id == peer.user_id && named.erase (e.peer_id) > 0)
      answer->ended.push_back ({e.peer_id, e.reason});
}

// To an old robot that came back and still has its viewers: what went to its
// dead link, or to none. Its sessions that ended for its absence it keeps until
// those viewers offer anew. *first*: it may as well be another process; it is
// told of nothing but what it cannot have heard.
void
Hub::tell_missed (Peer &peer, bool first, TimeMs now)
{
  const SocketId socket = peer.socket;
  const std::string id = peer.user_id, instance = peer.instance;
  for (const Ended &e : ended_)
    if (!first && e.robot_id == id && e.robot_instance == instance &&
        now < e.at + config_.missed_ms && e.reason != "robot-offline")
      emit (socket, session_ended_payload (e.peer_id, id, e.reason));
  for (auto it : listed (by_robot_, id)) {
    Session &session = it->second;
    if (session.entry.robot_instance != instance)
      continue;
    if (session.ending ()) {
      emit (socket, session_ended_payload (
                        session.entry.peer_id, id, session.entry.ending));
      finish (it, session.entry.ending, now, now);
    } else if (!first) {
      emit (socket, session_updated_payload (
                        session.entry.peer_id, terms (session, now, true)));
    }
  }
}

void
Hub::process_gone (const std::string &robot_id, Robot &robot, Process &process,
    bool goodbye, TimeMs now)
{
  const bool held = &process == &robot.holder;
  const std::string instance = process.instance;
  process.socket = 0;
  process.gone_at = goodbye ? now - config_.robot_grace_ms : now;
  if (log_)
    log_->write (LogLevel::Info, "robot-gone",
        {{"robot", robot_id}, {"instance", instance},
            {"goodbye", goodbye ? "true" : "false"}});
  if (!held && !process.lists) // an old one: nobody knows whether it is back
    wake_at (process.claim_until = now + config_.robot_grace_ms);
  if (held)
    announce (robot_id, false, now);
  if (goodbye)
    end_process_sessions (robot_id, instance, "robot-offline", now);
  wake_at (process.gone_at + config_.robot_grace_ms);
  if (!in_use (robot_id, robot, now))
    robots_.erase (robot_id);
}

// The process says so, or nobody believes in it any more: its media are over.
void
Hub::end_process_sessions (const std::string &robot_id,
    const std::string &instance, const char *reason, TimeMs now)
{
  for (auto it : listed (by_robot_, robot_id)) {
    const SessionEntry &entry = it->second.entry;
    if (entry.robot_instance != instance)
      continue;
    // It may be there yet, and has a right to be told.
    if (it->second.ending () && reason == std::string_view ("robot-restarted"))
      continue;
    if (!it->second.ending ()) {
      const std::string payload =
          session_ended_payload (entry.peer_id, robot_id, reason);
      emit (link (entry), payload);
      emit (it->second.viewer_socket, payload);
    }
    finish (it, reason, now, now);
  }
}

bool
Hub::serves (const std::string &robot_id, const std::string &instance) const
{
  auto ids = by_robot_.find (robot_id);
  return ids != by_robot_.end () &&
         std::any_of (ids->second.begin (), ids->second.end (),
             [&] (const std::string &peer_id) {
               return sessions_.at (peer_id).entry.robot_instance == instance;
             });
}

// A displaced process that has nobody left to serve.
void
Hub::close_if_idle (
    const std::string &robot_id, const std::string &instance, TimeMs now)
{
  auto robot = robots_.find (robot_id);
  if (robot == robots_.end () || serves (robot_id, instance))
    return;
  for (Process &process : robot->second.displaced)
    if (process.instance == instance)
      cut (process, now);
}

bool
Hub::in_use (const std::string &robot_id, const Robot &robot, TimeMs now) const
{
  auto there = [] (const Process &p) { return p.socket != 0; };
  return there (robot.holder) ||
         now < robot.holder.gone_at + config_.robot_grace_ms ||
         by_robot_.count (robot_id) > 0 ||
         std::any_of (robot.displaced.begin (), robot.displaced.end (), there);
}

void
Hub::tick_robots (TimeMs now)
{
  std::vector<std::string> ids;
  for (auto &[id, robot] : robots_)
    if (!robot.online () || !robot.displaced.empty ())
      ids.push_back (id);
  for (const std::string &id : ids) {
    Robot &robot = robots_[id];
    tick_displaced (id, robot, now);
    if (robot.online ())
      continue;
    const TimeMs over = robot.holder.gone_at + config_.robot_grace_ms;
    if (now < over) {
      wake_at (over);
      continue;
    }
    if (!robot.holder.lists)
      end_process_sessions (id, robot.holder.instance, "robot-offline", now);
    promote (id, robot, now);
    if (!in_use (id, robot, now))
      robots_.erase (id);
  }
}

void
Hub::tick_displaced (const std::string &robot_id, Robot &robot, TimeMs now)
{
  for (Process &process : robot.displaced) {
    if (process.socket != 0 && now >= process.close_at)
      cut (process, now);
    else if (process.socket != 0)
      wake_at (process.close_at);
    if (now < process.claim_until) {
      wake_at (process.claim_until);
      continue;
    }
    // A restart of the robot: the process that served them is not back.
    process.claim_until = kNever;
    end_process_sessions (robot_id, process.instance, "robot-restarted", now);
  }
}

// The holder is gone for good and another process is still connected.
void
Hub::promote (const std::string &robot_id, Robot &robot, TimeMs now)
{
  auto it = std::find_if (robot.displaced.rbegin (), robot.displaced.rend (),
      [] (const Process &p) { return p.socket != 0 && p.close_at == kNever; });
  if (it == robot.displaced.rend ())
    return;
  Process process = *it;
  robot.displaced.erase (std::next (it).base ());
  Process old = robot.holder;
  robot.holder = process;
  robot.refuses_since = robot.refused = 0;
  if (!old.instance.empty ()) {
    old.since = now;
    remember_displaced (robot, std::move (old));
  }
  RegisteredMessage answer;
  if (Peer *peer = find (process.socket)) {
    if (peer->lists)
      compare_lists (*peer, false, &answer, now);
    Message none;
    finish_register (*peer, none, std::move (answer), now);
  }
  announce (robot_id, true, now);
}

bool
Hub::robot_online (const std::string &robot_id) const
{
  auto robot = robots_.find (robot_id);
  return robot != robots_.end () && robot->second.online ();
}

std::vector<std::pair<std::string, std::string>>
Hub::online_robots () const
{
  std::vector<std::pair<std::string, std::string>> list;
  for (const auto &[id, robot] : robots_)
    if (robot.online ())
      list.emplace_back (id, robot.type);
  return list;
}

RobotState
Hub::robot_state (const std::string &robot_id, TimeMs now) const
{
  RobotState state;
  auto it = robots_.find (robot_id);
  if (it == robots_.end ())
    return state;
  const Robot &robot = it->second;
  state.online = robot.online ();
  state.type = robot.type;
  state.refuses_since = robot.refuses_since;
  state.refused = robot.refused;
  for (const Process &process : robot.displaced)
    if (process.seen_at != 0 &&
        (process.socket != 0 || now < process.seen_at + config_.duplicate_ms))
      state.duplicates.push_back (
          {process.instance, process.address, process.since});
  return state;
}

} // namespace robotlive::server
