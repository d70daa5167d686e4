// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Security events (auditevents.hpp), what is kept of a person and for how long,
// on the same databases as store.cpp.
#include "server/app/times.hpp"
#include "server/store/auditevents.hpp"
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <gtest/gtest.h>
#include <mutex>
#include <unistd.h>

using namespace robotlive;
using namespace robotlive::server;

namespace {

class Events : public testing::Test
{
protected:
  Events ()
  {
    const char *given = std::getenv ("ROBOTLIVE_TEST_DATABASE");
    char pattern[] = "/tmp/robotlive-events-XXXXXX";
    folder_ = mkdtemp (pattern);
    url = given && *given ? given : "sqlite://" + folder_ + "/s.db";
    store = Store::open (url);
    static int test = 0;
    suffix = "-" + std::to_string (getpid ()) + "-" + std::to_string (++test);
  }
  ~Events () override
  {
    store.reset ();
    std::filesystem::remove_all (folder_);
  }

  AuditEvent event (const std::string &kind, const std::string &actor,
      const std::string &what, const std::string &target, TimeMs at = 1000)
  {
    AuditEvent e;
    e.at = at;
    e.kind = kind;
    e.actor = actor.empty () ? "" : actor + suffix;
    e.what = what;
    e.target = target.empty () ? "" : target + suffix;
    e.address = "192.0.2.1";
    e.via = "http";
    return e;
  }
  std::vector<AuditEvent> of (const std::string &person)
  {
    EventQuery query;
    query.person = person + suffix;
    return store->events (query);
  }

  std::string url, suffix;
  std::unique_ptr<Store> store;

private:
  std::string folder_;
};

TEST_F (Events, AreKeptAndFound)
{
  std::int64_t revision = store->revision ();
  store->write_events ({event ("admin-action", "a", "user-added", "b", 1000),
      event ("token", "a", "robot", "r", 2000),
      event ("denied", "c", "GET /users", "", 3000)});
  store->write_events ({});
  EXPECT_EQ (store->revision (), revision) << "nothing to look at anew";
  auto list = of ("a");
  ASSERT_EQ (list.size (), 2u);
  EXPECT_EQ (list[0].kind, "token") << "newest first";
  EXPECT_EQ (list[0].target, "r" + suffix);
  EXPECT_EQ (list[1].what, "user-added");
  EXPECT_EQ (list[1].address, "192.0.2.1");
  EXPECT_EQ (list[1].count, 1);
  EXPECT_LT (list[1].id, list[0].id);
  EXPECT_EQ (of ("b").size (), 1u) << "whom it was done to";
  EventQuery query;
  query.person = "a" + suffix;
  query.kind = "token";
  EXPECT_EQ (store->events (query).size (), 1u);
  query.kind = "";
  query.to = 2000;
  EXPECT_EQ (store->events (query).size (), 1u);
  query.to = kNever;
  query.limit = 1;
  EXPECT_EQ (store->events (query).size (), 1u);
  query.person = "";
  query.target = "b" + suffix;
  EXPECT_EQ (store->events (query).size (), 1u);
}

// No database refuses it, and it makes no second line or cell.
TEST_F (Events, WhatStrangersTypeIsHarmless)
{
  AuditEvent e = event ("denied", "x", "GET /a", "");
  e.target = std::string ("\0\n\x1b[2J\xff\xfe", 8) + "\u202e\U0001f600" +
             std::string (500, 'y');
  e.code = std::string (500, '\x80');
  e.what = std::string (500, 'w');
  e.kind = e.via = e.address = std::string (500, 'k');
  store->write_events ({e});
  auto list = of ("x");
  ASSERT_EQ (list.size (), 1u);
  EXPECT_EQ (list[0].target.substr (0, 16), "\\x00\\x0a\\x1b[2J\\")
      << list[0].target;
  EXPECT_EQ (list[0].target.size (), 128u);
  EXPECT_LE (list[0].code.size (), 32u);
  for (const std::string &text : {list[0].target, list[0].code})
    for (unsigned char c : text)
      EXPECT_TRUE (c >= 0x20 && c < 0x7f);
}

TEST_F (Events, GoWhenTheirTimeIsOver)
{
  store->write_events ({event ("denied", "a", "old", "", 10000),
      event ("denied", "a", "new", "", 50000)});
  Retention retention;
  retention.addresses = 30000;
  EXPECT_TRUE (retention.any ());
  store->forget_old (retention, 60000);
  ASSERT_EQ (of ("a").size (), 2u);
  EXPECT_EQ (of ("a")[1].address, "");
  EXPECT_EQ (of ("a")[0].address, "192.0.2.1");
  retention.events = 30000;
  store->forget_old (retention, 60000);
  ASSERT_EQ (of ("a").size (), 1u);
  EXPECT_EQ (of ("a")[0].what, "new");
}

TEST_F (Events, OfAPersonAreExportedAndErased)
{
  User user;
  user.email = "a" + suffix + "@example.org";
  user.name = "Ann";
  user.role = "viewer";
  user.password_hash = "the hash";
  std::string id = std::to_string (store->add_user (user));
  BookingRecord b;
  b.user_id = id;
  b.robot_id = "r" + suffix;
  b.window = {1000, 2000};
  store->add_booking (b);
  SessionEntry s;
  s.peer_id = "p" + suffix;
  s.viewer_id = id;
  s.robot_id = b.robot_id;
  s.address = "192.0.2.7";
  s.started_at = 1000;
  store->write_session (s);
  store->add_token (
      {"t" + suffix, id, "viewer", wall_now (), wall_now () + 1000000, 0, 0});
  store->add_password_link ("hash of a link" + suffix, id, 5000);
  AuditEvent own = event ("login", "", "ok", "");
  own.actor = own.target = id;
  own.address = "192.0.2.8";
  AuditEvent others = event ("admin-action", "boss", "user-renamed", "");
  others.target = id;
  others.address = "192.0.2.9";
  store->write_events ({own, others});

  std::string text = store->export_user (id);
  for (const std::string &part :
      {user.email, std::string ("Ann"), b.robot_id, s.peer_id,
          std::string ("192.0.2.7"), "t" + suffix, std::string ("192.0.2.8"),
          std::string ("user-renamed"), "boss" + suffix,
          std::string ("\"password_links\":[{\"expires_at\":5000}]")})
    EXPECT_NE (text.find (part), text.npos) << part << " in " << text;
  for (const char *part : {"the hash", "hash of a link", "192.0.2.9"})
    EXPECT_EQ (text.find (part), text.npos) << part;
  EXPECT_THROW (store->export_user ("0"), StoreError);

  store->remove_user (id, wall_now (), false, true);
  EXPECT_THROW (store->export_user (id), StoreError);
  EventQuery query;
  query.person = id;
  auto list = store->events (query);
  ASSERT_EQ (list.size (), 2u) << "a pseudonym stays";
  for (const AuditEvent &e : list)
    EXPECT_TRUE (e.actor != id || e.address.empty ());
}

// A thread for the I/O thread's part of it.
struct Loop
{
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void ()>> queue;

