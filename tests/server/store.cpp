// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Store on each database, given as URLs: an SQLite file of its own, and
// what ROBOTLIVE_TEST_DATABASE names (with-database.sh starts such servers).
#include "server/store/store.hpp"
#include "server/app/times.hpp"
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace robotlive;
using namespace robotlive::server;

namespace {

constexpr TimeMs kHour = 3600 * 1000;

class StoreTest : public testing::Test
{
protected:
  StoreTest ()
  {
    const char *url = std::getenv ("ROBOTLIVE_TEST_DATABASE");
    char pattern[] = "/tmp/robotlive-store-XXXXXX";
    folder = mkdtemp (pattern);
    database = url && *url ? url : "sqlite://" + folder + "/s.db";
    // A server's database outlives a test: each takes a day of its own.
    static int day = 0;
    base = TimeMs{2'000'000} * 1000 * 1000 + ++day * 24 * kHour +
           (getpid () % 10000) * TimeMs{1000} * 24 * kHour;
    store = Store::open (database);
    suffix = std::to_string (getpid ()) + "-" + std::to_string (day);
  }
  ~StoreTest () override
  {
    store.reset ();
    std::filesystem::remove_all (folder);
  }

  BookingRecord booking (const std::string &robot, TimeMs from, TimeMs to,
      const std::string &type = "")
  {
    BookingRecord b;
    b.user_id = "u" + suffix;
    b.robot_id = robot.empty () ? "" : robot + suffix;
    b.robot_type = type.empty () ? "" : type + suffix;
    b.window = {base + from, base + to};
    return b;
  }
  // The kind of the StoreError that *fn* throws; -1 without one.
  template <typename Fn> int error (Fn fn)
  {
    try {
      fn ();
      return -1;
    } catch (const StoreError &e) {
      return e.kind;
    }
  }

