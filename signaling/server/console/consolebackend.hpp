// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Hub's Backend on an existing console: its HTTP API is asked with the
// viewer's own token (GET {url}/my-bookings). The requests run on a thread of
// their own; everything else here, on the I/O thread.
//
//   find_viewer ─► cache ─► breaker ─► queue ─► HTTP thread ─► reply
//
// While the console does not answer as it should nobody new gets in, and what
// it said before is forgotten; running sessions keep their granted end.
#pragma once
#include "server/app/log.hpp"
#include "server/app/times.hpp"
#include "server/hub/backend.hpp"
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace robotlive::server {

class ConsoleClient;

struct ConsoleOptions
{
  std::string url;     // http(s)://host[:port][/base]
  std::string ca_file; // PEM; empty: the system's
  TimeMs timeout_ms = 3000;
  TimeMs cache_ms = 10000;
  // After so many failures in a row nobody asks for *pause_ms*, then one may
  // try; each failed try doubles the pause, up to *max_pause_ms*.
  unsigned max_failures = 3;
  TimeMs pause_ms = 2000;
  TimeMs max_pause_ms = 30000;
};

// The URL in --database console+https://host[:port][/base]; plain http for
// loopback addresses alone, since the tokens travel there. Nothing if
// *database* is not of a console. Throws ConfigError, without the URL.
std::optional<std::string> console_url (const std::string &database);

// The bookings of *user* in an answer of /my-bookings; *zone* is that of dates
// and clock times. False for what is not such an answer at all. An entry that
// cannot be read, is another's or is not active opens nothing.
bool parse_console_bookings (std::string_view json, const std::string &user,
    const Zone &zone, std::vector<Booking> *out);

// Whether to ask somebody who failed before. Pure.
class CircuitBreaker
{
public:
  explicit CircuitBreaker (const ConsoleOptions &options) : options_ (options)
  {
  }
  bool may_ask (TimeMs now); // counts as the one try while it is open
  void succeeded ();
  void failed (TimeMs now);
  bool healthy () const { return failures_ == 0; }
  bool open () const { return failures_ >= options_.max_failures; }

private:
  const ConsoleOptions options_;
  unsigned failures_ = 0; // in a row
  TimeMs pause_ = 0;
  TimeMs open_until_ = 0;
  bool trying_ = false;
};

class ConsoleBackend final : public Backend
{
public:
  using Post =
      std::function<void (std::function<void ()>)>; // to the I/O thread

  // *zone* and *log* outlive it. Throws ConfigError.
  ConsoleBackend (
      const ConsoleOptions &options, const Zone &zone, Post post, Log &log);
  ~ConsoleBackend () override;

  void find_viewer (const Identity &identity, const std::string &token,
      const std::string &robot,
      std::function<void (const ViewerAnswer &, TimeMs)> reply) override;
  // A robot's valid token is enough, if it was not revoked here: the console
  // keeps no list of them.
  void find_robot (const Identity &identity,
      std::function<void (const RobotAnswer &, TimeMs)> reply) override;
  void session_changed (const SessionEntry &entry) override;
  // Who keeps the sessions, which no console does. It outlives this.
  void set_audit (Backend *audit) { audit_ = audit; }

  // The last question was answered.
  bool healthy () const { return breaker_.healthy (); }

private:
  using Reply = std::function<void (const ViewerAnswer &, TimeMs)>;
  struct Question // of one token, whoever asks
  {
    Identity identity;
    std::vector<Reply> replies;
  };
  struct Cached
  {
    ViewerAnswer answer;
    TimeMs until = 0;
  };

  void ask_next ();
  void answered (
      const std::string &token, unsigned status, const std::string &body);
  void failed (const std::string &token, const std::string &why);
  void finish (const std::string &token, const ViewerAnswer &answer);

  const ConsoleOptions options_;
  const Zone &zone_;
  Log &log_;
  Backend *audit_ = nullptr;
  CircuitBreaker breaker_;
  std::map<std::string, Question> questions_; // by token
  std::deque<std::string> queue_;             // tokens not asked with yet
  std::size_t asking_ = 0;
  std::map<std::string, Cached> cache_; // by token
  std::shared_ptr<bool> alive_ = std::make_shared<bool> (true);
  std::unique_ptr<ConsoleClient> client_; // the HTTP thread
};

} // namespace robotlive::server
