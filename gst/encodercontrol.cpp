// SPDX-License-Identifier: LGPL-2.1-or-later
#include "encodercontrol.hpp"
#include <algorithm>
#include <cstring>
#include <gst/video/video.h>

namespace robotlive {

namespace {

constexpr int kMaxSteps = 64; // of a walk upstream; a loop cannot hold us

bool
is_video_encoder (GstElement *element)
{
  const char *klass = gst_element_class_get_metadata (
      GST_ELEMENT_GET_CLASS (element), GST_ELEMENT_METADATA_KLASS);
  return klass && strstr (klass, "Encoder") && strstr (klass, "Video");
}

const char *
factory_name (GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  return factory ? GST_OBJECT_NAME (factory) : "";
}

// The pad that feeds *pad*, seen through ghost pads of bins on either side.
GPtr<GstPad>
feeding_pad (GstPad *pad)
{
  auto peer = adopt (gst_pad_get_peer (pad));
  for (int i = 0; peer && i < kMaxSteps; i++) {
    if (GST_IS_GHOST_PAD (peer.get ())) {
      // A bin's source pad: go on inside.
      peer = adopt (gst_ghost_pad_get_target (GST_GHOST_PAD (peer.get ())));
    } else if (GST_IS_PROXY_PAD (peer.get ())) {
      // The inner side of a bin's sink pad: go on outside.
      auto ghost =
          adopt (gst_proxy_pad_get_internal (GST_PROXY_PAD (peer.get ())));
      peer = ghost ? adopt (gst_pad_get_peer (GST_PAD (ghost.get ())))
                   : GPtr<GstPad> ();
    } else {
      break;
    }
  }
  return peer;
}

// v4l2h264enc, v4l2video11h264enc: the hardware encoder of a Pi.
bool
is_v4l2_h264 (const char *name)
{
  return g_str_has_prefix (name, "v4l2") && g_str_has_suffix (name, "h264enc");
}

bool
ignores_force_key_unit (GstElement *encoder)
{
  if (!is_v4l2_h264 (factory_name (encoder)))
    return false;
  guint major, minor, micro, nano;
  gst_version (&major, &minor, &micro, &nano);
  return major == 1 && (minor < 22 || (minor == 22 && micro < 4));
}

bool
has_property (GstElement *element, const char *name)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (element), name) !=
         nullptr;
}

// Sets one V4L2 control of a running encoder. The element replaces its whole
// set of controls, so the others go along. *keep*: the control stays in the
// set; a button such as force_key_frame must not, or every restart presses it.
void
set_v4l2_control (
    GstElement *encoder, const char *control, int value, bool keep)
{
  g_autoptr (GstStructure) before = nullptr;
  g_object_get (encoder, "extra-controls", &before, nullptr);
  g_autoptr (GstStructure) after = before
                                       ? gst_structure_copy (before)
                                       : gst_structure_new_empty ("controls");
  gst_structure_set (after, control, G_TYPE_INT, value, nullptr);
  g_object_set (encoder, "extra-controls", after, nullptr);
  if (!keep)
    g_object_set (encoder, "extra-controls", before, nullptr);
}

} // namespace

void
EncoderControl::set_encoder (GstElement *encoder)
{
  auto next = share (encoder);
  std::lock_guard<std::mutex> lock (mutex_);
  std::swap (encoder_, next);
}

GPtr<GstElement>
EncoderControl::find () const
{
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (encoder_)
      return share (encoder_.get ());
  }
  auto pad = feeding_pad (pad_);
  for (int i = 0; pad && i < kMaxSteps; i++) {
    auto element = adopt (gst_pad_get_parent_element (pad.get ()));
    if (!element)
      break;
    if (is_video_encoder (element.get ()))
      return element;
    // On through the one sink pad; a mixer or a source ends the walk.
    if (element->numsinkpads != 1)
      break;
    GPtr<GstPad> sink_pad;
    GST_OBJECT_LOCK (element.get ());
    if (element->sinkpads)
      sink_pad = share (GST_PAD (element->sinkpads->data));
    GST_OBJECT_UNLOCK (element.get ());
    pad = sink_pad ? feeding_pad (sink_pad.get ()) : GPtr<GstPad> ();
  }
  return nullptr;
}

void
EncoderControl::request_key_frame ()
{
  gst_pad_push_event (pad_, gst_video_event_new_upstream_force_key_unit (
                                GST_CLOCK_TIME_NONE, TRUE, 0));
}

void
EncoderControl::apply_key_frame ()
{
  const auto encoder = find ();
  if (encoder && ignores_force_key_unit (encoder.get ()) &&
      has_property (encoder.get (), "extra-controls"))
    set_v4l2_control (encoder.get (), "force_key_frame", 1, false);
}

bool
EncoderControl::can_force_key_frame () const
{
  const auto encoder = find ();
  return encoder && (!ignores_force_key_unit (encoder.get ()) ||
                        has_property (encoder.get (), "extra-controls"));
}

bool
EncoderControl::set_bitrate (guint bits_per_second)
{
  const auto encoder = find ();
  if (!encoder)
    return false;
  const char *name = factory_name (encoder.get ());
  if (is_v4l2_h264 (name) && has_property (encoder.get (), "extra-controls")) {
    // The driver takes steps of 25 kbit/s from 25 kbit/s to 25 Mbit/s.
    const guint steps = std::clamp (bits_per_second / 25000, 1u, 1000u);
    set_v4l2_control (encoder.get (), "video_bitrate",
        static_cast<int> (steps * 25000), true);
    return true;
  }
  static const struct
  {
    const char *factory;
    const char *property;
    guint unit; // bit/s
  } table[] = {
      {"x264enc", "bitrate", 1000},
      {"x265enc", "bitrate", 1000},
      {"openh264enc", "bitrate", 1},
      {"vp8enc", "target-bitrate", 1},
      {"vp9enc", "target-bitrate", 1},
  };
  for (const auto &row : table) {
    if (!g_str_equal (name, row.factory) ||
        !has_property (encoder.get (), row.property))
      continue;
    const guint value = std::max (bits_per_second / row.unit, 1u);
    // As text: the property is unsigned in one encoder and signed in another.
    gst_util_set_object_arg (G_OBJECT (encoder.get ()), row.property,
        std::to_string (value).c_str ());
    return true;
  }
  return false;
}

} // namespace robotlive
