// SPDX-License-Identifier: LGPL-2.1-or-later
#include "av1standin.hpp"
#include "base/glibptr.hpp"
#include <algorithm>
#include <gst/rtp/gstrtpbasepayload.h>
#include <gst/rtp/gstrtpbuffer.h>

typedef struct
{
  GstRTPBasePayload parent;
} Av1StandIn;

typedef struct
{
  GstRTPBasePayloadClass parent_class;
} Av1StandInClass;

G_DEFINE_TYPE (Av1StandIn, av1_stand_in, GST_TYPE_RTP_BASE_PAYLOAD)

static gboolean
set_caps (GstRTPBasePayload *payload, GstCaps *)
{
  gst_rtp_base_payload_set_options (payload, "video", TRUE, "AV1", 90000);
  return gst_rtp_base_payload_set_outcaps (payload, nullptr);
}

static GstFlowReturn
handle_buffer (GstRTPBasePayload *payload, GstBuffer *buffer)
{
  const gsize size = gst_buffer_get_size (buffer);
  const gsize most = gst_rtp_buffer_calc_payload_len (
                         GST_RTP_BASE_PAYLOAD_MTU (payload), 0, 0) -
                     1;
  GstBufferList *list = gst_buffer_list_new ();
  for (gsize at = 0; at < size; at += most) {
    const gsize length = std::min (most, size - at);
    GstBuffer *packet =
        gst_rtp_base_payload_allocate_output_buffer (payload, 1, 0, 0);
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    gst_rtp_buffer_map (packet, GST_MAP_WRITE, &rtp);
    // AV1 RTP payload section 4.4: Z and Y, continued from and in another; W 1.
    *static_cast<guint8 *> (gst_rtp_buffer_get_payload (&rtp)) =
        static_cast<guint8> (
            (at > 0) << 7 | (at + length < size) << 6 | 1 << 4);
    gst_rtp_buffer_set_marker (&rtp, at + length == size);
    gst_rtp_buffer_unmap (&rtp);
    gst_buffer_copy_into (packet, buffer, GST_BUFFER_COPY_MEMORY, at,
        static_cast<gssize> (length));
    GST_BUFFER_PTS (packet) = GST_BUFFER_PTS (buffer);
    GST_BUFFER_DTS (packet) = GST_BUFFER_DTS (buffer);
    gst_buffer_list_add (list, packet);
  }
  gst_buffer_unref (buffer);
  return gst_rtp_base_payload_push_list (payload, list);
}

static void
av1_stand_in_class_init (Av1StandInClass *klass)
{
  auto *element = GST_ELEMENT_CLASS (klass);
  gst_element_class_set_static_metadata (element, "AV1 payloader for tests",
      "Codec/Payloader/Network/RTP", "Stands in for rtpav1pay",
      "gst-robotlive");
  const auto pad = [element] (const char *name, GstPadDirection direction,
                       const char *text) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (text);
    gst_element_class_add_pad_template (
        element, gst_pad_template_new (name, direction, GST_PAD_ALWAYS, caps));
  };
  // As gst-plugins-rs's.
  pad ("sink", GST_PAD_SINK,
      "video/x-av1, parsed=(boolean)true, stream-format=(string)obu-stream, "
      "alignment=(string)obu; "
      "video/x-av1, parsed=(boolean)true, stream-format=(string)obu-stream, "
      "alignment=(string)tu");
  pad ("src", GST_PAD_SRC,
      "application/x-rtp, media=(string)video, payload=(int)[96, 127], "
      "clock-rate=(int)90000, encoding-name=(string)AV1");
  auto *payload = GST_RTP_BASE_PAYLOAD_CLASS (klass);
  payload->set_caps = set_caps;
  payload->handle_buffer = handle_buffer;
}

static void
av1_stand_in_init (Av1StandIn *)
{
}

namespace robotlive::test {

bool
register_av1_stand_in ()
{
  if (adopt (GST_OBJECT (gst_element_factory_find ("rtpav1pay"))))
    return false;
  return gst_element_register (
      nullptr, "rtpav1pay", GST_RANK_NONE, av1_stand_in_get_type ());
}

} // namespace robotlive::test
