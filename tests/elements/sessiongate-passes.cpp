// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What passes a gate in each of its states, and what does not; and settings
// that change while it runs.
#include "gatetest.hpp"
#include <gst/video/video.h>
#include <set>
#include <thread>

constexpr gint kStates[] = {GST_SESSION_GATE_STATE_CLOSED,
    GST_SESSION_GATE_STATE_PENDING, GST_SESSION_GATE_STATE_OPEN,
    GST_SESSION_GATE_STATE_EXPIRED, GST_SESSION_GATE_STATE_REVOKED};
constexpr gchar kSmall[] = "video/x-raw,format=I420,width=4,height=4";
constexpr gchar kLarge[] = "video/x-raw,format=I420,width=8,height=8";

// A started gate that is in *state*, without news under way.
static void
bring_to (Fixture &f, gint state)
{
  if (state == GST_SESSION_GATE_STATE_PENDING)
    f.set ("not-before", wall_ms (kWall + 10 * kSecond));
  if (state != GST_SESSION_GATE_STATE_CLOSED)
    f.set ("expires-at", wall_ms (kWall + 20 * kSecond));
  f.start (kSmall);
  if (state == GST_SESSION_GATE_STATE_EXPIRED)
    f.clocks.advance (20 * kSecond);
  if (state == GST_SESSION_GATE_STATE_REVOKED)
    gst_session_gate_revoke (f.gate, "test");
  if (state == GST_SESSION_GATE_STATE_OPEN)
    f.push ();
  fail_unless_equals_int (f.state (), state);
  while (f.left ())
    ;
}

struct Seen
{
  std::atomic<guint> events[256] = {};
  std::atomic<guint> queries{0};
};

// By the number of the type, which fits for all that are used here.
static GstPadProbeReturn
see (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  Seen &seen = *static_cast<Seen *> (data);
  if (GST_PAD_PROBE_INFO_TYPE (info) &
      (GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_QUERY_UPSTREAM))
    ++seen.queries;
  else
    ++seen.events[(GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) >>
                      GST_EVENT_NUM_SHIFT) %
                  256];
  return GST_PAD_PROBE_OK;
}

static guint
events (const Seen &seen, GstEventType type)
{
  return seen.events[(type >> GST_EVENT_NUM_SHIFT) % 256];
}

static GstEvent *
custom (GstEventType type)
{
  return gst_event_new_custom (type, gst_structure_new_empty ("x"));
}

GST_START_TEST (test_downstream_events_in_each_state)
{
  for (gint state : kStates) {
    Fixture f;
    bring_to (f, state);
    const guint open = state == GST_SESSION_GATE_STATE_OPEN;
    Seen seen;
    gst_pad_add_probe (f.harness->sinkpad,
        static_cast<GstPadProbeType> (GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                      GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        see, &seen, nullptr);
    GstCaps *caps = gst_caps_from_string (kLarge);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = kSecond;
    const struct
    {
      GstEvent *event;
      guint passes;
    } steps[] = {
        {gst_event_new_stream_start ("other"), 1},
        {gst_event_new_caps (caps), 1},
        {gst_event_new_segment (&segment), 1},
        {gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "x", nullptr)), 1},
        {custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY), 1},
        {custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB), 1},
        {custom (GST_EVENT_CUSTOM_DOWNSTREAM), open},
        {gst_event_new_gap (0, kSecond), open},
        {gst_event_new_flush_start (), 1},
        {gst_event_new_flush_stop (TRUE), 1},
        // A flush forgets the segment: it comes again, as from a source.
        {gst_event_new_segment (&segment), 1},
    };
    for (const auto &[event, passes] : steps) {
      const GstEventType type = GST_EVENT_TYPE (event);
      const guint before = events (seen, type);
      fail_unless (gst_harness_push_event (f.harness, event), "%s in %d",
          gst_event_type_get_name (type), state);
      fail_unless (events (seen, type) == before + passes, "%s in %d",
          gst_event_type_get_name (type), state);
    }
    // The caps of now; what was pushed in between waits for nothing.
    GstCaps *current = gst_pad_get_current_caps (f.harness->sinkpad);
    fail_unless (gst_caps_is_equal (current, caps));
    gst_caps_unref (current);
    gst_caps_unref (caps);
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
    fail_unless_equals_int (f.left (), open);
    fail_unless (gst_harness_push_event (f.harness, gst_event_new_eos ()));
    fail_unless_equals_int (events (seen, GST_EVENT_EOS), 1);
    fail_unless_equals_int (f.push (), GST_FLOW_EOS);
  }
}
GST_END_TEST;

