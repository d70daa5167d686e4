// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gate's data flow, by a clock that the test moves.
#include "gatetest.hpp"
#include "robotlive.h"
#include <gst/video/video.h>
#include <thread>

constexpr gint kOpen = GST_SESSION_GATE_STATE_OPEN;

GST_START_TEST (test_nothing_granted_is_shut)
{
  Fixture f;
  f.start ();
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  for (int i = 0; i < 5; ++i)
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 0);
  fail_unless_equals_uint64 (f.number ("dropped"), 5);
  fail_unless_equals_uint64 (f.number ("passed"), 0);
  fail_unless_equals_uint64 (f.number ("remaining"), 0);
}
GST_END_TEST;

// Also whatever the timestamps say.
GST_START_TEST (test_end_is_exact)
{
  Fixture f;
  f.set ("not-before", wall_ms (kWall + 2 * kSecond));
  f.set ("expires-at", wall_ms (kWall + 10 * kSecond));
  f.start ();
  const gint64 start = f.clocks.boot + 2 * kSecond;
  const gint64 end = f.clocks.boot + 10 * kSecond;
  const struct
  {
    gint64 now;
    guint passes;
  } steps[] = {
      {start - 1, 0}, {start, 1}, {end - 1, 1}, {end, 0}, {end + 1, 0}};
  for (const auto &step : steps) {
    f.clocks.boot = step.now;
    fail_unless_equals_int (f.push (false, 0), GST_FLOW_OK);
    fail_unless_equals_int (f.push (false, GST_CLOCK_TIME_NONE), GST_FLOW_OK);
    fail_unless_equals_int (f.push (false, 3600 * kSecond), GST_FLOW_OK);
    fail_unless_equals_int (f.left (), 3 * step.passes);
  }
  f.clocks.boot = end - 1;
  fail_unless_equals_uint64 (f.number ("remaining"), 1);
  f.clocks.boot = end;
  fail_unless_equals_uint64 (f.number ("remaining"), 0);
}
GST_END_TEST;

GST_START_TEST (test_wall_clock_steps_change_nothing)
{
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + 10 * kSecond));
  f.start ();
  const gint64 end = f.clocks.boot + 10 * kSecond;
  for (gint64 years : {-30, 30}) {
    f.clocks.wall = kWall + years * 365 * 86400 * kSecond;
    f.clocks.boot = end - 1;
    fail_unless_equals_int (f.state (), kOpen);
    f.push ();
    fail_unless_equals_int (f.left (), 1);
    f.clocks.boot = end;
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_EXPIRED);
    f.push ();
    fail_unless_equals_int (f.left (), 0);
  }
}
GST_END_TEST;

// While suspended CLOCK_BOOTTIME goes on: the machine wakes up after the end.
GST_START_TEST (test_suspend_counts)
{
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + 600 * kSecond));
  f.start ();
  f.push ();
  f.clocks.advance (8 * 3600 * kSecond);
  f.push ();
  fail_unless_equals_int (f.left (), 1);
  gst_session_gate_wake (f.gate);
  f.expect ("expired");
}
GST_END_TEST;

GST_START_TEST (test_server_time)
{
  Fixture f;
  g_object_set (f.element, "time-source", 1, nullptr);
  f.set ("expires-at", "1800000060000");
  f.clocks.wall = 0; // a machine without a battery
  f.start ();
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  f.set ("server-time", "2027-01-15T08:00:00Z"); // 1800000000
  const gint64 end = f.clocks.boot + 60 * kSecond;
  f.clocks.wall = kWall * 2;
  f.clocks.boot = end - 1;
  fail_unless_equals_int (f.state (), kOpen);
  f.clocks.boot = end;
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_EXPIRED);
}
GST_END_TEST;

