// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin with viewers in this process: who gets the picture, and who no
// longer does.
#include "base/glibptr.hpp"
#include "bintest.hpp"
#include "robotlive.h"
#include "webrtc/findelement.hpp"
#include <gst/gst.h>
#include <set>

using namespace robotlive;
using namespace robotlive::test;

GST_START_TEST (test_vp8_viewer_sees_the_picture)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  fail_unless (viewer.wait_frames (20));
  fail_unless (viewer.first_was_key ());
  fail_unless (robot.wait_message (ROBOTLIVE_MESSAGE_VIEWER_ADDED));
}
GST_END_TEST

GST_START_TEST (test_h264_viewer_sees_the_picture)
{
  Robot robot ("H264", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  fail_unless (viewer.wait_frames (20));
  fail_unless (viewer.first_was_key ());
  const auto answer = robot.link->peer ("p1").answer;
  // The offer's payload type and profile come back, and a stream to repair it.
  fail_unless (answer.find ("a=rtpmap:108 H264/90000") != std::string::npos);
  fail_unless (answer.find ("profile-level-id=42e01f") != std::string::npos);
  fail_unless (answer.find ("a=sendonly") != std::string::npos);
}
GST_END_TEST

struct Sent
{
  std::set<guint32> pictures; // RTP timestamps
  unsigned packets = 0, again = 0;
};

// What is about to be encrypted, and then sent: retransmissions, of another
// payload type, do not count.
static void
count_packets (Sent *sent, GstBuffer *const *packets, guint count)
{
  std::set<guint32> pictures;
  for (guint i = 0; i < count; i++) {
    alignas (guint32) guint8 head[8] = {};
    gst_buffer_extract (packets[i], 0, head, sizeof head);
    if ((head[1] & 0x7f) != 108)
      continue;
    pictures.insert (GST_READ_UINT32_BE (head + 4));
    sent->packets++;
  }
  for (const guint32 picture : pictures)
    sent->again += !sent->pictures.insert (picture).second;
}

static GstPadProbeReturn
see_packets (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  taken ();
  std::vector<GstBuffer *> packets;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = gst_pad_probe_info_get_buffer_list (info);
    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      packets.push_back (gst_buffer_list_get (list, i));
  } else {
    packets.push_back (gst_pad_probe_info_get_buffer (info));
  }
  count_packets (
      static_cast<Sent *> (data), packets.data (), guint (packets.size ()));
  handed ();
  return GST_PAD_PROBE_OK;
}

// A picture's packets cross webrtcbin in one piece, as which they are sent: one
// by one they cost a viewer a quarter more CPU.
GST_START_TEST (test_packets_of_a_picture_stay_together)
{
  Robot robot ("H264", "session-policy=open");
  // Snow: no picture fits into one packet.
  gst_util_set_object_arg (
      G_OBJECT (find_element (robot.pipeline, "videotestsrc").get ()),
      "pattern", "snow");
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  fail_unless (viewer.wait_frames (1));

  Sent sent;
  handed ();
  g_autoptr (GstPad) pad = gst_element_get_static_pad (
      find_element (robot.bin, "srtpenc").get (), "rtp_sink_0");
  const gulong probe = gst_pad_add_probe (pad,
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      see_packets, &sent, nullptr);
  fail_unless (viewer.wait_frames (40));
  gst_element_set_state (robot.pipeline, GST_STATE_NULL);
  gst_pad_remove_probe (pad, probe);
  taken ();
  fail_unless (sent.packets > 2 * sent.pictures.size ());
  // But for the picture that was on its way when the probe came.
  fail_unless (sent.again <= 1);
}
GST_END_TEST

// The encoder begins each picture with an access unit delimiter.
static GstPadProbeReturn
delimit (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  static guint8 delimiter[] = {0, 0, 0, 1, 9, 0xf0};
  taken ();
  GstBuffer *buffer =
      gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  gst_buffer_prepend_memory (
      buffer, gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY, delimiter,
                  sizeof delimiter, 0, sizeof delimiter, nullptr, nullptr));
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  ++*static_cast<unsigned *> (data);
  handed ();
  return GST_PAD_PROBE_OK;
}

