// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PacketGatherer: one list of a picture's packets, which a payloader pushes in
// several pieces (parameter sets, slices). Streaming thread only.
#pragma once
#include <gst/gst.h>

namespace robotlive {

class PacketGatherer
{
public:
  PacketGatherer () = default;
  ~PacketGatherer () { gst_clear_buffer_list (&held_); }
  PacketGatherer (const PacketGatherer &) = delete;
  PacketGatherer &operator= (const PacketGatherer &) = delete;

  // For a probe on *pad*: holds what comes until the picture is whole.
  GstPadProbeReturn gather (GstPad *pad, GstPadProbeInfo *info);

private:
  void add (GstBuffer *packet); // transfer full
  GstFlowReturn push (GstPad *pad);

  GstBufferList *held_ = nullptr;
  bool pushing_ = false;
};

} // namespace robotlive
