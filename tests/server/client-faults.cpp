// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Socket.IO client against servers that are absent, wrong or hostile.
#include "client-fixture.hpp"
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <glib/gstdio.h>
#include <mutex>

using namespace robotlive;

namespace {

// For servers that never answer.
SocketIoClientOptions
hasty_options (const std::string &url)
{
  SocketIoClientOptions options = options_for (url);
  options.connect_timeout = 1000;
  options.register_timeout = 1000;
  return options;
}

// Runs a client until its first error.
Error
first_error (const SocketIoClientOptions &options)
{
  Listener listener;
  const auto client = make_socketio_client (options);
  client->start (&listener);
  EXPECT_TRUE (wait_for ([&] { return !listener.errors.empty (); }));
  client->stop ();
  if (listener.errors.empty ())
    return {};
  const Error error = listener.errors[0];
  EXPECT_EQ (error.message.find ("secret"), std::string::npos) << error.message;
  EXPECT_EQ (error.message.back (), '.') << error.message;
  return error;
}

} // namespace

TEST (ClientFaults, ConfigurationThatCannotWorkIsFatal)
{
  for (const char *url : {"", "robots", "ftp://host", "ws://", "ws://:8080",
           "ws://u:p@host", "ws://host:99999", "ws://host:0", "http:///x"}) {
    const Error error = first_error (options_for (url));
    EXPECT_EQ (error.code, "bad-configuration") << url;
    EXPECT_TRUE (error.fatal) << url;
  }
  SocketIoClientOptions options = options_for ("ws://127.0.0.1:1");
  options.robot_id = "";
  EXPECT_EQ (first_error (options).code, "bad-configuration");
  options.robot_id = std::string (129, 'r');
  EXPECT_EQ (first_error (options).code, "bad-configuration");
  options = options_for ("wss://127.0.0.1:1");
  options.tls_ca_file = "/nonexistent/ca.pem";
  EXPECT_EQ (first_error (options).code, "bad-configuration");
}

// A token file on a disk that does not answer holds up nobody else, is said
// once, and is waited for.
TEST (ClientFaults, TokenThatDoesNotCome)
{
  struct Disk
  {
    std::mutex mutex;
    std::condition_variable changed;
    bool answers = false;
    int asked = 0;
    void answer ()
    {
      const std::lock_guard<std::mutex> lock (mutex);
      answers = true;
      changed.notify_all ();
    }
    int count ()
    {
      const std::lock_guard<std::mutex> lock (mutex);
      return asked;
    }
  };
  const auto disk = std::make_shared<Disk> ();
  Server server;
  SocketIoClientOptions options = options_for (server.url ());
  options.connect_timeout = 1000;
  options.token = [disk] (std::string *) {
    std::unique_lock<std::mutex> lock (disk->mutex);
    disk->asked++;
    disk->changed.wait (lock, [&] { return disk->answers; });
    return std::string (kSecret);
  };
  Listener listener, other;
  const auto client = make_socketio_client (options);
  client->start (&listener);
  ASSERT_TRUE (wait_for ([&] { return disk->count () > 0; }));
  // The same thread serves another one meanwhile.
  const auto second = make_socketio_client (options_for (server.url ()));
  second->start (&other);
  EXPECT_TRUE (wait_for ([&] { return other.registrations > 0; }));
  second->stop ();
  EXPECT_TRUE (wait_for ([&] { return listener.told ("timeout"); }));
  EXPECT_TRUE (listener.states.empty ());
  EXPECT_EQ (disk->count (), 1);
  // One that is stopped, and gone, hears of no file any more.
  {
    Listener stopped;
    const auto gone = make_socketio_client (options);
    gone->start (&stopped);
    ASSERT_TRUE (wait_for ([&] { return disk->count () > 1; }));
    gone->stop ();
  }
  disk->answer ();
  EXPECT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Connected); }));
  client->stop ();
}

TEST (ClientFaults, FatalStaysDown)
{
  Listener listener;
  const auto client = make_socketio_client (options_for ("ftp://host"));
  client->start (&listener);
  ASSERT_TRUE (wait_for ([&] { return !listener.errors.empty (); }));
  EXPECT_FALSE (wait_for ([&] { return listener.errors.size () > 1; }, 1));
  EXPECT_TRUE (listener.states.empty ());
}

