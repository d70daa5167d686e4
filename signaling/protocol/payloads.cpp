// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The writing half of messages.hpp.
#include "protocol/json.hpp"
#include "protocol/messages.hpp"

namespace robotlive {

namespace {

void
append_terms (JsonWriter &w, const SessionTerms &terms)
{
  w.key ("session").object ();
  w.field ("role", terms.role)
      .field ("notBefore", terms.not_before)
      .field ("expiresAt", terms.expires_at)
      .field ("serverTime", terms.server_time);
  if (!terms.grant.empty ())
    w.field ("grant", terms.grant);
  w.end ();
}

void
optional_field (JsonWriter &w, const char *name, const std::string &text)
{
  if (!text.empty ())
    w.field (name, text);
}

JsonWriter
event (std::string_view name)
{
  JsonWriter w;
  w.array ().value (name).object ();
  return w;
}

void
append_ice_servers (JsonWriter &w, const std::vector<IceServer> &servers)
{
  w.array ();
  for (const IceServer &server : servers) {
    w.object ().key ("urls").array ();
    for (const std::string &url : server.urls)
      w.value (url);
    w.end ();
    optional_field (w, "username", server.username);
    optional_field (w, "credential", server.credential);
    w.end ();
  }
  w.end ();
}

void
append_sessions (JsonWriter &w, const RegisteredMessage &message)
{
  w.key ("sessions").array ();
  for (const RunningSession &session : *message.sessions) {
    w.object ().field ("peerId", session.peer_id);
    optional_field (w, "offerId", session.offer_id);
    optional_field (w, "robotId", session.robot_id);
    optional_field (w, "state", session.state);
    if (session.terms)
      append_terms (w, *session.terms);
    w.end ();
  }
  w.end ();
  if (message.ended.empty ())
    return;
  w.key ("ended").array ();
  for (const EndedPeer &ended : message.ended) {
    w.object ().field ("peerId", ended.peer_id);
    w.field ("reason", ended.reason).end ();
  }
  w.end ();
}

} // namespace

std::string
register_payload (const RegisterMessage &message)
{
  JsonWriter w = event ("register");
  w.field ("userId", message.user_id).field ("userType", message.user_type);
  optional_field (w, "token", message.token);
  optional_field (w, "robotType", message.robot_type);
  optional_field (w, "instance", message.instance);
  if (message.peers) {
    w.key ("peers").array ();
    for (const NamedPeer &peer : *message.peers) {
      w.object ().field ("peerId", peer.peer_id);
      optional_field (w, "offerId", peer.offer_id);
      w.end ();
    }
    w.end ();
  }
  return w.end ().end ().take ();
}

std::string
join_room_payload (std::string_view room_id)
{
  return event ("join-room").field ("roomId", room_id).end ().end ().take ();
}

std::string
signal_payload (const Signal &signal)
{
  JsonWriter w = event (signal_name (signal.kind));
  w.reserve (signal.body.size () + 256);
  optional_field (w, "to", signal.to);
  optional_field (w, "from", signal.from);
  if (signal.kind == SignalKind::Candidate) {
    w.key ("candidate");
    if (!signal.body.empty ())
      w.raw (signal.body);
    else if (signal.candidate.candidate.empty ())
      w.null ();
    else {
      w.object ().field ("candidate", signal.candidate.candidate);
      optional_field (w, "sdpMid", signal.candidate.sdp_mid);
      w.field (
          "sdpMLineIndex", std::uint64_t{signal.candidate.sdp_m_line_index});
      optional_field (
          w, "usernameFragment", signal.candidate.username_fragment);
      w.end ();
    }
  } else if (signal.kind == SignalKind::Leave) {
    optional_field (w, "reason", signal.reason);
  } else if (signal.kind == SignalKind::Limit) {
    w.field ("limit", signal.limit);
  } else {
    const char *type = signal_name (signal.kind);
    w.key (type);
    if (!signal.body.empty ())
      w.raw (signal.body);
    else
      w.object ().field ("type", type).field ("sdp", signal.sdp).end ();
  }
  optional_field (w, "peerId", signal.peer_id);
  optional_field (w, "offerId", signal.offer_id);
  if (signal.session)
    append_terms (w, *signal.session);
  return w.end ().end ().take ();
}

std::string
registered_payload (const RegisteredMessage &message)
{
  JsonWriter w = event ("registered");
  w.field ("success", message.success)
      .field ("userId", message.user_id)
      .field ("userType", message.user_type);
  if (message.success) {
    w.key ("iceServers");
    append_ice_servers (w, message.ice_servers);
  }
  if (message.server_time)
    w.field ("serverTime", *message.server_time);
  if (message.ice_refresh_ms > 0)
    w.field ("iceRefreshMs", message.ice_refresh_ms);
  optional_field (w, "code", message.code);
  optional_field (w, "message", message.message);
  if (message.standby)
    w.field ("standby", true);
  optional_field (w, "instance", message.instance);
  optional_field (w, "address", message.address);
  if (message.retry_after_ms)
    w.field ("retryAfterMs", *message.retry_after_ms);
  if (message.sessions)
    append_sessions (w, message);
  return w.end ().end ().take ();
}

std::string
session_updated_payload (std::string_view peer_id, const SessionTerms &terms)
{
  JsonWriter w = event ("session-updated");
  w.field ("peerId", peer_id);
  append_terms (w, terms);
  return w.end ().end ().take ();
}

std::string
session_expiring_payload (std::string_view peer_id, std::string_view robot_id,
    TimeMs expires_at, TimeMs server_time)
{
  return event ("session-expiring")
      .field ("peerId", peer_id)
      .field ("robotId", robot_id)
      .field ("expiresAt", expires_at)
      .field ("serverTime", server_time)
      .end ()
      .end ()
      .take ();
}

std::string
session_ended_payload (std::string_view peer_id, std::string_view robot_id,
    std::string_view reason)
{
  return event ("session-ended")
      .field ("peerId", peer_id)
      .field ("robotId", robot_id)
      .field ("reason", reason)
      .end ()
      .end ()
      .take ();
}

std::string
error_payload (const ErrorMessage &message)
{
  JsonWriter w = event ("error");
  w.field ("code", message.code).field ("message", message.message);
  optional_field (w, "event", message.event);
  optional_field (w, "to", message.to);
  optional_field (w, "instance", message.instance);
  optional_field (w, "address", message.address);
  if (message.retry_after_ms)
    w.field ("retryAfterMs", *message.retry_after_ms);
  if (message.next_booking) {
    w.key ("nextBooking").object ();
    w.field ("startsAt", message.next_booking->starts_at);
    if (message.next_booking->ends_at != 0)
      w.field ("endsAt", message.next_booking->ends_at);
    w.end ();
  }
  return w.end ().end ().take ();
}

std::string
robot_available_payload (std::string_view robot_id, std::string_view robot_type)
{
  JsonWriter w = event ("robot-available");
  w.field ("userId", robot_id);
  if (!robot_type.empty ())
    w.field ("robotType", robot_type);
  return w.end ().end ().take ();
}

std::string
robot_unavailable_payload (std::string_view robot_id)
{
  return event ("robot-unavailable")
      .field ("userId", robot_id)
      .end ()
      .end ()
      .take ();
}

std::string
joined_room_payload (std::string_view room_id)
{
  return event ("joined-room").field ("roomId", room_id).end ().end ().take ();
}

std::string
user_presence_payload (std::string_view event_name, std::string_view user_id,
    std::string_view user_type)
{
  return event (event_name)
      .field ("userId", user_id)
      .field ("userType", user_type)
      .end ()
      .end ()
      .take ();
}

std::string
ice_servers_json (const std::vector<IceServer> &servers)
{
  JsonWriter w;
  append_ice_servers (w, servers);
  return w.take ();
}

} // namespace robotlive
