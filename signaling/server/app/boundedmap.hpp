// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace robotlive::server {

// A map that forgets the key that was touched longest ago when it is full, so
// that an attacker with many names fills no memory.
template <typename Value> class BoundedMap
{
public:
  explicit BoundedMap (std::size_t most) : most_ (most) {}

  Value *find (const std::string &key)
  {
    auto it = index_.find (key);
    return it == index_.end () ? nullptr : &it->second->second;
  }
  // Made if it is missing; the newest from now on.
  Value &touch (const std::string &key)
  {
    auto it = index_.find (key);
    if (it != index_.end ()) {
      order_.splice (order_.end (), order_, it->second);
      return it->second->second;
    }
    if (index_.size () >= most_)
      erase (order_.front ().first);
    order_.emplace_back (key, Value ());
    index_[key] = std::prev (order_.end ());
    return order_.back ().second;
  }
  void erase (const std::string &key)
  {
    auto it = index_.find (key);
    if (it == index_.end ())
      return;
    auto entry = it->second;
    index_.erase (it);
    order_.erase (entry);
  }
  std::size_t size () const { return index_.size (); }

private:
  using Order = std::list<std::pair<std::string, Value>>;
  const std::size_t most_;
  Order order_; // the one touched longest ago first
  std::map<std::string, typename Order::iterator> index_;
};

} // namespace robotlive::server
