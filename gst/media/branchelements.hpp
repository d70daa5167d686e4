// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The private elements of a viewer's branch: no factory, no rank, but names in
// dot files, and events, flushes and state changes as any element has them.
//
//   robotlivethin   in front of the queue: leaves pictures out (Thinner)
//   robotlivepace   behind the payloader: when packets leave (PacketPath)
#pragma once
#include "media/packetpath.hpp"
#include "media/thinner.hpp"
#include <memory>

namespace robotlive {

// Floating, as from a factory.
GstElement *make_thin (std::shared_ptr<Thinner> thinner);
GstElement *make_pace (std::shared_ptr<PacketPath> path);

} // namespace robotlive
