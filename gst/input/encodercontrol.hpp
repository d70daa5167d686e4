// SPDX-License-Identifier: LGPL-2.1-or-later
//
// EncoderControl: finds the video encoder upstream of the bin and asks it for
// key frames and bitrates, each encoder in its own way.
#pragma once
#include "base/glibptr.hpp"
#include <atomic>
#include <gst/gst.h>
#include <mutex>
#include <string>

namespace robotlive {

// How a key frame is come by.
enum class KeyFrames
{
  Event,   // the encoder heeds force-key-unit
  Control, // it is told by its V4L2 control
  None,    // whatever encodes can do neither: its next one is waited for
};
const char *key_frames_name (KeyFrames way); // "event", ...

class EncoderControl
{
public:
  // *pad* is the bin's sink pad; it outlives this object.
  explicit EncoderControl (GstPad *pad) : pad_ (pad) {}

  // An encoder named by the application; null: look for one upstream.
  void set_encoder (GstElement *encoder);

  // The encoder, or null: a camera that encodes by itself, or none. Walks the
  // pads upstream, through bins, queues and parsers. Any thread.
  GPtr<GstElement> find () const;

  // Asks upstream for a key frame with a force-key-unit event. Any thread that
  // holds no lock.
  void request_key_frame ();
  // What the event alone does not do: v4l2h264enc before GStreamer 1.22.4
  // ignores it and is told by its V4L2 control. Signaling thread.
  void apply_key_frame ();
  KeyFrames key_frames () const;

  // Before the stream flows: whether the encoder is left to choose a rate. Once
  // it runs vp8enc and vp9enc tell the one that they chose as if it were set.
  void look_at_default ();
  // The bit/s that the encoder is set to; 0 when that is its default, which
  // nobody chose, or not known. Signaling thread, as the two below.
  guint configured_bitrate () const;
  // Sets the encoder's target in bit/s; false when there is no encoder whose
  // bitrate can be set while it runs.
  bool set_bitrate (guint bits_per_second);
  // Leaves out every second picture before the encoder, or no more; to be
  // called again now and then, as the encoder may be another by then. True when
  // set_bitrate () is due again: some encoders reckon by pictures, not by time.
  // No effect without an encoder, or on pictures that are few already.
  bool set_half_frame_rate (bool half);
  bool half_frame_rate () const { return halved_.pad != nullptr; }
  // Puts back what was set before the first set_bitrate ().
  void restore_bitrate ();

private:
  // A property as it was.
  struct Saved
  {
    GPtr<GstElement> encoder;
    std::string property, value;
  };
  void save (GstElement *encoder, const char *property);
  // The pad that leaves pictures out.
  struct Halved
  {
    GPtr<GstPad> pad;
    gulong probe = 0;
  };

  GstPad *pad_;
  mutable std::mutex mutex_; // encoder_; never held across a call outward
  GPtr<GstElement> encoder_;
  Saved saved_;   // signaling thread
  Halved halved_; // signaling thread
  std::atomic<bool> automatic_{false};
};

} // namespace robotlive
