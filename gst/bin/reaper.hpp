// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reaper: does what may take long (the end of a viewer's branch, foreign
// elements' answers) on threads of its own, so that the signaling thread waits
// for nothing, and one that is stuck holds up no other.
#pragma once
#include "base/eventloop.hpp"
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace robotlive {

class Reaper : public std::enable_shared_from_this<Reaper>
{
public:
  using Task = std::function<void ()>;
  // One after the other.
  struct Step
  {
    enum Where
    {
      Worker,
      Loop
    } where;
    Task task;
  };

  explicit Reaper (std::weak_ptr<EventLoop> loop) : loop_ (std::move (loop)) {}

  // Loop's thread. Returns at once. Where no thread is to be had, the caller
  // does the work after all.
  void add (std::vector<Step> steps);
  // How many there have been.
  unsigned added ();
  // Any thread, and the loop's too: returns once those after the *from*th up to
  // the *to*th are done, but for one whose step this is called from.
  void wait (unsigned from, unsigned to);
  // Loop's thread: no step on it runs any more. What is under way ends by
  // itself and is freed.
  void close ();

private:
  struct Job
  {
    unsigned number;
    std::deque<Step> steps;
    std::thread::id runner; // of the step that runs
  };
  using JobPtr = std::shared_ptr<Job>;

  void go_on (const JobPtr &job);
  void run_step (const JobPtr &job);
  void run_ready ();
  bool is_done (unsigned from, unsigned to) const; // with the lock

  const std::weak_ptr<EventLoop> loop_;
  std::mutex mutex_; // of all below; a leaf
  std::condition_variable changed_;
  std::list<JobPtr> jobs_;   // not done
  std::deque<JobPtr> ready_; // whose next step is the loop's
  unsigned added_ = 0;
  bool closed_ = false;
};

} // namespace robotlive