GST_START_TEST (test_upstream_events_in_each_state)
{
  for (gint state : kStates) {
    Fixture f;
    bring_to (f, state);
    Seen seen;
    gst_pad_add_probe (f.harness->srcpad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        see, &seen, nullptr);
    for (GstEvent *event : {gst_video_event_new_upstream_force_key_unit (
                                GST_CLOCK_TIME_NONE, TRUE, 0),
             gst_event_new_reconfigure (), gst_event_new_latency (kSecond),
             gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.0, 0, 0),
             gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                 GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0),
             custom (GST_EVENT_CUSTOM_UPSTREAM),
             custom (GST_EVENT_CUSTOM_BOTH)}) {
      const GstEventType type = GST_EVENT_TYPE (event);
      const guint before = events (seen, type);
      gst_harness_push_upstream_event (f.harness, event);
      fail_unless (events (seen, type) == before + 1, "%s in %d",
          gst_event_type_get_name (type), state);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_queries_in_each_state)
{
  for (gint state : kStates) {
    Fixture f;
    bring_to (f, state);
    const bool open = state == GST_SESSION_GATE_STATE_OPEN;
    GstPad *source = f.harness->srcpad, *sink = f.harness->sinkpad;
    gst_harness_add_propose_allocation_meta (
        f.harness, GST_VIDEO_META_API_TYPE, nullptr);
    gst_harness_set_upstream_latency (f.harness, 7 * kSecond);

    GstCaps *caps = gst_caps_from_string (kSmall);
    GstQuery *query = gst_query_new_allocation (caps, TRUE);
    fail_unless (gst_pad_peer_query (source, query));
    fail_unless (gst_query_find_allocation_meta (
        query, GST_VIDEO_META_API_TYPE, nullptr));
    gst_query_unref (query);
    fail_unless (gst_pad_peer_query_accept_caps (source, caps));
    gst_caps_unref (caps);
    GstCaps *possible = gst_pad_peer_query_caps (source, nullptr);
    fail_unless (gst_caps_is_any (possible));
    gst_caps_unref (possible);
    fail_unless_equals_uint64 (
        gst_harness_query_latency (f.harness), 7 * kSecond);

    // They reach the other side, which need not answer.
    Seen down, up;
    gst_pad_add_probe (sink,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH),
        see, &down, nullptr);
    gst_pad_add_probe (source,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_QUERY_UPSTREAM | GST_PAD_PROBE_TYPE_PUSH),
        see, &up, nullptr);
    const auto reaches = [] (GstPad *pad, Seen &seen, GstQuery *asked) {
      const guint before = seen.queries;
      gst_pad_peer_query (pad, asked);
      gst_query_unref (asked);
      return seen.queries > before;
    };
    fail_unless (reaches (source, down, gst_query_new_drain ()));
    fail_unless (reaches (source, down, gst_query_new_context ("x")));
    fail_unless (reaches (sink, up, gst_query_new_position (GST_FORMAT_TIME)));
    fail_unless (reaches (sink, up, gst_query_new_duration (GST_FORMAT_TIME)));
    fail_unless (reaches (sink, up, gst_query_new_seeking (GST_FORMAT_TIME)));
    fail_unless (reaches (sink, up, gst_query_new_latency ()));
    fail_unless (reaches (sink, up, gst_query_new_context ("x")));
    // Behind another serialized query there may be media.
    const auto serialized = static_cast<GstQueryType> (GST_QUERY_MAKE_TYPE (
        250, GST_QUERY_TYPE_DOWNSTREAM | GST_QUERY_TYPE_SERIALIZED));
    fail_unless (reaches (source, down,
                     gst_query_new_custom (
                         serialized, gst_structure_new_empty ("x"))) == open);
  }
}
GST_END_TEST;

