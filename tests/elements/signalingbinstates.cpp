// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin's states, ends and errors, and what it leaves behind: nothing.
#include "bintest.hpp"
#include <glib/gstdio.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

// The state change of a bin of its own with *properties* fails, with this
// error and a sentence that says *word*.
void
fails_with (const char *properties, GQuark domain, int code, const char *word)
{
  g_autoptr (GError) error = nullptr;
  const std::string text = std::string ("signalingbin ") + properties;
  GstElement *bin = gst_parse_launch (text.c_str (), &error);
  g_assert_no_error (error);
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (bin, bus);
  fail_unless_equals_int (
      GST_STATE_CHANGE_FAILURE, gst_element_set_state (bin, GST_STATE_READY));
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != nullptr, "%s", properties);
  g_autoptr (GError) got = nullptr;
  gst_message_parse_error (message, &got, nullptr);
  fail_unless (got->domain == domain && got->code == code, "%s: code %d: %s",
      properties, got->code, got->message);
  fail_unless (strstr (got->message, word) != nullptr, "%s: %s", properties,
      got->message);
  gst_message_unref (message);
  gst_element_set_state (bin, GST_STATE_NULL);
  gst_element_set_bus (bin, nullptr);
  gst_object_unref (bus);
  gst_object_unref (bin);
}

} // namespace

GST_START_TEST (test_settings_that_cannot_work_are_errors)
{
  const GQuark resource = GST_RESOURCE_ERROR;
  fails_with (
      "robot-id=r", resource, GST_RESOURCE_ERROR_SETTINGS, "signaling-server");
  fails_with ("signaling-server=http://127.0.0.1:1", resource,
      GST_RESOURCE_ERROR_SETTINGS, "robot-id");
  fails_with ("signaling-server=ftp://h robot-id=r", resource,
      GST_RESOURCE_ERROR_SETTINGS, "wss");
  fails_with ("signaling-server=nonsense robot-id=r", resource,
      GST_RESOURCE_ERROR_SETTINGS, "URI");
  // A key that comes in the clear from another host proves nothing.
  fails_with ("signaling-server=http://robots.example:8080 robot-id=r",
      resource, GST_RESOURCE_ERROR_SETTINGS, "grant-key");
  fails_with (
      "signaling-server=http://127.0.0.1:1 robot-id=r token-file=/nonexistent",
      resource, GST_RESOURCE_ERROR_NOT_FOUND, "token");
  fails_with (
      "signaling-server=http://127.0.0.1:1 robot-id=r grant-key=/nonexistent",
      resource, GST_RESOURCE_ERROR_NOT_FOUND, "grant-key");
  fails_with ("signaling-server=http://127.0.0.1:1 robot-id=r token=a "
              "token-file=/dev/null",
      resource, GST_RESOURCE_ERROR_SETTINGS, "token");
  fails_with ("signaling-server=http://127.0.0.1:1 robot-id=r "
              "min-rtp-port=9000 max-rtp-port=8000",
      resource, GST_RESOURCE_ERROR_SETTINGS, "rtp-port");
  fails_with ("signaling-server=http://127.0.0.1:1 robot-id=r "
              "turn-server=http://u:secret@h",
      resource, GST_RESOURCE_ERROR_SETTINGS, "turn-server");
}
GST_END_TEST

// What a hand and an editor add to a token is no part of it; what cannot be a
// token is named, and not shown.
GST_START_TEST (test_a_token_as_people_paste_it)
{
  g_autofree char *name = nullptr;
  g_close (g_file_open_tmp ("token-XXXXXX", &name, nullptr), nullptr);
  const std::string properties =
      std::string (
          "signaling-server=http://127.0.0.1:1 robot-id=r token-file=") +
      name;
  for (const char *text : {"\xEF\xBB\xBF"
                           "a.b.c\r\n",
           "Bearer a.b.c", "\"a.b.c\"\n", " a.b.c \n\n"}) {
    fail_unless (g_file_set_contents (name, text, -1, nullptr));
    auto bin = sink (
        gst_parse_launch (("signalingbin " + properties).c_str (), nullptr));
    fail_unless_equals_int (GST_STATE_CHANGE_SUCCESS,
        gst_element_set_state (bin.get (), GST_STATE_READY));
    gst_element_set_state (bin.get (), GST_STATE_NULL);
  }
  const GQuark resource = GST_RESOURCE_ERROR;
  const int not_found = GST_RESOURCE_ERROR_NOT_FOUND;
  for (const auto &[text, why] : {std::pair ("a.b.c\nd.e.f", "one line"),
           std::pair ("token: a.b.c", "blank"), std::pair ("\r\n", "empty"),
           std::pair ("\xFF\xFE"
                      "a",
               "UTF-16")}) {
    fail_unless (g_file_set_contents (name, text, -1, nullptr));
    fails_with (properties.c_str (), resource, not_found, why);
  }
  fails_with (
      "signaling-server=http://127.0.0.1:1 robot-id=r token-file=/dev/zero",
      resource, not_found, "regular");
  fails_with ("signaling-server=http://127.0.0.1:1 robot-id=r token=\"a b\"",
      resource, GST_RESOURCE_ERROR_SETTINGS, "blank");
  g_unlink (name);
}
GST_END_TEST

