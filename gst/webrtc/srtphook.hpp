// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Takes the media that a webrtcbin sends from its srtpenc and makes SRTP of it
// by SrtpSender: Debian's libsrtp2 is built on NSS, and costs some four times
// as much. Where the path begins at a UDP socket of this machine the packets go
// right into it, by UdpSender; where it leads through a relay, libnice sends
// them. Whatever is not as expected is left to srtpenc.
#pragma once
#include <gst/gst.h>

namespace robotlive {

// To be called before *webrtc* negotiates. SRTCP stays with srtpenc, and so
// does the media where the peers agree on another profile than
// SRTP_AES128_CM_HMAC_SHA1_80.
void take_over_srtp (GstElement *webrtc);

struct SrtpCounts
{
  guint64 sent = 0;    // packets that SrtpSender made
  guint64 direct = 0;  // of those, what went right into a socket
  guint64 refused = 0; // that it did not, and that went nowhere
  guint64 left = 0;    // packets and lists that were left to srtpenc
};
// Of one srtpenc; all 0 where nothing was taken over. Any thread.
SrtpCounts srtp_counts (GstElement *srtpenc);

} // namespace robotlive