  void post (std::function<void ()> fn)
  {
    std::lock_guard<std::mutex> lock (mutex);
    queue.push_back (std::move (fn));
    wake.notify_one ();
  }
  // False after 30 s.
  bool run_one ()
  {
    std::function<void ()> fn;
    {
      std::unique_lock<std::mutex> lock (mutex);
      if (!wake.wait_for (lock, std::chrono::seconds (30),
              [this] { return !queue.empty (); }))
        return false;
      fn = std::move (queue.front ());
      queue.pop_front ();
    }
    fn ();
    return true;
  }
};

TEST_F (Events, OfStrangersAreSummedUp)
{
  std::vector<std::string> lines;
  Log log (LogLevel::Info,
      [&] (const std::string &line) { lines.push_back (line); });
  Loop loop;
  auto backend = std::make_unique<StoreBackend> (
      Store::open (url),
      [&] (std::function<void ()> fn) { loop.post (std::move (fn)); }, log);
  AuditEvents events (*backend, log);
  // One who knocks a thousand times, one with as many addresses, and somebody
  // with a token beside them.
  AuditEvent knock = event ("denied", "", "GET /users", "knock", 0);
  knock.code = "unauthorized";
  for (int i = 0; i < 1000; ++i) {
    knock.address = "192.0.2.1";
    events.sum (knock);
    knock.address = "2001:db8::" + std::to_string (i);
    events.sum (knock);
  }
  AuditEvent known = event ("denied", "k", "GET /users", "knock", 0);
  known.code = "forbidden";
  events.sum (known);
  events.note (event ("admin-action", "boss", "user-added", "knock", 0));
  events.flush ();
  // The store's queue is in order: what is asked last is answered last.
  bool done = false;
  backend->ask_for<bool> (
      "\naudit", [] (Store &) { return true; },
      [&] (bool, const StoreError *) { done = true; });
  while (!done)
    ASSERT_TRUE (loop.run_one ());
  events.tick (); // what waited for the bunch before
  done = false;
  backend->ask_for<bool> (
      "\naudit", [] (Store &) { return true; },
      [&] (bool, const StoreError *) { done = true; });
  while (!done)
    ASSERT_TRUE (loop.run_one ());
  EventQuery query;
  query.target = "knock" + suffix;
  auto list = store->events (query);
  std::int64_t sum = 0, once = 0, boss = 0;
  for (const AuditEvent &e : list) {
    EXPECT_GT (e.at, 0);
    sum += e.actor.empty () ? e.count : 0;
    once += e.actor == "k" + suffix ? e.count : 0;
    boss += e.actor == "boss" + suffix ? e.count : 0;
  }
  EXPECT_EQ (once, 1);
  EXPECT_EQ (boss, 1);
  EXPECT_EQ (sum, 1000 + 63) << "those that were told apart";
  EXPECT_LT (list.size (), 70u);
  EXPECT_LT (lines.size (), 70u);
  EXPECT_EQ (events.lost (), 0u);
  EXPECT_EQ (lines[0].rfind ("level=warning event=denied what=\"GET /users\" "
                             "target=knock",
                 0),
      0u)
      << lines[0];
  backend.reset ();
}

} // namespace
