// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Hub's offers: one is admitted against the bookings of that moment, and
// from then on messages travel between its viewer and its robot only.
#include "protocol/json.hpp"
#include "server/hub/hub.hpp"
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

// Refused in a row, of one peer.
constexpr std::size_t kMaxPressed = 200;

const char kRobotPrefix[] = "robot_"; // "to" of a robot by its type

} // namespace

void
Hub::on_signal (
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
  if (session->ending () || !serves_it (peer, session->entry)) {
    // The robot's word on a session that has no right any more. It may be the
    // last that its link is there for: nothing of *peer* is looked at after it.
    const bool word = session->ending () && kind == SignalKind::Leave &&
                      peer.robot && serves_it (peer, session->entry);
    succeed (peer, message);
    if (word)
      robot_left (
          sessions_.find (session->entry.peer_id), session->entry.ending, now);
    return;
  }
  // The viewer has offered anew meanwhile: what the robot says of the offer
  // before is nothing to the one that runs.
  if (peer.robot && !signal.offer_id.empty () &&
      !session->entry.offer_id.empty () &&
      signal.offer_id != session->entry.offer_id)
    return succeed (peer, message);
  if (kind == SignalKind::Leave) {
    succeed (peer, message);
    return on_leave (peer, *session, signal, now);
  }
  const SocketId to =
      peer.robot ? session->viewer_socket : link (session->entry);
  if (too_slow (peer, message, signal, to))
    return;
  if (peer.robot && kind == SignalKind::Answer)
    trusts_grants (peer);
  // The same message, from whom it is and without what only the server reads.
  signal.to.clear ();
  signal.offer_id.clear ();
  signal.from = peer.user_id;
  signal.peer_id = session->entry.peer_id;
  ++counters_.relayed;
  emit (to, signal_payload (signal), peer.user_id);
  succeed (peer, message);
}

// Whoever floods a slow link is refused, and a viewer in the end cut; who has
// it is not, nor a robot, which has other viewers.
bool
Hub::too_slow (
    Peer &peer, const Message &message, const Signal &signal, SocketId to)
{
  if (!sockets_.strained (to, peer.user_id)) {
    peer.pressed = 0;
    return false;
  }
  ErrorMessage error{"busy", "the other side's link is slow"};
  error.to = signal.to;
  error.retry_after_ms = 1000;
  fail (peer, message, error);
  if (!peer.robot && ++peer.pressed > kMaxPressed)
    sockets_.disconnect (peer.socket);
  return true;
}

void
Hub::on_leave (Peer &peer, Session &session, const Signal &signal, TimeMs now)
{
  const char *word = peer.robot ? "robot-left" : "viewer-left";
  auto it = sessions_.find (session.entry.peer_id);
  ++counters_.relayed;
  const std::string told = signal.reason.empty () ? word : signal.reason;
  if (!peer.robot)
    return viewer_left (it, told, now);
  const bool refused = signal.reason == "grant-refused";
  if (refused)
    refuses_grants (peer, now);
  robot_left (it, refused ? "grant-refused" : word, now, told);
}

// A robot that does not know this server's key (any more) refuses everybody,
// and looks online: the operator must hear of it.
void
Hub::refuses_grants (const Peer &robot, TimeMs now)
{
  auto it = robots_.find (robot.user_id);
  if (it == robots_.end () || it->second.holder.socket != robot.socket)
    return;
  if (it->second.refuses_since == 0)
    it->second.refuses_since = now;
  ++it->second.refused;
  if (log_)
    log_->limited (LogLevel::Warning, "robot-refuses-grants",
        {{"robot", robot.user_id}, {"address", robot.info.address}});
}

void
Hub::trusts_grants (const Peer &robot)
{
  auto it = robots_.find (robot.user_id);
  if (it != robots_.end () && it->second.holder.socket == robot.socket)
    it->second.refuses_since = it->second.refused = 0;
}

// False for a process of the robot that another one's session is none of.
bool
Hub::serves_it (const Peer &peer, const SessionEntry &entry) const
{
  return !peer.robot || entry.robot_instance == peer.instance;
}