GST_START_TEST (test_extend_shorten_revoke)
{
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + 10 * kSecond));
  f.start ();
  gst_structure_free (f.wait_for ("open"));
  gboolean done = FALSE;
  f.clocks.advance (10 * kSecond);
  f.push ();
  g_signal_emit_by_name (f.element, "extend", gint64 (5000), &done);
  fail_unless (done);
  fail_unless_equals_int (f.state (), kOpen);
  fail_unless_equals_uint64 (f.number ("remaining"), 5 * kSecond);
  gchar *text = nullptr;
  g_object_get (f.element, "expires-at", &text, nullptr);
  fail_unless_equals_string (text, "2027-01-15T08:00:15Z");
  g_free (text);
  f.push ();
  fail_unless_equals_int (f.left (), 1);
  g_signal_emit_by_name (f.element, "extend", gint64 (-5000), &done);
  fail_unless (done);
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_EXPIRED);
  f.push ();
  fail_unless_equals_int (f.left (), 0);
  g_signal_emit_by_name (f.element, "extend", gint64 (60000), &done);
  f.push ();
  fail_unless_equals_int (f.left (), 1);
  g_signal_emit_by_name (f.element, "revoke", "test");
  f.push ();
  fail_unless_equals_int (f.left (), 0);
  GstStructure *revoked = f.wait_for ("revoked");
  fail_unless_equals_string (
      gst_structure_get_string (revoked, "reason"), "test");
  fail_unless_equals_string (
      gst_structure_get_string (revoked, "source"), "window");
  gst_structure_free (revoked);
  g_signal_emit_by_name (f.element, "extend", gint64 (60000), &done);
  fail_if (done);
  f.expect ("refused");
  // Far ends saturate.
  f.set ("expires-at", wall_ms (kWall + 60 * kSecond));
  fail_unless_equals_int (f.state (), kOpen);
  g_signal_emit_by_name (f.element, "extend", G_MAXINT64, &done);
  fail_unless (done);
  fail_unless_equals_uint64 (f.number ("remaining"), GST_CLOCK_TIME_NONE);
  g_signal_emit_by_name (f.element, "extend", G_MININT64, &done);
  fail_unless (done);
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_EXPIRED);
}
GST_END_TEST;

GST_START_TEST (test_bad_times_stay_shut)
{
  for (const gchar *text :
      {"tomorrow", "2027-01-15T08:00:00", "-5", "1e12", "99999999999999999999",
          "2027-13-01T00:00:00Z", " 1800000060000", "2027-01-15T08:00:00Zx"}) {
    Fixture f;
    f.set ("expires-at", text);
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
    fail_unless_equals_int (gst_element_set_state (f.element, GST_STATE_PAUSED),
        GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_ERROR);
    fail_unless (message != nullptr);
    GError *error = nullptr;
    gst_message_parse_error (message, &error, nullptr);
    fail_unless (g_error_matches (
        error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
    g_error_free (error);
    gst_message_unref (message);
  }
  // A start without an end is no session; a bad text while running shuts.
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + kSecond));
  f.start ();
  fail_unless_equals_int (f.state (), kOpen);
  f.set ("expires-at", "soon");
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  GstMessage *message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_WARNING);
  fail_unless (message != nullptr);
  gst_message_unref (message);
  f.set ("expires-at", "");
  f.set ("not-before", "0");
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
}
GST_END_TEST;

static guint
key_unit_requests (GstHarness *harness)
{
  guint count = 0;
  while (GstEvent *event = gst_harness_try_pull_upstream_event (harness)) {
    count += gst_video_event_is_force_key_unit (event);
    gst_event_unref (event);
  }
  return count;
}

