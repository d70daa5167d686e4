// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is known of the inside of others: that it is so here, that the page says
// what the table does, and that viewers have their picture where it is not so.
#include "webrtc/internals.hpp"
#include "bintest.hpp"
#include "webrtc/findelement.hpp"
#include "webrtc/liveness.hpp"
#include "webrtc/srtphook.hpp"
#include "webrtc/webrtcstop.hpp"
#include <algorithm>
#include <chrono>
#include <functional>

using namespace robotlive;
using namespace robotlive::test;

namespace {

// As signalingbin tells them.
std::vector<std::string>
told (GstElement *bin)
{
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (bin, "stats", &stats, nullptr);
  const GValue *list = gst_structure_get_value (stats, "internals");
  fail_unless (list != nullptr);
  std::vector<std::string> names;
  for (guint i = 0; i < gst_value_list_get_size (list); i++)
    names.push_back (g_value_get_string (gst_value_list_get_value (list, i)));
  return names;
}

bool
among (const std::vector<std::string> &names, const char *name)
{
  return std::find (names.begin (), names.end (), name) != names.end ();
}

struct Hidden
{
  explicit Hidden (Internal hidden) : id (hidden) { hide_internal (id, true); }
  ~Hidden () { hide_internal (id, false); }
  const Internal id;
};

bool
has_field (Robot &robot, const char *field)
{
  g_autoptr (GstStructure) stats = robot.viewer_stats ("p1");
  return stats && gst_structure_has_field (stats, field);
}

std::string
text (Robot &robot, const char *field)
{
  g_autoptr (GstStructure) stats = robot.viewer_stats ("p1");
  const char *value = stats ? gst_structure_get_string (stats, field) : nullptr;
  return value ? value : "";
}

SrtpCounts
media (Robot &robot)
{
  const auto srtpenc = find_element (robot.bin, "srtpenc");
  fail_unless (srtpenc != nullptr);
  return srtp_counts (srtpenc.get ());
}

// Its pictures go on for as long.
void
stays (Robot &robot, TestViewer &viewer, int seconds)
{
  const auto end =
      std::chrono::steady_clock::now () + std::chrono::seconds (seconds);
  while (std::chrono::steady_clock::now () < end)
    fail_unless (viewer.wait_frames (2), "no pictures any more");
  fail_unless_equals_int (1, robot.viewer_count ());
  fail_unless (text (robot, "state") == "streaming");
}

using Look = std::function<void (Robot &, TestViewer &)>;

// A viewer comes, watches and goes, while it is hidden.
void
without (Internal id, const char *name, const Look &look)
{
  const Hidden hidden (id);
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.feedback = id != Internal::RtcpSignals;
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join (), "%s", name);
  fail_unless (viewer.wait_frames (20), "%s", name);
  fail_unless (among (told (robot.bin), name), "%s is not told", name);
  if (look)
    look (robot, viewer);
  gboolean ended = FALSE;
  g_signal_emit_by_name (robot.bin, "end-viewer", "p1", &ended);
  fail_unless (ended);
  fail_unless (robot.wait_removed ("p1", "ended"));
}

// What is different, beside a picture that comes.
Look
look_of (Internal id)
{
  switch (id) {
    case Internal::SrtpMedia:
      return [] (Robot &robot, TestViewer &) {
        fail_unless_equals_uint64 (0, media (robot).sent);
      };
    case Internal::DirectSend:
      return [] (Robot &robot, TestViewer &) {
        fail_unless (media (robot).sent > 0);
        fail_unless_equals_uint64 (0, media (robot).direct);
      };
    case Internal::RtpPads:
      // Longer than one may be for whom nothing leaves.
      return
          [] (Robot &robot, TestViewer &viewer) { stays (robot, viewer, 6); };
    case Internal::RtcpSignals:
      return [] (Robot &robot, TestViewer &) {
        fail_unless (robot.wait (
            [&robot] () { return has_field (robot, "round-trip-time"); }));
      };
    case Internal::RtpStatistics:
      return [] (Robot &robot, TestViewer &) {
        fail_unless (robot.wait (
            [&robot] () { return robot.number ("p1", "received-rate") > 0; }));
        fail_if (has_field (robot, "packets"));
      };
    case Internal::TransportFeedback:
      return [] (Robot &robot, TestViewer &viewer) {
        stays (robot, viewer, 3);
        fail_unless (text (robot, "feedback") == "receiver-reports");
      };
    case Internal::IncomingPad:
      return [] (Robot &robot, TestViewer &) {
        fail_if (has_field (robot, "local-candidate"));
        fail_unless (has_field (robot, "packets"));
      };
    default:
      return nullptr;
  }
}

