// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of the keys that signalingbin checks grants with: replaced at the
// server or in the file while the robot runs, and a server that has others.
#include "keyserver.hpp"
// libcheck's macros come last.
#include "bintest.hpp"
#include "grant/keyset.hpp"
#include <glib/gstdio.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

const TimeMs kNow = 1800000000000;

SessionTerms
signed_by (const JwtKey &key, const std::string &user,
    const std::string &peer_id, TimeMs ends = kNow + 600000)
{
  Grant grant;
  grant.issuer = "test";
  grant.viewer_id = user;
  grant.robot_id = "robot_1";
  grant.peer_id = peer_id;
  grant.role = "viewer";
  grant.window = {kNow - 1000, ends};
  grant.issued_at = kNow;
  SessionTerms terms;
  terms.role = "viewer";
  terms.not_before = grant.window.starts_at;
  terms.expires_at = ends;
  terms.server_time = kNow;
  terms.grant = JwtCodec::sign_grant (key, grant);
  return terms;
}

std::string
jwks (std::initializer_list<JwtKey> keys)
{
  JwtKeySet set;
  for (const JwtKey &key : keys)
    set.add (key);
  return set.jwks ();
}

// The warnings of a pipeline.
class Warnings
{
public:
  explicit Warnings (Robot &robot) : bus_ (gst_element_get_bus (robot.pipeline))
  {
    gst_bus_set_sync_handler (bus_, on_message, this, nullptr);
  }
  ~Warnings ()
  {
    gst_bus_set_sync_handler (bus_, nullptr, nullptr, nullptr);
    gst_object_unref (bus_);
  }
  std::vector<std::string> list ()
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    return list_;
  }

private:
  static GstBusSyncReply on_message (
      GstBus *, GstMessage *message, gpointer data)
  {
    auto *self = static_cast<Warnings *> (data);
    if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_WARNING)
      return GST_BUS_PASS;
    g_autoptr (GError) error = nullptr;
    gst_message_parse_warning (message, &error, nullptr);
    const std::lock_guard<std::mutex> lock (self->mutex_);
    self->list_.emplace_back (error->message);
    return GST_BUS_PASS;
  }

  GstBus *const bus_;
  std::mutex mutex_;
  std::vector<std::string> list_;
};

bool
has (const std::string &text, const char *part)
{
  return text.find (part) != std::string::npos;
}

struct Served
{
  const JwtKey old = JwtKey::generate_es256 ();
  const JwtKey fresh = JwtKey::generate_es256 ();
  const JwtKey strange = JwtKey::generate_es256 ();
  KeyServer server{jwks ({old})};
  Robot robot{"VP8", "signaling-server=" + server.url ()};
};

} // namespace

GST_START_TEST (test_a_replaced_key_is_asked_for)
{
  Served s;
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1")));
  fail_unless_equals_int (s.server.requests (), 1);

  s.server.serve (jwks ({s.fresh, s.old}));
  TestViewer bob (s.robot.link, "bob", "p2");
  fail_unless (bob.join (signed_by (s.fresh, "bob", "p2")));
  fail_unless_equals_int (s.server.requests (), 2);
  // Who watched by the old key notices nothing, and it is good still.
  fail_unless (ann.wait_frames (5));
  TestViewer cid (s.robot.link, "cid", "p3");
  fail_unless (cid.offer (signed_by (s.old, "cid", "p3")));
  fail_unless (s.robot.link->wait_answer ("p3"));
  fail_unless_equals_int (s.server.requests (), 2);
}
GST_END_TEST

// One question for all who wait; who has a key that is known does not wait, and
// a server that is slow holds up nobody else.
GST_START_TEST (test_offers_that_wait_share_an_answer)
{
  Served s;
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1")));
  s.server.hold (true);
  s.server.serve (jwks ({s.fresh, s.old}));
  TestViewer bob (s.robot.link, "bob", "b"), cid (s.robot.link, "cid", "c");
  fail_unless (bob.offer (signed_by (s.fresh, "bob", "b")));
  fail_unless (cid.offer (signed_by (s.fresh, "cid", "c")));
  fail_unless (s.robot.wait ([&] () { return s.server.requests () == 2; }));
  TestViewer dan (s.robot.link, "dan", "d");
  fail_unless (dan.offer (signed_by (s.old, "dan", "d")));
  fail_unless (s.robot.link->wait_answer ("d"));
  fail_unless (s.robot.link->peer ("b").answer.empty ());
  s.server.hold (false);
  fail_unless (s.robot.link->wait_answer ("b"));
  fail_unless (s.robot.link->wait_answer ("c"));
  fail_unless_equals_int (s.server.requests (), 2);
}
GST_END_TEST

