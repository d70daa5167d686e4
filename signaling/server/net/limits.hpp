// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Token buckets, and what one address may have and do. I/O thread only.
#pragma once
#include "server/net/address.hpp"
#include "server/net/networkserver.hpp"
#include "server/net/timers.hpp"

#include <memory>
#include <unordered_map>

namespace robotlive::server::net {

class TokenBucket
{
public:
  // Takes one token of a bucket that *limit* fills. False: empty.
  bool take (const RateLimit &limit, Clock::time_point now);
  // Whether it has been filled up again since the last take ().
  bool full (const RateLimit &limit, Clock::time_point now) const;

private:
  float missing_ = 0; // tokens below the burst
  Clock::time_point last_{};
};

struct AddressUse
{
  std::size_t connections = 0;
  std::size_t sessions = 0;
  TokenBucket messages;
  TokenBucket requests;
};

// Entries live while something of the address does, and until its buckets are
// full again: forgetting a full bucket loses nothing.
class AddressTable
{
public:
  AddressTable (Timers &timers, const ServerOptions &options);

  // Valid while someone holds it; sweep () drops what nobody does.
  std::shared_ptr<AddressUse> get (const Address &address);
  std::size_t size () const { return table_.size (); }

private:
  void sweep ();

  const ServerOptions &options_;
  std::unordered_map<Address, std::shared_ptr<AddressUse>, AddressHash> table_;
  Timer timer_;
};

} // namespace robotlive::server::net
