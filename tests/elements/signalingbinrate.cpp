// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin's rate control: what it makes of a viewer's feedback, what it
// asks of the encoder, and what it leaves out of a stream.
#include "bintest.hpp"
#include "input/adaptivebitrate.hpp"
#include "media/thinner.hpp"
#include "sdp/twccuri.hpp"
#include "webrtc/twccfeedback.hpp"
#include <gst/check/gstharness.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

guint
target_of (const Robot &robot)
{
  guint target = 0;
  g_object_get (robot.bin, "target-bitrate", &target, nullptr);
  return target;
}

// What the encoder of *robot* is set to, bit/s; openh264enc or vp8enc.
gint64
encoder_rate (const Robot &robot)
{
  g_autoptr (GstElement) encoder = nullptr;
  g_object_get (robot.bin, "encoder", &encoder, nullptr);
  fail_unless (encoder != nullptr);
  guint unsigned_rate = 0;
  gint rate = 0;
  if (g_object_class_find_property (
          G_OBJECT_GET_CLASS (encoder), "target-bitrate"))
    g_object_get (encoder, "target-bitrate", &rate, nullptr);
  else
    g_object_get (encoder, "bitrate", &unsigned_rate, nullptr);
  return rate ? rate : unsigned_rate;
}

void
set_encoder_rate (const Robot &robot, guint rate)
{
  g_autoptr (GstElement) encoder = nullptr;
  g_object_get (robot.bin, "encoder", &encoder, nullptr);
  g_object_set (encoder, "bitrate", rate, nullptr);
}

void
leave (Robot &robot, const char *peer_id)
{
  robot.link->call ([id = std::string (peer_id)] (SignallerListener &listener) {
    listener.on_leave (id, "");
  });
}

bool
uses (Robot &robot, const char *peer_id, const char *feedback)
{
  g_autoptr (GstStructure) stats = robot.viewer_stats (peer_id);
  const char *text =
      stats ? gst_structure_get_string (stats, "feedback") : nullptr;
  return text && g_str_equal (text, feedback);
}

// What viewers' transport-wide feedback says of their paths: what is lost is
// lost, but when the others arrived, and how large they were, is made up here.
// What this machine has to do besides is no queue, then.
class ScriptedPath
{
public:
  // Of all viewers of *robot*, which goes first.
  void watch (const Robot &robot)
  {
    handed ();
    g_signal_connect (
        robot.bin, "deep-element-added", G_CALLBACK (on_element), this);
  }

  // bit/s; 0: any number. Pictures are of 1.4 Mbit/s or more.
  std::atomic<guint64> capacity{0};

private:
  static constexpr guint kSize = 6000; // bytes a packet

  static void on_element (
      GstBin *, GstBin *, GstElement *element, gpointer self)
  {
    GstElementFactory *factory = gst_element_get_factory (element);
    if (!factory || !g_str_equal (GST_OBJECT_NAME (factory), "webrtcbin"))
      return;
    auto pad = adopt (gst_element_get_static_pad (element, "sink_0"));
    gst_pad_add_probe (
        pad.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_event, self, nullptr);
  }

  static GstPadProbeReturn on_event (
      GstPad *, GstPadProbeInfo *info, gpointer self)
  {
    taken ();
    if (read_twcc_event (GST_PAD_PROBE_INFO_EVENT (info)).empty ())
      return GST_PAD_PROBE_OK;
    GstEvent *event = gst_event_make_writable (GST_PAD_PROBE_INFO_EVENT (info));
    GST_PAD_PROBE_INFO_DATA (info) = event;
    const auto *array = static_cast<GValueArray *> (g_value_get_boxed (
        gst_structure_get_value (gst_event_get_structure (event), "packets")));
    for (guint i = 0; i < array->n_values; i++)
      static_cast<ScriptedPath *> (self)->arrive (
          static_cast<GstStructure *> (g_value_get_boxed (&array->values[i])));
    return GST_PAD_PROBE_OK;
  }

  void arrive (GstStructure *packet)
  {
    GstClockTime sent = 0, received = GST_CLOCK_TIME_NONE;
    gst_structure_get (packet, "local-ts", G_TYPE_UINT64, &sent, "remote-ts",
        G_TYPE_UINT64, &received, nullptr);
    if (!GST_CLOCK_TIME_IS_VALID (received))
      return;
    const guint64 rate = capacity;
    const auto takes = rate ? kSize * 8 * GST_SECOND / rate : 0;
    const auto left = takes ? std::max (sent, free_at_.load ()) + takes : sent;
    free_at_ = left;
    gst_structure_set (packet, "remote-ts", G_TYPE_UINT64,
        left + 20 * GST_MSECOND, "size", G_TYPE_UINT, kSize, nullptr);
  }

