// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Backoff: how long to wait before the next attempt. Pure: the caller brings
// the random number.
#pragma once
#include <algorithm>

namespace robotlive {

class Backoff
{
public:
  Backoff (unsigned min_ms, unsigned max_ms)
      : min_ (std::max (1u, min_ms)), max_ (std::max (min_, max_ms)),
        next_ (min_)
  {
  }

  // *random* in [0, 1) spreads the wait over 0.5 to 1.5 times its length, so
  // that the robots of a site do not all come back at one instant.
  unsigned next (double random)
  {
    const unsigned wait = next_;
    next_ = next_ > max_ / 2 ? max_ : next_ * 2;
    return jitter (wait, random);
  }

  // The longest wait: what failed will not soon be mended by itself.
  unsigned longest (double random)
  {
    next_ = max_;
    return jitter (max_, random);
  }

  void reset () { next_ = min_; }

private:
  static unsigned jitter (unsigned wait, double random)
  {
    return static_cast<unsigned> (wait * (0.5 + random));
  }

  unsigned min_;
  unsigned max_;
  unsigned next_;
};

} // namespace robotlive
