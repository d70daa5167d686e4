// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Socket.IO protocol 5: what travels inside Engine.IO messages. Used by the
// server and by the element's client. The arguments of an event are slices of
// the packet, validated but never rebuilt: a relay forwards them as they are.
// https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simdjson::dom {
class element;
}

namespace robotlive::socketio {

// Limits on what a peer may send.
constexpr std::size_t max_id_digits = 15;
constexpr std::size_t max_attachments = 10;
constexpr std::size_t max_namespace_bytes = 128;
constexpr std::size_t max_arguments = 64;

enum class PacketType : unsigned char
{
  connect = 0,
  disconnect = 1,
  event = 2,
  ack = 3,
  connect_error = 4,
  binary_event = 5,
  binary_ack = 6,
};

// The views point into the decoded text, *nsp* possibly at a constant.
struct Packet
{
  PacketType type = PacketType::event;
  std::string_view nsp = "/";
  std::optional<std::uint64_t> id;
  unsigned attachments = 0; // binary messages that follow this packet
  std::string_view payload; // JSON text, empty if absent
  std::string name;         // events: unescaped
  // Events: JSON text of each argument after the name. Acks: of all.
  std::vector<std::string_view> arguments;
  // Events: the first of them as the parser has it, so that nobody parses it
  // again; null if there is none. Lives until the next decode () on this
  // thread.
  const simdjson::dom::element *first = nullptr;
};

// *text*: an Engine.IO text message without its "4". Empty if it is malformed,
// beyond a limit above, deeper than json_max_depth, not UTF-8, an event with
// a reserved name, or if a placeholder names no attachment.
std::optional<Packet> decode (std::string_view text);

// Splits a JSON array that is already known to be valid into its elements.
std::vector<std::string_view> split_array (std::string_view json);

// All encoders return the Engine.IO message with its "4". *payload* must be
// valid JSON: an array for events and acks.
std::string encode_connect (std::string_view nsp, std::string_view payload);
std::string encode_disconnect (std::string_view nsp);
std::string encode_connect_error (
    std::string_view nsp, std::string_view payload);
std::string encode_event (std::string_view nsp, std::string_view payload,
    std::optional<std::uint64_t> id = std::nullopt);
std::string encode_ack (
    std::string_view nsp, std::uint64_t id, std::string_view payload);

// What stands before the payload: "42", "42/custom,", "452-", "43/custom,7".
std::string packet_head (PacketType type, std::string_view nsp,
    std::optional<std::uint64_t> id = std::nullopt, unsigned attachments = 0);

} // namespace robotlive::socketio
