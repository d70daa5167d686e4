// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is this now: what a token is worth at this moment. A token says who its
// bearer was when it was made; whether that still counts is in the store.
// Everything that honours a token asks this one function: HTTP, register,
// offers, renewals, TURN passwords, robots.
#pragma once
#include "server/store/store.hpp"
#include <string>

namespace robotlive::server {

struct RightsPolicy
{
  // Who is no account here is whoever the token says: another issuer's people
  // count (or a console's).
  bool foreign_subjects = false;
  // Tokens of ours do not exist: every sub is another issuer's.
  bool own_accounts = true;
};

struct Standing
{
  bool available = true; // false: the store could not be asked, so nobody
  bool allowed = false;
  std::string role;         // that counts: the account's, not the token's
  std::string reason;       // why not
  std::optional<User> user; // the account, if it is one of ours
  bool robot_known = false; // of a robot: the store has it
  std::string robot_type;   // if so
  TimeMs ends_at = kNever;  // when the token stops counting
};

// Blocks as Store does, and throws StoreError.
Standing who_is (Store &store, const Identity &identity,
    const RightsPolicy &policy, TimeMs now);

} // namespace robotlive::server
