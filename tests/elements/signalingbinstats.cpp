// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What signalingbin shows of its viewers, and what may be done with one: pause,
// repair, key frames from encoders that do not listen.
#include "bintest.hpp"
#include "v4l2standin.hpp"
#include "webrtc/findelement.hpp"
#include <algorithm>
#include <gst/video/video.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

constexpr char kPassword[] = "Kwerlitz-7";

bool
act (Robot &robot, const char *signal, const char *peer_id)
{
  gboolean done = FALSE;
  g_signal_emit_by_name (robot.bin, signal, peer_id, &done);
  return done;
}

bool
flag (Robot &robot, const char *peer_id, const char *field)
{
  g_autoptr (GstStructure) stats = robot.viewer_stats (peer_id);
  gboolean value = FALSE;
  if (stats)
    gst_structure_get (stats, field, G_TYPE_BOOLEAN, &value, nullptr);
  return value;
}

std::string
key_frames (Robot &robot)
{
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (robot.bin, "stats", &stats, nullptr);
  const GValue *list = gst_structure_get_value (stats, "streams");
  if (!list || !gst_value_list_get_size (list))
    return "";
  const GstStructure *stream =
      gst_value_get_structure (gst_value_list_get_value (list, 0));
  return gst_structure_get_string (stream, "key-frames");
}

} // namespace

GST_START_TEST (test_the_statistics_are_complete)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  fail_unless (robot.wait ([&] () {
    g_autoptr (GstStructure) stats = robot.viewer_stats ("p1");
    double fps = 0;
    return stats && gst_structure_has_field (stats, "round-trip-time") &&
           gst_structure_get_double (stats, "fps", &fps) && fps > 5;
  }));
  g_autoptr (GstStructure) stats = robot.viewer_stats ("p1");
  const struct
  {
    const char *name;
    GType type;
  } fields[] = {{"peer-id", G_TYPE_STRING}, {"user", G_TYPE_STRING},
      {"role", G_TYPE_STRING}, {"state", G_TYPE_STRING},
      {"codec", G_TYPE_STRING}, {"remaining", G_TYPE_UINT64},
      {"since", G_TYPE_UINT64}, {"paused", G_TYPE_BOOLEAN},
      {"queue-overruns", G_TYPE_UINT64}, {"frames", G_TYPE_UINT64},
      {"fps", G_TYPE_DOUBLE}, {"dropped", G_TYPE_UINT64},
      {"first-frame", G_TYPE_UINT64}, {"waits-for-key-frame", G_TYPE_BOOLEAN},
      {"packets", G_TYPE_UINT64}, {"bytes", G_TYPE_UINT64},
      {"bitrate", G_TYPE_UINT64}, {"nack", G_TYPE_UINT}, {"pli", G_TYPE_UINT},
      {"fraction-lost", G_TYPE_DOUBLE}, {"packets-lost", G_TYPE_INT},
      {"jitter", G_TYPE_DOUBLE}, {"round-trip-time", G_TYPE_DOUBLE},
      {"local-candidate", G_TYPE_STRING}, {"remote-candidate", G_TYPE_STRING},
      {"estimate", G_TYPE_UINT}};
  for (const auto &field : fields)
    fail_unless (gst_structure_has_field_typed (stats, field.name, field.type),
        "%s", field.name);
  fail_unless (
      robot.number ("p1", "first-frame") <= robot.number ("p1", "since"));
  fail_unless (robot.number ("p1", "frames") > 10);
  for (const char *name : {"local-candidate", "remote-candidate"})
    fail_unless (
        strstr (gst_structure_get_string (stats, name), " udp ") != nullptr);
}
GST_END_TEST

GST_START_TEST (test_ice_rests_once_there_is_a_connection)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  auto source = find_element (robot.bin, "nicesrc");
  fail_unless (source != nullptr);
  g_autoptr (GObject) agent = nullptr;
  g_object_get (source.get (), "agent", &agent, nullptr);
  guint idle = 0, pacing = 0;
  g_object_get (
      agent, "idle-timeout", &idle, "stun-pacing-timer", &pacing, nullptr);
  fail_unless_equals_int (50, idle);
  fail_unless_equals_int (5, pacing);
  // Longer than it would have gone on.
  g_usleep (6 * G_USEC_PER_SEC);
  fail_unless (viewer.wait_frames (10));
  fail_unless_equals_int (1, robot.viewer_count ());
}
GST_END_TEST

