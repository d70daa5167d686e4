// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Room's sessions: an offer is admitted against the bookings of that
// moment, and from then on messages travel between these two sockets only.
#include "protocol/json.hpp"
#include "server/hub/room.hpp"
#include <algorithm>
#include <sodium.h>

namespace robotlive::server {

namespace {

// 128 random bits: nobody guesses another's peer.
std::string
new_id ()
{
  unsigned char bytes[16];
  randombytes_buf (bytes, sizeof bytes);
  char text[2 * sizeof bytes + 1];
  sodium_bin2hex (text, sizeof text, bytes, sizeof bytes);
  return text;
}

const char kRobotPrefix[] = "robot_"; // "to" of a robot by its type

} // namespace

void
Room::on_signal (
    Peer &peer, const Message &message, std::string_view argument, TimeMs now)
{
  SignalKind kind = *signal_kind (message.name);
  Signal signal;
  std::string error;
  if (!parse_relayed_signal (kind, argument, message.parsed, &signal, &error))
    return fail (peer, message, {"bad-message", error});
  if (signal.to.empty () && signal.peer_id.empty ())
    return fail (peer, message, {"bad-message", "\"to\" is missing"});
  if (peer.robot ? kind == SignalKind::Offer : kind == SignalKind::Answer)
    return fail (peer, message,
        {"forbidden", "viewers offer and robots answer", "", signal.to});
  if (!peer.robot && kind == SignalKind::Limit)
    return fail (peer, message,
        {"forbidden", "robots tell of the picture", "", signal.to});
  if (kind == SignalKind::Offer)
    return on_offer (peer, message, std::move (signal), now);
  Session *session = find_session (peer, signal);
  if (!session && ended_lately (peer, signal, now))
    return succeed (peer, message);
  if (!session)
    return fail (peer, message,
        {"forbidden", "there is no such session", "", signal.to});
  // The viewer has offered anew meanwhile: what the robot says of the offer
  // before is nothing to the one that runs.
  if (peer.robot && !signal.offer_id.empty () && !session->offer_id.empty () &&
      signal.offer_id != session->offer_id)
    return succeed (peer, message);
  SocketId other = session->viewer_socket;
  if (!peer.robot) {
    auto robot = robots_.find (session->entry.robot_id);
    other = robot == robots_.end () ? 0 : robot->second.socket;
  }
  // The same message, from whom it is and without what only the server reads.
  signal.to.clear ();
  signal.offer_id.clear ();
  signal.from = peer.user_id;
  signal.peer_id = session->entry.peer_id;
  if (kind == SignalKind::Leave && signal.reason.empty ())
    signal.reason = peer.robot ? "robot-left" : "viewer-left";
  ++counters_.relayed;
  emit (other, signal_payload (signal));
  if (kind == SignalKind::Leave)
    end (sessions_.find (session->entry.peer_id),
        peer.robot ? "robot-left" : "viewer-left", now, false, false);
  succeed (peer, message);
}

// The session that a message means: by the peerId it echoes, else the newest
// between the two ids. Never one of others.
Room::Session *
Room::find_session (const Peer &peer, const Signal &signal)
{
  auto mine = [&peer] (const Session &s) {
    return peer.robot
               ? s.entry.robot_id == peer.user_id
               : s.entry.viewer_id == peer.user_id &&
                     (s.viewer_socket == peer.socket || s.viewer_socket == 0);
  };
  if (!signal.peer_id.empty ()) {
    auto it = sessions_.find (signal.peer_id);
    if (it == sessions_.end () || !mine (it->second))
      return nullptr;
    if (!peer.robot) // of before a restart of the server: found again
      it->second.viewer_socket = peer.socket;
    return &it->second;
  }
  Session *newest = nullptr;
  for (auto &[id, s] : sessions_) {
    const std::string &other =
        peer.robot ? s.entry.viewer_id : s.entry.robot_id;
    auto robot = robots_.find (s.entry.robot_id);
    bool meant = other == signal.to ||
                 (!peer.robot && robot != robots_.end () &&
                     signal.to == kRobotPrefix + robot->second.type);
    if (meant && mine (s) && (!newest || s.serial > newest->serial))
      newest = &s;
  }
  return newest;
}

// Whether the message is of a session that its sender was part of and that
// ended a moment ago: the two ends cannot know of it at the same time.
bool
Room::ended_lately (const Peer &peer, const Signal &signal, TimeMs now) const
{
  return std::any_of (ended_.begin (), ended_.end (), [&] (const Ended &e) {
    const std::string &self = peer.robot ? e.robot_id : e.viewer_id;
    const std::string &other = peer.robot ? e.viewer_id : e.robot_id;
    return self == peer.user_id && now < e.at + config_.late_ms &&
           (signal.peer_id.empty () ? other == signal.to
                                    : e.peer_id == signal.peer_id);
  });
}

void
Room::on_offer (Peer &peer, const Message &message, Signal signal, TimeMs now)
{
  if (signal.to.empty ())
    return fail (peer, message, {"bad-message", "\"to\" is missing"});
  if (peer.identity->expires_at <= now)
    return fail (peer, message,
        {"unauthorized", "the token has expired", "", signal.to});
  auto reply = [this, alive = std::weak_ptr<bool> (alive_),
                   socket = peer.socket, message, kept = signal,
                   body = std::string (signal.body)] (
                   const ViewerAnswer &answer, TimeMs at) {
    Peer *p = alive.expired () ? nullptr : find (socket);
    if (!p)
      return;
    p->busy = false;
    Signal offer = kept;
    offer.body = body; // the message that it came with has gone
    admit (*p, message, offer, answer, at);
    drain (socket, at);
  };
  peer.busy = true;
  if (peer.anonymous)
    reply (ViewerAnswer (), now);
  else
    backend_.find_viewer (*peer.identity, peer.token, signal.to, reply);
}

// The online robot that *to* means and that this viewer may watch now; its
// window in *window*. Empty with *error* set otherwise. Somebody who has not
// booked learns nothing about which robots exist.
std::string
Room::choose_robot (const Peer &peer, const std::string &to,
    const ViewerAnswer &answer, TimeMs now, std::optional<Window> *window,
    ErrorMessage *error) const
{
  bool unlimited = peer.unlimited ();
  auto window_for = [&] (const std::string &id, const std::string &type) {
    return unlimited ? std::optional<Window> (admin_window (now))
                     : open_window (answer.bookings, id, type, now);
  };
  auto it = robots_.find (to);
  bool online = it != robots_.end () && it->second.socket != 0;
  std::string type = online ? it->second.type : answer.robot_type;
  if (online && (*window = window_for (to, type)))
    return to;
  bool by_type = !online && !answer.robot_known &&
                 to.rfind (kRobotPrefix, 0) == 0 &&
                 to.size () > sizeof kRobotPrefix - 1;
  std::string wanted = by_type ? to.substr (sizeof kRobotPrefix - 1) : type;
  bool may = window_for (to, type).has_value ();
  if (by_type) {
    for (const auto &[id, robot] : robots_)
      if (robot.socket != 0 && robot.type == wanted &&
          (*window = window_for (id, wanted)))
        return id;
    may = may || (!unlimited && window_for ("", wanted));
  }
  error->to = to;
  if (unlimited && !answer.robot_known && !online && !peer.anonymous) {
    error->code = "unknown-robot";
    error->message = "there is no such robot";
  } else if (may) {
    error->code = "robot-offline";
    error->message = "the robot is not connected";
    error->retry_after_ms = 3000;
  } else {
    error->code = "no-active-booking";
    error->message = "you have no booking of this robot now";
    error->next_booking = next_window (answer.bookings, to, wanted, now);
  }
  return "";
}

void
Room::admit (Peer &peer, const Message &message, const Signal &signal,
    const ViewerAnswer &answer, TimeMs now)
{
  if (!answer.available) {
    ErrorMessage error{"unavailable", "bookings cannot be checked now"};
    error.to = signal.to;
    error.retry_after_ms = 5000;
    return fail (peer, message, error);
  }
  if (!answer.allowed)
    return fail (peer, message,
        {"unauthorized", "the account is not valid", "", signal.to});
  if (!peer.anonymous && !peer.unlimited ())
    peer.bookings = answer.bookings;
  std::optional<Window> window;
  ErrorMessage error;
  std::string robot_id =
      choose_robot (peer, signal.to, answer, now, &window, &error);
  update_presence (peer, now);
  if (robot_id.empty ())
    return fail (peer, message, error);
  std::size_t watching = std::count_if (sessions_.begin (), sessions_.end (),
      [&] (const auto &s) { return s.second.entry.robot_id == robot_id; });
  bool watches =
      running_session (peer, robot_id, signal.peer_id) != sessions_.end ();
  if (!watches && watching >= config_.max_viewers)
    return fail (peer, message,
        {"busy", "too many viewers watch this robot", "", signal.to});
  Session &session =
      open_session (peer, robot_id, signal.peer_id, *window, now);
  ++counters_.offers_admitted;
  if (log_)
    log_->write (LogLevel::Info, "session-admitted",
        {{"peer", session.entry.peer_id}, {"user", peer.user_id},
            {"robot", robot_id}, {"role", session.entry.role},
            {"expires-at", std::to_string (session.window.ends_at)},
            {"address", peer.info.address}});
  Signal forward;
  forward.kind = SignalKind::Offer;
  forward.from = peer.user_id;
  forward.peer_id = session.entry.peer_id;
  forward.offer_id = session.offer_id;
  forward.body = signal.body;
  forward.session = terms (session, now, true);
  emit (robots_[robot_id].socket, signal_payload (forward));
  if (!message.ack_id)
    return;
  JsonWriter w;
  w.object ().field ("ok", true).field ("peerId", session.entry.peer_id);
  w.field ("robotId", robot_id).key ("session").object ();
  w.field ("role", session.entry.role);
  w.field ("notBefore", session.window.starts_at);
  w.field ("expiresAt", session.window.ends_at);
  w.field ("serverTime", now).end ().end ();
  succeed (peer, message, w.text ());
}

// The one that an offer goes on with.
Room::Sessions::iterator
Room::running_session (const Peer &peer, const std::string &robot_id,
    const std::string &wanted_peer_id)
{
  auto it = sessions_.find (wanted_peer_id);
  // A reload or an ICE restart goes on with its peer, on whatever socket the
  // same viewer has now.
  bool own = it != sessions_.end () &&
             it->second.entry.viewer_id == peer.user_id &&
             it->second.entry.robot_id == robot_id;
  if (own)
    return it;
  return std::find_if (
      sessions_.begin (), sessions_.end (), [&] (const auto &s) {
        return s.second.viewer_socket == peer.socket &&
               s.second.entry.robot_id == robot_id;
      });
}

Room::Session &
Room::open_session (Peer &peer, const std::string &robot_id,
    const std::string &wanted_peer_id, const Window &window, TimeMs now)
{
  auto it = running_session (peer, robot_id, wanted_peer_id);
  if (it == sessions_.end ()) {
    Session session;
    session.entry.peer_id = new_id ();
    session.entry.viewer_id = peer.user_id;
    session.entry.robot_id = robot_id;
    session.entry.address = peer.info.address;
    session.entry.started_at = now;
    it = sessions_.emplace (session.entry.peer_id, session).first;
  }
  Session &session = it->second;
  // Not that of the first offer: the robot lets a viewer drive.
  session.entry.role = peer.identity->role == "admin" ? "admin" : "viewer";
  session.viewer_socket = peer.socket;
  session.identity = *peer.identity;
  session.token = peer.token;
  session.unlimited = peer.unlimited ();
  session.serial = next_serial_++;
  session.offer_id = new_id ();
  session.window = window;
  session.warned = false;
  session.entry.expires_at = window.ends_at;
  backend_.session_changed (session.entry);
  wake_at (now); // tick () works out what is due next
  return session;
}

// Whole seconds, because a JWT holds seconds.
Window
Room::admin_window (TimeMs now) const
{
  TimeMs start = now / 1000 * 1000;
  return {start, start + config_.admin_step_ms};
}

SessionTerms
Room::terms (const Session &session, TimeMs now, bool with_grant) const
{
  SessionTerms t;
  t.role = session.entry.role;
  t.not_before = session.window.starts_at;
  t.expires_at = session.window.ends_at;
  t.server_time = now;
  if (with_grant && grant_key_) {
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

// Extended, moved or shortened: both sides are told, the robot with a grant.
void
Room::set_window (Session &session, const Window &window, TimeMs now)
{
  if (window.starts_at == session.window.starts_at &&
      window.ends_at == session.window.ends_at)
    return;
  session.window = window;
  session.warned = false;
  session.entry.expires_at = window.ends_at;
  const std::string &peer_id = session.entry.peer_id;
  auto robot = robots_.find (session.entry.robot_id);
  if (robot != robots_.end ())
    emit (robot->second.socket,
        session_updated_payload (peer_id, terms (session, now, true)));
  emit (session.viewer_socket,
      session_updated_payload (peer_id, terms (session, now, false)));
  backend_.session_changed (session.entry);
  wake_at (now);
}

void
Room::end (Sessions::iterator it, const char *reason, TimeMs now,
    bool tell_robot, bool tell_viewer)
{
  Session session = std::move (it->second);
  sessions_.erase (it);
  const SessionEntry &entry = session.entry;
  std::string payload =
      session_ended_payload (entry.peer_id, entry.robot_id, reason);
  auto robot = robots_.find (entry.robot_id);
  if (tell_robot && robot != robots_.end ())
    emit (robot->second.socket, payload);
  if (tell_viewer)
    emit (session.viewer_socket, payload);
  session.entry.ended_at = now;
  session.entry.reason = reason;
  if (log_)
    log_->write (LogLevel::Info, "session-ended",
        {{"peer", entry.peer_id}, {"user", entry.viewer_id},
            {"robot", entry.robot_id}, {"reason", reason}});
  ended_.push_back ({entry.peer_id, entry.viewer_id, entry.robot_id, reason,
      now, robot == robots_.end ()});
  while (
      ended_.size () > config_.max_ended ||
      ended_.front ().at + std::max (config_.late_ms, config_.missed_ms) <= now)
    ended_.pop_front ();
  ++counters_.ended[reason];
  backend_.session_changed (session.entry);
}

bool
Room::end_session (const std::string &peer_id, const char *reason, TimeMs now)
{
  auto it = sessions_.find (peer_id);
  if (it == sessions_.end ())
    return false;
  end (it, reason, now, true, true);
  return true;
}

void
Room::end_robot_sessions (
    const std::string &robot_id, const char *reason, TimeMs now)
{
  for (auto it = sessions_.begin (); it != sessions_.end ();) {
    auto next = std::next (it);
    if (it->second.entry.robot_id == robot_id)
      end (it, reason, now, true, true);
    it = next;
  }
}

void
Room::end_viewer_sessions (SocketId socket, TimeMs now)
{
  for (auto it = sessions_.begin (); it != sessions_.end ();) {
    auto next = std::next (it);
    if (it->second.viewer_socket == socket)
      end (it, "viewer-left", now, true, false);
    it = next;
  }
}

void
Room::recheck (const std::string &viewer_id, TimeMs)
{
  recheck_viewers (&viewer_id);
}

void
Room::recheck_all (TimeMs)
{
  recheck_viewers (nullptr);
}

// *only*: null for all. Whom each asks for is found in one pass: what a pass
// for each would take grows with the square of the viewers.
void
Room::recheck_viewers (const std::string *only)
{
  struct Asked
  {
    std::optional<Identity> identity;
    std::string token;
    std::vector<SocketId> sockets;
  };
  std::map<std::string, Asked> viewers;
  for (auto &[socket, peer] : peers_)
    if (!peer.robot && !peer.anonymous && peer.state == State::Registered &&
        (!only || peer.user_id == *only)) {
      Asked &asked = viewers[peer.user_id];
      asked.identity = peer.identity;
      asked.token = peer.token;
      asked.sockets.push_back (socket);
    }
  for (auto &[id, session] : sessions_)
    if (!session.identity.subject.empty () &&
        (!only || session.entry.viewer_id == *only)) {
      Asked &asked = viewers[session.entry.viewer_id];
      if (asked.identity)
        continue;
      asked.identity = session.identity;
      asked.token = session.token;
    }
  for (const auto &[viewer_id, asked] : viewers)
    backend_.find_viewer (*asked.identity, asked.token, "",
        [this, alive = std::weak_ptr<bool> (alive_), viewer_id = viewer_id,
            sockets = asked.sockets] (const ViewerAnswer &answer, TimeMs at) {
          if (!alive.expired ())
            apply (viewer_id, sockets, answer, at);
        });
}

// The viewer's bookings as they are now. A store that cannot be asked changes
// nothing: running sessions keep their granted end.
void
Room::apply (const std::string &viewer_id, const std::vector<SocketId> &sockets,
    const ViewerAnswer &answer, TimeMs now)
{
  if (!answer.available)
    return;
  for (SocketId socket : sockets)
    if (Peer *peer = find (socket)) {
      peer->bookings = answer.bookings;
      update_presence (*peer, now);
    }
  for (auto it = sessions_.begin (); it != sessions_.end ();) {
    auto next = std::next (it);
    Session &session = it->second;
    const SessionEntry &entry = session.entry;
    auto robot = robots_.find (entry.robot_id);
    if (entry.viewer_id != viewer_id) {
      // Of another viewer.
    } else if (!answer.allowed) {
      end (it, "revoked", now, true, true);
    } else if (!session.unlimited && robot != robots_.end ()) {
      auto window = open_window (
          answer.bookings, entry.robot_id, robot->second.type, now);
      if (window)
        set_window (session, *window, now);
      else
        end (it, now >= session.window.ends_at ? "expired" : "revoked", now,
            true, true);
    }
    it = next;
  }
}

// The next step of an admin's (or, on a bench, an anonymous viewer's) grant.
void
Room::renew (Session &session, TimeMs now)
{
  if (session.identity.expires_at <= now)
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
    it->second.renewing = false;
    if (answer.available && !answer.allowed)
      return end (it, "revoked", at, true, true);
    // While the store cannot be asked the session runs to its granted end.
    if (answer.available)
      set_window (it->second, admin_window (at), at);
  };
  if (session.token.empty ())
    reply (ViewerAnswer (), now);
  else
    backend_.find_viewer (session.identity, session.token, "", reply);
}

void
Room::tick_sessions (TimeMs now)
{
  std::vector<std::string> due;
  for (auto it = sessions_.begin (); it != sessions_.end ();) {
    auto next = std::next (it);
    Session &session = it->second;
    TimeMs end_at = session.window.ends_at;
    TimeMs warn_at = end_at - config_.expiry_warning_ms;
    // Half a step before the end: time for more than one try.
    TimeMs renew_at = end_at - config_.admin_step_ms / 2;
    if (now >= end_at) {
      end (it, "expired", now, true, true);
      it = next;
      continue;
    }
    wake_at (end_at);
    if (session.unlimited && session.identity.expires_at > end_at) {
      if (now < renew_at) {
        wake_at (renew_at);
      } else {
        due.push_back (it->first);
        wake_at (now + std::max<TimeMs> (1000, config_.admin_step_ms / 20));
      }
    } else if (!session.warned && now >= warn_at) {
      session.warned = true;
      emit (session.viewer_socket, session_expiring_payload (it->first,
                                       session.entry.robot_id, end_at, now));
    } else if (!session.warned) {
      wake_at (warn_at);
    }
    it = next;
  }
  for (const std::string &peer_id : due) {
    auto it = sessions_.find (peer_id);
    if (it != sessions_.end () && !it->second.renewing)
      renew (it->second, now);
  }
}

void
Room::restore (const std::vector<SessionEntry> &entries, TimeMs now)
{
  for (const SessionEntry &entry : entries) {
    Session session;
    session.entry = entry;
    session.window = {entry.started_at, entry.expires_at};
    session.identity.subject = entry.viewer_id;
    session.identity.role = entry.role;
    // An admin's grant is not renewed before that admin shows a token again.
    session.identity.expires_at = entry.role == "admin" ? now : kNever;
    session.unlimited = entry.role == "admin";
    session.serial = next_serial_++;
    sessions_.emplace (entry.peer_id, std::move (session));
  }
  wake_at (now);
}

std::vector<SessionEntry>
Room::sessions () const
{
  std::vector<SessionEntry> list;
  for (const auto &[id, session] : sessions_)
    list.push_back (session.entry);
  return list;
}

} // namespace robotlive::server
