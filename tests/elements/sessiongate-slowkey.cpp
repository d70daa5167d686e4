// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A key file on a disk that does not answer: whoever asks for it waits, and
// nobody else does. Buffers pass or are dropped, properties are read, sessions
// end.
#include "gatetest.hpp"
#include "grant/jwt.hpp"
#include "grant/keyfile.hpp"
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace robotlive;

namespace {

constexpr TimeMs kNow = kWall / 1000000;

class SlowDisk
{
public:
  // The gate's read: returns when it is let.
  std::optional<JwtKeySet> read ()
  {
    std::unique_lock<std::mutex> lock (mutex_);
    reads_++;
    changed_.notify_all ();
    changed_.wait (lock, [this] { return answers_; });
    return JwtKeySet::parse (text_, &why_);
  }
  void hang ()
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    answers_ = false;
    reads_ = 0;
  }
  // As it is while the disk answers.
  void set_text (const std::string &text)
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    text_ = text;
    answers_ = true;
  }
  void answer ()
  {
    const std::lock_guard<std::mutex> lock (mutex_);
    answers_ = true;
    changed_.notify_all ();
  }
  void wait_for_reader ()
  {
    std::unique_lock<std::mutex> lock (mutex_);
    changed_.wait (lock, [this] { return reads_ > 0; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_, why_;
  bool answers_ = true;
  int reads_ = 0;
};

SlowDisk disk;

Grant
some_grant ()
{
  Grant grant;
  grant.viewer_id = "42";
  grant.robot_id = "robot_pi_001";
  grant.peer_id = "peer-1";
  grant.role = "viewer";
  grant.window = {kNow - 60000, kNow + 60000};
  grant.issued_at = kNow;
  return grant;
}

gboolean
give (Fixture &f, const std::string &jwt)
{
  gboolean accepted = FALSE;
  g_signal_emit_by_name (f.element, "grant", jwt.c_str (), &accepted);
  return accepted;
}

// With *key* in the file, and a grant that opens it.
void
open_by_grant (Fixture &f, const JwtKey &key)
{
  disk.set_text (key.public_pem ());
  f.set ("grant-key", "key");
  f.set ("robot-id", "robot_pi_001");
  f.start ();
  fail_unless (give (f, JwtCodec::sign_grant (key, some_grant ())));
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 1);
}

} // namespace

// Stands for the one in signaling/grant: the test ends by its time-out when
// anybody waits for it who should not.
std::optional<JwtKeySet>
robotlive::load_key_file (const std::string &, std::string *error, bool *)
{
  *error = "The test's key file.";
  return disk.read ();
}

GST_START_TEST (test_another_key_while_buffers_pass)
{
  Fixture f;
  open_by_grant (f, JwtKey::generate_es256 ());
  disk.hang ();
  std::thread application ([&f] { f.set ("grant-key", "another"); });
  disk.wait_for_reader ();
  // The session that was granted before goes on.
  for (int i = 0; i < 10; i++)
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 10);
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_OPEN);
  // And ends when it is over.
  f.clocks.advance (61 * kSecond);
  gst_session_gate_wake (f.gate);
  f.expect ("expired");
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 0);
  disk.answer ();
  application.join ();
}
GST_END_TEST;

// One signed with a key that may have come into the file since.
GST_START_TEST (test_a_grant_of_another_key_while_buffers_pass)
{
  const JwtKey fresh = JwtKey::generate_es256 ();
  Fixture f;
  open_by_grant (f, JwtKey::generate_es256 ());
  const std::string jwt = JwtCodec::sign_grant (fresh, some_grant ());
  disk.set_text (fresh.public_pem ());
  disk.hang ();
  gboolean accepted = FALSE;
  std::thread application ([&] { accepted = give (f, jwt); });
  disk.wait_for_reader ();
  for (int i = 0; i < 10; i++)
    fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 10);
  gst_session_gate_revoke (f.gate, "stop");
  f.expect ("revoked");
  fail_unless_equals_int (f.push (), GST_FLOW_OK);
  fail_unless_equals_int (f.left (), 0);
  disk.answer ();
  application.join ();
  fail_unless (accepted);
}
GST_END_TEST;

GST_START_TEST (test_a_start_and_those_who_look_on)
{
  disk.set_text (JwtKey::generate_es256 ().public_pem ());
  disk.hang ();
  Fixture f;
  f.set ("grant-key", "key");
  f.set ("robot-id", "robot_pi_001");
  std::thread application ([&f] { f.start (); });
  disk.wait_for_reader ();
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  fail_unless_equals_int (f.number ("passed"), 0);
  disk.answer ();
  application.join ();
}
GST_END_TEST;

// The file that counts is the one that was named last.
GST_START_TEST (test_two_files_at_a_time)
{
  const JwtKey key = JwtKey::generate_es256 ();
  disk.set_text (key.public_pem ());
  disk.hang ();
  Fixture f;
  f.set ("robot-id", "robot_pi_001");
  f.set ("grant-key", "first");
  std::thread application ([&f] { f.start (); });
  disk.wait_for_reader ();
  std::thread another ([&f] { f.set ("grant-key", "second"); });
  gchar *name = nullptr;
  do {
    g_free (name);
    g_object_get (f.element, "grant-key", &name, nullptr);
  } while (g_strcmp0 (name, "second"));
  g_free (name);
  disk.answer ();
  application.join ();
  another.join ();
  fail_unless (give (f, JwtCodec::sign_grant (key, some_grant ())));
}
GST_END_TEST;

static Suite *
sessiongate_slowkey_suite (void)
{
  Suite *s = suite_create ("sessiongate-slowkey");
  TCase *tc = tcase_create ("slow");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_another_key_while_buffers_pass);
  tcase_add_test (tc, test_a_grant_of_another_key_while_buffers_pass);
  tcase_add_test (tc, test_a_start_and_those_who_look_on);
  tcase_add_test (tc, test_two_files_at_a_time);
  return s;
}

GST_CHECK_MAIN (sessiongate_slowkey)
