// SPDX-License-Identifier: LGPL-2.1-or-later
#include "backoff.hpp"
#include "base/readfile.hpp"
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace robotlive::robot {

constexpr std::size_t kMaxStateFile = 4096;

unsigned
next_delay (Backoff &state, long long now)
{
  const unsigned longest = 60;
  bool in_a_row =
      state.starts > 0 && now >= state.last && now - state.last < 60;
  state.starts = in_a_row ? std::min (state.starts + 1, 100U) : 1;
  unsigned delay = 0;
  if (state.starts > 1)
    delay = std::min (longest, 1U << std::min (state.starts - 2, 6U));
  // The run begins after the wait.
  state.last = now + delay;
  return delay;
}

unsigned
next_delay_file (const std::string &path, long long now)
{
  Backoff state;
  FileText file;
  std::string why;
  if (read_regular_file (path, kMaxStateFile, &file, &why)) {
    std::istringstream in (file.text);
    if (!(in >> state.starts >> state.last))
      state = Backoff ();
  }
  unsigned delay = next_delay (state, now);
  std::ofstream (path) << state.starts << ' ' << state.last << '\n';
  return delay;
}

void
ended_well (const std::string &path)
{
  std::remove (path.c_str ());
}

} // namespace robotlive::robot
