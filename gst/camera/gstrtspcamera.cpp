// SPDX-License-Identifier: LGPL-2.1-or-later
//
// rtspsrc takes a camera's password as a property: on a gst-launch-1.0 line it
// would stand in the process list. This bin takes the name of a file.
//
// The lines below are to be pasted.
// clang-format off
/**
 * SECTION:element-rtspcamera
 * @title: rtspcamera
 * @short_description: The H.264 of an IP camera, with a password from a file
 *
 * Over RTSP and TCP. Properties: docs/elements/rtspcamera.md.
 *
 * ## Example launch line
 * ```shell
 * gst-launch-1.0 rtspcamera location=rtsp://192.168.1.9/stream credentials-file=/etc/robotlive/robot.camera ! h264parse ! fakesink
 * ```
 *
 * Since: 0.1
 */
// clang-format on
#include "camera/gstrtspcamera.h"
#include "base/secretfile.hpp"
#include <cstring>
#include <string>

GST_DEBUG_CATEGORY_STATIC (gst_rtsp_camera_debug);
#define GST_CAT_DEFAULT gst_rtsp_camera_debug

namespace {

struct Settings
{
  std::string location;
  std::string credentials_file;
  guint latency = 100; // ms
};

enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_CREDENTIALS_FILE,
  PROP_LATENCY
};

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC,
    GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-h264, stream-format = (string) { byte-stream, "
                     "avc }, alignment = (string) { au, nal }"));

} // namespace

struct _GstRtspCamera
{
  GstBin parent;
  Settings *settings; // with the object lock
  GstPad *src;
  GstElement *source;
  GstElement *depayloader;
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstRtspCamera, gst_rtsp_camera, GST_TYPE_BIN,
    GST_DEBUG_CATEGORY_INIT (
        gst_rtsp_camera_debug, "rtspcamera", 0, "IP cameras"))
GST_ELEMENT_REGISTER_DEFINE (
    rtspcamera, "rtspcamera", GST_RANK_NONE, GST_TYPE_RTSP_CAMERA)

// Of what the camera offers, the H.264 alone: no sound that nothing takes.
static gboolean
select_stream (GstElement *, guint number, GstCaps *caps, gpointer data)
{
  const GstStructure *stream = gst_caps_get_structure (caps, 0);
  const gchar *media = gst_structure_get_string (stream, "media");
  const gchar *encoding = gst_structure_get_string (stream, "encoding-name");
  const gboolean wanted =
      g_strcmp0 (media, "video") == 0 && g_strcmp0 (encoding, "H264") == 0;
  GST_INFO_OBJECT (data, "stream %u, %s %s: %s", number, media, encoding,
      wanted ? "taken" : "left out");
  return wanted;
}

static void
pad_added (GstElement *, GstPad *pad, gpointer data)
{
  GstRtspCamera *self = GST_RTSP_CAMERA (data);
  g_autoptr (GstPad) sink =
      gst_element_get_static_pad (self->depayloader, "sink");
  if (gst_pad_is_linked (sink))
    GST_INFO_OBJECT (self, "a second picture of the camera is left out");
  else if (gst_pad_link (pad, sink) != GST_PAD_LINK_OK)
    GST_WARNING_OBJECT (
        self, "%s:%s cannot be taken", GST_DEBUG_PAD_NAME (pad));
}

static GstElement *
make (GstRtspCamera *self, const gchar *factory)
{
  GstElement *element = gst_element_factory_make (factory, nullptr);
  if (!element)
    GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
        ("There is no element '%s': install gstreamer1.0-plugins-good.",
            factory),
        (nullptr));
  return element;
}

static void
take_apart (GstRtspCamera *self)
{
  gst_ghost_pad_set_target (GST_GHOST_PAD (self->src), nullptr);
  for (GstElement **child : {&self->source, &self->depayloader}) {
    if (!*child)
      continue;
    gst_element_set_state (*child, GST_STATE_NULL);
    gst_bin_remove (GST_BIN (self), *child);
    *child = nullptr;
  }
}

