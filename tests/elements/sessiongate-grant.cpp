// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gate and signed grants: what opens it, and what it says when it does not.
#include "gatetest.hpp"
#include "grant/jwt.hpp"
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

using namespace robotlive;

constexpr TimeMs kNow = kWall / 1000000;

// A file of ours that goes away with its owner.
struct KeyFile
{
  std::string path;

  explicit KeyFile (const std::string &text, int mode = 0600)
  {
    gchar *name = nullptr;
    const gint fd = g_file_open_tmp ("gate-XXXXXX", &name, nullptr);
    fail_unless (fd >= 0);
    g_close (fd, nullptr);
    path = name;
    g_free (name);
    fail_unless (g_file_set_contents (path.c_str (), text.data (),
        static_cast<gssize> (text.size ()), nullptr));
    g_chmod (path.c_str (), mode);
  }
  ~KeyFile () { g_unlink (path.c_str ()); }
  void write (const std::string &text) const
  {
    fail_unless (g_file_set_contents (path.c_str (), text.data (),
        static_cast<gssize> (text.size ()), nullptr));
  }
};

static Grant
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

static bool
give (Fixture &f, const std::string &jwt)
{
  gboolean accepted = FALSE;
  g_signal_emit_by_name (f.element, "grant", jwt.c_str (), &accepted);
  return accepted;
}

static void
expect_refusal (Fixture &f, const gchar *reason)
{
  GstStructure *refused = f.wait_for ("refused");
  fail_unless_equals_string (
      gst_structure_get_string (refused, "reason"), reason);
  fail_unless (strlen (gst_structure_get_string (refused, "text")) > 10);
  gst_structure_free (refused);
}

static JwtKey
new_rsa_key ()
{
  EVP_PKEY *pkey =
      EVP_PKEY_Q_keygen (nullptr, nullptr, "RSA", std::size_t (2048));
  BIO *bio = BIO_new (BIO_s_mem ());
  PEM_write_bio_PKCS8PrivateKey (
      bio, pkey, nullptr, nullptr, 0, nullptr, nullptr);
  char *data = nullptr;
  const long size = BIO_get_mem_data (bio, &data);
  std::string why;
  const auto key =
      JwtKey::parse ({data, static_cast<std::size_t> (size)}, &why);
  fail_unless (key.has_value (), "%s", why.c_str ());
  BIO_free (bio);
  EVP_PKEY_free (pkey);
  return *key;
}

// Made once: it takes a moment, and a minute under valgrind.
static const JwtKey &
rsa_key ()
{
  static const JwtKey key = new_rsa_key ();
  return key;
}

constexpr gchar kSecret[] = "0123456789abcdef0123456789abcdef";

