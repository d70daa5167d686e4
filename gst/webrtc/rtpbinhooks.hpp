// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is to be heard of the RTP session inside of a webrtcbin, and to be told
// to it. Hooks are called on threads of webrtcbin's, for as long as it lives.
#pragma once
#include <functional>
#include <gst/gst.h>

namespace robotlive {

// *on_rtcp*: a report has come. *on_bye*: the peer's RTCP says that it leaves.
// False: neither will be heard.
bool watch_rtcp (GstElement *webrtc, std::function<void ()> on_rtcp,
    std::function<void ()> on_bye);

// Sender reports are reckoned with the pipeline's latency. Once the local
// description is set: before that the session has no pads.
void set_rtp_latency (GstElement *webrtc, GstClockTime latency);

// Calls *seen* with the payload type of each packet that leaves the session, of
// a list with that of the first. False: they cannot be seen.
bool watch_leaving_packets (
    GstElement *webrtc, std::function<void (unsigned)> seen);

} // namespace robotlive
