// SPDX-License-Identifier: LGPL-2.1-or-later
//
// filecamera: a clip of a second, seen as one stream without an end.
#include <fstream>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

constexpr gint64 kPicture = GST_SECOND / 30;

class FileCamera : public testing::Test
{
protected:
  void SetUp () override
  {
    gchar *made = g_dir_make_tmp ("robotlive-filecamera-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    folder_ = made;
    g_free (made);
    clip_ = folder_ + "/clip.webm";
    // 30 pictures at 30 a second.
    const std::string line =
        "videotestsrc num-buffers=30 ! video/x-raw,width=64,height=48,"
        "framerate=30/1 ! vp8enc deadline=1 ! webmmux ! filesink location=" +
        clip_;
    EXPECT_EQ (run (line, 60), GST_MESSAGE_EOS);
  }
  void TearDown () override
  {
    g_unlink (clip_.c_str ());
    g_rmdir (folder_.c_str ());
  }

  // Until end or error, or so many pictures; GST_MESSAGE_UNKNOWN for those.
  GstMessageType run (
      const std::string &line, unsigned seconds, unsigned pictures = 0)
  {
    g_autoptr (GError) error = nullptr;
    GstElement *pipeline = gst_parse_launch (line.c_str (), &error);
    EXPECT_EQ (error, nullptr) << error->message;
    GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
    if (sink) {
      GstPad *pad = gst_element_get_static_pad (sink, "sink");
      gst_pad_add_probe (pad,
          static_cast<GstPadProbeType> (
              GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
          on_data, this, nullptr);
      gst_object_unref (pad);
      gst_object_unref (sink);
    }
    GstBus *bus = gst_element_get_bus (pipeline);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    GstMessageType type = GST_MESSAGE_UNKNOWN;
    const gint64 end = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
    while (type == GST_MESSAGE_UNKNOWN && g_get_monotonic_time () < end) {
      GstMessage *message = gst_bus_timed_pop_filtered (bus, 10 * GST_MSECOND,
          static_cast<GstMessageType> (
              GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_ASYNC_START));
      if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ASYNC_START)
        ++prerolls_;
      else if (message)
        type = GST_MESSAGE_TYPE (message);
      if (message)
        gst_message_unref (message);
      const std::lock_guard<std::mutex> lock (mutex_);
      if (pictures && times_.size () >= pictures)
        break;
    }
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (bus);
    gst_object_unref (pipeline);
    return type;
  }

  static GstPadProbeReturn on_data (
      GstPad *, GstPadProbeInfo *info, gpointer data)
  {
    auto *self = static_cast<FileCamera *> (data);
    const std::lock_guard<std::mutex> lock (self->mutex_);
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
      GstBuffer *buffer = gst_pad_probe_info_get_buffer (info);
      self->times_.push_back (gst_segment_to_running_time (
          &self->segment_, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)));
    } else if (GST_EVENT_TYPE (gst_pad_probe_info_get_event (info)) ==
               GST_EVENT_SEGMENT) {
      gst_event_copy_segment (
          gst_pad_probe_info_get_event (info), &self->segment_);
    }
    return GST_PAD_PROBE_OK;
  }

  std::string folder_, clip_;
  std::mutex mutex_; // of these
  GstSegment segment_ = {};
  std::vector<GstClockTime> times_; // running time of each picture
  unsigned prerolls_ = 0;
};

} // namespace

TEST_F (FileCamera, TimeGoesOnFromRoundToRound)
{
  // Without a clock behind it: as fast as it can be read.
  run ("filecamera location=" + clip_ +
           " ! videoconvert ! fakesink name=sink sync=false",
      60, 200);
  ASSERT_GE (times_.size (), 200u);
  EXPECT_EQ (times_[0], 0u);
  for (std::size_t i = 1; i < times_.size (); ++i)
    EXPECT_NEAR (double (times_[i]) - double (times_[i - 1]), double (kPicture),
        double (2 * GST_MSECOND))
        << "picture " << i;
}

TEST_F (FileCamera, TakesItsTimeAndStopsNoClock)
{
  const gint64 begin = g_get_monotonic_time ();
  run ("filecamera location=" + clip_ +
           " ! videoconvert ! videorate ! video/x-raw,framerate=30/1 ! "
           "clocksync ! fakesink name=sink sync=false",
      60, 100);
  EXPECT_GE (times_.size (), 100u);
  // 3.3 s; videorate may add one at each seam.
  EXPECT_GE (g_get_monotonic_time () - begin, 3 * G_USEC_PER_SEC);
  EXPECT_LE (prerolls_, 2u) << "the pipeline prerolled again for each round";
}

TEST_F (FileCamera, SaysWhatIsWrong)
{
  EXPECT_EQ (run ("filecamera ! fakesink", 30), GST_MESSAGE_ERROR);
  EXPECT_EQ (run ("filecamera location=" + folder_ + "/none ! fakesink", 30),
      GST_MESSAGE_ERROR);
  // Nothing to see in it: not read for ever.
  const std::string text = folder_ + "/text";
  for (const char *content : {"", "no video\n"}) {
    std::ofstream (text) << content;
    EXPECT_NE (run ("filecamera location=" + text + " ! fakesink", 30),
        GST_MESSAGE_UNKNOWN)
        << content;
  }
  g_unlink (text.c_str ());
}

// As "gst-launch-1.0 -e" ends it, in whatever moment of a round.
TEST_F (FileCamera, AnEndThatIsWantedIsOne)
{
  for (int i = 0; i < 10; ++i) {
    g_autoptr (GError) error = nullptr;
    GstElement *pipeline = gst_parse_launch (
        ("filecamera location=" + clip_ + " ! clocksync ! fakesink").c_str (),
        &error);
    ASSERT_EQ (error, nullptr);
    GstBus *bus = gst_element_get_bus (pipeline);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_usleep (500000 + gulong (i) * 100000);
    gst_element_send_event (pipeline, gst_event_new_eos ());
    GstMessage *message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
        static_cast<GstMessageType> (GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
    ASSERT_NE (message, nullptr) << "it goes on";
    EXPECT_EQ (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
    gst_message_unref (message);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (bus);
    gst_object_unref (pipeline);
  }
}

// In whatever moment of a round.
TEST_F (FileCamera, StartsAndStopsAtAnyMoment)
{
  g_autoptr (GError) error = nullptr;
  GstElement *pipeline = gst_parse_launch (
      ("filecamera location=" + clip_ + " ! fakesink sync=false").c_str (),
      &error);
  ASSERT_EQ (error, nullptr);
  for (int i = 0; i < 30; ++i) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_usleep (gulong (i) * 5000);
    gst_element_set_state (pipeline, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  testing::InitGoogleTest (&argc, argv);
  gst_init (&argc, &argv);
  return RUN_ALL_TESTS ();
}
