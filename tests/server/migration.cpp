// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Databases of earlier and of later versions of the program, on the same
// databases as store.cpp.
#include "server/store/store_schema.hpp"
#include "server/store/storebackend.hpp"
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <soci/sqlite3/soci-sqlite3.h>
#include <thread>
#include <unistd.h>

using namespace robotlive;
using namespace robotlive::server;

namespace {

// As version 1 made it, with what it held. Never edited.
const char *const kVersion1[] = {
    "CREATE TABLE meta (name VARCHAR(64) PRIMARY KEY, value BIGINT NOT NULL)",
    "CREATE TABLE settings (name VARCHAR(64) PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE users (id BIGINT PRIMARY KEY, email VARCHAR(190) NOT NULL "
    "UNIQUE, name VARCHAR(190) NOT NULL, role VARCHAR(16) NOT NULL, "
    "password_hash VARCHAR(190) NOT NULL, created_at BIGINT NOT NULL)",
    "CREATE TABLE robots (id VARCHAR(128) PRIMARY KEY, type VARCHAR(128) NOT "
    "NULL, name VARCHAR(190) NOT NULL, token_id VARCHAR(64) NOT NULL, "
    "revoked_at BIGINT NOT NULL, created_at BIGINT NOT NULL)",
    "CREATE TABLE bookings (id BIGINT PRIMARY KEY, user_id VARCHAR(128) NOT "
    "NULL, robot_id VARCHAR(128) NOT NULL, robot_type VARCHAR(128) NOT NULL, "
    "starts_at BIGINT NOT NULL, ends_at BIGINT NOT NULL, status VARCHAR(16) "
    "NOT NULL, created_at BIGINT NOT NULL)",
    "CREATE INDEX bookings_user ON bookings (user_id, ends_at)",
    "CREATE INDEX bookings_time ON bookings (ends_at)",
    "CREATE TABLE sessions (peer_id VARCHAR(64) PRIMARY KEY, viewer_id "
    "VARCHAR(128) NOT NULL, robot_id VARCHAR(128) NOT NULL, role VARCHAR(16) "
    "NOT NULL, address VARCHAR(64) NOT NULL, started_at BIGINT NOT NULL, "
    "expires_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, reason VARCHAR(64) "
    "NOT NULL, end_requested INTEGER NOT NULL)",
    "CREATE INDEX sessions_time ON sessions (started_at)",
    "CREATE INDEX sessions_running ON sessions (ended_at)",
    "INSERT INTO meta VALUES ('schema', 1)",
    "INSERT INTO meta VALUES ('revision', 70)",
    "INSERT INTO meta VALUES ('next_id', 8)",
    "INSERT INTO settings VALUES ('token-secret', 'kept')",
    "INSERT INTO settings VALUES ('grant-key', 'the key')",
    "INSERT INTO users VALUES (7, 'a@example.org', 'A', 'viewer', 'hash', 1)",
    "INSERT INTO robots VALUES ('r1', 'pi', 'One', 'token', 0, 1)",
    "INSERT INTO bookings VALUES (8, '7', 'r1', 'pi', 1000, 2000, 'active', 1)",
    "INSERT INTO sessions VALUES ('p1', '7', 'r1', 'viewer', '192.0.2.1', "
    "1000, 2000, 1500, 'revoked', 0)",
    "INSERT INTO sessions VALUES ('p2', '9', 'r1', 'admin', '192.0.2.2', "
    "1600, 2000, 0, '', 0)",
};

class Migration : public testing::Test
{
protected:
  Migration () { next_database (); }
  // One of its own, that nothing has opened yet.
  void next_database ()
  {
    static int number = 0;
    std::string name =
        "old" + std::to_string (getpid ()) + "x" + std::to_string (++number);
    char pattern[] = "/tmp/robotlive-migration-XXXXXX";
    std::filesystem::remove_all (folder_);
    folder_ = mkdtemp (pattern);
    const char *server = std::getenv ("ROBOTLIVE_TEST_DATABASE");
    if (!server || !*server) {
      url = "sqlite://" + folder_ + "/s.db";
      return;
    }
    url = server;
    open_database (parse_database_url (url))->once << "CREATE DATABASE " + name;
    std::size_t end = url.find ('?');
    std::size_t begin = url.rfind ('/', end) + 1;
    url.replace (begin, end - begin, name);
  }
  ~Migration () override { std::filesystem::remove_all (folder_); }

