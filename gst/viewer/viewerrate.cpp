// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's part in rate control: carries reports to its PathControl, and that
// one's actions to the elements of the branch.
#include "robotlive.h"
#include "viewer/viewer.hpp"
#include "webrtc/twccfeedback.hpp"
#include "webrtc/viewerstats.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

PictureFormat
picture_format (const StreamCodec &codec)
{
  if (codec.encoding_name == "H264")
    return PictureFormat::H264Avc;
  return codec.encoding_name == "H265" ? PictureFormat::H265Hvc
                                       : PictureFormat::Other;
}

} // namespace

void
Viewer::watch_rate ()
{
  // Before the queue: what is left out waits nowhere, and a key frame that
  // leaves slowly pushes nothing out.
  shared_->thinner.set_format (picture_format (picture_.source.codec));
  auto stream = adopt (gst_element_get_static_pad (picture_.payloader, "sink"));
  gst_pad_add_probe (
      stream.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        static_cast<Hop *> (data)->shared->packets.begin (
            GST_PAD_PROBE_INFO_BUFFER (info));
        return GST_PAD_PROBE_OK;
      },
      hop (), Hop::free);
  if (!offer_.twcc_id)
    return;
  auto packets = adopt (gst_element_get_static_pad (picture_.payloader, "src"));
  gst_pad_add_probe (
      packets.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto feedback = read_twcc_event (GST_PAD_PROBE_INFO_EVENT (info));
        if (!feedback.empty ())
          static_cast<Hop *> (data)->post (
              [feedback = std::move (feedback)] (
                  Viewer &self) { self.on_feedback (feedback); });
        return GST_PAD_PROBE_OK;
      },
      hop (), Hop::free);
}

// The signaling thread's view of the branch's elements.
PathControl::Branch
Viewer::branch_report () const
{
  const auto &thinner = shared_->thinner;
  const auto &packets = shared_->packets;
  PathControl::Branch branch;
  branch.passed_bytes = thinner.passed_bytes ();
  branch.given_up = packets.resends.given_up ();
  branch.spread = packets.pacer.spread ();
  branch.thinning = thinner.level ();
  branch.waits_for_key = thinner.waits_for_key ();
  return branch;
}

void
Viewer::on_feedback (const std::vector<PacketReport> &packets)
{
  const auto now = boot_now () / 1000;
  // As tests/unit/traces has them.
  if (path_.started () && gst_debug_category_get_threshold (
                              gst_signaling_bin_debug) >= GST_LEVEL_TRACE)
    for (const PacketReport &packet : packets)
      GST_TRACE_OBJECT (bin_,
          "feedback %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
          " %u",
          now, packet.sent, packet.received.value_or (-1), packet.size);
  if (path_.on_feedback (packets, now) && state_ == ViewerState::Streaming)
    owner_->viewer_path_fell (peer_id_);
}

// RFC 3550 section 6.4.1: loss and round trip, about once a second.
void
Viewer::read_receiver_report (std::int64_t now)
{
  // Where nobody tells that one has come: what was reported last.
  const auto last = hears_rtcp_ ? shared_->last_rtcp.load () : now / 1000000;
  if (last == report_seen_)
    return;
  report_seen_ = last;
  double loss = 0, round_trip = 0;
  if (read_report (webrtc_.get (), picture_.ssrc, &loss, &round_trip))
    path_.on_receiver_report (
        loss, static_cast<std::int64_t> (round_trip * 1e6), now);
}

std::optional<PathControl::Tick>
Viewer::rate_tick (std::int64_t now)
{
  if (!path_.started () || state_ != ViewerState::Streaming)
    return std::nullopt;
  read_receiver_report (now);
  const auto tick = path_.tick (branch_report (), now);
  auto &packets = shared_->packets;
  packets.resends.set_path (tick.rate, tick.round_trip);
  packets.pacer.set_path (tick.rate, tick.pace, tick.key_frames);
  if (tick.begin_anew) {
    packets.begin_anew ();
    owner_->viewer_needs_key_frame (peer_id_);
  }
  const auto &estimator = path_.estimator ();
  GST_LOG_OBJECT (bin_, "viewer %s: estimate %u, received %u, loss %.3f, %s",
      peer_id_.c_str (), tick.rate, estimator.received_rate (),
      estimator.loss (), rate_limit_name (estimator.limit (now)));
  return tick;
}

void
Viewer::drain (std::int64_t now)
{
  auto loop = loop_.lock ();
  const auto time = loop ? path_.drain (shared_->thinner.level (), now) : 0;
  if (time == 0)
    return;
  GST_DEBUG_OBJECT (bin_,
      "viewer %s: its path has a queue of %.0f ms, and gets nothing for %.0f",
      peer_id_.c_str (), path_.estimator ().waiting (), double (time) / 1e3);
  shared_->thinner.hold ();
  shared_->packets.resends.stop ();
  shared_->packets.begin_anew ();
  drained_ = loop->after (
      static_cast<unsigned> (time / 1000), [viewer = weak_from_this ()] () {
        const auto self = viewer.lock ();
        if (!self || self->stopped_)
          return;
        self->shared_->thinner.release ();
        self->owner_->viewer_needs_key_frame (self->peer_id_);
      });
}

void
Viewer::set_thinning (Thinning level, bool often, std::int64_t now)
{
  const bool key_frame = path_.thin (level, often, branch_report (), now);
  shared_->thinner.set_level (level);
  if (key_frame)
    owner_->viewer_needs_key_frame (peer_id_);
}

std::optional<RateLimit>
Viewer::limit_changed (unsigned highest, std::int64_t now)
{
  if (state_ != ViewerState::Streaming)
    return std::nullopt;
  return path_.limit_changed (highest, shared_->thinner.level (), now);
}

void
Viewer::add_rate_stats (GstStructure *stats, std::int64_t now) const
{
  if (!path_.started ())
    return;
  const auto &estimator = path_.estimator ();
  const auto &thinner = shared_->thinner;
  gst_structure_set (stats, ROBOTLIVE_FIELD_ESTIMATE, G_TYPE_UINT,
      estimator.target (), ROBOTLIVE_FIELD_RECEIVED_RATE, G_TYPE_UINT,
      estimator.received_rate (), ROBOTLIVE_FIELD_LOSS, G_TYPE_DOUBLE,
      estimator.loss (), ROBOTLIVE_FIELD_LIMIT, G_TYPE_STRING,
      rate_limit_name (estimator.limit (now / 1000)), ROBOTLIVE_FIELD_FEEDBACK,
      G_TYPE_STRING,
      path_.has_feedback () ? "transport-wide" : "receiver-reports",
      ROBOTLIVE_FIELD_THINNING, G_TYPE_STRING, thinning_name (thinner.level ()),
      ROBOTLIVE_FIELD_THINNED, G_TYPE_UINT64, thinner.thinned (),
      ROBOTLIVE_FIELD_RESENDS_REFUSED, G_TYPE_UINT64,
      guint64 (shared_->packets.resends.refused ()), nullptr);
}

} // namespace robotlive
