// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/rtpbinhooks.hpp"
#include "base/glibptr.hpp"
#include "webrtc/internals.hpp"
#include <vector>

namespace robotlive {

namespace {

using Hook = std::function<void ()>;

void
connect_source_signal (GstElement *rtpbin, const char *signal, Hook hook)
{
  g_signal_connect_data (
      rtpbin, signal,
      G_CALLBACK (
          +[] (GstElement *, guint, guint, Hook *called) { (*called) (); }),
      new Hook (std::move (hook)),
      [] (gpointer data, GClosure *) { delete static_cast<Hook *> (data); },
      static_cast<GConnectFlags> (0));
}

// Out of which packets leave for the encryption.
std::vector<GPtr<GstPad>>
leaving_pads (GstElement *webrtc)
{
  std::vector<GPtr<GstPad>> pads;
  if (!internal_holds (Internal::RtpPads))
    return pads;
  auto rtpbin = adopt (gst_bin_get_by_name (GST_BIN (webrtc), "rtpbin"));
  if (rtpbin) {
    GST_OBJECT_LOCK (rtpbin.get ());
    for (GList *item = rtpbin->srcpads; item; item = item->next)
      if (g_str_has_prefix (GST_PAD_NAME (item->data), "send_rtp_src_"))
        pads.push_back (share (GST_PAD (item->data)));
    GST_OBJECT_UNLOCK (rtpbin.get ());
  }
  if (pads.empty ())
    internal_failed (Internal::RtpPads);
  return pads;
}

} // namespace

bool
watch_rtcp (GstElement *webrtc, std::function<void ()> on_rtcp,
    std::function<void ()> on_bye)
{
  if (!internal_holds (Internal::RtcpSignals))
    return false;
  auto rtpbin = adopt (gst_bin_get_by_name (GST_BIN (webrtc), "rtpbin"));
  if (!rtpbin) {
    internal_failed (Internal::RtcpSignals);
    return false;
  }
  connect_source_signal (rtpbin.get (), "on-ssrc-active", std::move (on_rtcp));
  connect_source_signal (rtpbin.get (), "on-bye-ssrc", std::move (on_bye));
  return true;
}

// To the session's own pad: the transport's sink starts with the DTLS handshake
// and lets no latency through until then.
void
set_rtp_latency (GstElement *webrtc, GstClockTime latency)
{
  for (const auto &pad : leaving_pads (webrtc))
    gst_pad_send_event (pad.get (), gst_event_new_latency (latency));
}

bool
watch_leaving_packets (GstElement *webrtc, std::function<void (unsigned)> seen)
{
  using Seen = std::function<void (unsigned)>;
  const auto see = +[] (GstPad *, GstPadProbeInfo *info, gpointer data) {
    GstBuffer *packet =
        info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST
            ? gst_buffer_list_get (GST_PAD_PROBE_INFO_BUFFER_LIST (info), 0)
            : GST_PAD_PROBE_INFO_BUFFER (info);
    guint8 head[2] = {};
    gst_buffer_extract (packet, 0, head, sizeof head);
    (*static_cast<Seen *> (data)) (head[1] & 0x7fu);
    return GST_PAD_PROBE_OK;
  };
  const auto pads = leaving_pads (webrtc);
  for (const auto &pad : pads)
    gst_pad_add_probe (pad.get (),
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        see, new Seen (seen),
        [] (gpointer data) { delete static_cast<Seen *> (data); });
  return !pads.empty ();
}

} // namespace robotlive
