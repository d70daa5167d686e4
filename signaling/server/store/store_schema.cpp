// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/store_schema.hpp"
#include <cerrno>
#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <glib.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace robotlive::server {

namespace {

// One list a schema version; a new version is appended, never edited. Types
// that all three databases know; keys of 128 characters fit MySQL's index.
const Migrations kMigrations = {
    {
        "CREATE TABLE settings (name VARCHAR(64) PRIMARY KEY, value TEXT NOT "
        "NULL)",
        "CREATE TABLE users (id BIGINT PRIMARY KEY, email VARCHAR(190) NOT "
        "NULL "
        "UNIQUE, name VARCHAR(190) NOT NULL, role VARCHAR(16) NOT NULL, "
        "password_hash VARCHAR(190) NOT NULL, created_at BIGINT NOT NULL)",
        "CREATE TABLE robots (id VARCHAR(128) PRIMARY KEY, type VARCHAR(128) "
        "NOT "
        "NULL, name VARCHAR(190) NOT NULL, token_id VARCHAR(64) NOT NULL, "
        "revoked_at BIGINT NOT NULL, created_at BIGINT NOT NULL)",
        "CREATE TABLE bookings (id BIGINT PRIMARY KEY, user_id VARCHAR(128) "
        "NOT "
        "NULL, robot_id VARCHAR(128) NOT NULL, robot_type VARCHAR(128) NOT "
        "NULL, "
        "starts_at BIGINT NOT NULL, ends_at BIGINT NOT NULL, status "
        "VARCHAR(16) "
        "NOT NULL, created_at BIGINT NOT NULL)",
        "CREATE INDEX bookings_user ON bookings (user_id, ends_at)",
        "CREATE INDEX bookings_time ON bookings (ends_at)",
        "CREATE TABLE sessions (peer_id VARCHAR(64) PRIMARY KEY, viewer_id "
        "VARCHAR(128) NOT NULL, robot_id VARCHAR(128) NOT NULL, role "
        "VARCHAR(16) "
        "NOT NULL, address VARCHAR(64) NOT NULL, started_at BIGINT NOT NULL, "
        "expires_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, reason "
        "VARCHAR(64) "
        "NOT NULL, end_requested INTEGER NOT NULL)",
        "CREATE INDEX sessions_time ON sessions (started_at)",
        "CREATE INDEX sessions_running ON sessions (ended_at)",
    },
    {
        // The audit log of one robot, or of one viewer.
        "CREATE INDEX sessions_robot ON sessions (robot_id, started_at)",
        "CREATE INDEX sessions_viewer ON sessions (viewer_id, started_at)",
    },
    {
        // What another process of the server goes on with a session by.
        "ALTER TABLE sessions ADD COLUMN robot_instance VARCHAR(128) NOT NULL "
        "DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN viewer_instance VARCHAR(128) NOT NULL "
        "DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN robot_type VARCHAR(128) NOT NULL "
        "DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN offer_id VARCHAR(128) NOT NULL "
        "DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN ending VARCHAR(64) NOT NULL DEFAULT "
        "''",
        "ALTER TABLE sessions ADD COLUMN granted_until BIGINT NOT NULL DEFAULT "
        "0",
        "ALTER TABLE sessions ADD COLUMN login_issued_at BIGINT NOT NULL "
        "DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN login_expires_at BIGINT NOT NULL "
        "DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN anonymous INTEGER NOT NULL DEFAULT 0",
    },
    {
        // The one grant key was in table settings: the first who asks for the
        // keys moves it.
        "CREATE TABLE grant_keys (id BIGINT PRIMARY KEY, pem TEXT NOT NULL, "
        "created_at BIGINT NOT NULL, retires_at BIGINT NOT NULL)",
    },
    {
        // Accounts and tokens that can be taken back.
        "ALTER TABLE users ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE users ADD COLUMN valid_from BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE users ADD COLUMN last_login BIGINT NOT NULL DEFAULT 0",
        "CREATE TABLE tokens (id VARCHAR(190) PRIMARY KEY, subject "
        "VARCHAR(128) NOT NULL, role VARCHAR(16) NOT NULL, issued_at BIGINT "
        "NOT NULL, expires_at BIGINT NOT NULL, ends_at BIGINT NOT NULL, "
        "revoked_at BIGINT NOT NULL)",
        "CREATE INDEX tokens_subject ON tokens (subject)",
        "INSERT INTO tokens (id, subject, role, issued_at, expires_at, "
        "ends_at, revoked_at) SELECT token_id, id, 'robot', created_at, 0, 0, "
        "0 FROM robots WHERE token_id <> ''",
        "CREATE TABLE revoked_subjects (kind VARCHAR(16) NOT NULL, subject "
        "VARCHAR(128) NOT NULL, revoked_at BIGINT NOT NULL, PRIMARY KEY "
        "(kind, subject))",
        "CREATE TABLE password_links (hash VARCHAR(64) PRIMARY KEY, user_id "
        "BIGINT NOT NULL, expires_at BIGINT NOT NULL)",
    },
    {
        // Security events.
        "CREATE TABLE audit_events (id BIGINT PRIMARY KEY, happened_at BIGINT "
        "NOT NULL, "
        "kind VARCHAR(32) NOT NULL, actor VARCHAR(128) NOT NULL, what "
        "VARCHAR(64) NOT NULL, target VARCHAR(128) NOT NULL, address "
        "VARCHAR(64) NOT NULL, via VARCHAR(16) NOT NULL, code VARCHAR(32) NOT "
        "NULL, times BIGINT NOT NULL)",
        "CREATE INDEX audit_events_time ON audit_events (happened_at)",
        "CREATE INDEX audit_events_kind ON audit_events (kind, happened_at)",
        "CREATE INDEX audit_events_actor ON audit_events (actor, happened_at)",
        "CREATE INDEX audit_events_target ON audit_events (target, "
        "happened_at)",
        // Of their own: what is written beside leaves no gaps between accounts.
        "INSERT INTO meta (name, value) VALUES ('next_event_id', 0)",
    },
    {
        // When a robot is free.
        "CREATE INDEX bookings_robot ON bookings (robot_id, ends_at)",
    },
    {
        // A second factor: one that is not confirmed yet, and the last step
        // that a code was used of.
        "ALTER TABLE users ADD COLUMN totp_secret VARCHAR(64) NOT NULL DEFAULT "
        "''",
        "ALTER TABLE users ADD COLUMN totp_pending VARCHAR(64) NOT NULL "
        "DEFAULT ''",
        "ALTER TABLE users ADD COLUMN totp_used BIGINT NOT NULL DEFAULT 0",
    }};

std::string
unescape (const char *text)
{
  gchar *plain = text ? g_uri_unescape_string (text, nullptr) : nullptr;
  std::string result = plain ? plain : "";
  g_free (plain);
  return result;
}

// key='value' as libpq and SOCI's MySQL back end read it.
void
append_option (std::string &out, const char *key, const std::string &value)
{
  if (value.empty ())
    return;
  out += std::string (out.empty () ? "" : " ") + key + "='";
  for (char c : value) {
    if (c == '\'' || c == '\\')
      out += '\\';
    out += c;
  }
  out += '\'';
}

[[noreturn]] void
invalid_url ()
{
  throw StoreError (StoreError::Invalid,
      "the database is not sqlite:///PATH, postgresql://… or mysql://…");
}

// The database holds secrets: created for its owner alone, before SQLite does.
void
create_private_file (const std::string &path)
{
  gchar *folder = g_path_get_dirname (path.c_str ());
  int made = g_mkdir_with_parents (folder, 0700);
  g_free (folder);
  int fd = made == 0 ? ::open (path.c_str (), O_RDWR | O_CREAT | O_CLOEXEC,
                           S_IRUSR | S_IWUSR)
                     : -1;
  if (fd < 0)
    throw StoreError (StoreError::Unavailable,
        "cannot open " + path + ": " + g_strerror (errno));
  ::close (fd);
}

// Going over to WAL needs the file for itself for a moment, and so does the
// last one to close it; SQLite does not wait for that, whatever busy_timeout
// says, and reports "database is locked" to whoever opens it meanwhile.
void
use_wal (soci::session &sql)
{
  const auto give_up =
      std::chrono::steady_clock::now () + std::chrono::seconds (10);
  for (;;) {
    try {
      std::string mode;
      sql << "PRAGMA journal_mode = WAL", soci::into (mode);
      return;
    } catch (const soci::soci_error &) {
      if (std::chrono::steady_clock::now () > give_up)
        throw;
    }
    std::this_thread::sleep_for (std::chrono::milliseconds (10));
  }
}

void
prepare_sqlite (soci::session &sql, bool check)
{
  std::string text;
  sql << "PRAGMA busy_timeout = 10000", soci::into (text);
  use_wal (sql);
  // With WAL a crash of this process loses nothing; FULL keeps what was
  // answered even when the power goes.
  sql << "PRAGMA synchronous = FULL";
  if (!check)
    return;
  sql << "PRAGMA quick_check", soci::into (text);
  if (text != "ok")
    throw StoreError (
        StoreError::Unavailable, "the database file is damaged: " + text);
}

bool
meta_exists (soci::session &sql, Dialect dialect)
{
  int n = 0;
  if (dialect == Dialect::Sqlite)
    sql << "SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta'",
        soci::into (n);
  else if (dialect == Dialect::Postgresql)
    sql << "SELECT COUNT(*) FROM information_schema.tables WHERE table_name "
           "= 'meta' AND table_schema = current_schema()",
        soci::into (n);
  else
    sql << "SELECT COUNT(*) FROM information_schema.tables WHERE table_name "
           "= 'meta' AND table_schema = DATABASE()",
        soci::into (n);
  return n > 0;
}

// Ids that differ in case are different ids, in every database.
std::string
table_options (std::string_view statement, Dialect dialect)
{
  bool table = statement.rfind ("CREATE TABLE", 0) == 0;
  return table && dialect == Dialect::Mysql
             ? " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
             : "";
}

// Two processes may start on an empty database at once: the one that makes
// table "meta" first wins, the other goes on with it.
void
create_meta (soci::session &sql, Dialect dialect)
{
  if (meta_exists (sql, dialect))
    return;
  try {
    sql << std::string ("CREATE TABLE IF NOT EXISTS meta (name VARCHAR(64) "
                        "PRIMARY KEY, value BIGINT NOT NULL)") +
               table_options ("CREATE TABLE", dialect);
  } catch (const std::exception &) {
    if (!meta_exists (sql, dialect))
      throw;
  }
  for (const char *name : {"schema", "revision", "next_id"}) {
    std::string row = name;
    try {
      sql << "INSERT INTO meta (name, value) VALUES (:n, 0)", soci::use (row);
    } catch (const std::exception &) {
      int n = 0;
      sql << "SELECT COUNT(*) FROM meta WHERE name = :n", soci::use (row),
          soci::into (n);
      if (n == 0)
        throw;
    }
  }
}

// MySQL commits at each CREATE, which lets go of the row lock in migrate ().
class SchemaLock
{
public:
  SchemaLock (soci::session &sql, Dialect dialect)
      : sql_ (sql), wanted_ (dialect == Dialect::Mysql)
  {
    int locked = 1;
    if (wanted_)
      sql_ << "SELECT GET_LOCK('robotlive-schema', 30)", soci::into (locked);
    if (locked != 1)
      throw StoreError (
          StoreError::Unavailable, "another server changes the database");
  }
  ~SchemaLock ()
  {
    try {
      int released = 0;
      if (wanted_)
        sql_ << "SELECT RELEASE_LOCK('robotlive-schema')",
            soci::into (released);
    } catch (const std::exception &) {
      // The connection is gone, and the lock with it.
    }
  }
  SchemaLock (const SchemaLock &) = delete;
  SchemaLock &operator= (const SchemaLock &) = delete;

private:
  soci::session &sql_;
  bool wanted_;
};

} // namespace

