// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/messages.hpp"
#include "protocol/json.hpp"
#include <simdjson.h>

namespace robotlive {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// In the order of SignalKind.
constexpr std::string_view signal_names[] = {
    "offer", "answer", "ice-candidate", "leave", "picture-limit"};
static_assert (std::size (signal_names) ==
               static_cast<std::size_t> (SignalKind::Limit) + 1);

// Reads the fields of one JSON object; the first thing that does not fit makes
// every later read a no-op, so that the caller checks once.
class Reader
{
public:
  Reader (std::string_view json, std::string *error) : error_ (error)
  {
    error_->clear ();
    if (json.empty () ||
        json_parser ().parse (json.data (), json.size ()).get (root_) ||
        !root_.is_object ())
      fail ("the payload is not a JSON object");
  }
  explicit Reader (element root, std::string *error)
      : root_ (root), error_ (error)
  {
    if (!root.is_object ())
      fail ("a nested value is not a JSON object");
  }

  bool ok () const { return error_->empty (); }
  void fail (const std::string &sentence)
  {
    if (error_->empty ())
      *error_ = sentence;
  }

  // Absent and null are the same: an element of type NULL_VALUE.
  bool find (const char *name, element *out)
  {
    return ok () && !root_[name].get (*out) &&
           out->type () != element_type::NULL_VALUE;
  }

  // Until the next parse on this thread; empty if it is not there.
  std::string_view string (const char *name, std::size_t max, bool required)
  {
    element value;
    std::string_view text;
    if (!find (name, &value)) {
      if (required)
        fail (std::string ("\"") + name + "\" is missing");
    } else if (value.get (text)) {
      fail (std::string ("\"") + name + "\" is not a string");
    } else if (text.size () > max) {
      fail (std::string ("\"") + name + "\" is too long");
    } else if (required && text.empty ()) {
      fail (std::string ("\"") + name + "\" is empty");
    }
    return ok () ? text : std::string_view ();
  }

  // Leaves *out as it is if there is none.
  void string (
      const char *name, std::string *out, std::size_t max, bool required)
  {
    std::string_view text = string (name, max, required);
    if (text.data ())
      out->assign (text);
  }

  // Console peers send numeric user ids: taken as their decimal string.
  void id (const char *name, std::string *out, bool required)
  {
    element value;
    std::int64_t number;
    if (find (name, &value) && !value.get (number))
      *out = std::to_string (number);
    else
      string (name, out, max_id_length, required);
    for (unsigned char c : *out)
      if (c < 0x20 || c == 0x7f)
        fail (std::string ("\"") + name + "\" has control characters");
  }

