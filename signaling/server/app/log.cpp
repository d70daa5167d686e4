// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/log.hpp"
#include "protocol/json.hpp"
#include <algorithm>
#include <cstdio>
#include <glib.h>
#include <iostream>

namespace robotlive::server {

namespace {

constexpr unsigned kLinesPerSecond = 20;
constexpr double kLinesOfOne = 20; // at once, and a minute
constexpr std::size_t kMaxValue = 256;

const char *const kNames[] = {"error", "warning", "info", "debug"};

bool
plain (std::string_view text)
{
  return std::all_of (text.begin (), text.end (), [] (unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
}

// What a terminal obeys or hides beyond ASCII: C1 controls, marks of direction,
// line separators, zero widths. *text* is a JSON string.
void
escape_invisible (std::string *text)
{
  static constexpr std::pair<unsigned, unsigned> ranges[] = {{0x80, 0x9f},
      {0xad, 0xad}, {0x61c, 0x61c}, {0x180e, 0x180e}, {0x200b, 0x200f},
      {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}};
  std::string out;
  for (const char *p = text->c_str (); *p;) {
    gunichar c = g_utf8_get_char (p);
    const char *next = g_utf8_find_next_char (p, nullptr);
    bool hidden = std::any_of (
        std::begin (ranges), std::end (ranges), [c] (const auto &range) {
          return c >= range.first && c <= range.second;
        });
    char escaped[8];
    std::snprintf (escaped, sizeof escaped, "\\u%04x", c & 0xffff);
    if (hidden)
      out += escaped;
    else
      out.append (p, next);
    p = next;
  }
  *text = std::move (out);
}

} // namespace

std::optional<LogLevel>
log_level (std::string_view name)
{
  for (int i = 0; i < 4; ++i)
    if (name == kNames[i])
      return static_cast<LogLevel> (i);
  return std::nullopt;
}

Log::Log (LogLevel level, Sink sink) : level_ (level), sink_ (std::move (sink))
{
  if (!sink_)
    sink_ = [] (const std::string &text) { std::cerr << text << std::endl; };
}

std::string
Log::line (LogLevel level, std::string_view event, Fields fields) const
{
  std::string text = "level=";
  text += kNames[static_cast<int> (level)];
  text.append (" event=").append (event);
  for (auto [name, value] : fields) {
    if (value.empty ())
      continue;
    bool cut = value.size () > kMaxValue;
    value = value.substr (0, kMaxValue);
    text.append (" ").append (name).append ("=");
    if (plain (value) && !cut)
      text.append (value);
    else {
      std::string quoted;
      append_json_string (quoted, std::string (value) + (cut ? "..." : ""));
      escape_invisible (&quoted);
      text += quoted;
    }
  }
  return text;
}

void
Log::write (LogLevel level, std::string_view event, Fields fields) const
{
  if (level <= level_)
    sink_ (line (level, event, fields));
}

void
Log::limited (LogLevel level, std::string_view event, Fields fields)
{
  if (level > level_)
    return;
  auto it = seconds_.find (event);
  if (it == seconds_.end ())
    it = seconds_.emplace (event, Second ()).first;
  Second &second = it->second;
  auto now = std::chrono::steady_clock::now ();
  if (now >= second.start + std::chrono::seconds (1)) {
    second.start = now;
    second.lines = 0;
  }
  if (++second.lines > kLinesPerSecond) {
    ++second.left_out;
    return;
  }
  std::string text = line (level, event, fields);
  if (second.left_out > 0)
    text += " left-out=" + std::to_string (second.left_out);
  second.left_out = 0;
  sink_ (text);
}

void
Log::limited_for (
    std::string_view who, LogLevel level, std::string_view event, Fields fields)
{
  if (level > level_)
    return;
  Share &share = shares_.touch (std::string (event) + " " + std::string (who));
  auto now = std::chrono::steady_clock::now ();
  std::chrono::duration<double, std::ratio<60>> minutes = now - share.last;
  share.used = std::max (0., share.used - minutes.count () * kLinesOfOne);
  share.last = now;
  if (share.used + 1 > kLinesOfOne) {
    ++share.left_out;
    return;
  }
  share.used += 1;
  std::string text = line (level, event, fields);
  if (share.left_out > 0)
    text += " left-out=" + std::to_string (share.left_out);
  share.left_out = 0;
  sink_ (text);
}

} // namespace robotlive::server
