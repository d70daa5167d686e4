// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/reaper.hpp"
#include <algorithm>
#include <pthread.h>
#include <system_error>

namespace robotlive {

void
Reaper::add (std::vector<Step> steps)
{
  auto job = std::make_shared<Job> ();
  job->steps = {std::make_move_iterator (steps.begin ()),
      std::make_move_iterator (steps.end ())};
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    job->number = ++added_;
    jobs_.push_back (job);
  }
  go_on (job);
}

unsigned
Reaper::added ()
{
  const std::lock_guard<std::mutex> lock (mutex_);
  return added_;
}

// To the job's next step.
void
Reaper::go_on (const JobPtr &job)
{
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    if (closed_)
      return;
    if (job->steps.empty ()) {
      jobs_.remove (job);
      changed_.notify_all ();
      return;
    }
    if (job->steps.front ().where == Step::Loop) {
      ready_.push_back (job);
      changed_.notify_all ();
      if (const auto loop = loop_.lock ())
        loop->post ([weak = weak_from_this ()] () {
          if (const auto self = weak.lock ())
            self->run_ready ();
        });
      return;
    }
  }
  try {
    std::thread ([job, self = shared_from_this ()] () {
      pthread_setname_np (pthread_self (), "robotlive:end");
      self->run_step (job);
      self->go_on (job);
    }).detach ();
  } catch (const std::system_error &) {
    run_step (job);
    go_on (job);
  }
}

void
Reaper::run_step (const JobPtr &job)
{
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    job->runner = std::this_thread::get_id ();
  }
  {
    const Task task = std::move (job->steps.front ().task);
    job->steps.pop_front ();
    task ();
  } // what it held goes here
  const std::lock_guard<std::mutex> lock (mutex_);
  job->runner = {};
}

void
Reaper::run_ready ()
{
  for (;;) {
    JobPtr job;
    {
      const std::lock_guard<std::mutex> lock (mutex_);
      if (ready_.empty ())
        return;
      job = std::move (ready_.front ());
      ready_.pop_front ();
    }
    run_step (job);
    go_on (job);
  }
}

bool
Reaper::is_done (unsigned from, unsigned to) const
{
  return closed_ ||
         std::none_of (jobs_.begin (), jobs_.end (), [=] (const JobPtr &job) {
           return job->number > from && job->number <= to &&
                  job->runner != std::this_thread::get_id ();
         });
}

void
Reaper::wait (unsigned from, unsigned to)
{
  const auto loop = loop_.lock ();
  const bool on_loop = loop && loop->is_current ();
  for (;;) {
    if (on_loop)
      run_ready ();
    std::unique_lock<std::mutex> lock (mutex_);
    changed_.wait (lock,
        [&] () { return is_done (from, to) || (on_loop && !ready_.empty ()); });
    if (is_done (from, to))
      return;
  }
}

void
Reaper::close ()
{
  std::list<JobPtr> jobs;
  std::deque<JobPtr> ready;
  const std::lock_guard<std::mutex> lock (mutex_);
  closed_ = true;
  jobs.swap (jobs_);
  ready.swap (ready_);
  changed_.notify_all ();
}

} // namespace robotlive
