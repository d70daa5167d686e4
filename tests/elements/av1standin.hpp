// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An element "rtpav1pay" for a Debian that has none: what is encoded goes out
// in packets of the right size, type and caps, with a marker on the last. Their
// aggregation header makes of each a fragment of one unit, so that no decoder
// would take them: the negotiation is what it is for.
#pragma once

namespace robotlive::test {

// False when there is a real one.
bool register_av1_stand_in ();

} // namespace robotlive::test
