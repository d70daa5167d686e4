// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gate in pipelines that build and change themselves, as players do, and in
// front of an encoder.
#include "gatetest.hpp"
#include "robotlive.h"
#include <glib/gstdio.h>

// Two seconds of VP8 and Opus in a file that goes away with its owner.
struct Clip
{
  gchar *path = nullptr;
  gchar *uri = nullptr;

  explicit Clip (gint width)
  {
    const gint fd = g_file_open_tmp ("gate-XXXXXX.mkv", &path, nullptr);
    fail_unless (fd >= 0);
    g_close (fd, nullptr);
    uri = gst_filename_to_uri (path, nullptr);
    gchar *line = g_strdup_printf (
        "videotestsrc num-buffers=60 ! video/x-raw,width=%d,height=32,"
        "framerate=30/1 ! vp8enc deadline=1 keyframe-max-dist=10 ! queue ! "
        "matroskamux name=m ! filesink location=%s audiotestsrc "
        "num-buffers=100 "
        "samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1 ! opusenc ! "
        "queue ! m.",
        width, path);
    GError *error = nullptr;
    GstElement *pipeline = gst_parse_launch (line, &error);
    fail_if (error, "%s", error ? error->message : "");
    g_free (line);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    GstBus *bus = gst_element_get_bus (pipeline);
    GstMessage *message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
    gst_message_unref (message);
    gst_object_unref (bus);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (pipeline);
  }
  ~Clip ()
  {
    g_unlink (path);
    g_free (path);
    g_free (uri);
  }
};

constexpr gint kVideoAndAudio = 3; // GstPlayFlags

struct Player
{
  GstElement *video = new_gate (), *audio = new_gate ();
  GstElement *video_sink = gst_element_factory_make ("fakesink", nullptr);
  GstElement *play = gst_element_factory_make ("playbin", nullptr);
  GstBus *bus = gst_element_get_bus (play);

  explicit Player (const Clip &clip)
  {
    GstElement *audio_sink = gst_element_factory_make ("fakesink", nullptr);
    g_object_set (play, "uri", clip.uri, "flags", kVideoAndAudio,
        "video-filter", video, "audio-filter", audio, "video-sink", video_sink,
        "audio-sink", audio_sink, nullptr);
  }
  ~Player ()
  {
    gst_element_set_state (play, GST_STATE_NULL);
    gst_object_unref (bus);
    gst_object_unref (play);
    gst_object_unref (video);
    gst_object_unref (audio);
  }
  void until (GstMessageType type)
  {
    GstMessage *message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType> (type | GST_MESSAGE_ERROR));
    GError *error = nullptr;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      gst_message_parse_error (message, &error, nullptr);
    fail_if (error, "%s", error ? error->message : "");
    gst_message_unref (message);
  }
  static guint64 number (GstElement *gate, const gchar *property)
  {
    guint64 value = 0;
    g_object_get (gate, property, &value, nullptr);
    return value;
  }
};

constexpr gchar kOpen[] = "2099-01-01T00:00:00Z";

GST_START_TEST (test_playbin_plays_through_open_gates)
{
  const Clip clip (64);
  Player player (clip);
  g_object_set (player.video, "expires-at", kOpen, nullptr);
  g_object_set (player.audio, "expires-at", kOpen, nullptr);
  for (int round = 0; round < 2; ++round) {
    gst_element_set_state (player.play, GST_STATE_PLAYING);
    player.until (GST_MESSAGE_EOS);
    fail_unless_equals_uint64 (Player::number (player.video, "passed"), 60);
    fail_unless (Player::number (player.audio, "passed") >= 100);
    fail_unless_equals_uint64 (Player::number (player.video, "dropped"), 0);
    // The second round starts from scratch.
    gst_element_set_state (player.play, GST_STATE_READY);
  }
}
GST_END_TEST;

