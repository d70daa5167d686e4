// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/socketio.hpp"

#include "protocol/json.hpp"

#include <algorithm>
#include <simdjson.h>

namespace robotlive::socketio {

namespace {

// Names that the JavaScript client emits itself; socket.io-parser refuses them
// in packets as well.
constexpr std::string_view reserved_names[] = {"connect", "connect_error",
    "disconnect", "disconnecting", "newListener", "removeListener"};

bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

// Reads up to *max_digits* decimal digits; empty if there are more.
std::optional<std::uint64_t>
take_number (std::string_view &text, std::size_t max_digits)
{
  std::uint64_t number = 0;
  std::size_t digits = 0;
  while (digits < text.size () && is_digit (text[digits])) {
    if (digits == max_digits)
      return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t> (text[digits] - '0');
    digits++;
  }
  text.remove_prefix (digits);
  return number;
}

// What decode () found last. A parser of its own: whoever handles the packet
// may parse something else meanwhile.
struct Decoded
{
  Decoded () { limit_depth (parser); }
  simdjson::dom::parser parser;
  simdjson::dom::element first;
};

Decoded &
decoded ()
{
  thread_local Decoded last;
  return last;
}

// Whether each {"_placeholder":true,"num":n} has 0 <= n < attachments. The
// depth of *element* is bounded by the parser.
bool
placeholders_valid (simdjson::dom::element element, unsigned attachments)
{
  using simdjson::SUCCESS;
  simdjson::dom::array array;
  if (element.get (array) == SUCCESS) {
    for (simdjson::dom::element child : array)
      if (!placeholders_valid (child, attachments))
        return false;
    return true;
  }
  simdjson::dom::object object;
  if (element.get (object) != SUCCESS)
    return true;
  bool placeholder = false;
  if (object["_placeholder"].get (placeholder) == SUCCESS && placeholder) {
    std::uint64_t num = 0;
    return object["num"].get (num) == SUCCESS && num < attachments;
  }
  for (simdjson::dom::key_value_pair field : object)
    if (!placeholders_valid (field.value, attachments))
      return false;
  return true;
}

// JSON's white space off both ends.
std::string_view
trim (std::string_view text)
{
  constexpr std::string_view space = " \t\r\n";
  std::size_t begin = std::min (text.find_first_not_of (space), text.size ());
  return text.substr (begin, text.find_last_not_of (space) + 1 - begin);
}

// Of a valid array of two, the first one a string.
std::string_view
second_element (std::string_view json)
{
  std::size_t comma =
      json.find (',', json_string_end (json, json.find ('"'))) + 1;
  return trim (json.substr (comma, json.rfind (']') - comma));
}

// The payload must fit the type; fills in name and arguments.
bool
take_payload (Packet &packet)
{
  using simdjson::SUCCESS;
  bool is_event = packet.type == PacketType::event ||
                  packet.type == PacketType::binary_event;
  bool is_ack =
      packet.type == PacketType::ack || packet.type == PacketType::binary_ack;
  if (packet.payload.empty ())
    return !is_event && !is_ack && packet.type != PacketType::connect_error;
  // A byte order mark is no JSON (RFC 8259 section 8.1), but simdjson skips it
  // from version 3.6 on, and split_array () does not.
  if (packet.payload.substr (0, 3) == "\xef\xbb\xbf")
    return false;

  simdjson::dom::element root;
  Decoded &last = decoded ();
  if (last.parser.parse (packet.payload.data (), packet.payload.size ())
          .get (root) != SUCCESS)
    return false;
  switch (packet.type) {
    case PacketType::connect:
      return root.is_object ();
    case PacketType::disconnect:
      return false;
    case PacketType::connect_error:
      return root.is_object () || root.is_string ();
    default:
      break;
  }

  simdjson::dom::array array;
  if (root.get (array) != SUCCESS)
    return false;
  if (packet.attachments > 0 && !placeholders_valid (root, packet.attachments))
    return false;
  if (is_event) {
    std::string_view name;
    if (array.at (0).get (name) != SUCCESS ||
        std::find (std::begin (reserved_names), std::end (reserved_names),
            name) != std::end (reserved_names))
      return false;
    packet.name = name;
  }
  // An event with one argument, as nearly all are, is not searched for its end.
  if (is_event && array.size () == 2) {
    packet.arguments = {second_element (packet.payload)};
  } else {
    packet.arguments = split_array (packet.payload);
    if (packet.arguments.size () > max_arguments)
      return false;
    if (is_event)
      packet.arguments.erase (packet.arguments.begin ());
  }
  if (!is_event)
    return true;
  if (array.at (1).get (last.first) == SUCCESS)
    packet.first = &last.first;
  return true;
}

std::string
encode (PacketType type, std::string_view nsp, std::string_view payload)
{
  return packet_head (type, nsp).append (payload);
}

} // namespace

std::vector<std::string_view>
split_array (std::string_view json)
{
  json = trim (json);
  std::vector<std::string_view> elements;
  if (json.size () < 2 || json.front () != '[' || json.back () != ']')
    return elements;
  json = json.substr (1, json.size () - 2);
  std::size_t depth = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i < json.size (); i++) {
    switch (json[i]) {
      case '"':
        i = json_string_end (json, i);
        break;
      case '[':
      case '{':
        depth++;
        break;
      case ']':
      case '}':
        depth--;
        break;
      case ',':
        if (depth == 0) {
          elements.push_back (trim (json.substr (start, i - start)));
          start = i + 1;
        }
        break;
      default:
        break;
    }
  }
  std::string_view last = trim (json.substr (start));
  if (!last.empty ())
    elements.push_back (last);
  return elements;
}