// Relative to the working folder, as every other file; one without a
// certificate trusts nobody and is no good.
GST_START_TEST (test_authorities_of_a_relative_path)
{
  const std::string server =
      "signaling-server=https://127.0.0.1:1 robot-id=r tls-ca-file=";
  g_autofree char *folder = g_dir_make_tmp ("ca-XXXXXX", nullptr);
  g_autofree char *before = g_get_current_dir ();
  fail_unless_equals_int (g_chdir (folder), 0);
  fail_unless (
      g_file_set_contents ("empty.pem", "no certificate\n", -1, nullptr));
  fails_with ((server + "empty.pem").c_str (), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "tls-ca-file cannot be used");
  fails_with ((server + "missing.pem").c_str (), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "tls-ca-file cannot be used");
  g_autofree char *made = nullptr;
  fail_unless (g_spawn_command_line_sync (
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-subj /CN=test -keyout key.pem -out ca.pem",
      &made, nullptr, nullptr, nullptr));
  // G_DEBUG=fatal-criticals and a warning of GLib would end this.
  auto bin = sink (gst_parse_launch (
      ("signalingbin " + server + "ca.pem").c_str (), nullptr));
  fail_unless_equals_int (GST_STATE_CHANGE_SUCCESS,
      gst_element_set_state (bin.get (), GST_STATE_READY));
  gst_element_set_state (bin.get (), GST_STATE_NULL);
  for (const char *file : {"empty.pem", "ca.pem", "key.pem"})
    g_unlink (file);
  fail_unless_equals_int (g_chdir (before), 0);
  g_rmdir (folder);
}
GST_END_TEST

// What gst-launch-1.0 prints. One that begins with something unfinished it does
// not let play, and a robot plays without a server.
GST_START_TEST (test_progress_is_told)
{
  Robot robot ("VP8", "session-policy=open", Key::None, false);
  struct Told
  {
    std::mutex mutex;
    std::vector<std::string> list;
  } told;
  auto bus = adopt (gst_element_get_bus (robot.pipeline));
  const auto on_message = [] (GstBus *, GstMessage *message,
                              gpointer data) -> GstBusSyncReply {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_PROGRESS) {
      GstProgressType type;
      g_autofree char *code = nullptr, *text = nullptr;
      gst_message_parse_progress (message, &type, &code, &text);
      auto *all = static_cast<Told *> (data);
      const std::lock_guard<std::mutex> lock (all->mutex);
      all->list.push_back (std::to_string (type) + " " + code + ": " + text);
    }
    return GST_BUS_PASS;
  };
  gst_bus_set_sync_handler (bus.get (), on_message, &told, nullptr);
  const auto heard = [&] (GstProgressType type, const char *words) {
    const std::string whole = std::to_string (type) + " " + words;
    return robot.wait ([&] () {
      const std::lock_guard<std::mutex> lock (told.mutex);
      return std::find (told.list.begin (), told.list.end (), whole) !=
             told.list.end ();
    });
  };
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  fail_unless (heard (GST_PROGRESS_TYPE_COMPLETE,
      "connect: Registered as robot_1 at the application"));
  {
    const std::lock_guard<std::mutex> lock (told.mutex);
    fail_unless_equals_int (told.list.size (), 1);
  }
  TestViewer viewer (robot.link, "ann", "p1");
  fail_unless (viewer.join ());
  fail_unless (
      heard (GST_PROGRESS_TYPE_COMPLETE, "viewer: Viewer ann watches"));
  robot.link->call (
      [] (SignallerListener &listener) { listener.on_leave ("p1", "left"); });
  fail_unless (
      heard (GST_PROGRESS_TYPE_COMPLETE, "viewer: Viewer ann has gone: left"));
  robot.link->call ([] (SignallerListener &listener) {
    listener.on_link_state (LinkState::Disconnected);
  });
  fail_unless (heard (
      GST_PROGRESS_TYPE_START, "connect: Connecting to the application"));
  gst_element_set_state (robot.pipeline, GST_STATE_NULL);
  fail_unless (heard (GST_PROGRESS_TYPE_CANCELED, "connect: Stopped"));
  gst_bus_set_sync_handler (bus.get (), nullptr, nullptr, nullptr);
}
GST_END_TEST