struct Units
{
  std::atomic<unsigned> slices{0}, delimiters{0};
};

static void
count_unit (Units *units, GstBuffer *packet)
{
  guint8 head[13] = {}; // without extensions the unit's type comes last
  gst_buffer_extract (packet, 0, head, sizeof head);
  if ((head[1] & 0x7f) != 108)
    return;
  const int type = head[12] & 0x1f;
  units->slices += type == 1 || type == 5 || type == 28;
  units->delimiters += type == 9;
}

static GstPadProbeReturn
see_units (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  taken ();
  auto *units = static_cast<Units *> (data);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = gst_pad_probe_info_get_buffer_list (info);
    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      count_unit (units, gst_buffer_list_get (list, i));
  } else {
    count_unit (units, gst_pad_probe_info_get_buffer (info));
  }
  handed ();
  return GST_PAD_PROBE_OK;
}

// RTP says where a picture ends; a packet that tells where the next one begins
// would be one more for each viewer and picture.
GST_START_TEST (test_no_packet_only_says_that_a_picture_begins)
{
  Robot robot (
      "openh264enc name=encoder gop-size=300 complexity=low ! "
      "video/x-h264,stream-format=byte-stream,alignment=au ! h264parse",
      "session-policy=open", Key::None, false);
  unsigned delimited = 0;
  Units units;
  handed ();
  g_autoptr (GstPad) encoded = gst_element_get_static_pad (
      find_element (robot.pipeline, "openh264enc").get (), "src");
  gst_pad_add_probe (
      encoded, GST_PAD_PROBE_TYPE_BUFFER, delimit, &delimited, nullptr);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  g_autoptr (GstPad) pad = gst_element_get_static_pad (
      find_element (robot.bin, "srtpenc").get (), "rtp_sink_0");
  gst_pad_add_probe (pad,
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      see_units, &units, nullptr);
  // Those that the viewer sees first may have passed before the probe came.
  while (units.slices < 20)
    fail_unless (viewer.wait_frames (1));
  gst_element_set_state (robot.pipeline, GST_STATE_NULL);
  taken ();
  fail_unless (delimited >= 20);
  fail_unless_equals_int (0, units.delimiters);
}
GST_END_TEST

// Packets without a running time make sender reports that tell nothing.
GST_START_TEST (test_the_rtp_session_knows_the_latency)
{
  static std::atomic<unsigned> complaints{0};
  complaints = 0;
  const auto count = +[] (GstDebugCategory *category, GstDebugLevel,
                          const gchar *, const gchar *, gint, GObject *,
                          GstDebugMessage *message, gpointer) {
    if (g_str_equal (gst_debug_category_get_name (category), "rtpsession") &&
        strstr (gst_debug_message_get (message), "configured latency"))
      complaints++;
  };
  gst_debug_set_threshold_for_name ("rtpsession", GST_LEVEL_WARNING);
  gst_debug_add_log_function (count, nullptr, nullptr);
  {
    Robot robot ("VP8", "session-policy=open");
    TestViewer viewer (robot.link, "ann", "p1");
    fail_unless (viewer.join ());
    fail_unless (viewer.wait_frames (10));
  }
  gst_debug_remove_log_function (count);
  gst_debug_unset_threshold_for_name ("rtpsession");
  fail_unless_equals_int (0, complaints);
}
GST_END_TEST

GST_START_TEST (test_other_m_lines_are_answered_inactive)
{
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.audio = options.data_channel = true;
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join ());
  const auto answer = robot.link->peer ("p1").answer;
  fail_unless (answer.find ("m=audio") != std::string::npos);
  fail_unless (answer.find ("a=inactive") != std::string::npos);
  fail_unless (answer.find ("m=application") != std::string::npos);
}
GST_END_TEST

