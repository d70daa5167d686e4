// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Cameras and a hardware encoder that no build machine has: elements under the
// real ones' names that make real pictures and real H.264, or fail as the real
// ones do, as the last part of their "device" or "camera-name" says:
//   raw mjpeg h264  a camera of that kind     busy      in use elsewhere
//   silent          opens, gives no frame     gone      not there
//   (libcamerasrc: anything else is a working camera)
#pragma once
#include <string>

// Registers libcamerasrc, v4l2src, rpicamsrc and v4l2h264enc, instead of real
// ones where there are any. After gst_init ().
void register_standins ();
// What the next v4l2h264enc does, and the device it says it has.
void set_encoder_standin (const std::string &mode, const std::string &device);
// Takes v4l2h264enc out of the registry again.
void remove_encoder_standin ();