  void time (const char *name, TimeMs *out, bool required)
  {
    element value;
    if (!find (name, &value)) {
      if (required)
        fail (std::string ("\"") + name + "\" is missing");
      return;
    }
    double number; // integers come as doubles from some JSON libraries
    if (value.get (number) || !(number >= 0) || number > 9.0e15)
      return fail (std::string ("\"") + name + "\" is not a time");
    *out = static_cast<TimeMs> (number);
  }

private:
  element root_;
  std::string *error_;
};

void
read_terms (Reader &outer, std::optional<SessionTerms> *out, std::string *error)
{
  element value;
  if (!outer.find ("session", &value))
    return;
  SessionTerms terms;
  Reader reader (value, error);
  reader.string ("role", &terms.role, max_id_length, false);
  reader.time ("notBefore", &terms.not_before, false);
  reader.time ("expiresAt", &terms.expires_at, true);
  reader.time ("serverTime", &terms.server_time, true);
  reader.string ("grant", &terms.grant, max_token_length, false);
  if (reader.ok ())
    *out = terms;
}

void
read_description (Reader &outer, const char *type, bool relayed, Signal *out,
    std::string *error)
{
  element value;
  if (!outer.find (type, &value))
    return outer.fail (std::string ("\"") + type + "\" is missing");
  Reader reader (value, error);
  std::string got;
  reader.string ("type", &got, max_id_length, true);
  if (reader.ok () && got != type)
    reader.fail ("the description is not of the event's type");
  if (relayed)
    reader.string ("sdp", max_sdp_length, true);
  else
    reader.string ("sdp", &out->sdp, max_sdp_length, true);
}

void
read_candidate (Reader &outer, Signal *out, std::string *error)
{
  element value;
  if (!outer.find ("candidate", &value))
    return; // null: end of candidates
  std::string_view text;
  if (!value.get (text)) {
    if (!text.empty ())
      outer.fail ("\"candidate\" is neither an object nor null");
    return;
  }
  Reader reader (value, error);
  reader.string (
      "candidate", &out->candidate.candidate, max_candidate_length, false);
  reader.string ("sdpMid", &out->candidate.sdp_mid, max_id_length, false);
  reader.string ("usernameFragment", &out->candidate.username_fragment,
      max_reason_length, false);
  element index;
  std::uint64_t number = 0;
  if (reader.find ("sdpMLineIndex", &index)) {
    if (index.get (number) || number > 255)
      return reader.fail ("\"sdpMLineIndex\" is not a small integer");
    out->candidate.sdp_m_line_index = static_cast<unsigned> (number);
  }
}

// The members that are relayed, and the bytes of their values; nothing if there
// are others, or one twice.
std::optional<std::size_t>
named_bytes (
    const element &value, std::initializer_list<std::string_view> names)
{
  simdjson::dom::object members;
  if (value.get (members))
    return std::nullopt;
  std::size_t bytes = 0, found = 0;
  for (std::string_view name : names) {
    element member;
    std::string_view text;
    if (members[name].get (member))
      continue;
    found++;
    if (!member.get (text))
      bytes += text.size ();
    else if (member.is_object () || member.is_array ())
      return std::nullopt;
  }
  return found == members.size () ? std::optional<std::size_t> (bytes)
                                  : std::nullopt;
}

// What is relayed is what was read: the member's own text, or without a body
// what Signal has of it. Own text with other members, or blown up by blanks and
// escapes, is not passed on: it would be bounded by the packet alone.
void
read_body (Reader &reader, std::string_view json, const char *name, Signal *out)
{
  element value;
  if (!reader.find (name, &value) || !value.is_object ()) {
    out->body = "null";
    return;
  }
  const bool candidate = out->kind == SignalKind::Candidate;
  auto text = json_member (json, name);
  auto bytes =
      candidate ? named_bytes (value, {"candidate", "sdpMid", "sdpMLineIndex",
                                          "usernameFragment"})
                : named_bytes (value, {"type", "sdp"});
  if (!text)
    return reader.fail ("the names of members have escapes");
  if (bytes && text->size () <= 2 * *bytes + 256) {
    out->body = *text;
    return;
  }
  if (candidate)
    return;
  std::string_view sdp;
  if (value["sdp"].get (sdp) || json_string (sdp).size () > 2 * max_sdp_length)
    return reader.fail ("\"sdp\" is too long");
  out->sdp = sdp;
}

void
read_ice_servers (
    Reader &outer, std::vector<IceServer> *out, std::string *error)
{
  element value;
  simdjson::dom::array servers;
  if (!outer.find ("iceServers", &value))
    return;
  if (value.get (servers) || servers.size () > 16)
    return outer.fail ("\"iceServers\" is not a short array");
  for (element entry : servers) {
    Reader reader (entry, error);
    IceServer server;
    reader.string ("username", &server.username, 512, false);
    reader.string ("credential", &server.credential, 512, false);
    element urls;
    std::string_view url;
    simdjson::dom::array list;
    if (!reader.find ("urls", &urls))
      return reader.fail ("\"urls\" is missing");
    if (!urls.get (url)) {
      server.urls.emplace_back (url);
    } else if (!urls.get (list) && list.size () <= 16) {
      for (element item : list)
        if (!item.get (url))
          server.urls.emplace_back (url);
    }
    if (server.urls.empty ())
      return reader.fail ("\"urls\" has no address");
    if (!reader.ok ())
      return;
    out->push_back (std::move (server));
  }
}

// At most *max* entries; each is an object, or a string that *name* stands for.
template <typename Entry>
void
read_entries (
    Reader &outer, const char *name, std::size_t max, const Entry &read)
{
  element value;
  simdjson::dom::array list;
  if (!outer.find (name, &value))
    return;
  if (value.get (list) || list.size () > max)
    return outer.fail (std::string ("\"") + name + "\" is not a short array");
  for (element entry : list) {
    if (!outer.ok ())
      return;
    read (entry);
  }
}

// Absent and empty are two things: who names no peers at all is an old one.
void
read_peers (Reader &outer, std::optional<std::vector<NamedPeer>> *out,
    std::string *error)
{
  element value;
  if (!outer.find ("peers", &value))
    return;
  std::vector<NamedPeer> peers;
  read_entries (outer, "peers", max_named_peers, [&] (element entry) {
    NamedPeer peer;
    std::string_view text;
    if (entry.get (text)) {
      Reader reader (entry, error);
      reader.id ("peerId", &peer.peer_id, true);
      reader.id ("offerId", &peer.offer_id, false);
    } else if (text.empty () || text.size () > max_id_length) {
      outer.fail ("\"peers\" has what is no peer");
    } else {
      peer.peer_id = text;
    }
    peers.push_back (std::move (peer));
  });
  if (outer.ok ())
    *out = std::move (peers);
}

void
read_sessions (Reader &outer, RegisteredMessage *out, std::string *error)
{
  element value;
  if (outer.find ("sessions", &value))
    out->sessions.emplace ();
  read_entries (outer, "sessions", max_listed, [&] (element entry) {
    Reader reader (entry, error);
    RunningSession session;
    reader.id ("peerId", &session.peer_id, true);
    reader.id ("offerId", &session.offer_id, false);
    reader.id ("robotId", &session.robot_id, false);
    reader.string ("state", &session.state, max_id_length, false);
    read_terms (reader, &session.terms, error);
    if (reader.ok () && !session.terms)
      reader.fail ("\"session\" is missing");
    out->sessions->push_back (std::move (session));
  });
  read_entries (outer, "ended", max_listed, [&] (element entry) {
    Reader reader (entry, error);
    EndedPeer ended;
    reader.id ("peerId", &ended.peer_id, true);
    reader.string ("reason", &ended.reason, max_reason_length, false);
    out->ended.push_back (std::move (ended));
  });
}

bool
is_limit (std::string_view word)
{
  return word == "none" || word == "delay" || word == "loss" ||
         word == "no-feedback";
}

} // namespace

