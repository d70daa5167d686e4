// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/pacer.hpp"
#include <algorithm>

namespace robotlive {

namespace {

constexpr std::int64_t kUsual = 33333, kLeast = 8000, kMost = 40000; // us
// The last packet must not be in the next picture's way.
constexpr double kShare = 0.8;
// Pictures this much larger than the mean are bursts.
constexpr double kBurst = 2;
// Of the path, for key frames alone; some is for packets sent again.
constexpr double kAlone = 0.8;
constexpr std::int64_t kMostAlone = 1500000;
// Shorter waits are not worth waking up for.
constexpr std::int64_t kWorthwhile = 500;

} // namespace

void
Pacer::set_path (unsigned rate, bool narrow, bool alone)
{
  rate_ = rate;
  narrow_ = narrow;
  alone_ = alone;
}

void
Pacer::begin (std::uint64_t size, std::int64_t duration, std::int64_t now)
{
  const std::int64_t interval =
      duration > 0 ? std::clamp (duration, kLeast, kMost) : kUsual;
  const double mean = double (rate_) / 8e6 * double (interval);
  start_ = now;
  size_ = size;
  gone_ = 0;
  const bool narrow = narrow_;
  one_by_one_ = narrow;
  if (narrow && alone_) {
    const double rate = kAlone * std::max<double> (rate_, 1);
    spread_ = std::min (
        kMostAlone, static_cast<std::int64_t> (double (size) * 8e6 / rate));
    return;
  }
  spread_ = narrow && double (size) > kBurst * mean
                ? static_cast<std::int64_t> (kShare * double (interval))
                : 0;
}

std::int64_t
Pacer::wait (unsigned size, std::int64_t now)
{
  if (spread_ == 0)
    return 0;
  const double share = std::min (
      1.0, double (gone_) / double (std::max<std::uint64_t> (size_, 1)));
  gone_ += size;
  const std::int64_t due =
      start_ + static_cast<std::int64_t> (double (spread_) * share);
  // Whatever the clock does, no packet waits longer than the picture lasts.
  const std::int64_t wait = std::min (due - now, spread_.load ());
  return wait < kWorthwhile ? 0 : wait;
}

} // namespace robotlive