  std::atomic<GstClockTime> free_at_{0}; // of a narrow one
};

GstBuffer *
picture (std::initializer_list<guint8> bytes, bool delta)
{
  GstBuffer *buffer = gst_buffer_new_memdup (bytes.begin (), bytes.size ());
  if (delta)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  return buffer;
}

} // namespace

GST_START_TEST (test_transport_wide_feedback_makes_an_estimate)
{
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.feedback = true;
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join ());
  const auto answer = robot.link->peer ("p1").answer;
  fail_unless (
      answer.find (std::string ("a=extmap:3 ") + kTwccUri) != std::string::npos,
      "%s", answer.c_str ());
  fail_unless (answer.find ("a=rtcp-fb:96 transport-cc") != std::string::npos);
  fail_unless (robot.wait ([&] () {
    viewer.give_candidates ();
    return robot.number ("p1", "received-rate") > 0;
  }));
  fail_unless (uses (robot, "p1", "transport-wide"));
  fail_unless (robot.wait ([&] () { return target_of (robot) >= 300000; }));
}
GST_END_TEST

// Also when the signaling link is all that still works.
GST_START_TEST (test_a_viewer_is_told_what_limits_its_picture)
{
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.feedback = true;
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join ());
  fail_unless (robot.wait ([&] () {
    viewer.give_candidates ();
    return robot.number ("p1", "received-rate") > 0;
  }));
  fail_unless (robot.link->peer ("p1").limit.empty ());
  viewer.vanish ();
  fail_unless (robot.link->wait (
      [&] () { return robot.link->peers["p1"].limit == "no-feedback"; }));
}
GST_END_TEST

// Who has booked the robot, not the administrator who looks on; or whom the
// application names.
GST_START_TEST (test_the_one_who_drives_is_served_first)
{
  ScriptedPath path;
  Robot robot ("VP8", "session-policy=trust-server");
  path.watch (robot);
  ViewerOptions options;
  options.feedback = true;
  SessionTerms booked, looks_on;
  booked.role = "viewer";
  looks_on.role = "admin";
  TestViewer driver (robot.link, "ann", "p1", options);
  TestViewer admin (robot.link, "boss", "p2", options);
  fail_unless (driver.join (booked));
  fail_unless (admin.join (looks_on));
  const auto targets = [&] (bool low) {
    return robot.wait ([&] () {
      driver.give_candidates ();
      admin.give_candidates ();
      const guint target = target_of (robot);
      return low ? target > 0 && target < 1000000 &&
                       robot.number ("p2", "estimate") >= 1400000
                 : target >= 1400000;
    });
  };
  const auto controls = [&] (const char *peer_id) {
    g_autoptr (GstStructure) stats = robot.viewer_stats (peer_id);
    gboolean controller = FALSE;
    fail_unless (gst_structure_get_boolean (stats, "controller", &controller));
    return controller;
  };
  fail_unless (targets (false));
  driver.lose_packets ();
  fail_unless (targets (true));
  fail_unless (controls ("p1") && !controls ("p2"));

  for (const char *name : {"boss", "p2"}) { // user, peer
    g_object_set (robot.bin, "controller", name, nullptr);
    fail_unless (targets (false));
    fail_unless (!controls ("p1") && controls ("p2"));
    // Somebody who is not here drives nothing.
    g_object_set (robot.bin, "controller", "eve", nullptr);
    fail_unless (targets (true));
    fail_unless (controls ("p1") && !controls ("p2"));
  }
}
GST_END_TEST

// Nothing is sent into the queue of a path that has become narrow, until it is
// empty; then comes a key frame.
GST_START_TEST (test_a_collapsed_path_is_drained)
{
  ScriptedPath path;
  // Nothing else is left out of its stream, and no key frame comes by itself.
  Robot robot ("vp8enc deadline=1 cpu-used=16 keyframe-max-dist=100000 ! "
               "identity",
      "session-policy=open adaptive-bitrate=false");
  path.watch (robot);
  ViewerOptions options;
  options.feedback = true;
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join ());
  fail_unless_equals_uint64 (0, robot.number ("p1", "thinned"));
  // Narrow and wide again, until the estimate falls at once. It may fall in
  // steps when this machine pauses.
  fail_unless (robot.wait ([&] () {
    viewer.give_candidates ();
    const auto estimate = robot.number ("p1", "estimate");
    if (estimate >= 1400000)
      path.capacity = 300000;
    else if (estimate < 600000)
      path.capacity = 0;
    return robot.number ("p1", "thinned") > 0;
  }));
  path.capacity = 0;
  fail_unless (viewer.wait_frames (10));
}
GST_END_TEST

