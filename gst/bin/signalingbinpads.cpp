// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin's pads: "sink", and those that are asked for. They are children
// of the bin for GstChildProxy, so that a launch line can set
// video_1::alternative-of.
#include "bin/signalingbinpad.hpp"
#include "bin/signalingbinstate.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

using namespace robotlive;

namespace {

#define VIDEO_CAPS                                                             \
  "video/x-h264, stream-format = (string) { byte-stream, avc }, "              \
  "alignment = (string) { au, nal }; "                                         \
  "video/x-h265, stream-format = (string) { byte-stream, hvc1, hev1 }, "       \
  "alignment = (string) { au, nal }; "                                         \
  "video/x-vp8; video/x-vp9; video/x-av1"

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE (
    "video_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS (VIDEO_CAPS));
// What browsers decode is one stream of one or two channels (RFC 7587).
GstStaticPadTemplate audio_template =
    GST_STATIC_PAD_TEMPLATE ("audio_%u", GST_PAD_SINK, GST_PAD_REQUEST,
        GST_STATIC_CAPS (
            "audio/x-opus, channel-mapping-family = (int) 0, channels = (int) "
            "[ 1, 2 ]; audio/x-opus, channel-mapping-family = (int) 0"));

Input::Callbacks
callbacks_of (SignalingBinState *state, const std::string &pad)
{
  Input::Callbacks callbacks;
  callbacks.codec = [state, pad] (const StreamCodec &codec) {
    state->post ([pad, codec] (Controller &controller) {
      controller.set_codec (pad, codec);
    });
  };
  callbacks.unfit = [state, pad] (const std::string &sentence) {
    state->post ([pad, sentence] (Controller &controller) {
      controller.set_unfit (pad, sentence);
    });
  };
  callbacks.stream_start = [state, pad] () {
    state->post (
        [pad] (Controller &controller) { controller.stream_started (pad); });
  };
  callbacks.key_frame_passed = [state, pad] () {
    state->post (
        [pad] (Controller &controller) { controller.key_frame_wanted (pad); });
  };
  callbacks.key_frame_later = [state, pad] (unsigned ms) {
    state->post ([pad, ms] (Controller &controller) {
      controller.key_frame_later (pad, ms);
    });
  };
  return callbacks;
}

// *ghost* is the bin's already.
void
add_input (GstSignalingBin *self, GstPad *ghost, bool audio)
{
  SignalingBinState *state = self->state;
  const std::string name = GST_PAD_NAME (ghost);
  auto input = std::make_shared<Input> (
      GST_BIN (self), ghost, audio, callbacks_of (state, name));
  {
    std::lock_guard<std::mutex> lock (state->inputs_mutex);
    state->inputs[name] = input;
  }
  if (!state->current_loop ())
    return;
  prepare_input (input.get (), state->copy_settings ());
  state->act ([name, input] (Controller &controller) {
    controller.add_stream (name, input);
  });
}

// "video_%u" with *wanted*, or with the lowest number that is free.
std::string
free_name (GstSignalingBin *self, const char *wanted, const char *prefix)
{
  const auto inputs = self->state->copy_inputs ();
  if (wanted)
    return inputs.count (wanted) ? "" : wanted;
  for (unsigned i = 0;; i++) {
    const auto name = prefix + std::to_string (i);
    if (!inputs.count (name))
      return name;
  }
}

GstChildProxyInterface *parent_proxy;

GObject *
child_by_name (GstChildProxy *proxy, const gchar *name)
{
  if (GstPad *pad = gst_element_get_static_pad (GST_ELEMENT (proxy), name))
    return G_OBJECT (pad);
  return parent_proxy->get_child_by_name (proxy, name);
}

} // namespace

namespace robotlive {

void
prepare_input (Input *input, const Settings &settings)
{
  if (input->audio ())
    return;
  input->limiter ().set_interval (
      std::int64_t (settings.min_keyframe_interval) * 1000000);
  input->encoder ().look_at_default ();
}

} // namespace robotlive

void
signaling_bin_add_pad_templates (GstElementClass *klass)
{
  gst_element_class_add_static_pad_template (klass, &sink_template);
  gst_element_class_add_static_pad_template_with_gtype (
      klass, &video_template, GST_TYPE_SIGNALING_BIN_PAD);
  gst_element_class_add_static_pad_template (klass, &audio_template);
  gst_type_mark_as_plugin_api (
      GST_TYPE_SIGNALING_BIN_PAD, static_cast<GstPluginAPIFlags> (0));
}

void
signaling_bin_add_sink (GstSignalingBin *self)
{
  GstPadTemplate *templ =
      gst_element_class_get_pad_template (GST_ELEMENT_GET_CLASS (self), "sink");
  GstPad *pad = gst_ghost_pad_new_no_target_from_template ("sink", templ);
  gst_element_add_pad (GST_ELEMENT (self), pad);
  add_input (self, pad, false);
}

GstPad *
signaling_bin_request_pad (GstElement *element, GstPadTemplate *templ,
    const gchar *name, const GstCaps *)
{
  auto *self = GST_SIGNALING_BIN (element);
  const bool audio =
      g_str_has_prefix (GST_PAD_TEMPLATE_NAME_TEMPLATE (templ), "audio");
  const auto chosen = free_name (self, name, audio ? "audio_" : "video_");
  if (chosen.empty ()) {
    GST_WARNING_OBJECT (self, "there is a pad %s already", name);
    return nullptr;
  }
  if (audio)
    for (const auto &[other, input] : self->state->copy_inputs ())
      if (input->audio ()) {
        GST_WARNING_OBJECT (
            self, "one sound is sent, and it has its pad: %s", other.c_str ());
        return nullptr;
      }
  auto *pad = GST_PAD (g_object_new (
      audio ? GST_TYPE_GHOST_PAD : GST_TYPE_SIGNALING_BIN_PAD, "name",
      chosen.c_str (), "direction", GST_PAD_SINK, "template", templ, nullptr));
  // Active from the start where the bin already is.
  if (GST_STATE_TARGET (element) >= GST_STATE_PAUSED)
    gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);
  add_input (self, pad, audio);
  gst_child_proxy_child_added (
      GST_CHILD_PROXY (element), G_OBJECT (pad), chosen.c_str ());
  return pad;
}

void
signaling_bin_release_pad (GstElement *element, GstPad *pad)
{
  auto *self = GST_SIGNALING_BIN (element);
  SignalingBinState *state = self->state;
  const std::string name = GST_PAD_NAME (pad);
  gst_child_proxy_child_removed (
      GST_CHILD_PROXY (element), G_OBJECT (pad), name.c_str ());
  // Nothing is in a push when this returns, and nothing will be.
  gst_pad_set_active (pad, FALSE);
  state->act (
      [name] (Controller &controller) { controller.remove_stream (name); });
  std::shared_ptr<Input> input;
  {
    std::lock_guard<std::mutex> lock (state->inputs_mutex);
    if (auto node = state->inputs.extract (name))
      input = std::move (node.mapped ());
  }
  input.reset ();
  gst_element_remove_pad (element, pad);
}

void
signaling_bin_child_proxy_init (gpointer iface, gpointer)
{
  auto *proxy = static_cast<GstChildProxyInterface *> (iface);
  parent_proxy = static_cast<GstChildProxyInterface *> (
      g_type_interface_peek_parent (iface));
  proxy->get_child_by_name = child_by_name;
}