// Anew for each start, so that a changed password is taken. The properties are
// set before the bin has the element: "gst-launch-1.0 -v" prints those that
// change later.
static gboolean
put_together (GstRtspCamera *self)
{
  GST_OBJECT_LOCK (self);
  const Settings settings = *self->settings;
  GST_OBJECT_UNLOCK (self);
  if (settings.location.empty ()) {
    GST_ELEMENT_ERROR (
        self, RESOURCE, SETTINGS, ("location is not set."), (nullptr));
    return FALSE;
  }
  robotlive::Credentials login;
  std::string why;
  if (!settings.credentials_file.empty () &&
      !robotlive::read_credentials_file (
          settings.credentials_file, &login, &why)) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
        ("credentials-file cannot be used: %s", why.c_str ()), (nullptr));
    return FALSE;
  }
  if (login.exposed)
    GST_ELEMENT_WARNING (self, RESOURCE, OPEN_READ,
        ("%s.",
            robotlive::exposed_complaint (settings.credentials_file).c_str ()),
        (nullptr));
  g_autoptr (GstElement) source = make (self, "rtspsrc");
  g_autoptr (GstElement) depayloader = make (self, "rtph264depay");
  for (GstElement *element : {source, depayloader})
    if (element)
      gst_object_ref_sink (element);
  if (!source || !depayloader)
    return FALSE;
  // TCP: nothing is lost between camera and robot, and no port is needed.
  g_object_set (source, "location", settings.location.c_str (), "latency",
      settings.latency, nullptr);
  gst_util_set_object_arg (G_OBJECT (source), "protocols", "tcp");
  if (!login.user.empty ())
    g_object_set (source, "user-id", login.user.c_str (), "user-pw",
        login.password.c_str (), nullptr);
  g_signal_connect (source, "select-stream", G_CALLBACK (select_stream), self);
  g_signal_connect (source, "pad-added", G_CALLBACK (pad_added), self);
  gst_bin_add_many (GST_BIN (self), source, depayloader, nullptr);
  self->source = source;
  self->depayloader = depayloader;
  g_autoptr (GstPad) src = gst_element_get_static_pad (depayloader, "src");
  return gst_ghost_pad_set_target (GST_GHOST_PAD (self->src), src);
}

static GstStateChangeReturn
gst_rtsp_camera_change_state (GstElement *element, GstStateChange transition)
{
  GstRtspCamera *self = GST_RTSP_CAMERA (element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !put_together (self)) {
    take_apart (self);
    return GST_STATE_CHANGE_FAILURE;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (gst_rtsp_camera_parent_class)
          ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL ||
      (transition == GST_STATE_CHANGE_NULL_TO_READY &&
          result == GST_STATE_CHANGE_FAILURE))
    take_apart (self);
  return result;
}

static void
gst_rtsp_camera_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstRtspCamera *self = GST_RTSP_CAMERA (object);
  const gchar *text =
      G_VALUE_HOLDS_STRING (value) ? g_value_get_string (value) : nullptr;
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      self->settings->location = text ? text : "";
      break;
    case PROP_CREDENTIALS_FILE:
      self->settings->credentials_file = text ? text : "";
      break;
    case PROP_LATENCY:
      self->settings->latency = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
set_text (GValue *value, const std::string &text)
{
  g_value_set_string (value, text.empty () ? nullptr : text.c_str ());
}

static void
gst_rtsp_camera_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstRtspCamera *self = GST_RTSP_CAMERA (object);
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      set_text (value, self->settings->location);
      break;
    case PROP_CREDENTIALS_FILE:
      set_text (value, self->settings->credentials_file);
      break;
    case PROP_LATENCY:
      g_value_set_uint (value, self->settings->latency);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_rtsp_camera_finalize (GObject *object)
{
  delete GST_RTSP_CAMERA (object)->settings;
  G_OBJECT_CLASS (gst_rtsp_camera_parent_class)->finalize (object);
}

static void
gst_rtsp_camera_class_init (GstRtspCameraClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  object_class->set_property = gst_rtsp_camera_set_property;
  object_class->get_property = gst_rtsp_camera_get_property;
  object_class->finalize = gst_rtsp_camera_finalize;
  element_class->change_state = gst_rtsp_camera_change_state;

  const GParamFlags flags = static_cast<GParamFlags> (
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property (object_class, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "The camera's rtsp or rtsps URI, without user and password", nullptr,
          flags));
  g_object_class_install_property (object_class, PROP_CREDENTIALS_FILE,
      g_param_spec_string ("credentials-file", "Credentials file",
          "File with user:password in its first line, read anew for each "
          "start",
          nullptr, flags));
  g_object_class_install_property (object_class, PROP_LATENCY,
      g_param_spec_uint ("latency", "Latency",
          "Milliseconds to wait for packets that are late", 0, 10000, 100,
          flags));
  gst_element_class_set_static_metadata (element_class, "IP camera",
      "Source/Network/Video",
      "The H.264 of an RTSP camera, with the password from a file",
      "gst-robotlive developers");
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_rtsp_camera_init (GstRtspCamera *self)
{
  self->settings = new Settings ();
  g_autoptr (GstPadTemplate) made = gst_static_pad_template_get (&src_template);
  self->src = gst_ghost_pad_new_no_target_from_template ("src", made);
  gst_element_add_pad (GST_ELEMENT (self), self->src);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
