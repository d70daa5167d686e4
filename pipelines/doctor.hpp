// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What can be wrong between a camera and a viewer, looked at from the robot.
// Each check is a function that returns rows of the table; none prints.
// Blocking; for a program's main thread, after gst_init ().
#pragma once
#include "probe.hpp"
#include "robotconf.hpp"
#include <gst/gst.h>
#include <string>
#include <vector>

namespace robotlive::robot {

enum class Health
{
  Ok,
  Warning,
  Failed,
  Skipped
};
const char *health_name (Health health);

struct Check
{
  std::string name; // one word, for scripts
  Health health;
  std::string text;        // what was found
  std::string remedy = ""; // what to do; "" when nothing
};
using Checks = std::vector<Check>;

Check check_config (const std::string &path, RobotConf &conf);
Checks check_plugins (const RobotConf &conf);
// Whether GStreamer's inside is as signalingbin expects it, by the statistics
// of one.
Check check_internals ();
Check internals_of (const GstStructure *stats);
Check check_camera (const RobotConf &conf, const ProbeOptions &options);
Check check_encoder (const RobotConf &conf, const ProbeOptions &options);
Check check_clock ();
Check check_network ();
// The token's file and what it says; never its text. @now: seconds of the
// Unix epoch.
Check check_token (const RobotConf &conf, long long now);
// "server", and "turn" for what the server says of STUN and TURN servers.
Checks check_server (const RobotConf &conf);

// The key that grants are checked with, against the server's.
Check check_grant_key (const RobotConf &conf);
// Nothing when *folder* has pipelines in it.
Checks check_pipelines (const std::string &folder);

// "host:port" of a STUN or TURN URI (RFC 7064, 7065) and how to reach it.
struct IceUri
{
  std::string host;
  unsigned port = 0; // 0: not such a URI
  bool tcp = false;
};
IceUri parse_ice_uri (const std::string &uri);
struct IceServer
{
  std::string uri, username, credential;
};
// Asks a STUN server for a binding (RFC 8489) and a TURN server for a relay
// (RFC 8656), which is given back at once; over TLS where the URI says so, with
// the system's authorities or those of @ca_file. Each step takes @seconds at
// most.
Check check_ice_server (
    const IceServer &server, const std::string &ca_file, unsigned seconds);

} // namespace robotlive::robot
