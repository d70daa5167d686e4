// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/timeline.hpp"
#include <algorithm>

namespace robotlive {

Timeline::Placed
Timeline::place (std::optional<std::int64_t> pts,
    std::optional<std::int64_t> dts, std::int64_t now)
{
  // Not back, and, unless they come all at once, not where another one is.
  const auto fresh =
      any_ ? std::max (now, std::min (last_ + kStep, now + kMostAhead)) : now;
  if (!pts && !dts) {
    any_ = true;
    last_ = fresh;
    return {fresh, 0, Fault::Missing};
  }
  // Pictures that are shown in another order than they come in have both.
  const bool reordered = pts && dts && *dts < *pts;
  const auto key = reordered ? *dts : pts ? *pts : *dts;
  auto placed = key + offset_;
  equal_ = any_ && key == last_key_ ? equal_ + 1 : 0;

  auto fault = Fault::None;
  if (any_ && (placed < last_ || equal_ > kMostEqual))
    fault = Fault::Back;
  else if (placed - now > kMostAhead)
    fault = Fault::Ahead;
  else if (now - placed > kMostBehind)
    fault = Fault::Behind;
  if (fault != Fault::None) {
    offset_ = fresh - key;
    placed = fresh;
  }
  any_ = true;
  last_key_ = key;
  last_ = placed;
  return {reordered ? *pts + offset_ : placed, offset_, fault};
}

} // namespace robotlive
