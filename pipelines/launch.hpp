// SPDX-License-Identifier: LGPL-2.1-or-later
//
// From a .launch file and robot.conf to the arguments of gst-launch-1.0.
#pragma once
#include "robotconf.hpp"
#include <string>
#include <vector>

namespace robotlive::robot {

// What a trial found and robot.conf left open.
struct Choice
{
  std::string source;  // name of a .launch file, or a path to one
  std::string encoder; // name of a file in encoders/
  std::string device;  // /dev/videoN, or libcamera's name of a camera
};

struct ComposeOptions
{
  std::string folder;       // with the .launch files
  std::string sink = "";    // instead of signalingbin, for trials
  std::string encoder = ""; // description instead of encoders/NAME.launch
  bool gates = true;
};

// Names of the .launch files in @folder, sorted.
std::vector<std::string> source_names (const std::string &folder);

// Whether the pipeline has a place for an encoder.
bool needs_encoder (const std::string &folder, const std::string &source);

// Arguments for gst-launch-1.0, one each; also gst_parse_launchv ()'s.
// std::runtime_error says what stands in the way: a missing file, an unknown
// variable, a missing key of robot.conf.
std::vector<std::string> compose (
    const RobotConf &conf, const Choice &choice, const ComposeOptions &options);

// @arguments as a line that a shell reads back.
std::string shell_line (const std::vector<std::string> &arguments);

// @value as gst-launch reads it back after "property=", quoted when it must be.
std::string quote_value (const std::string &value);

// Where the pipeline finds the robot's token; a path, never the token.
std::string token_file (const RobotConf &conf);

// Where it finds an IP camera's user name and password; "": there are none.
std::string credentials_file (const RobotConf &conf);

} // namespace robotlive::robot
