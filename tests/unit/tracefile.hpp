// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What real paths reported: reads the files of traces/.
#pragma once
#include "rate/bandwidthestimator.hpp"
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

// Gives *each* the packets of each feedback message, when it came (us, as of a
// real clock), and the seconds since the start. Returns the number of packets.
template <typename Each>
unsigned
read_trace (const std::string &name, Each each)
{
  using robotlive::PacketReport;
  const char *folder = std::getenv ("ROBOTLIVE_TRACES");
  std::ifstream file (std::string (folder ? folder : "traces") + "/" + name);
  EXPECT_TRUE (file.good ()) << name;
  std::vector<PacketReport> packets;
  std::int64_t told = -1;
  unsigned count = 0;
  const auto flush = [&] () {
    if (packets.empty ())
      return;
    each (packets, 1000000000 + told * 100, double (told) / 1e4);
    packets.clear ();
  };
  for (std::string line; std::getline (file, line);) {
    if (line.empty () || line[0] == '#')
      continue;
    std::istringstream fields (line);
    std::int64_t now, sent;
    std::string received;
    PacketReport packet;
    EXPECT_TRUE (fields >> now >> sent >> received >> packet.size) << line;
    if (now != told)
      flush ();
    told = now;
    packet.sent = 1000000000 + sent * 100;
    if (received != "-")
      packet.received = 7000000000 + std::stoll (received) * 100;
    packets.push_back (packet);
    count++;
  }
  flush ();
  return count;
}
