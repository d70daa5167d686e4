// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Worker: one thread for calls that block, behind a bounded queue. Jobs run in
// the order they were posted.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace robotlive::server {

class Worker
{
public:
  explicit Worker (std::size_t max_queue);
  // Runs what is queued, then ends.
  ~Worker ();
  Worker (const Worker &) = delete;
  Worker &operator= (const Worker &) = delete;

  // Any thread. False, and *job* is dropped, if the queue is full. A job must
  // not throw.
  bool post (std::function<void ()> job);
  std::size_t queued () const;

private:
  void run ();

  const std::size_t max_queue_;
  mutable std::mutex mutex_; // for the two below
  std::deque<std::function<void ()>> jobs_;
  bool ending_ = false;
  std::condition_variable wake_;
  std::thread thread_; // last: starts when all else is there
};

} // namespace robotlive::server
