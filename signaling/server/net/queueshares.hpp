// SPDX-License-Identifier: LGPL-2.1-or-later
//
// QueueShares: who fills a queue that a slow peer does not read. The queue's
// bytes are counted from its beginning on; what is behind *drained* waits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace robotlive::server::net {

class QueueShares
{
public:
  // A message of *sender* that ends at byte *end* of the queue. *weight*: what
  // it counts for.
  void add (std::string_view sender, std::size_t weight, std::uint64_t end)
  {
    const std::string name (sender);
    waiting_.push_back ({name, weight, end});
    shares_[name] += weight;
  }
  void drain (std::uint64_t drained)
  {
    for (; !waiting_.empty () && waiting_.front ().end <= drained;
         waiting_.pop_front ()) {
      auto share = shares_.find (waiting_.front ().sender);
      share->second -= waiting_.front ().weight;
      if (share->second == 0)
        shares_.erase (share);
    }
  }
  std::size_t of (std::string_view sender) const
  {
    auto share = shares_.find (std::string (sender));
    return share == shares_.end () ? 0 : share->second;
  }
  bool empty () const { return waiting_.empty (); }

private:
  struct Waiting
  {
    std::string sender;
    std::size_t weight;
    std::uint64_t end;
  };
  std::deque<Waiting> waiting_;
  std::unordered_map<std::string, std::size_t> shares_;
};

} // namespace robotlive::server::net