const char *
signal_name (SignalKind kind)
{
  return signal_names[static_cast<std::size_t> (kind)].data ();
}

std::optional<SignalKind>
signal_kind (std::string_view event_name)
{
  for (std::size_t i = 0; i < std::size (signal_names); i++)
    if (event_name == signal_names[i])
      return static_cast<SignalKind> (i);
  return std::nullopt;
}

bool
parse_register (std::string_view json, RegisterMessage *out, std::string *error)
{
  Reader reader (json, error);
  reader.id ("userId", &out->user_id, true);
  reader.string ("userType", &out->user_type, max_id_length, true);
  reader.string ("token", &out->token, max_token_length, false);
  reader.id ("robotType", &out->robot_type, false);
  reader.id ("instance", &out->instance, false);
  read_peers (reader, &out->peers, error);
  if (reader.ok () && out->user_type != "robot" && out->user_type != "viewer")
    reader.fail ("\"userType\" is neither \"robot\" nor \"viewer\"");
  return reader.ok ();
}

bool
parse_join_room (
    std::string_view json, std::string *room_id, std::string *error)
{
  Reader reader (json, error);
  reader.id ("roomId", room_id, true);
  return reader.ok ();
}

namespace {

bool
read_signal (SignalKind kind, Reader reader, bool relayed, Signal *out,
    std::string *error)
{
  out->kind = kind;
  reader.id ("to", &out->to, false);
  reader.id ("from", &out->from, false);
  reader.id ("peerId", &out->peer_id, false);
  reader.id ("offerId", &out->offer_id, false);
  switch (kind) {
    case SignalKind::Offer:
      read_description (reader, "offer", relayed, out, error);
      read_terms (reader, &out->session, error);
      break;
    case SignalKind::Answer:
      read_description (reader, "answer", relayed, out, error);
      break;
    case SignalKind::Candidate:
      read_candidate (reader, out, error);
      break;
    case SignalKind::Leave:
      reader.string ("reason", &out->reason, max_reason_length, false);
      break;
    case SignalKind::Limit:
      reader.string ("limit", &out->limit, max_reason_length, true);
      if (reader.ok () && !is_limit (out->limit))
        reader.fail ("\"limit\" is none of the known");
      break;
  }
  return reader.ok ();
}

} // namespace

