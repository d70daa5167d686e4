// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin with streams that no browser shows: it says so, to the
// application and to the viewer, with what to change.
#include "bintest.hpp"
#include "webrtc/findelement.hpp"
#include <gst/check/gstharness.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

struct Warnings
{
  explicit Warnings (Robot &robot)
      : link (robot.link), bus (adopt (gst_element_get_bus (robot.pipeline)))
  {
    gst_bus_set_sync_handler (
        bus.get (),
        [] (GstBus *, GstMessage *message, gpointer data) {
          auto *self = static_cast<Warnings *> (data);
          if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
            g_autoptr (GError) error = nullptr;
            gst_message_parse_warning (message, &error, nullptr);
            self->link->change ([&] () {
              self->text = error->message;
              self->count++;
            });
          }
          return GST_BUS_PASS;
        },
        this, nullptr);
  }
  ~Warnings ()
  {
    gst_bus_set_sync_handler (bus.get (), nullptr, nullptr, nullptr);
  }
  bool say (const std::string &word)
  {
    return link->wait (
        [&] () { return text.find (word) != std::string::npos; });
  }
  const std::shared_ptr<Link> link;
  const GPtr<GstBus> bus;
  std::string text;
  unsigned count = 0;
};

// openh264dec of Debian 12 decodes nothing of what x264enc makes here.
ViewerOptions
packets ()
{
  ViewerOptions options;
  options.encoding_name = "H264";
  options.decode = false;
  return options;
}

// Offers, and is refused by a sentence with *word*.
void
refused (Robot &robot, const char *id, const char *word)
{
  TestViewer viewer (robot.link, "bob", id, {"H264"});
  fail_unless (viewer.offer ());
  fail_unless (robot.link->wait_error (id));
  const auto peer = robot.link->peer (id);
  fail_unless_equals_string ("unavailable", peer.error_code.c_str ());
  fail_unless (peer.error_message.find (word) != std::string::npos, "%s",
      peer.error_message.c_str ());
}

} // namespace

GST_START_TEST (test_b_frames_are_named)
{
  Robot robot ("x264enc bframes=2 b-adapt=false rc-lookahead=0 key-int-max=60 "
               "speed-preset=ultrafast ! video/x-h264,profile=main ! h264parse",
      "session-policy=open");
  Warnings said (robot);
  fail_unless (said.say ("B-frames"));
  refused (robot, "p1", "bframes=0");
  refused (robot, "p2", "bframes=0");
  fail_unless_equals_int (1, int (said.count));
}
GST_END_TEST

// What is fit is left alone.
GST_START_TEST (test_none_of_a_stream_without_them)
{
  Robot robot ("x264enc tune=zerolatency key-int-max=30 "
               "speed-preset=ultrafast ! "
               "video/x-h264,profile=constrained-baseline ! h264parse",
      "session-policy=open");
  Warnings said (robot);
  TestViewer viewer (robot.link, "ann", "p1", packets ());
  fail_unless (viewer.join ());
  fail_unless (viewer.wait_frames (60));
  fail_unless_equals_int (0, int (said.count));
}
GST_END_TEST

GST_START_TEST (test_another_chroma_format_is_named)
{
  Robot robot ("videoconvert ! video/x-raw,format=Y444 ! x264enc "
               "tune=zerolatency speed-preset=ultrafast ! h264parse",
      "session-policy=open");
  Warnings said (robot);
  fail_unless (said.say ("4:4:4"));
  refused (robot, "p1", "4:2:0");
}
GST_END_TEST

static GstPadProbeReturn
drop_key_frames (GstPad *, GstPadProbeInfo *info, gpointer)
{
  return GST_BUFFER_FLAG_IS_SET (
             GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT)
             ? GST_PAD_PROBE_OK
             : GST_PAD_PROBE_DROP;
}

