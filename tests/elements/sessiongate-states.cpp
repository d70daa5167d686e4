// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gate in pipelines, up and down, on the machine's own clocks.
#include "gatetest.hpp"
#include <dirent.h>

static guint
entries (const gchar *directory)
{
  guint count = 0;
  DIR *dir = opendir (directory);
  while (readdir (dir))
    ++count;
  closedir (dir);
  return count;
}

// The kernel takes a thread off the list a moment after it was joined.
static bool
comes_down_to (const gchar *directory, guint count)
{
  const gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  while (entries (directory) > count) {
    if (g_get_monotonic_time () > deadline)
      return false;
    g_usleep (10000);
  }
  return true;
}

static gint64
now_ms ()
{
  return g_get_real_time () / 1000;
}

static GstElement *
launch (const std::string &description)
{
  gst_object_unref (new_gate ()); // registers
  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launch (description.c_str (), &error);
  fail_if (error, "%s", error ? error->message : "");
  return pipeline;
}

static GstMessage *
wait_message (GstElement *pipeline, int types)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE, static_cast<GstMessageType> (types));
  gst_object_unref (bus);
  return message;
}

static void
wait_eos (GstElement *pipeline)
{
  GstMessage *message =
      wait_message (pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
  gst_message_unref (message);
}

static void
end (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static guint64
counter (GstElement *pipeline, const gchar *name, const gchar *property)
{
  GstElement *gate = gst_bin_get_by_name (GST_BIN (pipeline), name);
  guint64 value = 0;
  g_object_get (gate, property, &value, nullptr);
  gst_object_unref (gate);
  return value;
}

GST_START_TEST (test_hundred_cycles)
{
  GstElement *gate = new_gate ();
  g_object_set (gate, "expires-at", "2099-01-01T00:00:00Z", nullptr);
  gst_element_set_state (gate, GST_STATE_PLAYING);
  gst_element_set_state (gate, GST_STATE_NULL);
  const guint threads = entries ("/proc/self/task");
  const guint files = entries ("/proc/self/fd");
  for (int i = 0; i < 100; ++i) {
    const GstState odd[] = {GST_STATE_PLAYING, GST_STATE_READY,
        GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_READY,
        GST_STATE_NULL, GST_STATE_PLAYING, GST_STATE_NULL};
    for (GstState state : odd)
      fail_unless_equals_int (
          gst_element_set_state (gate, state), GST_STATE_CHANGE_SUCCESS);
  }
  fail_unless (comes_down_to ("/proc/self/task", threads));
  fail_unless_equals_int (entries ("/proc/self/fd"), files);
  gst_object_unref (gate);
}
GST_END_TEST;

GST_START_TEST (test_hundred_pipelines)
{
  for (int i = 0; i < 100; ++i) {
    GstElement *pipeline =
        launch ("videotestsrc is-live=true "
                "! sessiongate name=g "
                "expires-at=2099-01-01T00:00:00Z ! fakesink");
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    end (pipeline);
  }
}
GST_END_TEST;

// PAUSED -> READY forgets the stream, and what downstream told.
GST_START_TEST (test_second_run_starts_from_scratch)
{
  GstElement *pipeline =
      launch ("videotestsrc num-buffers=10 ! sessiongate name=g "
              "expires-at=2099-01-01T00:00:00Z ! fakesink");
  for (int i = 0; i < 3; ++i) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_eos (pipeline);
    fail_unless_equals_uint64 (counter (pipeline, "g", "passed"), 10);
    fail_unless_equals_uint64 (counter (pipeline, "g", "dropped"), 0);
    gst_element_set_state (pipeline, i ? GST_STATE_READY : GST_STATE_NULL);
  }
  end (pipeline);

  Fixture f;
  f.start ();
  gst_session_gate_set_session (f.gate, 0, f.clocks.boot + kSecond, "42");
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_OPEN);
  gst_element_set_state (f.element, GST_STATE_READY);
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
}
GST_END_TEST;