GST_START_TEST (test_two_viewers_and_one_that_never_answers)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer one (robot.link, "ann", "p1");
  TestViewer silent (robot.link, "bob", "p2");
  TestViewer two (robot.link, "cid", "p3");
  fail_unless (one.join ());
  // Takes its answer never: its branch stays half open.
  fail_unless (silent.offer ());
  fail_unless (robot.link->wait_answer ("p2"));
  fail_unless (two.join ());
  fail_unless (one.wait_frames (30));
  fail_unless (two.wait_frames (30));
  fail_unless_equals_int (3, robot.viewer_count ());
  fail_unless_equals_int (0, silent.frames ());
}
GST_END_TEST

GST_START_TEST (test_wrong_fingerprint_keeps_the_gate_shut)
{
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.edit_offer = [] (std::string sdp) {
    // One hex digit of each fingerprint changes: a certificate of another's.
    for (auto at = sdp.find ("sha-256 "); at != std::string::npos;
         at = sdp.find ("sha-256 ", at + 8)) {
      char &digit = sdp[at + 8];
      digit = digit == 'A' ? 'B' : 'A';
    }
    return sdp;
  };
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.offer ());
  fail_unless (viewer.take_answer ());
  // It connects, as webrtcbin does not look; then it is told and removed.
  fail_unless (robot.wait_removed ("p1", "fingerprint-mismatch", &viewer));
  fail_unless_equals_int (0, viewer.frames ());
  fail_unless (robot.link->peer ("p1").error_code == "forbidden");
}
GST_END_TEST

GST_START_TEST (test_the_picture_ends_with_the_grant)
{
  Robot robot ("VP8", "session-policy=require-grant", Key::File);
  TestViewer viewer (robot.link, "ann", "p1");
  const TimeMs now = 1700000000000; // the server's time; ours is another
  fail_unless (viewer.join (robot.terms ("ann", "p1", now, now + 6000)));
  fail_unless (robot.wait_removed ("p1", "expired", &viewer));
  const unsigned at_end = viewer.frames ();
  fail_unless (at_end > 1);
  g_usleep (300 * 1000);
  fail_unless_equals_int (at_end, viewer.frames ());
  fail_unless_equals_int (0, robot.viewer_count ());
  fail_if (robot.has_message (ROBOTLIVE_MESSAGE_SESSION));
}
GST_END_TEST

GST_START_TEST (test_a_fresh_grant_extends_and_the_server_shortens)
{
  Robot robot ("VP8", "session-policy=require-grant", Key::File);
  TestViewer viewer (robot.link, "ann", "p1");
  const TimeMs now = 1700000000000;
  fail_unless (viewer.join (robot.terms ("ann", "p1", now, now + 600000)));
  fail_unless (robot.remaining ("p1") > 500000);
  const auto longer = robot.terms ("ann", "p1", now + 1000, now + 1200000);
  robot.link->call ([longer] (SignallerListener &listener) {
    listener.on_session_updated ("p1", longer);
  });
  fail_unless (
      robot.wait ([&] () { return robot.remaining ("p1") > 1100000; }));
  // Without a grant an end that is later is not believed, an earlier one is.
  SessionTerms word;
  word.server_time = now + 2000;
  word.expires_at = now + 99000000;
  robot.link->call ([word] (SignallerListener &listener) {
    listener.on_session_updated ("p1", word);
  });
  word.expires_at = now + 62000;
  robot.link->call ([word] (SignallerListener &listener) {
    listener.on_session_updated ("p1", word);
  });
  fail_unless (robot.wait ([&] () { return robot.remaining ("p1") <= 60000; }));
  robot.link->call ([] (SignallerListener &listener) {
    listener.on_session_ended ("p1", "revoked");
  });
  fail_unless (robot.wait_removed ("p1", "revoked", &viewer));
  // The server, which said so, need not be told.
  fail_unless (robot.link->peer ("p1").leave.empty ());
}
GST_END_TEST

