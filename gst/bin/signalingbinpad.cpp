// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/signalingbinpad.hpp"

struct _GstSignalingBinPad
{
  GstGhostPad parent;
  gchar *alternative_of; // under the object lock
};

G_DEFINE_FINAL_TYPE (
    GstSignalingBinPad, gst_signaling_bin_pad, GST_TYPE_GHOST_PAD)

enum
{
  PROP_0,
  PROP_ALTERNATIVE_OF,
};

static void
gst_signaling_bin_pad_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  auto *self = GST_SIGNALING_BIN_PAD (object);
  if (id != PROP_ALTERNATIVE_OF) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  g_free (self->alternative_of);
  self->alternative_of = g_value_dup_string (value);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_signaling_bin_pad_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  auto *self = GST_SIGNALING_BIN_PAD (object);
  if (id != PROP_ALTERNATIVE_OF) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  g_value_set_string (value, self->alternative_of ? self->alternative_of : "");
  GST_OBJECT_UNLOCK (self);
}

static void
gst_signaling_bin_pad_finalize (GObject *object)
{
  g_free (GST_SIGNALING_BIN_PAD (object)->alternative_of);
  G_OBJECT_CLASS (gst_signaling_bin_pad_parent_class)->finalize (object);
}

static void
gst_signaling_bin_pad_class_init (GstSignalingBinPadClass *klass)
{
  auto *object_class = G_OBJECT_CLASS (klass);
  object_class->set_property = gst_signaling_bin_pad_set_property;
  object_class->get_property = gst_signaling_bin_pad_get_property;
  object_class->finalize = gst_signaling_bin_pad_finalize;
  /**
   * GstSignalingBinPad:alternative-of:
   *
   * The name of the pad whose picture this pad brings in another codec: "sink"
   * or "video_0". Each viewer gets the first that it can decode.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_ALTERNATIVE_OF,
      g_param_spec_string ("alternative-of", "Alternative of",
          "Name of the pad whose picture this one brings in another codec", "",
          static_cast<GParamFlags> (G_PARAM_READWRITE |
                                    GST_PARAM_MUTABLE_READY |
                                    G_PARAM_STATIC_STRINGS)));
}

static void
gst_signaling_bin_pad_init (GstSignalingBinPad *)
{
}

namespace robotlive {

std::string
alternative_of (GstPad *pad)
{
  if (!GST_IS_SIGNALING_BIN_PAD (pad))
    return "";
  auto *self = GST_SIGNALING_BIN_PAD (pad);
  GST_OBJECT_LOCK (self);
  std::string name = self->alternative_of ? self->alternative_of : "";
  GST_OBJECT_UNLOCK (self);
  return name;
}

} // namespace robotlive