GST_START_TEST (test_without_feedback_receiver_reports_do)
{
  Robot robot ("H264", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  fail_unless (
      robot.link->peer ("p1").answer.find ("extmap") == std::string::npos);
  fail_unless (
      robot.wait ([&] () { return uses (robot, "p1", "receiver-reports"); }));
  fail_unless (robot.wait ([&] () { return target_of (robot) >= 300000; }));
  fail_unless (viewer.wait_frames (20));
}
GST_END_TEST

GST_START_TEST (test_the_encoder_gets_its_rate_back)
{
  Robot robot (
      "H264", "session-policy=open start-bitrate=800000", Key::None, false);
  set_encoder_rate (robot, 1200000);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  // The first target is the start; what was configured stays the ceiling.
  fail_unless (robot.wait ([&] () {
    return target_of (robot) > 0 && encoder_rate (robot) == target_of (robot);
  }));
  fail_unless (target_of (robot) <= 1200000);
  leave (robot, "p1");
  fail_unless (robot.wait_removed ("p1", "left", &viewer));
  fail_unless_equals_int (target_of (robot), 0);
  fail_unless_equals_int (encoder_rate (robot), 1200000);
}
GST_END_TEST

GST_START_TEST (test_not_adaptive_leaves_the_encoder_alone)
{
  Robot robot (
      "H264", "session-policy=open adaptive-bitrate=false", Key::None, false);
  set_encoder_rate (robot, 777000);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  fail_unless (
      robot.wait ([&] () { return uses (robot, "p1", "receiver-reports"); }));
  fail_unless (viewer.wait_frames (20));
  fail_unless_equals_int (target_of (robot), 0);
  fail_unless_equals_int (encoder_rate (robot), 777000);
}
GST_END_TEST

GST_START_TEST (test_a_minimum_above_the_maximum_is_refused)
{
  Robot robot ("VP8", "session-policy=open min-bitrate=2000 max-bitrate=1000",
      Key::None, false);
  fail_unless_equals_int (GST_STATE_CHANGE_FAILURE,
      gst_element_set_state (robot.pipeline, GST_STATE_PLAYING));
  flush_bus (robot.pipeline);
}
GST_END_TEST

// Pictures of *h*'s encoder for *count* handed in.
static guint
encode (GstHarness *h, guint count)
{
  static guint number;
  const guint before = gst_harness_buffers_received (h);
  for (guint i = 0; i < count; i++) {
    GstBuffer *buffer =
        gst_buffer_new_allocate (nullptr, 64 * 48 * 3 / 2, nullptr);
    gst_buffer_memset (
        buffer, 0, guint8 (number), gst_buffer_get_size (buffer));
    GST_BUFFER_PTS (buffer) = number++ * GST_SECOND / 30;
    GST_BUFFER_DURATION (buffer) = GST_SECOND / 30;
    fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
  }
  return gst_harness_buffers_received (h) - before;
}

GST_START_TEST (test_half_of_the_pictures)
{
  for (const bool by_picture : {true, false}) {
    GstHarness *h = gst_harness_new_parse (
        by_picture ? "x264enc tune=zerolatency speed-preset=ultrafast"
                   : "openh264enc");
    gst_harness_set_src_caps_str (
        h, "video/x-raw,format=I420,width=64,height=48,framerate=30/1");
    EncoderControl control (h->sinkpad);
    g_autoptr (GstElement) encoder =
        gst_harness_find_element (h, by_picture ? "x264enc" : "openh264enc");
    guint before = 0, rate = 0;
    g_object_get (encoder, "bitrate", &before, nullptr);
    fail_unless_equals_int (encode (h, 4), 4);
    fail_if (control.set_half_frame_rate (false));
    fail_unless (control.set_half_frame_rate (true));
    fail_if (control.set_half_frame_rate (true)); // it is so already
    fail_unless (control.half_frame_rate ());
    fail_unless (control.set_bitrate (400000));
    g_object_get (encoder, "bitrate", &rate, nullptr);
    fail_unless_equals_int (rate, by_picture ? 800 : 400000);
    fail_unless_equals_int (encode (h, 20), 10);
    fail_unless (control.set_half_frame_rate (false));
    fail_unless (control.set_bitrate (400000));
    g_object_get (encoder, "bitrate", &rate, nullptr);
    fail_unless_equals_int (rate, by_picture ? 400 : 400000);
    fail_unless_equals_int (encode (h, 4), 4);
    control.set_half_frame_rate (true);
    control.restore_bitrate ();
    g_object_get (encoder, "bitrate", &rate, nullptr);
    fail_unless_equals_int (rate, before);
    fail_unless_equals_int (encode (h, 4), 4);
    gst_harness_teardown (h);
  }
}
GST_END_TEST

// Those that reckon by pictures are asked for twice as much then.
GST_START_TEST (test_half_of_the_pictures_have_the_whole_bitrate)
{
  for (const char *name : {"x264enc", "x265enc"}) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);
    if (!factory)
      continue;
    GstHarness *h = gst_harness_new_parse (
        (std::string (name) + " tune=zerolatency speed-preset=ultrafast")
            .c_str ());
    // As many as are taken: all of them are made at once.
    gst_harness_add_src_parse (h,
        "videotestsrc num-buffers=361 pattern=smpte horizontal-speed=3 ! "
        "capsfilter "
        "caps=video/x-raw,format=I420,width=320,height=180,framerate=30/1",
        FALSE);
    EncoderControl control (h->sinkpad);
    // Of *count* pictures at 30 a second.
    const auto bitrate = [h] (unsigned count) {
      gsize bytes = 0;
      for (unsigned i = 0; i < count; i++)
        gst_harness_push_from_src (h);
      while (gst_harness_buffers_in_queue (h)) {
        GstBuffer *buffer = gst_harness_pull (h);
        bytes += gst_buffer_get_size (buffer);
        gst_buffer_unref (buffer);
      }
      return double (bytes) * 8 * 30 / count;
    };
    bitrate (1);
    for (const bool half : {false, true}) {
      control.set_half_frame_rate (half);
      fail_unless (control.set_bitrate (200000));
      bitrate (60);
      const double seen = bitrate (120);
      fail_unless (seen > 150000 && seen < 250000, "%s, half %d: %.0f bit/s",
          name, half, seen);
    }
    gst_harness_teardown (h);
  }
}
GST_END_TEST