std::optional<Packet>
decode (std::string_view text)
{
  if (text.empty () || text[0] < '0' || text[0] > '6')
    return std::nullopt;
  Packet packet;
  packet.type = static_cast<PacketType> (text[0] - '0');
  text.remove_prefix (1);

  if (packet.type == PacketType::binary_event ||
      packet.type == PacketType::binary_ack) {
    if (text.empty () || !is_digit (text[0]))
      return std::nullopt;
    auto count = take_number (text, 2);
    if (!count || *count > max_attachments || text.empty () || text[0] != '-')
      return std::nullopt;
    packet.attachments = static_cast<unsigned> (*count);
    text.remove_prefix (1);
  }
  if (!text.empty () && text[0] == '/') {
    std::size_t end = std::min (text.find (','), text.size ());
    packet.nsp = text.substr (0, end);
    if (end > max_namespace_bytes || !utf8_valid (packet.nsp))
      return std::nullopt;
    text.remove_prefix (std::min (end + 1, text.size ()));
  }
  if (!text.empty () && is_digit (text[0])) {
    packet.id = take_number (text, max_id_digits);
    if (!packet.id)
      return std::nullopt;
  }
  bool is_ack =
      packet.type == PacketType::ack || packet.type == PacketType::binary_ack;
  if (is_ack && !packet.id)
    return std::nullopt;
  packet.payload = text;
  if (!take_payload (packet))
    return std::nullopt;
  return packet;
}

std::string
packet_head (PacketType type, std::string_view nsp,
    std::optional<std::uint64_t> id, unsigned attachments)
{
  std::string head{'4', static_cast<char> ('0' + static_cast<int> (type))};
  if (type == PacketType::binary_event || type == PacketType::binary_ack)
    head += std::to_string (attachments) + '-';
  if (nsp != "/")
    head.append (nsp) += ',';
  if (id)
    head += std::to_string (*id);
  return head;
}

std::string
encode_connect (std::string_view nsp, std::string_view payload)
{
  return encode (PacketType::connect, nsp, payload);
}

std::string
encode_disconnect (std::string_view nsp)
{
  return encode (PacketType::disconnect, nsp, {});
}

std::string
encode_connect_error (std::string_view nsp, std::string_view payload)
{
  return encode (PacketType::connect_error, nsp, payload);
}

std::string
encode_event (std::string_view nsp, std::string_view payload,
    std::optional<std::uint64_t> id)
{
  return packet_head (PacketType::event, nsp, id).append (payload);
}

std::string
encode_ack (std::string_view nsp, std::uint64_t id, std::string_view payload)
{
  return packet_head (PacketType::ack, nsp, id).append (payload);
}

} // namespace robotlive::socketio
