// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Plays a clip at 30 fps through a pipeline, as a camera would:
//
//   sender --clip FILE [--raw] [--repair] LAUNCH
//
// LAUNCH is a gst-launch description that begins with `appsrc name=camera`.
// --raw: the clip is raw, and each frame is stamped with the time right before
// it enters the pipeline. If LAUNCH has a tee named `viewers`, the program is
// also the hand-written webrtcbin sender that everything is compared with: it
// answers one line on stdin with one on stdout (base64: SDP):
//
//   offer ID SDP  ->  answer ID SDP  (all candidates inside) | failed ID TEXT
//   candidate ID MLINE CANDIDATE
//   leave ID      ->  left ID
//
// `stall MS` stops the camera for that long, as one does that hangs. `last`
// tells when the last frame came out of the element that is named `gate`, in ms
// since 1970 (-1: never): `last MS`.
// --repair: viewers may ask for lost packets (NACK, RTX).
#include "clip.hpp"
#include <algorithm>
#include <atomic>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

using namespace robotlive::bench;

namespace {

std::mutex stdout_lock;

void
say (const std::string &line)
{
  const std::lock_guard lock (stdout_lock);
  std::cout << line << std::endl;
}

void
play (const Clip &clip, bool raw, GstAppSrc *camera, std::atomic<bool> &running,
    std::atomic<long> &stall_ms)
{
  constexpr long period = 1000000000L / 30;
  timespec due = {};
  clock_gettime (CLOCK_MONOTONIC, &due);
  for (std::uint64_t n = 0; running; ++n) {
    const auto frame = clip.frame (n);
    GstBuffer *buffer = nullptr;
    if (raw) {
      buffer = gst_buffer_new_allocate (nullptr, frame.size (), nullptr);
      GstMapInfo map = GST_MAP_INFO_INIT;
      gst_buffer_map (buffer, &map, GST_MAP_WRITE);
      std::memcpy (map.data, frame.data (), frame.size ());
      stamp (map.data, wall_ms ());
      gst_buffer_unmap (buffer, &map);
    } else {
      buffer = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY,
          const_cast<char *> (frame.data ()), frame.size (), 0, frame.size (),
          nullptr, nullptr);
    }
    if (gst_app_src_push_buffer (camera, buffer) != GST_FLOW_OK)
      return;
    const long stall = stall_ms.exchange (0);
    due.tv_sec += stall / 1000;
    due.tv_nsec += period + stall % 1000 * 1000000L;
    while (due.tv_nsec >= 1000000000L) {
      due.tv_nsec -= 1000000000L;
      ++due.tv_sec;
    }
    clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
  }
}

// One viewer of the hand-written sender:
//   tee ! queue ! (drop until connected and a key frame) ! rtph264pay !
//   capsfilter ! webrtcbin
struct Viewer
{
  std::string id;
  GstElement *bin = nullptr;
  GstElement *webrtc = nullptr;
  GstPad *tee_pad = nullptr;
  std::atomic<bool> connected{false};
  std::atomic<bool> started{false};
  std::atomic<bool> answered{false};
};

// The payload type of H.264 constrained baseline, packetization mode 1.
int
h264_payload_type (const GstSDPMedia *media)
{
  int found = -1;
  for (guint i = 0; i < gst_sdp_media_formats_len (media); ++i) {
    const int pt = std::atoi (gst_sdp_media_get_format (media, i));
    g_autoptr (GstCaps) caps = gst_sdp_media_get_caps_from_media (media, pt);
    if (pt < 96 || caps == nullptr)
      continue;
    const GstStructure *s = gst_caps_get_structure (caps, 0);
    const char *name = gst_structure_get_string (s, "encoding-name");
    const char *mode = gst_structure_get_string (s, "packetization-mode");
    const char *profile = gst_structure_get_string (s, "profile-level-id");
    if (g_strcmp0 (name, "H264") != 0 || g_strcmp0 (mode, "1") != 0)
      continue;
    if (profile != nullptr && g_ascii_strncasecmp (profile, "42e0", 4) == 0)
      return pt;
    if (found < 0)
      found = pt;
  }
  return found;
}