GST_START_TEST (test_few_pictures_are_not_halved)
{
  GstHarness *h = gst_harness_new ("openh264enc");
  gst_harness_set_src_caps_str (
      h, "video/x-raw,format=I420,width=64,height=48,framerate=15/1");
  EncoderControl control (h->sinkpad);
  encode (h, 1);
  fail_if (control.set_half_frame_rate (true));
  fail_unless_equals_int (encode (h, 10), 10);
  gst_harness_teardown (h);
}
GST_END_TEST

GST_START_TEST (test_near_the_floor_half_of_the_pictures_are_sent)
{
  Robot robot (
      "H264", "session-policy=open start-bitrate=300000 max-bitrate=2000000");
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  const auto halved = [&] () {
    g_autoptr (GstStructure) stats = nullptr;
    g_object_get (robot.bin, "stats", &stats, nullptr);
    gboolean half = FALSE;
    gst_structure_get_boolean (stats, "half-frame-rate", &half);
    return half;
  };
  fail_unless (robot.wait ([&] () { return halved (); }));
  fail_unless (viewer.wait_frames (10));
  leave (robot, "p1");
  fail_unless (robot.wait_removed ("p1", "left", &viewer));
  fail_if (halved ());
}
GST_END_TEST

GST_START_TEST (test_what_the_range_is)
{
  RateSettings settings;
  auto range = rate_range (settings, 0);
  fail_unless (
      range.min == 300000 && range.start == 1500000 && range.max == 2500000);
  range = rate_range (settings, 2000000); // the encoder's own
  fail_unless (range.start == 1500000 && range.max == 2000000);
  range = rate_range (settings, 200000);
  fail_unless (
      range.min == 200000 && range.start == 200000 && range.max == 200000);
  settings.max_set = true; // the application's word
  range = rate_range (settings, 2000000);
  fail_unless (range.max == 2500000);
}
GST_END_TEST