GST_START_TEST (test_a_paused_viewer_stays_and_goes_on)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer paused (robot.link, "ann", "p1");
  TestViewer other (robot.link, "bob", "p2");
  fail_unless (paused.join ());
  fail_unless (other.join ());
  fail_if (act (robot, "pause-viewer", "nobody"));
  fail_unless (act (robot, "pause-viewer", "p1"));
  fail_unless (act (robot, "pause-viewer", "p1"));
  fail_unless (flag (robot, "p1", "paused"));
  // Some are still on their way.
  fail_unless (robot.wait ([&] () {
    const unsigned before = paused.frames ();
    g_usleep (300 * 1000);
    return paused.frames () == before;
  }));
  const unsigned shown = paused.frames ();
  const auto passed = robot.number ("p1", "frames");
  // Longer than a viewer may be silent that has vanished.
  g_usleep (6 * G_USEC_PER_SEC);
  fail_unless_equals_int (shown, paused.frames ());
  fail_unless (passed == robot.number ("p1", "frames"));
  fail_unless_equals_int (2, robot.viewer_count ());
  fail_unless (other.wait_frames (10));
  fail_unless (act (robot, "resume-viewer", "p1"));
  fail_if (flag (robot, "p1", "paused"));
  fail_unless (paused.wait_frames (20));
  fail_if (act (robot, "resume-viewer", "nobody"));
}
GST_END_TEST

// Before the answer, too; and the end of the session comes while it is paused.
GST_START_TEST (test_a_pause_holds_and_does_not_prolong)
{
  Robot robot ("VP8", "session-policy=require-grant", Key::File);
  TestViewer viewer (robot.link, "ann", "p1");
  const TimeMs now = 1700000000000;
  fail_unless (viewer.offer (robot.terms ("ann", "p1", now, now + 6000)));
  fail_unless (robot.link->wait_answer ("p1"));
  fail_unless (act (robot, "pause-viewer", "p1"));
  fail_unless (viewer.take_answer ());
  fail_unless (robot.wait_removed ("p1", "expired", &viewer));
  fail_unless_equals_int (0, viewer.frames ());
}
GST_END_TEST

GST_START_TEST (test_forward_error_correction_when_both_want_it)
{
  for (const bool wanted : {false, true}) {
    Robot robot (
        "VP8", wanted ? "session-policy=open fec-type=ulp-red fec-percentage=50"
                      : "session-policy=open");
    ViewerOptions options;
    options.fec = true;
    TestViewer viewer (robot.link, "ann", "p1", options);
    fail_unless (viewer.join ());
    fail_unless (viewer.wait_frames (20));
    const auto answer = robot.link->peer ("p1").answer;
    fail_unless (wanted == (answer.find ("ulpfec/90000") != std::string::npos));
    // What is lost is sent again either way.
    fail_unless (answer.find ("rtx/90000") != std::string::npos);
    auto fec = find_element (robot.bin, "rtpulpfecenc");
    fail_unless (fec != nullptr); // there in any case, and then idle
    guint percentage = 0, made = 0;
    g_object_get (fec.get (), "percentage", &percentage, nullptr);
    fail_unless_equals_int (wanted ? 50 : 0, percentage);
    fail_unless (robot.wait ([&] () {
      g_object_get (fec.get (), "protected", &made, nullptr);
      return !wanted || made > 5;
    }));
    fail_unless (wanted || made == 0);
  }
}
GST_END_TEST

