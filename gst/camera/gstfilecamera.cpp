// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A pipeline whose file has ended has to be started anew, which throws every
// viewer out. This bin reads the file again instead: what is behind it sees one
// stream whose time goes on.
//
// The lines below are to be pasted.
// clang-format off
/**
 * SECTION:element-filecamera
 * @title: filecamera
 * @short_description: The pictures of a video file, again and again
 *
 * Without an end. Properties: docs/elements/filecamera.md.
 *
 * ## Example launch line
 * ```shell
 * gst-launch-1.0 filecamera location=clip.mp4 ! videoconvert ! clocksync ! fakesink
 * ```
 *
 * Since: 0.1
 */
// clang-format on
#include "camera/gstfilecamera.h"
#include <algorithm>
#include <string>

GST_DEBUG_CATEGORY_STATIC (gst_file_camera_debug);
#define GST_CAT_DEFAULT gst_file_camera_debug

namespace {

enum
{
  PROP_0,
  PROP_LOCATION
};

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

struct Round
{
  std::string location; // this one with the object lock
  // The rest with the lock of the state, or on the one streaming thread.
  GstSegment segment;
  GstClockTime begin = 0; // of this round, in running time
  GstClockTime end = 0;
  bool pictures = false;            // there was one in this round
  GstFlowReturn flow = GST_FLOW_OK; // of the last one
  gint again = 0;                   // atomic: the file is read again
  gint ending = 0;                  // atomic: the application wants an end
};

} // namespace

struct _GstFileCamera
{
  GstBin parent;
  Round *round;
  GstPad *src;
  GstElement *source, *decoder;
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstFileCamera, gst_file_camera, GST_TYPE_BIN,
    GST_DEBUG_CATEGORY_INIT (
        gst_file_camera_debug, "filecamera", 0, "video files as cameras"))
GST_ELEMENT_REGISTER_DEFINE (
    filecamera, "filecamera", GST_RANK_NONE, GST_TYPE_FILE_CAMERA)

// In a thread of its own: it joins the one that brought the end.
static void
read_again (GstElement *element, gpointer)
{
  GstFileCamera *self = GST_FILE_CAMERA (element);
  GST_STATE_LOCK (self);
  const bool running = GST_STATE_TARGET (self) >= GST_STATE_PAUSED &&
                       GST_STATE (self) >= GST_STATE_PAUSED;
  if (running && g_atomic_int_get (&self->round->ending)) {
    gst_pad_push_event (self->src, gst_event_new_eos ());
  } else if (running) {
    self->round->begin = self->round->end;
    self->round->pictures = false;
    for (GstElement *child : {self->decoder, self->source})
      gst_element_set_state (child, GST_STATE_READY);
    // A round begins at nothing, and is moved to where the last one ended.
    gst_pad_set_offset (self->src, gint64 (self->round->begin));
    for (GstElement *child : {self->decoder, self->source})
      if (!gst_element_sync_state_with_parent (child))
        GST_ELEMENT_ERROR (self, RESOURCE, READ,
            ("The file cannot be read again."), (nullptr));
  }
  GST_STATE_UNLOCK (self);
}

static void
see_picture (Round *round, GstBuffer *buffer)
{
  const GstClockTime start = GST_BUFFER_PTS (buffer);
  round->pictures = true;
  if (!GST_CLOCK_TIME_IS_VALID (start))
    return;
  // A picture without a duration is as long as one of 25 a second.
  const GstClockTime stop = start + (GST_BUFFER_DURATION_IS_VALID (buffer)
                                            ? GST_BUFFER_DURATION (buffer)
                                            : 40 * GST_MSECOND);
  const GstClockTime running = gst_segment_to_running_time (&round->segment,
      GST_FORMAT_TIME, std::min<GstClockTime> (stop, round->segment.stop));
  if (GST_CLOCK_TIME_IS_VALID (running))
    round->end = std::max (round->end, round->begin + running);
}

