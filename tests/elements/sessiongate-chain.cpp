// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Gates in a row with queues between them: what waits in front of the second
// when the first one shuts does not pass any more.
#include "gatetest.hpp"
#include "handover.hpp"
#include "robotlive.h"
#include <gst/video/video.h>

using robotlive::test::handed;
using robotlive::test::taken;

constexpr gint64 kFar = 1000 * kSecond;

// first ! queue ! middle ! queue ! last gate, all by the clocks of one Fixture,
// and a block behind the last one, so that the queues fill up.
struct Row
{
  Fixture f; // its gate is the first one
  GstElement *queues[2], *middle, *last_gate, *bin;
  std::atomic<guint> arrived{0};
  gulong block = 0;
  GstPad *end;

  explicit Row (const gchar *queue_settings = "")
  {
    GError *error = nullptr;
    for (GstElement *&queue : queues) {
      queue = gst_parse_launch (
          (std::string ("queue ") + queue_settings).c_str (), &error);
      fail_if (error);
      mark (queue, "sink", handed);
      mark (queue, "src", taken);
    }
    middle = new_gate ();
    last_gate = new_gate ();
    const GstSessionGateClocks clocks = f.clocks.functions ();
    for (GstElement *gate : {middle, last_gate}) {
      gst_session_gate_set_clocks (GST_SESSION_GATE (gate), &clocks);
      g_object_set (
          gate, "expires-at", wall_ms (kWall + kFar).c_str (), nullptr);
    }
    f.set ("expires-at", wall_ms (kWall + 10 * kSecond));
    bin = GST_ELEMENT (gst_object_ref_sink (gst_bin_new (nullptr)));
    gst_bin_add_many (GST_BIN (bin), f.element, queues[0], middle, queues[1],
        last_gate, nullptr);
    fail_unless (gst_element_link_many (
        f.element, queues[0], middle, queues[1], last_gate, nullptr));
    GstPad *in = gst_element_get_static_pad (f.element, "sink");
    mark (last_gate, "src", handed);
    GstPad *out = gst_element_get_static_pad (last_gate, "src");
    gst_element_add_pad (bin, gst_ghost_pad_new ("sink", in));
    gst_element_add_pad (bin, gst_ghost_pad_new ("src", out));
    gst_object_unref (in);
    end = out;
    f.harness = gst_harness_new_with_element (bin, "sink", "src");
    gst_harness_set_src_caps_str (f.harness, "video/x-h264");
  }
  ~Row ()
  {
    gst_harness_teardown (f.harness);
    f.harness = nullptr;
    gst_element_set_state (bin, GST_STATE_NULL);
    gst_object_unref (end);
    gst_object_unref (middle);
    gst_object_unref (last_gate);
    gst_object_unref (bin);
  }
  void stop_the_end ()
  {
    arrived = 0;
    block = gst_pad_add_probe (
        end,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
        [] (GstPad *, GstPadProbeInfo *, gpointer data) {
          ++*static_cast<std::atomic<guint> *> (data);
          return GST_PAD_PROBE_OK;
        },
        &arrived, nullptr);
  }
  void free_the_end () { gst_pad_remove_probe (end, block); }
  // What passes this pad has changed threads, or is going to: see handover.hpp.
  static void mark (GstElement *element, const gchar *name, void (*how) ())
  {
    GstPad *pad = gst_element_get_static_pad (element, name);
    gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [] (GstPad *, GstPadProbeInfo *, gpointer function) {
          reinterpret_cast<void (*) ()> (function) ();
          return GST_PAD_PROBE_OK;
        },
        reinterpret_cast<gpointer> (how), nullptr);
    gst_object_unref (pad);
  }
  static guint64 number (GstElement *gate, const gchar *property)
  {
    guint64 value = 0;
    g_object_get (gate, property, &value, nullptr);
    return value;
  }
  static bool left_over (GstElement *gate)
  {
    GateData &data = *GST_SESSION_GATE (gate)->data;
    const Guard guard (data.lock);
    return data.chain.left_over ();
  }
  template <typename F> static void until (F &&condition)
  {
    while (!condition ()) // the test's time-out ends it
      g_usleep (1000);
  }
  GstBuffer *pull ()
  {
    GstBuffer *buffer = gst_harness_pull (f.harness);
    fail_unless (buffer != nullptr);
    taken ();
    return buffer;
  }
  // *count* buffers, of which the first stops at the end and the others wait.
  void fill (guint count)
  {
    stop_the_end ();
    for (guint i = 0; i < count; ++i)
      fail_unless_equals_int (f.push (i > 0), GST_FLOW_OK);
    until ([this] { return arrived == 1; });
  }
};