// A server whose keys are others: refused by that name, said once, asked less
// and less often.
GST_START_TEST (test_a_server_with_other_keys_is_refused)
{
  Served s;
  Warnings warnings (s.robot);
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1")));
  const auto offer = [&] (const JwtKey &key, const std::string &peer_id) {
    const auto terms = signed_by (key, "eve", peer_id);
    return s.robot.link->call ([peer_id, terms] (SignallerListener &listener) {
      listener.on_offer ("eve", peer_id, "v=0", terms);
    });
  };
  const auto left = [&] (const std::string &peer_id) {
    return s.robot.wait (
        [&] () { return !s.robot.link->peer (peer_id).leave.empty (); });
  };
  fail_unless (offer (s.strange, "x1"));
  fail_unless (left ("x1"));
  fail_unless_equals_string (
      s.robot.link->peer ("x1").leave.c_str (), "grant-refused");
  fail_unless (s.robot.link->peer ("x1").error_code.empty ());
  fail_unless_equals_int (s.server.requests (), 2);
  fail_unless_equals_int (warnings.list ().size (), 1);
  const auto said = warnings.list ()[0];
  fail_unless (has (said, "signed with a key that is not in the key set of "
                          "http://127.0.0.1:"),
      "%s", said.c_str ());

  // Within 10 s the next waits for its turn, and no longer. Meanwhile a third
  // waits for the same.
  const gint64 begin = g_get_monotonic_time ();
  fail_unless (offer (s.strange, "x2"));
  fail_unless (offer (s.strange, "x3"));
  fail_unless (left ("x2"));
  fail_unless (left ("x3"));
  fail_unless (g_get_monotonic_time () - begin > 5 * G_USEC_PER_SEC);
  fail_unless_equals_int (s.server.requests (), 3);
  // Then it is twice as long: nobody waits for that.
  fail_unless (offer (s.strange, "x4"));
  fail_unless (left ("x4"));
  fail_unless_equals_int (s.server.requests (), 3);
  fail_unless_equals_int (warnings.list ().size (), 1);
  fail_unless (ann.wait_frames (5));
}
GST_END_TEST

// An answer is the whole truth.
GST_START_TEST (test_a_key_that_was_taken_out_is_good_for_nothing)
{
  Served s;
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1")));
  s.server.serve (jwks ({s.fresh}));
  TestViewer bob (s.robot.link, "bob", "p2");
  fail_unless (bob.offer (signed_by (s.fresh, "bob", "p2")));
  fail_unless (s.robot.link->wait_answer ("p2"));
  TestViewer cid (s.robot.link, "cid", "p3");
  fail_unless (cid.offer (signed_by (s.old, "cid", "p3")));
  fail_unless (s.robot.wait (
      [&] () { return s.robot.link->peer ("p3").leave == "grant-refused"; }));
  // Who was let in is.
  fail_unless (ann.wait_frames (5));
}
GST_END_TEST

// A session is made longer by a grant that the new key signed.
GST_START_TEST (test_an_extension_waits_for_its_key)
{
  Served s;
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1", kNow + 100000)));
  fail_unless (s.robot.remaining ("p1") <= 100000);
  s.server.hold (true);
  s.server.serve (jwks ({s.fresh, s.old}));
  const auto longer = signed_by (s.fresh, "ann", "p1", kNow + 900000);
  s.robot.link->call ([longer] (SignallerListener &listener) {
    listener.on_session_updated ("p1", longer);
  });
  fail_unless (s.robot.wait ([&] () { return s.server.requests () == 2; }));
  fail_unless (s.robot.remaining ("p1") <= 100000);
  s.server.hold (false);
  fail_unless (
      s.robot.wait ([&] () { return s.robot.remaining ("p1") > 700000; }));
  // What somebody else signed makes none longer, and the server's word that it
  // is shorter counts at once.
  const auto forged = signed_by (s.strange, "ann", "p1", kNow + 500000);
  s.robot.link->call ([forged] (SignallerListener &listener) {
    listener.on_session_updated ("p1", forged);
  });
  fail_unless (
      s.robot.wait ([&] () { return s.robot.remaining ("p1") < 600000; }));
  fail_unless (ann.wait_frames (5));
}
GST_END_TEST