void
answer_when_gathered (GstElement *webrtc, GParamSpec *, gpointer data)
{
  auto *viewer = static_cast<Viewer *> (data);
  GstWebRTCICEGatheringState state = GST_WEBRTC_ICE_GATHERING_STATE_NEW;
  g_autoptr (GstWebRTCSessionDescription) local = nullptr;
  g_object_get (webrtc, "ice-gathering-state", &state, "local-description",
      &local, nullptr);
  if (state != GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE || local == nullptr ||
      viewer->answered.exchange (true))
    return;
  g_autofree char *text = gst_sdp_message_as_text (local->sdp);
  g_autofree char *base64 = g_base64_encode (
      reinterpret_cast<const guchar *> (text), std::strlen (text));
  say ("answer " + viewer->id + " " + base64);
}

void
connection_changed (GstElement *webrtc, GParamSpec *, gpointer data)
{
  auto *viewer = static_cast<Viewer *> (data);
  GstWebRTCPeerConnectionState state = GST_WEBRTC_PEER_CONNECTION_STATE_NEW;
  g_object_get (webrtc, "connection-state", &state, nullptr);
  if (state != GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED ||
      viewer->connected.exchange (true))
    return;
  g_autoptr (GstPad) pad = gst_element_get_static_pad (viewer->bin, "sink");
  gst_pad_push_event (pad, gst_video_event_new_upstream_force_key_unit (
                               GST_CLOCK_TIME_NONE, TRUE, 0));
}

GstPadProbeReturn
drop_until_key_frame (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *viewer = static_cast<Viewer *> (data);
  if (!viewer->started) {
    const auto *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    if (!viewer->connected ||
        GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT))
      return GST_PAD_PROBE_DROP;
    viewer->started = true;
  }
  return GST_PAD_PROBE_OK;
}

class Viewers
{
public:
  Viewers (GstElement *pipeline, GstElement *tee, bool repair)
      : pipeline_ (pipeline), tee_ (tee), repair_ (repair)
  {
  }

  void offer (const std::string &id, const std::string &text)
  {
    GstSDPMessage *sdp = nullptr;
    gst_sdp_message_new (&sdp);
    gst_sdp_message_parse_buffer (
        reinterpret_cast<const guint8 *> (text.data ()),
        static_cast<guint> (text.size ()), sdp);
    g_autoptr (GstWebRTCSessionDescription) description =
        gst_webrtc_session_description_new (GST_WEBRTC_SDP_TYPE_OFFER, sdp);
    const int pt = gst_sdp_message_medias_len (sdp) == 1
                       ? h264_payload_type (gst_sdp_message_get_media (sdp, 0))
                       : -1;
    if (pt < 0) {
      say ("failed " + id + " one video of H.264 is wanted");
      return;
    }
    auto &viewer = viewers_[id] = std::make_unique<Viewer> ();
    viewer->id = id;
    build (*viewer, pt);
    GstPromise *promise = gst_promise_new_with_change_func (
        [] (GstPromise *reply, gpointer data) {
          gst_promise_unref (reply);
          auto *webrtc = static_cast<GstElement *> (data);
          g_signal_emit_by_name (webrtc, "create-answer", nullptr,
              gst_promise_new_with_change_func (answer_made, webrtc, nullptr));
        },
        viewer->webrtc, nullptr);
    g_signal_emit_by_name (
        viewer->webrtc, "set-remote-description", description, promise);
  }

  void candidate (const std::string &id, unsigned mline, const char *text)
  {
    const auto found = viewers_.find (id);
    if (found != viewers_.end ())
      g_signal_emit_by_name (
          found->second->webrtc, "add-ice-candidate", mline, text);
  }

