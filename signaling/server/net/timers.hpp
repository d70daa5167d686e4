// SPDX-License-Identifier: LGPL-2.1-or-later
//
// All deadlines of the server: one ordered map and one timer of the loop, so
// that an idle connection pays for a map entry and not for a timer. I/O thread
// only.
#pragma once
#include "server/net/eventloop.hpp"

#include <chrono>
#include <functional>
#include <map>

namespace robotlive::server::net {

using Clock = std::chrono::steady_clock;

class Timer;

class Timers
{
public:
  explicit Timers (EventLoop &loop) : loop_ (loop), timer_ (loop.ev ())
  {
    timer_.set<Timers, &Timers::run_due> (this);
  }

private:
  friend class Timer;
  using Queue = std::multimap<Clock::time_point, Timer *>;

  void wait ();
  void run_due ();

  EventLoop &loop_;
  Queue queue_;
  ev::timer timer_;
  Clock::time_point waiting_until_ = Clock::time_point::max ();
};

// A member of what it wakes up: its destruction disarms it.
class Timer
{
public:
  Timer (Timers &timers, std::function<void ()> expired)
      : timers_ (timers), expired_ (std::move (expired))
  {
  }
  ~Timer () { disarm (); }
  Timer (const Timer &) = delete;
  Timer &operator= (const Timer &) = delete;

  // Replaces an earlier deadline. The callback may destroy the timer.
  void arm (Clock::time_point deadline);
  void disarm ();

private:
  friend class Timers;

  Timers &timers_;
  std::function<void ()> expired_;
  Timers::Queue::iterator position_;
  bool armed_ = false;
};

} // namespace robotlive::server::net