GST_START_TEST (test_what_is_no_answer_takes_nothing_away)
{
  Served s;
  Warnings warnings (s.robot);
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1")));
  // A secret that anyone can fetch proves nothing.
  s.server.serve (R"({"keys":[{"kty":"oct",)"
                  R"("k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]})");
  const auto forged = signed_by (
      *JwtKey::from_secret ("0123456789abcdef0123456789abcdef"), "eve", "x1");
  s.robot.link->call ([forged] (SignallerListener &listener) {
    listener.on_offer ("eve", "x1", "v=0", forged);
  });
  fail_unless (s.robot.wait (
      [&] () { return s.robot.link->peer ("x1").leave == "grant-refused"; }));
  const auto list = warnings.list ();
  fail_unless (std::any_of (list.begin (), list.end (),
      [] (const std::string &text) { return has (text, "shared secret"); }));
  TestViewer bob (s.robot.link, "bob", "p2");
  fail_unless (bob.offer (signed_by (s.old, "bob", "p2")));
  fail_unless (s.robot.link->wait_answer ("p2"));
}
GST_END_TEST

GST_START_TEST (test_the_file_is_read_again)
{
  const JwtKey old = JwtKey::generate_es256 (),
               fresh = JwtKey::generate_es256 ();
  g_autofree char *name = nullptr;
  g_close (g_file_open_tmp ("keys-XXXXXX", &name, nullptr), nullptr);
  const auto write = [&] (const std::string &text) {
    fail_unless (g_file_set_contents (name, text.c_str (), -1, nullptr));
  };
  write (old.public_pem ());
  {
    Robot robot ("VP8",
        std::string ("signaling-server=http://127.0.0.1:1 grant-key=") + name);
    Warnings warnings (robot);
    TestViewer ann (robot.link, "ann", "p1");
    fail_unless (ann.join (signed_by (old, "ann", "p1")));
    // The file is older than the server's key.
    TestViewer eve (robot.link, "eve", "x1");
    fail_unless (eve.offer (signed_by (fresh, "eve", "x1")));
    fail_unless (robot.wait (
        [&] () { return robot.link->peer ("x1").leave == "grant-refused"; }));
    fail_unless_equals_int (warnings.list ().size (), 1);
    const auto said = warnings.list ()[0];
    fail_unless (has (said, name) && has (said, "robotlive-signaling key show"),
        "%s", said.c_str ());
    // The operator does as told.
    write (old.public_pem () + "\r\n" + fresh.public_pem ());
    TestViewer bob (robot.link, "bob", "p2");
    fail_unless (bob.join (signed_by (fresh, "bob", "p2")));
    fail_unless (ann.wait_frames (5));
  }
  g_unlink (name);
}
GST_END_TEST

// The element is stopped while the keys are asked for, and started again.
GST_START_TEST (test_stopped_while_it_asks)
{
  Served s;
  TestViewer ann (s.robot.link, "ann", "p1");
  fail_unless (ann.join (signed_by (s.old, "ann", "p1")));
  s.server.hold (true);
  TestViewer bob (s.robot.link, "bob", "p2");
  fail_unless (bob.offer (signed_by (s.fresh, "bob", "p2")));
  fail_unless (s.robot.wait ([&] () { return s.server.requests () == 2; }));
  gst_element_set_state (s.robot.pipeline, GST_STATE_NULL);
  s.server.serve (jwks ({s.fresh, s.old}));
  s.server.hold (false);
  fail_unless (gst_element_set_state (s.robot.pipeline, GST_STATE_PLAYING) !=
               GST_STATE_CHANGE_FAILURE);
  // What was known is, without a question; and what was not is asked for.
  TestViewer cid (s.robot.link, "cid", "p3");
  fail_unless (cid.join (signed_by (s.old, "cid", "p3")));
  TestViewer dan (s.robot.link, "dan", "p4");
  fail_unless (dan.join (signed_by (s.fresh, "dan", "p4")));
}
GST_END_TEST

static Suite *
signalingbinkeys_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("signalingbinkeys");
  TCase *tc = tcase_create ("keys");
  tcase_set_timeout (tc, 150);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_a_replaced_key_is_asked_for);
  tcase_add_test (tc, test_offers_that_wait_share_an_answer);
  tcase_add_test (tc, test_a_server_with_other_keys_is_refused);
  tcase_add_test (tc, test_a_key_that_was_taken_out_is_good_for_nothing);
  tcase_add_test (tc, test_an_extension_waits_for_its_key);
  tcase_add_test (tc, test_what_is_no_answer_takes_nothing_away);
  tcase_add_test (tc, test_the_file_is_read_again);
  tcase_add_test (tc, test_stopped_while_it_asks);
  return s;
}

GST_CHECK_MAIN (signalingbinkeys)
