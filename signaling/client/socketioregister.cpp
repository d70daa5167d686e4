// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SocketIoClient's part for its place at the server: the registration, what
// becomes of its sessions by that, and another process that has the place.
#include "client/socketioimpl.hpp"
#include <algorithm>

namespace robotlive {

std::string
quoted (const std::string &name, const char *verb, std::string text)
{
  if (text.empty ())
    text = "no reason given";
  if (text.find_last_of (".!?") != text.size () - 1)
    text += '.';
  return name + " " + verb + ": " + text;
}

void
SocketIoClient::send_register ()
{
  RegisterMessage message;
  message.user_id = options_.robot_id;
  message.user_type = "robot";
  message.token = token_;
  message.robot_type = options_.robot_type;
  message.instance = instance_;
  message.peers.emplace ();
  named_peers_.clear ();
  for (const std::string &peer_id : listener_->serving ()) {
    if (peer_id.compare (0, kLegacyPrefix.size (), kLegacyPrefix) == 0 ||
        named_peers_.size () >= max_named_peers)
      continue;
    named_peers_.push_back (peer_id);
    message.peers->push_back ({peer_id, offers_.of (peer_id).id});
  }
  link_->send (socketio::encode_event ("/", register_payload (message)));
}

void
SocketIoClient::handle_registered (std::string_view json)
{
  RegisteredMessage message;
  std::string why;
  if (!parse_registered (json, &message, &why)) {
    lost ({"bad-server",
        endpoint_->name + " sent a registration that cannot be read: " + why});
    return;
  }
  if (!message.success) {
    if (message.code == "replaced")
      replaced (message.instance, message.address, message.retry_after_ms);
    lost ({message.code.empty () ? "unauthorized" : message.code,
        quoted (endpoint_->name, "refuses the robot", message.message)});
    return;
  }
  // Said again: new passwords of the TURN servers.
  if (state_ == LinkState::Registered)
    return listener_->on_registered (message.ice_servers, message.server_time);
  register_deadline_.stop ();
  state_ = LinkState::Registered;
  for (const std::string &room : options_.rooms)
    emit (join_room_payload (room));
  flush ();
  if (state_ != LinkState::Registered)
    return; // more waited than the server takes, and the link is gone
  if (message.standby)
    replaced (message.instance, message.address, message.retry_after_ms);
  else
    displacement_.end ();
  lists_sessions_ = message.sessions.has_value ();
  stable_.start (options_.stable_after, [this] {
    backoff_.reset ();
    told_.clear ();
    if (displacement_.displaced ())
      told_.insert ("replaced");
  });
  listener_->on_link_state (state_);
  if (listener_)
    listener_->on_registered (message.ice_servers, message.server_time);
  if (listener_ && lists_sessions_)
    take_sessions (message);
}

// What is not in the list has ended while we were away.
void
SocketIoClient::take_sessions (const RegisteredMessage &message)
{
  const auto named = std::move (named_peers_);
  named_peers_.clear ();
  listener_->on_sessions (*message.sessions, message.ended);
  for (const std::string &peer_id : named) {
    const auto same = [&peer_id] (const auto &entry) {
      return entry.peer_id == peer_id;
    };
    if (std::any_of (
            message.sessions->begin (), message.sessions->end (), same))
      continue;
    const auto ended =
        std::find_if (message.ended.begin (), message.ended.end (), same);
    confirm_end (peer_id, ended == message.ended.end () ? "" : ended->reason);
  }
}

void
SocketIoClient::confirm_end (
    const std::string &peer_id, const std::string &reason)
{
  // The listener may have stopped us, or the link may be gone.
  if (listener_ && lists_sessions_ && state_ == LinkState::Registered)
    send_leave (offers_.of (peer_id).viewer, peer_id,
        reason.empty () ? "revoked" : reason);
  offers_.forget (peer_id);
}

// The place is another process's. It is told once for each of them.
void
SocketIoClient::replaced (const std::string &instance,
    const std::string &address, const std::optional<TimeMs> &retry_after_ms)
{
  if (displacement_.begin (instance, retry_after_ms))
    told_.erase ("replaced");
  const auto or_unknown = [] (const std::string &text) {
    return text.empty () ? std::string ("unknown") : text;
  };
  report ("replaced",
      endpoint_->name + " has another process of the robot \"" +
          options_.robot_id + "\" (instance " + or_unknown (instance) +
          ", address " + or_unknown (address) + ", ours is " + instance_ +
          "): it gets the viewers, and this one tries again in some minutes. "
          "Stop one of the two, or give it a robot id of its own.");
}

void
SocketIoClient::handle_session (const std::string &event, std::string_view json)
{
  SessionMessage message;
  std::string why;
  if (!parse_session (json, &message, &why) || message.peer_id.empty ()) {
    not_understood (event.c_str (), why);
    return;
  }
  if (event == "session-ended") {
    listener_->on_session_ended (message.peer_id, message.reason);
    confirm_end (message.peer_id, message.reason);
  } else if (message.terms) {
    listener_->on_session_updated (message.peer_id, *message.terms);
  }
}

void
SocketIoClient::handle_error (std::string_view json)
{
  ErrorMessage message;
  std::string why;
  if (!parse_error (json, &message, &why)) {
    not_understood ("error", why);
    return;
  }
  if (message.code == "replaced")
    replaced (message.instance, message.address, message.retry_after_ms);
  else
    report (message.code, quoted (endpoint_->name, "says", message.message));
}

} // namespace robotlive
