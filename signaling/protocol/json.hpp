// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Building JSON text, and the one place that decides whether text from a peer
// is JSON. Messages are written straight into one string; nothing here keeps a
// tree. Reading fields is simdjson's job (json_parser ()).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace simdjson::dom {
class element;
class parser;
} // namespace simdjson::dom

namespace robotlive {

// Nesting accepted from a peer; deeper JSON is refused.
constexpr std::size_t json_max_depth = 64;

// Appends *text* as a JSON string with its quotes. Bytes that are not UTF-8
// become U+FFFD, so that the result is always valid JSON. "<" is escaped as
// well: the text may end up inside a <script> of the viewer page.
void append_json_string (std::string &out, std::string_view text);

std::string json_string (std::string_view text);

// Of valid JSON, where the string that begins at *quote* ends: its closing
// quote. The text's end if there is none.
std::size_t json_string_end (std::string_view json, std::size_t quote);
// Of a valid JSON object, the text of the first member called *name*, as it
// stands there. Nothing if there is none, or if the spelling of any key before
// it is disguised by escapes: another reader may take that for *name*.
std::optional<std::string_view> json_member (
    std::string_view object, std::string_view name);

// JsonWriter ().object ().field ("code", 3).field ("message", m).end ().take ()
// The caller closes what it opened; commas and quotes are the writer's.
class JsonWriter
{
public:
  JsonWriter &object () { return open ('{'); }
  JsonWriter &array () { return open ('['); }
  // Closes the innermost object or array.
  JsonWriter &end ();
  JsonWriter &key (std::string_view name);

  JsonWriter &value (std::string_view text);
  JsonWriter &value (const char *text)
  {
    return value (std::string_view (text));
  }
  JsonWriter &value (const std::string &text)
  {
    return value (std::string_view (text));
  }
  JsonWriter &value (bool b) { return raw (b ? "true" : "false"); }
  JsonWriter &value (std::int64_t n);
  JsonWriter &value (int n) { return value (std::int64_t{n}); }
  JsonWriter &value (std::uint64_t n);
  JsonWriter &value (double n); // NaN and infinities become null
  JsonWriter &null () { return raw ("null"); }
  // *json* must be one valid JSON value; it is copied as it is.
  JsonWriter &raw (std::string_view json);

  template <typename T> JsonWriter &field (std::string_view name, const T &v)
  {
    return key (name).value (v);
  }
  JsonWriter &raw_field (std::string_view name, std::string_view json)
  {
    return key (name).raw (json);
  }

  // Room for *bytes* more.
  JsonWriter &reserve (std::size_t bytes)
  {
    text_.reserve (text_.size () + bytes);
    return *this;
  }
  const std::string &text () const { return text_; }
  std::string take () { return std::move (text_); }

private:
  JsonWriter &open (char bracket);
  void separate ();

  std::string text_;
  std::string closers_;
  bool comma_ = false; // a value stands before the next one
};

// Sets up *parser* within json_max_depth.
void limit_depth (simdjson::dom::parser &parser);
// This thread's parser, limited to json_max_depth. Elements live until the
// next parse on this thread: copy what must outlive it.
simdjson::dom::parser &json_parser ();

// Whether *text* is one JSON value: strict syntax, UTF-8, json_max_depth.
bool json_valid (std::string_view text);

// Whether *text* is UTF-8 (no surrogates, no overlong forms).
bool utf8_valid (std::string_view text);

} // namespace robotlive