GST_START_TEST (test_pictures_of_a_branch_tell_no_secrets)
{
  const char *folder = g_getenv ("GST_DEBUG_DUMP_DOT_DIR");
  fail_unless (folder != nullptr);
  const auto dumps = [folder] () {
    std::vector<std::string> found;
    g_autoptr (GDir) dir = g_dir_open (folder, 0, nullptr);
    while (const char *name = dir ? g_dir_read_name (dir) : nullptr)
      if (strstr (name, "robotlive-viewer-"))
        found.push_back (std::string (folder) + "/" + name);
    return found;
  };
  for (const auto &file : dumps ())
    remove (file.c_str ());
  std::string key;
  {
    Robot robot (
        "VP8", std::string ("session-policy=open turn-server=turn://user:") +
                   kPassword + "@127.0.0.1:9");
    // A name that is no file name.
    TestViewer viewer (robot.link, "ann", "../p\"1");
    fail_unless (viewer.join ());
    auto encrypter = find_element (robot.bin, "srtpenc");
    fail_unless (encrypter != nullptr);
    g_autoptr (GstBuffer) buffer = nullptr;
    g_object_get (encrypter.get (), "key", &buffer, nullptr);
    fail_unless (buffer != nullptr);
    g_auto (GValue) value = G_VALUE_INIT;
    g_value_init (&value, GST_TYPE_BUFFER);
    gst_value_set_buffer (&value, buffer);
    g_autofree char *text = gst_value_serialize (&value);
    key = std::string (text).substr (0, 16);
    fail_unless_equals_int (16, key.size ());
  }
  const auto files = dumps ();
  fail_unless_equals_int (3, files.size ()); // answered, streaming, ended
  for (const auto &file : files) {
    fail_unless (file.find ("robotlive-viewer-___p_1-") != std::string::npos);
    g_autofree char *text = nullptr;
    gsize size = 0;
    fail_unless (g_file_get_contents (file.c_str (), &text, &size, nullptr));
    for (const char *element :
        {"GstWebRTCBin", "RobotliveThin", "RobotlivePace"})
      fail_unless (strstr (text, element) != nullptr, "no %s", element);
    for (const char *secret : {key.c_str (), kPassword, "PRIVATE KEY"})
      fail_unless (
          strstr (text, secret) == nullptr, "%s in %s", secret, file.c_str ());
  }
}
GST_END_TEST

// A camera that encodes by itself, and listens to nobody.
GST_START_TEST (test_a_deaf_camera_is_waited_for)
{
  Robot robot ("openh264enc gop-size=300 complexity=low ! h264parse ! "
               "input-selector name=camera",
      "session-policy=open", Key::None, false);
  auto camera =
      adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "camera"));
  // With two ways in it is no longer known what encodes.
  auto other =
      adopt (gst_element_request_pad_simple (camera.get (), "sink_%u"));
  auto out = adopt (gst_element_get_static_pad (camera.get (), "src"));
  const gulong deaf = gst_pad_add_probe (
      out.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer) {
        return gst_video_event_is_force_key_unit (
                   GST_PAD_PROBE_INFO_EVENT (info))
                   ? GST_PAD_PROBE_DROP
                   : GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.offer ());
  fail_unless (viewer.take_answer ());
  fail_unless (robot.wait ([&] () {
    viewer.give_candidates ();
    return flag (robot, "p1", "waits-for-key-frame");
  }));
  fail_unless (key_frames (robot) == "none");
  fail_unless_equals_int (0, viewer.frames ());
  // Its next one.
  gst_pad_remove_probe (out.get (), deaf);
  gst_pad_send_event (out.get (), gst_video_event_new_upstream_force_key_unit (
                                      GST_CLOCK_TIME_NONE, TRUE, 0));
  fail_unless (viewer.wait_frames (1));
  fail_unless (viewer.first_was_key ());
  fail_if (flag (robot, "p1", "waits-for-key-frame"));
}
GST_END_TEST

GST_START_TEST (test_an_encoder_that_listens)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  fail_unless (key_frames (robot) == "event");
}
GST_END_TEST

// Six that come at about the same time share what is made, as no two key frames
// are asked for within a second here.
GST_START_TEST (test_many_wait_for_one_key_frame)
{
  static std::atomic<guint64> last, least;
  static std::atomic<unsigned> keys;
  last = least = GST_CLOCK_TIME_NONE;
  keys = 0;
  Robot robot ("vp8enc name=encoder deadline=1 cpu-used=16 "
               "keyframe-max-dist=3000 ! identity",
      "session-policy=open min-keyframe-interval=1000", Key::None, false);
  auto encoder =
      adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "encoder"));
  auto out = adopt (gst_element_get_static_pad (encoder.get (), "src"));
  gst_pad_add_probe (
      out.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *info, gpointer) {
        GstBuffer *frame = GST_PAD_PROBE_INFO_BUFFER (info);
        if (GST_BUFFER_FLAG_IS_SET (frame, GST_BUFFER_FLAG_DELTA_UNIT))
          return GST_PAD_PROBE_OK;
        // The first is the stream's own.
        if (keys++ > 1)
          least = std::min (least.load (), GST_BUFFER_PTS (frame) - last);
        last = GST_BUFFER_PTS (frame);
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  std::list<TestViewer> viewers;
  for (unsigned i = 0; i < 6; i++) {
    viewers.emplace_back (robot.link, "ann", "p" + std::to_string (i));
    fail_unless (viewers.back ().offer ());
    fail_unless (viewers.back ().take_answer ());
  }
  fail_unless (robot.wait ([&] () {
    bool all = true;
    for (auto &viewer : viewers) {
      viewer.give_candidates ();
      all = all && viewer.frames () > 0;
    }
    return all;
  }));
  for (auto &viewer : viewers)
    fail_unless (viewer.first_was_key ());
  fail_unless (keys >= 2);
  // By the pictures' times. One that is asked for meets the picture that is
  // then encoded, on a busy machine a late one.
  fail_unless (least == GST_CLOCK_TIME_NONE || least > 700 * GST_MSECOND,
      "%" G_GUINT64_FORMAT " ms", least / GST_MSECOND);
}
GST_END_TEST

