// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When a robot is taken and when it is free, of the windows of its bookings.
// Pure: no clock, no store, no names.
#pragma once
#include "grant/window.hpp"
#include <vector>

namespace robotlive::server {

// In order, without overlaps; those that touch are one. Empty windows and what
// lies outside of *within* are left out.
std::vector<Window> taken_windows (
    std::vector<Window> bookings, const Window &within);

// What *taken* (as taken_windows () gives it) leaves of *within*.
std::vector<Window> free_windows (
    const std::vector<Window> &taken, const Window &within);

// The first window of *length* ms from *from* on; there is always one, since
// after the last booking all is free.
Window next_free_window (
    const std::vector<Window> &bookings, TimeMs from, TimeMs length);

} // namespace robotlive::server