// Every algorithm, with its key in every form in which a file may hold it.
GST_START_TEST (test_grant_opens_for_its_time)
{
  const JwtKey ec = JwtKey::generate_es256 (), rsa = rsa_key ();
  const JwtKey secret = *JwtKey::from_secret (kSecret);
  const auto set_of = [] (const JwtKey &key) {
    return "{\"keys\":[" + key.public_jwk () + "]}";
  };
  const struct
  {
    JwtKey key;
    std::string text;
    int mode;
  } files[] = {
      {ec, ec.public_pem (), 0644},
      {ec, ec.public_jwk (), 0644},
      {ec, set_of (ec), 0644},
      {rsa, rsa.public_pem (), 0644},
      {rsa, rsa.public_jwk (), 0644},
      {rsa, set_of (rsa), 0644},
      {secret, kSecret, 0600},
      // The same 32 bytes as a JWK.
      {secret,
          "{\"kty\":\"oct\",\"k\":"
          "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
          0640},
  };
  for (const auto &[key, text, mode] : files) {
    const KeyFile file (text, mode);
    Fixture f;
    f.set ("grant-key", file.path);
    f.set ("robot-id", "robot_pi_001");
    // As people paste it.
    f.set ("grant",
        " Bearer " + JwtCodec::sign_grant (key, some_grant ()) + "\r\n");
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
    f.start ();
    GstStructure *open = f.wait_for ("open");
    fail_unless_equals_string (
        gst_structure_get_string (open, "source"), "grant");
    fail_unless_equals_string (gst_structure_get_string (open, "viewer"), "42");
    fail_unless_equals_string (
        gst_structure_get_string (open, "peer-id"), "peer-1");
    fail_unless_equals_string (
        gst_structure_get_string (open, "role"), "viewer");
    gst_structure_free (open);
    const gint64 end = f.clocks.boot + 60 * kSecond;
    f.clocks.boot = end - 1;
    f.push ();
    fail_unless_equals_int (f.left (), 1);
    f.clocks.boot = end;
    f.push ();
    fail_unless_equals_int (f.left (), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_bad_grants_are_refused)
{
  const JwtKey key = JwtKey::generate_es256 ();
  const KeyFile file (key.public_pem (), 0644);
  Fixture f;
  f.set ("grant-key", file.path);
  f.set ("robot-id", "robot_pi_001");
  f.start ();

  const Grant good = some_grant ();
  Grant other = good, old = good, early = good;
  other.robot_id = "robot_pi_002";
  old.window.ends_at = kNow - 1000;
  early.window.starts_at = kNow + 1000;
  const std::string jwt = JwtCodec::sign_grant (key, good);
  // One letter of the payload: still base64url, and perhaps still JSON.
  std::string tampered = jwt;
  char &letter = tampered[jwt.find ('.') + 20];
  letter = letter == 'A' ? 'B' : 'A';
  const std::string payload =
      jwt.substr (jwt.find ('.'), jwt.rfind ('.') - jwt.find ('.') + 1);
  const JwtKey secret = *JwtKey::from_secret (key.public_pem ());
  const struct
  {
    std::string jwt;
    const gchar *reason;
  } bad[] = {
      {JwtCodec::sign_grant (key, other), "wrong-audience"},
      {JwtCodec::sign_grant (key, old), "expired"},
      {JwtCodec::sign_grant (key, early), "not-yet-valid"},
      {JwtCodec::sign_grant (JwtKey::generate_es256 (), good), "bad-signature"},
      {"eyJhbGciOiJub25lIn0" + payload, "wrong-algorithm"},
      {JwtCodec::sign_grant (secret, good), "wrong-algorithm"},
      {"", "malformed"},
      {"not a token", "malformed"},
      {std::string (1 << 20, 'a'), "malformed"},
  };
  for (const auto &grant : bad) {
    fail_if (give (f, grant.jwt));
    expect_refusal (f, grant.reason);
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
    f.push ();
  }
  fail_if (give (f, tampered));
  GstStructure *refused = f.wait_for ("refused");
  const std::string reason = gst_structure_get_string (refused, "reason");
  fail_unless (reason == "bad-signature" || reason == "malformed", "%s",
      reason.c_str ());
  gst_structure_free (refused);
  // And one of the signature.
  tampered = jwt;
  const size_t inside = jwt.rfind ('.') + 10;
  tampered[inside] = tampered[inside] == 'A' ? 'B' : 'A';
  fail_if (give (f, tampered));
  expect_refusal (f, "bad-signature");
  fail_unless_equals_int (f.left (), 0);
  fail_unless (give (f, jwt));
  f.push ();
  fail_unless_equals_int (f.left (), 1);
  // Nor does a bad one shut a gate that is open.
  fail_if (give (f, bad[0].jwt));
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_OPEN);
}
GST_END_TEST;

// A grant that is signed with another algorithm than the key's, by whatever
// key, is refused as that; and "none" in every spelling, with and without
// something where the signature would be.
GST_START_TEST (test_only_the_keys_algorithm)
{
  const JwtKey keys[] = {
      JwtKey::generate_es256 (), rsa_key (), *JwtKey::from_secret (kSecret)};
  const std::string texts[] = {
      keys[0].public_pem (), keys[1].public_jwk (), kSecret};
  const std::string payload = [&] {
    const std::string jwt = JwtCodec::sign_grant (keys[0], some_grant ());
    return jwt.substr (jwt.find ('.'), jwt.rfind ('.') - jwt.find ('.') + 1);
  }();
  // {"alg":"none"}, {"alg":"None"}, {"alg":"NONE","typ":"JWT"}
  const std::string nones[] = {"eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIn0",
      "eyJhbGciOiJOT05FIiwidHlwIjoiSldUIn0"};
  for (int i = 0; i < 3; ++i) {
    const KeyFile file (texts[i], 0600);
    Fixture f;
    f.set ("grant-key", file.path);
    f.set ("robot-id", "robot_pi_001");
    f.start ();
    for (int j = 0; j < 3; ++j) {
      if (j == i)
        continue;
      fail_if (give (f, JwtCodec::sign_grant (keys[j], some_grant ())));
      expect_refusal (f, "wrong-algorithm");
    }
    for (const std::string &none : nones)
      for (const std::string &signature :
          {std::string (), std::string ("AA")}) {
        fail_if (give (f, none + payload + signature));
        expect_refusal (f, "wrong-algorithm");
      }
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
    f.push ();
    fail_unless_equals_int (f.left (), 0);
    fail_unless (give (f, JwtCodec::sign_grant (keys[i], some_grant ())));
    f.push ();
    fail_unless_equals_int (f.left (), 1);
  }
}
GST_END_TEST;

// Where a key is set nothing else opens the gate; a window narrows a grant.
GST_START_TEST (test_grant_is_required)
{
  const JwtKey key = JwtKey::generate_es256 ();
  const KeyFile file (key.public_pem (), 0644);
  Fixture f;
  f.set ("grant-key", file.path);
  f.set ("robot-id", "robot_pi_001");
  f.set ("expires-at", wall_ms (kWall + 30 * kSecond));
  f.start ();
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  fail_unless (give (f, JwtCodec::sign_grant (key, some_grant ())));
  fail_unless_equals_uint64 (f.number ("remaining"), 30 * kSecond);
  f.set ("expires-at", "");
  fail_unless_equals_uint64 (f.number ("remaining"), 60 * kSecond);
  // What was signed is shortened, never widened.
  gboolean done = TRUE;
  g_signal_emit_by_name (f.element, "extend", gint64 (1), &done);
  fail_if (done);
  expect_refusal (f, "grant-required");
  g_signal_emit_by_name (f.element, "extend", gint64 (-20000), &done);
  fail_unless (done);
  fail_unless_equals_uint64 (f.number ("remaining"), 40 * kSecond);
  // A new grant extends; revoking ends.
  Grant longer = some_grant ();
  longer.window.ends_at += 60000;
  fail_unless (give (f, JwtCodec::sign_grant (key, longer)));
  fail_unless_equals_uint64 (f.number ("remaining"), 120 * kSecond);
  g_signal_emit_by_name (f.element, "revoke", "admin");
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_REVOKED);
  // Setting times lifts the revocation, but brings no grant back.
  f.set ("expires-at", wall_ms (kWall + 30 * kSecond));
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
}
GST_END_TEST;

