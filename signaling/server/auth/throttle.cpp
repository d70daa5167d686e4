// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/throttle.hpp"
#include "server/net/address.hpp"
#include <algorithm>
#include <cmath>

namespace robotlive::server {

namespace {

// Of one account from one address, before its guesses get slower.
constexpr std::size_t kFreeGuesses = 8;
constexpr TimeMs kFirstPause = 5000;
constexpr TimeMs kLongestPause = 5 * 60 * 1000;
// After so long without a guess all is forgotten.
constexpr TimeMs kForget = 60 * 60 * 1000;
constexpr TimeMs kMinute = 60 * 1000;
// A provider gives one customer a /48 at most; it is worth a few households.
constexpr std::size_t kHouseholds = 4;

std::string
pair_key (const LoginAttempt &attempt)
{
  return attempt.address + " " + attempt.account;
}

template <typename Map>
void
end_pending (Map &map, const std::string &key)
{
  if (auto *value = map.find (key))
    value->pending -= std::min<std::size_t> (value->pending, 1);
}

} // namespace

LoginAttempt
LoginAttempt::of (const std::string &account, const std::string &client_address)
{
  LoginAttempt attempt;
  attempt.account = account;
  attempt.address = client_address;
  auto parsed = net::Address::parse (client_address);
  if (!parsed)
    return attempt;
  attempt.address = parsed->limit_key ().text ();
  if (parsed->is_v4 () || parsed->is_loopback ())
    return attempt;
  std::fill (parsed->bytes.begin () + 6, parsed->bytes.end (), 0);
  attempt.network = parsed->text ();
  return attempt;
}

TimeMs
LoginThrottle::Guesses::wait (std::size_t free, TimeMs now)
{
  if (now >= last + kForget && pending == 0)
    *this = Guesses ();
  if (wrong + pending < free)
    return 0;
  if (pending > 0)
    return 1000; // one at a time, from here on
  return std::max<TimeMs> (0, last + pause - now);
}

void
LoginThrottle::Guesses::add (std::size_t free, TimeMs now)
{
  ++wrong;
  last = now;
  if (wrong >= free)
    pause = std::clamp (2 * pause, kFirstPause, kLongestPause);
}

void
LoginThrottle::Budget::refill (std::size_t limit, TimeMs window, TimeMs now)
{
  double back = static_cast<double> (now - last) * static_cast<double> (limit) /
                static_cast<double> (window);
  used = std::max (0., used - back);
  last = now;
}

TimeMs
LoginThrottle::Budget::wait (std::size_t limit, TimeMs window, TimeMs now)
{
  refill (limit, window, now);
  double over =
      used + static_cast<double> (pending) + 1 - static_cast<double> (limit);
  if (over <= 0)
    return 0;
  return static_cast<TimeMs> (std::ceil (
      over * static_cast<double> (window) / static_cast<double> (limit)));
}

bool
LoginThrottle::known (const LoginAttempt &attempt)
{
  return known_.find (pair_key (attempt)) != nullptr;
}

TimeMs
LoginThrottle::begin (const LoginAttempt &attempt, TimeMs now)
{
  const std::string pair = pair_key (attempt);
  const LoginLimits &l = limits_;
  TimeMs wait = 0;
  auto guesses = [&] (auto &map, const std::string &key, std::size_t free) {
    // Not made here: who is refused leaves nothing behind.
    if (Guesses *found = map.find (key))
      wait = std::max (wait, found->wait (free, now));
  };
  auto budget = [&] (auto &map, const std::string &key, std::size_t limit,
                    TimeMs window) {
    Budget *found = limit > 0 ? map.find (key) : nullptr;
    if (found)
      wait = std::max (wait, found->wait (limit, window, now));
  };
  guesses (pairs_, pair, kFreeGuesses);
  if (!known (attempt)) {
    if (l.failures_per_account > 0)
      guesses (accounts_, attempt.account, l.failures_per_account);
    budget (addresses_, attempt.address, l.failures_per_address, l.window_ms);
    budget (networks_, attempt.network, kHouseholds * l.failures_per_address,
        l.window_ms);
  }
  budget (logins_, attempt.account, l.logins_per_minute, kMinute);
  if (wait > 0)
    return wait;
  ++pairs_.touch (pair).pending;
  ++accounts_.touch (attempt.account).pending;
  ++addresses_.touch (attempt.address).pending;
  if (!attempt.network.empty ())
    ++networks_.touch (attempt.network).pending;
  return 0;
}

void
LoginThrottle::finish (const LoginAttempt &attempt, Outcome outcome, TimeMs now)
{
  const std::string pair = pair_key (attempt);
  end_pending (pairs_, pair);
  end_pending (accounts_, attempt.account);
  end_pending (addresses_, attempt.address);
  end_pending (networks_, attempt.network);
  if (outcome == Outcome::Right) {
    std::size_t pending = pairs_.touch (pair).pending;
    pairs_.touch (pair) = Guesses ();
    pairs_.touch (pair).pending = pending;
    known_.touch (pair) = true;
    if (limits_.logins_per_minute > 0) {
      Budget &logins = logins_.touch (attempt.account);
      logins.refill (limits_.logins_per_minute, kMinute, now);
      logins.used += 1;
    }
  }
  if (outcome != Outcome::Wrong)
    return;
  bool stranger = !known (attempt);
  pairs_.touch (pair).add (kFreeGuesses, now);
  // What a known address gets wrong is its own affair: a colleague behind it
  // who mistypes locks nobody else out.
  if (!stranger)
    return;
  if (limits_.failures_per_account > 0)
    accounts_.touch (attempt.account).add (limits_.failures_per_account, now);
  if (limits_.failures_per_address == 0)
    return;
  Budget &address = addresses_.touch (attempt.address);
  address.refill (limits_.failures_per_address, limits_.window_ms, now);
  address.used += 1;
  if (attempt.network.empty ())
    return;
  Budget &network = networks_.touch (attempt.network);
  network.refill (
      kHouseholds * limits_.failures_per_address, limits_.window_ms, now);
  network.used += 1;
}

std::size_t
LoginThrottle::size () const
{
  return pairs_.size () + accounts_.size () + addresses_.size () +
         networks_.size () + logins_.size () + known_.size ();
}

} // namespace robotlive::server
