// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The thread sanitizer does not see the locks of GLib and GStreamer, which are
// not instrumented. What one thread makes and another is given through them is
// marked: handed () when it is complete, taken () before the first look at it.
#pragma once
#include <atomic>

namespace robotlive::test {

inline std::atomic<unsigned> handovers{0};

inline void
handed ()
{
  handovers.fetch_add (1, std::memory_order_release);
}

inline void
taken ()
{
  handovers.load (std::memory_order_acquire);
}

} // namespace robotlive::test
