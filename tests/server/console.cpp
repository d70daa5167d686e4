// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A console as the source of bookings: one that answers, is slow, fails, says
// nonsense, is gone and comes back. The console is a libsoup server in here.
#include "protocol/json.hpp"
#include "server/app/config.hpp"
#include "server/console/consolebackend.hpp"
#include <atomic>
#include <condition_variable>
#include <gtest/gtest.h>
#include <libsoup/soup.h>
#include <mutex>
#include <thread>

using namespace robotlive;
using namespace robotlive::server;

namespace {

constexpr TimeMs kHour = 3600 * 1000;

enum class Mood
{
  Good,
  Slow,   // never answers
  Drips,  // sends a byte now and then, and never ends
  Error,  // 500
  Denies, // 401
  Moved,  // 302 to another host
  Nonsense,
  Huge
};

class FakeConsole
{
public:
  explicit FakeConsole (guint wanted_port = 0)
  {
    std::mutex mutex;
    std::condition_variable ready;
    std::unique_lock<std::mutex> lock (mutex);
    thread_ = std::thread ([this, wanted_port, &mutex, &ready] {
      g_main_context_push_thread_default (context_);
      SoupServer *server = soup_server_new (nullptr, nullptr);
      GError *error = nullptr;
      EXPECT_TRUE (soup_server_listen_local (
          server, wanted_port, SOUP_SERVER_LISTEN_IPV4_ONLY, &error))
          << error->message;
      soup_server_add_handler (server, nullptr, on_request, this, nullptr);
      GSList *uris = soup_server_get_uris (server);
      {
        std::lock_guard<std::mutex> guard (mutex);
        port = g_uri_get_port (static_cast<GUri *> (uris->data));
        ready.notify_one ();
      }
      g_slist_free_full (uris, reinterpret_cast<GDestroyNotify> (g_uri_unref));
      g_main_loop_run (loop_);
      soup_server_disconnect (server);
      g_object_unref (server);
      while (g_main_context_iteration (context_, FALSE)) {
      }
      g_main_context_pop_thread_default (context_);
    });
    ready.wait (lock, [this] { return port > 0; });
  }
  ~FakeConsole ()
  {
    g_main_context_invoke (
        context_,
        [] (gpointer loop) -> gboolean {
          g_main_loop_quit (static_cast<GMainLoop *> (loop));
          return G_SOURCE_REMOVE;
        },
        loop_);
    thread_.join ();
    g_main_loop_unref (loop_);
    g_main_context_unref (context_);
  }

  std::string url () const
  {
    return "http://127.0.0.1:" + std::to_string (port) + "/base";
  }

  std::atomic<Mood> mood{Mood::Good};
  std::atomic<int> requests{0};
  std::atomic<int> port{0};

private:
  static void on_request (SoupServer *, SoupServerMessage *message,
      const char *path, GHashTable *, gpointer data)
  {
    auto *self = static_cast<FakeConsole *> (data);
    ++self->requests;
    EXPECT_STREQ (path, "/base/my-bookings");
    const char *authorization = soup_message_headers_get_one (
        soup_server_message_get_request_headers (message), "Authorization");
    EXPECT_EQ (
        std::string (authorization ? authorization : "").find ("Bearer token-"),
        0u);
    auto reply = [message] (guint status, const std::string &body) {
      soup_server_message_set_status (message, status, nullptr);
      soup_server_message_set_response (message, "application/json",
          SOUP_MEMORY_COPY, body.data (), body.size ());
    };
    switch (self->mood) {
      case Mood::Good: {
        TimeMs now = wall_now ();
        JsonWriter w;
        w.array ().object ().field ("id", 5).field ("user_id", 7);
        w.field ("robot_type", "pi").field ("status", "active");
        w.field ("starts_at", now - kHour).field ("ends_at", now + kHour);
        return reply (200, w.end ().end ().take ());
      }
      case Mood::Slow:
        soup_server_message_pause (message);
        return;
      case Mood::Drips:
        soup_server_message_set_status (message, 200, nullptr);
        soup_message_headers_set_encoding (
            soup_server_message_get_response_headers (message),
            SOUP_ENCODING_CHUNKED);
        soup_message_body_append (
            soup_server_message_get_response_body (message), SOUP_MEMORY_STATIC,
            "[", 1);
        return; // and never complete ()
      case Mood::Error:
        return reply (500, "{}");
      case Mood::Denies:
        return reply (401, "{}");
      case Mood::Moved:
        soup_server_message_set_redirect (
            message, 302, "http://127.0.0.1:9/elsewhere");
        return;
      case Mood::Nonsense:
        return reply (200, "{\"bookings\": 3");
      case Mood::Huge:
        return reply (200, "[" + std::string (2 * 1024 * 1024, ' ') + "]");
    }
  }

