// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/webrtcsetup.hpp"
#include "webrtc/internals.hpp"
#include "webrtc/srtphook.hpp"
#include <memory>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// webrtcbin 1.22 puts encoders for FEC behind each sink pad, also when there is
// no FEC. They know of no lists. Not for a stream with FEC.
GstFlowReturn
pass_list (GstPad *pad, GstObject *, GstBufferList *list)
{
  return gst_pad_push_list (GST_PAD (pad->chainlistdata), list);
}

void
keep_lists_whole (GstElement *element)
{
  auto sink_pad = adopt (gst_element_get_static_pad (element, "sink"));
  auto source_pad = adopt (gst_element_get_static_pad (element, "src"));
  if (sink_pad && source_pad)
    gst_pad_set_chain_list_function_full (
        sink_pad.get (), pass_list, source_pad.release (), gst_object_unref);
  else
    internal_failed (Internal::WholeLists);
}

// What a peer sends for a data channel that was rejected: nobody takes it, and
// that would count as an error of the connection.
void
drop_channel_data (GstElement *, GstPad *pad, gpointer)
{
  if (GST_PAD_IS_SRC (pad) && g_str_equal (GST_PAD_NAME (pad), "src"))
    gst_pad_add_probe (
        pad,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        [] (GstPad *, GstPadProbeInfo *, gpointer) {
          return GST_PAD_PROBE_DROP;
        },
        nullptr, nullptr);
}

void
have_no_data_channel (GstElement *element)
{
  if (auto pad = adopt (gst_element_get_static_pad (element, "src")))
    drop_channel_data (element, pad.get (), nullptr);
  else
    g_signal_connect (
        element, "pad-added", G_CALLBACK (drop_channel_data), nullptr);
}

using SharedHooks = std::shared_ptr<const WebrtcHooks>;

// rtpsession asks rtprtxsend for a packet by this event.
GstPadProbeReturn
limit_resends (const WebrtcHooks &hooks, GstEvent *event)
{
  const GstStructure *structure = gst_event_get_structure (event);
  guint number = 0;
  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_UPSTREAM || !structure ||
      !gst_structure_has_name (structure, "GstRTPRetransmissionRequest") ||
      !gst_structure_get_uint (structure, "seqnum", &number))
    return GST_PAD_PROBE_OK;
  return hooks.may_resend (static_cast<std::uint16_t> (number))
             ? GST_PAD_PROBE_OK
             : GST_PAD_PROBE_DROP;
}

void
watch_resends (GstElement *element, const SharedHooks &hooks)
{
  auto pad = adopt (gst_element_get_static_pad (element, "src"));
  if (!pad) {
    internal_failed (Internal::ResendRequests);
    return;
  }
  gst_pad_add_probe (
      pad.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        return limit_resends (**static_cast<SharedHooks *> (data),
            GST_PAD_PROBE_INFO_EVENT (info));
      },
      new SharedHooks (hooks),
      [] (gpointer data) { delete static_cast<SharedHooks *> (data); });
}

// Most of what is inside is made once the answer is set.
void
on_element (GstBin *, GstBin *, GstElement *element, SharedHooks *hooks)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  const char *name = factory ? GST_OBJECT_NAME (factory) : "";
  if (g_str_equal (name, "rtpulpfecenc") || g_str_equal (name, "rtpredenc")) {
    if (!(*hooks)->fec && internal_holds (Internal::WholeLists))
      keep_lists_whole (element);
  } else if (g_str_equal (name, "dtlsdec")) {
    if (internal_holds (Internal::RejectedData))
      have_no_data_channel (element);
  } else if (g_str_equal (name, "rtprtxsend")) {
    if ((*hooks)->may_resend && internal_holds (Internal::ResendRequests))
      watch_resends (element, *hooks);
  }
}

void
configure_ice (GstElement *webrtc, const PeerSettings &settings)
{
  if (!settings.stun_server.empty ())
    g_object_set (
        webrtc, "stun-server", settings.stun_server.c_str (), nullptr);
  for (const auto &turn : settings.turn_servers) {
    gboolean added = FALSE;
    g_signal_emit_by_name (webrtc, "add-turn-server", turn.c_str (), &added);
    if (!added)
      GST_WARNING_OBJECT (webrtc, "a TURN server was not understood");
  }
  g_autoptr (GObject) ice = nullptr;
  if (internal_holds (Internal::IceAgent) ||
      internal_holds (Internal::PortRange))
    g_object_get (webrtc, "ice-agent", &ice, nullptr);
  if (!ice)
    return;
  if (internal_holds (Internal::PortRange))
    g_object_set (ice, "min-rtp-port", settings.min_rtp_port, "max-rtp-port",
        settings.max_rtp_port, nullptr);
  g_autoptr (GObject) agent = nullptr;
  if (internal_holds (Internal::IceAgent))
    g_object_get (ice, "agent", &agent, nullptr);
  // UPnP costs 200 ms a viewer and asks routers for holes; TCP candidates make
  // checks slower and reach nobody that UDP does not. A check each 5 ms, the
  // least that RFC 8445 allows: the last one, by which the robot knows that
  // there is a connection, waits for its turn as well.
  if (agent)
    g_object_set (agent, "upnp", FALSE, "ice-tcp", FALSE, "stun-pacing-timer",
        5u, nullptr);
}

} // namespace

GPtr<GstElement>
make_webrtc (const PeerSettings &settings, WebrtcHooks hooks)
{
  auto webrtc = sink (gst_element_factory_make ("webrtcbin", "webrtc"));
  if (!webrtc)
    return webrtc;
  gst_util_set_object_arg (
      G_OBJECT (webrtc.get ()), "bundle-policy", "max-bundle");
  if (settings.relay_only)
    gst_util_set_object_arg (
        G_OBJECT (webrtc.get ()), "ice-transport-policy", "relay");
  g_object_set (webrtc.get (), "latency", 0, nullptr);
  g_signal_connect_data (
      webrtc.get (), "deep-element-added", G_CALLBACK (on_element),
      new SharedHooks (std::make_shared<WebrtcHooks> (std::move (hooks))),
      [] (gpointer data, GClosure *) {
        delete static_cast<SharedHooks *> (data);
      },
      static_cast<GConnectFlags> (0));
  take_over_srtp (webrtc.get ());
  configure_ice (webrtc.get (), settings);
  return webrtc;
}

std::vector<NeededElement>
webrtc_elements ()
{
  return {{"webrtcbin", "gstreamer1.0-plugins-bad"},
      {"dtlsdec", "gstreamer1.0-plugins-bad"},
      {"srtpenc", "gstreamer1.0-plugins-bad"}, {"nicesrc", "gstreamer1.0-nice"},
      {"rtpbin", "gstreamer1.0-plugins-good"}};
}

void
warm_dtls ()
{
  if (internal_holds (Internal::DtlsKey))
    sink (gst_element_factory_make ("dtlsdec", nullptr));
}

} // namespace robotlive