GST_START_TEST (test_what_is_left_is_decodable)
{
  g_autoptr (GstBuffer) key = picture ({0, 0, 0, 2, 0x65, 1}, false);
  g_autoptr (GstBuffer) reference = picture ({0, 0, 0, 2, 0x41, 1}, true);
  // With a SEI before it.
  g_autoptr (GstBuffer) other =
      picture ({0, 0, 0, 1, 0x06, 0, 0, 0, 2, 0x01, 1}, true);
  g_autoptr (GstBuffer) broken = picture ({0, 0, 0, 9, 0x01, 1}, true);
  fail_unless (is_non_reference (other, PictureFormat::H264Avc));
  for (GstBuffer *buffer : {key, reference, broken})
    fail_if (is_non_reference (buffer, PictureFormat::H264Avc));
  fail_if (is_non_reference (other, PictureFormat::Other));
  // H.265: TRAIL_N (0) and TRAIL_R (1).
  g_autoptr (GstBuffer) trail_n = picture ({0, 0, 0, 2, 0x00, 1}, true);
  g_autoptr (GstBuffer) trail_r = picture ({0, 0, 0, 2, 0x02, 1}, true);
  fail_unless (is_non_reference (trail_n, PictureFormat::H265Hvc));
  fail_if (is_non_reference (trail_r, PictureFormat::H265Hvc));

  Thinner thinner;
  thinner.set_format (PictureFormat::H264Avc);
  fail_unless (thinner.pass (reference) && thinner.pass (other));
  thinner.set_level (Thinning::NonReference);
  fail_unless (thinner.pass (reference) && !thinner.pass (other));
  thinner.set_level (Thinning::KeyFrames);
  fail_if (thinner.pass (reference));
  fail_unless (thinner.pass (key));
  fail_if (thinner.pass (reference));
  // The pictures that the next delta refers to were left out.
  thinner.set_level (Thinning::None);
  fail_if (thinner.pass (reference));
  fail_unless (thinner.waits_for_key ());
  fail_unless (thinner.pass (key) && thinner.pass (reference));
  fail_if (thinner.waits_for_key ());
  fail_unless_equals_uint64 (thinner.thinned (), 4);
  // Held, not even a key frame passes; and then it begins with one.
  thinner.hold ();
  fail_if (thinner.pass (reference) || thinner.pass (key));
  thinner.release ();
  fail_if (thinner.pass (reference));
  fail_unless (thinner.pass (key) && thinner.pass (reference));
}
GST_END_TEST

// It is what has come that is named, and not what was offered.
GST_START_TEST (test_feedback_is_what_comes)
{
  Robot robot ("VP8", "session-policy=open");
  const auto feedback = [&robot] (const char *peer_id) -> std::string {
    g_autoptr (GstStructure) stats = robot.viewer_stats (peer_id);
    const char *text =
        stats ? gst_structure_get_string (stats, "feedback") : nullptr;
    return text ? text : "";
  };
  // One that offers it and sends none.
  ViewerOptions silent;
  silent.edit_offer = [] (std::string sdp) {
    return sdp + "a=extmap:3 " + kTwccUri + "\r\na=rtcp-fb:96 transport-cc\r\n";
  };
  silent.edit_answer = [] (std::string sdp) {
    const auto at = sdp.find ("a=extmap:");
    return at == std::string::npos
               ? sdp
               : sdp.erase (at, sdp.find ('\n', at) + 1 - at);
  };
  TestViewer ann (robot.link, "ann", "p1", silent);
  fail_unless (ann.join ());
  fail_unless (
      robot.link->peer ("p1").answer.find (kTwccUri) != std::string::npos);
  ViewerOptions sends;
  sends.feedback = true;
  TestViewer bob (robot.link, "bob", "p2", sends);
  fail_unless (bob.join ());
  fail_unless (
      robot.wait ([&] () { return feedback ("p2") == "transport-wide"; }));
  fail_unless (ann.wait_frames (20));
  const auto told = feedback ("p1");
  fail_unless_equals_string ("receiver-reports", told.c_str ());
}
GST_END_TEST

static Suite *
signalingbinrate_suite ()
{
  register_elements ();
  Suite *suite = suite_create ("signalingbinrate");
  TCase *general = tcase_create ("general");
  suite_add_tcase (suite, general);
  tcase_add_test (general, test_transport_wide_feedback_makes_an_estimate);
  tcase_add_test (general, test_a_viewer_is_told_what_limits_its_picture);
  tcase_add_test (general, test_the_one_who_drives_is_served_first);
  tcase_add_test (general, test_a_collapsed_path_is_drained);
  tcase_add_test (general, test_without_feedback_receiver_reports_do);
  tcase_add_test (general, test_the_encoder_gets_its_rate_back);
  tcase_add_test (general, test_not_adaptive_leaves_the_encoder_alone);
  tcase_add_test (general, test_a_minimum_above_the_maximum_is_refused);
  tcase_add_test (general, test_half_of_the_pictures);
  tcase_add_test (general, test_half_of_the_pictures_have_the_whole_bitrate);
  tcase_add_test (general, test_few_pictures_are_not_halved);
  tcase_add_test (general, test_near_the_floor_half_of_the_pictures_are_sent);
  tcase_add_test (general, test_what_the_range_is);
  tcase_add_test (general, test_what_is_left_is_decodable);
  tcase_add_test (general, test_feedback_is_what_comes);
  return suite;
}

GST_CHECK_MAIN (signalingbinrate);
