// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's part for those who look on: the structure of its statistics, and
// pictures of its branch for GST_DEBUG_DUMP_DOT_DIR.
#include "robotlive.h"
#include "viewer/viewer.hpp"
#include "webrtc/candidatepair.hpp"
#include "webrtc/rtpbinhooks.hpp"
#include "webrtc/viewerstats.hpp"
#include <algorithm>

namespace robotlive {

namespace {

constexpr std::int64_t kMillisecond = 1000000;
constexpr std::int64_t kStuckLimit = 3000 * kMillisecond;

guint64
counter (const Lane &lane, const char *property)
{
  guint64 value = 0;
  if (lane.gate)
    g_object_get (lane.gate.get (), property, &value, nullptr);
  return value;
}

} // namespace

const char *
viewer_state_name (ViewerState state)
{
  switch (state) {
    case ViewerState::Waiting:
      return "waiting";
    case ViewerState::Negotiating:
      return "negotiating";
    case ViewerState::Connecting:
      return "connecting";
    case ViewerState::Streaming:
      return "streaming";
  }
  return "";
}

void
Viewer::watch_first_frame ()
{
  auto stream = adopt (gst_element_get_static_pad (picture_.payloader, "sink"));
  gst_pad_add_probe (
      stream.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *, gpointer data) {
        static_cast<Hop *> (data)->shared->first_frame_at = boot_now ();
        return GST_PAD_PROBE_REMOVE;
      },
      hop (), Hop::free);
}

// Behind all that may hold a packet up. Sound is another matter.
void
Viewer::watch_leaving ()
{
  const int sound = audio_ ? static_cast<int> (audio_->payload_type) : -1;
  sees_leaving_ = watch_leaving_packets (
      webrtc_.get (), [shared = shared_, sound] (unsigned payload_type) {
        if (static_cast<int> (payload_type) != sound)
          shared->left++;
      });
}

// Every second. Pictures come, and none has left for long.
bool
Viewer::stuck (std::int64_t now)
{
  const auto left = shared_->left.load ();
  // What is held up in the branch's thread holds up the gate as well: then it
  // is the queue in front of it that overflows.
  const auto frames = frames_passed () + shared_->queue_drops.load ();
  const bool flows = left != left_seen_;
  const bool passes = frames != frames_seen_;
  left_seen_ = left;
  frames_seen_ = frames;
  if (state_ != ViewerState::Streaming || paused_ || flows || !sees_leaving_)
    stuck_since_ = 0;
  else if (passes && !stuck_since_)
    stuck_since_ = now;
  return stuck_since_ && passes && now - stuck_since_ >= kStuckLimit;
}

guint64
Viewer::frames_passed () const
{
  const auto passed = counter (picture_, "passed");
  return passed - std::min (passed, shared_->thinner.thinned ());
}

void
Viewer::measure_frames (std::int64_t now)
{
  const auto frames = frames_passed ();
  if (measured_at_)
    fps_ = static_cast<double> (frames - std::min (frames, measured_frames_)) *
           1e9 / static_cast<double> (now - measured_at_);
  measured_frames_ = frames;
  measured_at_ = now;
}

GstStructure *
Viewer::stats (std::int64_t now) const
{
  GstStructure *stats = gst_structure_new (ROBOTLIVE_STRUCTURE_VIEWER,
      ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING, peer_id_.c_str (),
      ROBOTLIVE_FIELD_USER, G_TYPE_STRING, user_.c_str (), ROBOTLIVE_FIELD_ROLE,
      G_TYPE_STRING, terms_.role.c_str (), ROBOTLIVE_FIELD_STATE, G_TYPE_STRING,
      viewer_state_name (state_), ROBOTLIVE_FIELD_CODEC, G_TYPE_STRING,
      picture_.source.codec.encoding_name.c_str (), ROBOTLIVE_FIELD_REMAINING,
      G_TYPE_UINT64,
      terms_.ends_at == kNeverNs
          ? GST_CLOCK_TIME_NONE
          : guint64 (std::max<gint64> (terms_.ends_at - now, 0)),
      ROBOTLIVE_FIELD_SINCE, G_TYPE_UINT64,
      guint64 (now - created_at_) / kMillisecond, ROBOTLIVE_FIELD_PAUSED,
      G_TYPE_BOOLEAN, gboolean (paused_), ROBOTLIVE_FIELD_QUEUE_OVERRUNS,
      G_TYPE_UINT64, shared_->queue_drops.load (), ROBOTLIVE_FIELD_FRAMES,
      G_TYPE_UINT64, frames_passed (), ROBOTLIVE_FIELD_FPS, G_TYPE_DOUBLE, fps_,
      ROBOTLIVE_FIELD_DROPPED, G_TYPE_UINT64, counter (picture_, "dropped"),
      nullptr);
  if (const auto first = shared_->first_frame_at.load ())
    gst_structure_set (stats, ROBOTLIVE_FIELD_FIRST_FRAME, G_TYPE_UINT64,
        guint64 (first - created_at_) / kMillisecond, nullptr);
  if (state_ == ViewerState::Streaming) {
    const bool waits = !paused_ && (frames_passed () == frames_at_opening_ ||
                                       shared_->thinner.waits_for_key ());
    gst_structure_set (stats, ROBOTLIVE_FIELD_WAITS_FOR_KEY_FRAME,
        G_TYPE_BOOLEAN, gboolean (waits), nullptr);
    add_rtp_stats (stats, webrtc_.get (), picture_.ssrc, 90000, "");
    if (audio_)
      add_rtp_stats (stats, webrtc_.get (), audio_->ssrc, 48000, "audio-");
    add_candidate_pair (stats, webrtc_.get ());
  }
  add_rate_stats (stats, now);
  return stats;
}

// Without the elements' properties and the caps' fields: srtpenc's have the
// keys of the connection among both.
void
Viewer::dump (const char *when) const
{
  if (!branch_)
    return;
  std::string name = "robotlive-viewer-";
  for (const char c : peer_id_.substr (0, 64))
    name += g_ascii_isalnum (c) || c == '-' ? c : '_';
  name += std::string ("-") + when;
  GST_DEBUG_BIN_TO_DOT_FILE (GST_BIN (branch_.get ()),
      static_cast<GstDebugGraphDetails> (
          GST_DEBUG_GRAPH_SHOW_MEDIA_TYPE | GST_DEBUG_GRAPH_SHOW_STATES),
      name.c_str ());
}

} // namespace robotlive
