// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin's pads: sound beside the picture, one picture in several codecs.
#include "av1standin.hpp"
#include "bintest.hpp"
#include <algorithm>

using namespace robotlive;
using namespace robotlive::test;

namespace {

const std::string kSound = " audiotestsrc is-live=true wave=ticks ! "
                           "audioconvert ! opusenc ! bin.audio_0";
const std::string kH264 =
    " videotestsrc is-live=true ! "
    "video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
    "openh264enc gop-size=300 complexity=low ! h264parse ! bin.video_0";

unsigned
count (const std::string &text, const std::string &what)
{
  unsigned found = 0;
  for (auto at = text.find (what); at != std::string::npos;
       at = text.find (what, at + 1))
    found++;
  return found;
}

} // namespace

GST_START_TEST (test_sound_comes_with_the_picture)
{
  Robot robot ("VP8", "session-policy=open" + kSound);
  for (const bool before : {false, true}) {
    const char *id = before ? "p2" : "p1";
    ViewerOptions options;
    options.audio = !before;
    options.audio_first = before;
    options.data_channel = true;
    TestViewer viewer (robot.link, "ann", id, options);
    fail_unless (viewer.join ());
    fail_unless (robot.wait ([&] () {
      viewer.give_candidates ();
      return viewer.sounds () > 20 && viewer.frames () > 20;
    }));
    const auto answer = robot.link->peer (id).answer;
    // Both are sent, and a browser can tell them apart by their SSRCs.
    fail_unless_equals_int (2, count (answer, "a=sendonly"));
    fail_unless (count (answer, "a=ssrc:") >= 2);
    fail_unless (
        answer.find ("a=rtpmap:111 OPUS/48000/2") != std::string::npos ||
        answer.find ("a=rtpmap:111 opus/48000/2") != std::string::npos);
    fail_unless (robot.wait (
        [&] () { return robot.number (id, "audio-packets") > 10; }));
  }
}
GST_END_TEST

// What a viewer costs in threads: six of webrtcbin's, one for each of its two
// streams, and none for their gates. One that asks for packets again costs
// another, rtprtxsend's. The viewer's own end is in this process as well: it
// goes first, and the robot takes a while to notice.
GST_START_TEST (test_a_viewer_with_sound_has_eight_threads_at_most)
{
  Robot robot ("VP8", "session-policy=open" + kSound);
  {
    ViewerOptions options;
    options.audio = true;
    options.resends = false;
    TestViewer viewer (robot.link, "ann", "p1", options);
    fail_unless (viewer.join ());
    fail_unless (robot.wait ([&] () {
      viewer.give_candidates ();
      return viewer.sounds () > 5;
    }));
    viewer.vanish ();
  }
  unsigned with = entries_of ("/proc/self/task");
  while (robot.viewer_count () > 0) {
    with = std::min (with, entries_of ("/proc/self/task"));
    g_usleep (10000);
  }
  fail_unless (robot.wait_removed ("p1", "vanished"));
  // Threads end a moment after they are done with.
  unsigned without = 0;
  for (unsigned now = entries_of ("/proc/self/task"); now != without;) {
    without = now;
    g_usleep (500000);
    now = entries_of ("/proc/self/task");
  }
  g_print ("%u threads with the viewer, %u without\n", with, without);
  fail_unless (with > without);
  fail_unless (with - without <= 8);
}
GST_END_TEST

GST_START_TEST (test_who_wants_no_sound_gets_the_picture)
{
  Robot robot ("VP8", "session-policy=open" + kSound);
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  fail_unless (viewer.wait_frames (10));
  fail_unless_equals_int (0, viewer.sounds ());
  fail_unless_equals_int (
      1, count (robot.link->peer ("p1").answer, "a=sendonly"));
}
GST_END_TEST