// *ours*: it has an action as webrtcbin of 1.28 has.
struct Closing
{
  GstBin parent;
};
struct ClosingClass
{
  GstBinClass parent;
};
unsigned closed;

G_GNUC_BEGIN_IGNORE_DEPRECATIONS
G_DEFINE_TYPE (Closing, closing, GST_TYPE_BIN)
G_GNUC_END_IGNORE_DEPRECATIONS

void
closing_init (Closing *)
{
}

void
closing_class_init (ClosingClass *klass)
{
  g_signal_new_class_handler ("close", G_TYPE_FROM_CLASS (klass),
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (+[] (Closing *, GstPromise *promise) {
        fail_unless (promise == nullptr);
        closed++;
      }),
      nullptr, nullptr, nullptr, G_TYPE_NONE, 1, GST_TYPE_PROMISE);
}

} // namespace

GST_START_TEST (test_all_is_as_expected_here)
{
  for (const auto &name : failed_internals ())
    // Emulators and sandboxes do not know it.
    fail_unless (name == "arrival-times", "%s", name.c_str ());
  unsigned number = 0;
  for (const InternalRow &row : internal_rows ()) {
    fail_unless_equals_int (number++, static_cast<int> (row.id));
    for (const char *cell : {row.expected, row.use, row.fallback, row.versions})
      fail_unless (strlen (cell) > 4 && !strchr (cell, '|'), "%s", row.name);
  }
}
GST_END_TEST

// It is told before the bin has been started, too.
GST_START_TEST (test_a_bin_that_does_nothing_tells)
{
  auto bin = sink (gst_element_factory_make ("signalingbin", nullptr));
  fail_if (among (told (bin.get ()), "whole-lists"));
  const Hidden hidden (Internal::WholeLists);
  fail_unless (among (told (bin.get ()), "whole-lists"));
}
GST_END_TEST

GST_START_TEST (test_what_is_used_and_not_there_is_told)
{
  auto bin = sink (gst_bin_new (nullptr));
  fail_if (among (failed_internals (), "incoming-pad"));
  Liveness liveness (bin.get (), "u", "p", 1000);
  liveness.tick (2000);
  fail_unless (among (failed_internals (), "incoming-pad"));
}
GST_END_TEST

GST_START_TEST (test_hidden)
{
  const InternalRow &row = internal_rows ()[static_cast<size_t> (__i__)];
  without (row.id, row.name, look_of (row.id));
}
GST_END_TEST

GST_START_TEST (test_all_hidden)
{
  std::list<Hidden> hidden;
  for (const InternalRow &row : internal_rows ())
    hidden.emplace_back (row.id);
  without (Internal::SrtpMedia, "srtp-media", [] (Robot &robot, TestViewer &) {
    fail_unless_equals_int (static_cast<int> (internal_rows ().size ()),
        static_cast<int> (told (robot.bin).size ()));
  });
}
GST_END_TEST

// A living viewer is not taken for one that has vanished, and one that has is
// noticed.
static void
notices (Internal id, const char *name, int seconds)
{
  const Hidden hidden (id);
  Robot robot ("VP8", "session-policy=open");
  ViewerOptions options;
  options.feedback = true;
  TestViewer viewer (robot.link, "ann", "p1", options);
  fail_unless (viewer.join (), "%s", name);
  stays (robot, viewer, seconds);
  viewer.vanish ();
  // Twice: it may take longer than other waits do.
  fail_unless (robot.wait_removed ("p1", "vanished") ||
               robot.wait_removed ("p1", "vanished"));
}

GST_START_TEST (test_life_without_packets)
{
  notices (Internal::IncomingPad, "incoming-pad", 17);
}
GST_END_TEST

GST_START_TEST (test_life_without_questions)
{
  notices (Internal::BindingRequests, "binding-requests", 6);
}
GST_END_TEST

GST_START_TEST (test_life_without_stamps)
{
  notices (Internal::ArrivalTimes, "arrival-times", 6);
}
GST_END_TEST

