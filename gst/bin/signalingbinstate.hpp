// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a signalingbin holds, for the files that it consists of.
#pragma once
#include "bin/controller.hpp"
#include "bin/gstsignalingbin.h"
#include "input/input.hpp"
#include <map>

namespace robotlive {

// What lives on the signaling thread. Tasks on their way there keep it: they
// may come after the bin itself.
struct SignalingHub
{
  std::shared_ptr<Outbox> outbox;
  std::shared_ptr<Controller> controller; // from NULL to READY and back
};

struct SignalingBinState
{
  using Inputs = std::map<std::string, std::shared_ptr<Input>>; // by pad name

  // Each guards one thing; nothing is called under them and they are never
  // held together.
  std::mutex settings_mutex;
  Settings settings;
  std::mutex inputs_mutex;
  Inputs inputs; // "sink" is always there
  std::mutex loop_mutex;
  // From NULL to READY until READY to NULL. Streaming threads take a copy.
  std::shared_ptr<EventLoop> loop;

  std::shared_ptr<Signaller> signaller; // injected; lent to the controller
  bool own_signaller = false;
  const std::shared_ptr<SignalingHub> hub = std::make_shared<SignalingHub> ();

  Settings copy_settings ()
  {
    std::lock_guard<std::mutex> lock (settings_mutex);
    return settings;
  }
  Inputs copy_inputs ()
  {
    std::lock_guard<std::mutex> lock (inputs_mutex);
    return inputs;
  }
  std::shared_ptr<Input> main_input ()
  {
    std::lock_guard<std::mutex> lock (inputs_mutex);
    return inputs.at ("sink");
  }
  std::shared_ptr<EventLoop> current_loop ()
  {
    std::lock_guard<std::mutex> lock (loop_mutex);
    return loop;
  }
  using Task = std::function<void (Controller &)>;
  // From a streaming thread: *task* on the signaling thread, if it runs.
  void post (Task task)
  {
    if (auto target = current_loop ())
      target->post ([hub = hub, task = std::move (task)] () {
        if (const auto controller = hub->controller)
          task (*controller);
      });
  }
  // For an action of the application's: *task* and what it brings about, the
  // end of viewers too, are done when this returns. Two are later: what a
  // handler of ours asks for is done at once, but brings about nothing before
  // that handler returns; and what is asked for amid an entry point, by who
  // watches the pipeline's own signals, waits until the hub's state is whole
  // again.
  void act (const Task &task);
  // Looks and changes nothing.
  void look (const Task &task)
  {
    if (auto target = current_loop ())
      target->run ([this, &task] () {
        if (const auto controller = hub->controller)
          task (*controller);
      });
  }
};

// READY to PAUSED, or later for a pad that comes later.
void prepare_input (Input *input, const Settings &settings);

} // namespace robotlive

struct _GstSignalingBin
{
  GstBin parent;
  robotlive::SignalingBinState *state;
};

// For tasks that may be the last to use the bin.
inline std::shared_ptr<GstSignalingBin>
signaling_bin_keep (GstSignalingBin *self)
{
  return {
      static_cast<GstSignalingBin *> (gst_object_ref (self)), gst_object_unref};
}

// States: signalingbinstates.cpp.
GstStateChangeReturn signaling_bin_change_state (
    GstElement *element, GstStateChange transition, GstElementClass *parent);

// Pads: signalingbinpads.cpp.
void signaling_bin_add_pad_templates (GstElementClass *klass);
void signaling_bin_add_sink (GstSignalingBin *self);
GstPad *signaling_bin_request_pad (GstElement *element, GstPadTemplate *templ,
    const gchar *name, const GstCaps *caps);
void signaling_bin_release_pad (GstElement *element, GstPad *pad);
void signaling_bin_child_proxy_init (gpointer iface, gpointer);