GST_START_TEST (test_sound_ends_with_the_grant)
{
  Robot robot ("VP8", "session-policy=require-grant" + kSound, Key::File);
  ViewerOptions options;
  options.audio = true;
  TestViewer viewer (robot.link, "ann", "p1", options);
  const TimeMs now = 1700000000000;
  fail_unless (viewer.join (robot.terms ("ann", "p1", now, now + 6000)));
  fail_unless (robot.wait_removed ("p1", "expired", &viewer));
  const unsigned at_end = viewer.sounds ();
  fail_unless (at_end > 1);
  g_usleep (300 * 1000);
  fail_unless_equals_int (at_end, viewer.sounds ());
}
GST_END_TEST

// Each pad's stream has an encoder and a target of its own, and says so.
GST_START_TEST (test_a_pad_names_its_encoder_and_target)
{
  Robot robot (
      "VP8", "session-policy=open video_0::alternative-of=sink" + kH264);
  const auto pad = adopt (gst_element_get_static_pad (robot.bin, "video_0"));
  const auto encoder_of = [&] () {
    GstElement *encoder = nullptr;
    g_object_get (pad.get (), "encoder", &encoder, nullptr);
    return adopt (encoder);
  };
  const auto target_of = [&] () {
    guint target = 1;
    g_object_get (pad.get (), "target-bitrate", &target, nullptr);
    return target;
  };
  static std::atomic<unsigned> notified;
  notified = 0;
  g_signal_connect (pad.get (), "notify::target-bitrate",
      G_CALLBACK (+[] (GObject *, GParamSpec *, gpointer) { notified++; }),
      nullptr);
  const auto upstream = encoder_of ();
  fail_unless (upstream);
  fail_unless_equals_string ("openh264enc",
      GST_OBJECT_NAME (gst_element_get_factory (upstream.get ())));
  fail_unless_equals_int (0, target_of ());
  {
    TestViewer only_h264 (robot.link, "bob", "p2", {"H264"});
    fail_unless (only_h264.join ());
    fail_unless (only_h264.wait_frames (10));
    fail_unless (robot.wait ([&] () { return target_of () > 0; }));
    fail_unless (robot.wait ([&] () { return notified > 0; }));
    guint rate = 0;
    g_object_get (upstream.get (), "bitrate", &rate, nullptr);
    fail_unless_equals_int (target_of (), rate);
  }
  // One that the application names counts until it takes that back.
  const auto other = adopt (GST_ELEMENT (
      gst_object_ref_sink (gst_element_factory_make ("openh264enc", nullptr))));
  g_object_set (pad.get (), "encoder", other.get (), nullptr);
  fail_unless (encoder_of ().get () == other.get ());
  g_object_set (pad.get (), "encoder", nullptr, nullptr);
  fail_unless (encoder_of ().get () == upstream.get ());
  // Who still holds a pad that is gone learns nothing from it.
  auto peer = adopt (gst_pad_get_peer (pad.get ()));
  gst_pad_unlink (peer.get (), pad.get ());
  gst_element_release_request_pad (robot.bin, pad.get ());
  fail_unless (!encoder_of ());
  fail_unless_equals_int (0, target_of ());
  g_object_set (pad.get (), "encoder", other.get (), nullptr);
}
GST_END_TEST

GST_START_TEST (test_each_gets_the_first_codec_that_it_decodes)
{
  Robot robot (
      "VP8", "session-policy=open video_0::alternative-of=sink" + kH264);
  TestViewer chooser (robot.link, "ann", "p1", {""});
  TestViewer only_h264 (robot.link, "bob", "p2", {"H264"});
  TestViewer only_vp8 (robot.link, "cid", "p3", {"VP8"});
  const struct
  {
    TestViewer *viewer;
    const char *id, *codec;
  } all[] = {{&chooser, "p1", "VP8"}, {&only_h264, "p2", "H264"},
      {&only_vp8, "p3", "VP8"}};
  for (const auto &row : all) {
    fail_unless (row.viewer->join ());
    fail_unless (row.viewer->wait_frames (10));
    fail_unless (row.viewer->received () == row.codec);
    g_autoptr (GstStructure) stats = robot.viewer_stats (row.id);
    fail_unless_equals_string (
        row.codec, gst_structure_get_string (stats, "codec"));
  }
}
GST_END_TEST