  GMainContext *context_ = g_main_context_new ();
  GMainLoop *loop_ = g_main_loop_new (context_, FALSE);
  std::thread thread_;
};

// The backend with the I/O thread played by the test.
struct World
{
  explicit World (const std::string &url, TimeMs timeout = 20000)
  {
    options.url = url;
    options.timeout_ms = timeout;
    options.pause_ms = 100;
    options.max_pause_ms = 200;
    restart ();
    me.subject = "7";
    me.role = "viewer";
    me.expires_at = wall_now () + kHour;
  }
  ~World () { backend.reset (); }

  void restart ()
  {
    backend = std::make_unique<ConsoleBackend> (
        options, *zone,
        [this] (std::function<void ()> fn) {
          std::lock_guard<std::mutex> lock (mutex);
          posted.push_back (std::move (fn));
          changed.notify_one ();
        },
        log);
  }
  // What was posted, in order, until *condition*; false after a minute.
  bool run (const std::function<bool ()> &condition)
  {
    auto end = std::chrono::steady_clock::now () + std::chrono::minutes (1);
    while (!condition ()) {
      std::function<void ()> next;
      {
        std::unique_lock<std::mutex> lock (mutex);
        if (!changed.wait_until (lock, end, [&] { return !posted.empty (); }))
          return false;
        next = std::move (posted.front ());
        posted.pop_front ();
      }
      next ();
    }
    return true;
  }
  ViewerAnswer ask ()
  {
    std::optional<ViewerAnswer> got;
    backend->find_viewer (
        me, "token-7", "robot_1", [&got] (const ViewerAnswer &answer, TimeMs) {
          EXPECT_FALSE (got) << "answered twice";
          got = answer;
        });
    EXPECT_TRUE (run ([&] { return got.has_value (); }));
    return got.value_or (ViewerAnswer ());
  }
  bool may_watch (const ViewerAnswer &answer)
  {
    return answer.available && answer.allowed &&
           open_window (answer.bookings, "robot_1", "pi", wall_now ());
  }

