// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Our Socket.IO events (signaling/PROTOCOL.md) as structs: parsing with
// validation and limits, and serialising. Used by the server and by the robot's
// client. Pure: no clock, no I/O; every function is thread-safe.
#pragma once
#include "grant/window.hpp"
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simdjson::dom {
class element;
}

namespace robotlive {

// Longest accepted strings, in bytes of UTF-8 after unescaping.
constexpr std::size_t max_id_length = 128; // user, robot, room, peer
constexpr std::size_t max_sdp_length = 128 * 1024;
constexpr std::size_t max_candidate_length = 1024;
constexpr std::size_t max_token_length = 8192;
constexpr std::size_t max_reason_length = 256; // reasons, codes, sentences
constexpr std::size_t max_named_peers = 256;   // of one register
constexpr std::size_t max_listed = 1024;       // sessions of one answer

struct IceServer
{
  std::vector<std::string> urls; // stun:, turn:, turns: (RFC 7064, RFC 7065)
  std::string username;
  std::string credential; // never logged
};

// session of an offer or of session-updated. Times in ms UTC, the server's.
struct SessionTerms
{
  std::string role;
  TimeMs not_before = 0;
  TimeMs expires_at = 0;
  TimeMs server_time = 0;
  std::string grant; // JWT; empty from a server that knows no grants
};

struct IceCandidate
{
  std::string candidate; // empty: end of candidates
  std::string sdp_mid;
  unsigned sdp_m_line_index = 0;
  std::string username_fragment; // RFC 8839 section 5.4: 4 to 256 characters
};

enum class SignalKind
{
  Offer,
  Answer,
  Candidate,
  Leave,
  Limit // robot to viewer
};

const char *signal_name (SignalKind kind); // "offer", "ice-candidate", …
std::optional<SignalKind> signal_kind (std::string_view event);

// offer, answer, ice-candidate, leave and picture-limit, in both directions.
struct Signal
{
  SignalKind kind = SignalKind::Leave;
  std::string to;      // towards the server: robot or viewer id
  std::string from;    // from the server
  std::string peer_id; // may be empty: the newest peer is meant
  // Of the offer that the message is about; from the server, and back from the
  // robot. May be empty: the newest is meant.
  std::string offer_id;
  std::string sdp; // offer, answer
  IceCandidate candidate;
  std::string reason;                  // leave, may be empty
  std::string limit;                   // picture-limit
  std::optional<SessionTerms> session; // offer from the server
  // To be forwarded: the JSON of the offer, answer or candidate. Points into
  // the message that it came with. Empty: made from *sdp* or *candidate*.
  std::string_view body;
};

// A peer connection that the one who registers still has.
struct NamedPeer
{
  std::string peer_id;
  std::string offer_id; // of a robot: the newest offer that it knows of
};

struct RegisterMessage
{
  std::string user_id;    // a number is taken as its decimal string
  std::string user_type;  // "robot" or "viewer"
  std::string token;      // may be empty
  std::string robot_type; // may be empty
  // Random: of a robot's process, of a viewer's page. Who comes back with the
  // same one still has its peer connections. May be empty.
  std::string instance;
  // All that it has now. Nothing (which is not an empty list): it is an old one
  // that names none.
  std::optional<std::vector<NamedPeer>> peers;
};

// A session that may go on, in the answer to "register".
struct RunningSession
{
  std::string peer_id;
  std::string offer_id; // to a robot
  std::string robot_id; // to a viewer
  std::string state;    // to a viewer: "live", "robot-away"
  std::optional<SessionTerms> terms;
};

// A peer that was named in "register" and may not go on.
struct EndedPeer
{
  std::string peer_id;
  std::string reason;
};

struct RegisteredMessage
{
  bool success = false;
  std::string user_id;
  std::string user_type;
  std::vector<IceServer> ice_servers;
  std::optional<TimeMs> server_time;
  // To a viewer, if there are TURN servers: how often to ask GET /config for
  // their passwords. 0: there are none.
  TimeMs ice_refresh_ms = 0;
  std::string code;    // when refused
  std::string message; // when refused
  // All that may go on; a robot drops every other. Nothing: from a server that
  // does not say, or to an old peer.
  std::optional<std::vector<RunningSession>> sessions;
  std::vector<EndedPeer> ended; // to a robot: why, where it is known
  // Another process of this robot has the place: this one goes on with its
  // sessions and gets no new ones.
  bool standby = false;
  // Of that other process, with "standby" and with code "replaced".
  std::string instance;
  std::string address;
  std::optional<TimeMs> retry_after_ms;
};

// session-updated, session-expiring and session-ended.
struct SessionMessage
{
  std::string peer_id;
  std::string robot_id;
  std::string reason;                // session-ended
  TimeMs expires_at = 0;             // session-expiring
  TimeMs server_time = 0;            // session-expiring
  std::optional<SessionTerms> terms; // session-updated
};

struct ErrorMessage
{
  std::string code;
  std::string message;
  std::string event;
  std::string to;
  std::string instance; // "replaced": of the robot's other process
  std::string address;  // the same
  std::optional<TimeMs> retry_after_ms;
  std::optional<Window> next_booking; // ends_at may be 0: not told
};

// Each returns false for text that is not the message, with one sentence in
// *error* that holds nothing of the input.
bool parse_register (
    std::string_view json, RegisterMessage *out, std::string *error);
bool parse_join_room (
    std::string_view json, std::string *room_id, std::string *error);
bool parse_signal (
    SignalKind kind, std::string_view json, Signal *out, std::string *error);
// The same for a server, which looks at no description and forwards it: fills
// in Signal::body and leaves Signal::sdp empty, or the other way round if the
// text has more than what is relayed. *parsed* is what a parser made of *json*,
// or null.
bool parse_relayed_signal (SignalKind kind, std::string_view json,
    const simdjson::dom::element *parsed, Signal *out, std::string *error);
bool parse_registered (
    std::string_view json, RegisteredMessage *out, std::string *error);
bool parse_session (
    std::string_view json, SessionMessage *out, std::string *error);
bool parse_error (std::string_view json, ErrorMessage *out, std::string *error);
// The token of a CONNECT packet's auth object ({"token": "…"}); empty if none.
std::string parse_auth_token (std::string_view json);

// Each gives the JSON array ["event", {…}] of one packet.
std::string register_payload (const RegisterMessage &message);
std::string join_room_payload (std::string_view room_id);
// With *body* set it is forwarded as it is; otherwise it is made from *sdp* or
// *candidate*. Empty fields are left out.
std::string signal_payload (const Signal &signal);
std::string registered_payload (const RegisteredMessage &message);
std::string session_updated_payload (
    std::string_view peer_id, const SessionTerms &terms);
std::string session_expiring_payload (std::string_view peer_id,
    std::string_view robot_id, TimeMs expires_at, TimeMs server_time);
std::string session_ended_payload (std::string_view peer_id,
    std::string_view robot_id, std::string_view reason);
std::string error_payload (const ErrorMessage &message);
std::string robot_available_payload (
    std::string_view robot_id, std::string_view robot_type);
std::string robot_unavailable_payload (std::string_view robot_id);
std::string joined_room_payload (std::string_view room_id);
// *event*: "user-joined" or "user-left".
std::string user_presence_payload (std::string_view event,
    std::string_view user_id, std::string_view user_type);

// {"urls":[…],…} for each server, as RTCConfiguration.iceServers wants it.
std::string ice_servers_json (const std::vector<IceServer> &servers);

} // namespace robotlive