GST_START_TEST (test_eos_passes_a_shut_gate)
{
  GstElement *pipeline =
      launch ("videotestsrc num-buffers=10 ! sessiongate name=g ! fakesink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  fail_unless_equals_uint64 (counter (pipeline, "g", "dropped"), 10);
  end (pipeline);
}
GST_END_TEST;

// The timer, by the machine's clock: no buffer ever comes.
GST_START_TEST (test_timer_ends_without_buffers)
{
  GstElement *pipeline =
      launch ("appsrc is-live=true ! sessiongate name=g "
              "on-expiry=eos expires-at=" +
              std::to_string (now_ms () + 300) + " ! fakesink async=false");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  fail_unless (counter (pipeline, "g", "remaining") == 0);
  end (pipeline);
}
GST_END_TEST;

// The session is over before the pipeline starts: the EOS comes while pads and
// neighbours are still being activated, and must not be lost then. Many rounds,
// as it is a matter of microseconds.
GST_START_TEST (test_over_before_the_start)
{
  for (int i = 0; i < 300; ++i) {
    GstElement *pipeline = launch ("appsrc is-live=true ! sessiongate name=g "
                                   "on-expiry=eos expires-at=1000 ! "
                                   "fakesink async=false");
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_eos (pipeline);
    end (pipeline);
  }
}
GST_END_TEST;

// EOS and error end a stream that flows, and no buffer leaves after the end.
GST_START_TEST (test_expiry_in_a_live_pipeline)
{
  for (const gchar *action : {"eos", "error", "drop"}) {
    GstElement *pipeline =
        launch (std::string ("videotestsrc is-live=true ! sessiongate name=g "
                             "on-expiry=") +
                action + " expires-at=" + std::to_string (now_ms () + 300) +
                " ! fakesink name=s signal-handoffs=true");
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    if (!g_strcmp0 (action, "drop")) {
      GstMessage *message;
      const GstStructure *structure;
      do {
        message = wait_message (pipeline, GST_MESSAGE_ELEMENT);
        structure = gst_message_get_structure (message);
        const gboolean expired = !g_strcmp0 (
            gst_structure_get_string (structure, "event"), "expired");
        gst_message_unref (message);
        if (expired)
          break;
      } while (true);
      const guint64 passed = counter (pipeline, "g", "passed");
      const guint64 dropped = counter (pipeline, "g", "dropped");
      while (counter (pipeline, "g", "dropped") < dropped + 5)
        g_usleep (10000);
      fail_unless_equals_uint64 (counter (pipeline, "g", "passed"), passed);
    } else {
      GstMessage *message =
          wait_message (pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
      fail_unless_equals_int (GST_MESSAGE_TYPE (message),
          !g_strcmp0 (action, "eos") ? GST_MESSAGE_EOS : GST_MESSAGE_ERROR);
      gst_message_unref (message);
    }
    end (pipeline);
  }
}
GST_END_TEST;

// Raw and encoded video, audio and RTP pass unchanged in number; before and
// after the encoder; twice in one pipeline.
GST_START_TEST (test_everything_passes)
{
  const gchar *lines[] = {
      "videotestsrc num-buffers=20 ! sessiongate name=g "
      "expires-at=2099-01-01T00:00:00Z ! fakesink",
      "audiotestsrc num-buffers=20 ! audio/x-raw,rate=8000 ! sessiongate "
      "name=g "
      "expires-at=2099-01-01T00:00:00Z ! fakesink",
      "videotestsrc num-buffers=20 ! video/x-raw,width=64,height=64 ! x264enc "
      "key-int-max=5 tune=zerolatency ! sessiongate name=g "
      "expires-at=2099-01-01T00:00:00Z ! fakesink",
      "videotestsrc num-buffers=20 ! video/x-raw,width=64,height=64 ! "
      "sessiongate expires-at=2099-01-01T00:00:00Z ! x264enc tune=zerolatency "
      "! "
      "h264parse ! sessiongate name=g expires-at=2099-01-01T00:00:00Z ! "
      "fakesink",
  };
  for (const gchar *line : lines) {
    GstElement *pipeline = launch (line);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_eos (pipeline);
    fail_unless_equals_uint64 (counter (pipeline, "g", "passed"), 20);
    end (pipeline);
  }
  GstElement *pipeline = launch (
      "videotestsrc num-buffers=20 ! video/x-raw,width=640,height=480 ! "
      "x264enc tune=zerolatency ! rtph264pay mtu=200 ! sessiongate name=g "
      "expires-at=2099-01-01T00:00:00Z ! fakesink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  fail_unless (counter (pipeline, "g", "passed") > 20);
  fail_unless_equals_uint64 (counter (pipeline, "g", "dropped"), 0);
  end (pipeline);
}
GST_END_TEST;

// As in a player: linked when the stream appears, into a running pipeline.
GST_START_TEST (test_added_to_a_running_pipeline)
{
  GstElement *pipeline =
      launch ("videotestsrc is-live=true ! tee name=t ! queue ! fakesink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstElement *tee = gst_bin_get_by_name (GST_BIN (pipeline), "t");
  for (int i = 0; i < 20; ++i) {
    GstElement *queue = gst_element_factory_make ("queue", nullptr);
    GstElement *gate = new_gate ();
    GstElement *sink = gst_element_factory_make ("fakesink", nullptr);
    g_object_set (sink, "async", FALSE, nullptr);
    gst_bin_add_many (GST_BIN (pipeline), queue, gate, sink, nullptr);
    fail_unless (gst_element_link_many (queue, gate, sink, nullptr));
    for (GstElement *element : {sink, gate, queue})
      gst_element_sync_state_with_parent (element);
    gst_session_gate_set_session (
        GST_SESSION_GATE (gate), 0, G_MAXINT64, "viewer");
    GstPad *pad = gst_element_request_pad_simple (tee, "src_%u");
    GstPad *queue_pad = gst_element_get_static_pad (queue, "sink");
    fail_unless_equals_int (gst_pad_link (pad, queue_pad), GST_PAD_LINK_OK);
    guint64 passed = 0;
    while (!passed) {
      g_usleep (1000);
      g_object_get (gate, "passed", &passed, nullptr);
    }
    gst_pad_unlink (pad, queue_pad);
    gst_element_release_request_pad (tee, pad);
    gst_object_unref (queue_pad);
    gst_object_unref (pad);
    for (GstElement *element : {queue, gate, sink}) {
      // The pipeline may still be on its way up and must not take it along.
      gst_element_set_locked_state (element, TRUE);
      gst_element_set_state (element, GST_STATE_NULL);
      gst_bin_remove (GST_BIN (pipeline), element);
    }
    gst_object_unref (gate);
  }
  gst_object_unref (tee);
  end (pipeline);
}
GST_END_TEST;

// NULL while a push is blocked downstream, with the EOS of the end waiting
// for the stream lock.
GST_START_TEST (test_stop_while_blocked)
{
  for (int i = 0; i < 20; ++i) {
    GstElement *pipeline =
        launch ("videotestsrc ! sessiongate name=g on-expiry=eos expires-at=" +
                std::to_string (now_ms () + 5) +
                " ! queue max-size-buffers=1 ! fakesink sync=true");
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    g_usleep (1000 * (i % 10));
    end (pipeline);
  }
}
GST_END_TEST;

// The last reference may go, and NULL may be set, from the gate's own thread.
GST_START_TEST (test_stop_from_its_own_thread)
{
  for (int i = 0; i < 20; ++i) {
    GstElement *gate = new_gate ();
    std::atomic<bool> done{false};
    g_object_set (gate, "expires-at", "2099-01-01T00:00:00Z", nullptr);
    g_signal_connect (gate, "session-event::open",
        G_CALLBACK (
            +[] (GstElement *element, GstStructure *, std::atomic<bool> *flag) {
              gst_element_set_state (element, GST_STATE_NULL);
              *flag = true;
            }),
        &done);
    gst_element_set_state (gate, GST_STATE_PAUSED);
    while (!done)
      g_usleep (1000);
    // The thread lets go of its reference.
    while (GST_OBJECT_REFCOUNT_VALUE (gate) > 1)
      g_usleep (1000);
    gst_object_unref (gate);
  }
}
GST_END_TEST;

// Sessions change while a stream flows: for the thread sanitizer above all.
GST_START_TEST (test_changes_while_streaming)
{
  GstElement *pipeline = launch ("videotestsrc is-live=true ! "
                                 "video/x-raw,framerate=500/1 ! sessiongate "
                                 "name=g ! fakesink async=false");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstElement *gate = gst_bin_get_by_name (GST_BIN (pipeline), "g");
  for (int i = 0; i < 300; ++i) {
    gst_session_gate_set_session (GST_SESSION_GATE (gate), 0,
        robotlive::boot_now () + (i % 5) * kSecond / 1000, "viewer");
    if (i % 7 == 0)
      gst_session_gate_revoke (GST_SESSION_GATE (gate), "test");
    if (i % 11 == 0)
      g_object_set (
          gate, "expires-at", i % 2 ? "" : "2099-01-01T00:00:00Z", nullptr);
    gint state = -1;
    g_object_get (gate, "state", &state, nullptr);
    fail_unless (state >= 0);
    g_usleep (500);
  }
  gst_object_unref (gate);
  end (pipeline);
}
GST_END_TEST;

static Suite *
sessiongate_states_suite (void)
{
  Suite *suite = suite_create ("sessiongate-states");
  TCase *states = tcase_create ("states");
  suite_add_tcase (suite, states);
  tcase_add_test (states, test_hundred_cycles);
  tcase_add_test (states, test_hundred_pipelines);
  tcase_add_test (states, test_second_run_starts_from_scratch);
  tcase_add_test (states, test_eos_passes_a_shut_gate);
  tcase_add_test (states, test_timer_ends_without_buffers);
  tcase_add_test (states, test_over_before_the_start);
  tcase_add_test (states, test_expiry_in_a_live_pipeline);
  tcase_add_test (states, test_everything_passes);
  tcase_add_test (states, test_added_to_a_running_pipeline);
  tcase_add_test (states, test_stop_while_blocked);
  tcase_add_test (states, test_stop_from_its_own_thread);
  tcase_add_test (states, test_changes_while_streaming);
  return suite;
}

GST_CHECK_MAIN (sessiongate_states);
