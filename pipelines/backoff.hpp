// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long to wait before a pipeline is started again. systemd knows back-off
// (RestartSteps=) only from version 254 on; Debian 12 has 252.
#pragma once
#include <string>

namespace robotlive::robot {

// State kept over restarts in one line of a file: "<starts in a row> <second
// of the last start>", the latter of CLOCK_BOOTTIME. A run that ended well
// takes the file away: only failures count.
struct Backoff
{
  unsigned starts = 0;
  long long last = 0;
};

// Seconds to wait at a start at @now: 0, 1, 2, 4 ... 60. A run of a minute or
// more was a good one and begins the row anew. Updates @state.
unsigned next_delay (Backoff &state, long long now);

// The same with the state in @path; a file that is not there or not readable
// is a first start.
unsigned next_delay_file (const std::string &path, long long now);
void ended_well (const std::string &path);

} // namespace robotlive::robot
