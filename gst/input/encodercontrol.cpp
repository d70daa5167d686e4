// SPDX-License-Identifier: LGPL-2.1-or-later
#include "input/encodercontrol.hpp"
#include <algorithm>
#include <cstring>
#include <gst/video/video.h>
#include <utility>

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
  guint major, minor, micro, nano;
  gst_version (&major, &minor, &micro, &nano);
  // Measured: three requests, and one key frame, the first.
  if (g_str_equal (factory_name (encoder), "av1enc"))
    return major == 1 && minor <= 22;
  return is_v4l2_h264 (factory_name (encoder)) && major == 1 &&
         (minor < 22 || (minor == 22 && micro < 4));
}

bool
has_property (GstElement *element, const char *name)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (element), name) !=
         nullptr;
}

struct RateProperty
{
  const char *factory;
  const char *property;
  guint unit; // bit/s
  // It makes each picture as large as the caps' frame rate asks for, whether
  // they come as often as that or not. Measured.
  bool by_picture;
};
constexpr RateProperty kRateProperties[] = {
    {"x264enc", "bitrate", 1000, true},
    {"x265enc", "bitrate", 1000, true},
    {"openh264enc", "bitrate", 1, false},
    {"vp8enc", "target-bitrate", 1, false},
    {"vp9enc", "target-bitrate", 1, false},
};
// Half of less is no moving picture, and hardware encoders stall.
constexpr double kLeastFrameRate = 20;

bool
has_many_pictures (GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  gint rate = 0, per = 1;
  return caps && gst_caps_get_size (caps) > 0 &&
         (!gst_structure_get_fraction (
              gst_caps_get_structure (caps, 0), "framerate", &rate, &per) ||
             rate == 0 || double (rate) / per >= kLeastFrameRate);
}

// How this encoder's bitrate is set while it runs, or null.
const RateProperty *
rate_property (GstElement *encoder)
{
  for (const auto &row : kRateProperties)
    if (g_str_equal (factory_name (encoder), row.factory) &&
        has_property (encoder, row.property))
      return &row;
  return nullptr;
}

// *value*, not initialised yet, gets the property's. True when it is the
// default.
bool
get_property (GstElement *element, const char *name, GValue *value)
{
  GParamSpec *pspec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  g_value_init (value, pspec->value_type);
  g_object_get_property (G_OBJECT (element), name, value);
  return g_param_value_defaults (pspec, value);
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

const char *
key_frames_name (KeyFrames way)
{
  switch (way) {
    case KeyFrames::Event:
      return "event";
    case KeyFrames::Control:
      return "control";
    case KeyFrames::None:
      break;
  }
  return "none";
}

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
    GPtr<GstPad> sink_pad;
    GST_OBJECT_LOCK (element.get ());
    if (element->numsinkpads == 1 && element->sinkpads)
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

KeyFrames
EncoderControl::key_frames () const
{
  const auto encoder = find ();
  if (!encoder)
    return KeyFrames::None;
  if (!ignores_force_key_unit (encoder.get ()))
    return KeyFrames::Event;
  return has_property (encoder.get (), "extra-controls") ? KeyFrames::Control
                                                         : KeyFrames::None;
}

void
EncoderControl::look_at_default ()
{
  automatic_ = false;
  const auto encoder = find ();
  const RateProperty *row = encoder ? rate_property (encoder.get ()) : nullptr;
  if (!row || !g_str_has_prefix (row->factory, "vp"))
    return;
  // What theirs is when nobody sets it is not the property's default.
  auto unset = sink (gst_element_factory_make (row->factory, nullptr));
  if (!unset)
    return;
  gint rate = 0, initial = 0;
  g_object_get (encoder.get (), row->property, &rate, nullptr);
  g_object_get (unset.get (), row->property, &initial, nullptr);
  automatic_ = rate == initial || rate == 0;
}

void
EncoderControl::save (GstElement *encoder, const char *property)
{
  if (saved_.encoder.get () == encoder)
    return;
  saved_.encoder = share (encoder);
  saved_.property = property;
  g_auto (GValue) value = G_VALUE_INIT;
  get_property (encoder, property, &value);
  // Controls that nobody has given.
  const bool none = G_VALUE_HOLDS_BOXED (&value) && !g_value_get_boxed (&value);
  g_autofree char *text = none ? nullptr : gst_value_serialize (&value);
  // libvpx' elements choose a rate by themselves when theirs is set to 0.
  saved_.value = automatic_ ? "0" : text ? text : "";
}

bool
EncoderControl::set_half_frame_rate (bool half)
{
  GPtr<GstPad> pad;
  const auto encoder = half ? find () : nullptr;
  if (encoder)
    pad = adopt (gst_element_get_static_pad (encoder.get (), "sink"));
  if (pad && !has_many_pictures (pad.get ()))
    pad.reset ();
  if (pad.get () == halved_.pad.get ())
    return false;
  if (halved_.pad)
    gst_pad_remove_probe (halved_.pad.get (), halved_.probe);
  halved_ = Halved ();
  if (!pad)
    return true;
  halved_.probe = gst_pad_add_probe (
      pad.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *, gpointer odd) {
        auto &left_out = *static_cast<bool *> (odd);
        left_out = !left_out;
        return left_out ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
      },
      new bool (false),
      [] (gpointer odd) { delete static_cast<bool *> (odd); });
  halved_.pad = std::move (pad);
  return true;
}