// A transaction a version: what fails leaves the version before it.
void
migrate (soci::session &sql, Dialect dialect, const Migrations &migrations)
{
  SchemaLock lock (sql, dialect);
  int newest = static_cast<int> (migrations.size ());
  for (int version = -1; version < newest;) {
    soci::transaction transaction (sql);
    // Takes the lock that every writer takes.
    sql << "UPDATE meta SET value = value + 0 WHERE name = 'schema'";
    sql << "UPDATE meta SET value = value + 1 WHERE name = 'revision'";
    sql << "SELECT value FROM meta WHERE name = 'schema'", soci::into (version);
    if (version > newest)
      throw StoreError (StoreError::Invalid,
          "the database is of a newer version of this program");
    if (version < newest) {
      for (const char *statement : migrations[version])
        sql << statement + table_options (statement, dialect);
      sql << "UPDATE meta SET value = :v WHERE name = 'schema'",
          soci::use (++version);
    }
    transaction.commit ();
  }
}

DatabaseAddress
parse_database_url (const std::string &url)
{
  DatabaseAddress address;
  GUri *uri = g_uri_parse (url.c_str (),
      GUriFlags (G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED), nullptr);
  if (!uri)
    invalid_url ();
  std::shared_ptr<GUri> owner (uri, g_uri_unref);
  std::string scheme = g_uri_get_scheme (uri);
  std::string path = unescape (g_uri_get_path (uri));
  if (scheme == "sqlite") {
    if (path.size () < 2 || path[0] != '/')
      invalid_url ();
    address.path = path;
    // SOCI splits at spaces; quoted, everything but a quote is literal.
    if (path.find ('"') != std::string::npos)
      invalid_url ();
    address.connection = "db=\"" + path + "\" timeout=10";
    return address;
  }
  bool postgres = scheme == "postgresql" || scheme == "postgres";
  if (!postgres && scheme != "mysql" && scheme != "mariadb")
    invalid_url ();
  address.dialect = postgres ? Dialect::Postgresql : Dialect::Mysql;
  std::string host = unescape (g_uri_get_host (uri));
  std::string socket;
  std::string &out = address.connection;
  if (const char *query = g_uri_get_query (uri)) {
    GHashTable *table =
        g_uri_parse_params (query, -1, "&", G_URI_PARAMS_NONE, nullptr);
    if (!table)
      invalid_url ();
    auto value = [table] (const char *key) {
      auto *text = static_cast<const char *> (g_hash_table_lookup (table, key));
      return std::string (text ? text : "");
    };
    const std::vector<const char *> known =
        postgres ? std::vector<const char *>{"host", "sslmode", "sslrootcert"}
                 : std::vector<const char *>{"socket", "ssl-ca"};
    std::size_t found = 0;
    for (const char *key : known)
      found += g_hash_table_contains (table, key);
    const bool all = found == g_hash_table_size (table);
    socket = value ("socket");
    if (!postgres)
      append_option (out, "sslca", value ("ssl-ca"));
    address.needs_tls = !postgres && !value ("ssl-ca").empty ();
    g_hash_table_unref (table);
    if (!all)
      throw StoreError (StoreError::Invalid,
          postgres ? "the database's URL has a parameter other than host, "
                     "sslmode and sslrootcert"
                   : "the database's URL has a parameter other than socket and "
                     "ssl-ca");
  }
  if (postgres) {
    // As libpq's own URI: SOCI takes options apart at blanks, which a password
    // may have.
    const char *query = g_uri_get_query (uri);
    const std::string options = std::string (query ? query : "") +
                                (query ? "&" : "") + "connect_timeout=5";
    g_autofree char *joined = g_uri_join_with_user (G_URI_FLAGS_ENCODED,
        "postgresql", g_uri_get_user (uri), g_uri_get_password (uri), nullptr,
        g_uri_get_host (uri), g_uri_get_port (uri), g_uri_get_path (uri),
        options.c_str (), nullptr);
    out = joined;
    return address;
  }
  append_option (out, "db", path.size () > 1 ? path.substr (1) : "");
  append_option (out, "user", unescape (g_uri_get_user (uri)));
  append_option (out, "password", unescape (g_uri_get_password (uri)));
  if (!socket.empty ())
    append_option (out, "unix_socket", socket);
  else
    append_option (out, "host", host);
  if (g_uri_get_port (uri) > 0)
    out += " port=" + std::to_string (g_uri_get_port (uri));
  out += " connect_timeout=5 charset='utf8mb4'";
  return address;
}

