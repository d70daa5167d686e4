// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What robotlive-doctor says without a server.
#include "doctor.hpp"
#include <gst/gst.h>
#include <gtest/gtest.h>

using namespace robotlive::robot;

namespace {

TEST (DoctorAlone, ParsesIceUris)
{
  IceUri uri = parse_ice_uri ("turn:t.example.org:3479?transport=tcp");
  EXPECT_EQ (uri.host, "t.example.org");
  EXPECT_EQ (uri.port, 3479u);
  EXPECT_TRUE (uri.tcp);
  uri = parse_ice_uri ("turns:[2001:db8::1]");
  EXPECT_EQ (uri.host, "2001:db8::1");
  EXPECT_EQ (uri.port, 5349u);
  EXPECT_TRUE (uri.tcp);
  uri = parse_ice_uri ("stun://s.example.org");
  EXPECT_EQ (uri.host, "s.example.org");
  EXPECT_EQ (uri.port, 3478u);
  EXPECT_FALSE (uri.tcp);
  for (const char *wrong : {"", "http://x", "stun", "stun:", "stun:h:99999"})
    EXPECT_EQ (check_ice_server ({wrong, "", ""}, "", 1).health, Health::Failed)
        << wrong;
}

TEST (DoctorAlone, InternalsAreNamed)
{
  EXPECT_EQ (internals_of (nullptr).health, Health::Skipped);
  g_auto (GValue) list = G_VALUE_INIT;
  g_value_init (&list, GST_TYPE_LIST);
  g_autoptr (GstStructure) stats = gst_structure_new_empty ("robotlive-stats");
  EXPECT_EQ (internals_of (stats).health, Health::Skipped);
  gst_structure_set_value (stats, "internals", &list);
  EXPECT_EQ (internals_of (stats).health, Health::Ok);
  for (const char *name : {"srtp-media", "rtp-pads"}) {
    g_auto (GValue) one = G_VALUE_INIT;
    g_value_init (&one, G_TYPE_STRING);
    g_value_set_string (&one, name);
    gst_value_list_append_value (&list, &one);
  }
  gst_structure_set_value (stats, "internals", &list);
  const Check check = internals_of (stats);
  EXPECT_EQ (check.health, Health::Warning);
  EXPECT_NE (check.text.find (": srtp-media, rtp-pads"), std::string::npos)
      << check.text;
  EXPECT_NE (check.remedy, "");
}

TEST (DoctorAlone, NetworkAndClockSaySomething)
{
  EXPECT_FALSE (check_network ().text.empty ());
  EXPECT_NE (check_clock ().health, Health::Skipped);
  RobotConf conf;
  EXPECT_EQ (check_config ("/nonexistent", conf).health, Health::Failed);
}

} // namespace
