// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Input: what comes in at one of the bin's pads, before the viewers' branches.
//
//   pad ─► [ parser ─ capsfilter ] ─► tee ─┬─► fakesink (anchor)
//          (H.264, H.265, AV1 alone)       └─► viewers
//
// The parser gives every payloader the parameter sets in its caps, so that one
// that joins late can send them. Behind it buffers get the times at which they
// can be sent (timeline.hpp): a buffer's time is its running time. The anchor
// takes the stream when there is no viewer, and answers EOS. Key frame requests
// on their way upstream pass a limiter here.
#pragma once
#include "input/encodercontrol.hpp"
#include "media/fitness.hpp"
#include "media/timeline.hpp"
#include "rate/keyframelimiter.hpp"
#include "sdp/sdpguard.hpp"
#include <functional>
#include <memory>

namespace robotlive {

class Input : public std::enable_shared_from_this<Input>
{
public:
  struct Callbacks
  {
    // All from streaming threads, without locks.
    std::function<void (const StreamCodec &)> codec;
    // No browser can show it: a sentence that says what to change; or it can
    // again, "".
    std::function<void (const std::string &)> unfit;
    std::function<void ()> stream_start;
    std::function<void ()> key_frame_passed; // a request goes upstream
    std::function<void (unsigned ms)> key_frame_later; // call ask_again () then
  };

  // *ghost* is the bin's pad, added to it already. Adds tee and anchor to
  // *bin*. *audio*: no key frames.
  Input (GstBin *bin, GstPad *ghost, bool audio, Callbacks callbacks);
  // Nothing flows through the pad. Takes the elements out of the bin.
  ~Input ();
  Input (const Input &) = delete;
  Input &operator= (const Input &) = delete;

  // False when a core element is missing; then nothing else may be used.
  bool complete () const { return tee_ && anchor_; }
  bool audio () const { return audio_; }
  GstElement *tee () const { return tee_.get (); }
  GstPad *sink_pad () const { return sink_pad_.get (); }
  EncoderControl &encoder () { return encoder_; }
  KeyFrameLimiter &limiter () { return limiter_; }
  // The time of a *key_frame_later* has come. Signaling thread.
  void ask_again ();

private:
  static GstPadProbeReturn on_sink_event (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  static GstPadProbeReturn on_upstream_event (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  static GstPadProbeReturn on_tee_event (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  static GstPadProbeReturn on_sink_buffer (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  static GstPadProbeReturn on_buffer (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  bool out_of_order (GstBuffer *picture); // true once
  GstBuffer *placed (GstBuffer *buffer);  // takes it over
  void take_segment (GstPadProbeInfo *info);
  void tell (Timeline::Fault fault, std::int64_t shift);
  void fit_parser (const GstCaps *caps);
  void drop_parser ();

  GstBin *const bin_;
  const bool audio_;
  const Callbacks callbacks_;
  const GPtr<GstElement> tee_, anchor_;
  const GPtr<GstPad> sink_pad_;
  gulong probes_[3] = {}; // of sink_pad_
  // Streaming thread alone.
  std::string parser_name_;
  GPtr<GstElement> parser_, filter_;
  GstSegment segment_; // as it came
  Timeline timeline_;
  unsigned told_ = 0; // faults of this stream, a bit each
  OrderWatch order_;
  std::int64_t waits_since_ = 0; // for the parser's caps; 0: it does not
  bool unfit_ = false;
  bool delimited_ = false; // H.264, in which there may be delimiters
  EncoderControl encoder_;
  KeyFrameLimiter limiter_;
};

} // namespace robotlive