// The session that a message means: by the peerId it echoes, else the newest
// between the two ids. Never one of others.
Hub::Session *
Hub::find_session (const Peer &peer, const Signal &signal)
{
  if (!signal.peer_id.empty ()) {
    auto it = sessions_.find (signal.peer_id);
    if (it == sessions_.end ())
      return nullptr;
    Session &session = it->second;
    if (peer.robot)
      return session.entry.robot_id == peer.user_id ? &session : nullptr;
    if (session.entry.viewer_id != peer.user_id ||
        (session.viewer_socket != 0 && session.viewer_socket != peer.socket))
      return nullptr;
    if (!session.ending ()) // found again
      session.viewer_socket = peer.socket;
    return &session;
  }
  Session *newest = nullptr;
  for (auto it : listed (peer.robot ? by_robot_ : by_viewer_, peer.user_id)) {
    Session &s = it->second;
    auto robot = robots_.find (s.entry.robot_id);
    bool meant = peer.robot
                     ? s.entry.viewer_id == signal.to
                     : s.entry.robot_id == signal.to ||
                           (robot != robots_.end () &&
                               signal.to == kRobotPrefix + robot->second.type);
    // Of another page of the same viewer, which may come back, only by its id.
    bool mine = peer.robot
                    ? s.entry.robot_instance == peer.instance
                    : s.viewer_socket == peer.socket ||
                          (s.viewer_socket == 0 &&
                              (s.entry.viewer_instance.empty () ||
                                  s.entry.viewer_instance == peer.instance));
    if (meant && mine && !s.ending () && (!newest || s.serial > newest->serial))
      newest = &s;
  }
  return newest;
}

// Whether the message is of a session that its sender was part of and that
// ended a moment ago: the two ends cannot know of it at the same time.
bool
Hub::ended_lately (const Peer &peer, const Signal &signal, TimeMs now)
{
  for (auto it : listed (peer.robot ? by_robot_ : by_viewer_, peer.user_id)) {
    const SessionEntry &e = it->second.entry;
    if (it->second.ending () && signal.peer_id.empty () &&
        (peer.robot ? e.viewer_id : e.robot_id) == signal.to)
      return true;
  }
  return std::any_of (ended_.begin (), ended_.end (), [&] (const Ended &e) {
    const std::string &self = peer.robot ? e.robot_id : e.viewer_id;
    const std::string &other = peer.robot ? e.viewer_id : e.robot_id;
    return self == peer.user_id && now < e.at + config_.late_ms &&
           (signal.peer_id.empty () ? other == signal.to
                                    : e.peer_id == signal.peer_id);
  });
}

