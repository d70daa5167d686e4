// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How often somebody may guess a password. What counts is a password that was
// looked at and was wrong; an answer that checked nothing counts for nothing.
// Time is a monotonic clock's, so that nobody waits for a clock that was set.
#pragma once
#include "grant/window.hpp"
#include "server/app/boundedmap.hpp"
#include <cstddef>
#include <string>

namespace robotlive::server {

struct LoginLimits
{
  // Wrong passwords within *window_ms*; 0: any number.
  std::size_t failures_per_address = 100;
  // Of one account, from addresses where it never logged in; then its guesses
  // get slower and slower. 0: any number.
  std::size_t failures_per_account = 20;
  // Right ones of one account; 0: any number.
  std::size_t logins_per_minute = 10;
  TimeMs window_ms = 15 * 60 * 1000;
};

// Who tries to log in to what.
struct LoginAttempt
{
  std::string account; // the e-mail address as it is compared
  std::string address; // as text; an IPv6 address stands for its /64
  std::string network; // the /48 of an IPv6 address, empty for IPv4

  static LoginAttempt of (
      const std::string &account, const std::string &client_address);
};

class LoginThrottle
{
public:
  enum class Outcome
  {
    Right,
    Wrong,
    Unchecked // nobody looked at the password
  };

  void set_limits (const LoginLimits &limits) { limits_ = limits; }

  // 0: go on, and finish () when it is known how it went. Otherwise so many
  // milliseconds to wait. *now*: of a clock that nobody sets.
  TimeMs begin (const LoginAttempt &attempt, TimeMs now);
  void finish (const LoginAttempt &attempt, Outcome outcome, TimeMs now);
  // This account has logged in from there: others' guesses are not held
  // against it.
  bool known (const LoginAttempt &attempt);
  std::size_t size () const;

private:
  // Guesses get slower: free ones, then a pause that doubles with each.
  struct Guesses
  {
    std::size_t wrong = 0;
    std::size_t pending = 0; // being checked: parallel ones do not slip through
    TimeMs last = 0;
    TimeMs pause = 0;
    TimeMs wait (std::size_t free, TimeMs now);
    void add (std::size_t free, TimeMs now);
  };
  // So many at once, filled up again in the course of a window.
  struct Budget
  {
    double used = 0;
    std::size_t pending = 0;
    TimeMs last = 0;
    void refill (std::size_t limit, TimeMs window, TimeMs now);
    TimeMs wait (std::size_t limit, TimeMs window, TimeMs now);
  };

  static constexpr std::size_t kMost = 10000;
  LoginLimits limits_;
  BoundedMap<Guesses> pairs_{kMost};    // account and address
  BoundedMap<Guesses> accounts_{kMost}; // from addresses that are not known
  BoundedMap<Budget> addresses_{kMost};
  BoundedMap<Budget> networks_{kMost};
  BoundedMap<Budget> logins_{kMost}; // right ones, by account
  BoundedMap<bool> known_{kMost};    // account and address
};

} // namespace robotlive::server