GST_START_TEST (test_trust_server_takes_its_word)
{
  Robot robot ("VP8", "session-policy=trust-server");
  TestViewer viewer (robot.link, "ann", "p1");
  const TimeMs now = 1700000000000; // the server's time; ours is another
  // It names no end: an old console.
  fail_unless (viewer.join ());
  fail_unless_equals_int64 (-1, robot.remaining ("p1"));
  SessionTerms word;
  const auto update = [&] (TimeMs at, TimeMs expires) {
    word.server_time = at;
    word.expires_at = expires;
    robot.link->call ([word] (SignallerListener &listener) {
      listener.on_session_updated ("p1", word);
    });
  };
  // Shorter, and longer again, without a grant.
  update (now, now + 60000);
  fail_unless (robot.wait ([&] () {
    return robot.remaining ("p1") > 0 && robot.remaining ("p1") <= 60000;
  }));
  update (now + 1000, now + 600000);
  fail_unless (robot.wait ([&] () { return robot.remaining ("p1") > 500000; }));
  fail_unless (viewer.wait_frames (10));
  // What is over is over, whoever is trusted.
  TestViewer late (robot.link, "bob", "p2");
  word.server_time = now;
  word.expires_at = now - 1000;
  fail_unless (late.offer (word));
  fail_unless (robot.link->wait_error ("p2"));
  fail_unless (robot.link->peer ("p2").error_code == "no-active-booking");
  update (now + 2000, now + 4000);
  fail_unless (robot.wait_removed ("p1", "expired", &viewer));
}
GST_END_TEST

GST_START_TEST (test_offers_without_a_good_grant_are_refused)
{
  Robot robot ("VP8", "session-policy=require-grant", Key::File);
  const TimeMs now = 1700000000000;
  const auto refused = [&] (const char *id, const char *user,
                           const std::optional<SessionTerms> &terms) {
    TestViewer viewer (robot.link, user, id);
    fail_unless (viewer.offer (terms));
    fail_unless (robot.link->wait_error (id));
    fail_unless (robot.link->peer (id).answer.empty ());
    return robot.link->peer (id).error_code;
  };
  const auto is = [] (const std::string &code, const char *wanted) {
    fail_unless_equals_string (wanted, code.c_str ());
  };
  is (refused ("p1", "ann", std::nullopt), "forbidden");
  is (refused ("p2", "ann", robot.terms ("ann", "p2", now, now - 120000)),
      "no-active-booking");
  is (refused ("p3", "ann", robot.terms ("bob", "p3", now, now + 60000)),
      "forbidden");
  is (refused ("p4", "ann", robot.terms ("ann", "p9", now, now + 60000)),
      "forbidden");
  auto tampered = robot.terms ("ann", "p5", now, now + 60000);
  tampered.grant[tampered.grant.size () / 2] ^= 1;
  is (refused ("p5", "ann", tampered), "forbidden");
  is (refused ("p6", "ann",
          robot.terms ("ann", "p6", now, now + 60000, "another_robot")),
      "forbidden");
  fail_unless_equals_int (0, robot.viewer_count ());
}
GST_END_TEST

GST_START_TEST (test_a_new_offer_on_the_same_peer_replaces_the_branch)
{
  Robot robot ("VP8", "session-policy=open");
  {
    TestViewer viewer (robot.link, "ann", "p1");
    fail_unless (viewer.join ());
  }
  robot.link->change ([&] () { robot.link->peers.clear (); });
  TestViewer again (robot.link, "ann", "p1");
  fail_unless (again.join ());
  fail_unless_equals_int (1, robot.viewer_count ());
  // A stranger cannot take the name.
  robot.link->change ([&] () { robot.link->peers.clear (); });
  TestViewer stranger (robot.link, "eve", "p1");
  fail_unless (stranger.offer ());
  fail_unless (robot.link->wait_error ("p1"));
  fail_unless (robot.link->peer ("p1").error_code == "forbidden");
  fail_unless (again.wait_frames (5));
}
GST_END_TEST