// A viewer's gate and its branch both want one when it opens, and browsers ask
// more than once: what is wanted before the key frame comes is served by it.
GST_START_TEST (test_a_key_frame_serves_all_wishes_before_it)
{
  static std::atomic<unsigned> asked, keys, pictures;
  asked = keys = pictures = 0;
  Robot robot ("vp8enc name=encoder deadline=1 cpu-used=16 "
               "keyframe-max-dist=3000 ! identity",
      "session-policy=open min-keyframe-interval=1000", Key::None, false);
  auto encoder =
      adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "encoder"));
  auto out = adopt (gst_element_get_static_pad (encoder.get (), "src"));
  gst_pad_add_probe (
      out.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer) {
        asked +=
            gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info));
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  g_autoptr (GstIterator) sinks = gst_bin_iterate_all_by_element_factory_name (
      GST_BIN (robot.bin), "fakesink");
  g_auto (GValue) anchor = G_VALUE_INIT;
  fail_unless (gst_iterator_next (sinks, &anchor) == GST_ITERATOR_OK);
  auto in = adopt (gst_element_get_static_pad (
      GST_ELEMENT (g_value_get_object (&anchor)), "sink"));
  gst_pad_add_probe (
      in.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *info, gpointer) {
        keys += !GST_BUFFER_FLAG_IS_SET (
            GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT);
        pictures++;
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  const auto wish = [&in] () {
    gst_pad_push_event (in.get (), gst_video_event_new_upstream_force_key_unit (
                                       GST_CLOCK_TIME_NONE, TRUE, 0));
  };
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  fail_unless (robot.wait ([] () { return pictures >= 5; }));
  for (unsigned i = 0; i < 3; i++)
    wish ();
  fail_unless (robot.wait ([] () { return keys == 2; }));
  fail_unless_equals_int (1, asked);
  // Longer than the interval.
  const unsigned seen = pictures;
  fail_unless (robot.wait ([seen] () { return pictures >= seen + 45; }));
  fail_unless_equals_int (1, asked);
  fail_unless_equals_int (2, keys);
  // One that comes before a key frame can be asked for again gets one then.
  wish ();
  fail_unless (robot.wait ([] () { return keys == 3; }));
  wish ();
  fail_unless (robot.wait ([] () { return keys == 4; }));
  fail_unless_equals_int (3, asked);
}
GST_END_TEST

// The encoder of a Pi: before GStreamer 1.22.4 it is deaf for events and told
// by its controls, later it is not told twice.
GST_START_TEST (test_a_v4l2_encoder_is_told_by_its_controls)
{
  // gop-size: in the test's time there is no key frame but the ones asked for.
  Robot robot ("openh264enc gop-size=3000 complexity=low ! "
               "v4l2h264enc name=pi "
               "extra-controls=\"controls,repeat_sequence_header=1\" ! "
               "h264parse",
      "session-policy=open min-keyframe-interval=100");
  auto pi = adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "pi"));
  const auto counted = [&pi] (const char *property) {
    guint value = 0;
    g_object_get (pi.get (), property, &value, nullptr);
    return value;
  };
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  fail_unless (viewer.first_was_key ());
  fail_unless (viewer.wait_frames (10));
  const bool deaf = !v4l2_stand_in_heeds_events ();
  fail_unless ((counted ("forced") >= 1) == deaf);
  fail_unless (key_frames (robot) == (deaf ? "control" : "event"));
  // Its other controls are as they were given, and pressed is not held.
  g_autoptr (GstStructure) controls = nullptr;
  g_object_get (pi.get (), "extra-controls", &controls, nullptr);
  gint header = 0;
  fail_unless (
      gst_structure_get_int (controls, "repeat_sequence_header", &header));
  fail_unless_equals_int (1, header);
  fail_if (gst_structure_has_field (controls, "force_key_frame"));
  // The same way for its rate, while somebody watches.
  fail_unless (robot.wait ([&] () { return counted ("rate") > 0; }));
  fail_unless (counted ("rate") % 25000 == 0);
  const guint before = counted ("forced");
  TestViewer second (robot.link, "bob", "p2", {"H264"});
  fail_unless (second.join ());
  fail_unless (second.first_was_key ());
  fail_unless ((counted ("forced") > before) == deaf);
}
GST_END_TEST