GST_START_TEST (test_what_waits_is_dropped)
{
  // By the clock with no buffer to see it, by revocation, and by a buffer.
  for (const gchar *how : {"timer", "revoked", "buffer"}) {
    Row row;
    row.fill (5);
    if (g_strcmp0 (how, "revoked")) {
      row.f.clocks.advance (10 * kSecond);
      gst_session_gate_wake (row.f.gate);
    } else {
      gst_session_gate_revoke (row.f.gate, "test");
    }
    if (!g_strcmp0 (how, "buffer"))
      fail_unless_equals_int (row.f.push (true), GST_FLOW_OK);
    Row::until ([&row] { return Row::left_over (row.last_gate); });
    fail_unless (Row::left_over (row.middle));
    row.free_the_end ();
    // The one that was handed to the last gate before the end, and no more.
    Row::until ([&row] {
      return Row::number (row.middle, "dropped") +
                 Row::number (row.last_gate, "dropped") ==
             4;
    });
    fail_unless_equals_int (row.f.left (), 1);
    // The others' own sessions go on.
    gint state = -1;
    g_object_get (row.last_gate, "state", &state, nullptr);
    fail_unless_equals_int (state, GST_SESSION_GATE_STATE_OPEN);

    // A new session passes them all again, from its key unit on.
    row.f.set ("expires-at", wall_ms (row.f.clocks.wall + 10 * kSecond));
    fail_unless_equals_int (row.f.push (true), GST_FLOW_OK);
    fail_unless_equals_int (row.f.push (false), GST_FLOW_OK);
    fail_unless_equals_int (row.f.push (true), GST_FLOW_OK);
    GstBuffer *buffer = row.pull ();
    fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
    fail_if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT));
    gst_buffer_unref (buffer);
    buffer = row.pull ();
    fail_if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
    gst_buffer_unref (buffer);
    fail_if (Row::left_over (row.middle));
    fail_if (Row::left_over (row.last_gate));
  }
}
GST_END_TEST;

// Over and begun again while the queues stand still: the old ones are dropped,
// the new ones are not, also where a leaky queue has lost the beginning.
GST_START_TEST (test_a_new_epoch_behind_an_old_one)
{
  for (const gchar *settings : {"", "leaky=downstream max-size-buffers=3"}) {
    Row row (settings);
    row.fill (3);
    gst_session_gate_revoke (row.f.gate, "test");
    Row::until ([&row] { return Row::left_over (row.last_gate); });
    row.f.set ("expires-at", wall_ms (row.f.clocks.wall + 20 * kSecond));
    GstBuffer *buffer = nullptr;
    for (int i = 0; i < 20; ++i)
      fail_unless_equals_int (row.f.push (false, 100 + i), GST_FLOW_OK);
    row.free_the_end ();
    // The one that stood at the end; then new ones.
    buffer = row.pull ();
    fail_unless (GST_BUFFER_PTS (buffer) < 100);
    gst_buffer_unref (buffer);
    do {
      buffer = row.pull ();
      fail_unless (GST_BUFFER_PTS (buffer) >= 100);
      const bool last = GST_BUFFER_PTS (buffer) == 119;
      gst_buffer_unref (buffer);
      if (last)
        break;
    } while (true);
    fail_if (Row::left_over (row.last_gate));
  }
}
GST_END_TEST;

// EOS by on-expiry comes at once, not behind what waits.
GST_START_TEST (test_eos_does_not_bring_what_waits)
{
  Row row;
  g_object_set (
      row.f.element, "on-expiry", GST_SESSION_GATE_ON_EXPIRY_EOS, nullptr);
  row.fill (5);
  row.f.clocks.advance (10 * kSecond);
  gst_session_gate_wake (row.f.gate);
  Row::until ([&row] { return Row::left_over (row.last_gate); });
  row.free_the_end ();
  bool eos = false;
  while (!eos) {
    GstEvent *event = gst_harness_pull_event (row.f.harness);
    fail_unless (event != nullptr);
    eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
    gst_event_unref (event);
  }
  fail_unless_equals_int (row.f.left (), 1);
}
GST_END_TEST;

// A gate forgets what it was told when another stream comes, not on a flush,
// and is not taken in by what is no epoch.
GST_START_TEST (test_forgets_with_the_stream)
{
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + kFar));
  f.start ();
  const auto over = [&f] (GstStructure *structure) {
    gst_harness_push_event (f.harness,
        gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB, structure));
    f.push ();
    return f.left () == 0;
  };
  fail_if (over (gst_structure_new_empty (ROBOTLIVE_EVENT_EPOCH)));
  fail_if (over (gst_structure_new (
      ROBOTLIVE_EVENT_EPOCH, "epoch", G_TYPE_STRING, "1", nullptr)));
  fail_if (over (gst_structure_new (
      "other", "epoch", G_TYPE_UINT64, guint64 (1), nullptr)));
  const auto epoch = [] (guint64 number) {
    return gst_structure_new (
        ROBOTLIVE_EVENT_EPOCH, "epoch", G_TYPE_UINT64, number, nullptr);
  };
  fail_unless (over (epoch (5)));
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (FALSE));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
  f.push ();
  fail_unless_equals_int (f.left (), 0); // a flush is no new session
  gst_harness_push_event (f.harness, gst_event_new_stream_start ("other"));
  f.push ();
  fail_unless_equals_int (f.left (), 1);
  fail_if (over (epoch (4))); // an old one
  fail_unless (over (epoch (5)));
}
GST_END_TEST;

static Suite *
sessiongate_chain_suite (void)
{
  Suite *suite = suite_create ("sessiongate-chain");
  TCase *chain = tcase_create ("chain");
  suite_add_tcase (suite, chain);
  tcase_add_test (chain, test_what_waits_is_dropped);
  tcase_add_test (chain, test_a_new_epoch_behind_an_old_one);
  tcase_add_test (chain, test_eos_does_not_bring_what_waits);
  tcase_add_test (chain, test_forgets_with_the_stream);
  return suite;
}

GST_CHECK_MAIN (sessiongate_chain);
