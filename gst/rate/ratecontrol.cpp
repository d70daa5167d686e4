// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/ratecontrol.hpp"
#include <algorithm>
#include <functional>

namespace robotlive {

namespace {

constexpr std::int64_t kMilli = 1000;
// An encoder's rate control needs some frames to settle after each change.
constexpr std::int64_t kRiseInterval = 500 * kMilli;
constexpr std::int64_t kFallInterval = 100 * kMilli;
constexpr double kWorthTelling = 0.05;
// A path must be this much too narrow before frames are left out.
constexpr double kTooNarrow = 0.85;
// Frames that nothing refers to are at most about half of a stream; beyond
// that only key frames are left.
constexpr double kFarTooNarrow = 0.4;
// Until it shows whether that was enough.
constexpr std::int64_t kHelps = 3500 * kMilli;
constexpr double kFew = 1.5, kFewNoMore = 1.33;
constexpr std::int64_t kPatienceMin = 2000 * kMilli;
constexpr std::int64_t kPatienceMax = 30000 * kMilli;
constexpr std::int64_t kRelapse = 10000 * kMilli;

} // namespace

const char *
thinning_name (Thinning thinning)
{
  switch (thinning) {
    case Thinning::NonReference:
      return "non-reference";
    case Thinning::KeyFrames:
      return "key-frames";
    case Thinning::None:
      break;
  }
  return "none";
}

RateControl::RateControl (const RateRange &range, RatePolicy policy)
    : range_ (range), policy_ (policy),
      target_ (policy == RatePolicy::Fixed ? range.max : range.start)
{
}

void
RateControl::set_viewer (const std::string &peer_id, unsigned estimate,
    bool limited, bool controller, bool overrun)
{
  Viewer &viewer = viewers_[peer_id];
  viewer.estimate = estimate;
  viewer.limited = limited;
  viewer.controller = controller;
  viewer.overrun = overrun;
}

void
RateControl::remove_viewer (const std::string &peer_id)
{
  viewers_.erase (peer_id);
}

unsigned
RateControl::wanted () const
{
  if (policy_ == RatePolicy::Fixed)
    return range_.max;
  if (viewers_.empty ())
    return target_; // for the next one: what was good for the last
  std::vector<unsigned> all, controllers;
  for (const auto &[peer_id, viewer] : viewers_) {
    all.push_back (viewer.estimate);
    if (viewer.controller)
      controllers.push_back (viewer.estimate);
  }
  if (policy_ == RatePolicy::SlowestViewer)
    return *std::min_element (all.begin (), all.end ());
  // The highest rate that more than half of them can take; of two, the better.
  auto &served = controllers.empty () ? all : controllers;
  std::sort (served.begin (), served.end (), std::greater<> ());
  return served[served.size () == 2 ? 0 : served.size () / 2];
}

bool
RateControl::update (unsigned encoder_rate, std::int64_t now)
{
  const unsigned rate = std::clamp (wanted (), range_.min, range_.max);
  const double change = (double (rate) - target_) / target_;
  const std::int64_t since = now - changed_at_;
  const bool tell =
      (change <= -kWorthTelling &&
          since >= (change <= -0.1 ? kFallInterval : kRiseInterval)) ||
      ((change >= kWorthTelling || (rate == range_.max && rate != target_)) &&
          since >= kRiseInterval);
  if (tell) {
    target_ = rate;
    changed_at_ = now;
  }
  // The picture is ruined sooner by coarse quantisers than by fewer frames.
  const double few = std::min (kFew * range_.min, 0.5 * range_.max);
  if (target_ < few)
    half_frame_rate_ = true;
  else if (target_ > kFewNoMore * few)
    half_frame_rate_ = false;

  // A camera that does not obey sends more than the target.
  const unsigned sent = std::max (target_, encoder_rate);
  for (auto &[peer_id, viewer] : viewers_)
    update_thinning (viewer, sent, now);
  return tell;
}

void
RateControl::update_thinning (
    Viewer &viewer, unsigned rate, std::int64_t now) const
{
  const double share = double (viewer.estimate) / rate;
  const Thinning now_is = viewer.thinning;
  Thinning wanted = now_is;
  if (viewer.limited && share < kFarTooNarrow)
    wanted = Thinning::KeyFrames;
  else if (viewer.limited && share < kTooNarrow)
    wanted = std::max (now_is, Thinning::NonReference);
  // A stream may have next to none of those.
  if (now_is == Thinning::NonReference && viewer.limited && viewer.overrun &&
      now - viewer.changed_at >= kHelps)
    wanted = Thinning::KeyFrames;

  if (wanted > now_is) {
    // What was tried again did not last: the next try comes later.
    const bool relapse = viewer.changed_at != 0 && viewer.patience != 0 &&
                         now - viewer.changed_at < kRelapse;
    viewer.patience =
        relapse ? std::min (2 * viewer.patience, kPatienceMax) : kPatienceMin;
    viewer.thinning = wanted;
    viewer.changed_at = now;
    return;
  }
  // A thinned stream cannot show that the path has become wide: once it shows
  // no limit, a little more is tried.
  if (now_is != Thinning::None && !viewer.limited &&
      now - viewer.changed_at >= viewer.patience) {
    viewer.thinning =
        now_is == Thinning::KeyFrames ? Thinning::NonReference : Thinning::None;
    viewer.changed_at = now;
  }
}

bool
RateControl::only_key_frames () const
{
  return !viewers_.empty () &&
         std::all_of (viewers_.begin (), viewers_.end (), [] (const auto &one) {
           return one.second.thinning == Thinning::KeyFrames;
         });
}

Thinning
RateControl::thinning (const std::string &peer_id) const
{
  const auto found = viewers_.find (peer_id);
  return found == viewers_.end () ? Thinning::None : found->second.thinning;
}

} // namespace robotlive