GST_START_TEST (test_buffers_and_lists_in_each_state)
{
  for (gint state : kStates) {
    Fixture f;
    bring_to (f, state);
    const guint open = state == GST_SESSION_GATE_STATE_OPEN;
    const guint64 passed = f.number ("passed");
    const guint64 dropped = f.number ("dropped");
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
    fail_unless_equals_int (f.left (), open);
    GstBufferList *list = gst_buffer_list_new ();
    for (int i = 0; i < 3; ++i)
      gst_buffer_list_add (list, gst_harness_create_buffer (f.harness, 4));
    fail_unless_equals_int (
        gst_pad_push_list (f.harness->srcpad, list), GST_FLOW_OK);
    fail_unless_equals_int (f.left (), 3 * open);
    fail_unless_equals_uint64 (f.number ("passed"), passed + 4 * open);
    fail_unless_equals_uint64 (f.number ("dropped"), dropped + 4 * !open);
  }
}
GST_END_TEST;

// Also when somebody else holds the buffer and the first one must be marked:
// then it is another buffer with the same metas and the same memory.
GST_START_TEST (test_metas_and_memory)
{
  Fixture f;
  f.start (kSmall);
  GstCaps *reference = gst_caps_from_string ("timestamp/x-test");
  for (bool reopened : {true, false}) {
    if (reopened)
      gst_session_gate_set_session (
          f.gate, 0, f.clocks.boot + 10 * kSecond, "42");
    GstBuffer *in = gst_harness_create_buffer (f.harness, 24);
    gst_buffer_add_video_meta (
        in, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 4, 4);
    gst_buffer_add_reference_timestamp_meta (in, reference, 42, 1);
    GST_BUFFER_PTS (in) = 5;
    GST_BUFFER_DTS (in) = 4;
    GST_BUFFER_DURATION (in) = 3;
    GST_BUFFER_OFFSET (in) = 2;
    GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_MARKER);
    gst_buffer_ref (in);
    GstBuffer *out = gst_harness_push_and_pull (f.harness, in);
    fail_unless (out != nullptr);
    fail_unless ((out == in) == !reopened);
    fail_unless_equals_int (
        GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_DISCONT), reopened);
    fail_if (GST_BUFFER_FLAG_IS_SET (in, GST_BUFFER_FLAG_DISCONT));
    fail_unless (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_MARKER));
    fail_unless (
        gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (in, 0));
    const GstVideoMeta *video = gst_buffer_get_video_meta (out);
    fail_unless (video && video->width == 4);
    const GstReferenceTimestampMeta *time =
        gst_buffer_get_reference_timestamp_meta (out, reference);
    fail_unless (time && time->timestamp == 42);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (out), 5);
    fail_unless_equals_uint64 (GST_BUFFER_DTS (out), 4);
    fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), 3);
    fail_unless_equals_uint64 (GST_BUFFER_OFFSET (out), 2);
    gst_buffer_unref (in);
    gst_buffer_unref (out);
  }
  gst_caps_unref (reference);
}
GST_END_TEST;

// Caps that change while buffers flow come between the buffers, and make no
// discontinuity of their own.
GST_START_TEST (test_caps_change_while_open)
{
  Fixture f;
  bring_to (f, GST_SESSION_GATE_STATE_OPEN);
  for (const gchar *text : {kLarge, kSmall, kLarge}) {
    gst_harness_set_src_caps_str (f.harness, text);
    GstBuffer *out = gst_harness_push_and_pull (
        f.harness, gst_harness_create_buffer (f.harness, 10));
    fail_if (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_DISCONT));
    gst_buffer_unref (out);
    GstCaps *expected = gst_caps_from_string (text);
    GstCaps *current = gst_pad_get_current_caps (f.harness->sinkpad);
    fail_unless (gst_caps_is_equal (current, expected));
    gst_caps_unref (current);
    gst_caps_unref (expected);
  }
}
GST_END_TEST;

// A flush frees a push that is stuck downstream, and changes no session.
GST_START_TEST (test_flush_while_blocked)
{
  Fixture f;
  bring_to (f, GST_SESSION_GATE_STATE_OPEN);
  std::atomic<bool> blocked{false};
  GstPad *src = gst_element_get_static_pad (f.element, "src");
  const gulong probe = gst_pad_add_probe (
      src,
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
      [] (GstPad *, GstPadProbeInfo *, gpointer data) {
        *static_cast<std::atomic<bool> *> (data) = true;
        return GST_PAD_PROBE_OK;
      },
      &blocked, nullptr);
  GstFlowReturn result = GST_FLOW_OK;
  std::thread streaming ([&] { result = f.push (); });
  while (!blocked)
    g_usleep (1000);
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  streaming.join ();
  fail_unless_equals_int (result, GST_FLOW_FLUSHING);
  gst_pad_remove_probe (src, probe);
  gst_object_unref (src);
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 1);
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_OPEN);
}
GST_END_TEST;

