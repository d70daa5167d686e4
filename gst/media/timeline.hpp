// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Timeline: at what time a stream's buffers are sent. What comes in is trusted
// as far as it can be true: a buffer that lies in the future would hold up its
// viewers until then (webrtcbin waits for it), and one that lies before its
// predecessor is an old one to a browser, which it does not show.
//
// Pure; the streaming thread alone. Running times, ns.
#pragma once
#include <cstdint>
#include <optional>

namespace robotlive {

class Timeline
{
public:
  enum class Fault
  {
    None,
    Missing, // has no time at all: it is sent when it comes
    Ahead,   // too far ahead of the clock
    Behind,  // far behind it
    Back,    // before the one that came before it
  };

  struct Placed
  {
    std::int64_t time;  // of the picture, when it is to be shown
    std::int64_t shift; // this much later than it said, since the last fault
    Fault fault;
  };

  // What the branches' queues can hold is 200 ms.
  static constexpr std::int64_t kMostAhead = 100 * std::int64_t (1000000);
  // A network that has stalled delivers what is old, and catches up.
  static constexpr std::int64_t kMostBehind = 10 * std::int64_t (1000000000);
  static constexpr std::int64_t kStep = 1000000;
  // As many in a row with one and the same time.
  static constexpr unsigned kMostEqual = 2;

  // *now*: when it came.
  Placed place (std::optional<std::int64_t> pts,
      std::optional<std::int64_t> dts, std::int64_t now);
  // Another stream begins.
  void reset () { *this = Timeline (); }

private:
  std::int64_t offset_ = 0;
  bool any_ = false;
  std::int64_t last_key_ = 0, last_ = 0; // as it came, as it was placed
  unsigned equal_ = 0;
};

} // namespace robotlive