  ConsoleOptions options;
  std::optional<Zone> zone = Zone::find ("Europe/Berlin");
  std::vector<std::string> lines;
  Log log{LogLevel::Debug,
      [this] (const std::string &line) { lines.push_back (line); }};
  Identity me;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void ()>> posted;
  std::unique_ptr<ConsoleBackend> backend;
};

TEST (Console, IsAskedWithTheViewersTokenAndRemembered)
{
  FakeConsole console;
  World w (console.url ());
  EXPECT_TRUE (w.may_watch (w.ask ()));
  EXPECT_TRUE (w.may_watch (w.ask ()));
  EXPECT_EQ (console.requests, 1);
  EXPECT_TRUE (w.backend->healthy ());
  // Robots come with tokens of the same issuer.
  bool valid = false;
  w.backend->find_robot (w.me, [&valid] (const RobotAnswer &robot, TimeMs) {
    valid = robot.available && robot.token_valid && !robot.known;
  });
  EXPECT_TRUE (valid);
}

TEST (Console, TwoWhoAskAtOnceAreOneRequest)
{
  FakeConsole console;
  World w (console.url ());
  int answers = 0;
  for (int i = 0; i < 5; ++i)
    w.backend->find_viewer (
        w.me, "token-7", "", [&] (const ViewerAnswer &answer, TimeMs) {
          answers += w.may_watch (answer);
        });
  EXPECT_TRUE (w.run ([&] { return answers == 5; }));
  EXPECT_EQ (console.requests, 1);
}

TEST (Console, ThatAnswersBadlyLetsNobodyIn)
{
  for (Mood mood : {Mood::Slow, Mood::Drips, Mood::Error, Mood::Moved,
           Mood::Nonsense, Mood::Huge}) {
    SCOPED_TRACE (static_cast<int> (mood));
    FakeConsole console;
    console.mood = mood;
    bool silent = mood == Mood::Slow || mood == Mood::Drips;
    World w (console.url (), silent ? 300 : 20000);
    EXPECT_FALSE (w.ask ().available);
    EXPECT_FALSE (w.backend->healthy ());
    ASSERT_EQ (w.lines.size (), 1u);
    EXPECT_EQ (w.lines[0].find ("level=warning event=console-down"), 0u);
    EXPECT_EQ (w.lines[0].find ("token-7"), std::string::npos);
  }
}

TEST (Console, ARefusedTokenIsAnAnswer)
{
  FakeConsole console;
  console.mood = Mood::Denies;
  World w (console.url ());
  ViewerAnswer answer = w.ask ();
  EXPECT_TRUE (answer.available);
  EXPECT_FALSE (answer.allowed);
  EXPECT_TRUE (w.backend->healthy ());
  // Close to its end it may be the clocks: nothing is cut for that.
  w.restart ();
  w.me.expires_at = wall_now () + 30000;
  answer = w.ask ();
  EXPECT_FALSE (answer.available);
  EXPECT_TRUE (answer.allowed);
  // One whose time is over is not even shown to the console.
  int before = console.requests;
  w.me.expires_at = wall_now () - 1;
  EXPECT_FALSE (w.ask ().available);
  EXPECT_EQ (console.requests, before);
}

TEST (Console, DownThenUpAgain)
{
  auto console = std::make_unique<FakeConsole> ();
  guint port = static_cast<guint> (console->port);
  World w (console->url ());
  w.options.cache_ms = 1;
  w.restart ();
  EXPECT_TRUE (w.may_watch (w.ask ()));
  console.reset ();
  g_usleep (2000); // the cached answer's time
  for (unsigned i = 0; i < w.options.max_failures; ++i)
    EXPECT_FALSE (w.ask ().available);
  EXPECT_FALSE (w.backend->healthy ());
  FakeConsole again (port);
  ViewerAnswer answer = w.ask ();
  for (int i = 0; i < 6000 && !answer.available; ++i) {
    g_usleep (10000); // its pause passes, then one may try
    answer = w.ask ();
  }
  EXPECT_TRUE (w.may_watch (answer));
  EXPECT_TRUE (w.backend->healthy ());
  EXPECT_EQ (w.lines.back (), "level=info event=console-up");
}

TEST (Console, ForgetsWhatItSaidWhenItFails)
{
  FakeConsole console;
  World w (console.url ());
  EXPECT_TRUE (w.may_watch (w.ask ()));
  console.mood = Mood::Error;
  bool done = false;
  w.backend->find_viewer (w.me, "token-8", "",
      [&done] (const ViewerAnswer &, TimeMs) { done = true; });
  EXPECT_TRUE (w.run ([&] { return done; }));
  EXPECT_FALSE (w.may_watch (w.ask ()));
}

TEST (Console, EndsWhileItIsAsked)
{
  FakeConsole console;
  console.mood = Mood::Slow;
  World w (console.url ());
  bool called = false;
  w.backend->find_viewer (w.me, "token-7", "",
      [&called] (const ViewerAnswer &, TimeMs) { called = true; });
  w.backend.reset (); // does not wait for the answer
  std::deque<std::function<void ()>> late = std::move (w.posted);
  for (auto &fn : late)
    fn ();
  EXPECT_FALSE (called);
}

TEST (Console, TheBreakerLetsOneTry)
{
  ConsoleOptions options;
  options.max_failures = 3;
  options.pause_ms = 1000;
  options.max_pause_ms = 3000;
  CircuitBreaker b (options);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE (b.may_ask (0));
    b.failed (0);
  }
  b.failed (0); // was under way: nothing new
  EXPECT_FALSE (b.may_ask (999));
  EXPECT_TRUE (b.may_ask (1000));
  EXPECT_FALSE (b.may_ask (1000)); // one
  b.failed (1000);
  EXPECT_FALSE (b.may_ask (2999));
  EXPECT_TRUE (b.may_ask (3000));
  b.failed (3000); // 3 s at most
  EXPECT_TRUE (b.may_ask (6000));
  b.succeeded ();
  EXPECT_TRUE (b.healthy ());
  EXPECT_TRUE (b.may_ask (6000));
  EXPECT_TRUE (b.may_ask (6000));
}

TEST (Console, ReadsBookingsAsTheConsoleWritesThem)
{
  auto zone = Zone::find ("Europe/Berlin");
  std::vector<Booking> list;
  // 2026-01-15 14:00 in Berlin is 13:00 UTC.
  EXPECT_TRUE (parse_console_bookings (R"([
    {"id":1,"user_id":7,"robot_type":"pi","date":"2026-01-15",
     "start_time":"14:00","end_time":"14:30:00","status":"active"},
    {"id":2,"user_id":8,"robot_type":"pi","date":"2026-01-15",
     "start_time":"14:00","end_time":"14:30","status":"active"},
    {"id":3,"user_id":7,"robot_type":"pi","date":"2026-01-15",
     "start_time":"14:00","end_time":"14:30","status":"cancelled"},
    {"id":4,"user_id":7,"robot_type":"pi","date":"soon"},
    {"id":5,"user_id":7,"robot_type":"","date":"2026-01-15",
     "start_time":"14:00","end_time":"14:30","status":"active"},
    {"id":6,"user_id":7,"robot_id":"r1","robot_type":null,
     "starts_at":20,"ends_at":10},
    {"id":7,"robot_id":"r1","robot_type":"pi","starts_at":10,"ends_at":20}
  ])",
      "7", *zone, &list));
  ASSERT_EQ (list.size (), 2u);
  EXPECT_EQ (list[0].id, 1);
  EXPECT_EQ (list[0].window.starts_at, 1768482000000);
  EXPECT_EQ (list[0].window.ends_at, 1768482000000 + 30 * 60 * 1000);
  EXPECT_EQ (list[1].robot_id, "r1");
  for (const char *bad : {"", "{}", "[1]", "[{}", "null", "[\"\xff\"]"})
    EXPECT_FALSE (parse_console_bookings (bad, "7", *zone, &list)) << bad;
}

