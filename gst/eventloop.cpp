// SPDX-License-Identifier: LGPL-2.1-or-later
#include "eventloop.hpp"
#include <condition_variable>
#include <mutex>
#include <pthread.h>

namespace robotlive {

namespace {

gboolean
run_task (gpointer data)
{
  (*static_cast<EventLoop::Task *> (data)) ();
  return G_SOURCE_REMOVE;
}

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
  GSource *source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (
      source, run_task, new Task (std::move (task)), free_function<Task>);
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
