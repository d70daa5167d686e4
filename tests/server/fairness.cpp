// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One who asks without end beside one who asks once: lanes take turns, the log
// and the audit log are bounded.
#include "server/app/log.hpp"
#include "server/store/storebackend.hpp"
#include <condition_variable>
#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <set>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <vector>

using namespace robotlive;
using namespace robotlive::server;

namespace {

// Holds the worker's thread until it is let go.
class Gate
{
public:
  void wait ()
  {
    std::unique_lock<std::mutex> lock (mutex_);
    wake_.wait (lock, [this] { return open_; });
  }
  void open ()
  {
    std::lock_guard<std::mutex> lock (mutex_);
    open_ = true;
    wake_.notify_all ();
  }

private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = false;
};

TEST (Fairness, LanesTakeTurns)
{
  std::vector<std::string> done;
  {
    Gate gate;
    Worker worker (1000);
    worker.post ([&gate] { gate.wait (); });
    auto add = [&] (const std::string &lane, const std::string &job) {
      EXPECT_TRUE (worker.post (lane, [&done, job] { done.push_back (job); }));
    };
    for (int i = 0; i < 100; ++i)
      add ("abuser", "a" + std::to_string (i));
    add ("alice", "x0");
    add ("alice", "x1");
    add ("bob", "y0");
    gate.open ();
  }
  ASSERT_EQ (done.size (), 103u);
  done.resize (6);
  EXPECT_EQ (
      done, (std::vector<std::string>{"a0", "x0", "y0", "a1", "x1", "a2"}));
}

// Who comes while another's job runs is next, however much that one has left.
TEST (Fairness, WhoHadATurnIsTheLastOne)
{
  std::vector<std::string> done;
  {
    Gate gate, running;
    Worker worker (1000);
    worker.post ("abuser", [&] {
      running.open ();
      gate.wait ();
      done.push_back ("a0");
    });
    for (int i = 1; i < 10; ++i)
      worker.post (
          "abuser", [&done, i] { done.push_back ("a" + std::to_string (i)); });
    running.wait ();
    worker.post ("alice", [&done] { done.push_back ("x0"); });
    gate.open ();
  }
  ASSERT_EQ (done.size (), 11u);
  EXPECT_EQ (done[1], "x0");
}

TEST (Fairness, WithTwoThreadsALaneHasOne)
{
  std::mutex mutex;
  int running = 0, most = 0;
  bool other = false;
  {
    Gate gate;
    Worker worker (1000, 1000, 2);
    worker.post ("abuser", [&gate] { gate.wait (); });
    for (int i = 0; i < 50; ++i)
      worker.post ("abuser", [&] {
        std::lock_guard<std::mutex> lock (mutex);
        most = std::max (most, ++running);
        --running;
      });
    // While the abuser's first one is stuck.
    worker.post ("alice", [&] {
      std::lock_guard<std::mutex> lock (mutex);
      other = running == 0;
      gate.open ();
    });
  }
  EXPECT_TRUE (other);
  EXPECT_EQ (most, 1);
}

TEST (Fairness, AFullLaneIsNobodyElses)
{
  Gate gate;
  Worker worker (50, 10);
  worker.post ([&gate] { gate.wait (); });
  auto fill = [&worker] (const std::string &lane) {
    int taken = 0;
    while (taken < 100 && worker.post (lane, [] {}))
      ++taken;
    return taken;
  };
  EXPECT_EQ (fill ("a"), 10);
  EXPECT_EQ (fill ("b"), 10);
  // The server's own questions have no bound but the queue's.
  EXPECT_GE (fill (""), 29);
  EXPECT_EQ (fill ("c"), 0);
  gate.open ();
}

TEST (Fairness, OneUserFillsNoLog)
{
  std::vector<std::string> lines;
  Log log (LogLevel::Info,
      [&lines] (const std::string &line) { lines.push_back (line); });
  for (int i = 0; i < 1000; ++i)
    log.limited_for ("abuser", LogLevel::Info, "session-ended", {});
  EXPECT_LE (lines.size (), 25u);
  std::size_t before = lines.size ();
  log.limited_for ("alice", LogLevel::Info, "session-ended", {});
  log.limited_for ("abuser", LogLevel::Info, "session-admitted", {});
  EXPECT_EQ (lines.size (), before + 2);
  log.limited_for ("abuser", LogLevel::Debug, "other", {});
  EXPECT_EQ (lines.size (), before + 2);
}

// A store whose answers are looked at when the test says so.
struct Audit
{
  Audit ()
  {
    folder = std::filesystem::temp_directory_path () /
             ("robotlive-fair-" + random ());
    std::filesystem::create_directories (folder);
    url = "sqlite://" + (folder / "x.db").string ();
    backend = std::make_unique<StoreBackend> (
        Store::open (url),
        [this] (std::function<void ()> fn) {
          std::lock_guard<std::mutex> lock (mutex);
          posted.push_back (std::move (fn));
        },
        log);
  }
  ~Audit ()
  {
    backend.reset ();
    std::filesystem::remove_all (folder);
  }
  static std::string random ()
  {
    return std::to_string (
        std::chrono::steady_clock::now ().time_since_epoch ().count ());
  }
  // Until all that was asked is answered.
  void settle ()
  {
    bool done = false;
    backend->ask_for<bool> (
        "7", [] (Store &) { return true; },
        [&done] (bool, const StoreError *) { done = true; });
    while (!done) {
      std::vector<std::function<void ()>> now;
      {
        std::lock_guard<std::mutex> lock (mutex);
        now.swap (posted);
      }
      for (auto &fn : now)
        fn ();
      std::this_thread::yield ();
    }
  }
  std::vector<SessionEntry> rows ()
  {
    settle ();
    settle ();
    return Store::open (url)->audit ({});
  }
  SessionEntry entry (const std::string &peer, TimeMs started, TimeMs ended = 0,
      const std::string &robot = "r1", const std::string &viewer = "7")
  {
    SessionEntry e;
    e.peer_id = peer;
    e.viewer_id = viewer;
    e.robot_id = robot;
    e.role = "viewer";
    e.started_at = started;
    e.expires_at = 1000000;
    e.ended_at = ended;
    e.reason = ended ? "viewer-left" : "";
    return e;
  }

