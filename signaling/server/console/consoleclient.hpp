// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GET requests to one address, each with a token of its own, on a thread with
// its own main context (libsoup). Every request ends: with an answer, or with
// an error at its deadline at the latest.
#pragma once
#include "grant/window.hpp"
#include <functional>
#include <memory>
#include <string>

namespace robotlive::server {

class ConsoleClient
{
public:
  struct Answer
  {
    std::string token; // that it was asked with
    unsigned status = 0;
    std::string body;  // 1 MiB at most
    std::string error; // a sentence without the token; empty: answered
  };
  using Done = std::function<void (Answer)>; // on the client's thread

  // *ca_file*: PEM, or empty for the system's. Throws ConfigError.
  ConsoleClient (const std::string &url, const std::string &ca_file,
      TimeMs timeout_ms, std::size_t max_connections, Done done);
  // Requests under way end with an error first.
  ~ConsoleClient ();
  ConsoleClient (const ConsoleClient &) = delete;
  ConsoleClient &operator= (const ConsoleClient &) = delete;

  void get (const std::string &token); // any thread

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace robotlive::server