// On the decoder's pad, before the offset.
static GstPadProbeReturn
on_data (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  GstFileCamera *self = GST_FILE_CAMERA (data);
  Round *round = self->round;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    see_picture (round, gst_pad_probe_info_get_buffer (info));
    return GST_PAD_PROBE_OK;
  }
  GstEvent *event = gst_pad_probe_info_get_event (info);
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    gst_event_copy_segment (event, &round->segment);
  // A file without a picture would be read for ever.
  if (GST_EVENT_TYPE (event) != GST_EVENT_EOS || !round->pictures)
    return GST_PAD_PROBE_OK;
  // Who is behind us has had enough (fakesink num-buffers=), or the application
  // (gst-launch-1.0 -e).
  if (round->flow == GST_FLOW_EOS || g_atomic_int_get (&round->ending))
    return GST_PAD_PROBE_OK;
  GST_INFO_OBJECT (self, "the file has ended: it is read again");
  g_atomic_int_set (&round->again, 1);
  gst_element_call_async (GST_ELEMENT (self), read_again, nullptr, nullptr);
  return GST_PAD_PROBE_DROP;
}

// Of our own pad's inner half. An end that who is behind us wanted looks like
// the file's.
static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  Round *round =
      static_cast<Round *> (g_object_get_data (G_OBJECT (pad), "round"));
  round->flow = gst_proxy_pad_chain_default (pad, parent, buffer);
  return round->flow;
}

static void
pad_added (GstElement *, GstPad *pad, gpointer data)
{
  GstFileCamera *self = GST_FILE_CAMERA (data);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  if (!caps)
    caps = gst_pad_query_caps (pad, nullptr);
  g_autoptr (GstPad) taken =
      gst_ghost_pad_get_target (GST_GHOST_PAD (self->src));
  const gchar *kind =
      gst_caps_is_empty (caps) || gst_caps_is_any (caps)
          ? ""
          : gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (taken || !g_str_has_prefix (kind, "video/x-raw")) {
    GST_INFO_OBJECT (self, "left out: %s", kind);
    return;
  }
  gst_pad_add_probe (pad,
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      on_data, self, nullptr);
  gst_segment_init (&self->round->segment, GST_FORMAT_TIME);
  // One that stands there already is not seen by the probe.
  GstEvent *segment = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  if (segment) {
    gst_event_copy_segment (segment, &self->round->segment);
    gst_event_unref (segment);
  }
  gst_ghost_pad_set_target (GST_GHOST_PAD (self->src), pad);
}

static void
pad_removed (GstElement *, GstPad *pad, gpointer data)
{
  GstFileCamera *self = GST_FILE_CAMERA (data);
  g_autoptr (GstPad) taken =
      gst_ghost_pad_get_target (GST_GHOST_PAD (self->src));
  if (taken == pad)
    gst_ghost_pad_set_target (GST_GHOST_PAD (self->src), nullptr);
}

// A file that is read again prerolls again, which is nothing to the pipeline:
// it would stop its clock for it.
static void
gst_file_camera_handle_message (GstBin *bin, GstMessage *message)
{
  const bool preroll = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ASYNC_START ||
                       GST_MESSAGE_TYPE (message) == GST_MESSAGE_ASYNC_DONE;
  if (preroll && g_atomic_int_get (&GST_FILE_CAMERA (bin)->round->again)) {
    gst_message_unref (message);
    return;
  }
  GST_BIN_CLASS (gst_file_camera_parent_class)->handle_message (bin, message);
}

static gboolean
gst_file_camera_send_event (GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    g_atomic_int_set (&GST_FILE_CAMERA (element)->round->ending, 1);
  return GST_ELEMENT_CLASS (gst_file_camera_parent_class)
      ->send_event (element, event);
}

