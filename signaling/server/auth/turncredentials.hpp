// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The STUN and TURN servers that robots and viewers are given, TURN with
// passwords of a short life (coturn's use-auth-secret).
#pragma once
#include "protocol/messages.hpp"
#include "server/app/config.hpp"

namespace robotlive::server {

// A password cannot be taken back, so a viewer's is good for so long at most
// and is asked for anew.
constexpr TimeMs kViewerRelay = 10 * 60 * 1000;

class TurnCredentials
{
public:
  // Reads the secret. Throws ConfigError.
  void set (const Config &config);
  // For one user; without a user, or when *expires_at* is over, no TURN.
  std::vector<IceServer> servers (
      const std::string &user_id, TimeMs now, TimeMs expires_at) const;

private:
  std::vector<std::string> stun_urls_;
  std::vector<std::string> turn_urls_;
  std::string secret_;
  TimeMs lifetime_ = 0;
};

} // namespace robotlive::server
