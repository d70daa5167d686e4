// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The private elements of a viewer's branch: what becomes of packets that they
// hold or hold up when a flush, an end, an event or another state comes.
#include "media/branchelements.hpp"
#include <atomic>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <mutex>
#include <string>
#include <thread>

using namespace robotlive;

namespace {

const char kCaps[] = "application/x-rtp, media=video";

GstElement *
owned (GstElement *floating)
{
  return GST_ELEMENT (gst_object_ref_sink (floating));
}

// An element between two pads, and what has come out of it: "3" for a list of
// three packets, "1" for one, events by name, with a blank behind each.
struct Fixture
{
  std::shared_ptr<PacketPath> path = std::make_shared<PacketPath> ();
  GstElement *element;
  GstHarness *harness;
  std::mutex mutex;
  std::string out;
  std::uint16_t number = 100;

  Fixture ()
      : element (owned (make_pace (path))),
        harness (gst_harness_new_with_element (element, "sink", "src"))
  {
    gst_harness_set_src_caps_str (harness, kCaps);
    GstPad *src = gst_element_get_static_pad (element, "src");
    gst_pad_add_probe (
        src,
        static_cast<GstPadProbeType> (GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM |
                                      GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
          static_cast<Fixture *> (data)->see (info);
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_object_unref (src);
  }
  ~Fixture ()
  {
    gst_harness_teardown (harness);
    gst_object_unref (element);
  }

  void see (GstPadProbeInfo *info)
  {
    std::lock_guard<std::mutex> lock (mutex);
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST)
      out += std::to_string (
          gst_buffer_list_length (GST_PAD_PROBE_INFO_BUFFER_LIST (info)));
    else if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
      out += "1";
    else
      out += GST_EVENT_TYPE_NAME (GST_PAD_PROBE_INFO_EVENT (info));
    out += " ";
  }
  void expect (const char *wanted)
  {
    std::lock_guard<std::mutex> lock (mutex);
    fail_unless_equals_string (wanted, out.c_str ());
    out.clear ();
  }
  // A packet of the picture at *time*, of 1000 bytes.
  GstBuffer *packet (guint64 time, bool last)
  {
    GstBuffer *made = gst_buffer_new_allocate (nullptr, 1000, nullptr);
    gst_buffer_memset (made, 0, 0, 1000);
    const guint8 head[4] = {0x80, static_cast<guint8> (last ? 0xe0 : 0x60),
        static_cast<guint8> (number >> 8), static_cast<guint8> (number)};
    number++;
    gst_buffer_fill (made, 0, head, sizeof head);
    GST_BUFFER_PTS (made) = time * GST_SECOND;
    return made;
  }
  GstFlowReturn push (guint64 time, bool last = false)
  {
    return gst_harness_push (harness, packet (time, last));
  }
  GstFlowReturn push_list (guint64 time, guint count, bool last)
  {
    GstBufferList *list = gst_buffer_list_new ();
    for (guint i = 1; i <= count; i++)
      gst_buffer_list_add (list, packet (time, last && i == count));
    return gst_pad_push_list (harness->srcpad, list);
  }
  void begin (bool key_frame, gsize size = 1000)
  {
    GstBuffer *picture = gst_buffer_new_allocate (nullptr, size, nullptr);
    if (!key_frame)
      GST_BUFFER_FLAG_SET (picture, GST_BUFFER_FLAG_DELTA_UNIT);
    path->begin (picture);
    gst_buffer_unref (picture);
  }
};

} // namespace

GST_START_TEST (test_a_picture_leaves_in_one_list)
{
  Fixture f;
  f.push (1);
  f.push (1);
  f.expect ("");
  f.push (1, true);
  f.expect ("3 ");
  f.push (2, true);
  f.expect ("1 ");
  f.push_list (3, 4, true);
  f.expect ("4 ");
  f.push (4);
  f.push_list (4, 2, false);
  f.push_list (4, 3, true);
  f.expect ("6 ");
  // The last packet of one was not marked.
  f.push_list (5, 2, false);
  f.push (6);
  f.expect ("2 ");
  f.push (6, true);
  f.expect ("2 ");
}
GST_END_TEST

// What is held leaves before what is in order with it.
GST_START_TEST (test_events_do_not_overtake)
{
  Fixture f;
  f.push (1);
  f.expect ("");
  gst_harness_push_event (
      f.harness, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                     gst_structure_new_empty ("any")));
  f.expect ("1 custom-downstream ");
  f.push (1);
  gst_harness_push_event (
      f.harness, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
                     gst_structure_new_empty ("any")));
  f.expect ("custom-downstream-oob ");
  gst_harness_set_src_caps_str (f.harness, "application/x-rtp, media=audio");
  f.expect ("1 caps segment ");
  f.push (2);
  f.push (2);
  gst_harness_push_event (f.harness, gst_event_new_eos ());
  f.expect ("2 eos ");
}
GST_END_TEST

GST_START_TEST (test_a_flush_forgets)
{
  for (const bool reset_time : {false, true}) {
    Fixture f;
    f.push (1);
    f.push (1);
    f.expect ("");
    gst_harness_push_event (f.harness, gst_event_new_flush_start ());
    gst_harness_push_event (f.harness, gst_event_new_flush_stop (reset_time));
    f.expect ("flush-start flush-stop ");
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
    f.expect ("segment ");
    f.push (2, true);
    f.expect ("1 ");
  }
}
GST_END_TEST