// Shut, it still comes to its end; opened by then, a flushing seek back plays.
GST_START_TEST (test_playbin_with_shut_gates)
{
  const Clip clip (64);
  Player player (clip);
  gst_element_set_state (player.play, GST_STATE_PLAYING);
  player.until (GST_MESSAGE_EOS);
  for (GstElement *gate : {player.video, player.audio})
    fail_unless_equals_uint64 (Player::number (gate, "passed"), 0);
  fail_unless_equals_uint64 (Player::number (player.video, "dropped"), 60);
  for (GstElement *gate : {player.video, player.audio})
    g_object_set (gate, "expires-at", kOpen, nullptr);
  fail_unless (gst_element_seek_simple (player.play, GST_FORMAT_TIME,
      static_cast<GstSeekFlags> (GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT),
      0));
  player.until (GST_MESSAGE_EOS);
  fail_unless_equals_uint64 (Player::number (player.video, "passed"), 60);
  fail_unless (Player::number (player.audio, "passed") >= 100);
}
GST_END_TEST;

// The next file in the same player: other decoders, other caps, the same gates.
GST_START_TEST (test_playbin_goes_on_with_the_next_file)
{
  const Clip narrow (64), wide (128);
  Player player (narrow);
  g_object_set (player.video, "expires-at", kOpen, nullptr);
  g_object_set (player.audio, "expires-at", kOpen, nullptr);
  for (const Clip *clip : {&narrow, &wide}) {
    g_object_set (player.play, "uri", clip->uri, nullptr);
    gst_element_set_state (player.play, GST_STATE_PLAYING);
    player.until (GST_MESSAGE_EOS);
    fail_unless_equals_uint64 (Player::number (player.video, "passed"), 60);
    GstPad *pad = gst_element_get_static_pad (player.video, "src");
    GstCaps *caps = gst_pad_get_current_caps (pad);
    gint width = 0;
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
    fail_unless_equals_int (width, clip == &narrow ? 64 : 128);
    gst_caps_unref (caps);
    gst_object_unref (pad);
    gst_element_set_state (player.play, GST_STATE_READY);
  }
}
GST_END_TEST;

// The gate is linked when the decoder says what there is; encoded streams too.
static void
link_when_added (GstElement *, GstPad *pad, GstElement *pipeline)
{
  GstElement *gate = new_gate ();
  GstElement *sink = gst_element_factory_make ("fakesink", nullptr);
  g_object_set (gate, "expires-at", kOpen, nullptr);
  g_object_set (sink, "async", FALSE, nullptr);
  gst_bin_add_many (GST_BIN (pipeline), gate, sink, nullptr);
  gst_object_unref (gate); // the pipeline keeps it
  fail_unless (gst_element_link (gate, sink));
  gst_element_sync_state_with_parent (sink);
  gst_element_sync_state_with_parent (gate);
  GstPad *target = gst_element_get_static_pad (gate, "sink");
  fail_unless_equals_int (gst_pad_link (pad, target), GST_PAD_LINK_OK);
  gst_object_unref (target);
}

GST_START_TEST (test_linked_when_the_stream_appears)
{
  gst_object_unref (new_gate ()); // registers
  const Clip clip (64);
  for (const gchar *name : {"uridecodebin", "parsebin"}) {
    GstElement *pipeline = gst_pipeline_new (nullptr);
    GstElement *decoder = gst_element_factory_make (name, nullptr);
    gst_bin_add (GST_BIN (pipeline), decoder);
    if (!g_strcmp0 (name, "parsebin")) {
      GstElement *source = gst_element_factory_make ("filesrc", nullptr);
      g_object_set (source, "location", clip.path, nullptr);
      gst_bin_add (GST_BIN (pipeline), source);
      fail_unless (gst_element_link (source, decoder));
    } else {
      g_object_set (decoder, "uri", clip.uri, nullptr);
    }
    g_signal_connect (
        decoder, "pad-added", G_CALLBACK (link_when_added), pipeline);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    GstBus *bus = gst_element_get_bus (pipeline);
    GstMessage *message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType> (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
    gst_message_unref (message);
    guint gates = 0;
    guint64 passed = 0;
    GstIterator *all = gst_bin_iterate_all_by_element_factory_name (
        GST_BIN (pipeline), "sessiongate");
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next (all, &item) == GST_ITERATOR_OK) {
      ++gates;
      passed +=
          Player::number (GST_ELEMENT (g_value_get_object (&item)), "passed");
      g_value_reset (&item);
    }
    g_value_unset (&item);
    gst_iterator_free (all);
    fail_unless_equals_int (gates, 2);
    fail_unless (passed >= 160, "%s: %" G_GUINT64_FORMAT, name, passed);
    gst_object_unref (bus);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (pipeline);
  }
}
GST_END_TEST;

