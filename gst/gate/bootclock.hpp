// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The two clocks of sessiongate, and a thread that sleeps on CLOCK_BOOTTIME.
#pragma once
#include "gate/gatecore.hpp"
#include <functional>
#include <memory>
#include <mutex>

namespace robotlive {

// CLOCK_BOOTTIME, and CLOCK_REALTIME read at the same moment.
Anchor clocks_now ();

// Calls *work* on a thread of its own: once at the start, at each wake (), and
// at the time that *work* returned last (kNeverNs: not by itself). That time is
// on CLOCK_BOOTTIME, so a suspended machine wakes up late but not wrong, and a
// step of the wall clock moves nothing. start () and stop () by one thread at a
// time, wake () by any.
class BootTimer
{
public:
  using Work = std::function<BootNs ()>;

  BootTimer () = default;
  ~BootTimer () { stop (); }
  BootTimer (const BootTimer &) = delete;
  BootTimer &operator= (const BootTimer &) = delete;

  // False when there is no thread or no file descriptor to be had.
  bool start (const char *name, Work work);
  // Joins the thread. Called from *work* itself it cannot; then the thread ends
  // as soon as *work* returns. *work* is freed by then.
  void stop ();
  // Any thread, also while stopped.
  void wake ();

private:
  struct Shared;
  std::mutex lock_;                // of the pointer; a leaf
  std::shared_ptr<Shared> shared_; // also the thread's
};

} // namespace robotlive