  std::unique_ptr<soci::session> connect ()
  {
    DatabaseAddress address = parse_database_url (url);
    dialect = address.dialect;
    if (dialect == Dialect::Sqlite)
      return std::make_unique<soci::session> (
          soci::sqlite3, address.connection);
    return std::make_unique<soci::session> (
        dialect == Dialect::Postgresql ? "postgresql" : "mysql",
        address.connection);
  }
  int schema ()
  {
    int version = -1;
    *connect () << "SELECT value FROM meta WHERE name = 'schema'",
        soci::into (version);
    return version;
  }
  // How many rows *table* has; -1: there is no such table.
  int rows (const std::string &table)
  {
    try {
      int n = 0;
      *connect () << "SELECT COUNT(*) FROM " + table, soci::into (n);
      return n;
    } catch (const soci::soci_error &) {
      return -1;
    }
  }
  void make_version_1 ()
  {
    auto sql = connect ();
    for (std::string statement : kVersion1) {
      if (dialect == Dialect::Mysql && statement.rfind ("CREATE TABLE", 0) == 0)
        statement += " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
      *sql << statement;
    }
  }

  std::string url;
  Dialect dialect = Dialect::Sqlite;

private:
  std::string folder_;
};

TEST_F (Migration, OfVersion1ByManyAtOnce)
{
  make_version_1 ();
  ASSERT_EQ (schema (), 1);
  std::atomic<int> opened{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back ([&] {
      try {
        Store::open (url);
        ++opened;
      } catch (const StoreError &error) {
        ADD_FAILURE () << error.what ();
      }
    });
  for (auto &thread : threads)
    thread.join ();
  EXPECT_EQ (opened, 8);
  EXPECT_GE (schema (), 2);
  // It is there, so it cannot be made again.
  EXPECT_THROW (
      *connect () << "CREATE INDEX sessions_robot ON sessions (robot_id)",
      soci::soci_error);

  auto store = Store::open (url);
  EXPECT_GT (store->revision (), 70);
  EXPECT_EQ (store->secret ("token-secret", [] { return "new"; }), "kept");
  EXPECT_EQ (store->user_by_id ("7")->email, "a@example.org");
  EXPECT_TRUE (store->user_by_id ("7")->enabled);
  EXPECT_EQ (store->user_by_id ("7")->valid_from, 0);
  EXPECT_EQ (store->robot ("r1")->token_id, "token");
  // The token that it had is good as before.
  ASSERT_TRUE (store->token ("token"));
  EXPECT_EQ (store->token ("token")->subject, "r1");
  EXPECT_EQ (store->token ("token")->revoked_at, 0);
  EXPECT_EQ (store->booking (8)->window.ends_at, 2000);
  ASSERT_EQ (store->running_sessions ().size (), 1u);
  EXPECT_EQ (store->running_sessions ()[0].peer_id, "p2");
  AuditQuery query;
  EXPECT_EQ (store->audit (query).size (), 2u);
  query.viewer_id = "7";
  ASSERT_EQ (store->audit (query).size (), 1u);
  EXPECT_EQ (store->audit (query)[0].reason, "revoked");
  // The one key is the first of several now, and nobody made another.
  for (int i = 0; i < 2; ++i) {
    const auto keys = store->first_grant_key ([] { return "new"; }, 5);
    ASSERT_EQ (keys.size (), 1u);
    EXPECT_EQ (keys[0].pem, "the key");
    EXPECT_EQ (keys[0].created_at, 0);
    EXPECT_EQ (keys[0].retires_at, kNever);
  }
  EXPECT_EQ (store->secret ("grant-key", [] { return "moved"; }), "moved");
  // Ids go on where they were.
  BookingRecord next;
  next.user_id = "7";
  next.robot_id = "r1";
  next.window = {3000, 4000};
  EXPECT_EQ (store->add_booking (next), 9);
}

// Each version between the first and this one, with what it could hold.
TEST_F (Migration, OfEachVersionWithWhatItHeld)
{
  const Migrations &all = all_migrations ();
  for (std::size_t version = 2; version <= all.size (); ++version) {
    SCOPED_TRACE ("of version " + std::to_string (version));
    if (version > 2)
      next_database ();
    make_version_1 ();
    migrate (*connect (), dialect,
        Migrations (all.begin (),
            all.begin () + static_cast<std::ptrdiff_t> (version)));
    ASSERT_EQ (schema (), static_cast<int> (version));
    auto sql = connect ();
    if (version >= 3)
      *sql << "UPDATE sessions SET robot_instance = 'one', offer_id = 'o', "
              "granted_until = 1900 WHERE peer_id = 'p2'";
    if (version >= 4) {
      *sql << "DELETE FROM settings WHERE name = 'grant-key'";
      *sql << "INSERT INTO grant_keys VALUES (1, 'the key', 0, "
           << std::to_string (kNever) + ")";
      *sql << "INSERT INTO grant_keys VALUES (2, 'the new one', 9, "
           << std::to_string (kNever) + ")";
    }
    if (version >= 5) {
      *sql << "UPDATE users SET valid_from = 3, last_login = 4 WHERE id = 7";
      *sql << "INSERT INTO users (id, email, name, role, password_hash, "
              "created_at, enabled) VALUES (6, 'b@example.org', 'B', 'admin', "
              "'h', 1, 0)";
      *sql << "INSERT INTO tokens VALUES ('t2', 'r2', 'robot', 1, 9000, 0, 5)";
      *sql << "INSERT INTO revoked_subjects VALUES ('robot', 'r3', 5)";
      *sql << "INSERT INTO password_links VALUES ('hash', 7, 9000)";
    }
    if (version >= 6) {
      *sql << "INSERT INTO audit_events VALUES (1, 5, 'denied', '7', "
              "'GET /audit', '', '192.0.2.1', 'http', 'forbidden', 3)";
      *sql << "UPDATE meta SET value = 1 WHERE name = 'next_event_id'";
    }
    sql.reset ();

    auto store = Store::open (url);
    EXPECT_EQ (schema (), static_cast<int> (all.size ()));
    EXPECT_EQ (store->user_by_email ("a@example.org")->id, 7);
    EXPECT_EQ (store->robot ("r1")->type, "pi");
    EXPECT_EQ (store->booking (8)->window.starts_at, 1000);
    EXPECT_EQ (store->secret ("token-secret", [] { return "new"; }), "kept");
    ASSERT_EQ (store->running_sessions ().size (), 1u);
    const SessionEntry running = store->running_sessions ()[0];
    EXPECT_EQ (running.peer_id, "p2");
    EXPECT_EQ (running.robot_instance, version >= 3 ? "one" : "");
    EXPECT_EQ (running.granted_until, version >= 3 ? 1900 : 0);
    const auto keys = store->first_grant_key ([] { return "new"; }, 10);
    ASSERT_EQ (keys.size (), version >= 4 ? 2u : 1u);
    std::set<std::string> pems;
    for (const auto &key : keys)
      pems.insert (key.pem);
    EXPECT_EQ (pems.count ("the key"), 1u);
    EXPECT_EQ (store->token ("token")->subject, "r1");
    EXPECT_EQ (store->user_by_id ("7")->valid_from, version >= 5 ? 3 : 0);
    if (version >= 5) {
      EXPECT_FALSE (store->user_by_id ("6")->enabled);
      EXPECT_EQ (store->token ("t2")->revoked_at, 5);
    }
    const auto events = store->events (EventQuery ());
    ASSERT_EQ (events.size (), version >= 6 ? 1u : 0u);
    if (!events.empty ()) {
      EXPECT_EQ (events[0].count, 3u);
    }
    AuditEvent event;
    event.kind = "denied";
    event.at = 6;
    store->write_events ({event});
    EXPECT_EQ (store->events (EventQuery ()).size (), version >= 6 ? 2u : 1u);
  }
}

TEST_F (Migration, ANewerDatabaseIsRefusedAndLeftAlone)
{
  Store::open (url);
  *connect () << "UPDATE meta SET value = 99 WHERE name = 'schema'";
  try {
    Store::open (url);
    FAIL () << "opened";
  } catch (const StoreError &error) {
    EXPECT_EQ (error.kind, StoreError::Invalid);
    EXPECT_NE (std::string (error.what ()).find ("newer"), std::string::npos);
  }
  EXPECT_EQ (schema (), 99);
}

TEST_F (Migration, AStepThatFailsLeavesTheOneBefore)
{
  Store::open (url);
  int now = schema ();
  Migrations steps (static_cast<std::size_t> (now));
  steps.push_back ({"CREATE TABLE one (n INTEGER NOT NULL)",
      "INSERT INTO one (n) VALUES (1)"});
  steps.push_back ({"INSERT INTO one (n) VALUES (2)", "CREATE NONSENSE"});
  auto sql = connect ();
  EXPECT_THROW (migrate (*sql, dialect, steps), soci::soci_error);
  sql.reset ();
  EXPECT_EQ (schema (), now + 1);
  EXPECT_EQ (rows ("one"), 1) << "half a step is undone";
  // The next version of the program mends it, and does no step twice.
  steps.back () = {"INSERT INTO one (n) VALUES (2)",
      "CREATE TABLE two (n INTEGER NOT NULL)"};
  for (int i = 0; i < 2; ++i) {
    migrate (*connect (), dialect, steps);
    EXPECT_EQ (schema (), now + 2);
    EXPECT_EQ (rows ("one"), 2);
    EXPECT_EQ (rows ("two"), 0);
  }
}

// While a table is away the database is down; what ended meanwhile is written
// when it is back.
TEST_F (Migration, WhatTheStoreDoesNotTakeIsKeptAndSaid)
{
  std::vector<std::string> lines;
  Log log (LogLevel::Info,
      [&] (const std::string &line) { lines.push_back (line); });
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void ()>> posted;
  StoreBackend backend (
      Store::open (url),
      [&] (std::function<void ()> fn) {
        std::lock_guard<std::mutex> lock (mutex);
        posted.push_back (std::move (fn));
        changed.notify_one ();
      },
      log);
  auto run_one = [&] {
    std::unique_lock<std::mutex> lock (mutex);
    changed.wait (lock, [&] { return !posted.empty (); });
    auto next = std::move (posted.front ());
    posted.pop_front ();
    lock.unlock ();
    next ();
  };
  SessionEntry e;
  e.peer_id = "p";
  e.viewer_id = "v";
  e.robot_id = "r";
  e.started_at = 1000;
  e.expires_at = 5000;
  backend.session_changed (e);
  run_one ();
  EXPECT_TRUE (backend.healthy ());

  *connect () << "ALTER TABLE sessions RENAME TO away";
  e.expires_at = 6000;
  backend.session_changed (e);
  e.ended_at = 2000;
  e.reason = "expired";
  backend.session_changed (e);
  backend.write_again (); // both are still under way
  for (int i = 0; i < 2; ++i)
    run_one ();
  EXPECT_FALSE (backend.healthy ());
  ASSERT_EQ (lines.size (), 1u) << "once, not for each";
  EXPECT_EQ (lines[0].find ("level=error event=store-down reason="), 0u);
  backend.write_again ();
  run_one ();
  EXPECT_TRUE (posted.empty ());

  *connect () << "ALTER TABLE away RENAME TO sessions";
  backend.write_again ();
  run_one ();
  EXPECT_TRUE (backend.healthy ());
  EXPECT_EQ (lines.back (), "level=info event=store-up");
  auto rows = Store::open (url)->audit (AuditQuery ());
  ASSERT_EQ (rows.size (), 1u);
  EXPECT_EQ (rows[0].ended_at, 2000);
  EXPECT_EQ (rows[0].reason, "expired");
  backend.write_again ();
  EXPECT_TRUE (posted.empty ()) << "nothing is left";
}

} // namespace
