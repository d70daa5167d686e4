// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's part in rate control: what its peer reports of the path, and what is
// left out of its stream when the path is narrower than the others'.
#include "twccfeedback.hpp"
#include "viewer.hpp"
#include "viewerstats.hpp"

namespace robotlive {

namespace {

// A thinned viewer's picture stands still between key frames; one that comes
// this late is asked for.
constexpr std::int64_t kStill = 3000000; // us

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
  shared_->thinner.set_format (picture_format (picture_.source.codec));
  // Behind the queue and the gate: what is left out never waits anywhere.
  auto stream = adopt (gst_element_get_static_pad (picture_.payloader, "sink"));
  gst_pad_add_probe (
      stream.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        return static_cast<Hop *> (data)->shared->thinner.pass (
                   GST_PAD_PROBE_INFO_BUFFER (info))
                   ? GST_PAD_PROBE_OK
                   : GST_PAD_PROBE_DROP;
      },
      hop (), Hop::free);
  if (!offer_.twcc_id)
    return;
  auto packets = adopt (gst_element_get_static_pad (picture_.filter, "src"));
  gst_pad_add_probe (
      packets.get (), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto feedback = read_twcc_event (GST_PAD_PROBE_INFO_EVENT (info));
        if (!feedback.empty ())
          static_cast<Hop *> (data)->post ([feedback = std::move (feedback)] (
                                               Viewer &self) {
            if (self.estimator_)
              self.estimator_->on_feedback (feedback, boottime_ns () / 1000);
          });
        return GST_PAD_PROBE_OK;
      },
      hop (), Hop::free);
}

void
Viewer::start_estimate (const RateRange &range)
{
  estimator_.emplace (range);
}

// RFC 3550 section 6.4.1: loss and round trip, about once a second.
void
Viewer::read_receiver_report (std::int64_t now)
{
  const auto last = shared_->last_rtcp.load ();
  if (last == report_seen_)
    return;
  report_seen_ = last;
  double loss = 0, round_trip = 0;
  if (read_report (webrtc_.get (), picture_.ssrc, &loss, &round_trip))
    estimator_->on_receiver_report (
        loss, static_cast<std::int64_t> (round_trip * 1e6), now);
}

bool
Viewer::estimate (std::int64_t now, unsigned *rate, bool *limited)
{
  if (!estimator_ || state_ != ViewerState::Streaming)
    return false;
  read_receiver_report (now);
  const guint64 bytes = shared_->thinner.passed_bytes ();
  estimator_->on_tick (bytes != seen_bytes_, now);
  seen_bytes_ = bytes;
  *rate = estimator_->target ();
  *limited = estimator_->limit (now) != RateLimit::None;
  return true;
}

void
Viewer::set_thinning (Thinning level, std::int64_t now)
{
  auto &thinner = shared_->thinner;
  const bool less = level < thinner.level ();
  thinner.set_level (level);
  if (!thinner.waits_for_key ()) {
    waits_since_ = now;
  } else if (less || now - waits_since_ > kStill) {
    // At the end of thinning at once: the picture goes on with a key frame.
    waits_since_ = now;
    owner_->viewer_needs_key_frame (peer_id_);
  }
}

void
Viewer::add_rate_stats (GstStructure *stats, std::int64_t now) const
{
  if (!estimator_)
    return;
  const auto &thinner = shared_->thinner;
  gst_structure_set (stats, "estimate", G_TYPE_UINT, estimator_->target (),
      "received-rate", G_TYPE_UINT, estimator_->received_rate (), "loss",
      G_TYPE_DOUBLE, estimator_->loss (), "limit", G_TYPE_STRING,
      rate_limit_name (estimator_->limit (now / 1000)), "feedback",
      G_TYPE_STRING, offer_.twcc_id ? "transport-wide" : "receiver-reports",
      "thinning", G_TYPE_STRING, thinning_name (thinner.level ()), "thinned",
      G_TYPE_UINT64, thinner.thinned (), nullptr);
}

} // namespace robotlive
