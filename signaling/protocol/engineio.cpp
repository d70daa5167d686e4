// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/engineio.hpp"

#include "protocol/json.hpp"

#include <array>
#include <simdjson.h>

namespace robotlive::engineio {

namespace {

constexpr char separator_byte = '\x1e';

constexpr char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256>
make_base64_values ()
{
  std::array<signed char, 256> values{};
  for (auto &v : values)
    v = -1;
  for (int i = 0; i < 64; i++)
    values[static_cast<unsigned char> (base64_alphabet[i])] =
        static_cast<signed char> (i);
  return values;
}

constexpr auto base64_values = make_base64_values ();

void
append_base64 (std::string &out, std::string_view bytes)
{
  auto byte = [&bytes] (std::size_t i) -> std::uint32_t {
    return i < bytes.size () ? static_cast<unsigned char> (bytes[i]) : 0;
  };
  for (std::size_t i = 0; i < bytes.size (); i += 3) {
    std::uint32_t group = byte (i) << 16 | byte (i + 1) << 8 | byte (i + 2);
    out += base64_alphabet[group >> 18 & 63];
    out += base64_alphabet[group >> 12 & 63];
    out += i + 1 < bytes.size () ? base64_alphabet[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size () ? base64_alphabet[group & 63] : '=';
  }
}

} // namespace

std::string
base64_encode (std::string_view bytes)
{
  std::string out;
  out.reserve ((bytes.size () + 2) / 3 * 4);
  append_base64 (out, bytes);
  return out;
}

std::optional<std::string>
base64_decode (std::string_view text)
{
  if (text.size () % 4 != 0)
    return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size () &&
         text[text.size () - 1 - padding] == '=')
    padding++;
  std::string out;
  out.reserve (text.size () / 4 * 3);
  for (std::size_t i = 0; i < text.size (); i += 4) {
    std::size_t missing = i + 4 == text.size () ? padding : 0;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; j++) {
      int value = j < 4 - missing
                      ? base64_values[static_cast<unsigned char> (text[i + j])]
                      : 0;
      if (value < 0)
        return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t> (value);
    }
    out += static_cast<char> (group >> 16 & 255);
    if (missing < 2)
      out += static_cast<char> (group >> 8 & 255);
    if (missing < 1)
      out += static_cast<char> (group & 255);
  }
  return out;
}

std::optional<PacketView>
decode_text (std::string_view frame)
{
  if (frame.empty () || frame[0] < '0' || frame[0] > '6')
    return std::nullopt;
  return PacketView{
      static_cast<PacketType> (frame[0]), false, frame.substr (1)};
}

std::vector<Packet>
decode_payload (std::string_view body, std::size_t max_packets)
{
  if (!utf8_valid (body))
    return {};
  std::vector<Packet> packets;
  while (true) {
    std::size_t end = body.find (separator_byte);
    std::string_view part = body.substr (0, end);
    if (packets.size () == max_packets || part.empty ())
      return {};
    if (part[0] == 'b') {
      auto bytes = base64_decode (part.substr (1));
      if (!bytes)
        return {};
      packets.push_back ({PacketType::message, true, std::move (*bytes)});
    } else {
      auto packet = decode_text (part);
      if (!packet)
        return {};
      packets.push_back ({packet->type, false, std::string (packet->data)});
    }
    if (end == std::string_view::npos)
      return packets;
    body.remove_prefix (end + 1);
  }
}

void
append_payload_text (std::string &body, std::string_view packet, bool separator)
{
  if (separator)
    body += separator_byte;
  body += packet;
}

void
append_payload_binary (
    std::string &body, std::string_view bytes, bool separator)
{
  if (separator)
    body += separator_byte;
  body += 'b';
  append_base64 (body, bytes);
}

std::string
encode_open (const Handshake &handshake)
{
  JsonWriter json;
  json.object ().field ("sid", handshake.sid).key ("upgrades").array ();
  if (handshake.upgrade_to_websocket)
    json.value ("websocket");
  json.end ()
      .field ("pingInterval", std::uint64_t{handshake.ping_interval_ms})
      .field ("pingTimeout", std::uint64_t{handshake.ping_timeout_ms})
      .field ("maxPayload", handshake.max_payload)
      .end ();
  return static_cast<char> (PacketType::open) + json.take ();
}

std::optional<Handshake>
decode_open (std::string_view json)
{
  using simdjson::SUCCESS;
  constexpr std::uint64_t hour_ms = 3600 * 1000;
  simdjson::dom::object object;
  if (json_parser ().parse (json.data (), json.size ()).get (object) != SUCCESS)
    return std::nullopt;
  std::string_view sid;
  std::uint64_t interval = 0;
  std::uint64_t timeout = 0;
  if (object["sid"].get (sid) != SUCCESS || sid.empty () || sid.size () > 128 ||
      object["pingInterval"].get (interval) != SUCCESS || interval < 1 ||
      interval > hour_ms || object["pingTimeout"].get (timeout) != SUCCESS ||
      timeout < 1 || timeout > hour_ms)
    return std::nullopt;
  Handshake handshake;
  handshake.sid = sid;
  handshake.ping_interval_ms = static_cast<std::uint32_t> (interval);
  handshake.ping_timeout_ms = static_cast<std::uint32_t> (timeout);
  simdjson::dom::array upgrades;
  if (object["upgrades"].get (upgrades) != SUCCESS)
    return std::nullopt;
  for (simdjson::dom::element upgrade : upgrades) {
    std::string_view name;
    if (upgrade.get (name) == SUCCESS && name == "websocket")
      handshake.upgrade_to_websocket = true;
  }
  // Servers before protocol 4.1 do not send it.
  if (object["maxPayload"].get (handshake.max_payload) != SUCCESS)
    handshake.max_payload = 1000000;
  return handshake;
}

} // namespace robotlive::engineio
