// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin whose link has been away: it names the viewers that it serves,
// ends those that may not go on, and none of them for the link's sake.
#include "bintest.hpp"
#include <algorithm>

using namespace robotlive;
using namespace robotlive::test;

namespace {

constexpr TimeMs kNow = 1700000000000;

// What the listener says on its own thread.
std::vector<std::string>
serving (Robot &robot)
{
  std::vector<std::string> ids;
  bool asked = false;
  robot.link->call ([&] (SignallerListener &listener) {
    auto now = listener.serving ();
    robot.link->change ([&] () {
      ids = std::move (now);
      asked = true;
    });
  });
  fail_unless (robot.link->wait ([&] () { return asked; }));
  std::sort (ids.begin (), ids.end ());
  return ids;
}

void
set_link (Robot &robot, LinkState state)
{
  fail_unless (robot.link->call ([state] (SignallerListener &listener) {
    listener.on_link_state (state);
  }));
}

// The link is back, and the server has this to say.
void
register_anew (Robot &robot, const std::vector<RunningSession> &sessions,
    const std::vector<EndedPeer> &ended)
{
  fail_unless (robot.link->call ([=] (SignallerListener &listener) {
    listener.on_link_state (LinkState::Registered);
    listener.on_registered ({}, std::nullopt);
    listener.on_sessions (sessions, ended);
  }));
}

RunningSession
running (const char *peer_id, const SessionTerms &terms)
{
  RunningSession session;
  session.peer_id = peer_id;
  session.terms = terms;
  return session;
}

} // namespace

GST_START_TEST (test_only_the_listed_viewers_go_on)
{
  Robot robot ("VP8", "", Key::File);
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2"),
      cid (robot.link, "cid", "p3");
  fail_unless (ann.join (robot.terms ("ann", "p1", kNow, kNow + 100000)));
  fail_unless (bob.join (robot.terms ("bob", "p2", kNow, kNow + 100000)));
  fail_unless (cid.join (robot.terms ("cid", "p3", kNow, kNow + 100000)));
  fail_unless ((serving (robot) == std::vector<std::string>{"p1", "p2", "p3"}));
  set_link (robot, LinkState::Disconnected);
  fail_unless (ann.wait_frames (10));
  fail_unless (bob.wait_frames (10));
  fail_unless (cid.wait_frames (10));

  // Extended, cancelled, and one of which nothing is known.
  register_anew (robot,
      {running ("p1", robot.terms ("ann", "p1", kNow, kNow + 300000)),
          running ("p9", robot.terms ("eve", "p9", kNow, kNow + 300000))},
      {{"p2", "booking-cancelled"}});
  fail_unless (robot.wait_removed ("p2", "booking-cancelled", &ann));
  fail_unless (robot.wait_removed ("p3", "revoked", &ann));
  fail_unless (robot.wait ([&] () { return robot.remaining ("p1") > 200000; }));
  fail_unless_equals_int (1, robot.viewer_count ());
  fail_unless (ann.wait_frames (10));
  const std::string to_viewer = robot.link->peer ("p2").leave;
  fail_unless_equals_string ("", to_viewer.c_str ());
}
GST_END_TEST

GST_START_TEST (test_terms_of_the_return_may_be_shorter)
{
  Robot robot ("VP8", "", Key::File);
  TestViewer ann (robot.link, "ann", "p1");
  fail_unless (ann.join (robot.terms ("ann", "p1", kNow, kNow + 100000)));
  set_link (robot, LinkState::Disconnected);
  SessionTerms shorter; // without a grant: the server's word may shorten
  shorter.role = "viewer";
  shorter.server_time = kNow;
  shorter.expires_at = kNow + 2000;
  register_anew (robot, {running ("p1", shorter)}, {});
  fail_unless (robot.wait_removed ("p1", "expired", &ann));
}
GST_END_TEST

// The robot goes on alone until the end that was granted, and no further.
GST_START_TEST (test_without_a_link_it_runs_to_the_granted_end)
{
  Robot robot ("VP8", "", Key::File);
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  fail_unless (ann.join (robot.terms ("ann", "p1", kNow, kNow + 8000)));
  fail_unless (bob.join (robot.terms ("bob", "p2", kNow, kNow + 100000)));
  set_link (robot, LinkState::Disconnected);
  const unsigned before = ann.frames ();
  fail_unless (robot.wait_removed ("p1", "expired", &bob));
  fail_unless (ann.frames () > before);
  const unsigned at_end = ann.frames ();
  fail_unless (bob.wait_frames (30));
  fail_unless (ann.frames () <= at_end + 5);
  fail_unless ((serving (robot) == std::vector<std::string>{"p2"}));
}
GST_END_TEST

// One whose answer is still to come is served as well.
GST_START_TEST (test_offers_that_wait_are_named_and_may_end)
{
  Robot robot ("VP8", "", Key::File, true, "identity drop-probability=1");
  TestViewer ann (robot.link, "ann", "p1");
  fail_unless (ann.offer (robot.terms ("ann", "p1", kNow, kNow + 100000)));
  fail_unless ((serving (robot) == std::vector<std::string>{"p1"}));
  register_anew (robot, {}, {{"p1", "revoked"}});
  fail_unless (serving (robot).empty ());
}
GST_END_TEST

GST_START_TEST (test_another_process_is_named_on_the_bus)
{
  Robot robot ("VP8", "session-policy=open");
  static std::string told;
  told.clear ();
  g_autoptr (GstBus) bus = gst_element_get_bus (robot.pipeline);
  gst_bus_set_sync_handler (
      bus,
      [] (GstBus *, GstMessage *message, gpointer link) {
        if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
          g_autoptr (GError) error = nullptr;
          gst_message_parse_warning (message, &error, nullptr);
          static_cast<Link *> (link)->change ([&] () {
            told = error->message;
            if (!g_error_matches (
                    error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY))
              told += " of another code";
          });
        }
        return GST_BUS_PASS;
      },
      robot.link.get (), nullptr);
  TestViewer ann (robot.link, "ann", "p1");
  fail_unless (ann.join ());
  robot.link->call ([] (SignallerListener &listener) {
    listener.on_error ("replaced", "another one at 192.0.2.7", false);
  });
  fail_unless (robot.link->wait ([] () { return !told.empty (); }));
  fail_unless_equals_string ("another one at 192.0.2.7", told.c_str ());
  fail_unless (ann.wait_frames (10));
  gst_bus_set_sync_handler (bus, nullptr, nullptr, nullptr);
}
GST_END_TEST

static Suite *
signalingbinsessions_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinsessions");
  TCase *tc = tcase_create ("sessions");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_only_the_listed_viewers_go_on);
  tcase_add_test (tc, test_terms_of_the_return_may_be_shorter);
  tcase_add_test (tc, test_without_a_link_it_runs_to_the_granted_end);
  tcase_add_test (tc, test_offers_that_wait_are_named_and_may_end);
  tcase_add_test (tc, test_another_process_is_named_on_the_bus);
  return s;
}

GST_CHECK_MAIN (signalingbinsessions)