TEST (ClientFaults, Refused)
{
  unsigned port = 0;
  {
    g_autoptr (GSocketListener) listener = g_socket_listener_new ();
    port = port_of (listener);
    g_socket_listener_close (listener);
  }
  Listener listener;
  SocketIoClientOptions options = options_for (local_url (port));
  const auto client = make_socketio_client (options);
  client->start (&listener);
  EXPECT_TRUE (wait_for ([&] {
    return listener.count (LinkState::Connecting) >= 3;
  })) << "does not try again";
  ASSERT_EQ (listener.errors.size (), 1u) << "told more than once";
  EXPECT_EQ (listener.errors[0].code, "connect-failed");
  EXPECT_FALSE (listener.errors[0].fatal);
}

TEST (ClientFaults, UnknownHost)
{
  EXPECT_EQ (first_error (options_for ("ws://robot.invalid:8080")).code,
      "unknown-host");
}

TEST (ClientFaults, HttpStatus)
{
  const std::pair<int, const char *> cases[] = {{404, "not-found"},
      {401, "unauthorized"}, {403, "unauthorized"}, {400, "bad-server"},
      {500, "bad-server"}, {200, "bad-server"}};
  for (const auto &[status, code] : cases) {
    const Server server (status);
    const Error error = first_error (options_for (server.url ()));
    EXPECT_EQ (error.code, code) << status << ": " << error.message;
    EXPECT_FALSE (error.fatal);
  }
}

TEST (ClientFaults, RedirectionIsNotFollowed)
{
  Server target;
  Server server (302);
  server.redirect = "http://127.0.0.1:" + std::to_string (target.port) +
                    "/socket.io/?EIO=4&transport=websocket";
  EXPECT_EQ (first_error (options_for (server.url ())).code, "bad-server");
  EXPECT_EQ (target.connections, 0) << "the token would go there";
}

TEST (ClientFaults, SilentServer)
{
  g_autoptr (GSocketListener) silent = g_socket_listener_new ();
  const unsigned port = port_of (silent);
  EXPECT_EQ (first_error (hasty_options (local_url (port))).code, "timeout");
  EXPECT_EQ (
      first_error (hasty_options (local_url (port, "wss"))).code, "timeout");
}

TEST (ClientFaults, TlsToAPlainPort)
{
  const Server server;
  const Error error =
      first_error (hasty_options (local_url (server.port, "wss")));
  EXPECT_TRUE (error.code == "tls-failed" || error.code == "timeout")
      << error.code;
}

TEST (ClientFaults, TlsNeedsACertificateThatIsTrusted)
{
  g_autofree char *dir = g_dir_make_tmp ("robotlive-tls-XXXXXX", nullptr);
  const std::string key = std::string (dir) + "/key.pem";
  const std::string own = std::string (dir) + "/own.pem";
  const std::string other = std::string (dir) + "/other.pem";
  for (const auto &[file, name] : {std::pair{own, "IP:127.0.0.1"},
           std::pair{other, "DNS:elsewhere.example"}}) {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-days 2 -subj /CN=robotlive -addext subjectAltName=" +
        std::string (name) + " -keyout " + key + "." + name + " -out " + file;
    int status = -1;
    ASSERT_TRUE (g_spawn_command_line_sync (
        command.c_str (), nullptr, nullptr, &status, nullptr));
    ASSERT_EQ (status, 0) << command;
  }
  const auto load = [&] (const std::string &file, const char *name) {
    GTlsCertificate *certificate = g_tls_certificate_new_from_files (
        file.c_str (), (key + "." + name).c_str (), nullptr);
    EXPECT_NE (certificate, nullptr);
    return certificate;
  };
  g_autoptr (GTlsCertificate) good = load (own, "IP:127.0.0.1");
  g_autoptr (GTlsCertificate) misnamed = load (other, "DNS:elsewhere.example");

  Server server (0, good);
  SocketIoClientOptions options = options_for (local_url (server.port, "wss"));
  EXPECT_EQ (first_error (options).code, "tls-failed") << "not trusted";
  options.tls_ca_file = other;
  EXPECT_EQ (first_error (options).code, "tls-failed") << "another authority";
  options.tls_ca_file = own;
  {
    Listener listener;
    const auto client = make_socketio_client (options);
    client->start (&listener);
    EXPECT_TRUE (
        wait_for ([&] { return listener.reached (LinkState::Registered); }));
    EXPECT_TRUE (listener.errors.empty ());
  }

  const Server elsewhere (0, misnamed);
  options = options_for (local_url (elsewhere.port, "wss"));
  options.tls_ca_file = other;
  EXPECT_EQ (first_error (options).code, "tls-failed") << "another name";

  for (const std::string &file : {own, other, key + ".IP:127.0.0.1",
           key + ".DNS:elsewhere.example", std::string (dir)})
    g_remove (file.c_str ());
}

