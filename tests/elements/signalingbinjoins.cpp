// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewers that come and go, for a long time: nothing of them stays behind. 30
// rounds by themselves; ROBOTLIVE_JOINS=1000 makes it as many (tests/joins.sh).
#include "bintest.hpp"
#include <dlfcn.h>
#include <malloc.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

unsigned
rounds ()
{
  const char *text = g_getenv ("ROBOTLIVE_JOINS");
  return text ? static_cast<unsigned> (g_ascii_strtoull (text, nullptr, 10))
              : 30;
}

struct Held
{
  unsigned threads, files;
  std::size_t memory; // handed out by malloc, bytes
};

Held
held ()
{
  const auto info = mallinfo2 ();
  return {entries_of ("/proc/self/task"), entries_of ("/proc/self/fd"),
      info.uordblks + info.hblkhd};
}

// What is held once the threads of the last viewer have ended.
Held
settled (Robot &robot)
{
  Held last = held ();
  robot.wait ([&] () {
    g_usleep (500000);
    const Held now = held ();
    const bool same = now.threads == last.threads && now.files == last.files;
    last = now;
    return same;
  });
  return last;
}

// What a thread that has asked GnuTLS for a random number leaves behind when it
// ends. libnice asks for each STUN request, on a thread that webrtcbin has for
// it, and GnuTLS keeps a state for each thread until the process ends (its
// lib/random.c, 3.7): 192 bytes and malloc's own. Shown here without any of our
// code; a GnuTLS that frees them makes it nothing.
std::size_t
random_state ()
{
  using Random = int (*) (int, void *, std::size_t);
  static const auto random =
      reinterpret_cast<Random> (dlsym (RTLD_DEFAULT, "gnutls_rnd"));
  if (!random)
    return 0;
  const auto ask = [] (unsigned threads) {
    for (unsigned i = 0; i < threads; i++)
      std::thread ([] () {
        char number[16];
        random (0, number, sizeof number);
      }).join ();
    return held ().memory;
  };
  constexpr unsigned kThreads = 200;
  const auto before = ask (kThreads);
  const auto after = ask (kThreads);
  const auto each = after > before ? (after - before) / kThreads : 0;
  g_print ("GnuTLS keeps %" G_GSIZE_FORMAT " bytes a thread\n", each);
  fail_unless (each <= 240);
  return each;
}

// What caches may still fill with, once: libsrtp begins NSS anew with each
// viewer, and NSS numbers its threads' error stacks up to 128, of 80 bytes
// each; the longer lists of GLib's thread pools and of OpenSSL.
constexpr std::size_t kCaches = 200000;

// Waits until as little is held as *before*. Threads end a moment after they
// are done with. *ends* ICE agents were there in a round, here and at the
// viewer.
void
is_back (Robot &robot, const Held &before, unsigned count, unsigned ends)
{
  const std::size_t room = ends * random_state ();
  Held now = {};
  const bool back = robot.wait ([&] () {
    now = held ();
    return now.threads <= before.threads + 2 && now.files <= before.files + 4 &&
           now.memory <= before.memory + kCaches + room * count;
  });
  g_print (
      "%u rounds: threads %u to %u, files %u to %u, memory %" G_GSIZE_FORMAT
      " to %" G_GSIZE_FORMAT " kB\n",
      count, before.threads, now.threads, before.files, now.files,
      before.memory / 1000, now.memory / 1000);
  fail_unless (back);
}

// The numbers of the robot's sources would become names in this process, as a
// viewer's own process has them, and be kept for ever.
const ViewerOptions kNoNames = [] {
  ViewerOptions options;
  options.knows_sources = false;
  return options;
}();

// One viewer, that goes at one of five moments in one of three ways.
void
come_and_go (Robot &robot, unsigned round)
{
  const auto id = "p" + std::to_string (round);
  TestViewer viewer (robot.link, "ann", id, kNoNames);
  const unsigned moment = round % 5;
  fail_unless (viewer.offer ());
  if (moment >= 1)
    fail_unless (robot.link->wait_answer (id));
  if (moment >= 2)
    fail_unless (viewer.take_answer ());
  if (moment >= 3 && !viewer.wait_frames (1)) {
    g_autoptr (GstStructure) stats = robot.viewer_stats (id.c_str ());
    g_autofree char *text = stats ? gst_structure_to_string (stats) : nullptr;
    fail ("no picture in round %u: %s%s", round,
        robot.removal (id.c_str ()).c_str (), text ? text : "");
  }
  const unsigned way = round % 3;
  if (way == 0 || moment < 3) {
    robot.link->call (
        [id] (SignallerListener &listener) { listener.on_leave (id, ""); });
  } else if (way == 1) {
    robot.link->call ([id] (SignallerListener &listener) {
      listener.on_session_ended (id, "revoked");
    });
  } else {
    gboolean ended = FALSE;
    g_signal_emit_by_name (robot.bin, "end-viewer", id.c_str (), &ended);
    fail_unless (ended);
  }
  fail_unless (robot.wait ([&] () { return robot.viewer_count () == 0; }));
  robot.link->change ([&] () { robot.link->peers.erase (id); });
  robot.forget_messages ();
}

} // namespace

GST_START_TEST (test_joins_and_leaves)
{
  Robot robot ("VP8", "session-policy=open");
  const unsigned count = rounds (), warm = MIN (count / 3, 50);
  for (unsigned i = 0; i < warm; i++)
    come_and_go (robot, i);
  const auto before = settled (robot);
  for (unsigned i = warm; i < count; i++)
    come_and_go (robot, i);
  is_back (robot, before, count - warm, 2);
}
GST_END_TEST

// The pipeline goes to NULL and comes back with viewers at all stages.
GST_START_TEST (test_the_pipeline_stops_under_viewers)
{
  Robot robot ("VP8", "session-policy=open");
  const unsigned count = MAX (rounds () / 10, 3);
  Held before = {};
  for (unsigned i = 0; i < count; i++) {
    if (i == MIN (count / 3, 10)) {
      gst_element_get_state (robot.pipeline, nullptr, nullptr, 5 * GST_SECOND);
      before = settled (robot);
    }
    std::list<TestViewer> viewers;
    for (unsigned n = 0; n < 3; n++) {
      const auto id = "p" + std::to_string (i) + "-" + std::to_string (n);
      viewers.emplace_back (robot.link, "ann", id, kNoNames);
      fail_unless (viewers.back ().offer ());
      if (n > 0)
        fail_unless (robot.link->wait_answer (id));
      if (n > 1)
        fail_unless (viewers.back ().take_answer ());
    }
    g_usleep (i % 8 * 5000);
    gst_element_set_state (robot.pipeline, GST_STATE_NULL);
    robot.link->change ([&] () { robot.link->peers.clear (); });
    gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
    robot.forget_messages ();
  }
  is_back (robot, before, count, 6);
}
GST_END_TEST

static Suite *
signalingbinjoins_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinjoins");
  TCase *tc = tcase_create ("joins");
  tcase_set_timeout (tc, 60 + rounds () * 3);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_joins_and_leaves);
  tcase_add_test (tc, test_the_pipeline_stops_under_viewers);
  return s;
}

GST_CHECK_MAIN (signalingbinjoins)
