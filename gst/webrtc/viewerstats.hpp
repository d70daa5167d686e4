// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What RTCP says about one viewer.
#pragma once
#include <gst/gst.h>

namespace robotlive {

// Adds to *stats* what *webrtc*'s RTP session knows of the stream *ssrc*:
// packets, bytes, bitrate, packets-lost, fraction-lost, jitter,
// round-trip-time, nack, pli, each name behind *prefix*. Asks the RTP session
// itself: webrtcbin's get-stats mixes bundled streams up before 1.25. Any
// thread; never blocks.
void add_rtp_stats (GstStructure *stats, GstElement *webrtc, guint32 ssrc,
    guint clock_rate, const char *prefix);

// What the peer last reported of *ssrc*: *loss* 0 to 1, *round_trip* in s, 0 if
// unknown. False when it has not reported yet.
bool read_report (
    GstElement *webrtc, guint32 ssrc, double *loss, double *round_trip);

} // namespace robotlive