GST_START_TEST (test_reopening)
{
  Fixture f;
  f.start ();
  f.push (false);
  gst_session_gate_set_session (
      f.gate, f.clocks.boot, f.clocks.boot + 10 * kSecond, "42");
  GstStructure *open = f.wait_for ("open");
  fail_unless_equals_string (gst_structure_get_string (open, "viewer"), "42");
  fail_unless_equals_string (
      gst_structure_get_string (open, "source"), "signaling");
  gst_structure_free (open);
  fail_unless_equals_int (key_unit_requests (f.harness), 1);
  // Delta units are dropped; the request is repeated, but not for each.
  for (int i = 0; i < 20; ++i)
    f.push (true);
  fail_unless_equals_int (f.left (), 0);
  fail_unless_equals_int (key_unit_requests (f.harness), 0);
  f.clocks.advance (kSecond / 2);
  f.push (true);
  f.push (true);
  fail_unless_equals_int (key_unit_requests (f.harness), 1);

  GstBuffer *buffer = gst_harness_create_buffer (f.harness, 10);
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);
  buffer = gst_harness_push_and_pull (f.harness, buffer);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  fail_unless (gst_buffer_peek_memory (buffer, 0) == memory);
  gst_buffer_unref (buffer);
  // From now on the very buffers pass.
  buffer = gst_harness_create_buffer (f.harness, 10);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  GstBuffer *out = gst_harness_push_and_pull (f.harness, buffer);
  fail_unless (out == buffer);
  fail_if (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (out);

  // Again after the next opening, with the caps that changed meanwhile.
  gst_session_gate_revoke (f.gate, "viewer-left");
  f.push (false);
  gst_harness_set_src_caps_str (f.harness, "video/x-vp8");
  f.clocks.advance (kSecond);
  gst_session_gate_set_session (
      f.gate, f.clocks.boot, f.clocks.boot + 10 * kSecond, "43");
  f.push (true);
  fail_unless_equals_int (f.left (), 0);
  buffer = gst_harness_push_and_pull (
      f.harness, gst_harness_create_buffer (f.harness, 10));
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  GstCaps *caps = gst_pad_get_current_caps (f.harness->sinkpad);
  fail_unless (
      gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-vp8"));
  gst_caps_unref (caps);
}
GST_END_TEST;

// Downstream linked while the gate was shut: sticky events come first.
GST_START_TEST (test_sticky_events_first)
{
  Fixture f;
  GstHarness *source = f.harness =
      gst_harness_new_with_element (f.element, "sink", nullptr);
  gst_harness_set_src_caps_str (source, "video/x-h264");
  f.push ();
  GstHarness *sink = gst_harness_new_with_element (f.element, nullptr, "src");
  gst_session_gate_set_session (
      f.gate, f.clocks.boot, f.clocks.boot + 10 * kSecond, "42");
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  const GstEventType expected[] = {
      GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT};
  for (GstEventType type : expected) {
    GstEvent *event = gst_harness_pull_event (sink);
    fail_unless_equals_int (GST_EVENT_TYPE (event), type);
    gst_event_unref (event);
  }
  GstBuffer *buffer = gst_harness_pull (sink);
  fail_unless (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT));
  gst_buffer_unref (buffer);
  gst_harness_teardown (sink);
}
GST_END_TEST;

static GstBufferList *
new_list (std::initializer_list<bool> deltas)
{
  GstBufferList *list = gst_buffer_list_new ();
  for (bool delta : deltas) {
    GstBuffer *buffer = gst_buffer_new_allocate (nullptr, 4, nullptr);
    if (delta)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    gst_buffer_list_add (list, buffer);
  }
  return list;
}

GST_START_TEST (test_buffer_lists)
{
  Fixture f;
  f.start ("application/x-rtp");
  GstPad *pad = f.harness->srcpad;
  fail_unless_equals_int (
      gst_pad_push_list (pad, new_list ({false, true})), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 0);
  gst_session_gate_set_session (
      f.gate, f.clocks.boot, f.clocks.boot + kSecond, "42");
  gst_pad_push_list (pad, new_list ({true, true}));
  fail_unless_equals_int (f.left (), 0);
  // The key unit and what follows it, without what stood before it.
  gst_pad_push_list (pad, new_list ({true, false, true, true}));
  GstBuffer *key = gst_harness_pull (f.harness);
  fail_unless (GST_BUFFER_FLAG_IS_SET (key, GST_BUFFER_FLAG_DISCONT));
  fail_if (GST_BUFFER_FLAG_IS_SET (key, GST_BUFFER_FLAG_DELTA_UNIT));
  gst_buffer_unref (key);
  fail_unless_equals_int (f.left (), 2);
  gst_pad_push_list (pad, new_list ({true, true, true}));
  fail_unless_equals_int (f.left (), 3);
  fail_unless_equals_uint64 (f.number ("passed"), 6);
  fail_unless_equals_uint64 (f.number ("dropped"), 5);
  gst_pad_push_list (pad, gst_buffer_list_new ());
  f.clocks.advance (kSecond);
  gst_pad_push_list (pad, new_list ({false, true}));
  fail_unless_equals_int (f.left (), 0);
}
GST_END_TEST;

static guint
pulled_events (GstHarness *harness, GstEventType type)
{
  guint count = 0;
  while (GstEvent *event = gst_harness_try_pull_event (harness)) {
    count += GST_EVENT_TYPE (event) == type;
    gst_event_unref (event);
  }
  return count;
}

