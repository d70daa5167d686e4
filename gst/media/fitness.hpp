// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Fitness: whether browsers can show a stream at all, and, if not, what to
// change at its source.
#pragma once
#include <cstdint>
#include <gst/gst.h>
#include <optional>
#include <string>

namespace robotlive {

// By the caps behind the parser: a sentence, or "" for a stream that is fit.
std::string unfit_by_caps (const GstCaps *caps);

// True when a slice in *picture* refers to pictures in two directions. H.264,
// with lengths of four bytes.
bool has_b_slice (GstBuffer *picture);

// Pictures that are shown in another order than they come in. Browsers show the
// few that nothing refers to, and ask for key frames all the time. The
// streaming thread alone.
class OrderWatch
{
public:
  // True once, when there is no doubt any more. *slices*: the format is one of
  // which has_b_slice () knows.
  bool see (GstBuffer *picture, std::optional<std::int64_t> pts, bool slices);
  void reset () { *this = OrderWatch (); }

private:
  static constexpr unsigned kEnough = 8;
  // Between two that are shown later than all before: encoders make 16 at most.
  static constexpr unsigned kLongest = 16;
  // What goes back further than this is a leap.
  static constexpr std::int64_t kFarthest = 1000000000;

  std::optional<std::int64_t> latest_;
  unsigned reordered_ = 0, run_ = 0;
};

} // namespace robotlive
