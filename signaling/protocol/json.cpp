// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <simdjson.h>

namespace robotlive {

namespace {

// Length of the UTF-8 sequence at the start of *s* (RFC 3629), 0 if malformed.
std::size_t
utf8_sequence (std::string_view s)
{
  auto byte = [&s] (
                  std::size_t i) { return static_cast<unsigned char> (s[i]); };
  auto tail = [&] (std::size_t i) {
    return i < s.size () && (byte (i) & 0xc0) == 0x80;
  };
  unsigned char b = byte (0);
  if (b < 0x80)
    return 1;
  if (b >= 0xc2 && b <= 0xdf)
    return tail (1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    if (!tail (1) || !tail (2) || (b == 0xe0 && byte (1) < 0xa0) ||
        (b == 0xed && byte (1) > 0x9f))
      return 0;
    return 3;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    if (!tail (1) || !tail (2) || !tail (3) || (b == 0xf0 && byte (1) < 0x90) ||
        (b == 0xf4 && byte (1) > 0x8f))
      return 0;
    return 4;
  }
  return 0;
}

constexpr bool
needs_escape (unsigned char c)
{
  return c < 0x20 || c == '"' || c == '\\' || c == '<' || c == 0x7f;
}

constexpr std::array<bool, 256> plain_table = [] {
  std::array<bool, 256> plain{};
  for (unsigned i = 0; i < 0x80; i++)
    plain[i] = !needs_escape (static_cast<unsigned char> (i));
  return plain;
}();

// ASCII that stands for itself in a string.
bool
is_plain (unsigned char c)
{
  return plain_table[c];
}

void
append_escape (std::string &out, unsigned char c)
{
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char digits[] = "0123456789abcdef";
  out += "\\u00";
  out += digits[c >> 4];
  out += digits[c & 15];
}

} // namespace

void
append_json_string (std::string &out, std::string_view text)
{
  out += '"';
  std::size_t start = 0;
  std::size_t i = 0;
  // Most are names of members and ids.
  while (i < text.size () && is_plain (static_cast<unsigned char> (text[i])))
    i++;
  auto copy_run = [&] { out.append (text.substr (start, i - start)); };
  while (i < text.size ()) {
    auto c = static_cast<unsigned char> (text[i]);
    if (is_plain (c)) {
      i++;
      continue;
    }
    std::size_t length = utf8_sequence (text.substr (i));
    if (length > 1) {
      i += length;
      continue;
    }
    copy_run ();
    if (length == 1)
      append_escape (out, c);
    else
      out += "\xef\xbf\xbd";
    start = ++i;
  }
  copy_run ();
  out += '"';
}

std::string
json_string (std::string_view text)
{
  std::string out;
  append_json_string (out, text);
  return out;
}

// By the next quotes: most strings are long and have none inside.
std::size_t
json_string_end (std::string_view json, std::size_t quote)
{
  std::size_t end = json.find ('"', quote + 1);
  for (; end != json.npos; end = json.find ('"', end + 1)) {
    std::size_t first = end;
    while (first > quote + 1 && json[first - 1] == '\\')
      first--;
    if ((end - first) % 2 == 0)
      return end;
  }
  return json.size ();
}

std::optional<std::string_view>
json_member (std::string_view object, std::string_view name)
{
  constexpr std::string_view space = " \t\r\n";
  std::size_t depth = 0;
  std::size_t value = 0; // where the wanted one begins; 0: not seen
  bool key = true;
  for (std::size_t i = 0; i < object.size (); i++) {
    char c = object[i];
    if (c == '"') {
      std::size_t end = json_string_end (object, i);
      if (depth == 1 && key) {
        std::string_view spelling = object.substr (i + 1, end - i - 1);
        if (spelling.find ('\\') != spelling.npos)
          return std::nullopt;
        std::size_t colon = object.find (':', end);
        if (spelling == name && colon != object.npos)
          value = object.find_first_not_of (space, colon + 1);
        key = false;
      }
      i = end;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']' || c == ',') {
      if (depth == 1 && value != 0) {
        std::string_view text = object.substr (value, i - value);
        return text.substr (0, text.find_last_not_of (space) + 1);
      }
      if (c == ',')
        key = depth == 1 || key;
      else
        depth--;
    }
  }
  return std::nullopt;
}

void
JsonWriter::separate ()
{
  if (comma_)
    text_ += ',';
  comma_ = true;
}

JsonWriter &
JsonWriter::open (char bracket)
{
  separate ();
  text_ += bracket;
  closers_ += bracket == '{' ? '}' : ']';
  comma_ = false;
  return *this;
}

JsonWriter &
JsonWriter::end ()
{
  if (!closers_.empty ()) {
    text_ += closers_.back ();
    closers_.pop_back ();
  }
  comma_ = true;
  return *this;
}

JsonWriter &
JsonWriter::key (std::string_view name)
{
  separate ();
  append_json_string (text_, name);
  text_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter &
JsonWriter::value (std::string_view text)
{
  separate ();
  append_json_string (text_, text);
  return *this;
}

JsonWriter &
JsonWriter::value (std::int64_t n)
{
  return raw (std::to_string (n));
}

JsonWriter &
JsonWriter::value (std::uint64_t n)
{
  return raw (std::to_string (n));
}

JsonWriter &
JsonWriter::value (double n)
{
  if (!std::isfinite (n))
    return null ();
  char digits[32];
  auto result = std::to_chars (digits, digits + sizeof digits, n);
  return raw ({digits, static_cast<std::size_t> (result.ptr - digits)});
}

JsonWriter &
JsonWriter::raw (std::string_view json)
{
  separate ();
  text_ += json;
  return *this;
}

void
limit_depth (simdjson::dom::parser &parser)
{
  // The depth limit is fixed here; later growth of the buffers keeps it.
  if (parser.allocate (4096, json_max_depth) != simdjson::SUCCESS)
    throw std::bad_alloc ();
}

simdjson::dom::parser &
json_parser ()
{
  thread_local simdjson::dom::parser parser = [] {
    simdjson::dom::parser p;
    limit_depth (p);
    return p;
  }();
  return parser;
}

bool
json_valid (std::string_view text)
{
  return json_parser ().parse (text.data (), text.size ()).error () ==
         simdjson::SUCCESS;
}

bool
utf8_valid (std::string_view text)
{
  return simdjson::validate_utf8 (text.data (), text.size ());
}

} // namespace robotlive
