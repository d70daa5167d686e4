// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewers that go, each in another way: signalingbin notices, says why, and is
// rid of all that was theirs, while the others see their picture.
#include "bintest.hpp"
#include <algorithm>
#include <atomic>

using namespace robotlive;
using namespace robotlive::test;

namespace {

// A time, and by how much this machine was late meanwhile: how much longer than
// asked for a short sleep took, at worst.
class Stopwatch
{
public:
  Stopwatch ()
      : thread_ ([this] () {
          while (!done_) {
            const auto before = g_get_monotonic_time ();
            g_usleep (kNap);
            const auto late = g_get_monotonic_time () - before - kNap;
            worst_ = std::max<gint64> (worst_, late);
          }
        })
  {
  }
  ~Stopwatch ()
  {
    done_ = true;
    thread_.join ();
  }
  void start ()
  {
    worst_ = 0;
    since_ = g_get_monotonic_time ();
  }
  void start_at (gint64 since) { since_ = since; }
  gint64 passed () const { return g_get_monotonic_time () - since_; }
  // No more than *ms*: of which *waiting* are slept through on any machine, and
  // the rest is work, in steps of several threads, each of which waits for its
  // turn.
  void expect (gint64 ms, gint64 waiting = 0) const
  {
    static const char *const slow = g_getenv ("CK_TIMEOUT_MULTIPLIER");
    const gint64 factor = std::max (slow ? atoi (slow) : 1, 1);
    const auto took = passed ();
    const auto limit = (waiting + (ms - waiting) * factor) * 1000 + 10 * worst_;
    g_print ("gone after %" G_GINT64_FORMAT
             " ms; sleeps up to %" G_GINT64_FORMAT " ms late\n",
        took / 1000, worst_.load () / 1000);
    fail_unless (took < limit,
        "after %" G_GINT64_FORMAT " ms, more than %" G_GINT64_FORMAT,
        took / 1000, limit / 1000);
  }

private:
  static constexpr gint64 kNap = 10000; // us, as all here
  std::atomic<bool> done_{false};
  std::atomic<gint64> worst_{0};
  gint64 since_ = 0;
  std::thread thread_;
};

// What says that it goes is at once, and one that says nothing is asked for 4
// s.
constexpr gint64 kAtOnce = 1000, kSilent = 5000, kAsked = 4200; // ms

struct Way
{
  const char *reason;
  void (*go) (Robot &, TestViewer &);
  gint64 ms, waiting; // as of Stopwatch::expect
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
  Stopwatch watch;
  for (int i = 0; i < 2; i++) {
    {
      TestViewer viewer (robot.link, "ann", "goes");
      fail_unless (viewer.join ());
      watch.start ();
      way.go (robot, viewer);
      fail_unless (robot.wait_removed ("goes", way.reason, &stays));
      if (viewer.bye_sent_at ())
        watch.start_at (viewer.bye_sent_at ());
      watch.expect (way.ms, way.waiting);
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
      kAtOnce, 0});
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
      kAtOnce, 0});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_that_says_bye)
{
  goes ({"left", [] (Robot &, TestViewer &viewer) { viewer.say_bye (); },
      kAtOnce, 0});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_that_closes_its_dtls_connection)
{
  goes ({"left", [] (Robot &, TestViewer &viewer) { viewer.close_dtls (); },
      kAtOnce, 0});
}
GST_END_TEST

GST_START_TEST (test_a_viewer_that_vanishes)
{
  goes ({"vanished", [] (Robot &, TestViewer &viewer) { viewer.vanish (); },
      kSilent, kAsked});
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
  Stopwatch watch;
  watch.start ();
  gone.vanish ();
  fail_unless (robot.wait_removed ("p1", "vanished", &stays));
  watch.expect (kSilent, kAsked);
  // The other sends as little and answers: it is a viewer.
  while (watch.passed () < 12 * G_USEC_PER_SEC)
    fail_unless (stays.wait_frames (10), "after %" G_GINT64_FORMAT " ms, %s",
        watch.passed () / 1000, robot.removal ("p2").c_str ());
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
