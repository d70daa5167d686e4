// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/pathcontrol.hpp"
#include <algorithm>

namespace robotlive {

namespace {

// The video of a thinned viewer stands still between key frames; one that comes
// this late is asked for.
constexpr std::int64_t kStill = 3000000; // us
// Of the time that a key frame takes to leave: some of the path is for others.
constexpr double kOften = 1.4;
constexpr std::int64_t kLeastOften = 500000; // us
constexpr double kArrives = 0.93;
constexpr double kFits = 0.85; // of what passes, where no arrivals are reported
// A key frame would not find room in a queue longer than this, in ms; but it
// does not wait for ever.
constexpr double kShortQueue = 120;
// A queue that stays, and is not that of one large frame.
constexpr double kStandingQueue = 60;              // ms
constexpr std::int64_t kRestartLimit = 1000000;    // us
constexpr std::int64_t kRestartInterval = 2000000; // us
constexpr std::int64_t kOverrunSpan = 1500000;     // us
// Video with less than this share of the highest rate is worth an explanation,
// until it has that share again.
constexpr double kPoor = 0.6, kGood = 0.8;
constexpr double kUsed = 0.5;
constexpr std::int64_t kTellInterval = 3000000; // us

} // namespace

void
PathControl::start (const RateRange &range, bool pacing)
{
  pacing_ = pacing;
  estimator_.emplace (range);
}

bool
PathControl::on_feedback (
    const std::vector<PacketReport> &packets, std::int64_t now)
{
  if (!estimator_)
    return false;
  has_feedback_ = true;
  estimator_->on_feedback (packets, now);
  return estimator_->fell ();
}

void
PathControl::on_receiver_report (
    double loss, std::int64_t rtt, std::int64_t now)
{
  if (estimator_)
    estimator_->on_receiver_report (loss, rtt, now);
}

PathControl::Tick
PathControl::tick (const Branch &branch, std::int64_t now)
{
  Tick tick;
  if (!estimator_)
    return tick;
  estimator_->on_tick (branch.passed_bytes != seen_bytes_, now);
  measure_overrun (branch.passed_bytes, now);
  seen_bytes_ = branch.passed_bytes;
  seen_at_ = now;
  tick.rate = estimator_->target ();
  tick.limited = estimator_->limit (now) != RateLimit::None;
  tick.overrun = overrun_;
  tick.round_trip = estimator_->round_trip ();
  tick.pace = pacing_ && (tick.limited || estimator_->spreads_bursts ());
  tick.key_frames = branch.thinning == Thinning::KeyFrames;
  tick.begin_anew = mend (branch.given_up, now);
  return tick;
}

// What the thinner lets through, beside what arrives meanwhile.
void
PathControl::measure_overrun (std::uint64_t bytes, std::int64_t now)
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
bool
PathControl::mend (std::uint64_t given_up, std::int64_t now)
{
  if (given_up != given_up_ && !broken_since_ &&
      now - restarted_at_ > kRestartInterval)
    broken_since_ = now;
  given_up_ = given_up;
  if (!broken_since_ || (estimator_->waiting () > kShortQueue &&
                            now - broken_since_ < kRestartLimit))
    return false;
  broken_since_ = 0;
  restarted_at_ = now;
  return true;
}

std::int64_t
PathControl::drain (Thinning thinning, std::int64_t now)
{
  const auto time = estimator_ ? estimator_->drain_time () : 0;
  if (time == 0 || now - restarted_at_ < kRestartInterval ||
      thinning == Thinning::KeyFrames)
    return 0;
  restarted_at_ = now;
  broken_since_ = 0;
  return time;
}

bool
PathControl::thin (
    Thinning level, bool often, const Branch &branch, std::int64_t now)
{
  if (!branch.waits_for_key) {
    waits_since_ = now;
    return false;
  }
  const auto patience =
      often ? std::clamp (
                  static_cast<std::int64_t> (kOften * double (branch.spread)),
                  kLeastOften, kStill)
            : kStill;
  // At the end of thinning at once: the video goes on with a key frame.
  if (level >= branch.thinning && now - waits_since_ <= patience)
    return false;
  waits_since_ = now;
  return true;
}

std::optional<RateLimit>
PathControl::limit_changed (
    unsigned highest, Thinning thinning, std::int64_t now)
{
  if (!estimator_ || now - told_at_ < kTellInterval)
    return std::nullopt;
  const double share = double (estimator_->target ()) / highest;
  const bool told = told_limit_ != RateLimit::None;
  const bool thinned = thinning != Thinning::None;
  const bool poor = thinned || share < (told ? kGood : kPoor);
  RateLimit limit = poor ? estimator_->limit (now) : RateLimit::None;
  // A path shows no limit while no more is sent than it carries. Video that
  // needs less than it might have is not kept down by it.
  const bool used =
      estimator_->received_rate () > kUsed * estimator_->target ();
  if (told && (thinned || (poor && used)) && limit == RateLimit::None)
    limit = told_limit_;
  if (limit == told_limit_)
    return std::nullopt;
  told_limit_ = limit;
  told_at_ = now;
  return limit;
}

} // namespace robotlive