void
Hub::on_offer (Peer &peer, const Message &message, Signal signal, TimeMs now)
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
Hub::choose_robot (const Peer &peer, const std::string &to,
    const ViewerAnswer &answer, TimeMs now, std::optional<Window> *window,
    ErrorMessage *error) const
{
  bool unlimited = peer.unlimited ();
  auto window_for = [&] (const std::string &id, const std::string &type) {
    return unlimited ? std::optional<Window> (admin_window (now))
                     : open_window (answer.bookings, id, type, now);
  };
  auto it = robots_.find (to);
  bool online = it != robots_.end () && it->second.online ();
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
      if (robot.online () && robot.type == wanted &&
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
Hub::admit (Peer &peer, const Message &message, const Signal &signal,
    const ViewerAnswer &answer, TimeMs now)
{
  if (!answer.available) {
    ErrorMessage error{"unavailable", "bookings cannot be checked now"};
    error.to = signal.to;
    error.retry_after_ms = 5000;
    return fail (peer, message, error);
  }
  if (!answer.allowed)
    return fail (peer, message, {"unauthorized", answer.why (), "", signal.to});
  take_role (peer, answer);
  if (!peer.anonymous && !peer.unlimited ())
    peer.bookings = answer.bookings;
  std::optional<Window> window;
  ErrorMessage error;
  std::string robot_id =
      choose_robot (peer, signal.to, answer, now, &window, &error);
  update_presence (peer, now);
  if (robot_id.empty ())
    return fail (peer, message, error);
  bool watches =
      running_session (peer, robot_id, signal.peer_id) != sessions_.end ();
  const char *full = watches ? nullptr : no_place (peer, robot_id);
  if (full)
    return fail (peer, message, {"busy", full, "", signal.to});
  auto chosen = robots_.find (robot_id);
  if (chosen != robots_.end () &&
      too_slow (peer, message, signal, chosen->second.holder.socket))
    return;
  Session &session =
      open_session (peer, robot_id, signal.peer_id, *window, now);
  ++counters_.offers_admitted;
  if (log_)
    log_->limited_for (peer.user_id, LogLevel::Info, "session-admitted",
        {{"peer", session.entry.peer_id}, {"user", peer.user_id},
            {"robot", robot_id}, {"role", session.entry.role},
            {"expires-at", std::to_string (session.window.ends_at)},
            {"address", peer.info.address}});
  Signal forward;
  forward.kind = SignalKind::Offer;
  forward.from = peer.user_id;
  forward.peer_id = session.entry.peer_id;
  forward.offer_id = session.entry.offer_id;
  forward.body = signal.body;
  forward.sdp = signal.sdp;
  forward.session = terms (session, now, true);
  emit (link (session.entry), signal_payload (forward), peer.user_id);
  if (!message.ack_id)
    return;
  JsonWriter w;
  w.object ().field ("ok", true).field ("peerId", session.entry.peer_id);
  w.field ("robotId", robot_id).key ("session").object ();
  w.field ("role", session.entry.role);
  SessionTerms told = terms (session, now, false);
  w.field ("notBefore", told.not_before).field ("expiresAt", told.expires_at);
  w.field ("serverTime", now).end ().end ();
  succeed (peer, message, w.text ());
}

// Why one more session finds no place on the robot, or null. Administrators
// have as many places of their own: no viewer keeps them out. Anonymous viewers
// call themselves what they like, so they are not counted by name.
const char *
Hub::no_place (const Peer &peer, const std::string &robot_id) const
{
  const bool admin = peer.role == "admin";
  std::size_t watching = 0;
  std::size_t own = 0;
  auto ids = by_robot_.find (robot_id);
  if (ids == by_robot_.end ())
    return nullptr;
  for (const std::string &id : ids->second) {
    const Session &session = sessions_.at (id);
    if (session.ending () || (session.entry.role == "admin") != admin)
      continue;
    ++watching;
    own += session.entry.viewer_id == peer.user_id;
  }
  if (watching >= config_.max_viewers)
    return "too many viewers watch this robot";
  if (!admin && !peer.anonymous && own >= config_.max_sessions_per_user)
    return "you watch this robot too often already";
  return nullptr;
}

// The one that an offer goes on with.
Hub::Sessions::iterator
Hub::running_session (const Peer &peer, const std::string &robot_id,
    const std::string &wanted_peer_id)
{
  auto it = sessions_.find (wanted_peer_id);
  // A reload or an ICE restart goes on with its peer, on whatever socket the
  // same viewer has now.
  bool own = it != sessions_.end () && !it->second.ending () &&
             it->second.entry.viewer_id == peer.user_id &&
             it->second.entry.robot_id == robot_id;
  if (own)
    return it;
  for (auto s : listed (by_viewer_, peer.user_id))
    if (s->second.viewer_socket == peer.socket && !s->second.ending () &&
        s->second.entry.robot_id == robot_id)
      return s;
  return sessions_.end ();
}

Hub::Session &
Hub::open_session (Peer &peer, const std::string &robot_id,
    const std::string &wanted_peer_id, const Window &booked, TimeMs now)
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
    by_robot_[robot_id].insert (it->first);
    by_viewer_[peer.user_id].insert (it->first);
  }
  Session &session = it->second;
  SessionEntry &entry = session.entry;
  const Robot &robot = robots_.at (robot_id);
  if (entry.robot_instance != robot.holder.instance) {
    // Offered anew to another process of the robot: the one before shuts its
    // branch.
    const std::string before = entry.robot_instance;
    emit (link (entry),
        session_ended_payload (entry.peer_id, robot_id, "replaced"));
    entry.robot_instance = robot.holder.instance;
    close_if_idle (robot_id, before, now);
  }
  // Not that of the first offer: the robot lets a viewer drive.
  entry.role = peer.role == "admin" ? "admin" : "viewer";
  entry.anonymous = peer.anonymous;
  entry.viewer_instance = peer.instance;
  entry.robot_type = robot.type;
  entry.offer_id = new_id ();
  session.viewer_socket = peer.socket;
  session.serial = next_serial_++;
  session.window = granted (booked, session.unlimited (), now);
  session.booked_until =
      session.unlimited () ? session.window.ends_at : booked.ends_at;
  session.warned = false;
  entry.expires_at = session.window.ends_at;
  entry.granted_until = std::max (entry.granted_until, entry.expires_at);
  use_login (session, peer);
  wake_at (due_at (session));
  return session;
}

} // namespace robotlive::server
