// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Something that a viewer's connection needs does not answer: what is behind
// its branch, the name of a STUN server. That is this viewer's trouble. The
// signaling thread goes on: it lists, pauses, admits and serves the others.
#include "viewer/viewer.hpp"
// Its macro "fail" is a method's name in the above.
#include "base/readfile.hpp"
#include "bintest.hpp"
#include "grant/keyfile.hpp"
#include "robotlive.h"
#include "webrtc/findelement.hpp"
#include <gio/gio.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

// Holds up whoever comes by, until it is let go.
class Plug
{
public:
  ~Plug () { let_go (); }

  void hold ()
  {
    std::unique_lock<std::mutex> lock (mutex_);
    held_ = true;
    changed_.notify_all ();
    changed_.wait (lock, [this] () { return gone_; });
  }
  void let_go ()
  {
    std::lock_guard<std::mutex> lock (mutex_);
    gone_ = true;
    changed_.notify_all ();
  }
  bool wait_held ()
  {
    std::unique_lock<std::mutex> lock (mutex_);
    return changed_.wait_for (lock, kDeadline, [this] () { return held_; });
  }
  // Of all that passes *pad*. The plug outlives the pad's traffic.
  void put_into (GstPad *pad)
  {
    gst_pad_add_probe (
        pad,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        [] (GstPad *, GstPadProbeInfo *, gpointer self) {
          static_cast<Plug *> (self)->hold ();
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, gone_ = false;
};

GPtr<GstElement>
branch_of (const Robot &robot, const char *peer_id)
{
  GPtr<GstElement> found;
  GST_OBJECT_LOCK (robot.bin);
  for (GList *child = GST_BIN_CHILDREN (robot.bin); child; child = child->next)
    if (g_strcmp0 (static_cast<const char *> (
                       g_object_get_data (G_OBJECT (child->data), kPeerIdKey)),
            peer_id) == 0)
      found = share (GST_ELEMENT (child->data));
  GST_OBJECT_UNLOCK (robot.bin);
  return found;
}

// Behind the branch's queue, in its own thread.
GPtr<GstPad>
behind_queue (const Robot &robot, const char *peer_id)
{
  const auto branch = branch_of (robot, peer_id);
  fail_unless (branch != nullptr);
  const auto payloader = find_element (branch.get (), "rtpvp8pay");
  fail_unless (payloader != nullptr);
  return adopt (gst_element_get_static_pad (payloader.get (), "src"));
}

// In front of it, in the thread that serves all.
GPtr<GstPad>
before_queue (const Robot &robot, const char *peer_id)
{
  const auto branch = branch_of (robot, peer_id);
  fail_unless (branch != nullptr);
  return adopt (gst_element_get_static_pad (branch.get (), "sink"));
}

void
leave (Robot &robot, const char *peer_id)
{
  fail_unless (
      robot.link->call ([id = std::string (peer_id)] (
                            SignallerListener &l) { l.on_leave (id, ""); }));
}

bool
paused (Robot &robot, const char *action, const char *peer_id)
{
  gboolean found = FALSE;
  g_signal_emit_by_name (robot.bin, action, peer_id, &found);
  return found;
}

bool
is_listed (Robot &robot, const char *peer_id)
{
  g_auto (GStrv) ids = nullptr;
  g_signal_emit_by_name (robot.bin, "list-viewers", &ids);
  return g_strv_contains (ids, peer_id);
}

} // namespace

// Each deadline of this test is the test's own: what hangs here, hangs.
GST_START_TEST (test_one_that_is_stuck_holds_up_no_other)
{
  Plug plug;
  Robot robot ("VP8", "session-policy=open");
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2"),
      cid (robot.link, "cid", "p3");
  fail_unless (ann.join ());
  fail_unless (bob.join ());
  plug.put_into (behind_queue (robot, "p1").get ());
  fail_unless (plug.wait_held ());
  leave (robot, "p1");
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  fail_unless (bob.wait_frames (10));
  fail_unless (paused (robot, "pause-viewer", "p2"));
  fail_unless (paused (robot, "resume-viewer", "p2"));
  fail_unless (bob.wait_frames (5));
  fail_unless (cid.join ());
  fail_unless_equals_int (2, robot.viewer_count ());
  // It has not gone yet, and that is not said before.
  fail_unless (robot.removal ("p1").empty ());
  fail_unless (branch_of (robot, "p1") != nullptr);
  plug.let_go ();
  fail_unless (robot.wait_removed ("p1", "left"));
  fail_unless (branch_of (robot, "p1") == nullptr);
  fail_unless (cid.wait_frames (5));
}
GST_END_TEST

// The application waits for it, if it ends it, and nobody else.
GST_START_TEST (test_who_ends_it_waits_alone)
{
  Plug plug;
  Robot robot ("VP8", "session-policy=open");
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  fail_unless (ann.join ());
  fail_unless (bob.join ());
  plug.put_into (behind_queue (robot, "p1").get ());
  fail_unless (plug.wait_held ());
  std::atomic<bool> returned{false};
  gboolean found = FALSE;
  std::thread application ([&] () {
    g_signal_emit_by_name (robot.bin, "end-viewer", "p1", &found);
    returned = true;
  });
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  fail_unless (paused (robot, "pause-viewer", "p2"));
  fail_unless (paused (robot, "resume-viewer", "p2"));
  fail_unless (bob.wait_frames (10));
  fail_if (returned);
  fail_unless (robot.link->peer ("p1").leave == "ended");
  plug.let_go ();
  application.join ();
  fail_unless (found);
  fail_unless (robot.has_message (ROBOTLIVE_MESSAGE_VIEWER_REMOVED) ||
               robot.wait_message (ROBOTLIVE_MESSAGE_VIEWER_REMOVED));
}
GST_END_TEST

// A push into the branch is stuck, and the encoder with it: the viewer goes all
// the same, and when the push is through the others have their picture again.
GST_START_TEST (test_a_push_that_is_stuck)
{
  Plug plug;
  Robot robot ("VP8", "session-policy=open");
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2"),
      cid (robot.link, "cid", "p3");
  fail_unless (ann.join ());
  fail_unless (bob.join ());
  plug.put_into (before_queue (robot, "p1").get ());
  fail_unless (plug.wait_held ());
  leave (robot, "p1");
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  fail_unless (cid.offer ());
  fail_unless (robot.link->wait_answer ("p3"));
  // The branch is cut off while the push is in it.
  const auto sink = before_queue (robot, "p1");
  fail_unless (
      robot.wait ([&] () { return !gst_pad_is_linked (sink.get ()); }));
  plug.let_go ();
  fail_unless (robot.wait_removed ("p1", "left"));
  fail_unless (bob.wait_frames (10));
  fail_unless (cid.take_answer ());
  fail_unless (cid.wait_frames (5));
}
GST_END_TEST

// One that offers anew gets its answer when its old connection has gone; that
// is told before the new one is.
GST_START_TEST (test_a_new_offer_while_the_old_connection_is_stuck)
{
  struct Told
  {
    std::mutex mutex;
    std::string text;
    void add (const char *what, const char *peer_id)
    {
      std::lock_guard<std::mutex> lock (mutex);
      if (g_str_equal (peer_id, "p1"))
        text += what;
    }
  } told;
  Plug plug;
  Robot robot ("VP8", "session-policy=open");
  g_signal_connect (robot.bin, "viewer-added",
      G_CALLBACK (+[] (GstElement *, const char *id, const char *, Told *t) {
        t->add ("+", id);
      }),
      &told);
  g_signal_connect (robot.bin, "viewer-removed",
      G_CALLBACK (+[] (GstElement *, const char *id, const char *, Told *t) {
        t->add ("-", id);
      }),
      &told);
  TestViewer bob (robot.link, "bob", "p2");
  fail_unless (bob.join ());
  {
    TestViewer ann (robot.link, "ann", "p1");
    fail_unless (ann.join ());
    plug.put_into (behind_queue (robot, "p1").get ());
    fail_unless (plug.wait_held ());
  }
  robot.link->change ([&] () { robot.link->peers.erase ("p1"); });
  TestViewer again (robot.link, "ann", "p1");
  fail_unless (again.offer ());
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  fail_unless (bob.wait_frames (10));
  fail_unless (robot.link->peer ("p1").answer.empty ());
  fail_unless (robot.removal ("p1").empty ());
  plug.let_go ();
  fail_unless (again.take_answer ());
  fail_unless (again.wait_frames (5));
  std::lock_guard<std::mutex> lock (told.mutex);
  fail_unless_equals_string ("+-+", told.text.c_str ());
}
GST_END_TEST

// A place is free when who had it has gone.
GST_START_TEST (test_the_next_one_waits_for_the_place)
{
  Plug plug;
  Robot robot ("VP8", "session-policy=open max-viewers=1");
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  fail_unless (ann.join ());
  plug.put_into (behind_queue (robot, "p1").get ());
  fail_unless (plug.wait_held ());
  leave (robot, "p1");
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  fail_unless (bob.offer ());
  fail_unless (branch_of (robot, "p2") == nullptr);
  plug.let_go ();
  fail_unless (bob.take_answer ());
  fail_unless (bob.wait_frames (5));
  fail_unless (robot.wait_removed ("p1", "left"));
}
GST_END_TEST

// Set to NULL, it waits for what is stuck, and is whole afterwards.
GST_START_TEST (test_null_waits_for_what_is_stuck)
{
  Plug plug;
  Robot robot ("VP8", "session-policy=open");
  std::atomic<int> removed{0};
  g_signal_connect (robot.bin, "viewer-removed",
      G_CALLBACK (+[] (GstElement *, const char *, const char *,
                       std::atomic<int> *count) { ++*count; }),
      &removed);
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  fail_unless (ann.join ());
  fail_unless (bob.join ());
  plug.put_into (behind_queue (robot, "p1").get ());
  fail_unless (plug.wait_held ());
  leave (robot, "p1");
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  std::atomic<bool> done{false};
  std::thread application ([&] () {
    gst_element_set_state (robot.pipeline, GST_STATE_NULL);
    done = true;
  });
  fail_if (done);
  plug.let_go ();
  application.join ();
  fail_unless (branch_of (robot, "p1") == nullptr);
  fail_unless (branch_of (robot, "p2") == nullptr);
  fail_unless_equals_int (2, removed);
  fail_unless (robot.link->peer ("p2").leave == "robot-offline");
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer cid (robot.link, "cid", "p3");
  fail_unless (cid.join ());
}
GST_END_TEST

// --- a key file that does not come -------------------------------------------

namespace {

// The reads that this one holds up; null: none.
std::atomic<Plug *> no_file{nullptr};

} // namespace

// Stands for the one in signaling/grant.
std::optional<JwtKeySet>
robotlive::load_key_file (
    const std::string &path, std::string *error, bool *unread)
{
  if (Plug *plug = no_file)
    plug->hold ();
  FileText file;
  const bool read = read_regular_file (path, 65536, &file, error);
  if (unread)
    *unread = !read;
  return read ? JwtKeySet::parse (file.text, error) : std::nullopt;
}

GST_START_TEST (test_a_key_file_that_does_not_come)
{
  Plug plug;
  Robot robot ("VP8", "", Key::File, false);
  // It has been there when the settings were looked at.
  gst_element_set_state (robot.pipeline, GST_STATE_READY);
  no_file = &plug;
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer ann (robot.link, "ann", "p1");
  fail_unless (plug.wait_held ());
  const TimeMs now = g_get_real_time () / 1000;
  fail_unless (ann.offer (robot.terms ("ann", "p1", now, now + 600000)));
  // The signaling thread answers.
  fail_if (is_listed (robot, "p1"));
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (robot.bin, "stats", &stats, nullptr);
  fail_unless (stats != nullptr);
  no_file = nullptr;
  plug.let_go ();
  fail_unless (ann.take_answer ());
  fail_unless (ann.wait_frames (5));
}
GST_END_TEST

// --- a name server that does not answer --------------------------------------

namespace {

Plug *no_answer;

} // namespace

#define TYPE_SLOW_RESOLVER (slow_resolver_get_type ())
G_DECLARE_FINAL_TYPE (SlowResolver, slow_resolver, SLOW, RESOLVER, GResolver)
struct _SlowResolver
{
  GResolver parent;
};
G_DEFINE_FINAL_TYPE (SlowResolver, slow_resolver, G_TYPE_RESOLVER)

static GList *
no_address (GError **error)
{
  no_answer->hold ();
  g_set_error_literal (error, G_RESOLVER_ERROR,
      G_RESOLVER_ERROR_TEMPORARY_FAILURE, "No answer.");
  return nullptr;
}

static void
look_up_later (GResolver *self, GCancellable *cancellable,
    GAsyncReadyCallback call, gpointer data)
{
  GTask *task = g_task_new (self, cancellable, call, data);
  g_task_run_in_thread (
      task, [] (GTask *job, gpointer, gpointer, GCancellable *) {
        GError *error = nullptr;
        no_address (&error);
        g_task_return_error (job, error);
      });
  g_object_unref (task);
}

static GList *
finish (GResolver *, GAsyncResult *result, GError **error)
{
  return static_cast<GList *> (
      g_task_propagate_pointer (G_TASK (result), error));
}

static void
slow_resolver_init (SlowResolver *)
{
}

static void
slow_resolver_class_init (SlowResolverClass *klass)
{
  auto *resolver = G_RESOLVER_CLASS (klass);
  resolver->lookup_by_name = [] (GResolver *, const gchar *, GCancellable *,
                                 GError **error) { return no_address (error); };
  resolver->lookup_by_name_async =
      [] (GResolver *self, const gchar *, GCancellable *cancellable,
          GAsyncReadyCallback call,
          gpointer data) { look_up_later (self, cancellable, call, data); };
  resolver->lookup_by_name_finish = finish;
  resolver->lookup_by_name_with_flags =
      [] (GResolver *, const gchar *, GResolverNameLookupFlags, GCancellable *,
          GError **error) { return no_address (error); };
  resolver->lookup_by_name_with_flags_async =
      [] (GResolver *self, const gchar *, GResolverNameLookupFlags,
          GCancellable *cancellable, GAsyncReadyCallback call,
          gpointer data) { look_up_later (self, cancellable, call, data); };
  resolver->lookup_by_name_with_flags_finish = finish;
}

// Who asks for an address: libnice for a server's, the bin for a name that its
// peer hides behind.
GST_START_TEST (test_a_name_server_that_does_not_answer)
{
  static const char *const settings[] = {"stun-server=stun://stun.test:3478",
      "turn-server=turn://me:secret@turn.test:3478", "", ""};
  const std::string setting = settings[__i__];
  const bool in_offer = __i__ == 3;
  const std::string hidden = "candidate:1 1 UDP 2122252543 "
                             "0a1b2c3d-0000-4000-8000-0123456789ab.local "
                             "50000 typ host";
  Plug plug;
  no_answer = &plug;
  auto *resolver =
      static_cast<GResolver *> (g_object_new (TYPE_SLOW_RESOLVER, nullptr));
  g_resolver_set_default (resolver);
  g_object_unref (resolver);
  Robot robot ("VP8", "session-policy=open " + setting);
  ViewerOptions options;
  if (in_offer)
    options.edit_offer = [hidden] (std::string sdp) {
      return sdp + "a=" + hidden + "\r\n";
    };
  TestViewer ann (robot.link, "ann", "p1", options),
      bob (robot.link, "bob", "p2");
  fail_unless (ann.offer ());
  if (setting.empty () && !in_offer)
    fail_unless (robot.link->call ([hidden] (SignallerListener &listener) {
      listener.on_candidate ("ann", "p1", {hidden, "video0", 0});
    }));
  fail_unless (plug.wait_held ());
  // Those who are there are served, those who come are taken on, and those who
  // go are let go.
  fail_unless (is_listed (robot, "p1"));
  fail_unless (bob.offer ());
  fail_unless (robot.wait ([&] () { return is_listed (robot, "p2"); }));
  leave (robot, "p1");
  fail_unless (robot.wait ([&] () { return !is_listed (robot, "p1"); }));
  g_autoptr (GstStructure) stats = robot.viewer_stats ("p2");
  fail_unless (stats != nullptr);
  plug.let_go ();
  fail_unless (robot.wait_removed ("p1", "left"));
  fail_unless (bob.take_answer ());
  fail_unless (bob.wait_frames (5));
}
GST_END_TEST

static Suite *
signalingbinstuck_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinstuck");
  TCase *tc = tcase_create ("stuck");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_one_that_is_stuck_holds_up_no_other);
  tcase_add_test (tc, test_who_ends_it_waits_alone);
  tcase_add_test (tc, test_a_push_that_is_stuck);
  tcase_add_test (tc, test_a_new_offer_while_the_old_connection_is_stuck);
  tcase_add_test (tc, test_the_next_one_waits_for_the_place);
  tcase_add_test (tc, test_null_waits_for_what_is_stuck);
  tcase_add_test (tc, test_a_key_file_that_does_not_come);
  tcase_add_loop_test (tc, test_a_name_server_that_does_not_answer, 0, 4);
  return s;
}

GST_CHECK_MAIN (signalingbinstuck)