TEST (ClientFaults, SilentAfterTheHandshake)
{
  Server server;
  server.greeting.clear ();
  EXPECT_EQ (first_error (hasty_options (server.url ())).code, "timeout");
  server.greeting = {kOpen};
  server.behave = false;
  EXPECT_EQ (first_error (hasty_options (server.url ())).code, "timeout");
  server.greeting = {kOpen, kConnected};
  EXPECT_EQ (first_error (hasty_options (server.url ())).code, "timeout");
}

TEST (ClientFaults, SilentPastItsHeartbeat)
{
  Server server;
  server.greeting = {
      R"(0{"sid":"s","upgrades":[],"pingInterval":200,"pingTimeout":300,)"
      R"("maxPayload":1000000})"};
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (wait_for ([&] { return listener.told ("link-lost"); }));
  EXPECT_TRUE (listener.reached (LinkState::Registered));
  EXPECT_NE (listener.errors[0].message.find ("silent"), std::string::npos);
  EXPECT_TRUE (wait_for ([&] {
    return listener.count (LinkState::Registered) >= 2;
  })) << "does not register again";
}

TEST (ClientFaults, AnswersPings)
{
  Server server;
  server.greeting = {kOpen, "2", "2probe"};
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (wait_for ([&] { return server.got ("3probe"); }));
  EXPECT_TRUE (server.got ("3"));
}

TEST (ClientFaults, PingsThatCarryTooMuchEndTheConnection)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  server.send ("2" + std::string (9000, 'x'));
  EXPECT_TRUE (wait_for ([&] { return listener.told ("bad-server"); }));
  EXPECT_FALSE (server.got ("3x"));
}

TEST (ClientFaults, Garbage)
{
  const std::vector<std::string> bad[] = {{"hello"}, {""}, {"9"}, {"0{}"},
      {"0"}, {"0[]"}, {"0{\"sid\":1}"}, {"40{}"}, {kOpen, kOpen}, {kOpen, "x"},
      {kOpen, "1"}, {kOpen, "4"}, {kOpen, "49"}, {kOpen, "42"}, {kOpen, "42{}"},
      {kOpen, "42[7]"}, {kOpen, "42[\"registered\""}, {kOpen, "41"},
      {kOpen, "451-[\"offer\",{\"_placeholder\":true}]"},
      {kOpen, "42" + std::string (2000, '[')},
      {kOpen, "42" + std::string (9000, '9') + "[\"x\"]"},
      {kOpen, kConnected, "42[\"registered\",7]"},
      {kOpen, kConnected, "42[\"registered\",{\"success\":false}]"}};
  for (const auto &greeting : bad) {
    Server server;
    server.greeting = greeting;
    server.behave = false;
    Listener listener;
    const auto client = make_socketio_client (options_for (server.url ()));
    client->start (&listener);
    EXPECT_TRUE (wait_for ([&] { return !listener.errors.empty (); }))
        << greeting.back ();
    // A server that mends itself is taken again.
    server.greeting = {kOpen};
    server.behave = true;
    EXPECT_TRUE (wait_for ([&] {
      return listener.reached (LinkState::Registered);
    })) << greeting.back ();
  }
}

