// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/websocket.hpp"

#include "protocol/engineio.hpp"
#include "protocol/json.hpp"

#include <cstring>
#include <openssl/sha.h>

namespace robotlive::server::net {

namespace {

// RFC 6455 section 5.5: payload of a control frame.
constexpr std::size_t max_control = 125;

void
unmask (char *data, std::size_t size, const char *mask)
{
  std::uint64_t wide;
  std::memcpy (&wide, mask, 4);
  std::memcpy (reinterpret_cast<char *> (&wide) + 4, mask, 4);
  std::size_t i = 0;
  // Blocks that the compiler makes vectors of.
  for (; i + 32 <= size; i += 32) {
    std::uint64_t block[4];
    std::memcpy (block, data + i, sizeof block);
    for (std::uint64_t &part : block)
      part ^= wide;
    std::memcpy (data + i, block, sizeof block);
  }
  for (; i + 8 <= size; i += 8) {
    std::uint64_t block;
    std::memcpy (&block, data + i, 8);
    block ^= wide;
    std::memcpy (data + i, &block, 8);
  }
  for (; i < size; i++)
    data[i] = static_cast<char> (data[i] ^ mask[i & 3]);
}

// RFC 6455 section 7.4 and the IANA registry: codes that may be sent.
bool
close_code_valid (std::uint16_t code)
{
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

} // namespace

struct WsReader::Frame
{
  unsigned char opcode = 0;
  bool fin = false;
  std::string_view payload; // unmasked
};

std::nullopt_t
WsReader::fail (std::uint16_t code)
{
  error_ = code;
  input_size_ = 0;
  return std::nullopt;
}

void
WsReader::feed (char *data, std::size_t size)
{
  if (pending_.empty ()) {
    input_ = data;
    input_size_ = size;
    return;
  }
  pending_.append (data, size);
  input_ = pending_.data ();
  input_size_ = pending_.size ();
}

// What is left over waits for more; a connection without a partial frame holds
// no memory.
void
WsReader::keep_rest ()
{
  if (input_size_ == 0)
    std::string ().swap (pending_);
  else if (pending_.empty ())
    pending_.assign (input_, input_size_);
  else if (input_ != pending_.data ())
    pending_.erase (0, pending_.size () - input_size_);
  input_size_ = 0;
}

// One frame off the input; false: incomplete or refused.
bool
WsReader::parse_frame (Frame &frame)
{
  if (input_size_ < 2)
    return false;
  auto byte = [this] (std::size_t i) {
    return static_cast<unsigned char> (input_[i]);
  };
  frame.fin = byte (0) & 0x80;
  frame.opcode = byte (0) & 0x0f;
  bool control = frame.opcode & 8;
  if (byte (0) & 0x70 || !(byte (1) & 0x80) || frame.opcode > 10 ||
      (frame.opcode > 2 && !control)) {
    fail (1002);
    return false;
  }
  std::uint64_t length = byte (1) & 0x7f;
  if (control && (!frame.fin || length > max_control)) {
    fail (1002);
    return false;
  }
  std::size_t header = 2;
  std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (extended > 0) {
    if (input_size_ < header + extended)
      return false;
    length = 0;
    for (std::size_t i = 0; i < extended; i++)
      length = length << 8 | byte (header + i);
    header += extended;
    // Section 5.2: the shortest form, and no sign bit.
    if (length < (extended == 2 ? 126u : 65536u) || length >> 63) {
      fail (1002);
      return false;
    }
  }
  std::size_t open = fragment_count_ > 0 && !control ? fragments_.size () : 0;
  if (length > max_message_ || open + length > max_message_) {
    fail (1009);
    return false;
  }
  std::size_t total = header + 4 + static_cast<std::size_t> (length);
  if (input_size_ < total)
    return false;
  char *payload = input_ + header + 4;
  unmask (payload, static_cast<std::size_t> (length), input_ + header);
  frame.payload = {payload, static_cast<std::size_t> (length)};
  input_ += total;
  input_size_ -= total;
  return true;
}

std::optional<WsMessage>
WsReader::finish (WsMessage::Kind kind, std::string_view data)
{
  if (kind == WsMessage::Kind::text && !utf8_valid (data))
    return fail (1007);
  return WsMessage{kind, data, 0};
}

// A message if the frame completes one.
std::optional<WsMessage>
WsReader::take_frame (const Frame &frame)
{
  if (frame.opcode >= 9)
    return WsMessage{
        static_cast<WsMessage::Kind> (frame.opcode), frame.payload, 0};
  if (frame.opcode == 8) {
    if (frame.payload.empty ())
      return WsMessage{WsMessage::Kind::close, {}, 1005};
    if (frame.payload.size () == 1)
      return fail (1002);
    auto code = static_cast<std::uint16_t> (
        static_cast<unsigned char> (frame.payload[0]) << 8 |
        static_cast<unsigned char> (frame.payload[1]));
    if (!close_code_valid (code))
      return fail (1002);
    std::string_view reason = frame.payload.substr (2);
    if (!utf8_valid (reason))
      return fail (1007);
    return WsMessage{WsMessage::Kind::close, reason, code};
  }
  bool continuation = frame.opcode == 0;
  if (continuation != (fragment_count_ > 0))
    return fail (1002);
  if (!continuation && frame.fin)
    return finish (static_cast<WsMessage::Kind> (frame.opcode), frame.payload);
  if (!continuation)
    fragments_kind_ = static_cast<WsMessage::Kind> (frame.opcode);
  if (++fragment_count_ > max_fragments_)
    return fail (1008);
  fragments_ += frame.payload;
  if (!frame.fin)
    return std::nullopt;
  fragment_count_ = 0;
  fragments_delivered_ = true;
  return finish (fragments_kind_, fragments_);
}

std::optional<WsMessage>
WsReader::next ()
{
  if (fragments_delivered_) {
    std::string ().swap (fragments_);
    fragments_delivered_ = false;
  }
  Frame frame;
  while (error_ == 0 && parse_frame (frame)) {
    auto message = take_frame (frame);
    if (message)
      return message;
  }
  keep_rest ();
  return std::nullopt;
}

void
append_ws_header (std::string &out, WsMessage::Kind kind, std::size_t size)
{
  out += static_cast<char> (0x80 | static_cast<unsigned> (kind));
  if (size < 126) {
    out += static_cast<char> (size);
    return;
  }
  int extended = size < 65536 ? 2 : 8;
  out += static_cast<char> (extended == 2 ? 126 : 127);
  for (int shift = (extended - 1) * 8; shift >= 0; shift -= 8)
    out += static_cast<char> (std::uint64_t{size} >> shift & 255);
}

std::string
ws_close_frame (std::uint16_t code)
{
  std::string frame;
  append_ws_header (frame, WsMessage::Kind::close, code == 0 ? 0 : 2);
  if (code != 0) {
    frame += static_cast<char> (code >> 8);
    frame += static_cast<char> (code & 255);
  }
  return frame;
}

std::optional<std::string>
ws_accept_key (std::string_view key)
{
  auto nonce = engineio::base64_decode (key);
  if (!nonce || nonce->size () != 16)
    return std::nullopt;
  std::string text (key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 section 1.3
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1 (reinterpret_cast<const unsigned char *> (text.data ()), text.size (),
      digest);
  return engineio::base64_encode (
      {reinterpret_cast<const char *> (digest), sizeof digest});
}

} // namespace robotlive::server::net
