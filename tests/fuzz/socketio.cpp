// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Socket.IO packets.
#include "protocol/socketio.hpp"
#include "fuzz.hpp"
#include "protocol/json.hpp"

using namespace robotlive;

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  const std::string_view text (reinterpret_cast<const char *> (data), size);
  const auto packet = socketio::decode (text);
  if (!packet)
    return 0;
  REQUIRE (packet->nsp.size () <= socketio::max_namespace_bytes);
  REQUIRE (packet->attachments <= socketio::max_attachments);
  REQUIRE (packet->arguments.size () <= socketio::max_arguments);
  REQUIRE (packet->payload.empty () || json_valid (packet->payload));
  REQUIRE (utf8_valid (packet->name));
  for (const std::string_view argument : packet->arguments)
    REQUIRE (json_valid (argument));

  // What a relay does: the slices are put into a packet of its own.
  if (packet->type == socketio::PacketType::event) {
    auto all = socketio::split_array (packet->payload);
    all.erase (all.begin ());
    REQUIRE (packet->arguments == all);
    std::string payload = "[" + json_string (packet->name);
    for (const std::string_view argument : packet->arguments)
      payload.append (",").append (argument);
    payload += "]";
    const std::string relayed =
        socketio::encode_event ("/", payload, packet->id);
    const auto again = socketio::decode (std::string_view (relayed).substr (1));
    REQUIRE (again && again->name == packet->name && again->id == packet->id);
    REQUIRE (again->arguments == packet->arguments);
  }
  return 0;
}
