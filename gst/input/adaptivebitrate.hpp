// SPDX-License-Identifier: LGPL-2.1-or-later
//
// AdaptiveBitrate: what the viewers' paths carry goes in, what the encoder is
// asked for and whose stream is thinned comes out. Ties RateControl to the
// encoder and to the stream. Signaling thread, unless said otherwise.
#pragma once
#include "input/encodercontrol.hpp"
#include "rate/ratecontrol.hpp"
#include <atomic>
#include <memory>

namespace robotlive {

// A copy of the bin's properties; bit/s.
struct RateSettings
{
  bool adaptive = true;
  RatePolicy policy = RatePolicy::Majority;
  guint min = 300000, start = 1500000, max = 2500000;
  bool pacing = true;
  bool max_set = false; // by the application, not just the default
};

// What estimates and targets may be for an encoder that is set to *configured*
// bit/s, 0 if it was left at its default or is not known. What was configured
// is the ceiling, unless max-bitrate says otherwise.
RateRange rate_range (const RateSettings &settings, guint configured);

class AdaptiveBitrate
{
public:
  // *tee* carries the encoded stream. Both outlive this object.
  AdaptiveBitrate (EncoderControl *encoder, GstElement *tee);
  ~AdaptiveBitrate ();
  AdaptiveBitrate (const AdaptiveBitrate &) = delete;
  AdaptiveBitrate &operator= (const AdaptiveBitrate &) = delete;

  void set_settings (const RateSettings &settings) { settings_ = settings; }

  // A viewer streams: the range of its estimate. With the first one the
  // encoder's rate is ours.
  RateRange add_viewer ();
  void set_viewer (const std::string &peer_id, unsigned estimate, bool limited,
      bool controller, bool overrun);
  // With the last one the encoder is to have back the rate it had. True when
  // target () has changed by that.
  bool remove_viewer (const std::string &peer_id, bool last);
  // Every 200 ms, after set_viewer () for each; *now* in microseconds. True
  // when target () has changed.
  bool update (std::int64_t now);
  // The encoder is to be told something.
  bool due () const { return restore_due_ || target_due_; }
  // Tells it. Whoever watches its properties is called by that.
  void apply ();

  // What the encoder is asked for; 0 while there is nobody, or not adaptive.
  guint target () const;
  // The best that a viewer may get.
  unsigned highest () const { return range_.max; }
  // Every second picture is left out before the encoder.
  bool half_frame_rate () const;
  Thinning thinning (const std::string &peer_id) const;
  bool only_key_frames () const;

private:
  void begin ();
  unsigned measure (std::int64_t now);

  EncoderControl *const encoder_;
  RateSettings settings_;
  RateRange range_;
  std::unique_ptr<RateControl> control_; // while there are viewers
  bool told_ = false;                    // there was a target for the encoder
  bool obeys_ = false;                   // there is one that takes it
  bool restore_due_ = false, target_due_ = false;
  guint configured_ = 0; // as the application had set it
  // What comes out of the encoder.
  GPtr<GstPad> pad_;
  gulong probe_ = 0;
  std::atomic<guint64> bytes_{0}; // streaming thread adds
  guint64 measured_bytes_ = 0;
  std::int64_t measured_at_ = 0;
  unsigned rate_ = 0;
};

} // namespace robotlive
