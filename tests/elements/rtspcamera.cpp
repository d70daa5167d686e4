// SPDX-License-Identifier: LGPL-2.1-or-later
//
// rtspcamera against a real RTSP server that asks for a password (digest) and
// offers sound before the picture.
#include <algorithm>
#include <fstream>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>

namespace {

const char USER[] = "robot";
const char PASSWORD[] = "s3cret:with colon";

// In a thread and a main context of its own.
class Server
{
public:
  Server ()
  {
    context_ = g_main_context_new ();
    loop_ = g_main_loop_new (context_, FALSE);
    server_ = gst_rtsp_server_new ();
    gst_rtsp_server_set_address (server_, "127.0.0.1");
    gst_rtsp_server_set_service (server_, "0");

    GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new ();
    gst_rtsp_media_factory_set_launch (factory,
        "( audiotestsrc is-live=true ! opusenc ! rtpopuspay name=pay0 pt=97 "
        "videotestsrc is-live=true ! video/x-raw,width=320,height=240 ! "
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! "
        "rtph264pay name=pay1 pt=96 )");
    GstRTSPPermissions *allowed = gst_rtsp_permissions_new ();
    for (const char *what : {GST_RTSP_PERM_MEDIA_FACTORY_ACCESS,
             GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT})
      gst_rtsp_permissions_add_permission_for_role (
          allowed, "viewer", what, TRUE);
    gst_rtsp_media_factory_set_permissions (factory, allowed);
    gst_rtsp_permissions_unref (allowed);
    GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points (server_);
    gst_rtsp_mount_points_add_factory (mounts, "/cam", factory);
    g_object_unref (mounts);

    GstRTSPAuth *auth = gst_rtsp_auth_new ();
    gst_rtsp_auth_set_supported_methods (auth, GST_RTSP_AUTH_DIGEST);
    GstRTSPToken *token = gst_rtsp_token_new (
        GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, "viewer", nullptr);
    gst_rtsp_auth_add_digest (auth, USER, PASSWORD, token);
    gst_rtsp_token_unref (token);
    gst_rtsp_server_set_auth (server_, auth);
    g_object_unref (auth);

    attached_ = gst_rtsp_server_attach (server_, context_) != 0;
    thread_ = std::thread ([this] { g_main_loop_run (loop_); });
  }

  ~Server ()
  {
    g_main_loop_quit (loop_);
    thread_.join ();
    g_object_unref (server_);
    g_main_loop_unref (loop_);
    g_main_context_unref (context_);
  }

  Server (const Server &) = delete;
  Server &operator= (const Server &) = delete;

