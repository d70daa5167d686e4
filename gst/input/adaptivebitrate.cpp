// SPDX-License-Identifier: LGPL-2.1-or-later
#include "input/adaptivebitrate.hpp"
#include <algorithm>

namespace robotlive {

namespace {

// Long enough that one key frame does not make a rate.
constexpr std::int64_t kMeasure = 2000000; // us
// An estimate goes down to this part of the minimum.
constexpr unsigned kBelow = 4;

} // namespace

RateRange
rate_range (const RateSettings &settings, guint configured)
{
  RateRange range;
  range.max = configured && !settings.max_set ? configured
                                              : std::max (settings.max, 1u);
  range.min = std::min (settings.min, range.max);
  range.start = std::clamp (settings.start, range.min, range.max);
  return range;
}

AdaptiveBitrate::AdaptiveBitrate (EncoderControl *encoder, GstElement *tee)
    : encoder_ (encoder),
      pad_ (adopt (gst_element_get_static_pad (tee, "sink")))
{
  probe_ = gst_pad_add_probe (
      pad_.get (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        static_cast<AdaptiveBitrate *> (data)->bytes_ +=
            gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info));
        return GST_PAD_PROBE_OK;
      },
      this, nullptr);
}

AdaptiveBitrate::~AdaptiveBitrate ()
{
  // The bin is in READY: nothing flows through the pad.
  gst_pad_remove_probe (pad_.get (), probe_);
}

void
AdaptiveBitrate::begin ()
{
  // Until it has it back, what the encoder is set to is ours.
  if (!restore_due_)
    configured_ = encoder_->configured_bitrate ();
  range_ = rate_range (settings_, configured_);
  control_ = std::make_unique<RateControl> (range_, settings_.policy);
  told_ = false;
  measured_at_ = 0;
  rate_ = 0;
}

RateRange
AdaptiveBitrate::add_viewer ()
{
  if (!control_)
    begin ();
  // What is being sent already is what the newcomer gets; an estimate that
  // starts lower would pull the others down for no reason.
  RateRange range = range_;
  if (settings_.adaptive)
    range.start = std::max (range.start, control_->target ());
  // The encoder is not asked for less than the minimum; a path may carry less,
  // and is sent less.
  range.min /= kBelow;
  return range;
}

void
AdaptiveBitrate::set_viewer (const std::string &peer_id, unsigned estimate,
    bool limited, bool controller, bool overrun)
{
  if (control_)
    control_->set_viewer (peer_id, estimate, limited, controller, overrun);
}

bool
AdaptiveBitrate::remove_viewer (const std::string &peer_id, bool last)
{
  if (!control_)
    return false;
  control_->remove_viewer (peer_id);
  if (!last)
    return false;
  control_.reset ();
  target_due_ = false;
  restore_due_ = true;
  return settings_.adaptive;
}

// The rate of late; 0 until it is known.
unsigned
AdaptiveBitrate::measure (std::int64_t now)
{
  const guint64 bytes = bytes_;
  if (measured_at_ == 0 || now - measured_at_ >= kMeasure) {
    if (measured_at_ != 0)
      rate_ = static_cast<unsigned> (
          double (bytes - measured_bytes_) * 8e6 / double (now - measured_at_));
    measured_bytes_ = bytes;
    measured_at_ = now;
  }
  return rate_;
}

bool
AdaptiveBitrate::update (std::int64_t now)
{
  if (!control_ || !settings_.adaptive)
    return false;
  // An encoder that obeys is on its way to the target: what it still sent a
  // moment ago is no reason to thin.
  const unsigned rate = measure (now);
  const bool changed = control_->update (told_ && obeys_ ? 0 : rate, now);
  const bool halved =
      encoder_->set_half_frame_rate (control_->half_frame_rate ());
  if (!changed && !halved && told_)
    return false;
  const bool news = changed || !told_;
  told_ = true;
  target_due_ = true;
  return news;
}

void
AdaptiveBitrate::apply ()
{
  if (restore_due_) {
    restore_due_ = false;
    encoder_->restore_bitrate ();
  }
  if (target_due_ && control_) {
    target_due_ = false;
    obeys_ = encoder_->set_bitrate (control_->target ());
  }
}

bool
AdaptiveBitrate::half_frame_rate () const
{
  return control_ && settings_.adaptive && encoder_->half_frame_rate ();
}

guint
AdaptiveBitrate::target () const
{
  return control_ && settings_.adaptive ? control_->target () : 0;
}

Thinning
AdaptiveBitrate::thinning (const std::string &peer_id) const
{
  return control_ && settings_.adaptive ? control_->thinning (peer_id)
                                        : Thinning::None;
}

bool
AdaptiveBitrate::only_key_frames () const
{
  return control_ && settings_.adaptive && control_->only_key_frames ();
}

} // namespace robotlive
