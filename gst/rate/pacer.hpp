// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pacer: when the packets of a large picture leave. A key frame is many times
// the size of other pictures and leaves an encoder at once; a link whose queue
// is short loses part of it. Spread over the time until the next picture it
// finds the queue emptier.
//
// Pure: no clock, no I/O, no GStreamer. Microseconds, bytes, bit/s.
#pragma once
#include <atomic>
#include <cstdint>

namespace robotlive {

class Pacer
{
public:
  // Any thread. *narrow*: the path is one where a burst waits; on others a
  // picture that is held back is only late. *rate*: what the stream has.
  // *alone*: no picture follows for long, as only key frames are sent; each
  // leaves as slowly as the path takes it.
  void set_path (unsigned rate, bool narrow, bool alone = false);

  // Streaming thread, from here on. A picture of *size* is about to leave;
  // *duration* until the next, 0 if unknown.
  void begin (std::uint64_t size, std::int64_t duration, std::int64_t now);
  // Its packets leave one by one, as the path is narrow, whether they wait or
  // not.
  bool one_by_one () const { return one_by_one_; }
  // Any thread: how long the last picture's packets take to leave.
  std::int64_t spread () const { return spread_; }
  // How long the picture's next packet has to wait.
  std::int64_t wait (unsigned size, std::int64_t now);

private:
  std::atomic<unsigned> rate_{0};
  std::atomic<bool> narrow_{false}, alone_{false};
  bool one_by_one_ = false;
  std::int64_t start_ = 0;
  std::atomic<std::int64_t> spread_{0}; // 0: at once
  std::uint64_t size_ = 0, gone_ = 0;
};

} // namespace robotlive
