// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How each key of the configuration takes effect when it is read again: the one
// table that the reload, "check-config --keys" and the manual page have.
#pragma once
#include "server/app/config.hpp"
#include <string>
#include <vector>

namespace robotlive::server {

enum class TakesEffect
{
  AtOnce,
  ForNew, // sockets, sessions, tokens, bookings: those that are there stay
  Restart
};

struct ConfigKey
{
  const char *name; // "group/key"
  TakesEffect effect;
  // Of a key that needs a restart: whether both have the same value, and what
  // leaves the running one in place.
  bool (*same) (const Config &running, const Config &fresh) = nullptr;
  void (*keep) (const Config &running, Config *fresh) = nullptr;
};

const std::vector<ConfigKey> &config_key_table ();
// "at once", "new", "restart".
const char *effect_name (TakesEffect effect);
// Leaves in *fresh what needs a restart as it runs. Returns the names of those
// keys that are another in it.
std::vector<std::string> keep_until_restart (
    const Config &running, Config *fresh);

} // namespace robotlive::server
