// SPDX-License-Identifier: LGPL-2.1-or-later
#include "testviewer.hpp"
#include "sdp/twccuri.hpp"
#include "webrtc/findelement.hpp"
#include "webrtc/twccfeedback.hpp"
#include "webrtc/webrtcstop.hpp"
#include <algorithm>
#include <gst/rtp/gstrtcpbuffer.h>
#include <thread>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

namespace robotlive::test {

namespace {

// Waits for *promise* and takes the description out of its reply.
GstWebRTCSessionDescription *
description_of (GstPromise *promise, const char *field)
{
  GstWebRTCSessionDescription *description = nullptr;
  if (gst_promise_wait (promise) == GST_PROMISE_RESULT_REPLIED)
    if (const GstStructure *reply = gst_promise_get_reply (promise))
      gst_structure_get (reply, field, GST_TYPE_WEBRTC_SESSION_DESCRIPTION,
          &description, nullptr);
  return description;
}

std::string
without_sources (const std::string &sdp)
{
  std::string text;
  for (std::size_t at = 0; at < sdp.size ();) {
    const auto end = std::min (sdp.find ('\n', at), sdp.size () - 1) + 1;
    if (sdp.compare (at, 6, "a=ssrc") != 0)
      text.append (sdp, at, end - at);
    at = end;
  }
  return text;
}

} // namespace

static void
be_quiet (GstElement *rtpbin, guint id, guint, gpointer)
{
  g_autoptr (GObject) session = nullptr;
  g_signal_emit_by_name (rtpbin, "get-internal-session", id, &session);
  g_object_set (session, "rtcp-min-interval", 60 * GST_SECOND, nullptr);
}

TestViewer::TestViewer (std::shared_ptr<Link> link, std::string user,
    std::string peer_id, ViewerOptions options)
    : link_ (std::move (link)), user_ (std::move (user)),
      peer_id_ (std::move (peer_id)), options_ (std::move (options)),
      pipeline_ (sink (gst_pipeline_new (nullptr))),
      webrtc_ (sink (gst_element_factory_make ("webrtcbin", nullptr)))
{
  gst_util_set_object_arg (
      G_OBJECT (webrtc_.get ()), "bundle-policy", "max-bundle");
  g_object_set (webrtc_.get (), "latency", 20, nullptr);
  // Neither asks routers for holes nor waits for their answer.
  g_autoptr (GObject) ice = nullptr;
  g_autoptr (GObject) agent = nullptr;
  g_object_get (webrtc_.get (), "ice-agent", &ice, nullptr);
  g_object_get (ice, "agent", &agent, nullptr);
  g_object_set (agent, "upnp", FALSE, nullptr);
  gst_bin_add (GST_BIN (pipeline_.get ()), webrtc_.get ());
  g_signal_connect (
      webrtc_.get (), "pad-added", G_CALLBACK (on_pad_added), this);
  struct Forward
  {
    std::shared_ptr<Link> link;
    std::string user, peer_id;
  };
  const auto forward_candidate =
      +[] (GstElement *, guint line, char *text, Forward *forward) {
        taken ();
        const IceCandidate candidate{text, "", line};
        forward->link->call ([user = forward->user, id = forward->peer_id,
                                 candidate] (SignallerListener &listener) {
          listener.on_candidate (user, id, candidate);
        });
      };
  g_signal_connect_data (
      webrtc_.get (), "on-ice-candidate", G_CALLBACK (forward_candidate),
      new Forward{link_, user_, peer_id_},
      [] (gpointer data, GClosure *) { delete static_cast<Forward *> (data); },
      static_cast<GConnectFlags> (0));

  const auto add_transceiver = [this] (const char *caps_text) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (caps_text);
    if (options_.feedback)
      gst_caps_set_simple (caps, "extmap-3", G_TYPE_STRING, kTwccUri,
          "rtcp-fb-transport-cc", G_TYPE_BOOLEAN, TRUE, nullptr);
    g_autoptr (GstWebRTCRTPTransceiver) transceiver = nullptr;
    g_signal_emit_by_name (webrtc_.get (), "add-transceiver",
        GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY, caps, &transceiver);
    if (transceiver)
      g_object_set (transceiver, "do-nack", gboolean (options_.resends),
          "fec-type",
          options_.fec ? GST_WEBRTC_FEC_TYPE_ULP_RED : GST_WEBRTC_FEC_TYPE_NONE,
          nullptr);
  };
  const char *const opus = "application/x-rtp, media=audio, "
                           "encoding-name=OPUS, payload=111, "
                           "clock-rate=48000, encoding-params=(string)2";
  if (options_.audio_first)
    add_transceiver (opus);
  if (options_.encoding_name.empty ())
    add_transceiver ("application/x-rtp, media=video, encoding-name=VP8, "
                     "payload=96, clock-rate=90000; "
                     "application/x-rtp, media=video, encoding-name=H264, "
                     "payload=108, clock-rate=90000, "
                     "packetization-mode=(string)1, "
                     "profile-level-id=(string)42e01f");
  else if (options_.encoding_name == "H264")
    add_transceiver ("application/x-rtp, media=video, encoding-name=H264, "
                     "payload=108, clock-rate=90000, "
                     "packetization-mode=(string)1, "
                     "profile-level-id=(string)42e01f, "
                     "level-asymmetry-allowed=(string)1");
  else
    add_transceiver (("application/x-rtp, media=video, payload=96, "
                      "clock-rate=90000, encoding-name=" +
                      options_.encoding_name)
                         .c_str ());
  if (options_.audio)
    add_transceiver (opus);
  if (options_.quiet) {
    auto rtpbin =
        adopt (gst_bin_get_by_name (GST_BIN (webrtc_.get ()), "rtpbin"));
    g_signal_connect (
        rtpbin.get (), "on-new-sender-ssrc", G_CALLBACK (be_quiet), nullptr);
    g_signal_connect (
        rtpbin.get (), "on-new-ssrc", G_CALLBACK (be_quiet), nullptr);
  }
  handed ();
  gst_element_set_state (pipeline_.get (), GST_STATE_READY);
  if (options_.data_channel) {
    g_autoptr (GObject) channel = nullptr;
    g_signal_emit_by_name (
        webrtc_.get (), "create-data-channel", "test", nullptr, &channel);
  }
  gst_element_set_state (pipeline_.get (), GST_STATE_PLAYING);
}

