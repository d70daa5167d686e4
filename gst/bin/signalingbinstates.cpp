// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin's states, and how others come onto its signaling thread and
// wait for what they have asked for.
#include "bin/signalingbinstate.hpp"
#include "webrtc/webrtcsetup.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

using namespace robotlive;

// NULL to READY: everything that will be needed is there.
static gboolean
check_elements (GstSignalingBin *self)
{
  auto needed = webrtc_elements ();
  needed.insert (needed.end (),
      {{"tee", "GStreamer core"}, {"rtph264pay", "gstreamer1.0-plugins-good"},
          {"sessiongate", "gstreamer1.0-robotlive"}});
  for (const auto &row : needed) {
    g_autoptr (GstElementFactory) factory =
        gst_element_factory_find (row.factory);
    if (!factory) {
      GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
          ("The element %s is missing: install %s.", row.factory, row.package),
          (nullptr));
      return FALSE;
    }
  }
  return self->state->main_input ()->complete ();
}

static gboolean
check_properties (GstSignalingBin *self)
{
  int error = 0;
  std::string warning;
  const auto settings = self->state->copy_settings ();
  const auto why = check_settings (settings,
      self->state->own_signaller || settings.application_signaling, &error,
      &warning);
  if (!warning.empty ())
    GST_ELEMENT_WARNING (
        self, RESOURCE, OPEN_READ, ("%s.", warning.c_str ()), (nullptr));
  if (why.empty ())
    return TRUE;
  gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_ERROR,
      GST_RESOURCE_ERROR, error, g_strdup (why.c_str ()), nullptr, __FILE__,
      G_STRFUNC, __LINE__);
  return FALSE;
}

static void
open_loop (GstSignalingBin *self)
{
  SignalingBinState *state = self->state;
  auto loop = std::make_shared<EventLoop> ("robotlive:sig");
  loop->run ([self, state, &loop] () {
    auto &hub = *state->hub;
    hub.outbox = std::make_shared<Outbox> (loop, GST_ELEMENT (self));
    hub.controller =
        std::make_shared<Controller> (loop, GST_ELEMENT (self), hub.outbox);
    for (const auto &[pad, input] : state->copy_inputs ())
      hub.controller->add_stream (pad, input);
  });
  // The process's DTLS key takes a quarter of a second to make, once; better
  // now than when the first viewer waits. On a thread that nobody waits for.
  gst_element_call_async (
      GST_ELEMENT (self), [] (GstElement *, gpointer) { warm_dtls (); },
      nullptr, nullptr);
  std::lock_guard<std::mutex> lock (state->loop_mutex);
  state->loop = std::move (loop);
}

// On the signaling thread, and not in one of our own handlers: somebody who
// watches the pipeline has been called while the hub was at work.
static bool
amid_entry_point (SignalingBinState *state, const EventLoop &loop)
{
  return loop.is_current () && state->hub->outbox &&
         !state->hub->outbox->may_enter ();
}

static void
close_loop (GstSignalingBin *self)
{
  SignalingBinState *state = self->state;
  std::shared_ptr<EventLoop> loop;
  {
    std::lock_guard<std::mutex> lock (state->loop_mutex);
    loop.swap (state->loop);
  }
  if (!loop)
    return;
  const auto close = [hub = state->hub] () {
    hub->controller.reset ();
    hub->outbox.reset ();
  };
  if (amid_entry_point (state, *loop))
    loop->post (close);
  else
    loop->run (close);
}

static void
start_session (GstSignalingBin *self)
{
  SignalingBinState *state = self->state;
  const auto settings = state->copy_settings ();
  for (const auto &[pad, input] : state->copy_inputs ())
    prepare_input (input.get (), settings);
  state->post ([kept = signaling_bin_keep (self), state, settings] (
                   Controller &controller) {
    controller.start (settings, std::move (state->signaller));
    // Not the copy's: it may be another since.
    controller.name_controller (state->copy_settings ().controller);
  });
}

// Signaling thread. The reaper has what is under way then; null when there was
// nothing to stop.
static std::shared_ptr<Reaper>
stop_controller (SignalingBinState *state)
{
  const auto controller = state->hub->controller;
  if (!controller)
    return nullptr;
  auto signaller = controller->stop ();
  // The Socket.IO client is made anew from the properties; an injected
  // signaller is kept.
  if (state->own_signaller && signaller)
    state->signaller = std::move (signaller);
  return controller->reaper ();
}

// The branches are to be out of the pipeline, and whoever sets the state waits
// for that, on whichever thread.
static void
wait_for (const std::shared_ptr<Reaper> &reaper)
{
  if (reaper)
    reaper->wait (0, reaper->added ());
}

static void
stop_session (GstSignalingBin *self)
{
  SignalingBinState *state = self->state;
  const auto loop = state->current_loop ();
  if (!loop)
    return;
  const auto outbox = state->hub->outbox;
  if (amid_entry_point (state, *loop)) {
    loop->post ([kept = signaling_bin_keep (self), outbox] () {
      wait_for (stop_controller (kept->state));
      outbox->run ();
    });
  } else if (loop->is_current ()) {
    // Nobody hears of viewers after the bin has stopped.
    outbox->enter ([state] () { wait_for (stop_controller (state)); });
    outbox->run ();
  } else {
    // What is left to say is said on this thread. It holds the bin's state
    // lock: a handler that sets the state, too, would wait for it elsewhere.
    std::deque<Outbox::Effect> left;
    std::shared_ptr<Reaper> reaper;
    loop->run ([&] () {
      reaper = stop_controller (state);
      outbox->hold ();
    });
    wait_for (reaper);
    loop->run ([&] () { left = outbox->take (); });
    for (const auto &effect : left)
      effect ();
  }
}

GstStateChangeReturn
signaling_bin_change_state (
    GstElement *element, GstStateChange transition, GstElementClass *parent)
{
  auto *self = GST_SIGNALING_BIN (element);
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!check_elements (self) || !check_properties (self))
        return GST_STATE_CHANGE_FAILURE;
      open_loop (self);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      start_session (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      // Before the branches are shut: each leaves as when a viewer goes.
      stop_session (self);
      break;
    default:
      break;
  }

  const auto result = parent->change_state (element, transition);

  if (result == GST_STATE_CHANGE_FAILURE) {
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
      stop_session (self);
    if (transition == GST_STATE_CHANGE_NULL_TO_READY)
      close_loop (self);
  } else if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    close_loop (self);
  }
  return result;
}

namespace robotlive {

void
SignalingBinState::act (const Task &task)
{
  const auto target = current_loop ();
  if (!target)
    return;
  if (amid_entry_point (this, *target)) {
    post (task);
    return;
  }
  const bool nested = target->is_current ();
  std::shared_ptr<Reaper> reaper;
  unsigned from = 0, to = 0;
  target->run ([&] () {
    const auto controller = hub->controller;
    const auto outbox = hub->outbox;
    if (!controller)
      return;
    reaper = controller->reaper ();
    from = reaper->added ();
    outbox->enter ([&] () { task (*controller); });
    to = reaper->added ();
    if (!nested)
      outbox->run ();
  });
  if (nested || from == to)
    return;
  reaper->wait (from, to);
  target->run ([this] () {
    if (const auto outbox = hub->outbox)
      outbox->run ();
  });
}

} // namespace robotlive