  std::string folder, database, suffix;
  TimeMs base;
  std::unique_ptr<Store> store;
};

TEST_F (StoreTest, RefusesOverlapsOfTheRobotAndOfItsType)
{
  auto add = [&] (BookingRecord b) {
    return error ([&] { store->add_booking (b); });
  };
  EXPECT_EQ (add (booking ("r", 0, kHour, "t")), -1);
  EXPECT_EQ (add (booking ("r", kHour, 2 * kHour, "t")), -1); // half-open
  EXPECT_EQ (
      add (booking ("r", kHour - 1, kHour + 1, "t")), StoreError::Conflict);
  EXPECT_EQ (add (booking ("r", -kHour, 9 * kHour, "t")), StoreError::Conflict);
  EXPECT_EQ (add (booking ("r2", 0, kHour, "t")), -1);
  EXPECT_EQ (add (booking ("", 0, kHour, "t")), StoreError::Conflict);
  EXPECT_EQ (add (booking ("", 0, kHour, "other")), -1);
  EXPECT_EQ (add (booking ("r", kHour, kHour, "t")), StoreError::Invalid);
}

TEST_F (StoreTest, TellsWhatIsInTheWayAndWhenTheRobotIsFree)
{
  auto clash = [&] (BookingRecord b) {
    try {
      b.id ? store->update_booking (b) : (void)store->add_booking (b);
    } catch (const StoreError &e) {
      return e.clash;
    }
    return std::optional<StoreError::Clash> ();
  };
  auto expect = [&] (const std::optional<StoreError::Clash> &told, TimeMs from,
                    TimeMs to, TimeMs next) {
    ASSERT_TRUE (told);
    EXPECT_EQ (told->with.starts_at, base + from);
    EXPECT_EQ (told->with.ends_at, base + to);
    EXPECT_EQ (told->next_free.starts_at, base + next);
  };
  BookingRecord first = booking ("r", 0, kHour, "t");
  first.id = store->add_booking (first);
  store->add_booking (booking ("r", 2 * kHour, 3 * kHour, "t"));
  store->add_booking (booking ("", 4 * kHour, 5 * kHour, "t"));
  store->add_booking (booking ("other", 0, 9 * kHour, "x"));
  // The gap of an hour is enough for half of one, and not for two.
  expect (clash (booking ("r", 0, kHour / 2, "t")), 0, kHour, kHour);
  expect (clash (booking ("r", 0, 2 * kHour, "t")), 0, kHour, 5 * kHour);
  expect (clash (booking ("r", kHour, 5 * kHour, "t")), 2 * kHour, 3 * kHour,
      5 * kHour);
  expect (clash (booking ("", kHour / 2, kHour, "t")), 0, kHour, kHour);
  expect (clash (booking ("s", 4 * kHour, 5 * kHour, "t")), 4 * kHour,
      5 * kHour, 5 * kHour);
  // Its own time is not in a booking's way.
  first.window.ends_at = base + 2 * kHour + 1;
  expect (clash (first), 2 * kHour, 3 * kHour, 5 * kHour);
  first.window.ends_at = base + 2 * kHour;
  EXPECT_FALSE (clash (first));
  store->cancel_booking (first.id);
  RobotRecord robot;
  robot.id = "r" + suffix;
  robot.type = "t" + suffix;
  auto booked = store->booked (robot, {base + kHour, base + 9 * kHour});
  std::sort (booked.begin (), booked.end (),
      [] (auto &a, auto &b) { return a.starts_at < b.starts_at; });
  ASSERT_EQ (booked.size (), 2u);
  EXPECT_EQ (booked[0].starts_at, base + 2 * kHour);
  EXPECT_EQ (booked[1].ends_at, base + 5 * kHour);
}

TEST_F (StoreTest, OneOfFiftyParallelCreatorsWins)
{
  constexpr int creators = 50;
  std::atomic<int> made{0}, refused{0}, other{0}, open{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < creators; ++i)
    threads.emplace_back ([&] {
      try {
        auto mine = Store::open (database);
        // To open takes long, one after the other: they book together.
        for (++open; open < creators;)
          std::this_thread::yield ();
        mine->add_booking (booking ("p", 0, kHour));
        ++made;
      } catch (const StoreError &e) {
        e.kind == StoreError::Conflict ? ++refused : ++other;
        open = creators; // nobody waits for one that cannot open
      }
    });
  for (auto &t : threads)
    t.join ();
  EXPECT_EQ (made, 1);
  EXPECT_EQ (refused, 49);
  EXPECT_EQ (other, 0);
}

TEST_F (StoreTest, MovesCancelsAndLists)
{
  auto b = booking ("m", 0, kHour);
  b.id = store->add_booking (b);
  auto next = booking ("m", kHour, 2 * kHour);
  next.id = store->add_booking (next);
  b.window.ends_at += 1;
  EXPECT_EQ (error ([&] { store->update_booking (b); }), StoreError::Conflict);
  b.window = {base - kHour, base};
  store->update_booking (b);
  EXPECT_EQ (store->booking (b.id)->window.ends_at, base);
  EXPECT_EQ (store->open_bookings (b.user_id, base).size (), 1u);
  EXPECT_EQ (store->open_bookings (b.user_id, base - 1).size (), 2u);
  EXPECT_TRUE (store->open_bookings (b.user_id + " ", base - 1).empty ());
  std::int64_t revision = store->revision ();
  auto other = Store::open (database);
  std::int64_t seen = store->others_revision ();
  std::int64_t seen_there = other->others_revision ();
  store->cancel_booking (next.id);
  EXPECT_GT (store->revision (), revision);
  EXPECT_EQ (store->others_revision (), seen);
  EXPECT_GT (other->others_revision (), seen_there);
  EXPECT_EQ (
      error ([&] { store->cancel_booking (next.id); }), StoreError::NotFound);
  EXPECT_EQ (store->bookings_of (b.user_id).size (), 2u);
  store->add_booking (booking ("m", kHour, 2 * kHour));
}

TEST_F (StoreTest, AccountsRobotsAndSecrets)
{
  User user;
  user.email = "a" + suffix + "@example.org";
  user.name = "O'Brien \"\\ \xc3\xa4\xf0\x9f\xa4\x96; DROP TABLE users";
  user.role = "viewer";
  user.password_hash = "$argon2id$";
  std::int64_t id = store->add_user (user);
  EXPECT_EQ (error ([&] { store->add_user (user); }), StoreError::Conflict);
  EXPECT_EQ (store->user_by_email (user.email)->name, user.name);
  EXPECT_EQ (store->user_by_id (std::to_string (id))->email, user.email);
  EXPECT_FALSE (store->user_by_id ("0x1"));
  EXPECT_FALSE (store->user_by_id ("99999999999999999999"));
  EXPECT_FALSE (store->user_by_email ("' OR 1=1 --"));

  RobotRecord robot;
  robot.id = "Robot" + suffix;
  robot.type = "pi";
  robot.token_id = "one";
  store->add_robot (robot);
  EXPECT_EQ (error ([&] { store->add_robot (robot); }), StoreError::Conflict);
  EXPECT_FALSE (store->robot ("robot" + suffix)) << "ids differ in case";
  store->set_robot_token (robot.id, "two", 5);
  EXPECT_EQ (store->robot (robot.id)->token_id, "two");
  EXPECT_EQ (error ([&] { store->set_robot_token ("no", "x", 5); }),
      StoreError::NotFound);

  std::string name = "s" + suffix;
  EXPECT_EQ (store->secret (name, [] { return "first"; }), "first");
  auto again = Store::open (database);
  EXPECT_EQ (again->secret (name, [] { return "second"; }), "first");
}

TEST_F (StoreTest, TheOldKeysRetireBesideTheNewOne)
{
  // Whatever other tests have left in a database that is shared.
  auto pems = [this] (TimeMs now) {
    std::vector<std::string> list;
    for (const auto &key : store->grant_keys ())
      if (key.retires_at > now)
        list.push_back (key.pem);
    return list;
  };
  auto half = [] (const std::string &pem) {
    return pem.substr (0, pem.find ('+'));
  };
  store->add_grant_key ("zero+private", base, base + 1, half);
  store->add_grant_key ("one+private", base + 10, base + 10, half);
  auto other = Store::open (database);
  EXPECT_EQ (other
                 ->first_grant_key (
                     [] { return "made though one was there"; }, base + 20)
                 .front ()
                 .pem,
      "one+private");
  EXPECT_EQ (store->grant_keys ().size (), 1u) << "what has retired is kept";
  EXPECT_EQ (store->grant_keys ()[0].created_at, base + 10);
  const auto before = other->others_revision ();
  store->add_grant_key ("two+private", base + 20, base + 5000, half);
  EXPECT_NE (other->others_revision (), before) << "nobody looks";
  EXPECT_EQ (
      pems (base + 20), (std::vector<std::string>{"two+private", "one"}));
  // A later overlap gives back no time to a key that was to go sooner.
  store->add_grant_key ("three+private", base + 30, base + 9000, half);
  EXPECT_EQ (pems (base + 30),
      (std::vector<std::string>{"three+private", "two", "one"}));
  EXPECT_EQ (
      pems (base + 5000), (std::vector<std::string>{"three+private", "two"}));
  EXPECT_EQ (pems (base + 9000), (std::vector<std::string>{"three+private"}));
}

TEST_F (StoreTest, ListsTheLatestBookingsOfAUser)
{
  for (int i = 0; i < 501; i++) {
    auto b = booking ("l", i * kHour, (i + 1) * kHour);
    b.user_id = "many-" + suffix;
    b.created_at = base + i;
    store->add_booking (b);
  }
  auto list = store->bookings_of ("many-" + suffix);
  ASSERT_EQ (list.size (), 500u);
  EXPECT_EQ (list.front ().window.starts_at, base + kHour);
  EXPECT_EQ (list.back ().window.starts_at, base + 500 * kHour);
  EXPECT_EQ (store->bookings_made ("many-" + suffix, base), 500u);
  store->cancel_booking (list.back ().id);
  EXPECT_EQ (store->bookings_made ("many-" + suffix, base), 500u);
  EXPECT_EQ (store->bookings_made ("many", base), 0u);
}

TEST_F (StoreTest, KeepsTheAuditLog)
{
  SessionEntry e;
  e.peer_id = "p" + suffix;
  e.viewer_id = "v";
  e.robot_id = "r";
  e.role = "viewer";
  e.address = "192.0.2.1";
  e.started_at = base;
  e.expires_at = base + kHour;
  store->write_session (e);
  store->request_end (e.peer_id);
  auto ends = store->requested_ends ();
  EXPECT_EQ (std::count (ends.begin (), ends.end (), e.peer_id), 1);
  e.ended_at = base + 1000;
  e.reason = "revoked";
  e.role = "admin"; // of a later offer
  store->write_session (e);
  EXPECT_EQ (
      error ([&] { store->request_end (e.peer_id); }), StoreError::NotFound);
  AuditQuery query{base, base + 1, 10};
  auto rows = store->audit (query);
  ASSERT_EQ (rows.size (), 1u);
  EXPECT_EQ (rows[0].reason, "revoked");
  EXPECT_EQ (rows[0].role, "admin");
  EXPECT_EQ (rows[0].ended_at, base + 1000);
  query.robot_id = "r";
  query.viewer_id = "v";
  EXPECT_EQ (store->audit (query).size (), 1u);
  query.viewer_id = "' OR ''='";
  EXPECT_TRUE (store->audit (query).empty ());
  EXPECT_TRUE (store->audit ({base + 1, base + 2, 10}).empty ());
}

// All that another process of the server goes on with.
TEST_F (StoreTest, KeepsWhatASessionIsTakenUpBy)
{
  SessionEntry e;
  e.peer_id = "t" + suffix;
  e.viewer_id = "v";
  e.robot_id = "r";
  e.role = "viewer";
  e.started_at = base;
  e.expires_at = base + kHour;
  auto kept = [&] () -> SessionEntry {
    for (const SessionEntry &row : store->running_sessions ())
      if (row.peer_id == e.peer_id)
        return row;
    return {};
  };
  for (int i = 0; i < 2; ++i) { // written, and written again
    const std::string n = std::to_string (i);
    e.robot_instance = std::string (127, 'i') + n;
    e.viewer_instance = "page" + n;
    e.robot_type = "pi" + n;
    e.offer_id = "offer" + n;
    e.ending = i == 0 ? "" : "revoked";
    e.granted_until = base + 2 * kHour + i;
    e.login_issued_at = base - i;
    e.login_expires_at = kNever - i;
    e.anonymous = i == 0;
    store->write_session (e);
    const SessionEntry row = kept ();
    EXPECT_EQ (row.robot_instance, e.robot_instance);
    EXPECT_EQ (row.viewer_instance, e.viewer_instance);
    EXPECT_EQ (row.robot_type, e.robot_type);
    EXPECT_EQ (row.offer_id, e.offer_id);
    EXPECT_EQ (row.ending, e.ending);
    EXPECT_EQ (row.granted_until, e.granted_until);
    EXPECT_EQ (row.login_issued_at, e.login_issued_at);
    EXPECT_EQ (row.login_expires_at, e.login_expires_at);
    EXPECT_EQ (row.anonymous, e.anonymous);
    EXPECT_EQ (row.ended_at, 0);
  }
  e.ending.clear ();
  e.ended_at = base + 1;
  store->write_session (e);
  EXPECT_TRUE (kept ().peer_id.empty ());
}

// A process that is killed while it writes: what it was told is written is
// there, and nothing is half there.
TEST_F (StoreTest, KillDuringWritesLosesNothing)
{
  for (int round = 0; round < 5; ++round) {
    int pipes[2];
    ASSERT_EQ (pipe (pipes), 0);
    store.reset (); // no connection is shared with the child
    pid_t child = fork ();
    if (child == 0) {
      auto mine = Store::open (database);
      for (int i = 0; i < 100000; ++i) {
        std::int64_t id = mine->add_booking (
            booking ("k" + std::to_string (round), i * kHour, (i + 1) * kHour));
        if (write (pipes[1], &id, sizeof id) != sizeof id)
          break;
      }
      _exit (0);
    }
    close (pipes[1]);
    std::vector<std::int64_t> ids;
    std::int64_t id;
    while (ids.size () < 10 && read (pipes[0], &id, sizeof id) == sizeof id)
      ids.push_back (id);
    kill (child, SIGKILL);
    while (read (pipes[0], &id, sizeof id) == sizeof id)
      ids.push_back (id);
    close (pipes[0]);
    waitpid (child, nullptr, 0);
    EXPECT_GE (ids.size (), 10u);
    store = Store::open (database);
    for (std::int64_t i : ids)
      EXPECT_TRUE (store->booking (i)) << i;
  }
}

TEST (StoreSqlite, WritesAheadAndIsCheckedWhenOpened)
{
  char pattern[] = "/tmp/robotlive-sqlite-XXXXXX";
  const std::string folder = mkdtemp (pattern);
  const std::string file = folder + "/s.db", url = "sqlite://" + file;
  BookingRecord b;
  b.user_id = std::string (100, 'u');
  b.robot_id = "r";
  auto store = Store::open (url);
  for (int i = 0; i < 500; ++i) {
    b.window = {i * kHour, (i + 1) * kHour};
    store->add_booking (b);
  }
  store.reset (); // all of it is in the one file now
  std::fstream bytes (file, std::ios::in | std::ios::out | std::ios::binary);
  char versions[2] = {};
  bytes.seekg (18).read (versions, 2); // of the file format: 2 is WAL
  EXPECT_EQ (versions[0], 2);
  EXPECT_EQ (versions[1], 2);
  // Pages of bookings, which nothing reads to open the database.
  const auto size = static_cast<long> (std::filesystem::file_size (file));
  const std::string damage (static_cast<std::size_t> (size / 4), '\xff');
  bytes.seekp (size / 2).write (
      damage.data (), static_cast<std::streamsize> (damage.size ()));
  bytes.close ();
  try {
    Store::open (url);
    ADD_FAILURE () << "opened";
  } catch (const StoreError &e) {
    EXPECT_EQ (e.kind, StoreError::Unavailable);
  }
  std::filesystem::remove_all (folder);
}

TEST (StoreUrl, RefusesWhatIsNoDatabase)
{
  for (const char *url : {"", "sqlite", "sqlite:relative", "sqlite://",
           "http://x", "sqlite:////proc/nothing/s.db", "oracle://x/y"})
    EXPECT_THROW (Store::open (url), StoreError) << url;
  try {
    Store::open ("postgresql://user:s3cret@127.0.0.1:1/db");
    FAIL ();
  } catch (const StoreError &e) {
    EXPECT_EQ (e.kind, StoreError::Unavailable);
    EXPECT_EQ (std::string (e.what ()).find ("s3cret"), std::string::npos);
  }
}

// Both changes of the clocks, on both sides of the Atlantic.
TEST (Zone, BookingsAcrossTheChangesOfTheClocks)
{
  auto berlin = *Zone::find ("Europe/Berlin");
  auto york = *Zone::find ("America/New_York");
  // Whose clocks skip a midnight, and where they change by half an hour.
  auto santiago = *Zone::find ("America/Santiago");
  auto howe = *Zone::find ("Australia/Lord_Howe");
  struct
  {
    const Zone *zone;
    const char *date, *start, *end;
    double hours;
  } const rows[] = {
      {&berlin, "2026-03-29", "01:00", "04:00", 2},
      {&berlin, "2026-10-25", "01:00", "04:00", 4},
      {&berlin, "2026-10-25", "00:00", "24:00", 25},
      {&york, "2026-03-08", "01:00", "04:00", 2},
      {&york, "2026-11-01", "00:30", "03:00", 3.5},
      {&york, "2026-07-01", "01:00", "04:00", 3},
      {&santiago, "2024-09-07", "23:00", "24:00", 1},
      {&santiago, "2024-09-08", "22:00", "24:00", 2},
      {&howe, "2024-04-07", "01:00", "02:30", 2},
  };
  for (const auto &row : rows) {
    auto start = row.zone->parse (row.date, row.start);
    auto end = row.zone->parse (row.date, row.end);
    ASSERT_TRUE (start && end) << row.date;
    EXPECT_EQ (*end - *start, static_cast<TimeMs> (row.hours * kHour))
        << row.date << row.start;
    EXPECT_EQ (row.zone->date (*start), row.date);
    EXPECT_EQ (row.zone->time (*start), row.start);
  }
  EXPECT_FALSE (berlin.parse ("2026-03-29", "02:30")) << "skipped";
  EXPECT_FALSE (york.parse ("2026-03-08", "02:00")) << "skipped";
  // Of the repeated hour the first: still summer time.
  EXPECT_EQ (berlin.iso8601 (*berlin.parse ("2026-10-25", "02:30")),
      "2026-10-25T02:30:00+02:00");
  EXPECT_EQ (york.iso8601 (*york.parse ("2026-11-01", "01:30")),
      "2026-11-01T01:30:00-04:00");
  EXPECT_EQ (howe.iso8601 (*howe.parse ("2024-04-07", "01:45")),
      "2024-04-07T01:45:00+11:00");
  for (const char *bad : {"2026-02-30", "26-1-1", "2026-13-01", "", "x"})
    EXPECT_FALSE (berlin.parse (bad, "10:00")) << bad;
  for (const char *bad : {"25:00", "10:60", "1:00", "10:00:61", "", "-1:00"})
    EXPECT_FALSE (berlin.parse ("2026-01-01", bad)) << bad;
  EXPECT_FALSE (Zone::find ("Mars/Olympus"));
  EXPECT_EQ (*parse_duration ("1h30m"), 90 * 60000);
  for (const char *bad : {"", "m", "-1m", "1x", "0", "99999d", "1m2"})
    EXPECT_FALSE (parse_duration (bad)) << bad;
}

} // namespace