// RFC 3339 in its forms, and milliseconds: each to the nanosecond.
GST_START_TEST (test_forms_of_a_time)
{
  const struct
  {
    const gchar *text;
    gint64 after_ms; // 2027-01-15T08:00:00Z
  } forms[] = {
      {"2027-01-15T08:00:10Z", 10000},
      {"2027-01-15T08:00:10.25Z", 10250},
      {"2027-01-15T10:00:10+02:00", 10000},
      {"2027-01-15T00:00:10-08:00", 10000},
      {"2027-01-15T13:30:10.001+05:30", 10001},
      {"1800000010000", 10000},
      {"1800000010001", 10001},
  };
  for (const auto &[text, after_ms] : forms) {
    Fixture f;
    f.set ("expires-at", text);
    f.start ();
    const gint64 end = f.clocks.boot + after_ms * 1000000;
    f.clocks.boot = end - 1;
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
    f.clocks.boot = end;
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
    fail_unless (f.left () == 1, "%s", text);
  }
}
GST_END_TEST;

// Suspended across the end, up to a nanosecond before it, and across the start,
// while the wall clock is set as it pleases: the boot clock counts.
GST_START_TEST (test_suspend_and_steps_around_both_ends)
{
  for (gint64 years : {-30, 0, 30}) {
    Fixture f;
    f.set ("not-before", wall_ms (kWall + 10 * kSecond));
    f.set ("expires-at", wall_ms (kWall + 20 * kSecond));
    f.start ();
    const gint64 begin = f.clocks.boot;
    const struct
    {
      gint64 wakes_up;
      guint passes;
    } sleeps[] = {{10 * kSecond - 1, 0}, {10 * kSecond, 1},
        {20 * kSecond - 1, 1}, {20 * kSecond, 0}, {20 * kSecond + 1, 0},
        {86400 * kSecond, 0}};
    for (const auto &[wakes_up, passes] : sleeps) {
      f.clocks.boot = begin + wakes_up;
      // The battery-backed clock, or what NTP makes of it on waking up.
      f.clocks.wall = kWall + years * 365 * 86400 * kSecond;
      f.push ();
      fail_unless_equals_int (f.left (), passes);
    }
    gst_session_gate_wake (f.gate);
    f.expect ("expired");
  }
}
GST_END_TEST;

// After the end of the stream only a flush lets it begin again, and only where
// there is a session.
GST_START_TEST (test_a_flush_begins_again_after_eos)
{
  Fixture f;
  g_object_set (
      f.element, "on-expiry", GST_SESSION_GATE_ON_EXPIRY_EOS, nullptr);
  f.set ("expires-at", wall_ms (kWall + 10 * kSecond));
  f.start ();
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  f.clocks.advance (10 * kSecond);
  fail_unless_equals_int (f.push (), GST_FLOW_EOS);
  const auto flush = [&f] {
    gst_harness_push_event (f.harness, gst_event_new_flush_start ());
    gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
  };
  flush ();
  fail_unless_equals_int (f.push (), GST_FLOW_EOS);
  f.set ("expires-at", wall_ms (f.clocks.wall + 10 * kSecond));
  fail_unless_equals_int (f.push (), GST_FLOW_EOS);
  fail_unless_equals_int (f.left (), 1);
  flush ();
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 1);
}
GST_END_TEST;

