// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whatever the bin calls may call back at once. For each signal, message, event
// and call of a signaller: a handler that uses every action, one that releases
// its own pad, one that sets the bin to NULL. Worth most with the address
// sanitizer.
#include "bin/signalingbinstate.hpp"
// Its macro "fail" is a method's name in the above.
#include "bintest.hpp"
#include "robotlive.h"
#include <gst/video/video.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

const char kPads[] =
    "session-policy=open video_0::alternative-of=sink "
    "videotestsrc is-live=true ! "
    "video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
    "openh264enc gop-size=300 complexity=low ! h264parse ! "
    "tee name=tee allow-not-linked=true ! bin.video_0";

void
use_every_action (GstElement *bin)
{
  g_auto (GStrv) ids = nullptr;
  g_signal_emit_by_name (bin, "list-viewers", &ids);
  g_autoptr (GstStructure) stats = nullptr;
  guint target = 0;
  g_object_get (bin, "stats", &stats, "target-bitrate", &target, nullptr);
  g_assert_nonnull (stats); // not the test's own thread
  g_object_set (bin, "controller", "ann", nullptr);
  g_autoptr (GstStructure) leave =
      gst_structure_new ("leave", "peer-id", G_TYPE_STRING, "nobody", nullptr);
  gboolean done = FALSE;
  g_signal_emit_by_name (bin, "take-message", leave, &done);
  for (char **id = ids; id && *id; id++)
    for (const char *action : {"pause-viewer", "resume-viewer", "pause-viewer",
             "end-viewer", "end-viewer"})
      g_signal_emit_by_name (bin, action, *id, &done);
}

void
release_pad (GstElement *bin)
{
  auto pad = adopt (gst_element_get_static_pad (bin, "video_0"));
  if (!pad)
    return;
  if (auto peer = adopt (gst_pad_get_peer (pad.get ())))
    gst_pad_unlink (peer.get (), pad.get ());
  gst_element_release_request_pad (bin, pad.get ());
}

void
set_null (GstElement *bin)
{
  gst_element_set_locked_state (bin, TRUE);
  gst_element_set_state (bin, GST_STATE_NULL);
}

struct Deed
{
  const char *name;
  void (*what) (GstElement *bin);
};
const Deed deeds[] = {
    {"every action", use_every_action},
    {"release its pad", release_pad},
    {"set NULL", set_null},
};

// What a handler does, once.
struct Handler
{
  GstElement *bin = nullptr;
  const Deed *deed = nullptr;
  std::atomic<int> calls{0};
  std::atomic<bool> done{false};

  void run ()
  {
    if (calls++)
      return;
    deed->what (bin);
    done = true;
  }
};

struct Scene
{
  explicit Scene (const Deed &deed) : robot ("VP8", kPads, Key::None, false)
  {
    handler.bin = robot.bin;
    handler.deed = &deed;
  }
  // Takes the place of what Robot's destructor would hear of the pipeline: its
  // branches are cut off on purpose.
  ~Scene () { gst_element_set_state (robot.pipeline, GST_STATE_NULL); }

  Handler handler; // outlives the robot
  Robot robot;
};

// Where the bin calls somebody, and how that one is put in.
struct Caller
{
  const char *name;
  void (*connect) (Scene &scene);
  bool vanish = false; // it takes a viewer that falls silent
};

template <int n>
void
on_signal (gpointer object, const char *signal, Handler *handler)
{
  // The handler is the last argument of all.
  GCallback call = nullptr;
  if constexpr (n == 1)
    call = G_CALLBACK (+[] (gpointer, gpointer, Handler *h) { h->run (); });
  else
    call = G_CALLBACK (
        +[] (gpointer, gpointer, gpointer, Handler *h) { h->run (); });
  g_signal_connect (object, signal, call, handler);
}

void
on_send (Scene &scene, const char *wanted)
{
  Handler *const handler = &scene.handler;
  scene.robot.link->change ([&] () {
    scene.robot.link->on_send = [handler, wanted] (const char *what) {
      if (g_str_equal (what, wanted))
        handler->run ();
    };
  });
}

struct Watched
{
  Handler *handler;
  const char *name;
};

void
on_message (Scene &scene, const char *name)
{
  auto bus = adopt (gst_element_get_bus (scene.robot.pipeline));
  gst_bus_set_sync_handler (
      bus.get (),
      [] (GstBus *, GstMessage *message, gpointer data) {
        const auto *watched = static_cast<Watched *> (data);
        if (gst_message_has_name (message, watched->name))
          watched->handler->run ();
        return GST_BUS_PASS;
      },
      new Watched{&scene.handler, name},
      [] (gpointer data) { delete static_cast<Watched *> (data); });
}

bool
is_key_frame_request (GstEvent *event)
{
  return gst_video_event_is_force_key_unit (event);
}

bool
is_session (GstEvent *event)
{
  return gst_event_has_name (event, ROBOTLIVE_EVENT_SESSIONS);
}