void
EncoderControl::restore_bitrate ()
{
  set_half_frame_rate (false);
  // Moved away first: who is told of the property may come back here.
  const Saved saved = std::exchange (saved_, Saved ());
  // Without controls of its own before, the driver keeps the last.
  if (saved.encoder && !saved.value.empty ())
    gst_util_set_object_arg (G_OBJECT (saved.encoder.get ()),
        saved.property.c_str (), saved.value.c_str ());
}

guint
EncoderControl::configured_bitrate () const
{
  const auto encoder = find ();
  if (!encoder)
    return 0;
  if (is_v4l2_h264 (factory_name (encoder.get ())) &&
      has_property (encoder.get (), "extra-controls")) {
    g_autoptr (GstStructure) controls = nullptr;
    g_object_get (encoder.get (), "extra-controls", &controls, nullptr);
    gint rate = 0;
    if (controls)
      gst_structure_get_int (controls, "video_bitrate", &rate);
    return rate > 0 ? static_cast<guint> (rate) : 0;
  }
  const RateProperty *row = rate_property (encoder.get ());
  if (!row || automatic_)
    return 0;
  g_auto (GValue) value = G_VALUE_INIT, number = G_VALUE_INIT;
  g_value_init (&number, G_TYPE_UINT64);
  if (get_property (encoder.get (), row->property, &value) ||
      !g_value_transform (&value, &number))
    return 0;
  return static_cast<guint> (
      std::min<guint64> (g_value_get_uint64 (&number) * row->unit, G_MAXINT));
}

bool
EncoderControl::set_bitrate (guint bits_per_second)
{
  const auto encoder = find ();
  if (!encoder)
    return false;
  if (is_v4l2_h264 (factory_name (encoder.get ())) &&
      has_property (encoder.get (), "extra-controls")) {
    save (encoder.get (), "extra-controls");
    // The driver takes steps of 25 kbit/s from 25 kbit/s to 25 Mbit/s.
    const guint steps = std::clamp (bits_per_second / 25000, 1u, 1000u);
    set_v4l2_control (encoder.get (), "video_bitrate",
        static_cast<int> (steps * 25000), true);
    return true;
  }
  const RateProperty *row = rate_property (encoder.get ());
  if (!row)
    return false;
  save (encoder.get (), row->property);
  const guint pictures = row->by_picture && halved_.pad ? 2 : 1;
  const guint value = std::max (bits_per_second / row->unit * pictures, 1u);
  // As text: the property is unsigned in one encoder and signed in another.
  gst_util_set_object_arg (G_OBJECT (encoder.get ()), row->property,
      std::to_string (value).c_str ());
  return true;
}

} // namespace robotlive