GST_START_TEST (test_more_viewers_than_allowed_are_told_busy)
{
  Robot robot ("VP8", "session-policy=open max-viewers=1");
  TestViewer one (robot.link, "ann", "p1"), two (robot.link, "bob", "p2");
  fail_unless (one.join ());
  fail_unless (two.offer ());
  fail_unless (robot.link->wait_error ("p2"));
  fail_unless (robot.link->peer ("p2").error_code == "busy");
  // Who has a place keeps it, with a new offer.
  robot.link->change ([&] () { robot.link->peers.clear (); });
  TestViewer again (robot.link, "ann", "p1");
  fail_unless (again.join ());
  fail_unless (robot.wait_removed ("p1", "replaced", &again));
  fail_unless (robot.link->peer ("p1").error_code.empty ());
  fail_unless (robot.link->peer ("p1").leave.empty ());
  fail_unless_equals_int (1, robot.viewer_count ());
}
GST_END_TEST

// A new offer waits, here for the sound's pad, while the old branch ends: the
// viewer hears nothing of that end, which by its peerId would be the new one's.
GST_START_TEST (test_the_end_of_the_old_branch_is_not_told_to_a_new_offer)
{
  Robot robot ("VP8", "session-policy=open");
  {
    TestViewer viewer (robot.link, "ann", "p1");
    fail_unless (viewer.join ());
    robot.link->change ([&] () { robot.link->peers.clear (); });
    GstPad *late = gst_element_request_pad_simple (robot.bin, "audio_0");
    GstElement *sound = gst_element_factory_make ("audiotestsrc", nullptr);
    gst_bin_add (GST_BIN (robot.pipeline), sound); // it stays in NULL: no caps
    GstPad *source = gst_element_get_static_pad (sound, "src");
    fail_unless_equals_int (GST_PAD_LINK_OK,
        gst_pad_link_full (source, late, GST_PAD_LINK_CHECK_NOTHING));
    gst_object_unref (source);
    TestViewer again (robot.link, "ann", "p1");
    fail_unless (again.offer ());
    gboolean ended = FALSE;
    g_signal_emit_by_name (robot.bin, "end-viewer", "p1", &ended);
    fail_unless (ended);
    fail_unless (robot.wait_removed ("p1", "ended"));
    fail_unless (again.take_answer ()); // two seconds later, without the sound
    fail_unless (again.wait_frames (5));
    fail_unless (robot.link->peer ("p1").leave.empty ());
    gst_element_release_request_pad (robot.bin, late);
    gst_object_unref (late);
  }
}
GST_END_TEST

// The protocol has one word, leave, for a refusal and for the end.
GST_START_TEST (test_a_new_offer_that_is_refused_ends_the_old_branch)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  robot.link->call ([] (SignallerListener &listener) {
    listener.on_offer ("ann", "p1", "v=0", std::nullopt);
  });
  fail_unless (robot.link->wait_error ("p1"));
  fail_unless (robot.wait_removed ("p1", "failed", &viewer));
}
GST_END_TEST

GST_START_TEST (test_garbage_is_refused_and_others_go_on)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  robot.link->call ([] (SignallerListener &listener) {
    listener.on_offer ("eve", "x1", "v=0", std::nullopt);
    listener.on_offer ("eve", "x2", std::string (100000, 'v'), std::nullopt);
    listener.on_candidate ("eve", "p1", {"nonsense", "0", 0});
    listener.on_candidate ("eve", "unknown", {"candidate:1", "0", 77});
    listener.on_leave ("unknown", "");
    listener.on_session_ended ("unknown", "");
    listener.on_session_updated ("unknown", {});
  });
  for (const char *id : {"x1", "x2"}) {
    fail_unless (robot.link->wait_error (id));
    fail_unless (robot.link->peer (id).error_code == "bad-message");
  }
  fail_unless (viewer.wait_frames (10));
}
GST_END_TEST