GST_START_TEST (test_missing_parameter_sets_are_named)
{
  Robot robot (
      "x264enc tune=zerolatency key-int-max=600 speed-preset=ultrafast "
      "! video/x-h264,stream-format=byte-stream,"
      "profile=constrained-baseline",
      "session-policy=open", Key::None, false);
  Warnings said (robot);
  auto pad = adopt (gst_element_get_static_pad (
      find_element (robot.pipeline, "x264enc").get (), "src"));
  const gulong probe = gst_pad_add_probe (
      pad.get (), GST_PAD_PROBE_TYPE_BUFFER, drop_key_frames, nullptr, nullptr);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  fail_unless (said.say ("SPS"));
  refused (robot, "p1", "repeat");
  // They come after all: all is well.
  gst_pad_remove_probe (pad.get (), probe);
  gst_pad_send_event (
      pad.get (), gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
                      gst_structure_new ("GstForceKeyUnit", "all-headers",
                          G_TYPE_BOOLEAN, TRUE, nullptr)));
  g_autoptr (GstStructure) stats = nullptr;
  fail_unless (robot.wait ([&] () {
    g_clear_pointer (&stats, gst_structure_free);
    g_object_get (robot.bin, "stats", &stats, nullptr);
    return g_strcmp0 (gst_structure_get_string (stats, "codec"), "H264") == 0;
  }));
  TestViewer viewer (robot.link, "ann", "p2", packets ());
  fail_unless (viewer.join ());
}
GST_END_TEST

namespace {

struct Hidden
{
  explicit Hidden (const char *name)
      : feature (gst_registry_lookup_feature (gst_registry_get (), name))
  {
    fail_unless (feature != nullptr);
    gst_registry_remove_feature (gst_registry_get (), feature);
  }
  ~Hidden ()
  {
    gst_registry_add_feature (gst_registry_get (), feature);
    gst_object_unref (feature);
  }
  GstPluginFeature *feature;
};

unsigned
errors_on (GstBus *bus)
{
  unsigned count = 0;
  while (GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR)) {
    g_autoptr (GError) error = nullptr;
    gst_message_parse_error (message, &error, nullptr);
    fail_unless (
        g_error_matches (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN));
    gst_message_unref (message);
    count++;
  }
  return count;
}

} // namespace

// Half of what stands in front of the tee can be made: that is an error, and a
// stream that needs neither goes on.
GST_START_TEST (test_a_missing_element_in_front)
{
  static const char *const names[] = {"h264parse", "capsfilter"};
  const char h264[] =
      "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au";
  const auto bin = sink (gst_element_factory_make ("signalingbin", nullptr));
  g_object_set (bin.get (), "robot-id", "robot_1", "application-signaling",
      TRUE, nullptr);
  gst_util_set_object_arg (G_OBJECT (bin.get ()), "session-policy", "open");
  auto bus = adopt (gst_bus_new ());
  gst_element_set_bus (bin.get (), bus.get ());
  GstHarness *harness =
      gst_harness_new_with_element (bin.get (), "sink", nullptr);
  const auto push = [harness] () {
    return gst_harness_push (harness, gst_harness_create_buffer (harness, 100));
  };
  {
    const Hidden hidden (names[__i__]);
    for (int i = 0; i < 2; i++) {
      gst_harness_set_src_caps_str (harness, h264);
      fail_unless (push () != GST_FLOW_OK);
      fail_unless (errors_on (bus.get ()) > 0);
      gst_harness_set_src_caps_str (harness, "video/x-vp8");
      fail_unless_equals_int (GST_FLOW_OK, push ());
      fail_unless_equals_int (0, errors_on (bus.get ()));
    }
  }
  // And when it is there again it is taken.
  gst_harness_set_src_caps_str (harness, h264);
  fail_unless_equals_int (GST_FLOW_OK, push ());
  fail_unless_equals_int (0, errors_on (bus.get ()));
  gst_harness_teardown (harness);
  gst_element_set_bus (bin.get (), nullptr);
  gst_bus_set_flushing (bus.get (), TRUE);
}
GST_END_TEST

static Suite *
signalingbinfit_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinfit");
  TCase *tc = tcase_create ("fit");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_b_frames_are_named);
  tcase_add_test (tc, test_none_of_a_stream_without_them);
  tcase_add_test (tc, test_another_chroma_format_is_named);
  tcase_add_test (tc, test_missing_parameter_sets_are_named);
  tcase_add_loop_test (tc, test_a_missing_element_in_front, 0, 2);
  return s;
}

GST_CHECK_MAIN (signalingbinfit)
