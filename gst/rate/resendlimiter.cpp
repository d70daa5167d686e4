// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/resendlimiter.hpp"
#include <algorithm>
#include <limits>

namespace robotlive {

namespace {

constexpr std::int64_t kSecond = 1000000;
// Enough for a tenth of the packets lost, and some of them twice.
constexpr double kShare = 0.25;
// One large picture's packets may be asked for at once.
constexpr double kLeastBurst = 32 * 1200 * 8.0; // bits
constexpr double kBurst = 1.0;                  // s of the share
constexpr double kPacket = 1200 * 8.0;          // bits; its size is not known
constexpr std::int64_t kLeastRoundTrip = 20000;
constexpr std::int64_t kMostRoundTrip = 500000;
constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min () / 2;

} // namespace

ResendLimiter::ResendLimiter ()
    : rate_ (2500000), round_trip_ (100000), budget_ (kLeastBurst)
{
  sent_.fill ({0, kLongAgo});
}

void
ResendLimiter::set_path (unsigned rate, std::int64_t round_trip)
{
  rate_ = rate;
  round_trip_ = std::clamp (round_trip, kLeastRoundTrip, kMostRoundTrip);
}

bool
ResendLimiter::allow (std::uint16_t number, std::int64_t now)
{
  const double share = kShare * rate_;
  const double most = std::max (kLeastBurst, kBurst * share);
  const double elapsed =
      std::clamp<double> (double (now - filled_at_), 0, 10 * kSecond);
  budget_ = std::min (most, budget_ + share * elapsed / kSecond);
  filled_at_ = now;

  // RFC 1982: serial numbers.
  const int first = first_;
  if (first == kNone ||
      (first >= 0 && static_cast<std::int16_t> (number - first) < 0)) {
    refused_++;
    return false;
  }
  Entry &entry = sent_[number % kRemembered];
  const bool underway = entry.number == number && now - entry.at < round_trip_;
  if (underway || budget_ < kPacket) {
    refused_++;
    given_up_ += !underway;
    return false;
  }
  budget_ -= kPacket;
  entry = {number, now};
  return true;
}

} // namespace robotlive
