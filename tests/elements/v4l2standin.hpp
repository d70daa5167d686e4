// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An element "v4l2h264enc" for machines without a Pi's encoder: what is encoded
// passes, and the V4L2 controls do what the driver's do. Force-key-unit events
// pass as they do in the real one of the GStreamer that runs. It counts in its
// properties.
#pragma once

namespace robotlive::test {

void register_v4l2_stand_in ();
bool v4l2_stand_in_heeds_events ();

} // namespace robotlive::test