TestViewer::~TestViewer ()
{
  link_->change ([] () {});
  prepare_webrtc_for_null (webrtc_.get ());
  gst_element_set_state (pipeline_.get (), GST_STATE_NULL);
  auto bus = adopt (gst_element_get_bus (pipeline_.get ()));
  gst_bus_set_flushing (bus.get (), TRUE);
}

void
TestViewer::vanish ()
{
  // Every packet is lost from here on, in both directions.
  gst_element_set_state (pipeline_.get (), GST_STATE_NULL);
}

void
TestViewer::lose_packets ()
{
  auto rtpbin =
      adopt (gst_bin_get_by_name (GST_BIN (webrtc_.get ()), "rtpbin"));
  auto pad =
      adopt (gst_element_get_static_pad (rtpbin.get (), "recv_rtp_sink_0"));
  g_assert_nonnull (pad.get ());
  auto *const packets = new unsigned (0);
  handed ();
  gst_pad_add_probe (
      pad.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *, gpointer count) {
        taken ();
        return ++*static_cast<unsigned *> (count) % 3 ? GST_PAD_PROBE_OK
                                                      : GST_PAD_PROBE_DROP;
      },
      packets, [] (gpointer count) { delete static_cast<unsigned *> (count); });
}

// Adds a BYE of whoever reports.
static GstPadProbeReturn
add_bye (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  taken ();
  auto &sent_at = **static_cast<std::shared_ptr<std::atomic<gint64>> *> (data);
  gint64 none = 0;
  sent_at.compare_exchange_strong (none, g_get_monotonic_time ());
  GstBuffer *sent = GST_PAD_PROBE_INFO_BUFFER (info);
  GstBuffer *longer = gst_rtcp_buffer_new (1400);
  GstRTCPBuffer to = GST_RTCP_BUFFER_INIT;
  GstRTCPPacket packet;
  guint32 ssrc = 0; // stands behind the header of whatever comes first
  gst_buffer_extract (sent, 4, &ssrc, sizeof ssrc);
  gst_rtcp_buffer_map (longer, GST_MAP_READWRITE, &to);
  g_assert_true (gst_rtcp_buffer_add_packet (&to, GST_RTCP_TYPE_RR, &packet));
  gst_rtcp_packet_rr_set_ssrc (&packet, g_ntohl (ssrc));
  g_assert_true (gst_rtcp_buffer_add_packet (&to, GST_RTCP_TYPE_BYE, &packet));
  g_assert_true (gst_rtcp_packet_bye_add_ssrc (&packet, g_ntohl (ssrc)));
  gst_rtcp_buffer_unmap (&to);
  gst_buffer_copy_into (longer, sent, GST_BUFFER_COPY_METADATA, 0, -1);
  GST_PAD_PROBE_INFO_DATA (info) = longer;
  gst_buffer_unref (sent);
  return GST_PAD_PROBE_OK;
}

