// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/config.hpp"
#include "base/pasted.hpp"
#include "base/readfile.hpp"
#include <algorithm>
#include <glib.h>
#include <memory>
#include <set>
#include <unistd.h>

namespace robotlive::server {

namespace {

const char kDefaultFile[] = "/etc/robotlive/signaling.conf";
const char kServiceFolder[] = "/var/lib/robotlive";

// A GKeyFile whose keys are all asked for: what is left over is a misspelling.
class File
{
public:
  explicit File (const std::string &path)
      : path_ (path), file_ (g_key_file_new (), g_key_file_unref)
  {
    if (path.empty ())
      return;
    GError *error = nullptr;
    const std::string content = read_text_file (path);
    const auto plain = without_mark (content);
    if (g_key_file_load_from_data (file_.get (), plain.data (), plain.size (),
            G_KEY_FILE_NONE, &error))
      return;
    std::string text = path + ": " + error->message;
    g_error_free (error);
    throw ConfigError (text);
  }

  std::optional<std::string> text (const char *group, const char *key)
  {
    known_.insert (std::string (group) + "/" + key);
    GError *error = nullptr;
    gchar *value = g_key_file_get_string (file_.get (), group, key, &error);
    if (!value) {
      bool absent = g_error_matches (error, G_KEY_FILE_ERROR,
                        G_KEY_FILE_ERROR_KEY_NOT_FOUND) ||
                    g_error_matches (error, G_KEY_FILE_ERROR,
                        G_KEY_FILE_ERROR_GROUP_NOT_FOUND);
      g_error_free (error);
      if (!absent)
        fail (group, key, "is not text");
      return std::nullopt;
    }
    const std::string result (without_quotes (g_strstrip (value)));
    g_free (value);
    return result;
  }

  void get (const char *group, const char *key, std::string *out)
  {
    if (auto value = text (group, key))
      *out = *value;
  }

  // A file, or "credential:NAME" of the service manager's (systemd.exec(5),
  // LoadCredential=).
  void path (const char *group, const char *key, std::string *out)
  {
    constexpr std::string_view scheme = "credential:";
    get (group, key, out);
    if (out->compare (0, scheme.size (), scheme) != 0)
      return;
    const std::string name = out->substr (scheme.size ());
    const char *folder = g_getenv ("CREDENTIALS_DIRECTORY");
    if (name.empty () || name.find ('/') != std::string::npos)
      fail (group, key, "names no credential, like credential:token.secret");
    if (!folder || !*folder)
      fail (group, key,
          "is a credential, and the service manager gave none: add "
          "LoadCredential= to the unit");
    *out = std::string (folder) + "/" + name;
  }

  // False if it is not there.
  bool get (const char *group, const char *key, bool *out)
  {
    auto value = text (group, key);
    if (!value)
      return false;
    if (*value != "true" && *value != "false")
      fail (group, key, "is neither true nor false");
    *out = *value == "true";
    return true;
  }

  void get (const char *group, const char *key, std::size_t *out)
  {
    auto value = text (group, key);
    if (!value)
      return;
    guint64 number;
    if (!g_ascii_string_to_unsigned (
            value->c_str (), 10, 0, G_MAXINT32, &number, nullptr))
      fail (group, key, "is not a number");
    *out = number;
  }

  void get (const char *group, const char *key, double *out)
  {
    std::size_t number = static_cast<std::size_t> (*out);
    get (group, key, &number);
    *out = static_cast<double> (number);
  }

  void duration (const char *group, const char *key, TimeMs *out)
  {
    auto value = text (group, key);
    if (!value)
      return;
    auto ms = parse_duration (*value);
    if (!ms)
      fail (group, key, "is not a duration like 30s, 10m or 1h");
    *out = *ms;
  }

  void get (const char *group, const char *key, std::vector<std::string> *out)
  {
    auto value = text (group, key);
    if (!value)
      return;
    out->clear ();
    gchar **parts = g_strsplit_set (value->c_str (), ",; ", -1);
    for (gchar **p = parts; *p; ++p)
      if (**p)
        out->push_back (*p);
    g_strfreev (parts);
  }

  void refuse_unknown () const
  {
    gchar **groups = g_key_file_get_groups (file_.get (), nullptr);
    std::string unknown;
    for (gchar **g = groups; *g; ++g) {
      gchar **keys = g_key_file_get_keys (file_.get (), *g, nullptr, nullptr);
      for (gchar **k = keys; k && *k; ++k)
        if (!known_.count (std::string (*g) + "/" + *k) && unknown.empty ())
          unknown = std::string ("[") + *g + "] " + *k;
      g_strfreev (keys);
    }
    g_strfreev (groups);
    if (!unknown.empty ())
      throw ConfigError (path_ + ": " + unknown + ": there is no such key");
  }

