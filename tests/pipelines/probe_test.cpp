// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The trials tell apart what can be wrong with a camera or an encoder.
#include "probe.hpp"
#include "standins.hpp"
#include <fstream>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace robotlive::robot;

namespace {

class Probe : public testing::Test
{
protected:
  void SetUp () override
  {
    register_standins ();
    gchar *made = g_dir_make_tmp ("robotlive-dev-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    dev_ = made;
    g_free (made);
    options_.folder = PIPELINES_DIR;
    options_.dev_folder = dev_;
    options_.camera_seconds = 20;
    options_.encoder_seconds = 20;
  }

  void TearDown () override
  {
    for (const std::string &path : nodes_)
      g_unlink (path.c_str ());
    g_rmdir (dev_.c_str ());
  }

  std::string node (const std::string &name)
  {
    std::string path = dev_ + "/" + name;
    std::ofstream (path) << "";
    nodes_.push_back (path);
    return path;
  }

  Trial camera (const std::string &source, const std::string &device)
  {
    return try_camera (conf_, options_, {source, device, "a camera"});
  }

  std::string dev_;
  std::vector<std::string> nodes_;
  ProbeOptions options_;
  RobotConf conf_;
};

TEST_F (Probe, EncoderThatEncodesWorks)
{
  set_encoder_standin ("works", node ("video11"));
  Trial trial = try_encoder (conf_, options_, "v4l2h264enc");
  EXPECT_EQ (trial.verdict, Verdict::Works) << trial.reason;
  EXPECT_EQ (try_encoder (conf_, options_, "x264enc").verdict, Verdict::Works);
}

TEST_F (Probe, EncoderWithoutItsDeviceIsMissing)
{
  remove_encoder_standin ();
  Trial trial = try_encoder (conf_, options_, "v4l2h264enc");
  EXPECT_EQ (trial.verdict, Verdict::Missing);
  EXPECT_NE (trial.reason.find (dev_ + "/video11"), std::string::npos);
  EXPECT_NE (trial.reason.find ("Pi 5"), std::string::npos);
}

TEST_F (Probe, DeviceThatTheRegistryDoesNotKnowIsAStaleRegistry)
{
  node ("video11");
  remove_encoder_standin ();
  Trial trial = try_encoder (conf_, options_, "v4l2h264enc");
  EXPECT_EQ (trial.verdict, Verdict::StaleRegistry);
  EXPECT_NE (trial.reason.find ("Delete"), std::string::npos);
}

TEST_F (Probe, RegistryThatRemembersALostDeviceIsStale)
{
  set_encoder_standin ("works", "");
  Trial trial = try_encoder (conf_, options_, "v4l2h264enc");
  EXPECT_EQ (trial.verdict, Verdict::StaleRegistry) << trial.reason;
}

TEST_F (Probe, BusyAndSilentEncodersAreToldApart)
{
  set_encoder_standin ("busy", node ("video11"));
  EXPECT_EQ (
      try_encoder (conf_, options_, "v4l2h264enc").verdict, Verdict::Busy);
  set_encoder_standin ("silent", dev_ + "/video11");
  options_.encoder_seconds = 1;
  EXPECT_EQ (
      try_encoder (conf_, options_, "v4l2h264enc").verdict, Verdict::NoFrame);
}

TEST_F (Probe, DeviceThatMayNotBeOpenedIsNoPermission)
{
  std::string path = node ("video11");
  set_encoder_standin ("works", path);
  g_chmod (path.c_str (), 0);
  g_chmod (dev_.c_str (), 0755);
  const uid_t user = geteuid ();
  if (user == 0) { // who may open everything
    ASSERT_EQ (seteuid (65534), 0);
  }
  Trial trial = try_encoder (conf_, options_, "v4l2h264enc");
  ASSERT_EQ (seteuid (user), 0);
  EXPECT_EQ (trial.verdict, Verdict::NoPermission) << trial.reason;
  EXPECT_NE (trial.reason.find ("group video"), std::string::npos);
}

TEST_F (Probe, EachKindOfCameraIsTriedItsWay)
{
  for (const char *kind : {"raw", "mjpeg", "h264"}) {
    std::string device = node (kind);
    Trial trial = camera (std::string ("webcam-") + kind, device);
    EXPECT_EQ (trial.verdict, Verdict::Works) << kind << trial.reason;
  }
  EXPECT_EQ (camera ("pi-camera", "").verdict, Verdict::Works);
  EXPECT_EQ (camera ("pi-camera", "imx708").verdict, Verdict::Works);
  EXPECT_EQ (camera ("rpicamsrc", "").verdict, Verdict::Works);
}

TEST_F (Probe, CamerasThatFailSayWhy)
{
  Trial trial = camera ("webcam-raw", dev_ + "/video7");
  EXPECT_EQ (trial.verdict, Verdict::Missing);
  EXPECT_NE (trial.reason.find ("video7"), std::string::npos);
  EXPECT_EQ (camera ("webcam-raw", node ("busy")).verdict, Verdict::Busy);
  EXPECT_EQ (camera ("pi-camera", "busy").verdict, Verdict::Busy);
  EXPECT_EQ (camera ("pi-camera", "gone").verdict, Verdict::Missing);
  // Motion JPEG asked of a camera that has raw pictures alone.
  trial = camera ("webcam-mjpeg", node ("raw"));
  EXPECT_EQ (trial.verdict, Verdict::NotNegotiated) << trial.reason;
  EXPECT_NE (trial.reason.find ("1280x720"), std::string::npos);
  // The watchdog of the pipeline itself reports the silent one.
  conf_.set ("camera.watchdog", "0");
  options_.camera_seconds = 1;
  EXPECT_EQ (camera ("webcam-raw", node ("silent")).verdict, Verdict::NoFrame);
}

TEST_F (Probe, UnknownElementIsNoPlugin)
{
  Trial trial;
  run_trial ({"nosuchsrc", "!", "fakesink", "name=trial"}, 1, trial);
  EXPECT_EQ (trial.verdict, Verdict::NoPlugin);
  EXPECT_NE (trial.reason.find ("nosuchsrc"), std::string::npos);
}

TEST_F (Probe, ChoosesTheFirstThatWorksAndSaysWhyNotTheOthers)
{
  set_encoder_standin ("busy", node ("video11"));
  Findings findings;
  std::vector<Candidate> cameras = {
      {"pi-camera", "gone", "CSI"},
      {"webcam-raw", node ("busy"), "taken"},
      {"webcam-raw", node ("excluded"), "slow", "it lists no raw pictures"},
      {"webcam-mjpeg", node ("mjpeg"), "good"},
      {"webcam-h264", node ("h264"), "not reached"},
  };
  Choice choice = choose (conf_, options_, cameras, false, findings);
  EXPECT_EQ (choice.source, "webcam-mjpeg");
  EXPECT_EQ (choice.device, dev_ + "/mjpeg");
  EXPECT_EQ (choice.encoder, "x264enc");
  ASSERT_EQ (findings.cameras.size (), 4u);
  EXPECT_EQ (findings.cameras[2].reason, "it lists no raw pictures");
  ASSERT_EQ (findings.encoders.size (), 2u);
  EXPECT_EQ (findings.encoders[0].verdict, Verdict::Busy);
}

TEST_F (Probe, NothingThatWorksLeavesTheChoiceOpen)
{
  Findings findings;
  Choice choice =
      choose (conf_, options_, {{"pi-camera", "gone", "CSI"}}, false, findings);
  EXPECT_EQ (choice.source, "");
  EXPECT_EQ (findings.cameras.size (), 1u);
}

TEST_F (Probe, WhatRobotConfNamesIsNotTried)
{
  Findings findings;
  conf_.set ("camera.source", "webcam-h264");
  Choice choice = choose (conf_, options_, {}, false, findings);
  EXPECT_EQ (choice.source, "webcam-h264");
  EXPECT_EQ (choice.device, "/dev/video0");
  EXPECT_TRUE (findings.encoders.empty ()) << "such a camera needs none";
}

} // namespace

int
main (int argc, char **argv)
{
  testing::InitGoogleTest (&argc, argv);
  gst_init (&argc, &argv);
  return RUN_ALL_TESTS ();
}
