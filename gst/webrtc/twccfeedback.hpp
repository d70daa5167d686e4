// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Transport-wide feedback, out of what GStreamer tells about it. rtpbin sends
// a custom upstream event "RTPTWCCPackets" for each RTCP feedback message; it
// passes webrtcbin's sink pad (seen on 1.22) when the payloader writes the
// extension and the answer has its a=extmap.
#pragma once
#include "rate/bandwidthestimator.hpp"
#include <gst/gst.h>

namespace robotlive {

// The packets of *event* in the order of sending; empty when it is another
// event. Entries without a local time are left out. Any thread.
std::vector<PacketReport> read_twcc_event (GstEvent *event);

} // namespace robotlive
