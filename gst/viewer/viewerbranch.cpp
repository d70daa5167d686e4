// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's branch of the pipeline: how it is built and linked. How it is taken
// out while data flows: viewerend.cpp.
#include "media/mediatype.hpp"
#include "sdp/twccuri.hpp"
#include "viewer/viewer.hpp"
#include "webrtc/rtpbinhooks.hpp"
#include "webrtc/webrtcsetup.hpp"
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// A serialized query (allocation, drain) would wait in the viewer's queue until
// webrtcbin lets it through, and the encoder with it: answered "no" here.
GstPadProbeReturn
drop_serialized_queries (GstPad *, GstPadProbeInfo *info, gpointer)
{
  return GST_QUERY_IS_SERIALIZED (GST_PAD_PROBE_INFO_QUERY (info))
             ? GST_PAD_PROBE_DROP
             : GST_PAD_PROBE_OK;
}

// What the payloader asks of whoever takes its packets. A capsfilter would
// answer as well, but take the lists in which packets come apart (so do all
// GstBaseTransforms in 1.22): each packet would go through webrtcbin, and be
// sent, by itself.
GstPadProbeReturn
answer_caps_query (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return GST_PAD_PROBE_OK;
  GstCaps *filter = nullptr;
  gst_query_parse_caps (query, &filter);
  auto *caps = static_cast<GstCaps *> (data);
  g_autoptr (GstCaps) answer =
      filter ? gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST)
             : gst_caps_ref (caps);
  gst_query_set_caps_result (query, answer);
  return GST_PAD_PROBE_HANDLED;
}

// What goes wrong in a viewer's branch stays there: the tee, and the others,
// see a branch that takes everything.
GstFlowReturn
taken (GstPad *pad, GstFlowReturn result)
{
  if (result < GST_FLOW_EOS)
    GST_DEBUG_OBJECT (pad, "branch returned %s", gst_flow_get_name (result));
  return GST_FLOW_OK;
}

GstFlowReturn
take_all (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  return taken (pad, gst_proxy_pad_chain_default (pad, parent, buffer));
}

GstFlowReturn
take_all_of_list (GstPad *pad, GstObject *parent, GstBufferList *list)
{
  return taken (pad, gst_proxy_pad_chain_list_default (pad, parent, list));
}

} // namespace

bool
Viewer::build_webrtc (const PeerSettings &settings, std::string *error)
{
  webrtc_ = make_webrtc (settings,
      {offer_.ulpfec_payload_type >= 0,
          [shared = shared_] (std::uint16_t number) {
            return shared->packets.resends.allow (number, boot_now () / 1000);
          }});
  if (!webrtc_)
    *error = "the element for WebRTC cannot be made";
  return webrtc_ != nullptr;
}

bool
Viewer::build (std::string *error)
{
  branch_ = sink (gst_bin_new (nullptr));
  // Otherwise the pipeline waits for webrtcbin's EOS, which never comes.
  gst_bin_set_suppressed_flags (GST_BIN (branch_.get ()),
      static_cast<GstElementFlags> (
          GST_ELEMENT_FLAG_SINK | GST_ELEMENT_FLAG_SOURCE));
  gst_bin_add (GST_BIN (branch_.get ()), webrtc_.get ());
  g_object_set_data_full (G_OBJECT (branch_.get ()), kPeerIdKey,
      g_strdup (peer_id_.c_str ()), g_free);
  for (Lane *lane : lanes ())
    if (!build_lane (lane, error))
      return false;
  return true;
}

