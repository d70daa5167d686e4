// SPDX-License-Identifier: LGPL-2.1-or-later
//
// IcePath on two real agents that ask each other for consent (RFC 7675): what
// goes past libnice ends when libnice's own would.
#include "webrtc/icepath.hpp"
#include <gst/check/gstcheck.h>
#include <nice/agent.h>

using namespace robotlive;

namespace {

constexpr guint kComponent = 1;

struct Peer
{
  GPtr<NiceAgent> agent;
  guint stream = 0;
  bool gathered = false;

  Peer (GMainContext *context, bool controlling)
      : agent (adopt (nice_agent_new_full (context, NICE_COMPATIBILITY_RFC5245,
            NICE_AGENT_OPTION_CONSENT_FRESHNESS)))
  {
    g_object_set (agent.get (), "controlling-mode", gboolean (controlling),
        "upnp", FALSE, "ice-tcp", FALSE, nullptr);
    g_signal_connect (agent.get (), "candidate-gathering-done",
        G_CALLBACK (+[] (NiceAgent *, guint, bool *done) { *done = true; }),
        &gathered);
    stream = nice_agent_add_stream (agent.get (), 1);
    nice_agent_attach_recv (
        agent.get (), stream, kComponent, context,
        [] (NiceAgent *, guint, guint, guint, gchar *, gpointer) {}, nullptr);
    fail_unless (nice_agent_gather_candidates (agent.get (), stream));
  }
  NiceComponentState state () const
  {
    return nice_agent_get_component_state (agent.get (), stream, kComponent);
  }
  // Is told what *other* would have signalled.
  void hear_of (const Peer &other) const
  {
    g_autofree gchar *ufrag = nullptr;
    g_autofree gchar *pwd = nullptr;
    fail_unless (nice_agent_get_local_credentials (
        other.agent.get (), other.stream, &ufrag, &pwd));
    fail_unless (
        nice_agent_set_remote_credentials (agent.get (), stream, ufrag, pwd));
    GSList *candidates = nice_agent_get_local_candidates (
        other.agent.get (), other.stream, kComponent);
    fail_unless (nice_agent_set_remote_candidates (
                     agent.get (), stream, kComponent, candidates) > 0);
    g_slist_free_full (candidates, [] (gpointer candidate) {
      nice_candidate_free (static_cast<NiceCandidate *> (candidate));
    });
  }
};

struct Pair
{
  GMainContext *context = g_main_context_new ();
  Peer robot{context, false}, viewer{context, true};

  Pair ()
  {
    wait ([this] () { return robot.gathered && viewer.gathered; });
    robot.hear_of (viewer);
    viewer.hear_of (robot);
    wait ([this] () {
      return robot.state () == NICE_COMPONENT_STATE_READY &&
             viewer.state () == NICE_COMPONENT_STATE_READY;
    });
  }
  ~Pair ()
  {
    robot.agent.reset ();
    viewer.agent.reset ();
    g_main_context_unref (context);
  }
  // The test's own time-out ends a wait in vain.
  template <typename Condition> void wait (Condition condition)
  {
    while (!condition ()) {
      while (g_main_context_iteration (context, FALSE))
        ;
      g_usleep (2000);
    }
  }
};

// As webrtcbin has them: a bin with srtpenc, and nicesink beside it.
GPtr<GstElement>
transport_of (const Peer &peer, GPtr<GstElement> *srtpenc)
{
  auto outer = sink (gst_bin_new (nullptr));
  GstElement *inner = gst_bin_new (nullptr);
  GstElement *encrypter = gst_element_factory_make ("srtpenc", nullptr);
  GstElement *nicesink = gst_element_factory_make ("nicesink", nullptr);
  fail_unless (encrypter && nicesink);
  g_object_set (nicesink, "agent", peer.agent.get (), "stream", peer.stream,
      "component", kComponent, nullptr);
  gst_bin_add (GST_BIN (inner), encrypter);
  gst_bin_add_many (GST_BIN (outer.get ()), inner, nicesink, nullptr);
  *srtpenc = share (encrypter);
  return outer;
}

} // namespace

GST_START_TEST (test_consent_that_is_revoked)
{
  Pair pair;
  GPtr<GstElement> srtpenc;
  const auto transport = transport_of (pair.robot, &srtpenc);
  IcePath path;
  path.find (srtpenc.get ());
  fail_unless (path.look ());
  fail_unless (path.fd () >= 0);
  // From here on it answers the robot's checks with 403.
  fail_unless (nice_agent_consent_lost (
      pair.viewer.agent.get (), pair.viewer.stream, kComponent));
  pair.wait ([&] () { return !path.look (); });
  // Nor would libnice send anything.
  fail_unless (nice_agent_send (pair.robot.agent.get (), pair.robot.stream,
                   kComponent, 4, "data") < 0);
}
GST_END_TEST

GST_START_TEST (test_consent_that_lasts)
{
  Pair pair;
  GPtr<GstElement> srtpenc;
  const auto transport = transport_of (pair.robot, &srtpenc);
  IcePath path;
  path.find (srtpenc.get ());
  // Past several checks.
  const auto until = g_get_monotonic_time () + 12 * G_USEC_PER_SEC;
  pair.wait ([&] () {
    fail_unless (path.look ());
    return g_get_monotonic_time () > until;
  });
}
GST_END_TEST

static Suite *
icepath_suite (void)
{
  Suite *s = suite_create ("icepath");
  TCase *tc = tcase_create ("consent");
  tcase_set_timeout (tc, 120);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_consent_that_is_revoked);
  tcase_add_test (tc, test_consent_that_lasts);
  return s;
}

GST_CHECK_MAIN (icepath)
