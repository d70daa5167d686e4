// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/timers.hpp"

#include <algorithm>

namespace robotlive::server::net {

void
Timer::arm (Clock::time_point deadline)
{
  if (armed_ && position_->first == deadline)
    return;
  disarm ();
  position_ = timers_.queue_.emplace (deadline, this);
  armed_ = true;
  timers_.wait ();
}

void
Timer::disarm ()
{
  if (!armed_)
    return;
  timers_.queue_.erase (position_);
  armed_ = false;
}

// Waits for the earliest deadline. A wait that turns out too early, because its
// timer was disarmed, costs one wake-up and is cheaper than re-arming each
// time.
void
Timers::wait ()
{
  if (queue_.empty () || queue_.begin ()->first >= waiting_until_)
    return;
  waiting_until_ = queue_.begin ()->first;
  std::chrono::duration<double> left = waiting_until_ - Clock::now ();
  ev_now_update (loop_.ev ()); // what libev counts from is when it last slept
  timer_.start (std::max (left.count (), 0.0));
}

void
Timers::run_due ()
{
  waiting_until_ = Clock::time_point::max ();
  auto now = Clock::now ();
  while (!queue_.empty () && queue_.begin ()->first <= now) {
    Timer *timer = queue_.begin ()->second;
    timer->disarm ();
    // A copy: the callback may destroy the timer, and itself with it.
    auto expired = timer->expired_;
    expired ();
  }
  wait ();
}

} // namespace robotlive::server::net
