// SPDX-License-Identifier: LGPL-2.1-or-later
//
// All deadlines of the server: one ordered map and one asio timer, so that an
// idle connection pays for a map entry and not for a kernel or asio object.
// I/O thread only.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>

namespace robotlive::server::net {

using Clock = std::chrono::steady_clock;

class Timer;

class Timers
{
public:
  explicit Timers (boost::asio::io_context &io) : timer_ (io) {}

private:
  friend class Timer;
  using Queue = std::multimap<Clock::time_point, Timer *>;

  void wait ();
  void run_due ();

  Queue queue_;
  boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>,
      boost::asio::io_context::executor_type>
      timer_;
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