const Migrations &
all_migrations ()
{
  return kMigrations;
}

bool
is_constraint (const soci::soci_error &error)
{
  if (error.get_error_category () == soci::soci_error::constraint_violation)
    return true;
  // SOCI's SQLite has no categories; the upper bits say which constraint.
  auto *sqlite = dynamic_cast<const soci::sqlite3_soci_error *> (&error);
  return sqlite && (sqlite->result () & 0xff) == SQLITE_CONSTRAINT;
}

// With an authority of its own the client library checks the server's
// certificate, and yet goes on in clear with a server that says to have none,
// which whoever stands between can say. SOCI has no setting for that, and the
// library is not linked with: SOCI has loaded it.
static void
need_tls (soci::session &mysql)
{
  using GetCipher = const char *(MYSQL *);
  void *library = dlopen ("libmariadb.so.3", RTLD_LAZY | RTLD_NOLOAD);
  auto *get = library ? reinterpret_cast<GetCipher *> (
                            dlsym (library, "mysql_get_ssl_cipher"))
                      : nullptr;
  auto *backend =
      static_cast<soci::mysql_session_backend *> (mysql.get_backend ());
  const bool encrypted = get && get (backend->conn_);
  if (library)
    dlclose (library);
  if (!encrypted)
    throw StoreError (StoreError::Unavailable,
        "cannot open the database: its server offers no TLS, which ssl-ca asks "
        "for");
}