bool
Viewer::build_lane (Lane *lane, std::string *error)
{
  const auto &name = lane->source.codec.encoding_name;
  const MediaType *type = media_type_named (name);
  lane->queue = gst_element_factory_make ("queue", nullptr);
  lane->gate = sink (gst_element_factory_make ("sessiongate", nullptr));
  lane->payloader =
      type ? gst_element_factory_make (type->payloader, nullptr) : nullptr;
  const bool picture = lane == &picture_;
  lane->first =
      picture ? make_thin ({shared_, &shared_->thinner}) : lane->queue;
  lane->last =
      picture ? make_pace ({shared_, &shared_->packets}) : lane->payloader;
  std::vector<GstElement *> way = {
      lane->queue, lane->gate.get (), lane->payloader};
  if (picture) {
    way.insert (way.begin (), lane->first);
    way.push_back (lane->last);
  }
  for (GstElement *element : way)
    if (element)
      gst_bin_add (GST_BIN (branch_.get ()), element);
  if (!lane->queue || !lane->gate || !lane->payloader) {
    *error = "an element of the viewer's branch cannot be made";
    return false;
  }

  // The bin tells of viewers itself.
  gst_session_gate_set_quiet (GST_SESSION_GATE (lane->gate.get ()));
  // A viewer that does not take its buffers loses them; it never holds up the
  // others.
  g_object_set (lane->queue, "leaky", 2 /* downstream */, "max-size-time",
      guint64 (200 * GST_MSECOND), "max-size-buffers", 0, "max-size-bytes",
      8u << 20, "flush-on-eos", TRUE, nullptr);
  g_object_set (lane->payloader, "pt", lane->payload_type, "ssrc",
      guint (lane->ssrc), "mtu", 1200, nullptr);
  if (name == "H264" || name == "H265") {
    g_object_set (lane->payloader, "config-interval", -1, nullptr);
    gst_util_set_object_arg (
        G_OBJECT (lane->payloader), "aggregate-mode", "none");
  } else if (name == "VP8" || name == "VP9") {
    gst_util_set_object_arg (
        G_OBJECT (lane->payloader), "picture-id-mode", "15-bit");
  }
  for (std::size_t i = 1; i < way.size (); i++)
    if (!gst_element_link (way[i - 1], way[i])) {
      *error = "the viewer's branch does not link";
      return false;
    }
  return true;
}

// What the answer says of the picture: more than the packets' caps do.
GstCaps *
Viewer::picture_preference (GstCaps *caps) const
{
  GstCaps *preference = gst_caps_copy (caps);
  if (!offer_.profile_level_id.empty ())
    gst_caps_set_simple (preference, "profile-level-id", G_TYPE_STRING,
        offer_.profile_level_id.c_str (), nullptr);
  if (offer_.level_asymmetry)
    gst_caps_set_simple (
        preference, "level-asymmetry-allowed", G_TYPE_STRING, "1", nullptr);
  return preference;
}

bool
Viewer::link_webrtc (const Lane &lane, std::string *error)
{
  const bool picture = &lane == &picture_;
  const auto &encoding_name = lane.source.codec.encoding_name;
  // Nothing of the payloader's own (sprop-*, offsets) may reach the answer;
  // the SSRC must, or browsers cannot tell retransmissions apart.
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("application/x-rtp", "media",
      G_TYPE_STRING, picture ? "video" : "audio", "encoding-name",
      G_TYPE_STRING, encoding_name.c_str (), "clock-rate", G_TYPE_INT,
      picture ? 90000 : 48000, "payload", G_TYPE_INT, int (lane.payload_type),
      "ssrc", G_TYPE_UINT, guint (lane.ssrc), nullptr);
  if (encoding_name == "H264")
    gst_caps_set_simple (
        caps, "packetization-mode", G_TYPE_STRING, "1", nullptr);
  // By this the payloader numbers its packets, and the answer says so.
  if (picture && offer_.twcc_id)
    gst_caps_set_simple (caps,
        ("extmap-" + std::to_string (offer_.twcc_id)).c_str (), G_TYPE_STRING,
        kTwccUri, nullptr);
  auto source = adopt (gst_element_get_static_pad (lane.payloader, "src"));
  gst_pad_add_probe (source.get (), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      answer_caps_query, gst_caps_ref (caps),
      [] (gpointer data) { gst_caps_unref (static_cast<GstCaps *> (data)); });

  const auto name = "sink_" + std::to_string (lane.m_line);
  auto pad =
      adopt (gst_element_request_pad_simple (webrtc_.get (), name.c_str ()));
  auto last = adopt (gst_element_get_static_pad (lane.last, "src"));
  if (!pad || gst_pad_link (last.get (), pad.get ()) != GST_PAD_LINK_OK) {
    *error = "webrtcbin does not take the stream";
    return false;
  }
  g_autoptr (GstWebRTCRTPTransceiver) transceiver = nullptr;
  g_object_get (pad.get (), "transceiver", &transceiver, nullptr);
  if (!transceiver) {
    *error = "webrtcbin made no transceiver";
    return false;
  }
  g_autoptr (GstCaps) preference =
      picture ? picture_preference (caps) : gst_caps_copy (caps);
  if (!picture)
    gst_caps_set_simple (
        preference, "encoding-params", G_TYPE_STRING, "2", nullptr);
  const bool fec = picture && offer_.ulpfec_payload_type >= 0;
  g_object_set (transceiver, "direction",
      GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, "do-nack",
      picture && offer_.rtx_payload_type >= 0, "fec-type",
      fec ? GST_WEBRTC_FEC_TYPE_ULP_RED : GST_WEBRTC_FEC_TYPE_NONE,
      "fec-percentage", fec ? fec_percentage_ : 0, "codec-preferences",
      preference, nullptr);
  return true;
}

