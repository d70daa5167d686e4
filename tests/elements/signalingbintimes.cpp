// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin with streams whose times cannot be trusted: the viewers go on
// seeing the picture, and it is said once.
#include "bintest.hpp"
#include "webrtc/findelement.hpp"

using namespace robotlive;
using namespace robotlive::test;

namespace {

// Changes the times of what the encoder gives.
struct Spoiler
{
  std::atomic<int> way{0};
  std::atomic<unsigned> spoilt{0};
  GstClockTime first = GST_CLOCK_TIME_NONE;
};

enum Way
{
  kTrue,
  kNone,     // no time at all
  kOnlyDts,  // the other one is missing
  kAhead,    // ten minutes
  kBack,     // ten minutes, or the beginning
  kStands,   // all of one time
  kBackwards // each before the one before
};

GstPadProbeReturn
spoil (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  taken ();
  auto &spoiler = *static_cast<Spoiler *> (data);
  const int way = spoiler.way;
  if (way == kTrue)
    return GST_PAD_PROBE_OK;
  GstBuffer *buffer =
      gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  const auto pts = GST_BUFFER_PTS (buffer);
  if (!GST_CLOCK_TIME_IS_VALID (spoiler.first))
    spoiler.first = pts;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  switch (way) {
    case kNone:
      GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
      break;
    case kOnlyDts:
      GST_BUFFER_DTS (buffer) = pts;
      GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
      break;
    case kAhead:
      GST_BUFFER_PTS (buffer) = pts + 600 * GST_SECOND;
      break;
    case kBack:
      GST_BUFFER_PTS (buffer) =
          pts - std::min<GstClockTime> (spoiler.first, 600 * GST_SECOND);
      break;
    case kStands:
      GST_BUFFER_PTS (buffer) = spoiler.first;
      break;
    case kBackwards:
      GST_BUFFER_PTS (buffer) =
          spoiler.first - std::min (pts - spoiler.first, spoiler.first);
      break;
  }
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  spoiler.spoilt++;
  handed ();
  return GST_PAD_PROBE_OK;
}

// How often a warning of the stream has come.
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
            self->link->change ([&] () { self->texts += error->message; });
            if (error->domain == GST_STREAM_ERROR)
              self->count++;
          }
          return GST_BUS_PASS;
        },
        this, nullptr);
  }
  ~Warnings ()
  {
    gst_bus_set_sync_handler (bus.get (), nullptr, nullptr, nullptr);
  }
  const std::shared_ptr<Link> link;
  const GPtr<GstBus> bus;
  std::string texts;
  std::atomic<unsigned> count{0};
};

GPtr<GstPad>
encoded_pad (Robot &robot, const char *encoder)
{
  return adopt (gst_element_get_static_pad (
      find_element (robot.pipeline, encoder).get (), "src"));
}

// A viewer sees the picture when the times go wrong, while they are, and when
// they are right again; one that joins meanwhile does as well.
void
survives (
    const std::string &codec, const char *encoder, Way way, unsigned warnings)
{
  Robot robot (codec, "session-policy=open");
  Warnings said (robot);
  Spoiler spoiler;
  auto pad = encoded_pad (robot, encoder);
  handed ();
  const gulong probe = gst_pad_add_probe (
      pad.get (), GST_PAD_PROBE_TYPE_BUFFER, spoil, &spoiler, nullptr);
  ViewerOptions options;
  options.encoding_name = codec == "VP8" ? "VP8" : "H264";
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join ());
  // Long enough for times to go back by more than a second.
  fail_unless (viewer.wait_frames (way == kBackwards ? 75 : 15));
  fail_unless_equals_int (0, said.count);
  spoiler.way = way;
  fail_unless (robot.wait ([&] () { return spoiler.spoilt > 5; }));
  fail_unless (viewer.wait_frames (60), "way %d", way);
  TestViewer late (robot.link, "bob", "p2", options);
  fail_unless (late.join ());
  fail_unless (late.wait_frames (20), "way %d", way);
  // A parser may have mended it before it comes to the bin.
  fail_unless (said.count <= warnings);
  if (codec == "VP8")
    fail_unless_equals_int (int (warnings), int (said.count));
  spoiler.way = kTrue;
  fail_unless (viewer.wait_frames (30), "after way %d", way);
  fail_unless (late.wait_frames (20), "after way %d", way);
  fail_unless_equals_int (2, robot.viewer_count ());
  fail_unless (said.count <= warnings + 1, "%s", said.texts.c_str ());
  gst_element_set_state (robot.pipeline, GST_STATE_NULL);
  gst_pad_remove_probe (pad.get (), probe);
}

} // namespace

GST_START_TEST (test_times_go_wrong)
{
  static const struct
  {
    Way way;
    unsigned warnings;
  } ways[] = {{kNone, 1}, {kOnlyDts, 0}, {kAhead, 1}, {kBack, 1}, {kStands, 1},
      {kBackwards, 1}};
  survives ("VP8", "vp8enc", ways[__i__].way, ways[__i__].warnings);
}
GST_END_TEST