// Absent may stand for "mine", "active" or "every robot of the type"; what
// cannot be read stands for nothing.
TEST (Console, WhatCannotBeReadOpensNothing)
{
  auto zone = Zone::find ("UTC");
  auto opens = [&zone] (const std::string &members) {
    std::vector<Booking> list;
    EXPECT_TRUE (
        parse_console_bookings ("[{" + members + "}]", "5", *zone, &list))
        << members;
    return list.size () == 1;
  };
  const std::map<std::string, std::string> good = {{"id", "1"},
      {"user_id", "5"}, {"status", "\"active\""}, {"robot_id", "\"r1\""},
      {"robot_type", "\"pi\""}, {"starts_at", "10"}, {"ends_at", "20"}};
  const std::map<std::string, std::string> clock = {{"robot_type", "\"pi\""},
      {"date", "\"2026-01-15\""}, {"start_time", "\"14:00\""},
      {"end_time", "\"15:00\""}};
  auto with = [&opens] (std::map<std::string, std::string> members,
                  const std::string &name, const std::string &value) {
    members[name] = value;
    if (value.empty ())
      members.erase (name);
    std::string text;
    for (const auto &[key, member] : members)
      text += (text.empty () ? "\"" : ",\"") + key + "\":" + member;
    return opens (text);
  };
  EXPECT_TRUE (with (good, "id", "1"));
  EXPECT_TRUE (with (clock, "date", "\"2026-01-15\""));
  // Absent, and text where a number is usual.
  for (const char *name : {"id", "user_id", "status", "robot_id", "robot_type"})
    for (const char *value : {"", "null"})
      EXPECT_TRUE (with (good, name, value)) << name << value;
  EXPECT_TRUE (with (good, "user_id", "\"5\""));
  EXPECT_TRUE (with (good, "id", "\"b-1\""));
  EXPECT_TRUE (with (good, "robot_id", "17"));
  EXPECT_TRUE (with (good, "robot_type", "\"\"")); // of a robot without type
  EXPECT_TRUE (with (good, "status", "\"confirmed\""));
  // Another type, too large a number, nested, said twice.
  const char *const nonsense[] = {"5.0", "7.5", "true", "false", "{}", "[]",
      "{\"id\":5}", "[5]", "[[\"active\"]]", "{\"id\":{\"id\":5}}",
      "18446744073709551615", "1e300", "\"\\u0000\"", "\"\\u0007\"", "\" 5\""};
  for (const char *name : {"id", "user_id", "status", "robot_id", "robot_type",
           "starts_at", "ends_at"})
    for (const char *value : nonsense) {
      bool any_text = std::string (name) == "id" && value[0] == '"';
      EXPECT_EQ (with (good, name, value), any_text) << name << value;
    }
  for (const char *name : {"user_id", "status", "robot_id"})
    EXPECT_FALSE (with (good, name, "\"\"")) << name;
  for (const char *name : {"date", "start_time", "end_time"})
    for (const char *value : nonsense)
      EXPECT_FALSE (with (clock, name, value)) << name << value;
  // Half a window is none, whatever else the entry says.
  EXPECT_FALSE (with (clock, "starts_at", "10"));
  EXPECT_FALSE (with (clock, "ends_at", "{}"));
  EXPECT_FALSE (with (good, "starts_at", "-1"));
  EXPECT_FALSE (with (good, "ends_at", "9223372036854775807"));
  for (const auto &[name, value] : good)
    EXPECT_FALSE (
        opens ("\"starts_at\":10,\"ends_at\":20,\"robot_type\":\"pi\",\"" +
               name + "\":" + value + ",\"" + name + "\":" + value))
        << name;
}

TEST (Console, TokensTravelOverTlsOrNotAtAll)
{
  EXPECT_EQ (console_url ("console+https://c.example:8443/api/").value (),
      "https://c.example:8443/api");
  EXPECT_EQ (
      console_url ("console+http://[::1]:80").value (), "http://[::1]:80");
  EXPECT_TRUE (console_url ("console+http://localhost:1"));
  EXPECT_FALSE (console_url ("sqlite:///tmp/x"));
  for (const char *bad :
      {"console+http://c.example", "console+http://127.0.0.1.example/",
          "console+ftp://localhost", "console+https://", "console+",
          "console+https://user:secret@c.example", "console+https://c/?x=1"})
    EXPECT_THROW (console_url (bad), ConfigError) << bad;
}

} // namespace