bool
Viewer::add_branch (std::string *error)
{
  for (const Lane *lane : lanes ()) {
    auto sink_pad = adopt (gst_element_get_static_pad (lane->first, "sink"));
    GstPad *ghost = gst_ghost_pad_new (
        lane == &picture_ ? "sink" : "audio", sink_pad.get ());
    gst_pad_set_chain_function (ghost, take_all);
    gst_pad_set_chain_list_function (ghost, take_all_of_list);
    gst_pad_set_active (ghost, TRUE);
    gst_element_add_pad (branch_.get (), ghost);
  }
  if (!gst_bin_add (bin_, branch_.get ())) {
    *error = "the viewer's branch cannot be added";
    return false;
  }
  if (!gst_element_sync_state_with_parent (branch_.get ())) {
    *error = "the viewer's branch does not start";
    return false;
  }
  return true;
}

void
Viewer::set_latency (GstClockTime latency)
{
  latency_ = latency;
  if (local_set_)
    set_rtp_latency (webrtc_.get (), latency_);
}

GPtr<GstPad>
Viewer::webrtc_sink_pad (const Lane &lane) const
{
  const auto name = "sink_" + std::to_string (lane.m_line);
  return adopt (gst_element_get_static_pad (webrtc_.get (), name.c_str ()));
}

// What a viewer's threads send upstream ends here. Elements of the
// application's stand there, who may end this very viewer, which waits for
// these threads. A key frame is asked for on the signaling thread; of the rest
// (QoS, feedback, RECONFIGURE) nothing is for a stream that others get as well.
void
Viewer::keep_events_in (const Lane &lane)
{
  const auto wants = [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
    if (gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
      static_cast<Hop *> (data)->post ([] (Viewer &self) {
        self.owner_->viewer_needs_key_frame (self.peer_id_);
      });
    return GST_PAD_PROBE_DROP;
  };
  const auto nothing = [] (GstPad *, GstPadProbeInfo *, gpointer) {
    return GST_PAD_PROBE_DROP;
  };
  if (&lane == &picture_)
    gst_pad_add_probe (lane.tee_pad.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        wants, hop (), Hop::free);
  else
    gst_pad_add_probe (lane.tee_pad.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        nothing, nullptr, nullptr);
}

void
Viewer::link_to_tee (Lane *lane)
{
  lane->tee_pad =
      adopt (gst_element_request_pad_simple (lane->source.tee, "src_%u"));
  if (lane->tee_pad)
    keep_events_in (*lane);
  auto target = adopt (gst_element_get_static_pad (
      branch_.get (), lane == &picture_ ? "sink" : "audio"));
  if (!lane->tee_pad ||
      gst_pad_link (lane->tee_pad.get (), target.get ()) != GST_PAD_LINK_OK) {
    fail ("failed", "internal", "The stream cannot be branched off.");
    return;
  }
  gst_pad_add_probe (lane->tee_pad.get (), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      drop_serialized_queries, nullptr, nullptr);
}

} // namespace robotlive
