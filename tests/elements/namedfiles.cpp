// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files that properties name: a FIFO, a device, a folder or a file without
// end is refused at once, wherever it is named.
#include <fcntl.h>
#include <gst/check/gstcheck.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

const struct
{
  const char *element, *property, *others;
} places[] = {
    {"signalingbin", "grant-key",
        "robot-id=r signaling-server=http://127.0.0.1:9"},
    {"signalingbin", "token-file",
        "robot-id=r signaling-server=http://127.0.0.1:9 session-policy=open"},
    {"signalingbin", "tls-ca-file",
        "robot-id=r signaling-server=https://127.0.0.1:9 session-policy=open"},
    {"sessiongate", "grant-key", "robot-id=r"},
    {"rtspcamera", "credentials-file", "location=rtsp://127.0.0.1:9/"},
};

std::string folder;

std::string
path_of (const char *kind)
{
  const std::string path = folder + "/" + kind;
  if (g_str_equal (kind, "device"))
    return "/dev/zero";
  if (g_str_equal (kind, "folder"))
    return folder;
  if (g_str_equal (kind, "fifo"))
    g_assert_cmpint (mkfifo (path.c_str (), 0600), ==, 0);
  if (g_str_equal (kind, "large")) {
    const int fd = open (path.c_str (), O_WRONLY | O_CREAT | O_EXCL, 0600);
    g_assert_cmpint (fd, >=, 0);
    g_assert_cmpint (ftruncate (fd, off_t (1) << 30), ==, 0); // takes no room
    close (fd);
  }
  return path; // "absent" is not made
}

const char *const kinds[] = {"device", "folder", "fifo", "large", "absent"};

} // namespace

GST_START_TEST (test_what_is_no_file_is_refused_at_once)
{
  const auto &place =
      places[static_cast<unsigned> (__i__) % G_N_ELEMENTS (places)];
  const char *kind =
      kinds[static_cast<unsigned> (__i__) / G_N_ELEMENTS (places)];
  g_autofree char *made = g_dir_make_tmp ("named-XXXXXX", nullptr);
  folder = made;
  const auto path = path_of (kind);
  const std::string text = std::string (place.element) + " " + place.others +
                           " " + place.property + "=" + path;
  g_autoptr (GError) error = nullptr;
  GstElement *element = gst_parse_launch (text.c_str (), &error);
  g_assert_no_error (error);
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  const gint64 before = g_get_monotonic_time ();
  fail_unless (gst_element_set_state (element, GST_STATE_PAUSED) ==
                   GST_STATE_CHANGE_FAILURE,
      "%s: %s", text.c_str (), kind);
  // The test's own limit is of minutes: a machine under load is slow, and a
  // FIFO nobody writes to is for ever.
  GST_INFO ("%s: %s: %" G_GINT64_FORMAT " us", text.c_str (), kind,
      g_get_monotonic_time () - before);
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != nullptr, "%s: %s: nothing said", text.c_str (), kind);
  g_autoptr (GError) said = nullptr;
  gst_message_parse_error (message, &said, nullptr);
  fail_unless (strstr (said->message, path.c_str ()) != nullptr,
      "which file? \"%s\"", said->message);
  gst_message_unref (message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, nullptr);
  gst_object_unref (bus);
  gst_object_unref (element);
  if (path != folder && path != "/dev/zero")
    unlink (path.c_str ());
  rmdir (folder.c_str ());
}
GST_END_TEST

// What everyone may read: a key that makes grants is refused; a secret that
// opens this robot alone is said and taken, each alike wherever it is named.
GST_START_TEST (test_exposed_files)
{
  const auto &place = places[__i__];
  const bool key = g_str_equal (place.property, "grant-key");
  if (g_str_equal (place.property, "tls-ca-file"))
    return; // no secret
  g_autofree char *made = g_dir_make_tmp ("named-XXXXXX", nullptr);
  folder = made;
  const std::string path = folder + "/secret";
  for (const int mode : {0644, 0604, 0640, 0600}) {
    const bool exposed = mode & 07;
    g_assert_true (g_file_set_contents (path.c_str (),
        key ? "0123456789abcdef0123456789abcdef\n" : "user:password\n", -1,
        nullptr));
    g_assert_cmpint (chmod (path.c_str (), mode_t (mode)), ==, 0);
    const std::string text = std::string (place.element) + " " + place.others +
                             " " + place.property + "=" + path;
    g_autoptr (GError) error = nullptr;
    GstElement *element = gst_parse_launch (text.c_str (), &error);
    g_assert_no_error (error);
    GstBus *bus = gst_bus_new ();
    gst_element_set_bus (element, bus);
    const auto changed = gst_element_set_state (
        // sessiongate reads its key a state later.
        element, g_str_equal (place.element, "sessiongate") ? GST_STATE_PAUSED
                                                            : GST_STATE_READY);
    fail_unless ((changed == GST_STATE_CHANGE_FAILURE) == (key && exposed),
        "%s %o", text.c_str (), unsigned (mode));
    GstMessage *message = gst_bus_pop_filtered (
        bus, key ? GST_MESSAGE_ERROR : GST_MESSAGE_WARNING);
    fail_unless ((message != nullptr) == exposed, "%s %o", text.c_str (),
        unsigned (mode));
    if (message) {
      g_autoptr (GError) said = nullptr;
      if (key)
        gst_message_parse_error (message, &said, nullptr);
      else
        gst_message_parse_warning (message, &said, nullptr);
      fail_unless (strstr (said->message, path.c_str ()) != nullptr,
          "which file? \"%s\"", said->message);
      gst_message_unref (message);
    }
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, nullptr);
    gst_object_unref (bus);
    gst_object_unref (element);
    unlink (path.c_str ());
  }
  rmdir (folder.c_str ());
}
GST_END_TEST

static Suite *
namedfiles_suite (void)
{
  Suite *s = suite_create ("namedfiles");
  TCase *tc = tcase_create ("named files");
  tcase_set_timeout (tc, 60);
  suite_add_tcase (s, tc);
  tcase_add_loop_test (tc, test_what_is_no_file_is_refused_at_once, 0,
      G_N_ELEMENTS (places) * G_N_ELEMENTS (kinds));
  tcase_add_loop_test (tc, test_exposed_files, 0, G_N_ELEMENTS (places));
  return s;
}

GST_CHECK_MAIN (namedfiles)