GST_START_TEST (test_without_key_or_robot_id)
{
  const JwtKey key = JwtKey::generate_es256 ();
  const std::string jwt = JwtCodec::sign_grant (key, some_grant ());
  Fixture f;
  f.set ("grant", jwt);
  f.set ("expires-at", wall_ms (kWall + kSecond));
  f.start ();
  expect_refusal (f, "no-key");
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  const KeyFile file (key.public_pem (), 0644);
  f.set ("grant-key", file.path);
  fail_if (give (f, jwt));
  expect_refusal (f, "no-robot-id");
}
GST_END_TEST;

GST_START_TEST (test_unusable_key_files)
{
  const std::string secret = "0123456789abcdef0123456789abcdef";
  const KeyFile garbage ("garbage"), readable (secret, 0644),
      oct (R"({"kty":"oct",)"
           R"("k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"})",
          0644),
      huge (std::string (70000, 'x')), pem ("-----BEGIN PUBLIC KEY-----\n"),
      utf16 (std::string ("\xFF\xFE-\0-\0", 6));
  for (const std::string &path :
      {garbage.path, readable.path, oct.path, huge.path, pem.path, utf16.path,
          std::string ("/nonexistent/key"), std::string ("/")}) {
    Fixture f;
    f.set ("grant-key", path);
    fail_unless_equals_int (gst_element_set_state (f.element, GST_STATE_PAUSED),
        GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_ERROR);
    fail_unless (message != nullptr);
    gst_message_unref (message);
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
  }
  // A secret in a file that is not for everybody.
  const KeyFile file (secret + "\n", 0640);
  Fixture f;
  f.set ("grant-key", file.path);
  f.set ("robot-id", "robot_pi_001");
  f.start ();
  fail_unless (give (
      f, JwtCodec::sign_grant (*JwtKey::from_secret (secret), some_grant ())));
  // A key that goes bad while running opens to no grant any more.
  f.set ("grant-key", garbage.path);
  GstMessage *message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_WARNING);
  fail_unless (message != nullptr);
  gst_message_unref (message);
  fail_if (give (
      f, JwtCodec::sign_grant (*JwtKey::from_secret (secret), some_grant ())));
  expect_refusal (f, "no-key");
}
GST_END_TEST;

