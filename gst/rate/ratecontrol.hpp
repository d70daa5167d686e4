// SPDX-License-Identifier: LGPL-2.1-or-later
//
// RateControl: many viewers, one encoder. Makes one target of the viewers'
// estimates, and decides which viewer's stream is thinned because its path is
// narrower than what the encoder sends.
//
// Pure: no clock, no I/O, no GStreamer. Times are microseconds of any epoch;
// rates are bit/s. Not thread-safe.
#pragma once
#include "rate/bandwidthestimator.hpp"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace robotlive {

enum class RatePolicy
{
  SlowestViewer, // nobody's path is overrun
  Majority,      // what more than half of those who drive the robot can take,
                 // or of all when none does; the slower ones are thinned
  Fixed,         // the maximum; slower ones are thinned
};

// What is left out of one viewer's stream. Each level is decodable.
enum class Thinning
{
  None,
  NonReference, // frames that no other frame needs
  KeyFrames,    // everything but key frames
};
const char *thinning_name (Thinning thinning); // "none", …

class RateControl
{
public:
  RateControl (const RateRange &range, RatePolicy policy);

  void set_policy (RatePolicy policy) { policy_ = policy; }
  // *limited*: the path has lately shown a queue, loss or silence
  // (BandwidthEstimator::limit ()). A low estimate alone says nothing: what
  // was not sent has not been seen to arrive. *controller*: the viewer
  // drives the robot, and counts before those who look on.
  // *overrun*: what is left of the stream for it does not all arrive.
  void set_viewer (const std::string &peer_id, unsigned estimate, bool limited,
      bool controller = false, bool overrun = false);
  // Nobody gets more of the stream than its key frames.
  bool only_key_frames () const;
  void remove_viewer (const std::string &peer_id);

  // To be called about every 200 ms. True when target () has changed and the
  // encoder is to be told: never more often than every 500 ms upwards, at once
  // when it falls by a tenth, and not for less than a twentieth.
  // *encoder_rate*: what comes out of the encoder, 0 if unknown; a camera that
  // cannot change its rate is thinned by it.
  bool update (unsigned encoder_rate, std::int64_t now);

  unsigned target () const { return target_; }
  // Below 150 % of the minimum the picture is better served by half the
  // frames; back above 200 %. Not when the maximum is hardly more than that.
  bool half_frame_rate () const { return half_frame_rate_; }
  Thinning thinning (const std::string &peer_id) const;

private:
  struct Viewer
  {
    unsigned estimate = 0;
    bool limited = false;
    bool controller = false;
    bool overrun = false;
    Thinning thinning = Thinning::None;
    std::int64_t changed_at = 0; // of thinning
    std::int64_t patience = 0;   // before more is sent again
  };

  unsigned wanted () const;
  void update_thinning (Viewer &viewer, unsigned rate, std::int64_t now) const;

  const RateRange range_;
  RatePolicy policy_;
  std::map<std::string, Viewer> viewers_; // by peerId
  unsigned target_;
  bool half_frame_rate_ = false;
  std::int64_t changed_at_ = 0;
};

} // namespace robotlive
