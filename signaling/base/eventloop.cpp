// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/eventloop.hpp"
#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <string>

namespace robotlive {

namespace {

gboolean
run_repeating (gpointer data)
{
  return (*static_cast<std::function<bool ()> *> (data)) ();
}

template <typename T>
void
free_function (gpointer data)
{
  delete static_cast<T *> (data);
}

} // namespace

void
Timer::cancel ()
{
  if (!source_)
    return;
  g_source_destroy (source_);
  g_source_unref (source_);
  source_ = nullptr;
}

Timer &
Timer::operator= (Timer &&other) noexcept
{
  if (this != &other) {
    cancel ();
    std::swap (source_, other.source_);
  }
  return *this;
}

EventLoop::State::State ()
    : context (g_main_context_new ()), loop (g_main_loop_new (context, FALSE))
{
}

EventLoop::State::~State ()
{
  g_main_loop_unref (loop);
  g_main_context_unref (context);
}

void
EventLoop::State::run_next ()
{
  Task task;
  {
    const std::lock_guard<std::mutex> lock (mutex);
    task = std::move (tasks.front ());
    tasks.pop_front ();
  }
  task ();
}

EventLoop::EventLoop (const char *name) : state_ (std::make_shared<State> ())
{
  thread_ = std::thread ([state = state_, title = std::string (name)] () {
    pthread_setname_np (pthread_self (), title.substr (0, 15).c_str ());
    g_main_context_push_thread_default (state->context);
    g_main_loop_run (state->loop);
    g_main_context_pop_thread_default (state->context);
  });
}

EventLoop::~EventLoop ()
{
  post ([loop = state_->loop] () { g_main_loop_quit (loop); });
  if (is_current ())
    thread_.detach ();
  else
    thread_.join ();
}

void
EventLoop::post (Task task)
{
  // A queue of our own: its lock is one that the thread sanitizer sees. As many
  // sources as tasks, so each task has its turn among the context's others.
  {
    const std::lock_guard<std::mutex> lock (state_->mutex);
    state_->tasks.push_back (std::move (task));
  }
  GSource *source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (
      source,
      [] (gpointer state) -> gboolean {
        static_cast<State *> (state)->run_next ();
        return G_SOURCE_REMOVE;
      },
      state_.get (), nullptr); // the loop's thread keeps the state
  g_source_attach (source, state_->context);
  g_source_unref (source);
}

bool
EventLoop::is_current () const
{
  return thread_.get_id () == std::this_thread::get_id ();
}

void
EventLoop::run (const Task &task)
{
  if (is_current ()) {
    task ();
    return;
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  post ([&] () {
    task ();
    std::lock_guard<std::mutex> lock (mutex);
    done = true;
    changed.notify_one ();
  });
  std::unique_lock<std::mutex> lock (mutex);
  changed.wait (lock, [&] () { return done; });
}

Timer
EventLoop::every (unsigned interval_ms, std::function<bool ()> task)
{
  GSource *source = g_timeout_source_new (interval_ms);
  g_source_set_callback (source, run_repeating,
      new std::function<bool ()> (std::move (task)),
      free_function<std::function<bool ()>>);
  g_source_attach (source, state_->context);
  return Timer (source);
}

Timer
EventLoop::after (unsigned delay_ms, Task task)
{
  return every (delay_ms, [task = std::move (task)] () {
    task ();
    return false;
  });
}

} // namespace robotlive
