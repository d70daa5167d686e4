// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one clock that sessions are reckoned with.
#pragma once
#include <cstdint>
#include <ctime>
#include <limits>

namespace robotlive {

// Nanoseconds of CLOCK_BOOTTIME: runs through suspend and never jumps. A Pi's
// wall clock may be years off, so it decides nothing.
using BootNs = std::int64_t;
constexpr BootNs kNeverNs = std::numeric_limits<BootNs>::max ();

inline BootNs
boot_now ()
{
  timespec time{};
  clock_gettime (CLOCK_BOOTTIME, &time);
  return BootNs (time.tv_sec) * 1000000000 + time.tv_nsec;
}

} // namespace robotlive
