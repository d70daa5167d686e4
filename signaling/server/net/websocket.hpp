// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The server's side of RFC 6455, bytes in, messages out. No extension is ever
// negotiated, so compressed data cannot come. Own code where Beast has a
// class, because an idle connection then holds no buffer, a message costs a
// third, and fragments can be counted (tests/bench/signaling has the figures).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace robotlive::server::net {

struct WsMessage
{
  enum class Kind : unsigned char
  {
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
  };
  Kind kind = Kind::text;
  std::string_view data;        // close: the reason
  std::uint16_t close_code = 0; // close: 1005 if none was sent
};

class WsReader
{
public:
  // *max_message*: bytes of all fragments together.
  WsReader (std::size_t max_message, std::size_t max_fragments)
      : max_message_ (max_message), max_fragments_ (max_fragments)
  {
  }

  // From the next frame on.
  void set_max_message (std::size_t bytes) { max_message_ = bytes; }
  // *data* is unmasked in place and must stay until next () returned nothing.
  void feed (char *data, std::size_t size);
  // The next message; its view lives until the next call. Nothing: more bytes
  // are needed, or error () is set.
  std::optional<WsMessage> next ();
  // 0, or the code to close with: 1002 protocol, 1007 not UTF-8, 1008 too many
  // fragments, 1009 too big. Nothing more is read then.
  std::uint16_t error () const { return error_; }

private:
  struct Frame;
  bool parse_frame (Frame &frame);
  std::optional<WsMessage> take_frame (const Frame &frame);
  std::optional<WsMessage> finish (WsMessage::Kind kind, std::string_view data);
  std::nullopt_t fail (std::uint16_t code);
  void keep_rest ();

  std::size_t max_message_;
  std::size_t max_fragments_;
  char *input_ = nullptr; // in the caller's buffer or in pending_
  std::size_t input_size_ = 0;
  std::string pending_;            // an incomplete frame
  std::string fragments_;          // of an incomplete message
  std::size_t fragment_count_ = 0; // 0: no message is open
  WsMessage::Kind fragments_kind_ = WsMessage::Kind::text;
  bool fragments_delivered_ = false;
  std::uint16_t error_ = 0;
};

// Appends the header of an unmasked frame of *size* bytes with FIN.
void append_ws_header (
    std::string &out, WsMessage::Kind kind, std::size_t size);
// A whole close frame. *code* 0: without one.
std::string ws_close_frame (std::uint16_t code);

// Sec-WebSocket-Accept for a key; empty if the key is not 16 bytes in base64.
std::optional<std::string> ws_accept_key (std::string_view key);

} // namespace robotlive::server::net
