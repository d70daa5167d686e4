// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Engine.IO protocol 4: bytes in, packets out. Used by the server and by the
// element's client.
// https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::engineio {

enum class PacketType : char
{
  open = '0',
  close = '1',
  ping = '2',
  pong = '3',
  message = '4',
  upgrade = '5',
  noop = '6',
};

struct Packet
{
  PacketType type = PacketType::noop;
  bool binary = false; // a message of bytes; otherwise *data* is text
  std::string data;    // without the type character
};

// As Packet, but *data* points into what was decoded.
struct PacketView
{
  PacketType type = PacketType::noop;
  bool binary = false;
  std::string_view data;
};

// One text frame of a WebSocket. A binary frame is a binary message as it is.
std::optional<PacketView> decode_text (std::string_view frame);

// The body of a long-polling request or response: packets joined by 0x1e,
// binary ones as "b" and base64. Empty result: malformed, not UTF-8, or more
// than *max_packets*.
std::vector<Packet> decode_payload (
    std::string_view body, std::size_t max_packets = 1024);

// Appends to a long-polling body. *separator*: not the first packet of it.
void append_payload_text (
    std::string &body, std::string_view packet, bool separator);
void append_payload_binary (
    std::string &body, std::string_view bytes, bool separator);

std::string base64_encode (std::string_view bytes);
// Strict RFC 4648 section 4: padding required, no other characters.
std::optional<std::string> base64_decode (std::string_view text);

// The data of an open packet.
struct Handshake
{
  std::string sid;
  bool upgrade_to_websocket = false;
  std::uint32_t ping_interval_ms = 25000;
  std::uint32_t ping_timeout_ms = 20000;
  std::uint64_t max_payload = 1000000;
};

// "0{…}", with exactly the five keys of the specification.
std::string encode_open (const Handshake &handshake);
// *json*: the data of an open packet. Empty if a field is missing, of the wrong
// type or out of range (intervals 1 ms to 1 h, sid 1 to 128 bytes).
std::optional<Handshake> decode_open (std::string_view json);

} // namespace robotlive::engineio
