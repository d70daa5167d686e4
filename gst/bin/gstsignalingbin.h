/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIGNALING_BIN (gst_signaling_bin_get_type ())
G_DECLARE_FINAL_TYPE (
    GstSignalingBin, gst_signaling_bin, GST, SIGNALING_BIN, GstBin)

GST_ELEMENT_REGISTER_DECLARE (signalingbin);

G_END_DECLS

#ifdef __cplusplus
#include "client/signaller.hpp"
#include <memory>

/* Replaces the Socket.IO client: for tests. Applications with a server of their
 * own have the property application-signaling. In NULL or READY. The bin calls
 * it on its signaling thread and destroys it with itself. */
void gst_signaling_bin_set_signaller (
    GstSignalingBin *self, std::unique_ptr<robotlive::Signaller> signaller);
#endif