// The server's key was replaced, and the file got the new one beside the old.
GST_START_TEST (test_a_new_key_in_the_file)
{
  const JwtKey old = JwtKey::generate_es256 (),
               fresh = JwtKey::generate_es256 ();
  const KeyFile file (old.public_pem (), 0644);
  Fixture f;
  f.set ("grant-key", file.path);
  f.set ("robot-id", "robot_pi_001");
  f.start ();
  fail_unless (give (f, JwtCodec::sign_grant (old, some_grant ())));
  const std::string jwt = JwtCodec::sign_grant (fresh, some_grant ());
  fail_if (give (f, jwt));
  expect_refusal (f, "bad-signature");
  file.write ("\xEF\xBB\xBF" + fresh.public_pem () + old.public_pem ());
  fail_unless (give (f, jwt));
  fail_unless (give (f, JwtCodec::sign_grant (old, some_grant ())));
  // A file that is half written takes nothing away.
  file.write ("-----BEGIN PUBLIC KEY-----");
  fail_if (give (
      f, JwtCodec::sign_grant (JwtKey::generate_es256 (), some_grant ())));
  expect_refusal (f, "bad-signature");
  fail_unless (give (f, jwt));
  // The old key was taken out.
  file.write (fresh.public_pem ());
  fail_if (give (
      f, JwtCodec::sign_grant (JwtKey::generate_es256 (), some_grant ())));
  expect_refusal (f, "bad-signature");
  fail_if (give (f, JwtCodec::sign_grant (old, some_grant ())));
  expect_refusal (f, "bad-signature");
  fail_unless (give (f, jwt));
}
GST_END_TEST;

// A robot without a clock: the time at which the server signed is its time.
// Showing an old grant again does not turn it back.
GST_START_TEST (test_server_time_from_the_grant)
{
  const JwtKey key = JwtKey::generate_es256 ();
  const KeyFile file (key.public_pem (), 0644);
  const std::string jwt = JwtCodec::sign_grant (key, some_grant ());
  for (gint64 wall : {gint64 (0), 4 * kWall}) {
    Fixture f;
    f.clocks.wall = wall;
    g_object_set (f.element, "time-source", 1, nullptr);
    f.set ("grant-key", file.path);
    f.set ("robot-id", "robot_pi_001");
    f.start ();
    fail_unless (give (f, jwt));
    fail_unless_equals_uint64 (f.number ("remaining"), 60 * kSecond);
    f.clocks.boot += 30 * kSecond;
    fail_unless (give (f, jwt));
    fail_unless_equals_uint64 (f.number ("remaining"), 30 * kSecond);
    f.clocks.boot += 30 * kSecond;
    fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_EXPIRED);
    fail_if (give (f, jwt));
    expect_refusal (f, "expired");
    Grant undated = some_grant ();
    undated.issued_at = 0;
    undated.window.ends_at += 600000;
    fail_unless (give (f, JwtCodec::sign_grant (key, undated)));
    fail_unless_equals_uint64 (f.number ("remaining"), 600 * kSecond);
  }
  Fixture f;
  g_object_set (f.element, "time-source", 1, nullptr);
  f.set ("grant-key", file.path);
  f.set ("robot-id", "robot_pi_001");
  f.start ();
  Grant undated = some_grant ();
  undated.issued_at = 0;
  fail_if (give (f, JwtCodec::sign_grant (key, undated)));
  expect_refusal (f, "no-server-time");
}
GST_END_TEST;

