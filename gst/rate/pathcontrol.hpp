// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PathControl: what is done about one viewer's path. Reports of packets and
// what the elements of its branch say come in; the estimate, and actions for
// those elements and for the encoder, go out. RateControl decides over all
// viewers of one encoder.
//
// Pure: no clock, no I/O, no GStreamer. Times are microseconds of any epoch;
// rates are bit/s. Not thread-safe.
#pragma once
#include "rate/bandwidthestimator.hpp"
#include "rate/ratecontrol.hpp"
#include <cstdint>
#include <optional>
#include <vector>

namespace robotlive {

class PathControl
{
public:
  // What the elements of the viewer's branch say.
  struct Branch
  {
    std::uint64_t passed_bytes = 0; // that were not left out, since the start
    std::uint64_t given_up = 0;     // packets not sent again for want of room
    std::int64_t spread = 0;        // how long the last frame takes to leave
    Thinning thinning = Thinning::None;
    bool waits_for_key = false; // nothing passes before the next key frame
  };

  struct Tick
  {
    unsigned rate = 0; // what the path carries
    bool limited = false;
    bool overrun = false; // what is left of the stream does not all arrive
    std::int64_t round_trip = 0;
    bool pace = false;       // packets are spread in time
    bool key_frames = false; // nothing but key frames is sent
    bool begin_anew = false; // nothing before the next key frame is sent again,
                             // and one is asked for
  };

  // An estimate begins, or begins anew. *pacing*: packets may be spread.
  void start (const RateRange &range, bool pacing);
  bool started () const { return estimator_.has_value (); }

  // Before start () there is no estimate, and nothing to tell of it.
  // Transport-wide feedback. True when the path carries much less all at once:
  // each frame that is still made for the path of before is lost in its queue.
  bool on_feedback (const std::vector<PacketReport> &packets, std::int64_t now);
  void on_receiver_report (double loss, std::int64_t rtt, std::int64_t now);
  // Every 200 ms.
  Tick tick (const Branch &branch, std::int64_t now);
  // After on_feedback () was true: how long nothing is to be sent, so that the
  // queue drains; the frame after that is a key frame. Each frame that is sent
  // into a full queue is late, loses some of its packets and delays those that
  // are sent again. 0: goes on as it is.
  std::int64_t drain (Thinning thinning, std::int64_t now);
  // *level* is what RateControl wants, *branch* as it is before that. *often*:
  // nobody gets more of the stream than key frames, so there may be more of
  // them. True when a key frame is to be asked for.
  bool thin (
      Thinning level, bool often, const Branch &branch, std::int64_t now);
  // What the viewer is to be told anew of why its video is far below *highest*;
  // empty when it knows.
  std::optional<RateLimit> limit_changed (
      unsigned highest, Thinning thinning, std::int64_t now);

  // Of an estimate that has begun.
  const BandwidthEstimator &estimator () const { return *estimator_; }
  bool has_feedback () const { return has_feedback_; }

private:
  void measure_overrun (std::uint64_t bytes, std::int64_t now);
  bool mend (std::uint64_t given_up, std::int64_t now);

  std::optional<BandwidthEstimator> estimator_;
  bool pacing_ = false;
  bool has_feedback_ = false;
  RateLimit told_limit_ = RateLimit::None;
  std::int64_t told_at_ = 0;
  std::int64_t waits_since_ = 0; // for a key frame, when thinned
  std::uint64_t seen_bytes_ = 0; // at the last tick
  std::int64_t seen_at_ = 0;
  std::uint64_t passed_since_ = 0; // bytes; when the span of overrun_ began
  std::int64_t span_since_ = 0;
  double arriving_ = 0; // in it, bit
  bool overrun_ = false;
  std::uint64_t given_up_ = 0;
  std::int64_t broken_since_ = 0, restarted_at_ = 0; // 0: not
};

} // namespace robotlive