bool
parse_signal (
    SignalKind kind, std::string_view json, Signal *out, std::string *error)
{
  return read_signal (kind, Reader (json, error), false, out, error);
}

bool
parse_relayed_signal (SignalKind kind, std::string_view json,
    const element *parsed, Signal *out, std::string *error)
{
  error->clear ();
  Reader reader = parsed ? Reader (*parsed, error) : Reader (json, error);
  if (!read_signal (kind, reader, true, out, error))
    return false;
  if (kind != SignalKind::Leave && kind != SignalKind::Limit)
    read_body (reader, json,
        kind == SignalKind::Candidate ? "candidate" : signal_name (kind), out);
  return reader.ok ();
}

bool
parse_registered (
    std::string_view json, RegisteredMessage *out, std::string *error)
{
  Reader reader (json, error);
  element success;
  // The plain console answers with success alone, or not at all.
  out->success =
      !reader.find ("success", &success) || success.get (out->success)
          ? reader.ok ()
          : out->success;
  reader.id ("userId", &out->user_id, false);
  reader.string ("userType", &out->user_type, max_id_length, false);
  reader.string ("code", &out->code, max_reason_length, false);
  reader.string ("message", &out->message, max_reason_length, false);
  TimeMs time = -1;
  reader.time ("serverTime", &time, false);
  if (time >= 0)
    out->server_time = time;
  read_ice_servers (reader, &out->ice_servers, error);
  element standby;
  if (reader.find ("standby", &standby) && standby.get (out->standby))
    reader.fail ("\"standby\" is neither true nor false");
  reader.string ("instance", &out->instance, max_id_length, false);
  reader.string ("address", &out->address, max_id_length, false);
  TimeMs retry = -1;
  reader.time ("retryAfterMs", &retry, false);
  if (retry >= 0)
    out->retry_after_ms = retry;
  if (out->success)
    read_sessions (reader, out, error);
  return reader.ok ();
}

bool
parse_session (std::string_view json, SessionMessage *out, std::string *error)
{
  Reader reader (json, error);
  reader.id ("peerId", &out->peer_id, true);
  reader.id ("robotId", &out->robot_id, false);
  reader.string ("reason", &out->reason, max_reason_length, false);
  reader.time ("expiresAt", &out->expires_at, false);
  reader.time ("serverTime", &out->server_time, false);
  read_terms (reader, &out->terms, error);
  return reader.ok ();
}

bool
parse_error (std::string_view json, ErrorMessage *out, std::string *error)
{
  Reader reader (json, error);
  reader.string ("code", &out->code, max_reason_length, false);
  reader.string ("message", &out->message, max_reason_length, false);
  reader.string ("event", &out->event, max_reason_length, false);
  reader.id ("to", &out->to, false);
  reader.string ("instance", &out->instance, max_id_length, false);
  reader.string ("address", &out->address, max_id_length, false);
  TimeMs retry = -1;
  reader.time ("retryAfterMs", &retry, false);
  if (retry >= 0)
    out->retry_after_ms = retry;
  return reader.ok ();
}

std::string
parse_auth_token (std::string_view json)
{
  std::string error, token;
  if (json.empty ())
    return token;
  Reader reader (json, &error);
  reader.string ("token", &token, max_token_length, false);
  return reader.ok () ? token : std::string ();
}

} // namespace robotlive
