// SPDX-License-Identifier: LGPL-2.1-or-later
//
// EventLoop: the signaling thread. One GMainContext with one thread that runs
// it; all signaling and viewer state lives there and needs no lock.
#pragma once
#include <deque>
#include <functional>
#include <glib.h>
#include <memory>
#include <mutex>
#include <thread>

namespace robotlive {

// A timer of an EventLoop. Destroying it, on the loop's thread, cancels it.
class Timer
{
public:
  Timer () = default;
  explicit Timer (GSource *source) : source_ (source) {}
  Timer (Timer &&other) noexcept : source_ (other.source_)
  {
    other.source_ = nullptr;
  }
  Timer &operator= (Timer &&other) noexcept;
  ~Timer () { cancel (); }
  void cancel ();

private:
  GSource *source_ = nullptr;
};

class EventLoop
{
public:
  using Task = std::function<void ()>;

  explicit EventLoop (const char *name);
  // Runs what was posted before, then joins the thread. Called on the loop's
  // own thread (an application that sets the bin to NULL from one of its
  // signals) it cannot join and lets the thread end by itself.
  ~EventLoop ();
  EventLoop (const EventLoop &) = delete;
  EventLoop &operator= (const EventLoop &) = delete;

  // Runs *task* on the loop's thread, later, in order. Any thread; never
  // blocks. A task posted after the loop has ended is freed unrun.
  void post (Task task);
  // Runs *task* on the loop's thread and waits for it; at once when already
  // there. The caller holds no lock that a task may want.
  void run (const Task &task);
  bool is_current () const;

  // Calls *task* on the loop's thread every *interval_ms*, while it returns
  // true. Loop's thread only.
  Timer every (unsigned interval_ms, std::function<bool ()> task);
  // The same, once.
  Timer after (unsigned delay_ms, Task task);

  GMainContext *context () const { return state_->context; }

private:
  struct State
  {
    GMainContext *context;
    GMainLoop *loop;
    std::mutex mutex; // of tasks; a leaf
    std::deque<Task> tasks;
    State ();
    ~State ();
    void run_next ();
  };
  std::shared_ptr<State> state_;
  std::thread thread_;
};

} // namespace robotlive
