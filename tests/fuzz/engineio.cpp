// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Engine.IO: text frames, polling bodies, the handshake, base64.
#include "protocol/engineio.hpp"
#include "fuzz.hpp"
#include "protocol/json.hpp"

using namespace robotlive;

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  const std::string_view text (reinterpret_cast<const char *> (data), size);
  if (const auto packet = engineio::decode_text (text)) {
    REQUIRE (!text.empty () && packet->data.size () == text.size () - 1);
    if (packet->type == engineio::PacketType::open)
      (void)engineio::decode_open (packet->data);
  }

  // What was understood is written and understood again.
  constexpr std::size_t most = 256;
  const auto packets = engineio::decode_payload (text, most);
  REQUIRE (packets.size () <= most);
  std::string body;
  for (std::size_t i = 0; i < packets.size (); i++) {
    const auto &packet = packets[i];
    if (packet.binary)
      engineio::append_payload_binary (body, packet.data, i > 0);
    else
      engineio::append_payload_text (
          body, char (packet.type) + packet.data, i > 0);
  }
  if (!packets.empty ()) {
    const auto again = engineio::decode_payload (body);
    REQUIRE (again.size () == packets.size ());
    for (std::size_t i = 0; i < packets.size (); i++)
      REQUIRE (again[i].data == packets[i].data &&
               again[i].binary == packets[i].binary);
  }

  if (const auto bytes = engineio::base64_decode (text))
    REQUIRE (
        engineio::base64_decode (engineio::base64_encode (*bytes)) == bytes);
  return 0;
}
