// SPDX-License-Identifier: LGPL-2.1-or-later
//
// WebSocket frames off a stream. The first byte says how the rest is cut into
// reads: the messages must not depend on it.
#include "server/net/websocket.hpp"
#include "fuzz.hpp"
#include "protocol/json.hpp"

#include <algorithm>
#include <utility>
#include <vector>

using namespace robotlive::server::net;

namespace {

constexpr std::size_t max_message = 2048;
constexpr std::size_t max_fragments = 8;

struct Result
{
  std::vector<std::pair<WsMessage::Kind, std::string>> messages;
  std::uint16_t error = 0;

  bool operator== (const Result &other) const
  {
    return messages == other.messages && error == other.error;
  }
};

Result
read_all (std::string_view stream, std::size_t step)
{
  Result result;
  WsReader reader (max_message, max_fragments);
  while (!stream.empty () && reader.error () == 0) {
    // A copy of its own size: the reader unmasks in place, and not beyond.
    std::vector<char> bytes (
        stream.begin (), stream.begin () + std::min (step, stream.size ()));
    stream.remove_prefix (bytes.size ());
    reader.feed (bytes.data (), bytes.size ());
    while (const auto message = reader.next ()) {
      const bool control = message->kind >= WsMessage::Kind::close;
      REQUIRE (message->data.size () <= (control ? 125 : max_message));
      if (message->kind == WsMessage::Kind::text)
        REQUIRE (robotlive::utf8_valid (message->data));
      result.messages.emplace_back (message->kind, message->data);
    }
  }
  REQUIRE (!reader.next ());
  result.error = reader.error ();
  return result;
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  if (size == 0)
    return 0;
  const std::string_view stream (
      reinterpret_cast<const char *> (data + 1), size - 1);
  REQUIRE (read_all (stream, size) == read_all (stream, data[0] % 16 + 1));
  (void)ws_accept_key (stream);
  return 0;
}