TEST (ClientFaults, EventsThatMakeNoSenseAreReportedAndSurvived)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  for (const char *event : {"offer", "answer", "ice-candidate", "leave",
           "session-updated", "session-ended", "error", "registered",
           "user-left", "robot-available", "unheard-of"})
    for (const char *argument : {"", ",null", ",7", ",\"x\"", ",[]", ",{}",
             R"(,{"from":{},"peerId":[],"offer":7,"candidate":7})"})
      if (!(std::strcmp (event, "registered") == 0))
        server.send ("42[\"" + std::string (event) + "\"" + argument + "]");
  server.send (R"(42["offer",{"from":"v","offer":{"type":"offer",)"
               R"("sdp":"v=0"}}])");
  ASSERT_TRUE (wait_for ([&] { return !listener.offers.empty (); }));
  EXPECT_EQ (listener.offers[0], "legacy:v");
  EXPECT_TRUE (listener.told ("bad-message"));
  EXPECT_EQ (server.connections, 1) << "a bad event ended the link";
}

TEST (ClientFaults, BinaryEndsTheConnection)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  server.send_binary (100);
  EXPECT_TRUE (wait_for ([&] { return listener.told ("bad-message"); }));
}

TEST (ClientFaults, OversizedMessageEndsTheConnection)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  server.send ("42[\"x\",\"" + std::string (20000, 'x') + "\"]");
  ASSERT_TRUE (wait_for ([&] { return listener.told ("link-lost"); }));
  EXPECT_NE (listener.errors[0].message.find ("too large"), std::string::npos);
  EXPECT_TRUE (
      wait_for ([&] { return listener.count (LinkState::Registered) >= 2; }));
}

TEST (ClientFaults, EndlessFragmentsEndTheConnection)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  // 9,000 bytes a frame is below the limit of one frame (RFC 6455 5.2).
  const std::string payload (9000, 'x');
  const std::string length = {'\x7e', '\x23', '\x28'};
  ASSERT_TRUE (server.send_raw ("\x01" + length + payload)); // text, not final
  ASSERT_TRUE (wait_for ([&] {
    return listener.told ("link-lost") ||
           !server.send_raw (std::string (1, '\0') + length + payload);
  }));
  EXPECT_TRUE (wait_for ([&] { return listener.told ("link-lost"); }));
}

TEST (ClientFaults, RefusalByConnectError)
{
  Server server;
  server.behave = false;
  server.greeting = {kOpen, "44{\"message\":\"No " + std::string (kSecret) +
                                "\",\"data\":{\"code\":\"unauthorized\"}}"};
  Error error = first_error (options_for (server.url ()));
  EXPECT_EQ (error.code, "unauthorized");
  server.greeting = {kOpen, R"(44{"message":"Full.","data":{"code":"busy"}})"};
  EXPECT_EQ (first_error (options_for (server.url ())).code, "busy");
  server.greeting = {kOpen, R"(44{"message":"No."})"};
  EXPECT_EQ (first_error (options_for (server.url ())).code, "unauthorized");
  server.greeting = {kOpen, R"(44{"message":"","data":{"code":"A B\u0007"}})"};
  EXPECT_EQ (first_error (options_for (server.url ())).code, "bad-server");
}

TEST (ClientFaults, RefusalByRegistered)
{
  Server server;
  server.behave = false;
  server.greeting = {kOpen, kConnected,
      R"(42["registered",{"success":false,"code":"forbidden","message":"No."}])"};
  EXPECT_EQ (first_error (options_for (server.url ())).code, "forbidden");
}

TEST (ClientFaults, TokenIsSentInTheConnectPacketAlone)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  EXPECT_TRUE (server.got ("40{\"token\":\"" + std::string (kSecret) + "\"}"));
  EXPECT_TRUE (server.got (R"(42["register",{"userId":"r",)"));
}

TEST (ClientFaults, WithoutATokenFileNothingIsTried)
{
  Server server;
  SocketIoClientOptions options = options_for (server.url ());
  options.token = [] (std::string *error) {
    *error = "The token file cannot be read.";
    return std::string ();
  };
  EXPECT_EQ (first_error (options).code, "unauthorized");
  EXPECT_EQ (server.connections, 0);
}