// The parser has its own ideas of times.
GST_START_TEST (test_times_of_h264_go_wrong)
{
  static const Way ways[] = {kNone, kAhead, kBack};
  survives ("H264", "openh264enc", ways[__i__], 1);
}
GST_END_TEST

// As where a pad in front is given an offset: the segment says it.
GST_START_TEST (test_a_segment_leaps)
{
  static const gint64 offsets[] = {
      600 * gint64 (GST_SECOND), -600 * gint64 (GST_SECOND)};
  Robot robot ("vp8enc deadline=1 cpu-used=16 keyframe-max-dist=30 ! "
               "identity name=x",
      "session-policy=open");
  Warnings said (robot);
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  auto x = adopt (gst_bin_get_by_name (GST_BIN (robot.pipeline), "x"));
  auto pad = adopt (gst_element_get_static_pad (x.get (), "src"));
  gst_pad_set_offset (pad.get (), offsets[__i__]);
  fail_unless (viewer.wait_frames (60));
  TestViewer late (robot.link, "bob", "p2");
  fail_unless (late.join ());
  fail_unless (late.wait_frames (20));
  fail_unless_equals_int (1, int (said.count));
  gst_pad_set_offset (pad.get (), 0);
  fail_unless (viewer.wait_frames (60));
  fail_unless (said.texts.find ("pad sink") != std::string::npos);
}
GST_END_TEST

// What comes faster than time passes is sent as it comes.
GST_START_TEST (test_a_stream_that_does_not_wait)
{
  Robot robot ("vp8enc deadline=1 cpu-used=16 keyframe-max-dist=30",
      "session-policy=open", Key::None, false);
  g_object_set (find_element (robot.pipeline, "videotestsrc").get (), "is-live",
      FALSE, nullptr);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  fail_unless (viewer.wait_frames (100));
}
GST_END_TEST

// Behind the gate something holds everything up: the viewer is told to connect
// anew, and the application why.
GST_START_TEST (test_a_viewer_for_whom_nothing_leaves)
{
  Robot robot ("VP8",
      "session-policy=open audiotestsrc is-live=true "
      "! audioconvert ! opusenc ! bin.audio_0",
      Key::None, false);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  Warnings said (robot);
  ViewerOptions options;
  options.audio = true; // of which packets go on leaving
  TestViewer viewer (robot.link, "ann", "p1", options);
  TestViewer stays (robot.link, "bob", "p2");
  fail_unless (viewer.join ());
  fail_unless (stays.join ());
  fail_unless (robot.wait ([&] () {
    viewer.give_candidates ();
    return viewer.sounds () > 10;
  }));
  // The payloader of p1's picture.
  GPtr<GstElement> held;
  g_autoptr (GstIterator) all = gst_bin_iterate_recurse (GST_BIN (robot.bin));
  g_auto (GValue) item = G_VALUE_INIT;
  while (!held && gst_iterator_next (all, &item) == GST_ITERATOR_OK) {
    auto element = share (GST_ELEMENT (g_value_get_object (&item)));
    g_value_reset (&item);
    const auto parent =
        adopt (gst_object_get_parent (GST_OBJECT (element.get ())));
    const char *peer = parent
                           ? static_cast<const char *> (g_object_get_data (
                                 G_OBJECT (parent.get ()), "robotlive-peer-id"))
                           : nullptr;
    GstElementFactory *factory = gst_element_get_factory (element.get ());
    if (peer && g_str_equal (peer, "p1") && factory &&
        g_str_equal (GST_OBJECT_NAME (factory), "rtpvp8pay"))
      held = std::move (element);
  }
  fail_unless (held != nullptr);
  auto pad = adopt (gst_element_get_static_pad (held.get (), "src"));
  gst_pad_set_offset (pad.get (), 600 * gint64 (GST_SECOND));
  held.reset ();
  pad.reset ();
  fail_unless (robot.wait_removed ("p1", "stuck", &stays));
  const auto peer = robot.link->peer ("p1");
  fail_unless_equals_string ("internal", peer.error_code.c_str ());
  fail_unless (robot.link->wait (
      [&] () { return said.texts.find ("p1") != std::string::npos; }));
  fail_unless (stays.wait_frames (20));
  fail_unless_equals_int (1, robot.viewer_count ());
  // And it can: nothing of the old connection holds up the new one.
  robot.link->change ([&] () { robot.link->peers.erase ("p1"); });
  TestViewer again (robot.link, "ann", "p1", options);
  fail_unless (again.join ());
  fail_unless (again.wait_frames (20));
}
GST_END_TEST

static Suite *
signalingbintimes_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbintimes");
  TCase *tc = tcase_create ("times");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_times_go_wrong, 0, 6);
  tcase_add_loop_test (tc, test_times_of_h264_go_wrong, 0, 3);
  tcase_add_loop_test (tc, test_a_segment_leaps, 0, 2);
  tcase_add_test (tc, test_a_stream_that_does_not_wait);
  tcase_add_test (tc, test_a_viewer_for_whom_nothing_leaves);
  return s;
}

GST_CHECK_MAIN (signalingbintimes)
