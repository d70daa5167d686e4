// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Worker: threads for calls that block, behind a bounded queue. Each account or
// address has a lane of its own; lanes take turns, so that who asks without end
// waits for itself. The jobs of one lane run one by one, in the order in which
// they were posted.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace robotlive::server {

class Worker
{
public:
  // *max_lane*: jobs of one lane that wait.
  explicit Worker (std::size_t max_queue, std::size_t max_lane = SIZE_MAX,
      unsigned threads = 1);
  // Runs what is queued, then ends.
  ~Worker ();
  Worker (const Worker &) = delete;
  Worker &operator= (const Worker &) = delete;

  // Any thread. False, and *job* is dropped, if the queue or the lane is full.
  // A job must not throw.
  bool post (const std::string &lane, std::function<void ()> job);
  // In a lane of the server's own, which has no bound but the queue's.
  bool post (std::function<void ()> job) { return post ("", std::move (job)); }
  std::size_t queued () const;

private:
  using Job = std::function<void ()>;
  struct Lane
  {
    std::deque<Job> jobs;
    bool running = false; // one of them
  };
  using Lanes = std::map<std::string, Lane>;
  void run ();
  void end_turn (Lanes::iterator lane);

  const std::size_t max_queue_;
  const std::size_t max_lane_;
  mutable std::mutex mutex_;          // for the four below
  Lanes lanes_;                       // those with jobs, waiting or running
  std::deque<Lanes::iterator> turns_; // that wait for one
  std::size_t queued_ = 0;
  bool ending_ = false;
  std::condition_variable wake_;
  std::vector<std::thread> threads_; // last: start when all else is there
};

} // namespace robotlive::server