GST_START_TEST (test_no_common_codec_names_both_sides)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.offer ());
  fail_unless (robot.link->wait_error ("p1"));
  const auto peer = robot.link->peer ("p1");
  fail_unless_equals_string ("bad-message", peer.error_code.c_str ());
  fail_unless (peer.error_message.find ("VP8") != std::string::npos);
  fail_unless (peer.error_message.find ("H264 42e01f") != std::string::npos);
}
GST_END_TEST

GST_START_TEST (test_link_loss_leaves_viewers_alone)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  robot.link->call ([] (SignallerListener &listener) {
    listener.on_link_state (LinkState::Disconnected);
    listener.on_error ("link-lost", "The server closed.", false);
  });
  fail_unless (robot.wait_message (ROBOTLIVE_MESSAGE_LINK));
  fail_unless (viewer.wait_frames (20));
}
GST_END_TEST

GST_START_TEST (test_actions_and_stats)
{
  Robot robot ("VP8", "session-policy=open stats-interval=1000");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  g_auto (GStrv) ids = nullptr;
  g_signal_emit_by_name (robot.bin, "list-viewers", &ids);
  fail_unless_equals_int (1, g_strv_length (ids));
  fail_unless_equals_string ("p1", ids[0]);
  // The RTP session counts what it sends.
  fail_unless (robot.wait ([&] () {
    g_autoptr (GstStructure) stats = robot.viewer_stats ("p1");
    guint64 packets = 0;
    return stats &&
           gst_structure_get (
               stats, "packets", G_TYPE_UINT64, &packets, nullptr) &&
           packets > 10;
  }));
  fail_unless (robot.wait_message (ROBOTLIVE_MESSAGE_STATS));
  gboolean ended = FALSE;
  g_signal_emit_by_name (robot.bin, "end-viewer", "nobody", &ended);
  fail_if (ended);
  g_signal_emit_by_name (robot.bin, "end-viewer", "p1", &ended);
  fail_unless (ended);
  fail_unless_equals_int (0, robot.viewer_count ());
}
GST_END_TEST

static Suite *
signalingbin_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbin");
  TCase *tc = tcase_create ("viewers");
  tcase_set_timeout (tc, 90);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_vp8_viewer_sees_the_picture);
  tcase_add_test (tc, test_h264_viewer_sees_the_picture);
  tcase_add_test (tc, test_packets_of_a_picture_stay_together);
  tcase_add_test (tc, test_no_packet_only_says_that_a_picture_begins);
  tcase_add_test (tc, test_the_rtp_session_knows_the_latency);
  tcase_add_test (tc, test_other_m_lines_are_answered_inactive);
  tcase_add_test (tc, test_two_viewers_and_one_that_never_answers);
  tcase_add_test (tc, test_wrong_fingerprint_keeps_the_gate_shut);
  tcase_add_test (tc, test_the_picture_ends_with_the_grant);
  tcase_add_test (tc, test_a_fresh_grant_extends_and_the_server_shortens);
  tcase_add_test (tc, test_trust_server_takes_its_word);
  tcase_add_test (tc, test_offers_without_a_good_grant_are_refused);
  tcase_add_test (tc, test_a_new_offer_on_the_same_peer_replaces_the_branch);
  tcase_add_test (tc, test_more_viewers_than_allowed_are_told_busy);
  tcase_add_test (
      tc, test_the_end_of_the_old_branch_is_not_told_to_a_new_offer);
  tcase_add_test (tc, test_a_new_offer_that_is_refused_ends_the_old_branch);
  tcase_add_test (tc, test_garbage_is_refused_and_others_go_on);
  tcase_add_test (tc, test_no_common_codec_names_both_sides);
  tcase_add_test (tc, test_link_loss_leaves_viewers_alone);
  tcase_add_test (tc, test_actions_and_stats);
  return s;
}

GST_CHECK_MAIN (signalingbin)