  [[noreturn]] void fail (
      const char *group, const char *key, const char *what) const
  {
    throw ConfigError (
        path_ + ": [" + group + "] " + key + ": the value " + what);
  }

  const std::set<std::string> &known () const { return known_; }

private:
  std::string path_;
  std::unique_ptr<GKeyFile, void (*) (GKeyFile *)> file_;
  std::set<std::string> known_;
};

struct Unref
{
  void operator() (GUri *uri) const { g_uri_unref (uri); }
};
constexpr auto kUriFlags =
    GUriFlags (G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED);

bool
has_password (const std::string &url)
{
  const std::unique_ptr<GUri, Unref> uri (
      g_uri_parse (url.c_str (), kUriFlags, nullptr));
  return uri && g_uri_get_password (uri.get ());
}

// *url* with the password that the file holds.
std::string
with_password (const std::string &url, const std::string &file)
{
  const std::unique_ptr<GUri, Unref> uri (
      g_uri_parse (url.c_str (), kUriFlags, nullptr));
  if (has_password (url))
    throw ConfigError ("database-password-file: the database's URL has a "
                       "password already: take one of the two out");
  if (!uri || !g_uri_get_user (uri.get ()) || !*g_uri_get_user (uri.get ()))
    throw ConfigError ("database-password-file: the database's URL names no "
                       "user, as postgresql://user@host/name does");
  g_autofree char *password =
      g_uri_escape_string (read_secret_file (file).c_str (), nullptr, FALSE);
  g_autofree char *joined = g_uri_join_with_user (kUriFlags,
      g_uri_get_scheme (uri.get ()), g_uri_get_user (uri.get ()), password,
      nullptr, g_uri_get_host (uri.get ()), g_uri_get_port (uri.get ()),
      g_uri_get_path (uri.get ()), g_uri_get_query (uri.get ()), nullptr);
  return joined;
}

int
port_of_environment (const char *name)
{
  const char *text = g_getenv (name);
  guint64 port;
  if (!text || !*text)
    return -1;
  if (!g_ascii_string_to_unsigned (text, 10, 0, 65535, &port, nullptr))
    throw ConfigError (std::string (name) + " is not a port number");
  return static_cast<int> (port);
}

// As existing deployments set them.
void
read_environment (Config *config)
{
  int port = port_of_environment ("SIGNALING_PORT");
  if (port >= 0 && config->listen.empty ())
    config->listen = {{"::", static_cast<std::uint16_t> (port)}};
  const char *origins = g_getenv ("CORS_ORIGINS");
  if (origins && *origins) {
    config->network.cors_origins.clear ();
    gchar **parts = g_strsplit_set (origins, ",; ", -1);
    for (gchar **p = parts; *p; ++p)
      if (**p)
        config->network.cors_origins.push_back (*p);
    g_strfreev (parts);
  }
  std::string host = config->public_host.empty ()
                         ? std::string (g_get_host_name ())
                         : config->public_host;
  port = port_of_environment ("STUN_PORT");
  if (port > 0 && config->stun_urls.empty ())
    config->stun_urls = {"stun:" + host + ":" + std::to_string (port)};
  port = port_of_environment ("TURN_PORT");
  if (port > 0 && config->turn_urls.empty () &&
      !config->turn_secret_file.empty ())
    config->turn_urls = {"turn:" + host + ":" + std::to_string (port)};
}

// Asks for every key there is.
void
read_keys (File &f, Config *config)
{
  Config &c = *config;
  std::vector<std::string> listen;
  f.get ("server", "listen", &listen);
  for (const std::string &text : listen)
    c.listen.push_back (parse_listen (text));
  f.get ("server", "database", &c.database);
  f.path ("server", "database-password-file", &c.database_password_file);
  f.get ("server", "time-zone", &c.time_zone);
  f.get ("server", "web-directory", &c.web_directory);
  f.get ("server", "public-host", &c.public_host);
  f.get ("server", "host-names", &c.host_names);
  f.get ("server", "allow-anonymous", &c.allow_anonymous);
  f.get ("server", "metrics-from", &c.metrics_from);
  f.path ("server", "tls-certificate", &c.network.tls_certificate_file);
  f.path ("server", "tls-key", &c.network.tls_key_file);
  f.get ("server", "trusted-proxies", &c.network.trusted_proxies);
  f.get ("server", "cors-origins", &c.network.cors_origins);
  f.duration ("server", "drain-time", &c.drain_ms);
  if (auto name = f.text ("server", "log-level")) {
    auto level = log_level (*name);
    if (!level)
      f.fail ("server", "log-level", "is not error, warning, info or debug");
    c.log_level = *level;
  }

  f.path ("identity", "secret-file", &c.secret_file);
  f.path ("identity", "public-key-file", &c.public_key_file);
  f.get ("identity", "issuer", &c.issuer);
  f.get ("identity", "audience", &c.audience);
  f.duration ("identity", "leeway", &c.leeway_ms);
  f.duration ("identity", "login-lifetime", &c.login_ttl_ms);
  f.duration ("identity", "robot-token-lifetime", &c.robot_ttl_ms);
  f.duration ("identity", "password-link-lifetime", &c.password_link_ttl_ms);
  if (auto who = f.text ("identity", "require-totp")) {
    if (*who != "admin" && *who != "nobody")
      f.fail ("identity", "require-totp", "is neither admin nor nobody");
    c.admins_need_totp = *who == "admin";
  }
  f.get ("identity", "trust-unknown-subjects", &c.trust_unknown_subjects);
  bool unknown_robots = false;
  if (f.get ("identity", "allow-unknown-robots", &unknown_robots))
    c.allow_unknown_robots = unknown_robots;
  if (c.leeway_ms > 60000)
    throw ConfigError (c.file + ": [identity] leeway: at most 60s");
  if (!c.secret_file.empty () && !c.public_key_file.empty ())
    throw ConfigError (c.file +
                       ": [identity]: secret-file or public-key-file, not "
                       "both: there is one algorithm");

  f.path ("sessions", "grant-key-file", &c.grant_key_file);
  f.get ("sessions", "grant-issuer", &c.grant_issuer);
  f.duration ("sessions", "admin-step", &c.admin_step_ms);
  f.duration ("sessions", "expiry-warning", &c.expiry_warning_ms);
  auto step = f.text ("sessions", "grant-step");
  if (step && *step != "0" && *step != "0s")
    f.duration ("sessions", "grant-step", &c.grant_step_ms);
  if (c.grant_step_ms > 0 && c.grant_step_ms < 2000)
    throw ConfigError (c.file + ": [sessions] grant-step: 2s at least, or 0");
  f.duration ("sessions", "robot-grace", &c.robot_grace_ms);
  f.duration ("sessions", "viewer-grace", &c.viewer_grace_ms);
  f.get ("sessions", "max-viewers", &c.max_viewers);
  f.get ("sessions", "max-sessions-per-user", &c.max_sessions_per_user);
  f.duration ("sessions", "max-booking", &c.max_booking_ms);
  f.duration ("sessions", "max-booked", &c.max_booked_ms);
  f.duration ("sessions", "booking-horizon", &c.booking_horizon_ms);
  f.get ("sessions", "viewers-may-book", &c.viewers_may_book);

  f.duration ("retention", "sessions", &c.keep_sessions_ms);
  f.duration ("retention", "addresses", &c.keep_addresses_ms);
  f.duration ("retention", "bookings", &c.keep_bookings_ms);
  f.duration ("retention", "events", &c.keep_events_ms);

  f.get ("ice", "stun-urls", &c.stun_urls);
  f.get ("ice", "turn-urls", &c.turn_urls);
  f.path ("ice", "turn-secret-file", &c.turn_secret_file);
  f.duration ("ice", "turn-lifetime", &c.turn_ttl_ms);
  if (!c.turn_urls.empty () && c.turn_secret_file.empty ())
    throw ConfigError (c.file +
                       ": [ice] turn-urls needs turn-secret-file (coturn's "
                       "static-auth-secret)");

  f.get ("console", "audit-database", &c.audit_database);
  f.path ("console", "ca-file", &c.console_ca_file);
  f.duration ("console", "timeout", &c.console_timeout_ms);
  f.duration ("console", "cache", &c.console_cache_ms);
  f.duration ("console", "refresh", &c.console_refresh_ms);
  if (c.console_timeout_ms > 60000 || c.console_cache_ms > 60000)
    throw ConfigError (c.file + ": [console] timeout and cache: at most 60s");

  ServerOptions &n = c.network;
  f.get ("limits", "connections", &n.max_connections);
  f.get ("limits", "connections-per-address", &n.max_connections_per_address);
  f.get ("limits", "sessions-per-address", &n.max_sessions_per_address);
  f.get ("limits", "sockets-per-user", &c.max_sockets_per_user);
  f.get ("limits", "messages-per-second", &n.message_rate.per_second);
  f.get ("limits", "requests-per-second-per-address",
      &n.request_rate_per_address.per_second);
  f.get ("limits", "packet-bytes", &n.max_payload);
  LoginLimits &l = c.login_limits;
  f.get ("limits", "login-failures-per-address", &l.failures_per_address);
  f.get ("limits", "login-failures-per-account", &l.failures_per_account);
  f.get ("limits", "logins-per-minute", &l.logins_per_minute);
}

} // namespace

ListenAddress
parse_listen (const std::string &text)
{
  std::size_t colon = text.rfind (':');
  guint64 port;
  if (colon == std::string::npos ||
      !g_ascii_string_to_unsigned (
          text.c_str () + colon + 1, 10, 0, 65535, &port, nullptr))
    throw ConfigError (
        "listen: \"" + text + "\" is not ADDRESS:PORT, like 127.0.0.1:8080");
  std::string host = text.substr (0, colon);
  if (host.size () > 2 && host.front () == '[' && host.back () == ']')
    host = host.substr (1, host.size () - 2);
  else if (host.find (':') != std::string::npos)
    throw ConfigError ("listen: an IPv6 address stands in brackets");
  if (host == "localhost")
    host = "127.0.0.1";
  if (host.empty () || host == "*")
    host = "::";
  return {host, static_cast<std::uint16_t> (port)};
}

Config
load_config (const std::string &wanted)
{
  Config c;
  c.file = wanted;
  if (wanted.empty () && access (kDefaultFile, F_OK) == 0)
    c.file = kDefaultFile;
  File file (c.file);
  read_keys (file, &c);
  file.refuse_unknown ();
  c.file_has_password =
      has_password (c.database) || has_password (c.audit_database);
  read_environment (&c);
  return c;
}

std::set<std::string>
config_keys ()
{
  Config config;
  File none ("");
  read_keys (none, &config);
  return none.known ();
}

// Where a token opens the door, a page that lets its own name point here gains
// nothing. Where everybody is let in, it must not come in through the browser
// of somebody who is near.
void
complete_host_names (Config *config)
{
  const auto &origins = config->network.cors_origins;
  if (!config->allow_anonymous && config->host_names.empty ())
    return;
  if (std::find (origins.begin (), origins.end (), "*") != origins.end ())
    return; // any page may come in anyway
  std::vector<std::string> &names = config->network.host_names;
  names = config->host_names;
  std::string own = g_get_host_name ();
  for (const std::string &name :
      {std::string ("localhost"), own, own + ".local", config->public_host})
    if (!name.empty ())
      names.push_back (name);
  for (const std::string &origin : origins) {
    g_autoptr (GUri) uri =
        g_uri_parse (origin.c_str (), G_URI_FLAGS_NONE, nullptr);
    if (uri && g_uri_get_host (uri))
      names.push_back (g_uri_get_host (uri));
  }
}

void
complete_config (Config *config)
{
  complete_host_names (config);
  if (config->listen.empty ())
    config->listen = {{"::", 8080}}; // both families
  if (config->network.tls_certificate_file.empty () !=
      config->network.tls_key_file.empty ())
    throw ConfigError ("TLS needs both a certificate and a key");
  std::string *database = &config->database;
  if (database->rfind ("console+", 0) == 0)
    database = &config->audit_database;
  else
    config->audit_database.clear ();
  if (!config->database_password_file.empty ())
    *database = with_password (*database, config->database_password_file);
  if (!database->empty ())
    return;
  const char *state = g_getenv ("STATE_DIRECTORY");
  std::string folder;
  if (state && *state)
    folder = std::string (state).substr (
        0, std::string (state).find (':')); // the first of several
  else if (geteuid () == 0 || access (kServiceFolder, W_OK) == 0)
    folder = kServiceFolder; // root, and the user that the service runs as
  else
    folder = std::string (g_get_user_state_dir ()) + "/robotlive";
  *database = "sqlite://" + folder + "/signaling.db";
}

std::string
read_text_file (const std::string &file)
{
  constexpr std::size_t limit = 1024 * 1024;
  FileText read;
  std::string why;
  if (!read_regular_file (file, limit, &read, &why))
    throw ConfigError (why);
  if (is_utf16 (read.text))
    throw ConfigError (file + " is UTF-16 text: save it as UTF-8");
  return read.text;
}

std::string
read_secret_file (const std::string &file)
{
  const std::string content = read_text_file (file);
  auto text = without_mark (content);
  text = text.substr (0, text.find_first_of ("\r\n"));
  if (text.empty ())
    throw ConfigError (file + " is empty");
  // It cannot be seen, and whoever else knows the secret may not have it.
  if (trimmed_blanks (text) != text)
    throw ConfigError (file + " begins or ends with a blank: take it out");
  return std::string (text);
}

} // namespace robotlive::server
