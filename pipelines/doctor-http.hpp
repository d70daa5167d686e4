// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the doctor asks the signaling server.
#pragma once
#include "robotconf.hpp"
#include <glib.h>
#include <string>

namespace robotlive::robot {

struct Answer
{
  unsigned status = 0; // 0: there was none
  std::string error;
  bool tls_error = false;
  std::string body;
  gint64 date = 0; // of the server, seconds of the Unix epoch; 0: not said
};

// ws and wss are http and https.
std::string http_base (const std::string &server);
// Whether a token may be sent there: not in clear over a network.
bool private_link (const std::string &base);
// GET with robot.conf's tls-ca-file; *token* may be "". 10 s at most.
Answer ask (
    const RobotConf &conf, const std::string &url, const std::string &token);

} // namespace robotlive::robot
