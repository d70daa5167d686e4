// SPDX-License-Identifier: LGPL-2.1-or-later
//
// KeyFrameLimiter: many viewers' wishes for a key frame become one request in
// each interval. A wish that comes too early is granted at the interval's end,
// unless a key frame has come by then: it serves all that wait.
#pragma once
#include <algorithm>
#include <cstdint>
#include <mutex>

namespace robotlive {

// Any thread; takes *now* as an argument and so needs no clock.
class KeyFrameLimiter
{
public:
  enum class Verdict
  {
    Pass,  // now
    Later, // once *wait_ns* have passed: ask again if due ()
    Drop,  // one waits already
  };

  void set_interval (std::int64_t ns)
  {
    std::lock_guard<std::mutex> lock (mutex_);
    interval_ = ns;
  }
  Verdict ask (std::int64_t now, std::int64_t *wait_ns)
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (pending_)
      return Verdict::Drop;
    if (!asked_ || now - last_ >= interval_) {
      asked_ = true;
      last_ = now;
      return Verdict::Pass;
    }
    pending_ = true;
    *wait_ns = interval_ - (now - last_);
    return Verdict::Later;
  }
  // The time of a Later has come. True: the wish stands, the next ask ()
  // passes.
  bool due ()
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (!pending_)
      return false;
    pending_ = false;
    asked_ = false;
    return true;
  }
  // A key frame, whoever wanted it, is on its way to all viewers.
  void came ()
  {
    std::lock_guard<std::mutex> lock (mutex_);
    pending_ = false;
  }

private:
  std::mutex mutex_; // all of the below; nothing is called under it
  std::int64_t interval_ = 500000000;
  std::int64_t last_ = 0;
  bool asked_ = false, pending_ = false;
};

} // namespace robotlive
