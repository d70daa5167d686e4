// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/signalingbinpad.hpp"
#include "bin/signalingbinstate.hpp"

using namespace robotlive;

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
  PROP_ENCODER,
  PROP_TARGET_BITRATE,
};

// Null for a pad that the bin has released.
static GPtr<GstSignalingBin>
bin_of (GstSignalingBinPad *self)
{
  GstElement *parent = gst_pad_get_parent_element (GST_PAD (self));
  return adopt (GST_SIGNALING_BIN (parent));
}

static std::shared_ptr<Input>
input_of (GstSignalingBinPad *self)
{
  const auto bin = bin_of (self);
  if (!bin)
    return nullptr;
  const auto inputs = bin->state->copy_inputs ();
  const auto found = inputs.find (GST_PAD_NAME (self));
  return found == inputs.end () ? nullptr : found->second;
}

static guint
target_bitrate_of (GstSignalingBinPad *self)
{
  const auto bin = bin_of (self);
  guint target = 0;
  if (bin)
    bin->state->look (
        [&, name = std::string (GST_PAD_NAME (self))] (Controller &controller) {
          target = controller.target_bitrate (name);
        });
  return target;
}

static void
gst_signaling_bin_pad_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  auto *self = GST_SIGNALING_BIN_PAD (object);
  switch (id) {
    case PROP_ALTERNATIVE_OF:
      GST_OBJECT_LOCK (self);
      g_free (self->alternative_of);
      self->alternative_of = g_value_dup_string (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_ENCODER:
      if (const auto input = input_of (self))
        input->encoder ().set_encoder (
            static_cast<GstElement *> (g_value_get_object (value)));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
gst_signaling_bin_pad_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  auto *self = GST_SIGNALING_BIN_PAD (object);
  switch (id) {
    case PROP_ALTERNATIVE_OF:
      GST_OBJECT_LOCK (self);
      g_value_set_string (
          value, self->alternative_of ? self->alternative_of : "");
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_ENCODER:
      if (const auto input = input_of (self))
        g_value_take_object (value, input->encoder ().find ().release ());
      break;
    case PROP_TARGET_BITRATE:
      g_value_set_uint (value, target_bitrate_of (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
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
  /**
   * GstSignalingBinPad:encoder:
   *
   * The encoder of this pad's stream, to ask for key frames and to give a
   * bitrate; null: the one found upstream. As #GstSignalingBin:encoder is for
   * "sink". From any thread.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_ENCODER,
      g_param_spec_object ("encoder", "Encoder",
          "This stream's video encoder (unset: the one upstream)",
          GST_TYPE_ELEMENT,
          static_cast<GParamFlags> (
              G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)));
  /**
   * GstSignalingBinPad:target-bitrate:
   *
   * What the paths of those who get this pad's stream carry now, in bit/s; 0
   * without a viewer or when not adaptive. Notified on the signaling thread.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_TARGET_BITRATE,
      g_param_spec_uint ("target-bitrate", "Target bitrate",
          "What the paths of this stream's viewers carry now, in bit/s", 0,
          G_MAXINT, 0,
          static_cast<GParamFlags> (
              G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

static void
gst_signaling_bin_pad_init (GstSignalingBinPad *)
{
}

namespace robotlive {

void
notify_target_bitrate (GstPad *pad)
{
  if (GST_IS_SIGNALING_BIN_PAD (pad))
    g_object_notify (G_OBJECT (pad), "target-bitrate");
}

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