std::unique_ptr<soci::session>
open_database (const DatabaseAddress &address, bool prepared)
{
  try {
    std::unique_ptr<soci::session> sql;
    if (address.dialect == Dialect::Sqlite) {
      // Opened and closed, it would take this process's locks from SQLite.
      if (!prepared)
        create_private_file (address.path);
      sql = std::make_unique<soci::session> (soci::sqlite3, address.connection);
      prepare_sqlite (*sql, !prepared);
    } else {
      // Loaded when wanted: SQLite alone needs neither client library.
      bool postgres = address.dialect == Dialect::Postgresql;
      sql = std::make_unique<soci::session> (
          postgres ? "postgresql" : "mysql", address.connection);
      if (address.needs_tls)
        need_tls (*sql);
      if (!postgres)
        *sql << "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    }
    if (prepared)
      return sql;
    create_meta (*sql, address.dialect);
    migrate (*sql, address.dialect, kMigrations);
    return sql;
  } catch (const StoreError &) {
    throw;
  } catch (const soci::soci_error &error) {
    // The message of a failed connection may quote the connection string.
    std::string text = error.get_error_message ();
    if (text.find ("password=") != std::string::npos ||
        text.find ("://") != std::string::npos)
      text = "connection refused";
    throw StoreError (
        StoreError::Unavailable, "cannot open the database: " + text);
  }
}

} // namespace robotlive::server
