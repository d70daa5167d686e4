// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's part in rate control: what its peer reports of the path, and what is
// left out of its stream when the path is narrower than the others'.
#include "robotlive.h"
#include "viewer/viewer.hpp"
#include "webrtc/twccfeedback.hpp"
#include "webrtc/viewerstats.hpp"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// A thinned viewer's picture stands still between key frames; one that comes
// this late is asked for.
constexpr std::int64_t kStill = 3000000; // us
// Of the time that one takes: some of the path is for others.
constexpr double kOften = 1.4;
constexpr std::int64_t kLeastOften = 500000; // us
constexpr double kArrives = 0.93;
constexpr double kFits = 0.85; // of what is passing, where nothing is told
// A key frame would not find room in a queue longer than this, in ms; but it
// does not wait for ever.
constexpr double kShortQueue = 120;
// One that stays, and is not of a large picture alone.
constexpr double kStandingQueue = 60;              // ms
constexpr std::int64_t kRestartLimit = 1000000;    // us
constexpr std::int64_t kRestartInterval = 2000000; // us
constexpr std::int64_t kOverrunSpan = 1500000;     // us
// A picture with less than this share of the highest rate is worth an
// explanation, until it has that share again.
constexpr double kPoor = 0.6, kGood = 0.8;
constexpr double kUsed = 0.5;
constexpr std::int64_t kTellInterval = 3000000; // us

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

void
Viewer::on_feedback (const std::vector<PacketReport> &packets)
{
  if (!estimator_)
    return;
  const auto now = boot_now () / 1000;
  // As tests/unit/traces has them.
  if (gst_debug_category_get_threshold (gst_signaling_bin_debug) >=
      GST_LEVEL_TRACE)
    for (const PacketReport &packet : packets)
      GST_TRACE_OBJECT (bin_,
          "feedback %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
          " %u",
          now, packet.sent, packet.received.value_or (-1), packet.size);
  reported_ = true;
  estimator_->on_feedback (packets, now);
  // Each picture that is still made for the path of before is lost in its full
  // queue.
  if (estimator_->fell () && state_ == ViewerState::Streaming)
    owner_->viewer_path_fell (peer_id_);
}

void
Viewer::start_estimate (const RateRange &range, bool pacing)
{
  pacing_ = pacing;
  estimator_.emplace (range);
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
  measure_overrun (bytes, now);
  seen_bytes_ = bytes;
  seen_at_ = now;
  *rate = estimator_->target ();
  shared_->packets.resends.set_path (*rate, estimator_->round_trip ());
  mend_picture (now);
  const RateLimit limit = estimator_->limit (now);
  *limited = limit != RateLimit::None;
  shared_->packets.pacer.set_path (*rate,
      pacing_ && (*limited || estimator_->spreads_bursts ()),
      shared_->thinner.level () == Thinning::KeyFrames);
  GST_LOG_OBJECT (bin_, "viewer %s: estimate %u, received %u, loss %.3f, %s",
      peer_id_.c_str (), *rate, estimator_->received_rate (),
      estimator_->loss (), rate_limit_name (limit));
  return true;
}

// What the thinner lets through, beside what arrives meanwhile.
void
Viewer::measure_overrun (guint64 bytes, std::int64_t now)
{
  if (seen_at_)
    arriving_ += estimator_->received_rate () * double (now - seen_at_) / 1e6;
  const std::int64_t span = now - span_since_;
  if (span_since_ && span < kOverrunSpan)
    return;
  const double passed = double (bytes - passed_since_) * 8;
  if (arriving_ > 0)
    overrun_ = span_since_ && estimator_->waiting () > kStandingQueue &&
               passed * kArrives > arriving_;
  else
    overrun_ = span_since_ &&
               passed * kFits > estimator_->target () * (double (span) / 1e6);
  span_since_ = now;
  passed_since_ = bytes;
  arriving_ = 0;
}

