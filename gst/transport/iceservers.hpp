// SPDX-License-Identifier: LGPL-2.1-or-later
//
// STUN and TURN servers as webrtcbin wants them written.
#pragma once
#include "protocol/messages.hpp"
#include "transport/peersettings.hpp"

namespace robotlive {

// "stun:host:port" or "stun://host:port" as "stun://host:port"; "" stays "".
std::string normalized_stun (const std::string &uri);
// "turn(s)://user:password@host:port?transport=udp", user and password
// percent-encoded as they must be and are not always.
std::string normalized_turn (const std::string &uri);

// Adds the server's list (PROTOCOL.md, *registered*) to *peer*: the first STUN
// server when none is set yet, and all TURN servers, at most eight.
void add_ice_servers (
    const std::vector<IceServer> &servers, PeerSettings *peer);

} // namespace robotlive