TEST (ClientFaults, WhatIsSentWhileTheLinkIsDownWaits)
{
  Server server;
  Listener listener;
  SocketIoClientOptions options = options_for (server.url ());
  options.rooms = {"lobby"};
  const auto client = make_socketio_client (options);
  client->start (&listener);
  for (int i = 0; i < 100; i++) // the last 64 are kept
    client->send_answer ("v", "peer-" + std::to_string (i), "v=0");
  client->send_leave ("w", "legacy:w", "");
  ASSERT_TRUE (wait_for ([&] { return server.got ("42[\"leave\""); }));
  EXPECT_TRUE (server.got (R"(42["join-room",{"roomId":"lobby"}])"));
  EXPECT_TRUE (server.got (R"(42["leave",{"to":"w"}])"))
      << "a made-up peer id was sent";
  EXPECT_EQ (std::count_if (server.received.begin (), server.received.end (),
                 [] (const std::string &text) {
                   return text.find ("\"answer\"") != std::string::npos;
                 }),
      63);
}

TEST (ClientFaults, SaysWhichOfferItMeans)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  const auto offer = [&] (const char *more) {
    const auto count = listener.offers.size ();
    server.send (R"(42["offer",{"from":"v","offer":{"type":"offer",)"
                 R"("sdp":"v=0"},"peerId":"p")" +
                 std::string (more) + "}]");
    return wait_for ([&] { return listener.offers.size () > count; });
  };
  const auto says = [&] (const char *reason, const char *more) {
    client->send_leave ("v", "p", reason);
    const auto text = std::string (R"(42["leave",{"to":"v","reason":")") +
                      reason + R"(","peerId":"p")" + more + "}]";
    return wait_for ([&] { return server.got (text); });
  };
  ASSERT_TRUE (offer (R"(,"offerId":"o1")"));
  ASSERT_TRUE (offer (R"(,"offerId":"o2")"));
  client->send_candidate ("v", "p", {});
  ASSERT_TRUE (wait_for ([&] {
    return server.got (R"(42["ice-candidate",{"to":"v","candidate":null,)"
                       R"("peerId":"p","offerId":"o2"}])");
  }));
  EXPECT_TRUE (says ("a", R"(,"offerId":"o2")"));
  EXPECT_TRUE (says ("b", "")); // over: of which offer, it knows no more
  ASSERT_TRUE (offer (""));     // of a server that does not number them
  EXPECT_TRUE (says ("c", ""));
}

TEST (ClientFaults, MoreWaitsThanTheServerTakes)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  client->start (&listener);
  const std::string sdp (80000, 'v');
  for (int i = 0; i < 64; i++)
    client->send_answer ("v", "peer", sdp);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  // The first registration was lost within itself, and was not told of.
  EXPECT_TRUE (listener.told ("link-lost"));
  EXPECT_EQ (
      std::adjacent_find (listener.states.begin (), listener.states.end ()),
      listener.states.end ());
  EXPECT_EQ (listener.registrations, 1);
}

TEST (ClientFaults, StopInsideACallIsSilentAfterwards)
{
  Server server;
  Listener listener;
  const auto client = make_socketio_client (options_for (server.url ()));
  listener.on_any_error = [&] { client->stop (); };
  client->start (&listener);
  ASSERT_TRUE (
      wait_for ([&] { return listener.reached (LinkState::Registered); }));
  server.send ("1");
  ASSERT_TRUE (wait_for ([&] { return !listener.errors.empty (); }));
  const auto states = listener.states.size ();
  EXPECT_FALSE (wait_for ([&] { return server.connections > 1; }, 1));
  EXPECT_EQ (listener.states.size (), states);

  // It can be started again.
  listener.on_any_error = nullptr;
  client->start (&listener);
  EXPECT_TRUE (
      wait_for ([&] { return listener.count (LinkState::Registered) == 2; }));
}

TEST (ClientFaults, StopAtEveryStepLeavesNothingBehind)
{
  for (int rounds = 0; rounds < 60; rounds++) {
    Server server;
    Listener listener;
    const auto client = make_socketio_client (options_for (server.url ()));
    client->start (&listener);
    for (int i = 0; i < rounds; i++)
      g_main_context_iteration (nullptr, FALSE);
    client->stop ();
    const auto calls = listener.states.size ();
    for (int i = 0; i < 50; i++)
      g_main_context_iteration (nullptr, FALSE);
    EXPECT_EQ (listener.states.size (), calls);
  }
}
