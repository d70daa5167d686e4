// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Thinner: leaves pictures out of one viewer's encoded stream, and never one
// that a later picture of that stream needs: what is left is decodable.
#pragma once
#include "rate/ratecontrol.hpp"
#include <atomic>
#include <gst/gst.h>

namespace robotlive {

enum class PictureFormat
{
  H264Avc, // with lengths of four bytes, as h264parse writes it
  H265Hvc, // the same, of h265parse
  Other,   // only the DROPPABLE flag tells
};

// True when no other picture refers to the one in *buffer*, a whole access
// unit. Malformed data is nothing that may be left out.
bool is_non_reference (GstBuffer *buffer, PictureFormat format);

class Thinner
{
public:
  // Before the stream flows.
  void set_format (PictureFormat format) { format_ = format; }

  // Any thread. When less is left out than before, deltas follow only after the
  // next key frame.
  void set_level (Thinning level) { level_ = level; }
  Thinning level () const { return level_; }

  // Any thread. Nothing passes from here on, and after release () what begins
  // with the next key frame.
  void hold ()
  {
    held_ = true;
    waits_for_key_ = true;
  }
  void release () { held_ = false; }

  // Streaming thread: false when *buffer* is to be dropped.
  bool pass (GstBuffer *buffer);

  // Any thread.
  bool waits_for_key () const { return waits_for_key_; }
  guint64 thinned () const { return thinned_; }
  guint64 passed_bytes () const { return passed_bytes_; }

private:
  PictureFormat format_ = PictureFormat::Other;
  std::atomic<Thinning> level_{Thinning::None};
  std::atomic<bool> held_{false}, waits_for_key_{false};
  std::atomic<guint64> thinned_{0}, passed_bytes_{0};
};

} // namespace robotlive