static GstPadProbeReturn
count (GstPad *, GstPadProbeInfo *, gpointer counter)
{
  ++*static_cast<std::atomic<unsigned> *> (counter);
  return GST_PAD_PROBE_OK;
}

// Near the floor it gets every second picture, and not twice the rate: the
// driver reckons by time.
GST_START_TEST (test_a_v4l2_encoder_gets_half_of_the_pictures)
{
  static std::atomic<unsigned> before, after;
  before = after = 0;
  Robot robot ("openh264enc gop-size=30 complexity=low ! identity name=camera "
               "! v4l2h264enc name=pi ! h264parse",
      "session-policy=open start-bitrate=300000 max-bitrate=2000000", Key::None,
      false);
  const std::pair<const char *, std::atomic<unsigned> *> counted[] = {
      {"camera", &before}, {"pi", &after}};
  for (const auto &[name, counter] : counted) {
    auto element = adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), name));
    auto pad = adopt (gst_element_get_static_pad (element.get (), "src"));
    gst_pad_add_probe (
        pad.get (), GST_PAD_PROBE_TYPE_BUFFER, count, counter, nullptr);
  }
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  auto pi = adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "pi"));
  // Receiver reports alone: the rate stays low for some seconds.
  TestViewer viewer (robot.link, "ann", "p1", {"H264"});
  fail_unless (viewer.join ());
  fail_unless (robot.wait ([&] () {
    g_autoptr (GstStructure) stats = nullptr;
    g_object_get (robot.bin, "stats", &stats, nullptr);
    gboolean half = FALSE;
    return gst_structure_get_boolean (stats, "half-frame-rate", &half) && half;
  }));
  // The encoder is told a moment after it has been decided.
  guint rate = 0;
  fail_unless (robot.wait ([&] () {
    g_object_get (pi.get (), "rate", &rate, nullptr);
    return rate > 0;
  }));
  fail_unless (rate >= 300000 && rate < 450000, "%u", rate);
  const unsigned all = before, half = after;
  fail_unless (robot.wait ([&] () { return before >= all + 20; }));
  const unsigned passed = after - half;
  fail_unless (passed >= 9 && passed <= 12, "%u of 20", passed);
}
GST_END_TEST

static Suite *
signalingbinstats_suite (void)
{
  register_elements ();
  register_v4l2_stand_in ();
  Suite *s = suite_create ("signalingbinstats");
  TCase *tc = tcase_create ("stats");
  tcase_set_timeout (tc, 90);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_the_statistics_are_complete);
  tcase_add_test (tc, test_ice_rests_once_there_is_a_connection);
  tcase_add_test (tc, test_a_paused_viewer_stays_and_goes_on);
  tcase_add_test (tc, test_a_pause_holds_and_does_not_prolong);
  tcase_add_test (tc, test_forward_error_correction_when_both_want_it);
  tcase_add_test (tc, test_pictures_of_a_branch_tell_no_secrets);
  tcase_add_test (tc, test_a_deaf_camera_is_waited_for);
  tcase_add_test (tc, test_an_encoder_that_listens);
  tcase_add_test (tc, test_many_wait_for_one_key_frame);
  tcase_add_test (tc, test_a_key_frame_serves_all_wishes_before_it);
  tcase_add_test (tc, test_a_v4l2_encoder_is_told_by_its_controls);
  tcase_add_test (tc, test_a_v4l2_encoder_gets_half_of_the_pictures);
  return s;
}

GST_CHECK_MAIN (signalingbinstats)