template <bool (*matches) (GstEvent *)>
void
on_event (Scene &scene)
{
  auto pad = adopt (gst_element_get_static_pad (scene.robot.bin, "sink"));
  auto peer = adopt (gst_pad_get_peer (pad.get ()));
  gst_pad_add_probe (
      peer.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        if (matches (GST_PAD_PROBE_INFO_EVENT (info)))
          static_cast<Handler *> (data)->run ();
        return GST_PAD_PROBE_OK;
      },
      &scene.handler, nullptr);
}

GPtr<GstElement>
encoder_of (const Robot &robot)
{
  auto pad = adopt (gst_element_get_static_pad (robot.bin, "sink"));
  auto peer = adopt (gst_pad_get_peer (pad.get ()));
  return adopt (gst_pad_get_parent_element (peer.get ()));
}

int
bitrate_of (GstElement *encoder)
{
  int rate = 0;
  g_object_get (encoder, "target-bitrate", &rate, nullptr);
  return rate;
}

void
on_encoder (Scene &scene)
{
  on_signal<1> (encoder_of (scene.robot).get (), "notify::target-bitrate",
      &scene.handler);
}

const Caller callers[] = {
    {"viewer-added",
        [] (Scene &s) {
          on_signal<2> (s.robot.bin, "viewer-added", &s.handler);
        }},
    {"viewer-removed",
        [] (Scene &s) {
          on_signal<2> (s.robot.bin, "viewer-removed", &s.handler);
        }},
    {"notify::target-bitrate",
        [] (Scene &s) {
          on_signal<1> (s.robot.bin, "notify::target-bitrate", &s.handler);
        }},
    {"the encoder's property", on_encoder},
    {"session event", on_event<is_session>},
    {"key frame event", on_event<is_key_frame_request>},
    {ROBOTLIVE_MESSAGE_LINK,
        [] (Scene &s) { on_message (s, ROBOTLIVE_MESSAGE_LINK); }},
    {ROBOTLIVE_MESSAGE_VIEWER_ADDED,
        [] (Scene &s) { on_message (s, ROBOTLIVE_MESSAGE_VIEWER_ADDED); }},
    {ROBOTLIVE_MESSAGE_VIEWER_REMOVED,
        [] (Scene &s) { on_message (s, ROBOTLIVE_MESSAGE_VIEWER_REMOVED); }},
    {ROBOTLIVE_MESSAGE_VIEWER_REFUSED,
        [] (Scene &s) { on_message (s, ROBOTLIVE_MESSAGE_VIEWER_REFUSED); }},
    {ROBOTLIVE_MESSAGE_STATS,
        [] (Scene &s) {
          g_object_set (s.robot.bin, "stats-interval", 1000, nullptr);
          on_message (s, ROBOTLIVE_MESSAGE_STATS);
        }},
    {"answer", [] (Scene &s) { on_send (s, "answer"); }},
    {"ice-candidate", [] (Scene &s) { on_send (s, "ice-candidate"); }},
    {"leave", [] (Scene &s) { on_send (s, "leave"); }},
    {"error", [] (Scene &s) { on_send (s, "error"); }},
    {"picture-limit", [] (Scene &s) { on_send (s, "picture-limit"); }, true},
    // Not the bin's: those of any bin, while a viewer's branch comes or goes.
    {"element-added",
        [] (Scene &s) {
          on_signal<1> (s.robot.bin, "element-added", &s.handler);
        }},
    {"element-removed",
        [] (Scene &s) {
          on_signal<1> (s.robot.bin, "element-removed", &s.handler);
        }},
};

// Two viewers, one on each pad; one offers rubbish, one is ended, the other's
// codec changes.
void
play (Scene &scene, bool vanish)
{
  Robot &robot = scene.robot;
  ViewerOptions options;
  options.feedback = true;
  TestViewer ann (robot.link, "ann", "p1", options);
  TestViewer bob (robot.link, "bob", "p2", {"H264"});
  const auto over = [&] () { return scene.handler.done.load (); };
  const auto offer = [&] (const char *user, const char *id, std::string sdp) {
    return over () || robot.link->call ([=] (SignallerListener &listener) {
      listener.on_offer (user, id, sdp, std::nullopt);
    });
  };
  fail_unless (robot.wait ([&] () { return offer ("eve", "p3", "rubbish"); }));
  offer ("ann", "p1", ann.make_offer ());
  offer ("bob", "p2", bob.make_offer ());
  const auto encoder = encoder_of (robot);
  const int configured = bitrate_of (encoder.get ());
  bool taken_by_ann = false, taken_by_bob = false, ended = false;
  const auto played = [&] () {
    if (over ())
      return true;
    if (!taken_by_ann && !robot.link->peer ("p1").answer.empty ())
      taken_by_ann = ann.take_answer ();
    if (!taken_by_bob && !robot.link->peer ("p2").answer.empty ())
      taken_by_bob = bob.take_answer ();
    ann.give_candidates ();
    bob.give_candidates ();
    if (!ended && ann.frames () > 3 && bob.frames () > 3 &&
        bitrate_of (encoder.get ()) != configured &&
        (!vanish || robot.number ("p1", "received-rate") > 0)) {
      ended = true;
      if (vanish) {
        ann.vanish ();
        return over ();
      }
      GST_SIGNALING_BIN (robot.bin)->state->post ([] (Controller &controller) {
        controller.set_codec ("video_0", {"VP9"});
      });
      gboolean found = FALSE;
      g_signal_emit_by_name (robot.bin, "end-viewer", "p1", &found);
    }
    return over ();
  };
  fail_unless (robot.wait (played), "nobody called");
}

} // namespace

