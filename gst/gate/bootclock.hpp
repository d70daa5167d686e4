// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The two clocks of sessiongate, and what sleeps on CLOCK_BOOTTIME for all
// gates of a process.
#pragma once
#include "gate/gatecore.hpp"
#include <functional>
#include <memory>
#include <mutex>

namespace robotlive {

// CLOCK_BOOTTIME, and CLOCK_REALTIME read at the same moment.
Anchor clocks_now ();

// Calls *work*: once at the start, at each wake (), and at the time that *work*
// returned last (kNeverNs: not by itself). That time is on CLOCK_BOOTTIME, so a
// suspended machine wakes up late but not wrong, and a step of the wall clock
// moves nothing. start () and stop () by one thread at a time, wake () by any.
//
// One thread sleeps for all timers of the process, while there are any. *work*
// has a thread while it runs, and is never run twice at a time: one that takes
// long, as an application's handler may, holds up no other timer.
class BootTimer
{
public:
  using Work = std::function<BootNs ()>;

  BootTimer () = default;
  ~BootTimer () { stop (); }
  BootTimer (const BootTimer &) = delete;
  BootTimer &operator= (const BootTimer &) = delete;

  // *name*: of the threads that *work* has. False when there is no thread or no
  // file descriptor to be had.
  bool start (const char *name, Work work);
  // *work* does not run when this returns, and is freed. Called from *work*
  // itself: when that returns.
  void stop ();
  // Any thread, also while stopped.
  void wake ();

private:
  struct Entry;
  class Sleeper;
  std::mutex lock_; // of the pointer; a leaf
  std::shared_ptr<Entry> entry_;
};

} // namespace robotlive