// More was lost than is sent again: the viewer waits for it for seconds before
// it asks for a key frame. It gets one, once there is room.
void
Viewer::mend_picture (std::int64_t now)
{
  const auto given_up = shared_->packets.resends.given_up ();
  if (given_up != given_up_ && !broken_since_ &&
      now - restarted_at_ > kRestartInterval)
    broken_since_ = now;
  given_up_ = given_up;
  if (!broken_since_ || (estimator_->waiting () > kShortQueue &&
                            now - broken_since_ < kRestartLimit))
    return;
  broken_since_ = 0;
  restarted_at_ = now;
  shared_->packets.begin_anew ();
  owner_->viewer_needs_key_frame (peer_id_);
}

// Each picture that is sent into a full queue is late, loses some of its
// packets and delays those that are sent again: it would stand still for
// longer.
void
Viewer::drain (std::int64_t now)
{
  const auto time = estimator_ ? estimator_->drain_time () : 0;
  auto loop = loop_.lock ();
  if (!loop || time == 0 || now - restarted_at_ < kRestartInterval ||
      shared_->thinner.level () == Thinning::KeyFrames)
    return;
  GST_DEBUG_OBJECT (bin_,
      "viewer %s: its path has a queue of %.0f ms, and gets nothing for %.0f",
      peer_id_.c_str (), estimator_->waiting (), double (time) / 1e3);
  restarted_at_ = now;
  broken_since_ = 0;
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
  auto &thinner = shared_->thinner;
  const bool less = level < thinner.level ();
  const auto patience =
      often
          ? std::clamp (static_cast<std::int64_t> (
                            kOften * double (shared_->packets.pacer.spread ())),
                kLeastOften, kStill)
          : kStill;
  thinner.set_level (level);
  if (!thinner.waits_for_key ()) {
    waits_since_ = now;
  } else if (less || now - waits_since_ > patience) {
    // At the end of thinning at once: the picture goes on with a key frame.
    waits_since_ = now;
    owner_->viewer_needs_key_frame (peer_id_);
  }
}

bool
Viewer::limit_changed (unsigned highest, std::int64_t now, RateLimit *limit)
{
  if (!estimator_ || state_ != ViewerState::Streaming ||
      now - told_at_ < kTellInterval)
    return false;
  const double share = double (estimator_->target ()) / highest;
  const bool told = told_limit_ != RateLimit::None;
  const bool thinned = shared_->thinner.level () != Thinning::None;
  const bool poor = thinned || share < (told ? kGood : kPoor);
  *limit = poor ? estimator_->limit (now) : RateLimit::None;
  // A path shows no limit while no more is sent than it carries. Pictures that
  // need less than they might have are not kept down by it.
  const bool used =
      estimator_->received_rate () > kUsed * estimator_->target ();
  if (told && (thinned || (poor && used)) && *limit == RateLimit::None)
    *limit = told_limit_;
  if (*limit == told_limit_)
    return false;
  told_limit_ = *limit;
  told_at_ = now;
  return true;
}

void
Viewer::add_rate_stats (GstStructure *stats, std::int64_t now) const
{
  if (!estimator_)
    return;
  const auto &thinner = shared_->thinner;
  gst_structure_set (stats, ROBOTLIVE_FIELD_ESTIMATE, G_TYPE_UINT,
      estimator_->target (), ROBOTLIVE_FIELD_RECEIVED_RATE, G_TYPE_UINT,
      estimator_->received_rate (), ROBOTLIVE_FIELD_LOSS, G_TYPE_DOUBLE,
      estimator_->loss (), ROBOTLIVE_FIELD_LIMIT, G_TYPE_STRING,
      rate_limit_name (estimator_->limit (now / 1000)),
      ROBOTLIVE_FIELD_FEEDBACK, G_TYPE_STRING,
      reported_ ? "transport-wide" : "receiver-reports",
      ROBOTLIVE_FIELD_THINNING, G_TYPE_STRING, thinning_name (thinner.level ()),
      ROBOTLIVE_FIELD_THINNED, G_TYPE_UINT64, thinner.thinned (),
      ROBOTLIVE_FIELD_RESENDS_REFUSED, G_TYPE_UINT64,
      guint64 (shared_->packets.resends.refused ()), nullptr);
}

} // namespace robotlive
