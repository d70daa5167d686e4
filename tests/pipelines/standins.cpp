// SPDX-License-Identifier: LGPL-2.1-or-later
#include "standins.hpp"
#include <cstring>
#include <gst/gst.h>

namespace {

std::string encoder_mode;
std::string encoder_device;

// All four are bins with what makes the pictures inside.
struct StandIn
{
  GstBin parent;
  gchar *device;
  gboolean built;
};
struct StandInClass
{
  GstBinClass parent_class;
};

enum
{
  PROP_0,
  PROP_DEVICE,
  PROP_CONTROLS,
  PROP_BITRATE,
  PROP_PREVIEW,
  PROP_INTERVAL,
  PROP_NUMBER
};

void
build (StandIn *self, const char *description)
{
  GstElement *chain =
      gst_parse_bin_from_description (description, TRUE, nullptr);
  g_assert_nonnull (chain);
  gst_bin_add (&self->parent, chain);
  for (const char *name : {"src", "sink"}) {
    GstPad *inner = gst_element_get_static_pad (chain, name);
    GstPad *outer = gst_element_get_static_pad (GST_ELEMENT (self), name);
    if (inner && outer)
      gst_ghost_pad_set_target (GST_GHOST_PAD (outer), inner);
    g_clear_object (&inner);
    g_clear_object (&outer);
  }
  self->built = TRUE;
}

std::string
description_of (StandIn *self)
{
  const char *kind = G_OBJECT_TYPE_NAME (self);
  std::string device = self->device ? self->device : "";
  const size_t slash = device.rfind ('/');
  if (slash != std::string::npos)
    device = device.substr (slash + 1);
  const std::string picture = "videotestsrc is-live=true ";
  if (strcmp (kind, "StandInEncoder") == 0)
    return encoder_mode == "silent"
               ? "x264enc tune=zerolatency ! identity drop-probability=1"
               : "x264enc tune=zerolatency speed-preset=ultrafast";
  if (device == "silent")
    return picture + "! identity drop-probability=1";
  if (strcmp (kind, "StandInRpicam") == 0)
    return picture + "! x264enc tune=zerolatency speed-preset=ultrafast "
                     "! h264parse";
  if (strcmp (kind, "StandInWebcam") == 0 && device == "mjpeg")
    return picture + "! video/x-raw,format=I420 ! jpegenc";
  if (strcmp (kind, "StandInWebcam") == 0 && device == "h264")
    return picture + "! video/x-raw,format=I420 ! x264enc tune=zerolatency "
                     "speed-preset=ultrafast key-int-max=30 ! h264parse";
  if (strcmp (kind, "StandInWebcam") == 0)
    return picture + "! video/x-raw,format=YUY2";
  return picture + "! video/x-raw,format=NV12";
}

GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  StandIn *self = reinterpret_cast<StandIn *> (element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    std::string device = self->device ? self->device : "";
    if (strcmp (G_OBJECT_TYPE_NAME (self), "StandInEncoder") == 0)
      device = encoder_mode;
    if (g_str_has_suffix (device.c_str (), "busy")) {
      GST_ELEMENT_ERROR (element, RESOURCE, BUSY,
          ("Device '%s' is busy", device.c_str ()), ("VIDIOC_REQBUFS"));
      return GST_STATE_CHANGE_FAILURE;
    }
    if (g_str_has_suffix (device.c_str (), "gone")) {
      GST_ELEMENT_ERROR (element, RESOURCE, NOT_FOUND,
          ("Could not find a camera named '%s'.", device.c_str ()), (nullptr));
      return GST_STATE_CHANGE_FAILURE;
    }
    if (!self->built)
      build (self, description_of (self).c_str ());
  }
  auto *parent =
      static_cast<GstElementClass *> (g_type_class_peek (GST_TYPE_BIN));
  return parent->change_state (element, transition);
}

void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *)
{
  if (id != PROP_DEVICE)
    return; // taken as the real one takes it, and not needed here
  StandIn *self = reinterpret_cast<StandIn *> (object);
  g_free (self->device);
  self->device = g_value_dup_string (value);
}

void
get_property (GObject *object, guint id, GValue *value, GParamSpec *)
{
  StandIn *self = reinterpret_cast<StandIn *> (object);
  if (id == PROP_DEVICE &&
      strcmp (G_OBJECT_TYPE_NAME (self), "StandInEncoder") == 0)
    g_value_set_string (value, encoder_device.c_str ());
  else if (id == PROP_DEVICE)
    g_value_set_string (value, self->device);
}

