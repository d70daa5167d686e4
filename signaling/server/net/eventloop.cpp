// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/eventloop.hpp"

#include <iterator>

namespace robotlive::server::net {

// Epoll by name: what the environment may wish for, nobody has tested.
EventLoop::EventLoop () : loop_ (ev::EPOLL | ev::NOENV), woken_ (loop_)
{
  woken_.set<EventLoop, &EventLoop::wake> (this);
  woken_.start ();
}

EventLoop::~EventLoop () = default;

void
EventLoop::run ()
{
  while (!stopped_) {
    loop_.run (posted_.empty () ? ev::ONCE : ev::NOWAIT);
    run_ready ();
    run_posted ();
  }
}

void
EventLoop::run_ready ()
{
  while (!ready_.empty ()) {
    Ready last = std::move (ready_.back ());
    ready_.pop_back ();
    last.handle (last.owner.get (), last.events);
  }
}

void
EventLoop::stop ()
{
  stopped_ = true;
  woken_.send ();
}

void
EventLoop::post_threadsafe (std::function<void ()> fn)
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    from_threads_.push_back (std::move (fn));
  }
  any_from_threads_ = true;
  woken_.send ();
}

void
EventLoop::drop_from_threads ()
{
  // Destroyed without the lock: what they hold may post.
  std::vector<std::function<void ()>> dropped;
  std::lock_guard<std::mutex> lock (mutex_);
  dropped.swap (from_threads_);
}

bool
EventLoop::run_posted ()
{
  if (any_from_threads_.exchange (false)) {
    std::lock_guard<std::mutex> lock (mutex_);
    posted_.insert (posted_.end (),
        std::make_move_iterator (from_threads_.begin ()),
        std::make_move_iterator (from_threads_.end ()));
    from_threads_.clear ();
  }
  // What these post waits for the events that become ready meanwhile.
  auto batch = std::move (posted_);
  posted_.clear ();
  for (const auto &fn : batch)
    fn ();
  return !batch.empty ();
}

} // namespace robotlive::server::net
