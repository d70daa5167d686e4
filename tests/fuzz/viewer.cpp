// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A viewer's peer connection: what the SDP guard lets through goes the way that
// it goes in signalingbin, into webrtcbin, which has to answer it. The first
// byte chooses what the robot has, the rest is an offer and, behind a byte 0,
// candidates, one a line. Nothing leaves: the process has no network.
#include "viewer/viewer.hpp"
#include "fuzz.hpp"
#include "gate/gstsessiongate.h"
#include "streams.hpp"
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace robotlive;

GST_DEBUG_CATEGORY (gst_signaling_bin_debug);

namespace {

class Owner final : public ViewerOwner
{
public:
  void viewer_answer (const std::string &, const std::string &sdp) override
  {
    std::lock_guard<std::mutex> lock (mutex_);
    answer_ = sdp;
    changed_.notify_all ();
  }
  void viewer_candidate (const std::string &, const IceCandidate &) override {}
  void viewer_streaming (const std::string &) override {}
  void viewer_remove (const std::string &, const std::string &,
      const std::string &, const std::string &message) override
  {
    std::lock_guard<std::mutex> lock (mutex_);
    failure_ = message.empty () ? "removed" : message;
    changed_.notify_all ();
  }
  void viewer_needs_key_frame (const std::string &) override {}
  void viewer_path_fell (const std::string &) override {}

  // Whatever comes first. False when nothing does.
  bool wait (std::string *answer, std::string *failure)
  {
    std::unique_lock<std::mutex> lock (mutex_);
    const bool came = changed_.wait_for (lock, std::chrono::seconds (8),
        [this] () { return !answer_.empty () || !failure_.empty (); });
    *answer = answer_;
    *failure = failure_;
    return came;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string answer_, failure_;
};

// The robot's side, without a stream in it.
struct Robot
{
  std::shared_ptr<EventLoop> loop = std::make_shared<EventLoop> ("fuzz");
  GstElement *pipeline = gst_pipeline_new (nullptr);
  GstElement *tee = gst_element_factory_make ("tee", nullptr);
  GstElement *audio_tee = gst_element_factory_make ("tee", nullptr);

  Robot ()
  {
    gst_bin_add_many (GST_BIN (pipeline), tee, audio_tee, nullptr);
    GstBus *bus = gst_element_get_bus (pipeline);
    // Messages that wait keep branches alive.
    gst_bus_set_sync_handler (
        bus,
        [] (GstBus *, GstMessage *message, gpointer) {
          gst_message_unref (message);
          return GST_BUS_DROP;
        },
        nullptr, nullptr);
    gst_object_unref (bus);
    REQUIRE (gst_element_set_state (pipeline, GST_STATE_PLAYING) !=
             GST_STATE_CHANGE_FAILURE);
  }
};

// What webrtcbin answers fits the offer that it was given.
void
check_answer (const std::string &sdp, const GuardedOffer &offer)
{
  GstSDPMessage *asked = nullptr, *answered = nullptr;
  REQUIRE (
      gst_sdp_message_new_from_text (offer.sdp.c_str (), &asked) == GST_SDP_OK);
  REQUIRE (
      gst_sdp_message_new_from_text (sdp.c_str (), &answered) == GST_SDP_OK);
  // What webrtcbin did not see is answered by port 0, in its place.
  unsigned line = offer.m_line;
  for (const RejectedMLine &rejected : offer.rejected) {
    line += rejected.number <= line;
    REQUIRE (rejected.number < gst_sdp_message_medias_len (answered));
    const GstSDPMedia *none =
        gst_sdp_message_get_media (answered, rejected.number);
    REQUIRE (gst_sdp_media_get_port (none) == 0);
  }
  REQUIRE (gst_sdp_message_medias_len (asked) + offer.rejected.size () ==
           gst_sdp_message_medias_len (answered));
  const GstSDPMedia *media = gst_sdp_message_get_media (answered, line);
  REQUIRE (gst_sdp_media_get_attribute_val (media, "sendonly"));
  REQUIRE (gst_sdp_media_formats_len (media) > 0);
  REQUIRE (gst_sdp_media_get_format (media, 0) ==
           std::to_string (offer.payload_type));
  gst_sdp_message_free (asked);
  gst_sdp_message_free (answered);
}

} // namespace

extern "C" int
LLVMFuzzerInitialize (int *, char ***)
{
  // Before any thread is made. Candidates of an input must reach nobody.
  if (unshare (CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    std::perror ("unshare");
    std::exit (1);
  }
  const int fd = socket (AF_INET, SOCK_DGRAM, 0);
  ifreq lo = {};
  std::snprintf (lo.ifr_name, sizeof lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  REQUIRE (ioctl (fd, SIOCSIFFLAGS, &lo) == 0);
  close (fd);
  setenv ("GST_PLUGIN_SYSTEM_PATH_1_0", "", 1);
  setenv ("GST_PLUGIN_PATH_1_0", FUZZ_PLUGINS, 1);
  setenv ("GST_REGISTRY_1_0", FUZZ_PLUGINS "/registry", 1);
  setenv ("GST_REGISTRY_FORK", "no", 1);
  setenv ("G_DEBUG", "fatal-criticals", 1);
  setenv ("GSETTINGS_BACKEND", "memory", 1);
  gst_init (nullptr, nullptr);
  GST_DEBUG_CATEGORY_INIT (
      gst_signaling_bin_debug, "signalingbin", 0, "signalingbin");
  REQUIRE (GST_ELEMENT_REGISTER (sessiongate, nullptr));
  // Makes the key of the process, which takes a while, before any input.
  gst_object_unref (
      gst_object_ref_sink (gst_element_factory_make ("dtlsdec", nullptr)));
  return 0;
}

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  if (size == 0)
    return 0;
  static auto &robot = *new Robot ();
  std::string text (reinterpret_cast<const char *> (data) + 1, size - 1);
  std::string candidates;
  if (const auto end = text.find ('\0'); end != text.npos) {
    candidates = text.substr (end + 1);
    text.resize (end);
  }
  const auto streams = streams_of (data[0]);
  GuardedOffer offer;
  std::string error;
  if (!guard_offer (text, streams, &offer, &error))
    return 0;
  const auto &codec = streams.pictures[offer.picture];
  if (codec.encoding_name == "AV1")
    return 0; // no payloader in Debian

  Owner owner;
  std::shared_ptr<Viewer> viewer;
  bool started = false;
  robot.loop->run ([&] () {
    viewer = std::make_shared<Viewer> (
        robot.loop, &owner, GST_BIN (robot.pipeline), "ann", "p1", boot_now ());
    const Source picture{"sink", robot.tee, codec};
    const Source sound{"audio_0", robot.audio_tee, {"OPUS", "", -1}};
    PeerSettings settings;
    settings.fec_percentage = 20;
    started = viewer->start (
        offer, picture, streams.audio ? &sound : nullptr, settings, &error);
  });
  REQUIRE (started);
  std::string answer, failure;
  REQUIRE (owner.wait (&answer, &failure));
  REQUIRE (failure.empty ()); // what passes the guard is answered
  check_answer (answer, offer);
  robot.loop->run ([&] () {
    for (std::size_t at = 0; at < candidates.size ();) {
      const auto end =
          std::min (candidates.find ('\n', at), candidates.size ());
      const auto line = candidates.substr (at, end - at);
      if (guard_candidate (line) == CandidateVerdict::Pass)
        viewer->add_candidate (line);
      at = end + 1;
    }
    viewer->stop ();
    viewer.reset ();
  });
  return 0;
}
