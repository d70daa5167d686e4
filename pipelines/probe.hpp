// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds out what camera and encoder work by using them: open, negotiate, one
// frame. That an element is registered or a device node is there says little:
// a Pi 5 has v4l2 nodes but no encoder, a camera can be taken by another
// process, and a registry can be older than the hardware.
//
// Blocking; for a program's main thread, after gst_init ().
#pragma once
#include "launch.hpp"
#include "robotconf.hpp"
#include <string>
#include <vector>

namespace robotlive::robot {

enum class Verdict
{
  Works,
  Missing,       // no such device
  Busy,          // another process has it
  NoPermission,  // this user may not open it
  StaleRegistry, // device and GStreamer's list of elements disagree
  NoPlugin,      // an element is not installed
  NotNegotiated, // opened, but not in this size, rate or format
  NoFrame,       // opened and negotiated, but nothing came
  Failed,        // all else; the reason says what
};
const char *verdict_name (Verdict verdict);

struct Trial
{
  std::string name;   // of the .launch file, or the encoder
  std::string device; // "" = the element's default
  std::string label;  // what people call it
  Verdict verdict = Verdict::Failed;
  std::string reason; // a sentence; "" when it works
  std::string remedy; // what to do about it, if that is known
};

// A camera that could be tried.
struct Candidate
{
  std::string source;
  std::string device;
  std::string label;
  // Why it is not worth trying: its list of formats has none that fits.
  std::string excluded = "";
};

struct ProbeOptions
{
  std::string folder;              // with the .launch files
  std::string dev_folder = "/dev"; // where device nodes stand
  unsigned camera_seconds = 10;    // a cold sensor takes some
  unsigned encoder_seconds = 5;
};

// Runs @arguments, which end in "fakesink name=trial num-buffers=1", until
// that has a buffer. @trial gets verdict and reason.
void run_trial (
    const std::vector<std::string> &arguments, unsigned seconds, Trial &trial);

Trial try_encoder (const RobotConf &conf, const ProbeOptions &options,
    const std::string &name);
Trial try_camera (const RobotConf &conf, const ProbeOptions &options,
    const Candidate &candidate);

// The cameras that this machine's device providers name, libcamera's first,
// as far as robot.conf's source and device allow them.
std::vector<Candidate> find_cameras (const RobotConf &conf);
// Encoders in the order in which they are tried.
std::vector<std::string> encoder_names (const RobotConf &conf);

struct Findings
{
  std::vector<Trial> cameras; // in the order of the trials
  std::vector<Trial> encoders;
};
// Fills what robot.conf leaves open ("auto") in the returned choice. Stops at
// the first that works unless @all. A choice stays empty when nothing does.
Choice choose (const RobotConf &conf, const ProbeOptions &options,
    const std::vector<Candidate> &cameras, bool all, Findings &findings);

} // namespace robotlive::robot
