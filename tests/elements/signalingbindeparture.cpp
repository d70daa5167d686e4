// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewers that go, each in another way: signalingbin notices, says why, and is
// rid of all that was theirs, while the others see their picture.
#include "bintest.hpp"

using namespace robotlive;
using namespace robotlive::test;

namespace {

struct Way
{
  const char *reason;
  void (*go) (Robot &, TestViewer &);
  gint64 seconds; // at most, and what a busy machine takes for it
};

// Two go this way, one after the other. What the first leaves in caches, the
// second does not.
void
goes (const Way &way)
{
  Robot robot ("VP8", "session-policy=open");
  TestViewer stays (robot.link, "cid", "stays");
  fail_unless (stays.join ());
  unsigned threads = 0, files = 0;
  for (int i = 0; i < 2; i++) {
    {
      TestViewer viewer (robot.link, "ann", "goes");
      fail_unless (viewer.join ());
      const auto since = g_get_monotonic_time ();
      way.go (robot, viewer);
      fail_unless (robot.wait_removed ("goes", way.reason, &stays));
      const auto after = g_get_monotonic_time () - since;
      fail_unless (after < way.seconds * G_USEC_PER_SEC,
          "after %" G_GINT64_FORMAT " ms", after / 1000);
      const std::string of_the_other = robot.removal ("stays");
      fail_unless_equals_string ("", of_the_other.c_str ());
      fail_unless_equals_int (1, robot.viewer_count ());
      fail_unless (stays.wait_frames (10));
    }
    robot.link->change ([&] () { robot.link->peers.erase ("goes"); });
    robot.forget_messages ();
    if (i == 0) {
      // Threads end a moment after they are done with.
      for (unsigned now = 0; threads != now || now == 0; now = threads) {
        fail_unless (stays.wait_frames (10));
        threads = entries_of ("/proc/self/task");
      }
      files = entries_of ("/proc/self/fd");
    }
  }
  fail_unless (robot.wait ([&] () {
    return entries_of ("/proc/self/task") <= threads + 1 &&
           entries_of ("/proc/self/fd") <= files + 2;
  }));
}

} // namespace

GST_START_TEST (test_a_viewer_that_leaves)
{
  goes ({"left",
      [] (Robot &robot, TestViewer &) {
        robot.link->call ([] (SignallerListener &listener) {
          listener.on_leave ("goes", "");
        });
      },
      3});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_whose_session_is_ended)
{
  goes ({"revoked",
      [] (Robot &robot, TestViewer &) {
        robot.link->call ([] (SignallerListener &listener) {
          listener.on_session_ended ("goes", "revoked");
        });
      },
      3});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_that_says_bye)
{
  goes ({"left", [] (Robot &, TestViewer &viewer) { viewer.say_bye (); }, 8});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_that_closes_its_dtls_connection)
{
  goes (
      {"left", [] (Robot &, TestViewer &viewer) { viewer.close_dtls (); }, 3});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_that_vanishes)
{
  goes (
      {"vanished", [] (Robot &, TestViewer &viewer) { viewer.vanish (); }, 9});
}
GST_END_TEST

// Hardly connected, and with reports that would come once a minute: it is
// asked, and does not answer.
GST_START_TEST (test_a_vanished_viewer_is_gone_in_five_seconds)
{
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.quiet = true;
  TestViewer gone (robot.link, "bob", "p1", options);
  TestViewer stays (robot.link, "cid", "p2", options);
  fail_unless (gone.join ());
  fail_unless (stays.join ());
  gone.vanish ();
  const auto since = g_get_monotonic_time ();
  fail_unless (robot.wait_removed ("p1", "vanished", &stays));
  // Five, and what a busy machine takes for it.
  fail_unless (g_get_monotonic_time () - since < 9 * G_USEC_PER_SEC);
  // The other sends as little and answers: it is a viewer.
  while (g_get_monotonic_time () - since < 12 * G_USEC_PER_SEC)
    fail_unless (stays.wait_frames (10));
  fail_unless_equals_int (1, robot.viewer_count ());
}
GST_END_TEST

static Suite *
signalingbindeparture_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbindeparture");
  TCase *tc = tcase_create ("departure");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_a_viewer_that_leaves);
  tcase_add_test (tc, test_a_viewer_whose_session_is_ended);
  tcase_add_test (tc, test_a_viewer_that_says_bye);
  tcase_add_test (tc, test_a_viewer_that_closes_its_dtls_connection);
  tcase_add_test (tc, test_a_viewer_that_vanishes);
  tcase_add_test (tc, test_a_vanished_viewer_is_gone_in_five_seconds);
  return s;
}

GST_CHECK_MAIN (signalingbindeparture)
