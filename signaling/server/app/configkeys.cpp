// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/configkeys.hpp"

namespace robotlive::server {

namespace {

constexpr auto kAtOnce = TakesEffect::AtOnce;
constexpr auto kForNew = TakesEffect::ForNew;

template <auto Member>
constexpr ConfigKey
restart (const char *name)
{
  return {name, TakesEffect::Restart,
      [] (const Config &running, const Config &fresh) {
        return running.*Member == fresh.*Member;
      },
      [] (const Config &running, Config *fresh) {
        fresh->*Member = running.*Member;
      }};
}

template <auto Member>
constexpr ConfigKey
restart_network (const char *name)
{
  return {name, TakesEffect::Restart,
      [] (const Config &running, const Config &fresh) {
        return running.network.*Member == fresh.network.*Member;
      },
      [] (const Config &running, Config *fresh) {
        fresh->network.*Member = running.network.*Member;
      }};
}

bool
key_in_database (const Config &config)
{
  return config.secret_file.empty () && config.public_key_file.empty ();
}

} // namespace

const std::vector<ConfigKey> &
config_key_table ()
{
  static const std::vector<ConfigKey> table = {
      restart<&Config::listen> ("server/listen"),
      restart<&Config::database> ("server/database"),
      restart<&Config::database_password_file> (
          "server/database-password-file"),
      {"server/time-zone", kAtOnce},
      {"server/web-directory", kAtOnce},
      {"server/public-host", kAtOnce},
      {"server/host-names", kAtOnce},
      {"server/allow-anonymous", kAtOnce},
      {"server/metrics-from", kAtOnce},
      restart_network<&ServerOptions::tls_certificate_file> (
          "server/tls-certificate"),
      restart_network<&ServerOptions::tls_key_file> ("server/tls-key"),
      restart_network<&ServerOptions::trusted_proxies> (
          "server/trusted-proxies"),
      {"server/cors-origins", kAtOnce},
      {"server/drain-time", kAtOnce},
      {"server/log-level", kAtOnce},
      {"identity/secret-file", kAtOnce},
      {"identity/public-key-file", kAtOnce},
      {"identity/issuer", kAtOnce},
      {"identity/audience", kAtOnce},
      {"identity/leeway", kAtOnce},
      {"identity/login-lifetime", kForNew},
      {"identity/robot-token-lifetime", kForNew},
      {"identity/password-link-lifetime", kForNew},
      {"identity/require-totp", kForNew},
      {"identity/trust-unknown-subjects", kAtOnce},
      {"identity/allow-unknown-robots", kForNew},
      {"sessions/grant-key-file", kAtOnce},
      {"sessions/grant-issuer", kForNew},
      {"sessions/admin-step", kForNew},
      {"sessions/grant-step", kForNew},
      {"sessions/expiry-warning", kAtOnce},
      {"sessions/robot-grace", kAtOnce},
      {"sessions/viewer-grace", kAtOnce},
      {"sessions/max-viewers", kForNew},
      {"sessions/max-sessions-per-user", kForNew},
      {"sessions/viewers-may-book", kAtOnce},
      {"sessions/max-booking", kForNew},
      {"sessions/max-booked", kForNew},
      {"sessions/booking-horizon", kForNew},
      {"retention/sessions", kAtOnce},
      {"retention/addresses", kAtOnce},
      {"retention/bookings", kAtOnce},
      {"retention/events", kAtOnce},
      {"ice/stun-urls", kForNew},
      {"ice/turn-urls", kForNew},
      {"ice/turn-secret-file", kForNew},
      {"ice/turn-lifetime", kForNew},
      restart<&Config::audit_database> ("console/audit-database"),
      restart<&Config::console_ca_file> ("console/ca-file"),
      restart<&Config::console_timeout_ms> ("console/timeout"),
      restart<&Config::console_cache_ms> ("console/cache"),
      {"console/refresh", kAtOnce},
      restart_network<&ServerOptions::max_connections> ("limits/connections"),
      {"limits/connections-per-address", kForNew},
      {"limits/sessions-per-address", kForNew},
      {"limits/sockets-per-user", kForNew},
      {"limits/messages-per-second", kAtOnce},
      {"limits/requests-per-second-per-address", kAtOnce},
      {"limits/packet-bytes", kForNew},
      {"limits/login-failures-per-address", kAtOnce},
      {"limits/login-failures-per-account", kAtOnce},
      {"limits/logins-per-minute", kAtOnce},
  };
  return table;
}

const char *
effect_name (TakesEffect effect)
{
  switch (effect) {
    case TakesEffect::AtOnce:
      return "at once";
    case TakesEffect::ForNew:
      return "new";
    case TakesEffect::Restart:
      break;
  }
  return "restart";
}

std::vector<std::string>
keep_until_restart (const Config &running, Config *fresh)
{
  std::vector<std::string> names;
  for (const ConfigKey &key : config_key_table ()) {
    if (!key.keep)
      continue;
    if (!key.same (running, *fresh))
      names.push_back (key.name);
    key.keep (running, fresh);
  }
  // Where the key is found may change only between files: the database is not
  // waited for.
  if (key_in_database (*fresh) != key_in_database (running)) {
    const bool file =
        !running.secret_file.empty () || !fresh->secret_file.empty ();
    names.push_back (
        file ? "identity/secret-file" : "identity/public-key-file");
    fresh->secret_file = running.secret_file;
    fresh->public_key_file = running.public_key_file;
  }
  return names;
}

} // namespace robotlive::server
