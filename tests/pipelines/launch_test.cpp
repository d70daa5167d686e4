// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The .launch files: each parses with each encoder and each place of the gate,
// and those for which there is a camera, real or a stand-in, run.
#include "launch.hpp"
#include "standins.hpp"
#include <cstring>
#include <fstream>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

using namespace robotlive::robot;

namespace {

const std::string SINK = "fakesink name=end sync=false signal-handoffs=true";

using Pipeline = std::unique_ptr<GstElement, void (*) (GstElement *)>;

void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

// @arguments as gst-launch-1.0 parses them.
Pipeline
parse (const std::vector<std::string> &arguments)
{
  std::vector<const gchar *> argv;
  for (const std::string &argument : arguments)
    argv.push_back (argument.c_str ());
  argv.push_back (nullptr);
  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launchv_full (
      argv.data (), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (error) {
    ADD_FAILURE () << error->message << " in " << shell_line (arguments);
    g_error_free (error);
  }
  return Pipeline (pipeline, stop);
}

bool
has_element (const char *name)
{
  GstElementFactory *factory = gst_element_factory_find (name);
  if (factory)
    gst_object_unref (factory);
  return factory != nullptr;
}

bool
takes_audio ()
{
  GstElement *bin = gst_element_factory_make ("signalingbin", nullptr);
  if (!bin)
    return true;
  bool takes = gst_element_get_pad_template (bin, "audio_%u") != nullptr;
  gst_object_unref (bin);
  return takes;
}

class Launch : public testing::Test
{
protected:
  void SetUp () override
  {
    register_standins ();
    gchar *made = g_dir_make_tmp ("robotlive-launch-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    folder_ = made;
    g_free (made);
    options_.folder = PIPELINES_DIR;
    conf_.set ("robot.id", "robot_pi_001");
    conf_.set ("signaling.server", "ws://127.0.0.1:1");
    conf_.set ("camera.location", "clip.mkv");
  }

  void TearDown () override
  {
    if (GDir *dir = g_dir_open (folder_.c_str (), 0, nullptr)) {
      while (const char *name = g_dir_read_name (dir))
        g_unlink ((folder_ + "/" + name).c_str ());
      g_dir_close (dir);
    }
    g_rmdir (folder_.c_str ());
  }

  std::string line (const Choice &choice)
  {
    return shell_line (compose (conf_, choice, options_));
  }

  std::string folder_;
  RobotConf conf_;
  ComposeOptions options_;
};

// What arrived at the pipeline's end.
struct Received
{
  guint frames = 0;
  guint key_frames = 0;
  gsize bytes = 0;
  std::string caps;
};

void
handoff (GstElement *, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  auto *received = static_cast<Received *> (data);
  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    received->key_frames++;
  received->frames++;
  received->bytes += gst_buffer_get_size (buffer);
  GstCaps *caps = gst_pad_get_current_caps (pad);
  if (!caps)
    return;
  gchar *text = gst_caps_to_string (caps);
  received->caps = text;
  g_free (text);
  gst_caps_unref (caps);
}

// Runs the pipeline until it has given @frames or ended.
Received
run (const std::vector<std::string> &arguments, guint frames)
{
  Received received;
  Pipeline pipeline = parse (arguments);
  if (!pipeline)
    return received;
  GstElement *end = gst_bin_get_by_name (GST_BIN (pipeline.get ()), "end");
  g_object_set (end, "num-buffers", int (frames), nullptr);
  g_signal_connect (end, "handoff", G_CALLBACK (handoff), &received);
  gst_object_unref (end);
  GstBus *bus = gst_element_get_bus (pipeline.get ());
  gst_element_set_state (pipeline.get (), GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND,
      GstMessageType (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  if (!message) {
    ADD_FAILURE () << "no end of " << shell_line (arguments);
  } else {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      GError *error = nullptr;
      gchar *debug = nullptr;
      gst_message_parse_error (message, &error, &debug);
      ADD_FAILURE () << error->message << debug;
      g_error_free (error);
      g_free (debug);
    }
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  gst_element_set_state (pipeline.get (), GST_STATE_NULL);
  return received;
}

TEST_F (Launch, EveryFileParsesWithEveryEncoderAndGate)
{
  std::vector<std::string> names = source_names (PIPELINES_DIR);
  EXPECT_EQ (names.size (), 10u);
  for (const std::string &name : names)
    for (const char *encoder : {"v4l2h264enc", "x264enc", "openh264enc"})
      for (const char *gate : {"after-encoder", "before-encoder", "none"})
        for (const char *sound : {"none", "alsa", "test"}) {
          // alsasrc is in a package of its own that a build does not need;
          // sound needs a signalingbin that takes it.
          if (strcmp (sound, "alsa") == 0 && !has_element ("alsasrc"))
            continue;
          if (strcmp (sound, "none") != 0 && !takes_audio ())
            continue;
          conf_.set ("gate.position", gate);
          conf_.set ("audio.source", sound);
          Pipeline pipeline =
              parse (compose (conf_, {name, encoder, ""}, options_));
          ASSERT_TRUE (pipeline) << name << encoder << gate;
          GstElement *bin =
              gst_bin_get_by_name (GST_BIN (pipeline.get ()), "signaling");
          bool still = name.find ("stills") != std::string::npos;
          EXPECT_EQ (bin != nullptr, !still) << name;
          g_clear_object (&bin);
        }
}

TEST_F (Launch, GateStandsWhereRobotConfSays)
{
  auto order = [&] (const char *gate) {
    conf_.set ("gate.position", gate);
    std::string text = line ({"webcam-mjpeg", "x264enc", "/dev/video0"});
    size_t at = text.find ("sessiongate");
    if (at == std::string::npos)
      return std::string ("none");
    return std::string (at < text.find ("jpegdec") ? "before" : "after") +
           (at < text.find ("x264enc") ? "" : " all");
  };
  EXPECT_EQ (order ("before-encoder"), "before");
  EXPECT_EQ (order ("after-encoder"), "after all");
  EXPECT_EQ (order ("none"), "none");
}

TEST_F (Launch, HonoursEverySetting)
{
  conf_.set ("camera.width", "640");
  conf_.set ("camera.height", "480");
  conf_.set ("camera.fps", "15");
  conf_.set ("encoder.bitrate", "1010000");
  conf_.set ("encoder.keyframe-interval", "45");
  std::string text = line ({"pi-camera", "v4l2h264enc", "imx708"});
  for (const char *part : {"camera-name=imx708", "width=640,height=480",
           "framerate=15/1", "video_bitrate=1000000", "h264_i_frame_period=45",
           "repeat_sequence_header=1", "level=(string)4,",
           "colorimetry=bt709,interlace-mode=progressive",
           "watchdog timeout=5000"})
    EXPECT_NE (text.find (part), std::string::npos) << part << "\n" << text;
  text = line ({"webcam-raw", "x264enc", "/dev/video4"});
  for (const char *part : {"device=/dev/video4", "bitrate=1010 ",
           "key-int-max=45", "signaling-server=ws://127.0.0.1:1",
           "robot-id=robot_pi_001", "token-file="})
    EXPECT_NE (text.find (part), std::string::npos) << part << "\n" << text;
  // More macroblocks a second than level 4 allows.
  conf_.set ("camera.width", "1920");
  conf_.set ("camera.height", "1080");
  conf_.set ("camera.fps", "60");
  text = line ({"pi-camera", "v4l2h264enc", ""});
  EXPECT_NE (text.find ("level=(string)4.2,"), std::string::npos) << text;
}

// Size, rate and device reach every camera, bit rate and key-frame interval
// every encoder.
TEST_F (Launch, HonoursTheSettingsInEveryFile)
{
  conf_.set ("camera.width", "640");
  conf_.set ("camera.height", "360");
  conf_.set ("camera.fps", "15");
  conf_.set ("encoder.bitrate", "1000000");
  conf_.set ("encoder.keyframe-interval", "45");
  struct Row
  {
    const char *source, *given, *device;
  };
  const Row rows[] = {{"pi-camera", "imx708", " camera-name=imx708 "},
      {"pi-camera-stills", "imx708", " camera-name=imx708 "},
      {"webcam-raw", "/dev/video4", " device=/dev/video4 "},
      {"webcam-mjpeg", "/dev/video4", " device=/dev/video4 "},
      {"webcam-h264", "/dev/video4", " device=/dev/video4 "},
      {"webcam-stills", "/dev/video4", " device=/dev/video4 "},
      {"rpicamsrc", "1", " camera-number=1 "}, {"test-pattern", "", ""},
      {"file", "", ""}};
  for (const Row &row : rows) {
    const std::string text = line ({row.source, "x264enc", row.given});
    EXPECT_NE (text.find ("width=640,height=360"), std::string::npos) << text;
    // Stills have a rate of their own; a webcam's is what it gives.
    if (strcmp (row.source, "webcam-stills") != 0) {
      EXPECT_NE (text.find ("framerate=15/1"), std::string::npos) << text;
    }
    EXPECT_NE (text.find (row.device), std::string::npos) << text;
  }
  EXPECT_EQ (line ({"rpicamsrc", "", "imx219"}).find ("camera-number"),
      std::string::npos);
  for (const char *part : {"bitrate=1000000", "keyframe-interval=45"})
    EXPECT_NE (line ({"rpicamsrc", "", ""}).find (part), std::string::npos);
  for (const char *part : {"video_bitrate=1000000", "h264_i_frame_period=45"})
    EXPECT_NE (line ({"webcam-h264", "", "/dev/video4"}).find (part),
        std::string::npos);
  struct Encoder
  {
    const char *name, *rate, *interval;
  };
  for (const Encoder &one :
      {Encoder{"x264enc", " bitrate=1000 ", " key-int-max=45 "},
          Encoder{"openh264enc", " bitrate=1000000 ", " gop-size=45 "},
          Encoder{"v4l2h264enc", "video_bitrate=1000000",
              "h264_i_frame_period=45"}}) {
    const std::string text = line ({"test-pattern", one.name, ""});
    EXPECT_NE (text.find (one.rate), std::string::npos) << text;
    EXPECT_NE (text.find (one.interval), std::string::npos) << text;
  }
}

// The password of an IP camera is in a file, whose name alone is in the line.
TEST_F (Launch, CameraPasswordComesFromAFile)
{
  std::string text = line ({"rtsp", "", ""});
  EXPECT_EQ (text.find ("credentials-file"), std::string::npos) << text;

  std::string handed_over = folder_ + "/camera.credentials";
  g_setenv ("CREDENTIALS_DIRECTORY", folder_.c_str (), TRUE);
  std::ofstream (handed_over) << "none"; // the unit's default
  text = line ({"rtsp", "", ""});
  EXPECT_EQ (text.find ("credentials-file"), std::string::npos) << text;
  std::ofstream (handed_over) << "me:hunter2\n";
  text = line ({"rtsp", "", ""});
  EXPECT_NE (text.find ("credentials-file=" + handed_over), std::string::npos)
      << text;
  EXPECT_EQ (text.find ("hunter2"), std::string::npos) << text;
  g_unsetenv ("CREDENTIALS_DIRECTORY");

  conf_.set ("camera.credentials-file", "/etc/robotlive/other.camera");
  text = line ({"rtsp", "", ""});
  EXPECT_NE (text.find ("credentials-file=/etc/robotlive/other.camera"),
      std::string::npos)
      << text;
}

// Pipelines of the owner's own and what systemd hands over: no FIFO, device or
// file without end holds the robot up.
TEST_F (Launch, WhatIsNoFileIsRefused)
{
  options_.sink = SINK;
  const std::string fifo = folder_ + "/own.launch";
  g_unlink (fifo.c_str ());
  ASSERT_EQ (mkfifo (fifo.c_str (), 0600), 0);
  const std::string device = folder_ + "/zero.launch";
  ASSERT_EQ (symlink ("/dev/zero", device.c_str ()), 0);
  for (const std::string &path : {fifo, device}) {
    try {
      line ({path, "", ""});
      ADD_FAILURE () << path << " was read";
    } catch (const std::runtime_error &error) {
      EXPECT_NE (std::string (error.what ()).find (path), std::string::npos)
          << error.what ();
    }
  }
  // The camera says what is wrong with it.
  ASSERT_EQ (
      g_rename (fifo.c_str (), (folder_ + "/camera.credentials").c_str ()), 0);
  g_setenv ("CREDENTIALS_DIRECTORY", folder_.c_str (), TRUE);
  EXPECT_EQ (credentials_file (conf_), folder_ + "/camera.credentials");
  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_unlink ((folder_ + "/camera.credentials").c_str ());
  g_unlink (device.c_str ());
}

// A value is a value, whatever is in it: it neither becomes an element nor
// loses a character on the way through gst-launch's parser.
TEST_F (Launch, ValuesAreQuoted)
{
  options_.sink = SINK;
  options_.gates = false;
  for (std::string path : {"a b.mkv", "x ! fakesink name=evil", "quote\"d",
           "back\\slash", "a'b", "ünïcode", "${SINK}", "x;y,z=(int)3",
           "trailing\\", "  two  spaces"}) {
    conf_.set ("camera.location", path);
    Pipeline pipeline =
        parse (compose (conf_, {"file", "x264enc", ""}, options_));
    ASSERT_TRUE (pipeline) << path;
    GstIterator *it = gst_bin_iterate_sources (GST_BIN (pipeline.get ()));
    GValue item = G_VALUE_INIT;
    ASSERT_EQ (gst_iterator_next (it, &item), GST_ITERATOR_OK);
    GstElement *source = GST_ELEMENT (g_value_dup_object (&item));
    g_value_unset (&item);
    gst_iterator_free (it);
    gchar *location = nullptr;
    g_object_get (source, "location", &location, nullptr);
    EXPECT_STREQ (location, path.c_str ());
    g_free (location);
    GstElement *evil = gst_bin_get_by_name (GST_BIN (pipeline.get ()), "evil");
    EXPECT_EQ (evil, nullptr);
    gst_object_unref (source);
  }
}

TEST_F (Launch, SaysWhatIsMissing)
{
  auto complaint = [&] (const Choice &choice) -> std::string {
    try {
      compose (conf_, choice, options_);
    } catch (const std::runtime_error &error) {
      return error.what ();
    }
    return "";
  };
  EXPECT_NE (complaint ({"webcam-xyz", "x264enc", ""}).find ("webcam-xyz"),
      std::string::npos);
  EXPECT_NE (complaint ({"webcam-raw", "vp8enc", ""}).find ("vp8enc"),
      std::string::npos);
  conf_.set ("camera.location", "");
  EXPECT_NE (
      complaint ({"rtsp", "", ""}).find ("'location'"), std::string::npos);
  conf_.set ("signaling.server", "");
  EXPECT_NE (complaint ({"test-pattern", "x264enc", ""}).find ("'server'"),
      std::string::npos);
  std::string own = folder_ + "/own.launch";
  std::ofstream (own) << "videotestsrc ! ${NOSUCH} ! fakesink\n";
  EXPECT_NE (complaint ({own, "", ""}).find ("NOSUCH"), std::string::npos);
}

TEST_F (Launch, EveryCameraGivesH264OfTheSizeAndRateAsked)
{
  options_.sink = SINK;
  options_.gates = false;
  conf_.set ("encoder.keyframe-interval", "15");
  // The sources are live: 45 frames take a second and a half each.
  const std::vector<Choice> choices = {
      {"test-pattern", "x264enc", ""},
      {"test-pattern", "openh264enc", ""},
      {"pi-camera", "v4l2h264enc", ""},
      {"pi-camera", "x264enc", ""},
      {"webcam-raw", "v4l2h264enc", "raw"},
      {"webcam-raw", "openh264enc", "raw"},
      {"webcam-mjpeg", "x264enc", "mjpeg"},
      {"webcam-h264", "", "h264"},
      {"rpicamsrc", "", ""},
  };
  for (const Choice &choice : choices) {
    SCOPED_TRACE (choice.source + " " + choice.encoder);
    Received received = run (compose (conf_, choice, options_), 45);
    EXPECT_EQ (received.frames, 45u);
    // At least the first; stand-in cameras that encode have their own interval.
    bool ours = choice.encoder == "x264enc" || choice.encoder == "openh264enc";
    EXPECT_GE (received.key_frames, ours ? 3u : 1u);
    for (const char *part : {"video/x-h264", "width=(int)1280",
             "height=(int)720", "framerate=(fraction)30/1",
             "stream-format=(string)byte-stream", "alignment=(string)au"})
      EXPECT_NE (received.caps.find (part), std::string::npos) << received.caps;
  }
}

TEST_F (Launch, BitrateIsKept)
{
  options_.sink = SINK;
  options_.gates = false;
  conf_.set ("encoder.bitrate", "500000");
  std::vector<std::string> arguments =
      compose (conf_, {"test-pattern", "x264enc", ""}, options_);
  // Noise, which costs what it is given; as fast as it goes.
  for (std::string &argument : arguments) {
    if (argument == "pattern=ball")
      argument = "pattern=snow";
    if (argument == "is-live=true")
      argument = "is-live=false";
    if (argument == "leaky=downstream")
      argument = "leaky=no";
  }
  Received received = run (arguments, 150);
  double bits = double (received.bytes) * 8 / (150 / 30.0);
  EXPECT_GT (bits, 500000 * 0.6);
  EXPECT_LT (bits, 500000 * 1.4);
}

TEST_F (Launch, FileIsPlayedAtItsOwnSpeedScaledAndAgain)
{
  std::string clip = folder_ + "/a clip.avi";
  {
    Pipeline maker = parse ({"videotestsrc", "num-buffers=20", "!",
        "video/x-raw,width=320,height=240,framerate=10/1", "!", "jpegenc", "!",
        "avimux", "!", "filesink", "location=\"" + clip + "\""});
    ASSERT_TRUE (maker);
    gst_element_set_state (maker.get (), GST_STATE_PLAYING);
    GstBus *bus = gst_element_get_bus (maker.get ());
    GstMessage *message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
        GstMessageType (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    ASSERT_TRUE (message);
    EXPECT_EQ (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
    gst_message_unref (message);
    gst_object_unref (bus);
  }
  options_.sink = SINK;
  options_.gates = false;
  conf_.set ("camera.location", clip);
  gint64 begin = g_get_monotonic_time ();
  Received received =
      run (compose (conf_, {"file", "x264enc", ""}, options_), 150);
  gint64 taken = g_get_monotonic_time () - begin;
  // A clip of 2 s at 30 frames a second, two and a half times.
  EXPECT_GE (received.frames, 150u);
  EXPECT_GE (taken, G_USEC_PER_SEC * 45 / 10) << "not faster than it was shot";
  EXPECT_NE (received.caps.find ("width=(int)1280"), std::string::npos);
}

// Width and height from a JPEG's start-of-frame segment (ITU-T T.81 B.2.2).
std::pair<int, int>
jpeg_size (const std::string &path)
{
  gchar *data = nullptr;
  gsize size = 0;
  std::pair<int, int> result = {0, 0};
  if (!g_file_get_contents (path.c_str (), &data, &size, nullptr))
    return result;
  const auto *bytes = reinterpret_cast<const guchar *> (data);
  bool framed = size > 4 && bytes[0] == 0xff && bytes[1] == 0xd8 &&
                bytes[size - 2] == 0xff && bytes[size - 1] == 0xd9;
  for (gsize at = 2; framed && at + 9 < size && bytes[at] == 0xff;
       at += 2 + (bytes[at + 2] << 8 | bytes[at + 3]))
    if (bytes[at + 1] >= 0xc0 && bytes[at + 1] <= 0xc2)
      result = {bytes[at + 7] << 8 | bytes[at + 8],
          bytes[at + 5] << 8 | bytes[at + 6]};
  g_free (data);
  return result;
}

TEST_F (Launch, StillsAreJpegsOf1280x720)
{
  conf_.set ("stills.location", folder_ + "/frame_%05d.jpg");
  conf_.set ("stills.per-second", "10");
  const std::vector<Choice> choices = {{"pi-camera-stills", "", ""},
      {"webcam-stills", "", "raw"}, {"webcam-stills", "", "mjpeg"}};
  for (const Choice &choice : choices) {
    SCOPED_TRACE (choice.source + choice.device);
    std::string third = folder_ + "/frame_00002.jpg";
    std::string fourth = folder_ + "/frame_00003.jpg";
    Pipeline pipeline = parse (compose (conf_, choice, options_));
    ASSERT_TRUE (pipeline);
    gst_element_set_state (pipeline.get (), GST_STATE_PLAYING);
    for (int i = 0;
         i < 1200 && !g_file_test (fourth.c_str (), G_FILE_TEST_EXISTS); i++)
      g_usleep (50000);
    pipeline.reset ();
    EXPECT_EQ (jpeg_size (third), std::make_pair (1280, 720));
    for (int i = 0; i < 100; i++) {
      gchar *name = g_strdup_printf ("%s/frame_%05d.jpg", folder_.c_str (), i);
      g_unlink (name);
      g_free (name);
    }
  }
}

} // namespace

int
main (int argc, char **argv)
{
  testing::InitGoogleTest (&argc, argv);
  gst_init (&argc, &argv);
  return RUN_ALL_TESTS ();
}
