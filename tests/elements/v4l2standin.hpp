// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An element "v4l2h264enc" for machines without a Pi's encoder: what is encoded
// passes, force-key-unit events do not, and the V4L2 controls do what the
// driver's do. It counts in its properties.
#pragma once

namespace robotlive::test {

void register_v4l2_stand_in ();

} // namespace robotlive::test