// Caps are downstream's: what it does not take is not negotiated.
GST_START_TEST (test_wrong_caps)
{
  Fixture f;
  gst_session_gate_set_session (f.gate, 0, f.clocks.boot + kSecond, "");
  f.harness = gst_harness_new_with_element (f.element, "sink", "src");
  gst_harness_set_sink_caps_str (f.harness, "video/x-vp8");
  GstCaps *caps = gst_caps_from_string ("video/x-h264");
  fail_if (gst_pad_peer_query_accept_caps (f.harness->srcpad, caps));
  GstCaps *possible = gst_pad_peer_query_caps (f.harness->srcpad, nullptr);
  fail_if (gst_caps_can_intersect (possible, caps));
  gst_caps_unref (possible);
  gst_caps_unref (caps);
  gst_harness_set_src_caps_str (f.harness, "video/x-h264");
  fail_unless_equals_int (f.push (), GST_FLOW_NOT_NEGOTIATED);
  fail_unless_equals_int (f.left (), 0);
}
GST_END_TEST;

GST_START_TEST (test_downstream_sessions)
{
  Fixture f;
  f.start ();
  const auto tell = [&f] (gint64 opens_at, gint64 ends_at, guint viewers) {
    return gst_harness_push_upstream_event (
        f.harness, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
                       gst_structure_new (ROBOTLIVE_EVENT_SESSIONS, "opens-at",
                           G_TYPE_INT64, opens_at, "ends-at", G_TYPE_INT64,
                           ends_at, "viewers", G_TYPE_UINT, viewers, nullptr)));
  };
  fail_unless (tell (0, f.clocks.boot + kSecond, 2));
  fail_unless_equals_int (f.state (), kOpen);
  f.expect ("open");
  fail_unless (tell (0, 0, 0));
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  f.expect ("closed");
  // Hostile or old: ignored, forwarded.
  gst_harness_push_upstream_event (
      f.harness, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
                     gst_structure_new (ROBOTLIVE_EVENT_SESSIONS, "ends-at",
                         G_TYPE_STRING, "never", nullptr)));
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  tell (0, f.clocks.boot + kSecond, 1);
  f.set ("expires-at", wall_ms (kWall - kSecond)); // a session of its own
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_EXPIRED);
  fail_unless (gst_harness_upstream_events_received (f.harness) >= 4);
}
GST_END_TEST;

// Expiry -------------------------------------------------------------------

GST_START_TEST (test_on_expiry_eos)
{
  for (bool by_timer : {false, true}) {
    Fixture f;
    g_object_set (
        f.element, "on-expiry", GST_SESSION_GATE_ON_EXPIRY_EOS, nullptr);
    f.set ("expires-at", wall_ms (kWall + kSecond));
    f.start ();
    f.push ();
    f.clocks.advance (kSecond);
    if (by_timer) {
      gst_session_gate_wake (f.gate);
    } else {
      fail_unless_equals_int (f.push (), GST_FLOW_EOS);
      fail_unless_equals_int (f.push (), GST_FLOW_EOS);
    }
    GstEvent *event;
    guint count = 0;
    do {
      event = gst_harness_pull_event (f.harness);
      fail_unless (event != nullptr);
      count = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
      gst_event_unref (event);
    } while (!count);
    // The source's own one is not a second one.
    gst_harness_push_event (f.harness, gst_event_new_eos ());
    fail_unless_equals_int (pulled_events (f.harness, GST_EVENT_EOS), 0);
    fail_unless_equals_int (f.left (), 1);
  }
}
GST_END_TEST;

