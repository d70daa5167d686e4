// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Standing: what a robot's client knows of its place at the server: the offers
// that it has got, and whether another process of the same robot has the place.
#pragma once
#include "protocol/messages.hpp"
#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace robotlive {

// The newest offer of each peer, and whose it is.
class Offers
{
public:
  struct Offer
  {
    std::string id; // may be empty
    std::string viewer;
  };

  void add (const std::string &peer_id, Offer offer)
  {
    // Without them our messages mean the newest offer, as from old robots.
    if (offers_.size () >= kMost)
      offers_.clear ();
    offers_[peer_id] = std::move (offer);
  }
  // Nothing is known of it: both are empty.
  Offer of (const std::string &peer_id) const
  {
    const auto found = offers_.find (peer_id);
    return found == offers_.end () ? Offer () : found->second;
  }
  void forget (const std::string &peer_id) { offers_.erase (peer_id); }
  void clear () { offers_.clear (); }

private:
  static constexpr std::size_t kMost = 256;
  std::map<std::string, Offer> offers_; // by peerId
};

// "replaced": by whom, and how long to stay away.
class Displacement
{
public:
  // *first_ms* where the server names no time; *longest_ms* at most.
  Displacement (unsigned first_ms, unsigned longest_ms)
      : first_ (first_ms), longest_ (std::max (first_ms, longest_ms))
  {
  }

  // True when this is another one than before.
  bool begin (
      const std::string &instance, const std::optional<TimeMs> &retry_after_ms)
  {
    const bool other = !displaced_ || instance != instance_;
    displaced_ = true;
    instance_ = instance;
    asked_ = retry_after_ms ? static_cast<unsigned> (std::clamp<TimeMs> (
                                  *retry_after_ms, 0, longest_))
                            : first_;
    return other;
  }
  void end ()
  {
    displaced_ = false;
    wait_ = 0;
  }
  bool displaced () const { return displaced_; }
  // Never less than the server asks for, twice as long each time, and spread
  // over 1 to 1.5 times that. *random* in [0, 1).
  unsigned next (double random)
  {
    wait_ = std::min (longest_, std::max (asked_, wait_ * 2));
    return static_cast<unsigned> (wait_ * (1 + random / 2));
  }

private:
  const unsigned first_, longest_;
  bool displaced_ = false;
  std::string instance_;
  unsigned asked_ = 0, wait_ = 0; // ms
};

} // namespace robotlive