GST_START_TEST (test_secrets_do_not_come_out)
{
  GstElement *bin = gst_element_factory_make ("signalingbin", nullptr);
  g_object_set (bin, "turn-server", "turn://user:se%40cret@turn.example:3478",
      "token", "secret", nullptr);
  g_autofree char *turn = nullptr;
  g_object_get (bin, "turn-server", &turn, nullptr);
  fail_unless_equals_string ("turn://turn.example:3478", turn);
  const GParamSpec *token =
      g_object_class_find_property (G_OBJECT_GET_CLASS (bin), "token");
  fail_if (token->flags & G_PARAM_READABLE);
  gst_object_unref (bin);
}
GST_END_TEST

GST_START_TEST (test_defaults_are_what_the_specs_say)
{
  GstElement *bin = gst_element_factory_make ("signalingbin", nullptr);
  guint count = 0;
  GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (bin), &count);
  for (guint i = 0; i < count; i++) {
    GParamSpec *spec = specs[i];
    if (spec->owner_type != GST_TYPE_SIGNALING_BIN)
      continue;
    fail_unless (g_param_spec_get_blurb (spec) != nullptr);
    if (!(spec->flags & G_PARAM_READABLE) || g_str_equal (spec->name, "stats"))
      continue;
    g_auto (GValue) value = G_VALUE_INIT;
    g_value_init (&value, spec->value_type);
    g_object_get_property (G_OBJECT (bin), spec->name, &value);
    fail_unless (
        g_param_value_defaults (spec, &value), "default of %s", spec->name);
  }
  g_free (specs);
  gst_object_unref (bin);
}
GST_END_TEST

GST_START_TEST (test_a_hundred_rounds_leave_nothing_behind)
{
  Robot robot ("VP8", "session-policy=open", Key::None, false);
  unsigned threads = 0, files = 0;
  for (int i = 0; i < 100; i++) {
    gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
    // In some rounds it gets as far as the link, in others it does not.
    if (i % 10 == 0)
      fail_unless (
          robot.link->wait ([&] () { return robot.link->context != nullptr; }));
    gst_element_set_state (
        robot.pipeline, i % 3 == 0 ? GST_STATE_READY : GST_STATE_NULL);
    if (i % 4 == 0)
      gst_element_set_state (robot.pipeline, GST_STATE_PAUSED);
    gst_element_set_state (robot.pipeline, GST_STATE_NULL);
    if (i == 20) {
      threads = entries_of ("/proc/self/task");
      files = entries_of ("/proc/self/fd");
    }
  }
  fail_unless_equals_int (robot.link->starts, robot.link->stops);
  // Threads of GLib's pool come and go; eighty rounds' worth would not.
  fail_unless (robot.wait ([&] () {
    return entries_of ("/proc/self/task") <= threads + 4 &&
           entries_of ("/proc/self/fd") <= files + 4;
  }));
}
GST_END_TEST

GST_START_TEST (test_null_at_any_moment_of_a_join)
{
  for (int stage = 0; stage < 8; stage++) {
    Robot robot ("VP8", "session-policy=open");
    TestViewer viewer (robot.link, "ann", "p1");
    fail_unless (viewer.offer ());
    if (stage >= 4)
      fail_unless (robot.link->wait_answer ("p1"));
    if (stage >= 6)
      fail_unless (viewer.take_answer ());
    g_usleep ((stage % 4) * 7000);
    const auto before = g_get_monotonic_time ();
    gst_element_set_state (robot.pipeline, GST_STATE_NULL);
    // A second on a quiet machine; far from the minute of a deadlock.
    fail_unless (g_get_monotonic_time () - before < 10 * G_USEC_PER_SEC);
  }
}
GST_END_TEST

GST_START_TEST (test_joins_and_leaves_leave_nothing_behind)
{
  Robot robot ("VP8", "session-policy=open");
  unsigned threads = 0, files = 0;
  for (int i = 0; i < 30; i++) {
    const auto id = "p" + std::to_string (i);
    {
      TestViewer viewer (robot.link, "ann", id);
      if (i % 3 == 2) { // goes before it is connected
        fail_unless (viewer.offer ());
        fail_unless (robot.link->wait_answer (id));
      } else {
        fail_unless (viewer.join ());
      }
      robot.link->call (
          [id] (SignallerListener &listener) { listener.on_leave (id, ""); });
      fail_unless (robot.wait ([&] () { return robot.viewer_count () == 0; }));
    }
    if (i == 8) {
      threads = entries_of ("/proc/self/task");
      files = entries_of ("/proc/self/fd");
    }
  }
  // Threads end a moment after they are done with.
  fail_unless (robot.wait ([&] () {
    return entries_of ("/proc/self/task") <= threads + 2 &&
           entries_of ("/proc/self/fd") <= files + 4;
  }));
}
GST_END_TEST