  void leave (const std::string &id)
  {
    const auto found = viewers_.find (id);
    if (found == viewers_.end ())
      return;
    Viewer &viewer = *found->second;
    g_autoptr (GstPad) sink = gst_element_get_static_pad (viewer.bin, "sink");
    gst_pad_unlink (viewer.tee_pad, sink);
    gst_element_release_request_pad (tee_, viewer.tee_pad);
    gst_object_unref (viewer.tee_pad);
    gst_element_set_state (viewer.bin, GST_STATE_NULL);
    gst_bin_remove (GST_BIN (pipeline_), viewer.bin);
    viewers_.erase (found);
    say ("left " + id);
  }

private:
  static void answer_made (GstPromise *reply, gpointer data)
  {
    g_autoptr (GstWebRTCSessionDescription) answer = nullptr;
    const GstStructure *s = gst_promise_get_reply (reply);
    if (s != nullptr)
      gst_structure_get (
          s, "answer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &answer, nullptr);
    if (answer != nullptr)
      g_signal_emit_by_name (static_cast<GstElement *> (data),
          "set-local-description", answer, nullptr);
    gst_promise_unref (reply);
  }

  void build (Viewer &viewer, int pt)
  {
    const guint ssrc = g_random_int_range (1, G_MAXINT32);
    g_autofree char *caps_text = g_strdup_printf (
        "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,"
        "payload=%d,packetization-mode=(string)1,ssrc=(uint)%u,"
        "profile-level-id=(string)42e01f",
        pt, ssrc);
    g_autofree char *launch = g_strdup_printf (
        "queue name=in leaky=downstream max-size-time=200000000 ! "
        "rtph264pay name=pay pt=%d ssrc=%u config-interval=-1 "
        "aggregate-mode=zero-latency ! capsfilter name=out",
        pt, ssrc);
    viewer.bin = gst_parse_bin_from_description (launch, FALSE, nullptr);
    viewer.webrtc = gst_element_factory_make ("webrtcbin", nullptr);
    gst_bin_add (GST_BIN (viewer.bin), viewer.webrtc);
    gst_util_set_object_arg (
        G_OBJECT (viewer.webrtc), "bundle-policy", "max-bundle");
    g_autoptr (GstObject) ice = nullptr;
    g_object_get (viewer.webrtc, "ice-agent", &ice, nullptr);
    g_autoptr (GObject) agent = nullptr;
    g_object_get (ice, "agent", &agent, nullptr);
    g_object_set (agent, "upnp", FALSE, "ice-tcp", FALSE, nullptr);
    g_signal_connect (viewer.webrtc, "notify::ice-gathering-state",
        G_CALLBACK (answer_when_gathered), &viewer);
    g_signal_connect (viewer.webrtc, "notify::connection-state",
        G_CALLBACK (connection_changed), &viewer);

    g_autoptr (GstCaps) caps = gst_caps_from_string (caps_text);
    g_autoptr (GstElement) in =
        gst_bin_get_by_name (GST_BIN (viewer.bin), "in");
    g_autoptr (GstElement) out =
        gst_bin_get_by_name (GST_BIN (viewer.bin), "out");
    g_object_set (out, "caps", caps, nullptr);
    g_autoptr (GstPad) in_sink = gst_element_get_static_pad (in, "sink");
    g_autoptr (GstPad) in_src = gst_element_get_static_pad (in, "src");
    gst_element_add_pad (viewer.bin, gst_ghost_pad_new ("sink", in_sink));
    gst_pad_add_probe (in_src, GST_PAD_PROBE_TYPE_BUFFER, drop_until_key_frame,
        &viewer, nullptr);

    gst_bin_add (GST_BIN (pipeline_), viewer.bin);
    gst_element_set_state (viewer.webrtc, GST_STATE_READY);
    g_autoptr (GstPad) media =
        gst_element_request_pad_simple (viewer.webrtc, "sink_0");
    g_autoptr (GstWebRTCRTPTransceiver) transceiver = nullptr;
    g_object_get (media, "transceiver", &transceiver, nullptr);
    g_object_set (transceiver, "direction",
        GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, "do-nack", repair_,
        "codec-preferences", caps, nullptr);
    g_autoptr (GstPad) out_src = gst_element_get_static_pad (out, "src");
    gst_pad_link (out_src, media);
    gst_element_sync_state_with_parent (viewer.bin);
    viewer.tee_pad = gst_element_request_pad_simple (tee_, "src_%u");
    g_autoptr (GstPad) sink = gst_element_get_static_pad (viewer.bin, "sink");
    gst_pad_link (viewer.tee_pad, sink);
  }

  GstElement *pipeline_;
  GstElement *tee_;
  bool repair_;
  std::map<std::string, std::unique_ptr<Viewer>> viewers_;
};

void
obey (const std::string &line, Viewers &viewers)
{
  g_auto (GStrv) word = g_strsplit (line.c_str (), " ", 4);
  const guint words = g_strv_length (word);
  if (words == 3 && g_str_equal (word[0], "offer")) {
    gsize size = 0;
    g_autofree guchar *sdp = g_base64_decode (word[2], &size);
    viewers.offer (
        word[1], std::string (reinterpret_cast<const char *> (sdp), size));
  } else if (words == 4 && g_str_equal (word[0], "candidate")) {
    viewers.candidate (
        word[1], static_cast<unsigned> (std::atoi (word[2])), word[3]);
  } else if (words == 2 && g_str_equal (word[0], "leave")) {
    viewers.leave (word[1]);
  }
}

// When the last frame came out of a gate, in µs since 1970.
GstPadProbeReturn
note_time (GstPad *, GstPadProbeInfo *, gpointer data)
{
  *static_cast<std::atomic<gint64> *> (data) = g_get_real_time ();
  return GST_PAD_PROBE_OK;
}

struct Options
{
  std::string clip, launch;
  bool raw = false, repair = false;
};

int
run (const Options &options)
{
  const Clip clip (options.clip, options.raw);
  // The first DTLS element makes the process's key: not in a viewer's time.
  g_autoptr (GstElement) dtls = gst_element_factory_make ("dtlsdec", nullptr);
  g_autoptr (GError) error = nullptr;
  g_autoptr (GstElement) pipeline =
      gst_parse_launch (options.launch.c_str (), &error);
  if (error != nullptr) {
    std::cerr << "sender: " << error->message << "\n";
    return 1;
  }
  g_autoptr (GstElement) camera =
      gst_bin_get_by_name (GST_BIN (pipeline), "camera");
  g_autoptr (GstElement) tee =
      gst_bin_get_by_name (GST_BIN (pipeline), "viewers");
  if (camera == nullptr || !GST_IS_APP_SRC (camera)) {
    std::cerr << "sender: no appsrc named camera\n";
    return 1;
  }
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      options.raw ? "video/x-raw,format=I420,width=1280,height=720,"
                    "framerate=30/1,colorimetry=bt709"
                  : "video/x-h264,stream-format=byte-stream,alignment=au,"
                    "width=1280,height=720,framerate=30/1,"
                    "profile=constrained-baseline");
  // A frame waits for nobody: as a camera's queue of one.
  g_object_set (camera, "caps", caps, "is-live", TRUE, "do-timestamp", TRUE,
      "format", GST_FORMAT_TIME, "max-buffers", G_GUINT64_CONSTANT (2),
      "leaky-type", 2, nullptr);
  std::atomic<gint64> last_us{-1000};
  g_autoptr (GstElement) gate =
      gst_bin_get_by_name (GST_BIN (pipeline), "gate");
  if (gate != nullptr) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (gate, "src");
    gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_BUFFER, note_time, &last_us, nullptr);
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);

  std::atomic<bool> running{true};
  std::atomic<long> stall_ms{0};
  std::thread player ([&] {
    play (clip, options.raw, GST_APP_SRC (camera), running, stall_ms);
  });
  // A pipeline that fails ends the program: a figure of it means nothing.
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  std::thread watcher ([&] {
    g_autoptr (GstMessage) message =
        gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
            static_cast<GstMessageType> (
                GST_MESSAGE_ERROR | GST_MESSAGE_APPLICATION));
    if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
      return;
    g_autoptr (GError) cause = nullptr;
    g_autofree char *debug = nullptr;
    gst_message_parse_error (message, &cause, &debug);
    std::cerr << "sender: " << cause->message << " (" << debug << ")\n";
    std::_Exit (1);
  });

  say ("ready");
  Viewers viewers (pipeline, tee, options.repair);
  for (std::string line; std::getline (std::cin, line);)
    if (line.rfind ("stall ", 0) == 0)
      stall_ms = std::clamp (std::atol (line.c_str () + 6), 0L, 600000L);
    else if (line == "last")
      say ("last " + std::to_string (static_cast<double> (last_us) / 1000));
    else if (tee != nullptr)
      obey (line, viewers);

  running = false;
  player.join ();
  gst_element_post_message (
      pipeline, gst_message_new_application (
                    GST_OBJECT (pipeline), gst_structure_new_empty ("end")));
  watcher.join ();
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return 0;
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--raw")
      options.raw = true;
    else if (word == "--repair")
      options.repair = true;
    else if (word == "--clip" && i + 1 < argc)
      options.clip = argv[++i];
    else
      options.launch = word;
  }
  if (options.clip.empty () || options.launch.empty ()) {
    std::cerr << "usage: sender --clip FILE [--raw] [--repair] LAUNCH\n";
    return 2;
  }
  try {
    return run (options);
  } catch (const std::exception &e) {
    std::cerr << "sender: " << e.what () << "\n";
    return 1;
  }
}