GST_START_TEST (test_a_handler_may_do_anything)
{
  const auto &caller =
      callers[static_cast<unsigned> (__i__) / G_N_ELEMENTS (deeds)];
  const auto &deed =
      deeds[static_cast<unsigned> (__i__) % G_N_ELEMENTS (deeds)];
  GST_INFO ("%s: %s", caller.name, deed.name);
  Scene scene (deed);
  Robot &robot = scene.robot;
  caller.connect (scene);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  play (scene, caller.vanish);

  // All is whole afterwards: it starts anew and serves.
  gst_element_set_locked_state (robot.bin, FALSE);
  fail_unless (gst_element_set_state (robot.pipeline, GST_STATE_NULL) ==
               GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (0, robot.viewer_count ());
  robot.forget_messages ();
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer next (robot.link, "dan", "p9");
  fail_unless (robot.wait (
      [&] () { return robot.link->call ([] (SignallerListener &) {}); }));
  fail_unless (next.join ());
}
GST_END_TEST

// The application's own carrier: each of its messages in turn.
GST_START_TEST (test_who_carries_messages_may_do_anything)
{
  static const char *const names[] = {
      "answer", "ice-candidate", "leave", "error"};
  const char *name =
      names[static_cast<unsigned> (__i__) / G_N_ELEMENTS (deeds)];
  Scene scene (deeds[static_cast<unsigned> (__i__) % G_N_ELEMENTS (deeds)]);
  GST_INFO ("send-message %s: %s", name, scene.handler.deed->name);
  Robot &robot = scene.robot;
  gst_signaling_bin_set_signaller (GST_SIGNALING_BIN (robot.bin), nullptr);
  g_object_set (robot.bin, "application-signaling", TRUE, nullptr);
  Watched watched{&scene.handler, name};
  g_signal_connect (robot.bin, "send-message",
      G_CALLBACK (
          +[] (GstElement *, const GstStructure *message, Watched *who) {
            if (gst_structure_has_name (message, who->name))
              who->handler->run ();
          }),
      &watched);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  const auto offer = [&] (const char *user, const char *id, std::string sdp) {
    g_autoptr (GstStructure) message =
        gst_structure_new ("offer", "from", G_TYPE_STRING, user, "peer-id",
            G_TYPE_STRING, id, "sdp", G_TYPE_STRING, sdp.c_str (), nullptr);
    gboolean taken = FALSE;
    g_signal_emit_by_name (robot.bin, "take-message", message, &taken);
    return taken;
  };
  const auto over = [&] () { return scene.handler.done.load (); };
  const auto ann_offers = ann.make_offer (), bob_offers = bob.make_offer ();
  fail_unless (robot.wait (
      [&] () { return over () || offer ("ann", "p1", ann_offers); }));
  offer ("bob", "p2", bob_offers);
  offer ("eve", "p3", "rubbish");
  fail_unless (robot.wait ([&] () {
    gboolean ended = FALSE;
    if (!over () && g_str_equal (name, "leave"))
      g_signal_emit_by_name (robot.bin, "end-viewer", "p1", &ended);
    return over ();
  }));
  gst_element_set_locked_state (robot.bin, FALSE);
  fail_unless (gst_element_set_state (robot.pipeline, GST_STATE_NULL) ==
               GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (0, robot.viewer_count ());
}
GST_END_TEST

// Set to NULL by the application while there are viewers: its handlers may do
// so, too.
GST_START_TEST (test_a_handler_sets_null_while_null_is_set)
{
  Scene scene (deeds[2]);
  Robot &robot = scene.robot;
  on_signal<2> (robot.bin, "viewer-removed", &scene.handler);
  gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
  TestViewer ann (robot.link, "ann", "p1"), bob (robot.link, "bob", "p2");
  fail_unless (ann.join ());
  fail_unless (bob.join ());
  fail_unless (gst_element_set_state (robot.pipeline, GST_STATE_NULL) ==
               GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (2, scene.handler.calls);
  fail_unless (scene.handler.done);
  fail_unless (robot.link->peer ("p1").leave == "robot-offline");
  fail_unless (robot.link->peer ("p2").leave == "robot-offline");
}
GST_END_TEST

static Suite *
signalingbinreentrancy_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinreentrancy");
  TCase *tc = tcase_create ("re-entrancy");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_a_handler_may_do_anything, 0,
      G_N_ELEMENTS (callers) * G_N_ELEMENTS (deeds));
  tcase_add_loop_test (tc, test_who_carries_messages_may_do_anything, 0,
      4 * G_N_ELEMENTS (deeds));
  tcase_add_test (tc, test_a_handler_sets_null_while_null_is_set);
  return s;
}

GST_CHECK_MAIN (signalingbinreentrancy)