  std::filesystem::path folder;
  std::string url;
  std::vector<std::string> lines;
  Log log{LogLevel::Error,
      [this] (const std::string &line) { lines.push_back (line); }};
  std::mutex mutex;
  std::vector<std::function<void ()>> posted;
  std::unique_ptr<StoreBackend> backend;
};

TEST (Fairness, ASessionOfferedAnewAtOnceIsTheSameRow)
{
  Audit audit;
  TimeMs at = 5000;
  for (int i = 0; i < 200; ++i, at += 20) {
    const std::string peer = "p" + std::to_string (i);
    audit.backend->session_changed (audit.entry (peer, at));
    audit.backend->session_changed (audit.entry (peer, at, at + 10));
    if (i % 7 == 0)
      audit.settle ();
  }
  auto rows = audit.rows ();
  ASSERT_EQ (rows.size (), 1u);
  EXPECT_EQ (rows[0].peer_id, "p199");
  EXPECT_EQ (rows[0].started_at, 5000);
  EXPECT_EQ (rows[0].ended_at, at - 10);
  // Later, with another robot, of another viewer: rows of their own.
  audit.backend->session_changed (audit.entry ("q", at + 5000));
  audit.backend->session_changed (audit.entry ("r", at, 0, "r2"));
  audit.backend->session_changed (audit.entry ("s", at, 0, "r1", "8"));
  EXPECT_EQ (audit.rows ().size (), 4u);
}

TEST (Fairness, TwoTabsAreTwoRows)
{
  Audit audit;
  audit.backend->session_changed (audit.entry ("a", 5000));
  audit.backend->session_changed (audit.entry ("b", 5100));
  audit.backend->session_changed (audit.entry ("a", 5000, 9000));
  audit.backend->session_changed (audit.entry ("b", 5100, 9500));
  auto rows = audit.rows ();
  ASSERT_EQ (rows.size (), 2u);
  EXPECT_EQ (rows[0].peer_id, "b");
  EXPECT_EQ (rows[0].ended_at, 9500);
  EXPECT_EQ (rows[1].peer_id, "a");
  EXPECT_EQ (rows[1].started_at, 5000);
  EXPECT_EQ (rows[1].ended_at, 9000);
}

// One of several ends, and there is news of another: as when a booking with
// five viewers is cancelled behind a server that was just started, and their
// ends come one by one.
TEST (Fairness, NewsOfAnotherSessionIsNoNewOne)
{
  Audit audit;
  for (const char *peer : {"a", "b", "c"})
    audit.backend->session_changed (audit.entry (peer, 5000));
  audit.settle ();
  audit.backend->session_changed (audit.entry ("c", 5000, 9000));
  auto revoked = audit.entry ("b", 5000);
  revoked.ending = "revoked";
  audit.backend->session_changed (revoked);
  audit.backend->session_changed (audit.entry ("b", 5000, 9100));
  audit.backend->session_changed (audit.entry ("a", 5000, 9200));
  auto rows = audit.rows ();
  ASSERT_EQ (rows.size (), 3u);
  std::map<std::string, TimeMs> ends;
  for (const auto &row : rows) {
    EXPECT_EQ (row.started_at, 5000);
    ends[row.peer_id] = row.ended_at;
  }
  EXPECT_EQ (ends,
      (std::map<std::string, TimeMs>{{"a", 9200}, {"b", 9100}, {"c", 9000}}));
}

// A row that is there already is gone on with, whatever it should replace.
TEST (Fairness, ARowThatIsThereIsNotMadeAgain)
{
  Audit audit;
  auto store = Store::open (audit.url);
  store->write_session (audit.entry ("a", 5000, 6000), {});
  store->write_session (audit.entry ("b", 5000), {});
  store->write_session (audit.entry ("b", 5000, 7000), {"a"});
  auto rows = audit.rows ();
  ASSERT_EQ (rows.size (), 2u);
  EXPECT_EQ (rows[0].ended_at + rows[1].ended_at, 13000);
}

// What the database refuses it refuses again: it is said, and no sign that the
// store is down.
TEST (Fairness, WhatTheDatabaseRefusesIsNotTriedForEver)
{
  Audit audit;
  soci::session sql (soci::sqlite3, (audit.folder / "x.db").string ());
  sql << "CREATE UNIQUE INDEX one_robot ON sessions (robot_id)";
  audit.backend->session_changed (audit.entry ("a", 5000));
  audit.backend->session_changed (
      audit.entry ("b", 5000, 0, "r1", "another viewer"));
  audit.settle ();
  EXPECT_TRUE (audit.backend->healthy ());
  sql << "DROP INDEX one_robot";
  audit.backend->write_again ();
  EXPECT_EQ (audit.rows ().size (), 1u);
  ASSERT_EQ (audit.lines.size (), 1u);
  EXPECT_NE (audit.lines[0].find ("session-not-written"), std::string::npos);
}

// While the database is away: of more sessions than are kept, the newest are.
TEST (Fairness, TheOldestUnwrittenSessionIsForgotten)
{
  Audit audit;
  audit.backend->keep_unwritten (3);
  soci::session sql (soci::sqlite3, (audit.folder / "x.db").string ());
  sql << "ALTER TABLE sessions RENAME TO away";
  // By name the oldest is the last one. "c" has news in between.
  TimeMs at = 5000;
  for (const char *peer : {"e", "c", "d", "c", "b", "a"}) {
    audit.backend->session_changed (
        audit.entry (peer, at, 0, "r1", std::string ("viewer of ") + peer));
    at += 1000;
    audit.settle ();
  }
  sql << "ALTER TABLE away RENAME TO sessions";
  audit.backend->write_again ();
  std::set<std::string> peers;
  for (const auto &row : audit.rows ())
    peers.insert (row.peer_id);
  EXPECT_EQ (peers, (std::set<std::string>{"a", "b", "c"}));
}

} // namespace
