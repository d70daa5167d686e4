// SPDX-License-Identifier: LGPL-2.1-or-later
//
// robot.conf: every key, every mistake with its line, and the sample file.
#include "backoff.hpp"
#include "robotconf.hpp"
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

using namespace robotlive::robot;

namespace {

std::vector<Problem>
problems_of (const std::string &text)
{
  std::vector<Problem> problems;
  RobotConf::parse (text, problems);
  return problems;
}

// The only problem of @text stands on @line and says @words.
void
expect_problem (
    const std::string &text, unsigned line, const std::string &words)
{
  std::vector<Problem> problems = problems_of (text);
  ASSERT_EQ (problems.size (), 1u) << text;
  EXPECT_EQ (problems[0].line, line) << problems[0].text;
  EXPECT_NE (problems[0].text.find (words), std::string::npos)
      << problems[0].text;
}

TEST (RobotConf, DefaultsAreThoseThatAreDocumented)
{
  std::vector<Problem> problems;
  RobotConf conf = RobotConf::parse ("", problems);
  EXPECT_TRUE (problems.empty ());
  EXPECT_EQ (conf.number ("camera.width"), 1280);
  EXPECT_EQ (conf.number ("camera.height"), 720);
  EXPECT_EQ (conf.number ("camera.fps"), 30);
  EXPECT_EQ (conf.number ("encoder.bitrate"), 2000000);
  EXPECT_EQ (conf.number ("encoder.keyframe-interval"), 30);
  EXPECT_EQ (conf.number ("camera.watchdog"), 5);
  EXPECT_EQ (conf.get ("stills.location"), "frame_%05d.jpg");
  EXPECT_EQ (conf.number ("stills.quality"), 80);
}

TEST (RobotConf, ReadsValuesWithSpacesAndComments)
{
  std::vector<Problem> problems;
  RobotConf conf = RobotConf::parse ("# sample\r\n; too\n\n[robot]\n"
                                     "  id =  robot 1 \n[camera]\nwidth=640\n",
      problems);
  EXPECT_TRUE (problems.empty ());
  EXPECT_EQ (conf.get ("robot.id"), "robot 1");
  EXPECT_EQ (conf.number ("camera.width"), 640);
  EXPECT_EQ (conf.line ("camera.width"), 7u);
}

// What editors and web pages add to a file.
TEST (RobotConf, TakesWhatWasPasted)
{
  std::vector<Problem> problems;
  RobotConf conf = RobotConf::parse (
      "\xEF\xBB\xBF[robot]\r\nid = \"robot 1\"  \r\n\r\n[camera]\r\n"
      "\xC2\xA0 width\xC2\xA0=\xC2\xA0'640'\xC2\xA0\r\n",
      problems);
  EXPECT_TRUE (problems.empty ()) << problems[0].text;
  EXPECT_EQ (conf.get ("robot.id"), "robot 1");
  EXPECT_EQ (conf.number ("camera.width"), 640);
  expect_problem (std::string ("\xFF\xFE[\0r\0", 6), 1, "UTF-16");
  // A quote that is none of a pair is a part of the value.
  conf = RobotConf::parse ("[robot]\nid = \"a\n", problems);
  EXPECT_EQ (conf.get ("robot.id"), "\"a");
}

TEST (RobotConf, NamesEachMistakeWithItsLine)
{
  expect_problem ("[robot]\nidd = x\n", 2, "unknown key 'idd'");
  expect_problem ("\n[robots]\nid = x\n", 2, "unknown section [robots]");
  expect_problem ("id = x\n", 1, "before any [section]");
  expect_problem ("[robot]\njunk\n", 2, "'junk'");
  expect_problem ("[camera]\nfps = fast\n", 2, "whole number from 1 to 240");
  expect_problem ("[camera]\nfps = 0\n", 2, "whole number");
  expect_problem ("[camera]\nfps = 30.5\n", 2, "whole number");
  expect_problem ("[camera]\nfps = 99999999999999999999\n", 2, "whole number");
  expect_problem ("[camera]\nfps =\n", 2, "whole number");
  expect_problem ("[camera]\nfps = 5\n\nfps = 6\n", 4, "line 2 already");
  expect_problem ("[encoder]\nname = vp8\n", 2, "auto, v4l2h264enc, x264enc");
  expect_problem ("[signaling]\nserver = host\n", 2, "wss://host:8080");
  expect_problem ("[robot]\nid = a\x01z\n", 2, "control character");
  expect_problem ("[robot]\nid = \xff\xfe\n", 2, "not UTF-8");
  expect_problem ("[camera]\nwidth = 1281\n", 2, "even");
  expect_problem ("[camera]\nsource = file\n", 2, "location");
  expect_problem ("[signaling]\nmin-rtp-port = 9\nmax-rtp-port = 8\n", 2,
      "above 'max-rtp-port'");
}

TEST (RobotConf, RefusesPasswordsThatWouldShowInTheProcessList)
{
  for (const char *line : {"[signaling]\nturn-server = turn://u:hunter2@h:1\n",
           "[camera]\nlocation = rtsp://admin:hunter2@cam/1\n",
           "[signaling]\nserver = wss://hunter2@h\n"}) {
    std::vector<Problem> problems = problems_of (line);
    ASSERT_EQ (problems.size (), 1u) << line;
    EXPECT_EQ (problems[0].line, 2u);
    // Nor does the error repeat it.
    EXPECT_EQ (problems[0].text.find ("hunter2"), std::string::npos);
  }
  EXPECT_TRUE (
      problems_of ("[camera]\nlocation = rtsp://cam/user@home\n").empty ());
}

TEST (RobotConf, ReportsAllMistakesInTheOrderOfTheFile)
{
  std::vector<Problem> problems =
      problems_of ("[camera]\nwidth = 1\nheight = x\n[x]\n");
  ASSERT_EQ (problems.size (), 3u);
  EXPECT_EQ (problems[0].line, 2u);
  EXPECT_EQ (problems[1].line, 3u);
  EXPECT_EQ (problems[2].line, 4u);
}

TEST (RobotConf, MissingFileIsAProblem)
{
  std::vector<Problem> problems;
  RobotConf::load ("/nonexistent/robot.conf", problems);
  ASSERT_EQ (problems.size (), 1u);
  EXPECT_NE (problems[0].text.find ("No such file"), std::string::npos);
}

// The sample names every key once, commented out, with its default; and with
// all of it uncommented it is a configuration without a mistake.
TEST (RobotConf, SampleIsCompleteAndTrue)
{
  std::ifstream file (ROBOT_CONF);
  ASSERT_TRUE (file) << ROBOT_CONF;
  std::string active;
  for (std::string line; std::getline (file, line);) {
    bool key = line.size () > 1 && line[0] == '#' && line[1] != ' ' &&
               line.find (" =") != std::string::npos;
    active += (key ? line.substr (1) : line) + "\n";
  }
  std::vector<Problem> problems;
  RobotConf conf = RobotConf::parse (active, problems);
  for (const Problem &problem : problems)
    ADD_FAILURE () << "line " << problem.line << ": " << problem.text;
  for (const Key &key : known_keys ()) {
    std::string full = std::string (key.group) + "." + key.name;
    EXPECT_NE (conf.line (full), 0u) << full << " is not in the sample";
    if (*key.fallback) {
      EXPECT_EQ (conf.get (full), key.fallback) << full;
    }
  }
}

TEST (Backoff, GrowsToAMinuteAndForgetsAfterAGoodRun)
{
  Backoff state;
  long long now = 1000;
  EXPECT_EQ (next_delay (state, now), 0u);
  for (unsigned expected : {1u, 2u, 4u, 8u, 16u, 32u, 60u, 60u, 60u}) {
    now = state.last + 1; // it ran for a second
    EXPECT_EQ (next_delay (state, now), expected);
  }
  now = state.last + 61;
  EXPECT_EQ (next_delay (state, now), 0u);
  EXPECT_EQ (next_delay (state, now + 1), 1u);
}

TEST (Backoff, ForgetsAtBootAndSurvivesARottenFile)
{
  Backoff state = {7, 5000};
  EXPECT_EQ (next_delay (state, 10), 0u) << "the clock began anew";
  std::string path = testing::TempDir () + "backoff-test";
  std::ofstream (path) << "rubbish";
  EXPECT_EQ (next_delay_file (path, 10), 0u);
  EXPECT_EQ (next_delay_file (path, 11), 1u);
  EXPECT_EQ (next_delay_file (path, 13), 2u);
  unlink (path.c_str ());
}

} // namespace
