// SPDX-License-Identifier: LGPL-2.1-or-later
//
// robot.conf: what a robot's owner says about robot, server, camera, encoder.
// Every key, its default and its range stand in one table in robotconf.cpp;
// the sample robot.conf and its man page are checked against that table.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace robotlive::robot {

// One key of robot.conf.
struct Key
{
  enum class Kind
  {
    Text,
    Url,
    Path,
    Integer,
    Choice
  };
  const char *group;
  const char *name;
  Kind kind;
  const char *fallback;                  // used where the file is silent
  long min = 0, max = 0;                 // Integer
  std::vector<std::string> choices = {}; // Choice
};

const std::vector<Key> &known_keys ();

// Something in the file that cannot be used, with its line (0: the whole file).
struct Problem
{
  unsigned line;
  std::string text;
};

class RobotConf
{
public:
  // Reads @text as robot.conf. What is wrong is appended to @problems, all of
  // it at once; the keys concerned keep their defaults.
  static RobotConf parse (
      const std::string &text, std::vector<Problem> &problems);
  // The same of a file; a file that cannot be read is a problem on line 0.
  static RobotConf load (
      const std::string &path, std::vector<Problem> &problems);

  // Value of "group.name", or its default. The key must be in known_keys ().
  const std::string &get (const std::string &key) const;
  long number (const std::string &key) const;
  // For the command line's and the tests' overrides; not validated.
  void set (const std::string &key, const std::string &value);
  // Line of "group.name" in the file, 0 when it is not there.
  unsigned line (const std::string &key) const;

private:
  void read_line (unsigned number, std::string text, std::string &group,
      std::vector<Problem> &problems);
  void check_together (std::vector<Problem> &problems) const;

  std::map<std::string, std::string> values_;
  std::map<std::string, unsigned> lines_;
};

} // namespace robotlive::robot