// The fields that its page documents, one by one, in messages of each
// kind.
GST_START_TEST (test_every_message_has_every_field)
{
  gchar *path = g_build_filename (g_getenv ("ROBOTLIVE_SOURCE_DIR"), "docs",
      "elements", "sessiongate.md", nullptr);
  gchar *text = nullptr;
  fail_unless (g_file_get_contents (path, &text, nullptr, nullptr));
  g_free (path);
  std::string section = text;
  g_free (text);
  section.erase (0, section.find ("## The message `robotlive-session`"));
  section.erase (section.find ("\n## ", 1));
  std::set<std::string> documented;
  for (size_t line = 0;
       (line = section.find ("\n| `", line)) != section.npos;) {
    const size_t cell_end = section.find (" | ", line);
    for (size_t at = line; (at = section.find ('`', at)) < cell_end;) {
      const size_t close = section.find ('`', at + 1);
      documented.insert (section.substr (at + 1, close - at - 1));
      at = close + 1;
    }
    line = cell_end;
  }
  fail_unless (documented.size () >= 10);

  Fixture f;
  f.set ("expires-at", wall_ms (kWall + 100 * kSecond));
  f.start ();
  const auto told = [&f, &documented] (const gchar *event) {
    GstStructure *structure = f.wait_for (event);
    std::set<std::string> fields;
    for (gint i = 0; i < gst_structure_n_fields (structure); ++i)
      fields.insert (gst_structure_nth_field_name (structure, i));
    fail_unless (fields == documented, "%s", event);
    gst_structure_free (structure);
  };
  gboolean done = FALSE;
  told ("open");
  g_signal_emit_by_name (f.element, "extend", gint64 (100000), &done);
  told ("changed");
  g_signal_emit_by_name (f.element, "extend", gint64 (-180000), &done);
  told ("expiring");
  f.clocks.advance (20 * kSecond);
  gst_session_gate_wake (f.gate);
  told ("expired");
  f.set ("expires-at", wall_ms (f.clocks.wall + 100 * kSecond));
  told ("open");
  f.set ("expires-at", "");
  told ("closed");
  g_signal_emit_by_name (f.element, "extend", gint64 (1), &done);
  told ("refused");
  g_signal_emit_by_name (f.element, "revoke", "test");
  told ("revoked");
}
GST_END_TEST;

GST_START_TEST (test_settings_while_running)
{
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + 100 * kSecond));
  f.start ();
  f.expect ("open");
  // warning-time: longer than what is left.
  g_object_set (f.element, "warning-time", guint64 (200 * kSecond), nullptr);
  f.expect ("expiring");
  // robot-id: told from the next message on.
  f.set ("robot-id", "robot_pi_007");
  f.clocks.advance (100 * kSecond);
  gst_session_gate_wake (f.gate);
  GstStructure *expired = f.wait_for ("expired");
  fail_unless_equals_string (
      gst_structure_get_string (expired, "robot-id"), "robot_pi_007");
  gst_structure_free (expired);
  // on-expiry: from the next buffer on, also after the end.
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  g_object_set (
      f.element, "on-expiry", GST_SESSION_GATE_ON_EXPIRY_ERROR, nullptr);
  fail_unless_equals_int (f.push (), GST_FLOW_ERROR);
  g_object_set (
      f.element, "on-expiry", GST_SESSION_GATE_ON_EXPIRY_EOS, nullptr);
  fail_unless_equals_int (f.push (), GST_FLOW_EOS);
  fail_unless_equals_int (f.left (), 0);
  // time-source: the server has not told its time, so there is no end to count.
  f.set ("expires-at", wall_ms (f.clocks.wall + 60 * kSecond));
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_OPEN);
  g_object_set (f.element, "time-source", 1, nullptr);
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
}
GST_END_TEST;

static Suite *
sessiongate_passes_suite (void)
{
  Suite *suite = suite_create ("sessiongate-passes");
  TCase *passes = tcase_create ("passes");
  suite_add_tcase (suite, passes);
  tcase_add_test (passes, test_downstream_events_in_each_state);
  tcase_add_test (passes, test_upstream_events_in_each_state);
  tcase_add_test (passes, test_queries_in_each_state);
  tcase_add_test (passes, test_buffers_and_lists_in_each_state);
  tcase_add_test (passes, test_metas_and_memory);
  tcase_add_test (passes, test_caps_change_while_open);
  tcase_add_test (passes, test_flush_while_blocked);
  tcase_add_test (passes, test_forms_of_a_time);
  tcase_add_test (passes, test_suspend_and_steps_around_both_ends);
  tcase_add_test (passes, test_a_flush_begins_again_after_eos);
  tcase_add_test (passes, test_every_message_has_every_field);
  tcase_add_test (passes, test_settings_while_running);
  return suite;
}

GST_CHECK_MAIN (sessiongate_passes);
