// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The operator's guide, "When there is no picture": what it quotes is what our
// programs say. Where the line is made of parts, each part is in the sources;
// run_test.cpp and tests/service-guest.sh look at whole lines.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace {

std::string
contents (const std::filesystem::path &path)
{
  std::ifstream file (path);
  return {std::istreambuf_iterator<char> (file), {}};
}

// Every source, with the string literals that stand in a row as one.
std::string
sources ()
{
  std::string all;
  for (const char *folder : {"gst", "pipelines", "signaling"})
    for (const auto &entry : std::filesystem::recursive_directory_iterator (
             std::string (SOURCE_DIR "/") + folder))
      if (entry.path ().extension () == ".cpp" ||
          entry.path ().extension () == ".hpp" ||
          entry.path ().extension () == ".js")
        all += contents (entry.path ());
  return std::regex_replace (all, std::regex ("\"\\s*\n\\s*\""), "");
}

// What stands in backquotes in the middle column of the table.
std::vector<std::string>
quoted_lines ()
{
  std::ifstream guide (SOURCE_DIR "/docs/operators-guide.md");
  std::vector<std::string> found;
  std::string line;
  const std::regex row ("\\|([^|]*)\\|([^|]*)\\|([^|]*)\\|");
  const std::regex quote ("`([^`]+)`");
  bool inside = false;
  while (std::getline (guide, line)) {
    if (line.compare (0, 3, "## ") == 0)
      inside = line.find ("When there is no picture") != std::string::npos;
    std::smatch cells;
    if (!inside || !std::regex_match (line, cells, row))
      continue;
    const std::string middle = cells[2];
    for (std::sregex_iterator one (middle.begin (), middle.end (), quote), end;
         one != end; ++one)
      found.push_back ((*one)[1]);
  }
  return found;
}

// The parts that are the same whatever is spoken of.
std::vector<std::string>
fixed_parts (std::string line)
{
  // robot.conf:12, /dev/video0, 1280x720, 'name', [section]; key=value; and
  // what is put together with ": " between.
  line = std::regex_replace (line,
      std::regex ("robot\\.conf:[0-9]+:|/[^ ]+|[0-9]+|'[^']*'|\\[[^\\]]*\\]|="),
      "…");
  line = std::regex_replace (
      line, std::regex ("removed: ([a-z]+)"), "removed:…$1…");
  line = std::regex_replace (line, std::regex (": "), "…");
  std::vector<std::string> parts;
  for (size_t start = 0; start <= line.size ();) {
    size_t end = std::min (line.find ("…", start), line.size ());
    std::string part = std::regex_replace (
        line.substr (start, end - start), std::regex ("^ +| +$"), "");
    if (part.size () > 2)
      parts.push_back (part);
    start = end + std::string ("…").size ();
  }
  return parts;
}

TEST (Guide, QuotesWhatIsSaid)
{
  const std::string ours = sources ();
  ASSERT_GT (ours.size (), 100000u);
  const std::string others = "Watchdog triggered\n" // GStreamer's watchdog
                             "Failed to set up credentials\n" // systemd
                             "Unacceptable TLS certificate\n" // GLib
                             "no camera works\n"              // run_test.cpp
                             "(HTTP 404)";
  const std::vector<std::string> lines = quoted_lines ();
  EXPECT_GT (lines.size (), 25u);
  for (const std::string &line : lines) {
    const std::vector<std::string> parts = fixed_parts (line);
    EXPECT_FALSE (parts.empty ()) << line;
    for (const std::string &part : parts)
      EXPECT_TRUE (ours.find (part) != std::string::npos ||
                   others.find (part) != std::string::npos)
          << "nobody says \"" << part << "\" of \"" << line << '"';
  }
}

} // namespace
