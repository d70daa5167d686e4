// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include <glib.h>
#include <string>
#include <vector>

namespace robotlive {

// What the bin's properties and the server say about peer connections.
struct PeerSettings
{
  std::string stun_server;               // "stun://host:port" or empty
  std::vector<std::string> turn_servers; // "turn://user:password@host:port"
  bool relay_only = false;
  guint min_rtp_port = 0, max_rtp_port = 65535;
  guint fec_percentage = 0; // of packets that repair others; 0: none
};

} // namespace robotlive