GST_START_TEST (test_on_expiry_error)
{
  for (bool by_timer : {false, true}) {
    Fixture f;
    g_object_set (
        f.element, "on-expiry", GST_SESSION_GATE_ON_EXPIRY_ERROR, nullptr);
    f.set ("expires-at", wall_ms (kWall + kSecond));
    f.start ();
    f.push ();
    f.clocks.advance (kSecond);
    if (by_timer)
      gst_session_gate_wake (f.gate);
    else
      fail_unless_equals_int (f.push (), GST_FLOW_ERROR);
    GstMessage *message = gst_bus_timed_pop_filtered (
        f.bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ERROR);
    GError *error = nullptr;
    gst_message_parse_error (message, &error, nullptr);
    fail_unless (g_error_matches (
        error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
    g_error_free (error);
    gst_message_unref (message);
    gst_session_gate_wake (f.gate);
    gst_element_set_state (f.element, GST_STATE_NULL); // joins the thread
    fail_unless (gst_bus_pop_filtered (f.bus, GST_MESSAGE_ERROR) == nullptr);
  }
}
GST_END_TEST;

// A push that downstream blocks across the end: that buffer was handed in
// before; what is handed in afterwards never leaves, whoever revoked or waits.
GST_START_TEST (test_push_blocked_across_the_end)
{
  Fixture f;
  f.set ("expires-at", wall_ms (kWall + kSecond));
  f.start ();
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
  std::thread streaming ([&f] {
    for (int i = 0; i < 10; ++i)
      fail_unless_equals_int (f.push (), GST_FLOW_OK);
  });
  while (!blocked)
    g_usleep (1000);
  f.clocks.advance (kSecond);
  gst_session_gate_wake (f.gate);
  f.expect ("expired"); // told although the streaming thread is stuck
  gst_pad_remove_probe (src, probe);
  streaming.join ();
  fail_unless_equals_int (f.left (), 1);
  fail_unless_equals_uint64 (f.number ("dropped"), 9);
  gst_object_unref (src);
}
GST_END_TEST;

GST_START_TEST (test_messages_in_order)
{
  Fixture f;
  f.set ("not-before", wall_ms (kWall + kSecond));
  f.set ("expires-at", wall_ms (kWall + 100 * kSecond));
  f.set ("robot-id", "robot_pi_001");
  std::atomic<int> notified{0}, expired{0};
  g_signal_connect (f.element, "notify::state",
      G_CALLBACK (+[] (GstElement *, GParamSpec *, std::atomic<int> *count) {
        ++*count;
      }),
      &notified);
  g_signal_connect (f.element, "session-event::expired",
      G_CALLBACK (
          +[] (GstElement *, GstStructure *structure, std::atomic<int> *count) {
            fail_unless_equals_string (
                gst_structure_get_string (structure, "event"), "expired");
            ++*count;
          }),
      &expired);
  f.start ();
  while (notified < 1) // of pending
    g_usleep (1000);
  f.clocks.advance (kSecond);
  gst_session_gate_wake (f.gate);
  GstStructure *open = f.wait_for ("open");
  gint64 not_before = 0, expires_at = 0;
  guint64 remaining = 0;
  fail_unless (gst_structure_get (open, "not-before", G_TYPE_INT64, &not_before,
      "expires-at", G_TYPE_INT64, &expires_at, "remaining", G_TYPE_UINT64,
      &remaining, nullptr));
  fail_unless_equals_int64 (not_before, 1800000001000);
  fail_unless_equals_int64 (expires_at, 1800000100000);
  fail_unless_equals_uint64 (remaining, 99 * kSecond);
  fail_unless_equals_string (
      gst_structure_get_string (open, "robot-id"), "robot_pi_001");
  fail_unless_equals_string (
      gst_structure_get_string (open, "source"), "window");
  gst_structure_free (open);
  f.clocks.advance (39 * kSecond);
  gst_session_gate_wake (f.gate);
  f.expect ("expiring");
  f.clocks.advance (60 * kSecond);
  gst_session_gate_wake (f.gate);
  f.expect ("expired");
  gst_element_set_state (f.element, GST_STATE_NULL); // joins the thread
  fail_unless_equals_int (expired, 1);
  fail_unless_equals_int (notified, 3); // pending, open, expired
}
GST_END_TEST;

static Suite *
sessiongate_suite (void)
{
  Suite *suite = suite_create ("sessiongate");
  TCase *flow = tcase_create ("flow");
  suite_add_tcase (suite, flow);
  tcase_add_test (flow, test_nothing_granted_is_shut);
  tcase_add_test (flow, test_end_is_exact);
  tcase_add_test (flow, test_wall_clock_steps_change_nothing);
  tcase_add_test (flow, test_suspend_counts);
  tcase_add_test (flow, test_server_time);
  tcase_add_test (flow, test_extend_shorten_revoke);
  tcase_add_test (flow, test_bad_times_stay_shut);
  tcase_add_test (flow, test_reopening);
  tcase_add_test (flow, test_sticky_events_first);
  tcase_add_test (flow, test_buffer_lists);
  tcase_add_test (flow, test_wrong_caps);
  tcase_add_test (flow, test_downstream_sessions);
  tcase_add_test (flow, test_on_expiry_eos);
  tcase_add_test (flow, test_on_expiry_error);
  tcase_add_test (flow, test_push_blocked_across_the_end);
  tcase_add_test (flow, test_messages_in_order);
  return suite;
}

GST_CHECK_MAIN (sessiongate);