  bool attached () const { return attached_; }
  std::string location () const
  {
    return "rtsp://127.0.0.1:" +
           std::to_string (gst_rtsp_server_get_bound_port (server_)) + "/cam";
  }

private:
  GMainContext *context_;
  GMainLoop *loop_;
  GstRTSPServer *server_;
  bool attached_ = false;
  std::thread thread_;
};

struct Outcome
{
  GstMessageType type = GST_MESSAGE_UNKNOWN;
  GQuark domain = 0;
  int code = 0;
  std::string said; // everything that errors and notifications had to say
};

void
heard (GstObject *, GstObject *object, GParamSpec *spec, gpointer data)
{
  auto *said = static_cast<std::string *> (data);
  if (!(spec->flags & G_PARAM_READABLE))
    return;
  GValue value = G_VALUE_INIT;
  g_value_init (&value, spec->value_type);
  g_object_get_property (G_OBJECT (object), spec->name, &value);
  gchar *text = g_strdup_value_contents (&value);
  *said += std::string (spec->name) + "=" + text + "\n";
  g_free (text);
  g_value_unset (&value);
}

class RtspCamera : public testing::Test
{
protected:
  void SetUp () override
  {
    gchar *made = g_dir_make_tmp ("robotlive-rtsp-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    folder_ = made;
    g_free (made);
    pipeline_ = gst_parse_launch (
        "rtspcamera name=camera ! h264parse ! fakesink name=end sync=false",
        nullptr);
    ASSERT_NE (pipeline_, nullptr);
    camera_ = gst_bin_get_by_name (GST_BIN (pipeline_), "camera");
  }

  void TearDown () override
  {
    gst_element_set_state (pipeline_, GST_STATE_NULL);
    gst_object_unref (camera_);
    gst_object_unref (pipeline_);
    g_unlink (file ().c_str ());
    g_rmdir (folder_.c_str ());
  }

  std::string file () const { return folder_ + "/credentials"; }

  void credentials (const std::string &text)
  {
    std::ofstream (file ()) << text;
    g_object_set (camera_, "credentials-file", file ().c_str (), nullptr);
  }

  // Plays until *frames* frames have come, or an error.
  Outcome play (int frames)
  {
    Outcome outcome;
    GstElement *end = gst_bin_get_by_name (GST_BIN (pipeline_), "end");
    g_object_set (end, "num-buffers", frames, nullptr);
    gst_object_unref (end);
    gulong id = g_signal_connect (
        pipeline_, "deep-notify", G_CALLBACK (heard), &outcome.said);
    GstBus *bus = gst_element_get_bus (pipeline_);
    gst_element_set_state (pipeline_, GST_STATE_PLAYING);
    GstMessage *message = gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND,
        GstMessageType (GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
    if (message) {
      outcome.type = GST_MESSAGE_TYPE (message);
      if (outcome.type == GST_MESSAGE_ERROR) {
        GError *error = nullptr;
        gchar *debug = nullptr;
        gst_message_parse_error (message, &error, &debug);
        outcome.domain = error->domain;
        outcome.code = error->code;
        outcome.said += std::string (error->message) + (debug ? debug : "");
        g_error_free (error);
        g_free (debug);
      }
      gst_message_unref (message);
    }
    gst_object_unref (bus);
    gst_element_set_state (pipeline_, GST_STATE_NULL);
    g_signal_handler_disconnect (pipeline_, id);
    return outcome;
  }

  std::string folder_;
  GstElement *pipeline_ = nullptr;
  GstElement *camera_ = nullptr;
};

TEST_F (RtspCamera, PasswordOfTheFileIsTakenAndNeverShown)
{
  Server server;
  ASSERT_TRUE (server.attached ());
  g_object_set (camera_, "location", server.location ().c_str (), nullptr);
  credentials (std::string (USER) + ":" + PASSWORD + "\n");
  Outcome outcome = play (20);
  EXPECT_EQ (outcome.type, GST_MESSAGE_EOS) << outcome.said;
  EXPECT_NE (outcome.said.find ("caps="), std::string::npos);
  EXPECT_EQ (outcome.said.find (PASSWORD), std::string::npos);
  EXPECT_EQ (outcome.said.find ("user-pw"), std::string::npos);

  // Refused with another one; and the file is read again for the next start.
  credentials (std::string (USER) + ":wr0ng\r\n");
  outcome = play (1);
  EXPECT_EQ (outcome.type, GST_MESSAGE_ERROR);
  EXPECT_EQ (outcome.domain, GST_RESOURCE_ERROR);
  EXPECT_EQ (outcome.code, GST_RESOURCE_ERROR_NOT_AUTHORIZED) << outcome.said;
  EXPECT_EQ (outcome.said.find ("wr0ng"), std::string::npos);
  credentials (std::string (USER) + ":" + PASSWORD);
  EXPECT_EQ (play (1).type, GST_MESSAGE_EOS);
  // As an editor and a hand leave it.
  for (const auto &[before, after] : {std::pair ("\xEF\xBB\xBF", "\r\n"),
           std::pair (" ", "  \t\n"), std::pair ("\"", "\"\n")}) {
    credentials (before + (std::string (USER) + ":" + PASSWORD) + after);
    outcome = play (1);
    EXPECT_EQ (outcome.type, GST_MESSAGE_EOS) << outcome.said;
  }
}

TEST_F (RtspCamera, SaysWhatIsWrongWithItsSettings)
{
  Outcome outcome = play (1);
  EXPECT_EQ (outcome.type, GST_MESSAGE_ERROR);
  EXPECT_EQ (outcome.code, GST_RESOURCE_ERROR_SETTINGS) << outcome.said;

  g_object_set (camera_, "location", "rtsp://127.0.0.1:1/cam",
      "credentials-file", (folder_ + "/none").c_str (), nullptr);
  outcome = play (1);
  EXPECT_EQ (outcome.code, GST_RESOURCE_ERROR_OPEN_READ) << outcome.said;

  for (const char *text : {"", "nosecret\n", ":nouser", "\xff:secret"}) {
    credentials (text);
    outcome = play (1);
    EXPECT_EQ (outcome.code, GST_RESOURCE_ERROR_OPEN_READ) << outcome.said;
    EXPECT_EQ (outcome.said.find ("secret\n"), std::string::npos);
  }
  credentials (std::string (USER) + ":" + std::string (5000, 'x'));
  EXPECT_EQ (play (1).code, GST_RESOURCE_ERROR_OPEN_READ);
  credentials (std::string ("\xFF\xFEm\0e\0:\0x\0", 10));
  outcome = play (1);
  EXPECT_EQ (outcome.code, GST_RESOURCE_ERROR_OPEN_READ);
  EXPECT_NE (outcome.said.find ("UTF-16"), std::string::npos) << outcome.said;
  // A FIFO would be waited for, a device read without an end.
  for (const char *path : {"/dev/zero", "/"}) {
    g_object_set (camera_, "credentials-file", path, nullptr);
    EXPECT_EQ (play (1).code, GST_RESOURCE_ERROR_OPEN_READ) << path;
  }
}

TEST_F (RtspCamera, StartsAndStopsWithoutACamera)
{
  g_object_set (camera_, "location", "rtsp://127.0.0.1:1/cam", nullptr);
  for (int i = 0; i < 5; i++) {
    Outcome outcome = play (1);
    EXPECT_EQ (outcome.type, GST_MESSAGE_ERROR);
    EXPECT_EQ (GST_BIN_NUMCHILDREN (GST_BIN (camera_)), 0);
  }
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  testing::InitGoogleTest (&argc, argv);
  return RUN_ALL_TESTS ();
}