// The encoders make Main and profile 0, the only ones that are offered without
// a word on it (RFC 7798 section 7.1, RFC 9628 section 6).
GST_START_TEST (test_vp9_and_h265_viewers_see_the_picture)
{
  const struct
  {
    const char *codec, *encoder;
  } rows[] = {{"VP9", "! vp9enc deadline=1 cpu-used=8 keyframe-max-dist=300"},
      {"H265", "! x265enc tune=zerolatency speed-preset=ultrafast "
               "key-int-max=300 ! h265parse"}};
  for (const auto &row : rows) {
    Robot robot (
        std::string ("identity ") + row.encoder, "session-policy=open");
    ViewerOptions same, other;
    same.encoding_name = row.codec;
    // A viewer's side that decodes would not pass under the leaks tracer:
    // GStreamer 1.22's rtph265depay and libde265dec lose references when they
    // are stopped in mid-stream.
    same.decode = !g_str_equal (row.codec, "H265") || !g_getenv ("GST_TRACERS");
    TestViewer viewer (robot.link, "ann", "p1", same);
    fail_unless (viewer.join (), "%s", row.codec);
    fail_unless (viewer.wait_frames (20), "%s", row.codec);
    const std::string received = viewer.received ();
    fail_unless_equals_string (row.codec, received.c_str ());
    fail_unless (!same.decode || viewer.first_was_key (), "%s", row.codec);
    const auto answer = robot.link->peer ("p1").answer;
    fail_unless (answer.find (std::string (" ") + row.codec + "/90000") !=
                     std::string::npos,
        "%s", answer.c_str ());
    // A second one waits for no regular key frame: one is made for it.
    TestViewer late (robot.link, "bob", "p2", same);
    fail_unless (late.join (), "%s", row.codec);
    fail_unless (!same.decode || late.first_was_key (), "%s", row.codec);
    TestViewer not_this (robot.link, "cid", "p3", other); // VP8
    fail_unless (not_this.offer ());
    fail_unless (robot.link->wait_error ("p3"));
    fail_unless (robot.link->peer ("p3").error_message.find (row.codec) !=
                 std::string::npos);
  }
}
GST_END_TEST

// Debian 12 has no payloader for AV1: neither can a robot send it, nor does a
// viewer that knows nothing else see anything. Both are told why.
GST_START_TEST (test_av1_is_refused_in_words)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1", {"AV1"});
  fail_unless (viewer.offer ());
  fail_unless (robot.link->wait_error ("p1"));
  const auto peer = robot.link->peer ("p1");
  fail_unless_equals_string ("bad-message", peer.error_code.c_str ());
  for (const char *word : {"VP8", "AV1"})
    fail_unless (peer.error_message.find (word) != std::string::npos, "%s",
        peer.error_message.c_str ());

  g_autoptr (GstElementFactory) payloader =
      gst_element_factory_find ("rtpav1pay");
  if (payloader)
    return;
  Robot av1 ("identity ! av1enc cpu-used=8 lag-in-frames=0",
      "session-policy=open", Key::None, false);
  gst_element_set_state (av1.pipeline, GST_STATE_PLAYING);
  auto bus = adopt (gst_element_get_bus (av1.pipeline));
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus.get (), 20 * GST_SECOND, GST_MESSAGE_ERROR);
  fail_unless (message != nullptr);
  g_autoptr (GError) error = nullptr;
  gst_message_parse_error (message, &error, nullptr);
  gst_message_unref (message);
  fail_unless (
      g_error_matches (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN));
  fail_unless (
      strstr (error->message, "AV1") && strstr (error->message, "rtpav1pay"),
      "%s", error->message);
}
GST_END_TEST

