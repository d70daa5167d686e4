// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/worker.hpp"

namespace robotlive::server {

Worker::Worker (std::size_t max_queue, std::size_t max_lane, unsigned threads)
    : max_queue_ (max_queue), max_lane_ (max_lane)
{
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back ([this] { run (); });
}

Worker::~Worker ()
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    ending_ = true;
  }
  wake_.notify_all ();
  for (std::thread &thread : threads_)
    thread.join ();
}

bool
Worker::post (const std::string &name, Job job)
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (queued_ >= max_queue_)
      return false;
    auto lane = lanes_.try_emplace (name).first;
    std::deque<Job> &jobs = lane->second.jobs;
    if (jobs.empty () && !lane->second.running)
      turns_.push_back (lane);
    else if (!name.empty () && jobs.size () >= max_lane_)
      return false;
    jobs.push_back (std::move (job));
    ++queued_;
  }
  wake_.notify_one ();
  return true;
}

std::size_t
Worker::queued () const
{
  std::lock_guard<std::mutex> lock (mutex_);
  return queued_;
}

// The lane is the last one now, also behind those that came meanwhile.
void
Worker::end_turn (Lanes::iterator lane)
{
  lane->second.running = false;
  if (lane->second.jobs.empty ())
    lanes_.erase (lane);
  else
    turns_.push_back (lane);
}

void
Worker::run ()
{
  std::unique_lock<std::mutex> lock (mutex_);
  for (;;) {
    wake_.wait (
        lock, [this] { return !turns_.empty () || (ending_ && queued_ == 0); });
    if (turns_.empty ()) {
      wake_.notify_all (); // the other threads may end as well
      return;
    }
    auto lane = turns_.front ();
    turns_.pop_front ();
    Job job = std::move (lane->second.jobs.front ());
    lane->second.jobs.pop_front ();
    lane->second.running = true;
    --queued_;
    lock.unlock ();
    job ();
    job = nullptr;
    lock.lock ();
    end_turn (lane);
    if (!turns_.empty ())
      wake_.notify_one ();
  }
}

} // namespace robotlive::server
