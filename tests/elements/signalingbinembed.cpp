// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin in an application: it comes and goes while the pipeline plays,
// and there may be several.
#include "bintest.hpp"

using namespace robotlive;
using namespace robotlive::test;

namespace {

// Somebody else's use of the same stream.
std::atomic<unsigned> recorded{0};

GPtr<GstElement>
make_pipeline ()
{
  g_autoptr (GError) error = nullptr;
  auto pipeline = sink (gst_parse_launch (
      "videotestsrc is-live=true ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
      "vp8enc deadline=1 cpu-used=16 keyframe-max-dist=300 ! "
      "tee name=tee allow-not-linked=true ! queue ! "
      "fakesink name=recorder async=false",
      &error));
  g_assert_no_error (error);
  auto recorder =
      adopt (gst_bin_get_by_name (GST_BIN (pipeline.get ()), "recorder"));
  auto pad = adopt (gst_element_get_static_pad (recorder.get (), "sink"));
  gst_pad_add_probe (
      pad.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *, gpointer) {
        recorded++;
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  return pipeline;
}

bool
wait_recorded (unsigned more)
{
  const unsigned target = recorded + more;
  const auto give_up = std::chrono::steady_clock::now () + kDeadline;
  while (recorded < target) {
    if (std::chrono::steady_clock::now () > give_up)
      return false;
    g_usleep (10 * 1000);
  }
  return true;
}

struct Guest
{
  std::shared_ptr<Link> link = std::make_shared<Link> ();
  GPtr<GstElement> queue, bin;
  GPtr<GstPad> tee_pad;
};

Guest
add_bin (GstElement *pipeline)
{
  Guest guest;
  guest.queue = sink (gst_element_factory_make ("queue", nullptr));
  guest.bin = sink (gst_element_factory_make ("signalingbin", nullptr));
  g_object_set (guest.bin.get (), "robot-id", "robot_1", nullptr);
  gst_util_set_object_arg (
      G_OBJECT (guest.bin.get ()), "session-policy", "open");
  gst_signaling_bin_set_signaller (GST_SIGNALING_BIN (guest.bin.get ()),
      std::make_unique<FakeSignaller> (guest.link));
  gst_bin_add_many (
      GST_BIN (pipeline), guest.queue.get (), guest.bin.get (), nullptr);
  gst_element_link (guest.queue.get (), guest.bin.get ());
  fail_unless (gst_element_sync_state_with_parent (guest.bin.get ()));
  fail_unless (gst_element_sync_state_with_parent (guest.queue.get ()));
  auto tee = adopt (gst_bin_get_by_name (GST_BIN (pipeline), "tee"));
  guest.tee_pad = adopt (gst_element_request_pad_simple (tee.get (), "src_%u"));
  auto target = adopt (gst_element_get_static_pad (guest.queue.get (), "sink"));
  fail_unless (
      gst_pad_link (guest.tee_pad.get (), target.get ()) == GST_PAD_LINK_OK);
  return guest;
}

// As GStreamer's manual has it: between two buffers.
void
remove_bin (GstElement *pipeline, Guest *guest)
{
  static std::atomic<bool> unlinked{false};
  unlinked = false;
  gst_pad_add_probe (
      guest->tee_pad.get (), GST_PAD_PROBE_TYPE_IDLE,
      [] (GstPad *pad, GstPadProbeInfo *, gpointer) {
        auto peer = adopt (gst_pad_get_peer (pad));
        gst_pad_unlink (pad, peer.get ());
        unlinked = true;
        return GST_PAD_PROBE_REMOVE;
      },
      nullptr, nullptr);
  const auto give_up = std::chrono::steady_clock::now () + kDeadline;
  while (!unlinked && std::chrono::steady_clock::now () < give_up)
    g_usleep (1000);
  fail_unless (unlinked);
  auto tee = adopt (gst_bin_get_by_name (GST_BIN (pipeline), "tee"));
  gst_element_release_request_pad (tee.get (), guest->tee_pad.get ());
  for (GstElement *element : {guest->queue.get (), guest->bin.get ()}) {
    gst_element_set_locked_state (element, TRUE);
    fail_unless (gst_element_set_state (element, GST_STATE_NULL) ==
                 GST_STATE_CHANGE_SUCCESS);
    fail_unless (gst_bin_remove (GST_BIN (pipeline), element));
  }
}

} // namespace

GST_START_TEST (test_it_comes_and_goes_while_the_pipeline_plays)
{
  auto pipeline = make_pipeline ();
  gst_element_set_state (pipeline.get (), GST_STATE_PLAYING);
  fail_unless (wait_recorded (10));
  for (int round = 0; round < 3; round++) {
    Guest guest = add_bin (pipeline.get ());
    TestViewer viewer (guest.link, "ann", "p1");
    fail_unless (viewer.join ());
    fail_unless (viewer.wait_frames (10));
    fail_unless (viewer.first_was_key ());
    remove_bin (pipeline.get (), &guest);
    fail_unless (guest.link->peer ("p1").leave == "robot-offline");
    fail_unless_equals_int (1, guest.link->starts);
    fail_unless_equals_int (1, guest.link->stops);
    // Nothing of it holds up the others, or keeps it.
    fail_unless (wait_recorded (10));
    auto bus = adopt (gst_element_get_bus (pipeline.get ()));
    while (GstMessage *message = gst_bus_pop (bus.get ()))
      gst_message_unref (message); // which name it as their source
    fail_unless_equals_int (1, G_OBJECT (guest.bin.get ())->ref_count);
  }
  gst_element_set_state (pipeline.get (), GST_STATE_NULL);
  flush_bus (pipeline.get ());
}
GST_END_TEST

// A pad that is asked for while it plays: sound comes for those who join then.
GST_START_TEST (test_a_pad_comes_and_goes_while_it_plays)
{
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.audio = true;
  {
    TestViewer silent (robot.link, "ann", "p1", options);
    fail_unless (silent.join ());
    fail_unless_equals_int (0, silent.sounds ());
  }
  g_autoptr (GError) error = nullptr;
  GstElement *tone = gst_parse_bin_from_description (
      "audiotestsrc is-live=true ! audioconvert ! opusenc", TRUE, &error);
  g_assert_no_error (error);
  gst_bin_add (GST_BIN (robot.pipeline), tone);
  fail_unless (gst_element_link_pads (tone, "src", robot.bin, "audio_0"));
  fail_unless (gst_element_sync_state_with_parent (tone));
  TestViewer heard (robot.link, "bob", "p2", options);
  fail_unless (heard.join ());
  fail_unless (robot.wait ([&] () {
    heard.give_candidates ();
    return heard.sounds () > 10;
  }));
  // It goes, and who got it has to come again.
  gst_element_set_locked_state (tone, TRUE);
  gst_element_set_state (tone, GST_STATE_NULL);
  auto pad = adopt (gst_element_get_static_pad (robot.bin, "audio_0"));
  gst_element_release_request_pad (robot.bin, pad.get ());
  fail_unless (robot.wait_removed ("p2", "codec-changed", &heard));
  gst_bin_remove (GST_BIN (robot.pipeline), tone);
  TestViewer again (robot.link, "bob", "p3", options);
  fail_unless (again.join ());
}
GST_END_TEST

GST_START_TEST (test_two_of_them_know_nothing_of_each_other)
{
  Robot one ("VP8", "session-policy=open");
  TestViewer of_one (one.link, "ann", "p1");
  {
    Robot two ("H264", "session-policy=open max-viewers=1");
    // The same peer id is another peer there.
    TestViewer of_two (two.link, "bob", "p1", {"H264"});
    fail_unless (of_one.join ());
    fail_unless (of_two.join ());
    fail_unless (of_one.wait_frames (10));
    fail_unless (of_two.wait_frames (10));
    fail_unless_equals_int (1, one.viewer_count ());
    fail_unless_equals_int (1, two.viewer_count ());
    gboolean ended = FALSE;
    g_signal_emit_by_name (two.bin, "end-viewer", "p1", &ended);
    fail_unless (ended);
    fail_unless_equals_int (1, one.viewer_count ());
  }
  fail_unless (of_one.wait_frames (10));
}
GST_END_TEST

static Suite *
signalingbinembed_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinembed");
  TCase *tc = tcase_create ("embedding");
  tcase_set_timeout (tc, 90);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_it_comes_and_goes_while_the_pipeline_plays);
  tcase_add_test (tc, test_a_pad_comes_and_goes_while_it_plays);
  tcase_add_test (tc, test_two_of_them_know_nothing_of_each_other);
  return s;
}

GST_CHECK_MAIN (signalingbinembed)