// Where there is a payloader: which formats of the viewer's are answered, and
// with what (AV1 RTP payload section 7.2).
GST_START_TEST (test_av1_is_negotiated)
{
  register_av1_stand_in ();
  Robot robot ("identity ! av1enc cpu-used=8 lag-in-frames=0 usage-profile="
               "realtime keyframe-max-dist=30",
      "session-policy=open");
  const struct
  {
    const char *id, *fmtp, *answered; // null: refused
  } rows[] = {
      {"p1", "a=fmtp:96 level-idx=5;profile=0;tier=0\r\n",
          "level-idx=5;profile=0;tier=0"},
      {"p2", "", ""}, // all of them are optional: Main, 3.1, Main
      {"p3", "a=fmtp:96 level-idx=9;tier=1\r\n", "level-idx=9;tier=1"},
      {"p4", "a=fmtp:96 profile=1;level-idx=5;tier=0\r\n", nullptr},
      {"p5", "a=fmtp:96 profile=x\r\n", nullptr},
  };
  for (const auto &row : rows) {
    ViewerOptions options;
    options.encoding_name = "AV1";
    options.decode = false;
    options.edit_offer = [&row] (std::string sdp) {
      const std::string line = "a=rtpmap:96 AV1/90000\r\n";
      const auto at = sdp.find (line);
      return at == std::string::npos ? std::string ()
                                     : sdp.insert (at + line.size (), row.fmtp);
    };
    TestViewer viewer (robot.link, "ann", row.id, options);
    if (!row.answered) {
      fail_unless (viewer.offer ());
      fail_unless (robot.link->wait_error (row.id), "%s", row.fmtp);
      const auto peer = robot.link->peer (row.id);
      fail_unless_equals_string ("bad-message", peer.error_code.c_str ());
      fail_unless (peer.error_message.find ("AV1") != std::string::npos, "%s",
          peer.error_message.c_str ());
      continue;
    }
    fail_unless (viewer.join (), "%s", row.fmtp);
    fail_unless (viewer.wait_frames (20), "%s", row.fmtp);
    const auto answer = robot.link->peer (row.id).answer;
    fail_unless_equals_int (1, count (answer, "a=rtpmap:96 AV1/90000\r\n"));
    // The order of the parameters is nobody's.
    g_auto (GStrv) parameters = g_strsplit (row.answered, ";", 0);
    const auto at = answer.find ("a=fmtp:96 ");
    const auto line = at == std::string::npos
                          ? ""
                          : answer.substr (at, answer.find ('\r', at) - at);
    for (guint i = 0; parameters[i]; i++)
      fail_unless (line.find (parameters[i]) != std::string::npos, "%s: %s",
          row.answered, line.c_str ());
    // Nothing is promised that was not offered.
    for (const char *key : {"profile=", "level-idx=", "tier="})
      fail_unless_equals_int (count (row.answered, key), count (line, key));
    g_autoptr (GstStructure) stats = robot.viewer_stats (row.id);
    fail_unless_equals_string (
        "AV1", gst_structure_get_string (stats, "codec"));
  }
  // It makes no key frame for a viewer, and the stats say so.
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (robot.bin, "stats", &stats, nullptr);
  const GstStructure *stream = gst_value_get_structure (
      gst_value_list_get_value (gst_structure_get_value (stats, "streams"), 0));
  guint minor = 0;
  guint major = 0, micro = 0, nano = 0;
  gst_version (&major, &minor, &micro, &nano);
  fail_unless_equals_string (minor <= 22 ? "none" : "event",
      gst_structure_get_string (stream, "key-frames"));
}
GST_END_TEST

// Who watches which: a gate before an encoder that nobody needs is shut.
GST_START_TEST (test_a_gate_per_codec_follows_its_own_viewers)
{
  Robot robot ("VP8",
      "session-policy=open video_0::alternative-of=sink videotestsrc "
      "is-live=true ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
      "sessiongate name=gate ! openh264enc complexity=low ! h264parse ! "
      "bin.video_0");
  auto gate = adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "gate"));
  const auto state = [&gate] () {
    gint value = -1;
    g_object_get (gate.get (), "state", &value, nullptr);
    return value;
  };
  const int closed = state ();
  TestViewer vp8 (robot.link, "ann", "p1");
  fail_unless (vp8.join ());
  fail_unless (robot.wait ([&] () { return state () == closed; }));
  {
    TestViewer h264 (robot.link, "bob", "p2", {"H264"});
    fail_unless (h264.join ());
    fail_if (state () == closed);
    gboolean ended = FALSE;
    g_signal_emit_by_name (robot.bin, "end-viewer", "p2", &ended);
    fail_unless (ended);
  }
  fail_unless (robot.wait ([&] () { return state () == closed; }));
  fail_unless (vp8.wait_frames (5));
}
GST_END_TEST