// A grant that was set in NULL counts from then, not from the start.
GST_START_TEST (test_grant_counts_from_its_arrival)
{
  const JwtKey key = JwtKey::generate_es256 ();
  const KeyFile file (key.public_pem (), 0644);
  Fixture f;
  f.set ("grant", JwtCodec::sign_grant (key, some_grant ()));
  f.set ("grant-key", file.path);
  f.set ("robot-id", "robot_pi_001");
  f.clocks.boot += 20 * kSecond;
  f.clocks.wall = 0;
  f.start ();
  fail_unless_equals_uint64 (f.number ("remaining"), 40 * kSecond);
  // An empty one takes it back.
  f.set ("grant", "");
  fail_unless_equals_int (f.state (), GST_SESSION_GATE_STATE_CLOSED);
}
GST_END_TEST;

// Everything that GStreamer's log says while a grant is used.
static void
keep_log (GstDebugCategory *, GstDebugLevel, const gchar *, const gchar *, gint,
    GObject *, GstDebugMessage *message, gpointer text)
{
  static_cast<std::string *> (text)->append (gst_debug_message_get (message));
}

// Neither the grant nor the secret is to be had from the element: not as a
// property, in a dot file, a message or the log.
GST_START_TEST (test_secrets_are_not_readable)
{
  const JwtKey key = *JwtKey::from_secret (kSecret);
  const KeyFile file (kSecret, 0600);
  const std::string jwt = JwtCodec::sign_grant (key, some_grant ());
  std::string seen;
  gst_debug_add_log_function (keep_log, &seen, nullptr);
  gst_debug_set_threshold_for_name ("sessiongate", GST_LEVEL_TRACE);
  {
    Fixture f;
    const GParamSpec *grant =
        g_object_class_find_property (G_OBJECT_GET_CLASS (f.element), "grant");
    fail_if (grant->flags & G_PARAM_READABLE);
    f.set ("grant-key", file.path);
    f.set ("grant", jwt);
    f.start ();
    GstStructure *refused = f.wait_for ("refused");
    fail_unless_equals_string (
        gst_structure_get_string (refused, "reason"), "no-robot-id");
    gchar *text = gst_structure_to_string (refused);
    seen += text;
    g_free (text);
    gst_structure_free (refused);
    f.set ("robot-id", "robot_pi_001");
    f.set ("grant", jwt);
    GstStructure *open = f.wait_for ("open");
    text = gst_structure_to_string (open);
    seen += text;
    g_free (text);
    gst_structure_free (open);
    GstElement *pipeline = gst_pipeline_new (nullptr);
    GstElement *shown = new_gate ();
    g_object_set (
        shown, "grant", jwt.c_str (), "grant-key", file.path.c_str (), nullptr);
    gst_bin_add (GST_BIN (pipeline), shown);
    text = gst_debug_bin_to_dot_data (
        GST_BIN (pipeline), GST_DEBUG_GRAPH_SHOW_ALL);
    fail_unless (strstr (text, "sessiongate") != nullptr);
    seen += text;
    g_free (text);
    gst_object_unref (pipeline);
    gst_object_unref (shown);
  }
  gst_debug_remove_log_function (keep_log);
  fail_unless (seen.find ("robot_pi_001") != seen.npos); // it was listened to
  fail_unless (seen.find (kSecret) == seen.npos);
  for (size_t part : {size_t (0), jwt.find ('.'), jwt.rfind ('.')})
    fail_unless (seen.find (jwt.substr (part, 20)) == seen.npos);
}
GST_END_TEST;

static Suite *
sessiongate_grant_suite (void)
{
  Suite *suite = suite_create ("sessiongate-grant");
  TCase *grants = tcase_create ("grants");
  suite_add_tcase (suite, grants);
  tcase_add_test (grants, test_grant_opens_for_its_time);
  tcase_add_test (grants, test_bad_grants_are_refused);
  tcase_add_test (grants, test_only_the_keys_algorithm);
  tcase_add_test (grants, test_grant_is_required);
  tcase_add_test (grants, test_without_key_or_robot_id);
  tcase_add_test (grants, test_unusable_key_files);
  tcase_add_test (grants, test_a_new_key_in_the_file);
  tcase_add_test (grants, test_server_time_from_the_grant);
  tcase_add_test (grants, test_grant_counts_from_its_arrival);
  tcase_add_test (grants, test_secrets_are_not_readable);
  return suite;
}

GST_CHECK_MAIN (sessiongate_grant);
