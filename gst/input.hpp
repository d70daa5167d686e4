// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Input: the bin's part before the viewers' branches.
//
//   sink ─► [ h264parse ─ capsfilter ] ─► tee ─┬─► fakesink (anchor)
//                (H.264, H.265 alone)          └─► viewers
//
// The parser gives every payloader the parameter sets in its caps, so that one
// that joins late can send them. The anchor takes the stream when there is no
// viewer, and answers EOS. Key frame requests on their way upstream pass a
// limiter here.
#pragma once
#include "encodercontrol.hpp"
#include "keyframelimiter.hpp"
#include "sdpguard.hpp"
#include <functional>

namespace robotlive {

class Input
{
public:
  struct Callbacks
  {
    // All from streaming threads, without locks.
    std::function<void (const StreamCodec &)> codec;
    std::function<void ()> stream_start;
    std::function<void ()> key_frame_passed; // a request goes upstream
    std::function<void (unsigned ms)> key_frame_later; // call ask_again () then
  };

  // Adds tee, anchor and the ghost pad "sink" to *bin*, which owns them.
  Input (GstBin *bin, GstPadTemplate *sink_template, Callbacks callbacks);

  // False when a core element is missing; then nothing else may be used.
  bool complete () const { return tee_ && anchor_; }
  GstElement *tee () const { return tee_; }
  GstPad *sink_pad () const { return sink_pad_; }
  EncoderControl &encoder () { return encoder_; }
  KeyFrameLimiter &limiter () { return limiter_; }
  // The time of a *key_frame_later* has come. Signalling thread.
  void ask_again ();

private:
  static GstPadProbeReturn on_sink_event (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  static GstPadProbeReturn on_upstream_event (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  static GstPadProbeReturn on_tee_event (
      GstPad *pad, GstPadProbeInfo *info, gpointer data);
  void fit_parser (const GstCaps *caps);
  void drop_parser ();

  GstBin *const bin_;
  const Callbacks callbacks_;
  GstElement *tee_, *anchor_; // the bin's
  GstPad *sink_pad_;          // the bin's
  // Streaming thread alone.
  std::string parser_name_;
  GPtr<GstElement> parser_, filter_;
  EncoderControl encoder_;
  KeyFrameLimiter limiter_;
};

} // namespace robotlive