struct Counts
{
  std::atomic<guint> buffers{0};
  std::atomic<bool> first_is_key{false};

  void watch (GstElement *element, const gchar *pad_name)
  {
    GstPad *pad = gst_element_get_static_pad (element, pad_name);
    gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
          auto *counts = static_cast<Counts *> (data);
          if (counts->buffers == 0)
            counts->first_is_key = !GST_BUFFER_FLAG_IS_SET (
                GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT);
          ++counts->buffers;
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
    gst_object_unref (pad);
  }
};

// Before the encoder, following what downstream says of its sessions: without
// one the encoder is handed nothing and makes nothing; with one it works, from
// a key unit on; afterwards it rests again.
GST_START_TEST (test_the_encoder_idles_behind_a_shut_gate)
{
  gst_object_unref (new_gate ()); // registers
  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc is-live=true ! video/x-raw,width=64,height=64,"
      "framerate=200/1 ! sessiongate name=g ! x264enc name=e tune=zerolatency "
      "key-int-max=1000 ! h264parse ! fakesink name=s async=false",
      &error);
  fail_if (error);
  GstElement *gate = gst_bin_get_by_name (GST_BIN (pipeline), "g");
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), "e");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  GstPad *sink_pad = gst_element_get_static_pad (sink, "sink");
  Counts in, out;
  in.watch (encoder, "sink");
  out.watch (encoder, "src");
  const auto tell = [sink_pad] (gint64 ends_at, guint viewers) {
    fail_unless (gst_pad_push_event (
        sink_pad, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
                      gst_structure_new (ROBOTLIVE_EVENT_SESSIONS, "opens-at",
                          G_TYPE_INT64, gint64 (0), "ends-at", G_TYPE_INT64,
                          ends_at, "viewers", G_TYPE_UINT, viewers, nullptr))));
  };
  const auto wait_dropped = [gate] (guint64 more) {
    const guint64 target = Player::number (gate, "dropped") + more;
    while (Player::number (gate, "dropped") < target)
      g_usleep (1000);
  };
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_dropped (20);
  fail_unless_equals_int (in.buffers, 0);
  fail_unless_equals_int (out.buffers, 0);

  for (guint round = 0; round < 3; ++round) {
    const guint before = out.buffers;
    tell (robotlive::boot_now () + 3600 * kSecond, 2);
    while (out.buffers < before + 10)
      g_usleep (1000);
    tell (0, 0);
    // What was on its way has gone; then nothing comes in and nothing out.
    wait_dropped (2);
    const guint given = in.buffers, made = out.buffers;
    fail_unless_equals_int (given, made); // none is kept back
    wait_dropped (20);
    fail_unless_equals_int (in.buffers, given);
    fail_unless_equals_int (out.buffers, made);
    fail_unless_equals_uint64 (Player::number (gate, "passed"), given);
  }
  fail_unless (out.first_is_key);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  for (GstElement *element : {gate, encoder, sink})
    gst_object_unref (element);
  gst_object_unref (sink_pad);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static Suite *
sessiongate_player_suite (void)
{
  Suite *suite = suite_create ("sessiongate-player");
  TCase *player = tcase_create ("player");
  suite_add_tcase (suite, player);
  tcase_add_test (player, test_playbin_plays_through_open_gates);
  tcase_add_test (player, test_playbin_with_shut_gates);
  tcase_add_test (player, test_playbin_goes_on_with_the_next_file);
  tcase_add_test (player, test_linked_when_the_stream_appears);
  tcase_add_test (player, test_the_encoder_idles_behind_a_shut_gate);
  return suite;
}

GST_CHECK_MAIN (sessiongate_player);
