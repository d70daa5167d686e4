// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/worker.hpp"

namespace robotlive::server {

Worker::Worker (std::size_t max_queue)
    : max_queue_ (max_queue), thread_ ([this] { run (); })
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
Worker::post (std::function<void ()> job)
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (jobs_.size () >= max_queue_)
      return false;
    jobs_.push_back (std::move (job));
  }
  wake_.notify_one ();
  return true;
}

std::size_t
Worker::queued () const
{
  std::lock_guard<std::mutex> lock (mutex_);
  return jobs_.size ();
}

void
Worker::run ()
{
  for (;;) {
    std::function<void ()> job;
    {
      std::unique_lock<std::mutex> lock (mutex_);
      wake_.wait (lock, [this] { return ending_ || !jobs_.empty (); });
      if (jobs_.empty ())
        return;
      job = std::move (jobs_.front ());
      jobs_.pop_front ();
    }
    job ();
  }
}

} // namespace robotlive::server
