// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The server's event loop: libev's, on epoll. Level-triggered, so that a socket
// that is watched costs a system call when the watching begins and none with
// each message.
#pragma once
#include <atomic>
#include <ev++.h>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace robotlive::server::net {

class EventLoop
{
public:
  EventLoop ();
  ~EventLoop ();
  EventLoop (const EventLoop &) = delete;
  EventLoop &operator= (const EventLoop &) = delete;

  // Until stop ().
  void run ();
  // From any thread.
  void stop ();
  // *fn* runs after the events that are ready by now. The loop's thread only.
  void post (std::function<void ()> fn) { posted_.push_back (std::move (fn)); }
  // The same, from any thread.
  void post_threadsafe (std::function<void ()> fn);
  // What is posted by now. False: nothing was.
  bool run_posted ();
  // Forgets what other threads have posted and has not run.
  void drop_from_threads ();

  // For a watcher's callback: *method* gets *events* once all callbacks of this
  // round have been called, in the order in which the descriptors became ready.
  // libev itself calls the last one first; a client that polls and then posts
  // on another connection would be heard the other way round.
  template <typename Owner, void (Owner::*method) (int)>
  void in_order (std::shared_ptr<Owner> owner, int events)
  {
    ready_.push_back ({std::move (owner),
        [] (void *object, int what) {
          (static_cast<Owner *> (object)->*method) (what);
        },
        events});
  }
  void run_ready ();

  // For the watchers of libev.
  ev::loop_ref &ev () { return loop_; }

private:
  struct Ready
  {
    std::shared_ptr<void> owner;
    void (*handle) (void *owner, int events);
    int events;
  };

  void wake () {}

  ev::dynamic_loop loop_;
  ev::async woken_;
  std::atomic<bool> stopped_ = false;
  std::vector<Ready> ready_;
  std::vector<std::function<void ()>> posted_;
  std::mutex mutex_;
  std::vector<std::function<void ()>> from_threads_;
  std::atomic<bool> any_from_threads_ = false;
};

} // namespace robotlive::server::net
