// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Transport-wide feedback as webrtcbin gives it: a real pair of peer
// connections, with the event watched where signalingbin's payloader ends.
#include "webrtc/twccfeedback.hpp"
#include "sdp/twccuri.hpp"
#include "webrtc/opensslexit.hpp"
#include <atomic>
#include <gst/check/gstcheck.h>
#include <mutex>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

using namespace robotlive;

namespace {

struct Seen
{
  std::mutex mutex;
  std::vector<PacketReport> packets;
  std::atomic<int> events{0};
};

GstPadProbeReturn
on_event (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *seen = static_cast<Seen *> (data);
  const auto packets = read_twcc_event (GST_PAD_PROBE_INFO_EVENT (info));
  if (!packets.empty ()) {
    const std::lock_guard<std::mutex> lock (seen->mutex);
    seen->packets.insert (
        seen->packets.end (), packets.begin (), packets.end ());
    seen->events++;
  }
  return GST_PAD_PROBE_OK;
}

GstWebRTCSessionDescription *
reply (GstPromise *promise, const char *field)
{
  GstWebRTCSessionDescription *description = nullptr;
  fail_unless_equals_int (
      gst_promise_wait (promise), GST_PROMISE_RESULT_REPLIED);
  gst_structure_get (gst_promise_get_reply (promise), field,
      GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &description, nullptr);
  gst_promise_unref (promise);
  fail_unless (description != nullptr);
  return description;
}

void
set_description (
    GstElement *peer, const char *signal, GstWebRTCSessionDescription *text)
{
  GstPromise *promise = gst_promise_new ();
  g_signal_emit_by_name (peer, signal, text, promise);
  gst_promise_wait (promise);
  gst_promise_unref (promise);
}

void
add_candidate (GstElement *, guint line, gchar *candidate, gpointer other)
{
  g_signal_emit_by_name (other, "add-ice-candidate", line, candidate);
}

void
take_stream (GstElement *peer, GstPad *pad, gpointer)
{
  if (GST_PAD_DIRECTION (pad) != GST_PAD_SRC)
    return;
  GstElement *sink = gst_element_factory_make ("fakesink", nullptr);
  g_object_set (sink, "sync", FALSE, "async", FALSE, nullptr);
  GstObject *pipeline = gst_element_get_parent (peer);
  gst_bin_add (GST_BIN (pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  GstPad *sink_pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_link (pad, sink_pad);
  gst_object_unref (sink_pad);
  gst_object_unref (pipeline);
}

} // namespace

GST_START_TEST (test_other_events_are_none)
{
  GstEvent *event = gst_event_new_reconfigure ();
  fail_unless (read_twcc_event (event).empty ());
  gst_event_unref (event);
  for (const char *text : {"RTPTWCCPackets", "Other, packets=(int)1",
           "RTPTWCCPackets, packets=(int)7"}) {
    GstStructure *structure = gst_structure_from_string (text, nullptr);
    fail_unless (structure != nullptr, "%s", text);
    event = gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, structure);
    fail_unless (read_twcc_event (event).empty (), "%s", text);
    gst_event_unref (event);
  }
}
GST_END_TEST;

GST_START_TEST (test_feedback_of_a_peer_connection)
{
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc is-live=true ! video/x-raw,width=160,height=120 ! "
      "vp8enc deadline=1 ! rtpvp8pay pt=96 ! capsfilter name=filter ! "
      "webrtcbin name=robot bundle-policy=max-bundle "
      "webrtcbin name=viewer bundle-policy=max-bundle",
      nullptr);
  fail_unless (pipeline != nullptr);
  GstElement *robot = gst_bin_get_by_name (GST_BIN (pipeline), "robot");
  GstElement *viewer = gst_bin_get_by_name (GST_BIN (pipeline), "viewer");
  GstElement *filter = gst_bin_get_by_name (GST_BIN (pipeline), "filter");
  GstCaps *caps = gst_caps_new_simple ("application/x-rtp", "media",
      G_TYPE_STRING, "video", "encoding-name", G_TYPE_STRING, "VP8",
      "clock-rate", G_TYPE_INT, 90000, "payload", G_TYPE_INT, 96, "extmap-3",
      G_TYPE_STRING, kTwccUri, nullptr);
  g_object_set (filter, "caps", caps, nullptr); // the payloader obeys it
  GstWebRTCRTPTransceiver *transceiver = nullptr;
  g_signal_emit_by_name (viewer, "add-transceiver",
      GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY, caps, &transceiver);
  gst_clear_object (&transceiver);
  gst_caps_unref (caps);
  g_signal_connect (
      robot, "on-ice-candidate", G_CALLBACK (add_candidate), viewer);
  g_signal_connect (
      viewer, "on-ice-candidate", G_CALLBACK (add_candidate), robot);
  g_signal_connect (viewer, "pad-added", G_CALLBACK (take_stream), nullptr);
  Seen seen;
  GstPad *pad = gst_element_get_static_pad (filter, "src");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_event, &seen, nullptr);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!gst_pad_has_current_caps (pad)) // then the offer has the extension
    g_usleep (10000);
  GstPromise *promise = gst_promise_new ();
  g_signal_emit_by_name (robot, "create-offer", nullptr, promise);
  GstWebRTCSessionDescription *offer = reply (promise, "offer");
  set_description (robot, "set-local-description", offer);
  set_description (viewer, "set-remote-description", offer);
  promise = gst_promise_new ();
  g_signal_emit_by_name (viewer, "create-answer", nullptr, promise);
  GstWebRTCSessionDescription *answer = reply (promise, "answer");
  set_description (viewer, "set-local-description", answer);
  set_description (robot, "set-remote-description", answer);
  gst_webrtc_session_description_free (offer);
  gst_webrtc_session_description_free (answer);

  while (seen.events < 10) // the test's time limit ends it
    g_usleep (10000);
  gst_element_set_state (pipeline, GST_STATE_NULL);

  std::size_t received = 0;
  for (const PacketReport &packet : seen.packets) {
    fail_unless (packet.sent > 0);
    fail_unless (packet.size > 0 && packet.size < 2000);
    received += packet.received.has_value ();
  }
  fail_unless (received > seen.packets.size () / 2);
  BandwidthEstimator estimator ({});
  estimator.on_feedback (seen.packets, seen.packets.back ().sent);
  fail_unless (estimator.target () >= 300000);

  gst_object_unref (pad);
  gst_object_unref (filter);
  gst_object_unref (viewer);
  gst_object_unref (robot);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static Suite *
twccfeedback_suite ()
{
  keep_openssl_through_exit ();
  Suite *suite = suite_create ("twccfeedback");
  TCase *general = tcase_create ("general");
  suite_add_tcase (suite, general);
  tcase_add_test (general, test_other_events_are_none);
  tcase_add_test (general, test_feedback_of_a_peer_connection);
  return suite;
}

GST_CHECK_MAIN (twccfeedback);
