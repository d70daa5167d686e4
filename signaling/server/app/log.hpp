// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The log: one line an event, for the journal, which adds the time:
//
//   level=info event=session-admitted peer=9f3c… user=7 robot=robot_1
//
// Never a token, password, key, SDP or e-mail address: what is not handed in
// cannot get out. Values that are no plain word are quoted as JSON strings and
// cut, so that nothing a peer sends can begin a line of its own.
#pragma once
#include "server/app/boundedmap.hpp"
#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace robotlive::server {

enum class LogLevel
{
  Error,
  Warning,
  Info,
  Debug
};

// "error", "warning", "info" or "debug"; nothing for anything else.
std::optional<LogLevel> log_level (std::string_view name);

class Log
{
public:
  using Fields =
      std::initializer_list<std::pair<std::string_view, std::string_view>>;
  using Sink = std::function<void (const std::string &line)>;

  // Without *sink*: standard error.
  explicit Log (LogLevel level = LogLevel::Info, Sink sink = nullptr);

  void set_level (LogLevel level) { level_ = level; }
  // Fields with an empty value are left out.
  void write (LogLevel level, std::string_view event, Fields fields = {}) const;
  // For what strangers can cause: at most 20 lines a second of one event. Those
  // left out are counted, and told with the next line: "left-out=N".
  void limited (LogLevel level, std::string_view event, Fields fields);

  // For what one user can cause without end: at most 20 lines of one event and
  // *who* at once, and 20 a minute. Those left out are told as above.
  void limited_for (std::string_view who, LogLevel level,
      std::string_view event, Fields fields);

private:
  std::string line (
      LogLevel level, std::string_view event, Fields fields) const;

  struct Second
  {
    std::chrono::steady_clock::time_point start{};
    unsigned lines = 0;
    unsigned left_out = 0;
  };
  LogLevel level_;
  Sink sink_;
  std::map<std::string, Second, std::less<>> seconds_; // by event
  struct Share
  {
    std::chrono::steady_clock::time_point last{};
    double used = 0; // lines
    unsigned left_out = 0;
  };
  BoundedMap<Share> shares_{10000}; // by event and who
};

} // namespace robotlive::server