static void
ends_with_viewers (unsigned count)
{
  Robot robot ("VP8", "session-policy=open");
  std::list<TestViewer> viewers;
  for (unsigned i = 0; i < count; i++) {
    viewers.emplace_back (robot.link, "ann", "p" + std::to_string (i));
    fail_unless (viewers.back ().join ());
  }
  fail_unless (gst_element_send_event (robot.pipeline, gst_event_new_eos ()));
  GstBus *bus = gst_element_get_bus (robot.pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 20 * GST_SECOND,
      static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless (message != nullptr);
  fail_unless_equals_int (GST_MESSAGE_EOS, GST_MESSAGE_TYPE (message));
  gst_message_unref (message);
  gst_object_unref (bus);
}

GST_START_TEST (test_eos_ends_the_pipeline_with_any_number_of_viewers)
{
  ends_with_viewers (0);
  ends_with_viewers (1);
  ends_with_viewers (2);
}
GST_END_TEST

// A gate before the encoder is open while one of the viewers may watch, as long
// as the longest of them; shut by the application, it stops them all.
GST_START_TEST (test_a_gate_upstream_follows_the_viewers)
{
  Robot robot ("VP8", "", Key::File, true, "sessiongate name=gate");
  GstElement *gate = gst_bin_get_by_name (GST_BIN (robot.pipeline), "gate");
  const auto number = [gate] (const char *property) {
    guint64 value = 0;
    g_object_get (gate, property, &value, nullptr);
    return value;
  };
  const auto remains = [&] (guint64 least, guint64 most) {
    return robot.wait ([&] () {
      return number ("remaining") > least * GST_SECOND &&
             number ("remaining") <= most * GST_SECOND;
    });
  };
  fail_unless (robot.wait ([&] () { return number ("dropped") >= 5; }));
  fail_unless_equals_uint64 (number ("passed"), 0);

  const TimeMs now = g_get_real_time () / 1000;
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  fail_unless (ann.join (robot.terms ("ann", "p1", now, now + 600000)));
  fail_unless (remains (0, 600));
  fail_unless (bob.join (robot.terms ("bob", "p2", now, now + 1200000)));
  fail_unless (remains (600, 1200));

  // The application shuts it: what it lets through no more reaches nobody.
  g_object_set (gate, "expires-at", "1", nullptr);
  const auto drop_more = [&] (guint64 count) {
    const auto target = number ("dropped") + count;
    return robot.wait ([&] () { return number ("dropped") >= target; });
  };
  // Once what was under way has come, a second of pictures brings none.
  fail_unless (robot.wait ([&] () {
    const unsigned frames = ann.frames () + bob.frames ();
    return drop_more (30) && ann.frames () + bob.frames () == frames;
  }));
  g_object_set (gate, "expires-at", "", nullptr);
  fail_unless (ann.wait_frames (5));
  fail_unless (bob.wait_frames (5));

  robot.link->call (
      [] (SignallerListener &listener) { listener.on_leave ("p2", ""); });
  fail_unless (remains (0, 600));
  fail_unless (ann.wait_frames (5));
  robot.link->call (
      [] (SignallerListener &listener) { listener.on_leave ("p1", ""); });
  fail_unless (robot.wait ([&] () { return number ("remaining") == 0; }));
  const auto passed = number ("passed");
  fail_unless (drop_more (10));
  fail_unless_equals_uint64 (number ("passed"), passed);
  gst_object_unref (gate);
}
GST_END_TEST

static Suite *
signalingbinstates_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinstates");
  TCase *tc = tcase_create ("states");
  tcase_set_timeout (tc, 150);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_settings_that_cannot_work_are_errors);
  tcase_add_test (tc, test_progress_is_told);
  tcase_add_test (tc, test_a_token_as_people_paste_it);
  tcase_add_test (tc, test_authorities_of_a_relative_path);
  tcase_add_test (tc, test_secrets_do_not_come_out);
  tcase_add_test (tc, test_defaults_are_what_the_specs_say);
  tcase_add_test (tc, test_a_hundred_rounds_leave_nothing_behind);
  tcase_add_test (tc, test_null_at_any_moment_of_a_join);
  tcase_add_test (tc, test_joins_and_leaves_leave_nothing_behind);
  tcase_add_test (tc, test_a_gate_upstream_follows_the_viewers);
  tcase_add_test (tc, test_eos_ends_the_pipeline_with_any_number_of_viewers);
  return s;
}

GST_CHECK_MAIN (signalingbinstates)