void
TestViewer::say_bye ()
{
  auto rtpbin = find_element (webrtc_.get (), "rtpbin");
  gst_element_foreach_src_pad (
      rtpbin.get (),
      [] (GstElement *, GstPad *pad, gpointer data) -> gboolean {
        using Time = std::shared_ptr<std::atomic<gint64>>;
        if (!g_str_has_prefix (GST_PAD_NAME (pad), "send_rtcp_src_"))
          return TRUE;
        auto *const sent_at = new Time (*static_cast<Time *> (data));
        handed ();
        gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, add_bye, sent_at,
            [] (gpointer time) { delete static_cast<Time *> (time); });
        return TRUE;
      },
      const_cast<std::shared_ptr<std::atomic<gint64>> *> (&bye_sent_at_));
}

void
TestViewer::close_dtls ()
{
  auto encoder = find_element (webrtc_.get (), "dtlsenc");
  auto pad = adopt (gst_element_get_static_pad (encoder.get (), "sink"));
  // Nothing has come this way unless there is a data channel.
  gst_pad_send_event (pad.get (), gst_event_new_stream_start ("close"));
  gst_pad_send_event (pad.get (), gst_event_new_eos ());
}

GstPadProbeReturn
TestViewer::on_frame (GstPad *, GstPadProbeInfo *, gpointer data)
{
  taken ();
  auto *self = static_cast<TestViewer *> (data);
  self->link_->change ([self] () { self->frames_++; });
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn
TestViewer::on_encoded (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  taken ();
  auto *self = static_cast<TestViewer *> (data);
  if (!self->first_seen_.exchange (true))
    self->first_was_key_ = !GST_BUFFER_FLAG_IS_SET (
        GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT);
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn
TestViewer::on_sound (GstPad *, GstPadProbeInfo *, gpointer data)
{
  taken ();
  auto *self = static_cast<TestViewer *> (data);
  self->link_->change ([self] () { self->sounds_++; });
  return GST_PAD_PROBE_OK;
}

std::string
TestViewer::received ()
{
  std::lock_guard<std::mutex> lock (link_->mutex);
  return received_;
}

void
TestViewer::on_pad_added (GstElement *, GstPad *pad, gpointer data)
{
  taken ();
  auto *self = static_cast<TestViewer *> (data);
  if (GST_PAD_DIRECTION (pad) != GST_PAD_SRC)
    return;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_assert_nonnull (caps);
  const std::string name = gst_structure_get_string (
      gst_caps_get_structure (caps, 0), "encoding-name");
  const char *text =
      !self->options_.decode
          ? "identity name=parse ! fakesink name=out sync=false"
      : name == "OPUS"
          ? "rtpopusdepay name=parse ! opusdec ! fakesink name=out sync=false"
      : name == "H264"
          ? "rtph264depay name=depay ! h264parse name=parse ! openh264dec ! "
            "fakesink name=out sync=false"
      : name == "H265" ? "rtph265depay ! h265parse name=parse ! libde265dec ! "
                         "fakesink name=out sync=false"
      : name == "VP9"
          ? "rtpvp9depay name=parse ! vp9dec ! fakesink name=out sync=false"
          : "rtpvp8depay name=parse ! vp8dec ! fakesink name=out sync=false";
  g_autoptr (GError) error = nullptr;
  GstElement *decoder = gst_parse_bin_from_description (text, TRUE, &error);
  g_assert_no_error (error);
  auto out = adopt (gst_bin_get_by_name (GST_BIN (decoder), "out"));
  auto decoded = adopt (gst_element_get_static_pad (out.get (), "sink"));
  gst_pad_add_probe (decoded.get (), GST_PAD_PROBE_TYPE_BUFFER,
      name == "OPUS" ? on_sound : on_frame, self, nullptr);
  if (name != "OPUS") {
    self->link_->change ([self, &name] () { self->received_ = name; });
    auto parse = adopt (gst_bin_get_by_name (GST_BIN (decoder), "parse"));
    auto encoded = adopt (gst_element_get_static_pad (parse.get (), "src"));
    gst_pad_add_probe (
        encoded.get (), GST_PAD_PROBE_TYPE_BUFFER, on_encoded, self, nullptr);
  }
  gst_bin_add (GST_BIN (self->pipeline_.get ()), decoder);
  gst_element_sync_state_with_parent (decoder);
  auto target = adopt (gst_element_get_static_pad (decoder, "sink"));
  g_assert_cmpint (gst_pad_link (pad, target.get ()), ==, GST_PAD_LINK_OK);
}

std::string
TestViewer::make_offer ()
{
  g_autoptr (GstPromise) made = gst_promise_new ();
  g_signal_emit_by_name (webrtc_.get (), "create-offer", nullptr, made);
  g_autoptr (GstWebRTCSessionDescription) description =
      description_of (made, "offer");
  if (!description)
    return "";
  g_autoptr (GstPromise) set = gst_promise_new ();
  g_signal_emit_by_name (
      webrtc_.get (), "set-local-description", description, set);
  gst_promise_wait (set);
  g_autofree char *text = gst_sdp_message_as_text (description->sdp);
  std::string sdp = text;
  return options_.edit_offer ? options_.edit_offer (sdp) : sdp;
}

bool
TestViewer::offer (const std::optional<SessionTerms> &session)
{
  if (!link_->wait ([this] () { return link_->context != nullptr; }))
    return false;
  const auto sdp = make_offer ();
  return !sdp.empty () &&
         link_->call ([user = user_, id = peer_id_, sdp, session] (
                          SignallerListener &listener) {
           listener.on_offer (user, id, sdp, session);
         });
}

bool
TestViewer::take_answer ()
{
  if (!link_->wait_answer (peer_id_))
    return false;
  GstSDPMessage *message = nullptr;
  auto answer = link_->peer (peer_id_).answer;
  if (options_.edit_answer)
    answer = options_.edit_answer (answer);
  const auto text = options_.knows_sources ? answer : without_sources (answer);
  if (gst_sdp_message_new_from_text (text.c_str (), &message) != GST_SDP_OK)
    return false;
  g_autoptr (GstWebRTCSessionDescription) description =
      gst_webrtc_session_description_new (GST_WEBRTC_SDP_TYPE_ANSWER, message);
  g_autoptr (GstPromise) set = gst_promise_new ();
  g_signal_emit_by_name (
      webrtc_.get (), "set-remote-description", description, set);
  gst_promise_wait (set);
  return true;
}

void
TestViewer::give_candidates ()
{
  const auto candidates = link_->peer (peer_id_).candidates;
  for (; given_candidates_ < candidates.size (); given_candidates_++)
    g_signal_emit_by_name (webrtc_.get (), "add-ice-candidate",
        candidates[given_candidates_].sdp_m_line_index,
        candidates[given_candidates_].candidate.c_str ());
}

bool
TestViewer::wait_frames (unsigned more)
{
  const auto give_up = std::chrono::steady_clock::now () + kDeadline;
  const unsigned target = frames_ + more;
  while (frames_ < target) {
    give_candidates ();
    if (std::chrono::steady_clock::now () > give_up)
      return false;
    link_->wait (
        [&] () { return frames_ >= target; }, std::chrono::milliseconds (20));
  }
  return true;
}

bool
TestViewer::join (const std::optional<SessionTerms> &session)
{
  return offer (session) && take_answer () && wait_frames (1);
}

} // namespace robotlive::test
