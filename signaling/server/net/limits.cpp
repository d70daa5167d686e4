// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/limits.hpp"

#include <algorithm>

namespace robotlive::server::net {

namespace {

constexpr std::chrono::seconds sweep_interval{10};

float
refilled (const RateLimit &limit, Clock::duration since)
{
  using Seconds = std::chrono::duration<double>;
  return static_cast<float> (
      std::chrono::duration_cast<Seconds> (since).count () * limit.per_second);
}

} // namespace

bool
TokenBucket::take (const RateLimit &limit, Clock::time_point now)
{
  if (limit.per_second <= 0)
    return true;
  missing_ = std::max (0.f, missing_ - refilled (limit, now - last_));
  last_ = now;
  if (missing_ + 1 > static_cast<float> (std::max (1.0, limit.burst)))
    return false;
  missing_ += 1;
  return true;
}

bool
TokenBucket::full (const RateLimit &limit, Clock::time_point now) const
{
  return missing_ <= refilled (limit, now - last_);
}

AddressTable::AddressTable (Timers &timers, const ServerOptions &options)
    : options_ (options), timer_ (timers, [this] { sweep (); })
{
}

std::shared_ptr<AddressUse>
AddressTable::get (const Address &address)
{
  auto &entry = table_[address.limit_key ()];
  if (!entry) {
    entry = std::make_shared<AddressUse> ();
    if (table_.size () == 1)
      timer_.arm (Clock::now () + sweep_interval);
  }
  return entry;
}

void
AddressTable::sweep ()
{
  auto now = Clock::now ();
  for (auto it = table_.begin (); it != table_.end ();) {
    const AddressUse &use = *it->second;
    bool idle = it->second.use_count () == 1 &&
                use.messages.full (options_.message_rate_per_address, now) &&
                use.requests.full (options_.request_rate_per_address, now);
    it = idle ? table_.erase (it) : std::next (it);
  }
  if (!table_.empty ())
    timer_.arm (now + sweep_interval);
}

} // namespace robotlive::server::net
