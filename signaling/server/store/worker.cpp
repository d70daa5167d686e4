// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/worker.hpp"

namespace robotlive::server {

Worker::Worker (std::size_t max_queue, std::size_t max_lane)
    : max_queue_ (max_queue), max_lane_ (max_lane), thread_ ([this] { run (); })
{
}

Worker::~Worker ()
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    ending_ = true;
  }
  wake_.notify_one ();
  thread_.join ();
}

bool
Worker::post (const std::string &lane, Job job)
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (queued_ >= max_queue_)
      return false;
    auto it = lanes_.try_emplace (lane).first;
    if (it->second.empty ())
      turns_.push_back (it);
    else if (!lane.empty () && it->second.size () >= max_lane_)
      return false;
    it->second.push_back (std::move (job));
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

// The next job of the lane whose turn it is; that lane is the last one then.
Worker::Job
Worker::take ()
{
  auto lane = turns_.front ();
  turns_.pop_front ();
  Job job = std::move (lane->second.front ());
  lane->second.pop_front ();
  --queued_;
  if (lane->second.empty ())
    lanes_.erase (lane);
  else
    turns_.push_back (lane);
  return job;
}

void
Worker::run ()
{
  for (;;) {
    Job job;
    {
      std::unique_lock<std::mutex> lock (mutex_);
      wake_.wait (lock, [this] { return ending_ || queued_ > 0; });
      if (queued_ == 0)
        return;
      job = take ();
    }
    job ();
  }
}

} // namespace robotlive::server