// The path has turned narrow, or wide, in the middle of a picture.
GST_START_TEST (test_packets_stay_in_order_when_the_path_changes)
{
  Fixture f;
  f.begin (false);
  f.push (1);
  f.push (1);
  f.expect ("");
  f.path->pacer.set_path (8000000, true);
  f.begin (false);
  f.push (2);
  f.expect ("2 1 ");
  f.push (2, true);
  f.expect ("1 ");
  f.push_list (2, 3, true);
  f.expect ("1 1 1 ");
  f.path->pacer.set_path (8000000, false);
  f.begin (false);
  f.push (3);
  f.expect ("");
  f.push (3, true);
  f.expect ("2 ");
  // In the middle of one and the same.
  f.begin (false);
  f.push (4);
  f.path->pacer.set_path (8000000, true);
  f.begin (false);
  f.push_list (4, 2, true);
  f.expect ("1 1 1 ");
}
GST_END_TEST

// A picture of which a part was held when the viewer was paused.
GST_START_TEST (test_what_is_forgotten_does_not_leave)
{
  Fixture f;
  f.push (1);
  f.path->forget ();
  f.push (2, true);
  f.expect ("1 ");
  f.push (3);
  f.path->forget ();
  gst_harness_push_event (f.harness, gst_event_new_eos ());
  f.expect ("eos ");
}
GST_END_TEST

// Whoever waits for a turn waits no longer, and the packet does not leave.
GST_START_TEST (test_a_wait_is_over)
{
  enum Way
  {
    Flush,
    State,
    End,
    Ways
  };
  for (int way = 0; way < Ways; way++) {
    Fixture f;
    f.path->pacer.set_path (1, true, true);
    f.begin (true, 1000000); // each waits for the one before
    std::atomic<bool> begun{false};
    GstFlowReturn flow = GST_FLOW_OK;
    std::thread streaming ([&] () {
      for (int i = 0; flow == GST_FLOW_OK && (i < 1000 || way != End); i++) {
        flow = f.push (1);
        begun = true;
      }
    });
    while (!begun)
      g_usleep (1000);
    if (way == Flush)
      gst_harness_push_event (f.harness, gst_event_new_flush_start ());
    else if (way == State)
      fail_unless (gst_element_set_state (f.element, GST_STATE_READY) ==
                   GST_STATE_CHANGE_SUCCESS);
    else
      f.path->end_at (0);
    const auto left = [&f] () {
      std::lock_guard<std::mutex> lock (f.mutex);
      return f.out.size () / 2;
    };
    const auto before = left ();
    streaming.join ();
    fail_unless_equals_int (way == End ? GST_FLOW_OK : GST_FLOW_FLUSHING, flow);
    // One was through at that moment, at most.
    fail_unless (left () <= before + 1);
  }
}
GST_END_TEST

GST_START_TEST (test_it_goes_on_after_a_stop)
{
  Fixture f;
  f.push (1);
  gst_element_set_state (f.element, GST_STATE_READY);
  f.expect ("");
  gst_element_set_state (f.element, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (f.harness, kCaps);
  f.out.clear ();
  f.push (2, true);
  f.expect ("1 ");
}
GST_END_TEST

// Nothing before a new beginning is sent again.
GST_START_TEST (test_a_new_beginning)
{
  Fixture f;
  f.path->resends.set_path (100000000, 1000);
  f.begin (true);
  f.push (1, true); // 100
  fail_unless (f.path->resends.allow (100, 1000000));
  f.path->begin_anew ();
  f.begin (false);
  f.push (2, true); // 101
  fail_unless (f.path->resends.allow (101, 2000000));
  f.begin (true);
  f.push (3); // 102
  f.push (3, true);
  fail_if (f.path->resends.allow (101, 3000000));
  fail_unless (f.path->resends.allow (102, 3000000));
}
GST_END_TEST

GST_START_TEST (test_pictures_that_are_left_out)
{
  const auto thinner = std::make_shared<Thinner> ();
  GstElement *element = owned (make_thin (thinner));
  GstHarness *harness = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_src_caps_str (harness, "video/x-vp8");
  const auto push = [&] (bool delta) {
    GstBuffer *buffer = gst_harness_create_buffer (harness, 100);
    if (delta)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    fail_unless_equals_int (GST_FLOW_OK, gst_harness_push (harness, buffer));
    return gst_harness_buffers_in_queue (harness);
  };
  fail_unless_equals_int (1, push (false));
  fail_unless_equals_int (2, push (true));
  thinner->hold ();
  fail_unless_equals_int (2, push (false));
  thinner->release ();
  fail_unless_equals_int (2, push (true));
  fail_unless_equals_int (3, push (false));
  fail_unless_equals_int (2, thinner->thinned ());
  // All else goes through, both ways.
  gst_harness_push_event (harness, gst_event_new_eos ());
  const guint events = gst_harness_events_received (harness);
  fail_unless_equals_int (4, events);
  gst_harness_push_upstream_event (harness, gst_event_new_reconfigure ());
  fail_unless (gst_harness_upstream_events_received (harness) > 0);
  gst_harness_teardown (harness);
  gst_object_unref (element);
}
GST_END_TEST

static Suite *
branchelements_suite (void)
{
  Suite *s = suite_create ("branchelements");
  TCase *tc = tcase_create ("elements");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_a_picture_leaves_in_one_list);
  tcase_add_test (tc, test_events_do_not_overtake);
  tcase_add_test (tc, test_a_flush_forgets);
  tcase_add_test (tc, test_packets_stay_in_order_when_the_path_changes);
  tcase_add_test (tc, test_what_is_forgotten_does_not_leave);
  tcase_add_test (tc, test_a_wait_is_over);
  tcase_add_test (tc, test_it_goes_on_after_a_stop);
  tcase_add_test (tc, test_a_new_beginning);
  tcase_add_test (tc, test_pictures_that_are_left_out);
  return s;
}

GST_CHECK_MAIN (branchelements)
