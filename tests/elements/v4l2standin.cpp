// SPDX-License-Identifier: LGPL-2.1-or-later
#include "v4l2standin.hpp"
#include <atomic>
#include <gst/video/video.h>

namespace {

struct StandIn
{
  GstElement parent;
  GstPad *sink_pad, *src_pad;
  GstStructure *controls; // under the object lock
  std::atomic<guint> forced, rate;
};
struct StandInClass
{
  GstElementClass parent_class;
};

enum
{
  PROP_0,
  PROP_EXTRA_CONTROLS,
  PROP_FORCED, // how often force_key_frame was set
  PROP_RATE,   // the last video_bitrate
};

G_DEFINE_TYPE (StandIn, stand_in, GST_TYPE_ELEMENT)

StandIn *
self_of (gpointer object)
{
  return reinterpret_cast<StandIn *> (object);
}

GstFlowReturn
chain (GstPad *, GstObject *parent, GstBuffer *buffer)
{
  return gst_pad_push (self_of (parent)->src_pad, buffer);
}

// As GStreamer's own of this version: before 1.22.4 nothing comes of it.
gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (robotlive::test::v4l2_stand_in_heeds_events () ||
      !gst_video_event_is_force_key_unit (event))
    return gst_pad_event_default (pad, parent, event);
  gst_event_unref (event);
  return TRUE;
}

void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  auto *self = self_of (object);
  if (id != PROP_EXTRA_CONTROLS) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
    return;
  }
  auto *controls = static_cast<GstStructure *> (g_value_dup_boxed (value));
  gint number = 0;
  if (controls && gst_structure_get_int (controls, "video_bitrate", &number))
    self->rate = static_cast<guint> (number);
  const bool force =
      controls && gst_structure_get_int (controls, "force_key_frame", &number);
  GST_OBJECT_LOCK (self);
  if (self->controls)
    gst_structure_free (self->controls);
  self->controls = controls;
  GST_OBJECT_UNLOCK (self);
  if (!force)
    return;
  self->forced++;
  gst_pad_push_event (
      self->sink_pad, gst_video_event_new_upstream_force_key_unit (
                          GST_CLOCK_TIME_NONE, TRUE, 0));
}

void
get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  auto *self = self_of (object);
  switch (id) {
    case PROP_EXTRA_CONTROLS:
      GST_OBJECT_LOCK (self);
      g_value_set_boxed (value, self->controls);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_FORCED:
      g_value_set_uint (value, self->forced);
      break;
    case PROP_RATE:
      g_value_set_uint (value, self->rate);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
  }
}

void
finalize (GObject *object)
{
  if (self_of (object)->controls)
    gst_structure_free (self_of (object)->controls);
  G_OBJECT_CLASS (stand_in_parent_class)->finalize (object);
}

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-h264"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-h264"));

void
stand_in_class_init (StandInClass *klass)
{
  auto *object_class = G_OBJECT_CLASS (klass);
  auto *element_class = GST_ELEMENT_CLASS (klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  g_object_class_install_property (object_class, PROP_EXTRA_CONTROLS,
      g_param_spec_boxed ("extra-controls", "", "", GST_TYPE_STRUCTURE,
          static_cast<GParamFlags> (
              G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)));
  const auto read_only =
      static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property (object_class, PROP_FORCED,
      g_param_spec_uint ("forced", "", "", 0, G_MAXUINT, 0, read_only));
  g_object_class_install_property (object_class, PROP_RATE,
      g_param_spec_uint ("rate", "", "", 0, G_MAXUINT, 0, read_only));
  gst_element_class_set_static_metadata (element_class, "V4L2 H.264 stand-in",
      "Codec/Encoder/Video/Hardware", "Stands in for a Pi's encoder", "tests");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

void
stand_in_init (StandIn *self)
{
  self->sink_pad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sink_pad, chain);
  GST_PAD_SET_PROXY_CAPS (self->sink_pad);
  GST_PAD_SET_PROXY_ALLOCATION (self->sink_pad);
  self->src_pad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->src_pad, src_event);
  GST_PAD_SET_PROXY_CAPS (self->src_pad);
  gst_element_add_pad (GST_ELEMENT (self), self->sink_pad);
  gst_element_add_pad (GST_ELEMENT (self), self->src_pad);
}

} // namespace

namespace robotlive::test {

void
register_v4l2_stand_in ()
{
  g_assert_true (gst_element_register (
      nullptr, "v4l2h264enc", GST_RANK_NONE, stand_in_get_type ()));
}

bool
v4l2_stand_in_heeds_events ()
{
  guint major, minor, micro, nano;
  gst_version (&major, &minor, &micro, &nano);
  return major > 1 || minor > 22 || (minor == 22 && micro >= 4);
}

} // namespace robotlive::test