static gboolean
put_together (GstFileCamera *self)
{
  GST_OBJECT_LOCK (self);
  const std::string location = self->round->location;
  GST_OBJECT_UNLOCK (self);
  if (location.empty ()) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, SETTINGS, ("location is not set."), (nullptr));
    return FALSE;
  }
  if (!self->source) {
    GstElement *source = gst_element_factory_make ("filesrc", nullptr);
    GstElement *decoder = gst_element_factory_make ("decodebin", nullptr);
    if (!source || !decoder) {
      g_clear_pointer (&source, gst_object_unref);
      g_clear_pointer (&decoder, gst_object_unref);
      GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
          ("There is no element filesrc or decodebin: install "
           "gstreamer1.0-plugins-base."),
          (nullptr));
      return FALSE;
    }
    gst_bin_add_many (GST_BIN (self), source, decoder, nullptr);
    gst_element_link (source, decoder);
    g_signal_connect (decoder, "pad-added", G_CALLBACK (pad_added), self);
    g_signal_connect (decoder, "pad-removed", G_CALLBACK (pad_removed), self);
    self->source = source;
    self->decoder = decoder;
  }
  g_object_set (self->source, "location", location.c_str (), nullptr);
  return TRUE;
}

static GstStateChangeReturn
gst_file_camera_change_state (GstElement *element, GstStateChange transition)
{
  GstFileCamera *self = GST_FILE_CAMERA (element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !put_together (self))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    self->round->begin = self->round->end = 0;
    self->round->pictures = false;
    self->round->flow = GST_FLOW_OK;
    g_atomic_int_set (&self->round->again, 0);
    g_atomic_int_set (&self->round->ending, 0);
    gst_pad_set_offset (self->src, 0);
  }
  return GST_ELEMENT_CLASS (gst_file_camera_parent_class)
      ->change_state (element, transition);
}

static void
gst_file_camera_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstFileCamera *self = GST_FILE_CAMERA (object);
  if (id != PROP_LOCATION) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  const gchar *text = g_value_get_string (value);
  GST_OBJECT_LOCK (self);
  self->round->location = text ? text : "";
  GST_OBJECT_UNLOCK (self);
}

static void
gst_file_camera_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstFileCamera *self = GST_FILE_CAMERA (object);
  if (id != PROP_LOCATION) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  const std::string &text = self->round->location;
  g_value_set_string (value, text.empty () ? nullptr : text.c_str ());
  GST_OBJECT_UNLOCK (self);
}

static void
gst_file_camera_finalize (GObject *object)
{
  delete GST_FILE_CAMERA (object)->round;
  G_OBJECT_CLASS (gst_file_camera_parent_class)->finalize (object);
}

static void
gst_file_camera_class_init (GstFileCameraClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  object_class->set_property = gst_file_camera_set_property;
  object_class->get_property = gst_file_camera_get_property;
  object_class->finalize = gst_file_camera_finalize;
  element_class->change_state = gst_file_camera_change_state;
  element_class->send_event = gst_file_camera_send_event;
  GST_BIN_CLASS (klass)->handle_message = gst_file_camera_handle_message;
  g_object_class_install_property (object_class, PROP_LOCATION,
      g_param_spec_string ("location", "Location", "Path of the video file",
          nullptr,
          static_cast<GParamFlags> (G_PARAM_READWRITE |
                                    GST_PARAM_MUTABLE_READY |
                                    G_PARAM_STATIC_STRINGS)));
  gst_element_class_set_static_metadata (element_class, "Video file as camera",
      "Source/File/Video", "The pictures of a file, again and again",
      "gst-robotlive developers");
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_file_camera_init (GstFileCamera *self)
{
  self->round = new Round ();
  gst_segment_init (&self->round->segment, GST_FORMAT_TIME);
  g_autoptr (GstPadTemplate) made = gst_static_pad_template_get (&src_template);
  self->src = gst_ghost_pad_new_no_target_from_template ("src", made);
  GstProxyPad *inner = gst_proxy_pad_get_internal (GST_PROXY_PAD (self->src));
  g_object_set_data (G_OBJECT (inner), "round", self->round);
  gst_pad_set_chain_function (GST_PAD (inner), chain);
  gst_object_unref (inner);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
