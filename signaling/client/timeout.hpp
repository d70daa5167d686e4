// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Timeout: a one-shot timeout on the thread-default GMainContext of the thread
// that starts it. Destroying it cancels it.
#pragma once
#include <functional>
#include <glib.h>
#include <utility>

namespace robotlive {

class Timeout
{
public:
  Timeout () = default;
  ~Timeout () { stop (); }
  Timeout (const Timeout &) = delete;
  Timeout &operator= (const Timeout &) = delete;

  void start (unsigned delay_ms, std::function<void ()> action)
  {
    stop ();
    action_ = std::move (action);
    source_ = g_timeout_source_new (delay_ms);
    g_source_set_callback (source_, &Timeout::fire, this, nullptr);
    g_source_attach (source_, g_main_context_get_thread_default ());
  }

  void stop ()
  {
    if (!source_)
      return;
    g_source_destroy (source_);
    g_source_unref (source_);
    source_ = nullptr;
  }

private:
  static gboolean fire (gpointer data)
  {
    auto *self = static_cast<Timeout *> (data);
    self->stop ();
    // The action may start this timer again, or destroy it.
    const auto action = std::move (self->action_);
    action ();
    return G_SOURCE_REMOVE;
  }

  GSource *source_ = nullptr;
  std::function<void ()> action_;
};

} // namespace robotlive
