// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The command line: which subcommand, its options, and all subcommands but
// "serve". They work on the database, beside a running server.
#pragma once
#include "server/app/config.hpp"
#include <map>
#include <string>
#include <vector>

namespace robotlive::server {

struct CommandLine
{
  std::string command = "serve"; // "user add", "booking list", …
  std::vector<std::string> arguments;
  std::map<std::string, std::string> options; // long names; flags: "true"
  std::vector<std::string> listen;
  std::vector<std::string> trusted_proxies;

  std::string get (const std::string &name, const char *otherwise = "") const;
};

// What a command cannot do, with its exit status (sysexits.h).
class CommandError : public std::runtime_error
{
public:
  CommandError (int exit_status, const std::string &sentence)
      : std::runtime_error (sentence), status (exit_status)
  {
  }
  int status;
};

// Prints help or version and exits for "help", --help and --version.
// Throws CommandError for what does not fit.
CommandLine parse_command_line (int argc, char **argv);

// File, environment and command line together.
Config configure (const CommandLine &line);

// Everything but "serve". The exit status; errors are thrown.
int run_command (const CommandLine &line);

} // namespace robotlive::server
