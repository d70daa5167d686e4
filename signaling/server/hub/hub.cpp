// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/hub/hub.hpp"
#include "protocol/json.hpp"
#include <algorithm>

namespace robotlive::server {

bool
Hub::Peer::unlimited () const
{
  return anonymous || role == "admin";
}

Hub::Hub (SocketServer &sockets, Backend &backend, HubConfig config,
    Authenticate authenticate, IceServers ice_servers)
    : sockets_ (sockets), backend_ (backend), config_ (config),
      authenticate_ (std::move (authenticate)),
      ice_servers_ (std::move (ice_servers))
{
}

void
Hub::emit (SocketId socket, std::string payload, std::string_view sender)
{
  if (socket != 0)
    sockets_.emit (socket,
        std::make_shared<const std::string> (std::move (payload)), sender);
}

Hub::Peer *
Hub::find (SocketId socket)
{
  auto it = peers_.find (socket);
  return it == peers_.end () ? nullptr : &it->second;
}

// Nobody hears of it but those in its rooms.
void
Hub::forget (SocketId socket)
{
  auto it = peers_.find (socket);
  if (it == peers_.end ())
    return;
  Peer &peer = it->second;
  while (!peer.rooms.empty ())
    leave_room (peer, *peer.rooms.begin ());
  auto viewer = viewers_.find (peer.user_id);
  if (viewer != viewers_.end ()) {
    viewer->second.erase (socket);
    if (viewer->second.empty ())
      viewers_.erase (viewer);
  }
  peers_.erase (it);
}

void
Hub::wake_at (TimeMs at)
{
  next_deadline_ = std::min (next_deadline_, at);
}

void
Hub::connect (SocketId socket, const HandshakeInfo &info, std::string_view auth,
    TimeMs now)
{
  std::string token = parse_auth_token (auth);
  if (token.empty ())
    token = info.bearer;
  Peer peer;
  peer.socket = socket;
  peer.info = info;
  peer.connected_at = now;
  if (!token.empty ()) {
    Identity identity;
    TokenError error = authenticate_ (token, now, &identity);
    if (error != TokenError::None) {
      count_refusal (peer, "unauthorized", "connect", "");
      JsonWriter w;
      w.object ().field ("message", token_error_text (error));
      w.key ("data").object ().field ("code", "unauthorized").end ();
      sockets_.reject (socket, w.end ().text ());
      return;
    }
    peer.identity = identity;
    peer.token = token;
  }
  bool known = peer.identity.has_value ();
  peers_.emplace (socket, std::move (peer));
  wake_at (now + config_.register_limit_ms);
  sockets_.accept (socket);
  if (known)
    sockets_.trust (socket);
}

void
Hub::count_refusal (const Peer &peer, const std::string &code,
    std::string_view event, std::string_view to)
{
  ++counters_.refusals[code];
  if (on_refused_)
    on_refused_ (peer.identity ? peer.identity->subject : "", peer.info.address,
        code, std::string (event), std::string (to));
  if (!log_)
    return;
  bool suspicious = code == "unauthorized" || code == "forbidden";
  // Who it is by the token, not by what it says.
  log_->limited (suspicious ? LogLevel::Warning : LogLevel::Info, "refused",
      {{"code", code}, {"message", event},
          {"user", peer.identity ? peer.identity->subject : ""}, {"to", to},
          {"address", peer.info.address}});
}

void
Hub::fail (Peer &peer, const Message &message, ErrorMessage error)
{
  count_refusal (peer, error.code, message.name, error.to);
  error.event = message.name;
  emit (peer.socket, error_payload (error));
  if (message.ack_id) {
    JsonWriter w;
    w.array ().object ().field ("ok", false).field ("code", error.code);
    w.field ("message", error.message).end ().end ();
    sockets_.ack (peer.socket, *message.ack_id, w.text ());
  }
}

void
Hub::succeed (Peer &peer, const Message &message, std::string_view json)
{
  if (message.ack_id)
    sockets_.ack (peer.socket, *message.ack_id, "[" + std::string (json) + "]");
}

void
Hub::event (SocketId socket, const Event &event, TimeMs now)
{
  Peer *peer = find (socket);
  if (!peer)
    return;
  Message message;
  message.name = std::string (event.name.substr (0, max_id_length));
  std::string_view argument =
      event.arguments.empty () ? std::string_view () : event.arguments[0];
  message.ack_id = event.ack_id;
  message.binary = event.binary;
  std::size_t most = peer->identity ? config_.max_waiting_bytes
                                    : config_.max_untrusted_waiting_bytes;
  bool may_run = peer->state == State::Registered || message.name == "register";
  if (!peer->busy && may_run) {
    message.parsed = event.first;
    dispatch (*peer, message, argument, now);
  } else if (peer->waiting.size () >= config_.max_waiting ||
             peer->waiting_bytes + argument.size () > most) {
    fail (*peer, message, {"busy", "too many messages before an answer"});
  } else {
    peer->waiting_bytes += argument.size ();
    message.argument = argument;
    peer->waiting.push_back (std::move (message));
    wake_at (now + config_.register_wait_ms);
  }
}

void
Hub::dispatch (
    Peer &peer, const Message &message, std::string_view argument, TimeMs now)
{
  if (message.binary)
    fail (peer, message, {"bad-message", "no event takes binary data"});
  else if (message.name == "register")
    on_register (peer, message, argument, now);
  else if (message.name == "join-room")
    on_join_room (peer, message, argument, now);
  else if (signal_kind (message.name))
    on_signal (peer, message, argument, now);
  else
    fail (peer, message, {"bad-message", "there is no such event"});
}

// After an answer of the backend: what came meanwhile, in order.
void
Hub::drain (SocketId socket, TimeMs now)
{
  for (;;) {
    Peer *peer = find (socket);
    if (!peer || peer->busy || peer->state != State::Registered ||
        peer->waiting.empty ())
      return;
    Message message = std::move (peer->waiting.front ());
    peer->waiting.pop_front ();
    peer->waiting_bytes -= message.argument.size ();
    dispatch (*peer, message, message.argument, now);
  }
}

void
Hub::refuse_waiting (Peer &peer)
{
  std::deque<Message> waiting;
  waiting.swap (peer.waiting);
  peer.waiting_bytes = 0;
  for (const Message &message : waiting)
    fail (peer, message, {"unauthorized", "register first"});
}

void
Hub::refuse_register (Peer &peer, const Message &message, const char *code,
    const std::string &text, bool close, RegisteredMessage answer)
{
  count_refusal (peer, code, "register", "");
  answer.user_id = peer.user_id;
  answer.user_type = peer.robot ? "robot" : "viewer";
  answer.code = code;
  answer.message = text;
  SocketId socket = peer.socket;
  emit (socket, registered_payload (answer));
  if (message.ack_id) {
    JsonWriter w;
    w.array ().object ().field ("ok", false).field ("code", code);
    w.field ("message", text).end ().end ();
    sockets_.ack (socket, *message.ack_id, w.text ());
  }
  if (!close)
    return;
  refuse_waiting (peer);
  forget (socket);
  sockets_.disconnect (socket);
}

void
Hub::on_register (
    Peer &peer, const Message &message, std::string_view argument, TimeMs now)
{
  RegisterMessage m;
  std::string error;
  if (!parse_register (argument, &m, &error)) {
    // Said both ways: to a client that waits for "registered", and to one
    // that shows "error".
    fail (peer, message, {"bad-message", error});
    Message quiet;
    refuse_register (peer, quiet, "bad-message", error, false);
    return;
  }
  if (peer.state == State::Registered) {
    bool same =
        m.user_id == peer.user_id && (m.user_type == "robot") == peer.robot;
    if (!same)
      return fail (
          peer, message, {"forbidden", "already registered as another"});
    RegisteredMessage answer;
    peer.named = m.peers;
    if (peer.robot && peer.lists)
      compare_lists (peer, false, &answer, now);
    else if (!peer.robot && !peer.instance.empty ())
      answer.sessions = take_up (peer, now);
    return finish_register (peer, message, std::move (answer), now);
  }
  peer.user_id = m.user_id;
  peer.robot = m.user_type == "robot";
  peer.robot_type = m.robot_type;
  peer.instance = m.instance;
  peer.named = m.peers;
  peer.lists = m.peers && !m.instance.empty ();
  if (!peer.identity && !m.token.empty ()) {
    Identity identity;
    TokenError token_error = authenticate_ (m.token, now, &identity);
    if (token_error != TokenError::None)
      return refuse_register (
          peer, message, "unauthorized", token_error_text (token_error), true);
    peer.identity = identity;
    peer.token = m.token;
  }
  if (!peer.identity && config_.allow_anonymous) {
    Identity identity;
    identity.subject = m.user_id;
    identity.role = peer.robot ? "robot" : "viewer";
    peer.identity = identity;
    peer.anonymous = true;
  }
  if (!peer.identity)
    return refuse_register (
        peer, message, "unauthorized", "a token is needed", true);
  if (peer.identity->expires_at <= now)
    return refuse_register (
        peer, message, "unauthorized", "the token has expired", true);
  if (peer.identity->subject != m.user_id ||
      (peer.identity->role == "robot") != peer.robot)
    return refuse_register (
        peer, message, "forbidden", "the token is for another", true);
  if (!take_place (peer))
    return refuse_register (
        peer, message, "busy", "too many connections of this user", true);
  peer.state = State::Registering;
  peer.busy = true;
  if (peer.robot)
    register_robot (peer, message);
  else
    register_viewer (peer, message);
}

// Robots have one connection by their nature; anonymous viewers call themselves
// what they like.
bool
Hub::take_place (Peer &peer)
{
  if (peer.robot || peer.anonymous)
    return true;
  if (places_.size () > 2 * peers_.size () + 100)
    for (auto it = places_.begin (); it != places_.end ();)
      it = it->second.expired () ? places_.erase (it) : std::next (it);
  std::weak_ptr<bool> &place = places_[peer.user_id];
  if (place.use_count () >= static_cast<long> (config_.max_sockets_per_user))
    return false;
  peer.place = place.lock ();
  if (!peer.place)
    place = peer.place = std::make_shared<bool> (true);
  return true;
}

void
Hub::register_viewer (Peer &peer, const Message &message)
{
  auto reply = [this, alive = std::weak_ptr<bool> (alive_),
                   socket = peer.socket,
                   message] (const ViewerAnswer &answer, TimeMs now) {
    Peer *p = alive.expired () ? nullptr : find (socket);
    if (!p)
      return;
    p->busy = false;
    if (!answer.allowed)
      return refuse_register (*p, message, "unauthorized", answer.why (), true);
    take_role (*p, answer);
    p->bookings = answer.bookings;
    viewers_[p->user_id].insert (socket);
    RegisteredMessage registered;
    if (!p->instance.empty ()) {
      // What was cancelled meanwhile is not taken up.
      if (!p->anonymous && answer.available)
        for (auto session : listed (by_viewer_, p->user_id))
          apply (session, answer, now);
      registered.sessions = take_up (*p, now);
    }
    finish_register (*p, message, std::move (registered), now);
    update_presence (*p, now);
    drain (socket, now);
  };
  if (peer.anonymous)
    reply (ViewerAnswer (), peer.connected_at);
  else
    backend_.find_viewer (*peer.identity, peer.token, "", reply);
}

// The sessions of the same page, which is back on another link. One that
// another socket has is taken if the page names it: a copy of a page has its
// instance as well.
std::vector<RunningSession>
Hub::take_up (Peer &peer, TimeMs now)
{
  std::vector<RunningSession> running;
  for (auto it : listed (by_viewer_, peer.user_id)) {
    Session &session = it->second;
    const SessionEntry &entry = session.entry;
    if (session.ending () || entry.viewer_instance != peer.instance)
      continue;
    bool named =
        !peer.named || std::any_of (peer.named->begin (), peer.named->end (),
                           [&entry] (const NamedPeer &n) {
                             return n.peer_id == entry.peer_id;
                           });
    if (!named && session.viewer_socket != 0 &&
        session.viewer_socket != peer.socket)
      continue;
    session.viewer_socket = peer.socket;
    use_login (session, peer);
    RunningSession r;
    r.peer_id = entry.peer_id;
    r.robot_id = entry.robot_id;
    r.state = state (entry);
    r.terms = terms (session, now, false);
    running.push_back (std::move (r));
  }
  return running;
}

// What the page named and does not have any more: why, if that is known.
void
Hub::tell_ended (Peer &peer, const std::vector<RunningSession> &running)
{
  if (!peer.named)
    return;
  for (const NamedPeer &named : *peer.named) {
    if (std::any_of (running.begin (), running.end (),
            [&named] (const RunningSession &r) {
              return r.peer_id == named.peer_id;
            }))
      continue;
    std::string robot, reason = "unknown";
    auto it = sessions_.find (named.peer_id);
    if (it != sessions_.end () && it->second.entry.viewer_id == peer.user_id) {
      robot = it->second.entry.robot_id;
      reason = it->second.ending () ? it->second.entry.ending : "replaced";
    }
    for (const Ended &e : ended_)
      if (e.peer_id == named.peer_id && e.viewer_id == peer.user_id) {
        robot = e.robot_id;
        reason = e.reason;
      }
    emit (peer.socket, session_ended_payload (named.peer_id, robot, reason));
  }
}

void
Hub::finish_register (
    Peer &peer, const Message &message, RegisteredMessage answer, TimeMs now)
{
  peer.state = State::Registered;
  sockets_.trust (peer.socket);
  answer.success = true;
  answer.user_id = peer.user_id;
  answer.user_type = peer.robot ? "robot" : "viewer";
  answer.server_time = now;
  TimeMs relay_until = relay_end (peer, now);
  answer.ice_servers =
      ice_servers_ (relay_until > now ? peer.user_id : "", now, relay_until);
  if (!peer.robot && config_.robot_relay_ms > 0)
    answer.ice_refresh_ms = config_.viewer_relay_ms / 2;
  wake_at (peer.identity->expires_at);
  // Only ours takes a second "registered" for what it is.
  if (peer.robot && !peer.instance.empty () && config_.robot_relay_ms > 0)
    peer.relay_renew_at = now + config_.robot_relay_ms / 2;
  wake_at (peer.relay_renew_at);
  emit (peer.socket, registered_payload (answer));
  if (!peer.robot && answer.sessions)
    tell_ended (peer, *answer.sessions);
  peer.named.reset ();
  succeed (peer, message);
}

void
Hub::disconnect (SocketId socket, std::string_view reason, TimeMs now)
{
  Peer *peer = find (socket);
  if (!peer)
    return; // replaced or refused: all is done
  const Peer gone = *peer;
  const bool goodbye = reason == "client namespace disconnect";
  forget (socket);
  if (gone.state != State::Registered)
    return;
  if (!gone.robot)
    return viewer_gone (gone, goodbye, now);
  auto robot = robots_.find (gone.user_id);
  if (robot == robots_.end ())
    return;
  Process *process = robot->second.find (gone.instance);
  if (process && process->socket == socket)
    process_gone (gone.user_id, robot->second, *process, goodbye, now);
}

std::size_t
Hub::registered () const
{
  return std::count_if (peers_.begin (), peers_.end (),
      [] (const auto &p) { return p.second.state == State::Registered; });
}

void
Hub::tick_peer (Peer &peer, TimeMs now, std::vector<SocketId> *late,
    std::vector<SocketId> *over)
{
  check_token_end (peer, now, over);
  renew_relay (peer, now);
  if (peer.state == State::Connected) {
    if (now >= peer.connected_at + config_.register_limit_ms)
      late->push_back (peer.socket);
    else
      wake_at (peer.connected_at + config_.register_limit_ms);
    if (!peer.waiting.empty ()) {
      if (now >= peer.connected_at + config_.register_wait_ms)
        refuse_waiting (peer);
      else
        wake_at (peer.connected_at + config_.register_wait_ms);
    }
  }
  // Not of everybody each time: strangers and offers make many ticks. A clock
  // that was set back changes what is open.
  if (now >= peer.presence_until || now < peer.presence_at)
    update_presence (peer, now);
  else
    wake_at (peer.presence_until);
}

void
Hub::tick (TimeMs now)
{
  next_deadline_ = kNever;
  std::vector<SocketId> late, over;
  for (auto &[socket, peer] : peers_)
    tick_peer (peer, now, &late, &over);
  for (SocketId socket : over)
    cut_off (socket, "the token has expired", now);
  Message none;
  for (SocketId socket : late)
    if (Peer *peer = find (socket))
      refuse_register (
          *peer, none, "unauthorized", "register was not sent in time", true);
  tick_robots (now);
  tick_sessions (now);
}

} // namespace robotlive::server
