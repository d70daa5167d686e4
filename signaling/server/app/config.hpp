// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The configuration: built-in values, then the file (signaling.conf says what
// each key does), then the environment, then the command line.
#pragma once
#include "server/app/log.hpp"
#include "server/app/times.hpp"
#include "server/auth/throttle.hpp"
#include "server/net/networkserver.hpp"
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace robotlive::server {

// what () is one sentence that names file, group and key.
class ConfigError : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

struct ListenAddress
{
  std::string host;
  std::uint16_t port = 0;

  bool operator== (const ListenAddress &other) const
  {
    return host == other.host && port == other.port;
  }
};

// "127.0.0.1:8080", "[::1]:0". Throws ConfigError.
ListenAddress parse_listen (const std::string &text);

struct Config
{
  std::string file; // where it came from, empty if there was none
  std::vector<ListenAddress> listen;
  std::string database;
  std::string database_password_file; // its password, apart from the URL
  bool file_has_password = false;     // one stands in *file* itself
  std::string time_zone;              // empty: the system's
  std::string web_directory;
  std::string public_host;             // for STUN_PORT and TURN_PORT
  std::vector<std::string> host_names; // by which browsers may call it
  bool allow_anonymous = false;
  std::vector<std::string> metrics_from; // addresses besides loopback
  TimeMs drain_ms = 5000;
  LogLevel log_level = LogLevel::Info;

  // identity
  std::string secret_file;     // HS256
  std::string public_key_file; // RS256 or ES256
  std::string issuer;
  std::string audience;
  TimeMs leeway_ms = 30000;
  TimeMs login_ttl_ms = TimeMs{12} * 3600 * 1000;
  TimeMs robot_ttl_ms = TimeMs{365} * 86400 * 1000;
  TimeMs password_link_ttl_ms = TimeMs{86400} * 1000;
  bool admins_need_totp = false; // who has no second factor does not get in
  // Another issuer's people count: who is no account is whoever the token says.
  bool trust_unknown_subjects = false;
  // Robots that are not in the store may say of what type they are.
  std::optional<bool> allow_unknown_robots; // with a console only

  // sessions
  std::string grant_key_file; // ES256 private key, PEM
  std::string grant_issuer = "robotlive";
  TimeMs admin_step_ms = 10 * 60 * 1000;
  TimeMs expiry_warning_ms = 60 * 1000;
  TimeMs grant_step_ms = 0; // 0: the whole booking
  TimeMs robot_grace_ms = 3000;
  TimeMs viewer_grace_ms = 10000;
  std::size_t max_viewers = 64;
  std::size_t max_sessions_per_user = 8; // of one robot
  std::size_t max_sockets_per_user = 64;
  TimeMs max_booking_ms = TimeMs{24} * 3600 * 1000; // by viewers themselves
  TimeMs max_booked_ms = TimeMs{7} * 86400 * 1000;  // of one, to come
  TimeMs booking_horizon_ms = TimeMs{1826} * 86400 * 1000;
  bool viewers_may_book = true;

  LoginLimits login_limits;

  // retention: how long what is over is kept; 0: for ever
  TimeMs keep_sessions_ms = 0;
  TimeMs keep_addresses_ms = 0;
  TimeMs keep_bookings_ms = 0;
  TimeMs keep_events_ms = 0;

  // ice
  std::vector<std::string> stun_urls;
  std::vector<std::string> turn_urls;
  std::string turn_secret_file;
  TimeMs turn_ttl_ms = TimeMs{3600} * 1000;

  // console, if that is where the bookings are
  std::string audit_database; // as database, for what a console does not keep
  std::string console_ca_file;
  TimeMs console_timeout_ms = 3000;
  TimeMs console_cache_ms = 10000;
  TimeMs console_refresh_ms = 30000;

  ServerOptions network;

  // Of the database with sessions and keys, and all else without a console.
  const std::string &store_url () const
  {
    return audit_database.empty () ? database : audit_database;
  }
};

// *file* empty: /etc/robotlive/signaling.conf if it exists. Throws ConfigError.
Config load_config (const std::string &file);
// "group/key" of every key that the file may have.
std::set<std::string> config_keys ();
// After the command line: fills in what nobody set.
void complete_config (Config *config);
// The first line of a file that holds a secret, without its newline. Throws
// ConfigError.
std::string read_secret_file (const std::string &file);
std::string read_text_file (const std::string &file);

} // namespace robotlive::server
