// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/configwarnings.hpp"
#include "server/net/address.hpp"
#include <cstring>
#include <glib.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace robotlive::server {

namespace {

// The package's service runs as a user and a group of this name.
constexpr const char *kServiceGroup = "_robotlive";

// "chmod o= FILE", as a shell takes it. Where the server is not the owner, its
// group has to be the file's, or it could not read that any more.
std::string
remedy (const std::string &path, const struct stat &status)
{
  const uid_t user = geteuid ();
  const struct group *group =
      user == 0 ? getgrnam (kServiceGroup) : getgrgid (getegid ());
  const bool own = user != 0 && status.st_uid == user;
  g_autofree char *quoted = g_shell_quote (path.c_str ());
  const bool plain =
      path.find_first_not_of ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                              "WXYZ0123456789_-./+@:%") == std::string::npos;
  const std::string file = plain ? path : std::string (quoted);
  if (own || !group || status.st_gid == group->gr_gid)
    return "chmod o= " + file;
  return std::string ("chgrp ") + group->gr_name + " " + file +
         " && chmod g+r,o= " + file;
}

void
look_at (const std::string &path, const char *holds,
    std::vector<std::string> *warnings)
{
  struct stat status = {};
  if (path.empty () || stat (path.c_str (), &status) != 0 ||
      !S_ISREG (status.st_mode))
    return;
  const char *may = status.st_mode & S_IWOTH   ? "change "
                    : status.st_mode & S_IROTH ? "read "
                                               : nullptr;
  if (may)
    warnings->push_back (std::string ("every user of this machine can ") + may +
                         path + ", which holds " + holds + ": " +
                         remedy (path, status));
}

bool
is_local (const std::string &host)
{
  const auto address = net::Address::parse (host);
  return host == "localhost" || (address && address->is_loopback ());
}

// The host of the database server, where what it holds crosses a network
// unencrypted; empty: it does not.
std::string
clear_database (const std::string &url)
{
  g_autoptr (GUri) uri = g_uri_parse (url.c_str (),
      GUriFlags (G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED), nullptr);
  if (!uri)
    return "";
  const char *query = g_uri_get_query (uri);
  g_autoptr (GHashTable) options = g_uri_parse_params (
      query ? query : "", -1, "&", G_URI_PARAMS_NONE, nullptr);
  const auto option = [&options] (const char *key) {
    auto *text = options ? g_hash_table_lookup (options, key) : nullptr;
    return std::string (text ? static_cast<const char *> (text) : "");
  };
  std::string host = g_uri_get_host (uri) ? g_uri_get_host (uri) : "";
  if (!option ("host").empty ())
    host = option ("host");
  const bool verified = option ("sslmode") == "verify-full" ||
                        option ("sslmode") == "verify-ca" ||
                        !option ("ssl-ca").empty ();
  const bool near = host.empty () || host[0] == '/' || is_local (host) ||
                    !option ("socket").empty ();
  return verified || near ? "" : host;
}

void
look_at_network (const Config &config, std::vector<std::string> *warnings)
{
  if (!config.network.tls_certificate_file.empty () ||
      !config.network.trusted_proxies.empty ())
    return;
  for (const ListenAddress &address : config.listen) {
    if (is_local (address.host))
      continue;
    const bool v6 = address.host.find (':') != std::string::npos;
    warnings->push_back (
        "passwords and tokens travel unencrypted to " +
        (v6 ? "[" + address.host + "]" : address.host) + ":" +
        std::to_string (address.port) +
        ": set tls-certificate and tls-key, or listen=127.0.0.1:" +
        std::to_string (address.port) + " behind a proxy that has TLS");
    return;
  }
}

} // namespace

std::vector<std::string>
config_warnings (const Config &config)
{
  std::vector<std::string> warnings;
  look_at_network (config, &warnings);
  if (config.file_has_password)
    look_at (config.file, "the database's password", &warnings);
  look_at (
      config.secret_file, "the secret that tokens are signed with", &warnings);
  look_at (
      config.grant_key_file, "the key that grants are signed with", &warnings);
  look_at (
      config.network.tls_key_file, "the key of the TLS certificate", &warnings);
  look_at (config.turn_secret_file, "the TURN server's secret", &warnings);
  look_at (config.database_password_file, "the database's password", &warnings);
  const std::string &url = config.store_url ();
  constexpr const char *sqlite = "sqlite://";
  if (url.rfind (sqlite, 0) == 0) {
    g_autofree char *path =
        g_uri_unescape_string (url.c_str () + strlen (sqlite), nullptr);
    look_at (path ? path : "", "accounts, bookings and keys", &warnings);
  }
  const std::string host = clear_database (url);
  if (!host.empty ())
    warnings.push_back (
        "what is in the database travels unencrypted from " + host +
        ", or from whoever says to be it: add ?sslmode=verify-full "
        "(PostgreSQL) or ?ssl-ca=FILE (MySQL) to its URL");
  return warnings;
}

} // namespace robotlive::server