void
finalize (GObject *object)
{
  g_free (reinterpret_cast<StandIn *> (object)->device);
  static_cast<GObjectClass *> (g_type_class_peek (GST_TYPE_BIN))
      ->finalize (object);
}

void
class_init (gpointer klass, gpointer data)
{
  auto *gobject = G_OBJECT_CLASS (klass);
  auto *element = GST_ELEMENT_CLASS (klass);
  const char *kind = static_cast<const char *> (data);
  gobject->set_property = set_property;
  gobject->get_property = get_property;
  gobject->finalize = finalize;
  element->change_state = change_state;
  const auto flags = GParamFlags (G_PARAM_READWRITE);
  bool libcamera = strcmp (kind, "libcamerasrc") == 0;
  g_object_class_install_property (gobject, PROP_DEVICE,
      g_param_spec_string (libcamera ? "camera-name" : "device", "device",
          "which", nullptr, flags));
  g_object_class_install_property (gobject, PROP_CONTROLS,
      g_param_spec_boxed ("extra-controls", "controls", "V4L2 controls",
          GST_TYPE_STRUCTURE, flags));
  g_object_class_install_property (gobject, PROP_BITRATE,
      g_param_spec_int (
          "bitrate", "bitrate", "bit/s", 1, 25000000, 17000000, flags));
  g_object_class_install_property (gobject, PROP_PREVIEW,
      g_param_spec_boolean ("preview", "preview", "window", TRUE, flags));
  g_object_class_install_property (gobject, PROP_INTERVAL,
      g_param_spec_int (
          "keyframe-interval", "interval", "frames", -1, 1000, -1, flags));
  g_object_class_install_property (gobject, PROP_NUMBER,
      g_param_spec_int ("camera-number", "number", "which", 0, 1, 0, flags));
  gst_element_class_set_static_metadata (
      element, kind, "Test", "Stand-in", "gst-robotlive");
  GstCaps *any = gst_caps_new_any ();
  gst_element_class_add_pad_template (
      element, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, any));
  if (strcmp (kind, "v4l2h264enc") == 0)
    gst_element_class_add_pad_template (element,
        gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, any));
  gst_caps_unref (any);
}

void
instance_init (GTypeInstance *instance, gpointer klass)
{
  for (const char *name : {"src", "sink"}) {
    GstPadTemplate *tmpl =
        gst_element_class_get_pad_template (GST_ELEMENT_CLASS (klass), name);
    if (tmpl)
      gst_element_add_pad (GST_ELEMENT (instance),
          gst_ghost_pad_new_no_target_from_template (name, tmpl));
  }
}

GType
standin_type (const char *type_name, const char *element)
{
  GType known = g_type_from_name (type_name);
  if (known)
    return known;
  const GTypeInfo info = {sizeof (StandInClass), nullptr, nullptr, class_init,
      nullptr, element, sizeof (StandIn), 0, instance_init, nullptr};
  return g_type_register_static (
      GST_TYPE_BIN, type_name, &info, GTypeFlags (0));
}

} // namespace

void
register_standins ()
{
  gst_element_register (nullptr, "libcamerasrc", GST_RANK_NONE,
      standin_type ("StandInLibcamera", "libcamerasrc"));
  gst_element_register (nullptr, "v4l2src", GST_RANK_NONE,
      standin_type ("StandInWebcam", "v4l2src"));
  gst_element_register (nullptr, "rpicamsrc", GST_RANK_NONE,
      standin_type ("StandInRpicam", "rpicamsrc"));
  set_encoder_standin ("works", "");
}

void
set_encoder_standin (const std::string &mode, const std::string &device)
{
  encoder_mode = mode;
  encoder_device = device;
  gst_element_register (nullptr, "v4l2h264enc", GST_RANK_NONE,
      standin_type ("StandInEncoder", "v4l2h264enc"));
}

void
remove_encoder_standin ()
{
  GstPluginFeature *feature =
      gst_registry_lookup_feature (gst_registry_get (), "v4l2h264enc");
  if (!feature)
    return;
  gst_registry_remove_feature (gst_registry_get (), feature);
  gst_object_unref (feature);
}