GST_START_TEST (test_a_pad_alone_and_a_pad_that_goes)
{
  // Without "sink": the first video pad is the picture.
  auto bin = sink (gst_element_factory_make ("signalingbin", nullptr));
  auto one = adopt (gst_element_request_pad_simple (bin.get (), "video_%u"));
  auto two = adopt (gst_element_request_pad_simple (bin.get (), "video_7"));
  auto sound = adopt (gst_element_request_pad_simple (bin.get (), "audio_%u"));
  fail_unless_equals_string ("video_0", GST_PAD_NAME (one.get ()));
  fail_unless_equals_string ("video_7", GST_PAD_NAME (two.get ()));
  fail_unless_equals_string ("audio_0", GST_PAD_NAME (sound.get ()));
  // One sound.
  fail_if (gst_element_request_pad_simple (bin.get (), "audio_%u"));
  g_object_set (two.get (), "alternative-of", "video_0", nullptr);
  g_autofree char *of = nullptr;
  gst_child_proxy_get (
      GST_CHILD_PROXY (bin.get ()), "video_7::alternative-of", &of, nullptr);
  fail_unless_equals_string ("video_0", of);
  const int children = GST_BIN_NUMCHILDREN (bin.get ());
  gst_element_release_request_pad (bin.get (), two.get ());
  fail_unless_equals_int (children - 2, GST_BIN_NUMCHILDREN (bin.get ()));
  fail_if (gst_element_get_static_pad (bin.get (), "video_7"));
  gst_element_release_request_pad (bin.get (), sound.get ());
  sound = adopt (gst_element_request_pad_simple (bin.get (), "audio_%u"));
  fail_unless (sound != nullptr);
}
GST_END_TEST

GST_START_TEST (test_a_second_picture_is_an_error_with_a_remedy)
{
  Robot robot ("VP8", "session-policy=open" + kH264, Key::None, false);
  auto bus = adopt (gst_element_get_bus (robot.pipeline));
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus.get (), 20 * GST_SECOND, GST_MESSAGE_ERROR);
  fail_unless (message != nullptr);
  g_autoptr (GError) error = nullptr;
  gst_message_parse_error (message, &error, nullptr);
  fail_unless (
      g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless (strstr (error->message, "alternative-of") != nullptr);
  gst_message_unref (message);
}
GST_END_TEST

static Suite *
signalingbinstreams_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinstreams");
  TCase *tc = tcase_create ("streams");
  tcase_set_timeout (tc, 90);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_sound_comes_with_the_picture);
  tcase_add_test (tc, test_a_viewer_with_sound_has_eight_threads_at_most);
  tcase_add_test (tc, test_who_wants_no_sound_gets_the_picture);
  tcase_add_test (tc, test_sound_ends_with_the_grant);
  tcase_add_test (tc, test_a_pad_names_its_encoder_and_target);
  tcase_add_test (tc, test_each_gets_the_first_codec_that_it_decodes);
  tcase_add_test (tc, test_vp9_and_h265_viewers_see_the_picture);
  tcase_add_test (tc, test_av1_is_refused_in_words);
  tcase_add_test (tc, test_av1_is_negotiated);
  tcase_add_test (tc, test_a_gate_per_codec_follows_its_own_viewers);
  tcase_add_test (tc, test_a_pad_alone_and_a_pad_that_goes);
  tcase_add_test (tc, test_a_second_picture_is_an_error_with_a_remedy);
  return s;
}

GST_CHECK_MAIN (signalingbinstreams)