GST_START_TEST (test_the_proper_way_is_taken)
{
  auto bin = sink (
      static_cast<GstElement *> (g_object_new (closing_get_type (), nullptr)));
  closed = 0;
  prepare_webrtc_for_null (bin.get ());
  fail_unless_equals_int (1, closed);
  auto plain = sink (gst_bin_new (nullptr));
  prepare_webrtc_for_null (plain.get ());
  fail_unless_equals_int (1, closed);
  fail_if (among (failed_internals (), "receiving-bin"));
}
GST_END_TEST

static std::string
page ()
{
  std::string text =
      "# What is known of the inside of GStreamer\n"
      "\n"
      "Made of the table in `gst/webrtc/internals.cpp` by the test "
      "`internals`: change it there, and run\n"
      "`ROBOTLIVE_WRITE_PAGES=1 meson test -C build internals`.\n"
      "\n"
      "`signalingbin` uses what no documentation of GStreamer, libnice or "
      "Linux promises. All of it stands in `gst/webrtc/`, and no other folder\n"
      "of `gst/` names it (`tests/architecture.py`). Each row is looked at "
      "once in a process, and again where it is used. Where one is not as\n"
      "expected, what the last column but one says is done instead: viewers "
      "have their picture. The names of such rows are in the property\n"
      "`stats`, field `internals`; `robotlive-doctor` and a warning in the "
      "log name them, too. The test `internals` hides each in turn.\n"
      "\n"
      "| name | what is expected | what is done with it | what is done "
      "without it | of what |\n"
      "| --- | --- | --- | --- | --- |\n";
  for (const InternalRow &row : internal_rows ())
    text += "| `" + std::string (row.name) + "` | " + row.expected + " | " +
            row.use + " | " + row.fallback + " | " + row.versions + " |\n";
  return text +
         "\n"
         "GStreamer 1.22 is what the tests run on, 1.26 by "
         "`tests/trixie.sh`; of the others the sources were read.\n"
         "\n"
         "What is relied on without such a row:\n"
         "* Encoders that need to be treated in ways of their own stand in "
         "`gst/input/encodercontrol.cpp`.\n"
         "* The certificate of the DTLS transport (property "
         "`remote-certificate`, documented) is compared with the offer; "
         "without it no viewer gets a picture.\n"
         "* `signaling/client/link.cpp` asks Linux (`TCP_INFO`, `SIOCINQ`) how "
         "much a connection has brought, to end one whose message is too long "
         "(CVE-2025-32049);\n"
         "  where Linux does not tell, libsoup's own limits are left.\n"
         "* OpenSSL keeps its tables until the process is gone "
         "(`OPENSSL_INIT_NO_ATEXIT`), in each process that has made a "
         "`signalingbin`'s class.\n";
}

GST_START_TEST (test_the_page_is_of_this_table)
{
  const std::string path =
      std::string (g_getenv ("ROBOTLIVE_SOURCE_DIR")) + "/docs/internals.md";
  const auto wanted = page ();
  if (g_getenv ("ROBOTLIVE_WRITE_PAGES"))
    fail_unless (g_file_set_contents (path.c_str (), wanted.c_str (),
        static_cast<gssize> (wanted.size ()), nullptr));
  g_autofree char *text = nullptr;
  fail_unless (g_file_get_contents (path.c_str (), &text, nullptr, nullptr));
  fail_unless (wanted == text, "%s is another: it is made of internals.cpp",
      path.c_str ());
}
GST_END_TEST

static Suite *
internals_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("internals");
  TCase *tc = tcase_create ("internals");
  tcase_set_timeout (tc, 240);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_all_is_as_expected_here);
  tcase_add_test (tc, test_a_bin_that_does_nothing_tells);
  tcase_add_test (tc, test_what_is_used_and_not_there_is_told);
  tcase_add_test (tc, test_the_proper_way_is_taken);
  tcase_add_test (tc, test_the_page_is_of_this_table);
  tcase_add_loop_test (
      tc, test_hidden, 0, static_cast<int> (internal_rows ().size ()));
  tcase_add_test (tc, test_all_hidden);
  tcase_add_test (tc, test_life_without_packets);
  tcase_add_test (tc, test_life_without_questions);
  tcase_add_test (tc, test_life_without_stamps);
  return s;
}

GST_CHECK_MAIN (internals)
