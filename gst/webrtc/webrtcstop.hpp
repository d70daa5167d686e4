// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What webrtcbin 1.22 needs before it goes to NULL.
#pragma once
#include <gst/gst.h>

namespace robotlive {

// Its receiving bin blocks its own pad when the ICE state changes; a change on
// its way to NULL makes a block that nothing takes away, and that keeps the
// bin, its threads and sockets for ever. After this no change reaches it, and
// no packet either: one that met srtpdec's pads on their way to NULL ended the
// process by a critical, once in thousands of joins. To be called when no
// promise is outstanding, right before the state change.
void prepare_webrtc_for_null (GstElement *webrtc);

} // namespace robotlive
