/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIGNALING_BIN (gst_signaling_bin_get_type ())
G_DECLARE_FINAL_TYPE (
    GstSignalingBin, gst_signaling_bin, GST, SIGNALING_BIN, GstBin)

GST_ELEMENT_REGISTER_DECLARE (signalingbin);

G_END_DECLS
