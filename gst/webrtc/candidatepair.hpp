// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which way a connection's packets take.
#pragma once
#include <gst/gst.h>

namespace robotlive {

// Adds to *stats* the pair of candidates in use, once there is one:
// "local-candidate", "remote-candidate", each "host udp 192.0.2.1 5000". Asks
// the ICE agent: webrtcbin's get-stats does so on a thread that the viewer's
// end would have to wait for. Any thread.
void add_candidate_pair (GstStructure *stats, GstElement *webrtc);

} // namespace robotlive
