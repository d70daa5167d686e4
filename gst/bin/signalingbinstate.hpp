// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a signalingbin holds, for the files that it consists of.
#pragma once
#include "bin/controller.hpp"
#include "bin/gstsignalingbin.h"
#include "input/input.hpp"
#include <map>

namespace robotlive {

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

  std::unique_ptr<Signaller> signaller; // injected; lent to the controller
  bool own_signaller = false;
  std::unique_ptr<Controller> controller; // used on the loop's thread

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
  // From a streaming thread: *task* on the signalling thread, if it runs.
  void post (std::function<void (Controller &)> task)
  {
    if (auto target = current_loop ())
      target->post ([this, task = std::move (task)] () {
        if (controller)
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

// Pads: signalingbinpads.cpp.
void signaling_bin_add_pad_templates (GstElementClass *klass);
void signaling_bin_add_sink (GstSignalingBin *self);
GstPad *signaling_bin_request_pad (GstElement *element, GstPadTemplate *templ,
    const gchar *name, const GstCaps *caps);
void signaling_bin_release_pad (GstElement *element, GstPad *pad);
void signaling_bin_child_proxy_init (gpointer iface, gpointer);
