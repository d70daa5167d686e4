// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GstSignalingBinPad: a pad of signalingbin that is asked for, video_%u, with
// the properties "alternative-of", "encoder" and "target-bitrate".
#pragma once
#include <gst/gst.h>
#include <string>

G_BEGIN_DECLS
#define GST_TYPE_SIGNALING_BIN_PAD (gst_signaling_bin_pad_get_type ())
G_DECLARE_FINAL_TYPE (GstSignalingBinPad, gst_signaling_bin_pad, GST,
    SIGNALING_BIN_PAD, GstGhostPad)
G_END_DECLS

namespace robotlive {

// The name of the pad whose picture comes in at *pad* in another codec; "" when
// none was set, or *pad* has no such property. Any thread.
std::string alternative_of (GstPad *pad);

// Nothing for a pad without that property.
void notify_target_bitrate (GstPad *pad);

} // namespace robotlive
