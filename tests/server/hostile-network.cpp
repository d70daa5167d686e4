// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What strangers send: malformed HTTP, WebSocket, Engine.IO and Socket.IO,
// the inputs of published flaws, slow and silent peers. Each is refused in its
// own way, and the server goes on serving others.
#include "network-fixture.hpp"

#include <dirent.h>
#include <set>
#include <sys/resource.h>

using namespace robotlive::server;
using namespace std::chrono_literals;

namespace {

ServerOptions
options ()
{
  ServerOptions o;
  o.message_rate = {0, 0};
  return o;
}

// Opens a Socket.IO connection, sends *frames*, and expects the server to end
// it and to serve the next one.
void
expect_cut_off (const std::string &what, const std::string &frames)
{
  SCOPED_TRACE (what);
  RunningServer server (options ());
  RawClient client (server.port ());
  ASSERT_TRUE (client.open_socket ());
  client.send (frames);
  EXPECT_TRUE (client.wait_closed ());
  EXPECT_TRUE (answers (server.port ()));
}

std::set<int>
open_descriptors ()
{
  std::set<int> found;
  DIR *listing = ::opendir ("/proc/self/fd");
  if (!listing)
    return found;
  while (dirent *entry = ::readdir (listing))
    if (entry->d_name[0] != '.')
      found.insert (std::atoi (entry->d_name));
  found.erase (::dirfd (listing));
  ::closedir (listing);
  return found;
}

std::string
text (const std::string &payload)
{
  return RawClient::frame (0x81, payload);
}

} // namespace

TEST (HostileHttp, MalformedRequestsAreRefused)
{
  RunningServer server (options ());
  const std::pair<const char *, int> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400},
      {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET http://x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
       "Content-Length: 1\r\n\r\nx",
          400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\n",
          411},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"
       "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
          411},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", 413},
      {"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: "
       "2000000\r\n\r\n",
          413},
      {"\x16\x03\x01\x02", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200},
  };
  for (const auto &[request, status] : cases)
    EXPECT_EQ (status_of (server.port (), request), status) << request;
  std::string nul = "GET / HTTP/1.1\r\nHost: a\r\nX: a";
  nul += '\0';
  EXPECT_EQ (status_of (server.port (), nul + "b\r\n\r\n"), 400);
  // CVE-2024-37890: very many headers.
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 2500; i++)
    many += "X" + std::to_string (i) + ": y\r\n";
  EXPECT_EQ (status_of (server.port (), many + "\r\n"), 431);
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileHttp, HandshakeErrorsAreTheOfficialOnes)
{
  RunningServer server (options ());
  auto body = [&server] (const std::string &request) {
    RawClient client (server.port ());
    client.send (request + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
                 "Content-Length: 0\r\n\r\n");
    client.wait_closed ();
    return client.received;
  };
  const std::pair<const char *, const char *> cases[] = {
      {"GET /socket.io/", R"({"code":0,"message":"Transport unknown"})"},
      {"GET /socket.io/?EIO=4&transport=constructor",
          R"({"code":0,"message":"Transport unknown"})"},
      {"GET /socket.io/?EIO=4&transport=polling&sid=x",
          R"({"code":1,"message":"Session ID unknown"})"},
      {"POST /socket.io/?EIO=4&transport=polling",
          R"({"code":2,"message":"Bad handshake method"})"},
      {"GET /socket.io/?EIO=4&transport=websocket",
          R"({"code":3,"message":"Bad request"})"},
      {"GET /socket.io/?EIO=3&transport=polling",
          R"({"code":5,"message":"Unsupported protocol version"})"},
  };
  for (const auto &[request, error] : cases) {
    std::string answer = body (request);
    EXPECT_EQ (answer.substr (0, 12), "HTTP/1.1 400") << request;
    EXPECT_NE (answer.find (error), std::string::npos) << answer;
    EXPECT_NE (answer.find ("Connection: close"), std::string::npos);
  }
  // CVE-2023-31125 and CVE-2022-41940: a WebSocket with a wrong query, reset.
  for (const char *query :
      {"", "?EIO=4&transport=x", "?EIO=4&transport=polling"}) {
    RawClient client (server.port ());
    client.send ("GET /socket.io/" + std::string (query) +
                 " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    EXPECT_TRUE (client.receive_until ("400 Bad Request")) << query;
    client.reset ();
  }
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileHttp, OriginsAndProxies)
{
  ServerOptions o = options ();
  o.cors_origins = {"https://console.example"};
  o.trusted_proxies = {"127.0.0.0/8"};
  RunningServer server (o);
  auto get = [&server] (const std::string &headers,
                 const char *path = "/socket.io/?EIO=4&transport=polling") {
    RawClient client (server.port ());
    client.send ("GET " + std::string (path) +
                 " HTTP/1.1\r\nConnection: close\r\n"
                 "Host: robots.example:8080\r\n" +
                 headers + "\r\n");
    client.wait_closed ();
    return client.received;
  };
  auto ok = [&get] (const std::string &headers) {
    return get (headers).compare (0, 12, "HTTP/1.1 200") == 0;
  };
  EXPECT_TRUE (ok (""));
  EXPECT_TRUE (ok ("Origin: https://console.example\r\n"));
  EXPECT_TRUE (ok ("Origin: http://robots.example:8080\r\n"));
  EXPECT_TRUE (ok ("Origin: https://robots.example:8080\r\n"));
  EXPECT_FALSE (ok ("Origin: https://evil.example\r\n"));
  EXPECT_FALSE (ok ("Origin: null\r\n"));
  EXPECT_FALSE (ok ("Origin: http://robots.example\r\n"));
  EXPECT_FALSE (ok ("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
                    "Origin: http://robots.example:8080\r\n"));
  EXPECT_NE (get ("Origin: https://console.example\r\n")
                 .find ("Access-Control-Allow-Origin: https://console.example"),
      std::string::npos);
  EXPECT_NE (get ("Origin: https://evil.example\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                 "/socket.io/?EIO=4&transport=websocket")
                 .find (R"({"code":4,"message":"Forbidden"})"),
      std::string::npos);
  // What is no Socket.IO answers all, and tells the browser who may read it.
  const std::string may_read = "Access-Control-Allow-Origin: ";
  EXPECT_NE (get ("Origin: https://console.example\r\n", "/who")
                 .find (may_read + "https://console.example\r\n"),
      std::string::npos);
  EXPECT_EQ (get ("Origin: https://evil.example\r\n", "/who").find (may_read),
      std::string::npos);
  for (auto [origin, status] : {std::pair ("https://console.example", 204),
           std::pair ("https://evil.example", 403)})
    EXPECT_EQ (status_of (server.port (),
                   "OPTIONS /who HTTP/1.1\r\nHost: robots.example:8080\r\n"
                   "Origin: " +
                       std::string (origin) +
                       "\r\nAccess-Control-Request-Method: PUT\r\n\r\n"),
        status);
  // The last address that no trusted proxy has.
  EXPECT_NE (get ("X-Forwarded-For: 9.9.9.9, 192.0.2.1, 127.0.0.2\r\n"
                  "X-Forwarded-Proto: https\r\n",
                 "/who")
                 .find ("/who  192.0.2.1 secure"),
      std::string::npos);
  // Some proxies add a line of their own below the client's (RFC 9110
  // section 5.3: one list).
  std::string lines = get ("X-Forwarded-For: 9.9.9.9\r\n"
                           "X-Forwarded-For: 192.0.2.1\r\n"
                           "X-Forwarded-Proto: https\r\n"
                           "X-Forwarded-Proto: http\r\n",
      "/who");
  EXPECT_NE (lines.find ("/who  192.0.2.1"), std::string::npos) << lines;
  EXPECT_EQ (lines.find ("secure"), std::string::npos) << lines;
}

TEST (HostileHttp, LimitsPerAddress)
{
  ServerOptions o = options ();
  o.trusted_proxies = {"127.0.0.0/8"};
  o.max_sessions_per_address = 3;
  o.request_rate_per_address = {0.001, 5};
  RunningServer server (o);
  auto handshake = [&server] (const std::string &from) {
    return status_of (server.port (),
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n"
        "X-Forwarded-For: " +
            from + "\r\n\r\n");
  };
  for (int expected : {200, 200, 200, 503, 503, 429})
    EXPECT_EQ (handshake ("192.0.2.1"), expected);
  EXPECT_EQ (handshake ("192.0.2.2"), 200);
  // An IPv6 client has a whole /64.
  for (int expected : {200, 200, 200, 503})
    EXPECT_EQ (handshake ("2001:db8::" + std::to_string (expected)), expected);
}

TEST (HostileHttp, SlowAndSilentClients)
{
  ServerOptions o = options ();
  o.header_timeout = 300ms;
  o.body_timeout = 300ms;
  o.idle_timeout = 300ms;
  RunningServer server (o);
  // Slow loris: a header now and then does not buy time.
  auto begun = Clock::now ();
  RawClient slow (server.port ());
  slow.send ("GET / HTTP/1.1\r\nHost: a\r\n");
  std::thread dripping ([&slow] {
    while (slow.send ("X-A: b\r\n"))
      std::this_thread::sleep_for (50ms);
  });
  EXPECT_TRUE (slow.wait_closed ());
  EXPECT_GE (Clock::now () - begun, 300ms);
  slow.shutdown_write ();
  dripping.join ();
  EXPECT_NE (slow.received.find ("408 Request Timeout"), std::string::npos);
  // Half a body.
  EXPECT_EQ (status_of (server.port (),
                 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"),
      408);
  // Kept alive for nothing.
  RawClient idle (server.port ());
  idle.send ("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE (idle.wait_closed ());
  // Half-open.
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 40; i++)
    silent.push_back (std::make_unique<RawClient> (server.port ()));
  EXPECT_TRUE (server.eventually ([] (const Counters &c) {
    return c.connections_total >= 43 && c.connections_now == 0;
  }));
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileHttp, ConnectionsPerAddress)
{
  ServerOptions o = options ();
  o.header_timeout = 60s; // none expires, however slow the machine
  o.limit_loopback = true;
  o.max_connections_per_address = 40;
  RunningServer server (o);
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 300; i++)
    silent.push_back (std::make_unique<RawClient> (server.port ()));
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.connections_refused == 260; }));
  EXPECT_EQ (server.counters ().connections_now, 40u);
  silent.clear ();
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.connections_now == 0; }));
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileHttp, PollingAbuse)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  client.send ("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
               "Host: a\r\n\r\n");
  ASSERT_TRUE (client.receive_until ("maxPayload"));
  std::size_t at = client.received.find ("\"sid\":\"") + 7;
  std::string target = "/socket.io/?EIO=4&transport=polling&sid=" +
                       client.received.substr (at, 20);
  // A hundred pipelined polls: the second ends the session.
  std::string polls;
  for (int i = 0; i < 100; i++)
    polls += "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
  RawClient piping (server.port ());
  piping.send (polls);
  ASSERT_TRUE (server.eventually (
      [] (const Counters &c) { return c.http_requests >= 2; }));
  EXPECT_EQ (status_of (server.port (),
                 "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"),
      400);
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.sessions_now == 0; }));
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileWebSocket, FramesAgainstTheRfc)
{
  using F = RawClient;
  std::string unmasked ("\x81\x01"
                        "2");
  std::string giant ("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14);
  std::string negative ("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14);
  std::string two_mb ("\x82\xff\0\0\0\0\0\x20\0\0\1\2\3\4", 14);
  std::string not_shortest ("\x81\xfe\0\1\1\2\3\4\x33", 9);
  std::string fragments = F::frame (0x01, "4");
  for (int i = 0; i < 2000; i++)
    fragments += F::frame (0x00, "");
  const std::pair<const char *, std::string> cases[] = {
      {"unmasked", unmasked},
      {"RSV1", F::frame (0xc1, "2")},
      {"RSV2 (CVE-2022-21676)", F::frame (0xa1, "2")},
      {"RSV3", F::frame (0x91, "2")},
      {"reserved opcode", F::frame (0x83, "2")},
      {"reserved control opcode", F::frame (0x8b, "2")},
      {"long ping", F::frame (0x89, std::string (126, 'x'))},
      {"fragmented ping", F::frame (0x09, "x")},
      {"continuation of nothing", F::frame (0x80, "x")},
      {"a message in a message", F::frame (0x01, "4") + F::frame (0x81, "4")},
      {"length of 2^63 - 1 (CVE-2016-10542)", giant},
      {"length of 2^64 - 1", negative},
      {"length of 2 MB", two_mb},
      {"length not in the shortest form", not_shortest},
      {"text that is not UTF-8", F::frame (0x81, "4\xff\xfe")},
      {"close with one byte", F::frame (0x88, "x")},
      {"close with code 1005", F::frame (0x88, "\x03\xed")},
      {"close with bad text", F::frame (0x88, "\x03\xe8\xff")},
      {"2,000 empty fragments (CVE-2026-48779)", fragments},
      {"close", F::frame (0x88, "")},
  };
  for (const auto &[what, frames] : cases)
    expect_cut_off (what, frames);
}

TEST (HostileWebSocket, FragmentsAddUpToTheLimit)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  ASSERT_TRUE (client.open_socket ());
  std::size_t before = resident_kb ();
  client.send (RawClient::frame (0x01, "4"));
  std::string part = RawClient::frame (0x00, std::string (100000, 'x'));
  for (int i = 0; i < 600 && client.send (part); i++) {
  }
  EXPECT_TRUE (client.wait_closed ());
  EXPECT_LT (resident_kb (), before + 20000);
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileWebSocket, HandshakeHeaders)
{
  RunningServer server (options ());
  for (const std::string &header :
      {std::string ("Sec-WebSocket-Extensions: constructor\r\n"),
          std::string ("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
          "Sec-WebSocket-Protocol: b" + std::string (8000, ' ') + "x\r\n"}) {
    RawClient client (server.port ());
    EXPECT_TRUE (client.open_websocket (header));
    // No extension is ever agreed to.
    EXPECT_EQ (
        client.received.find ("Sec-WebSocket-Extensions"), std::string::npos);
  }
}

TEST (HostileSocketIo, MalformedPacketsEndTheConnection)
{
  std::string deep =
      R"(42["m",)" + std::string (1000, '[') + std::string (1000, ']') + "]";
  for (const std::string &packet : {std::string ("abc"), std::string ("0"),
           std::string ("1"), std::string ("2"), std::string ("5"),
           std::string ("6"), std::string ("7"), std::string ("4"),
           std::string ("42"), std::string ("42{}"), std::string ("42[]"),
           std::string ("4abc"), std::string ("47[]"), std::string ("43[1]"),
           std::string (R"(42[{"toString":"foo"}])"), // CVE-2023-32695
           std::string (R"(42["disconnect"])"),
           "42" + std::string (100000, '1') + R"(["m"])", // CVE-2020-36049
           std::string (R"(451-["m",{"_placeholder":true,"num":"splice"}])"),
           std::string (R"(451-["m",{"_placeholder":true,"num":3}])"),
           std::string (R"(451-["m",{"_placeholder":true,"num":-1}])"),
           std::string (R"(45999999-["m"])"), // CVE-2026-33151
           std::string ("40"),                // already connected
           std::string (R"(42/other,["m"])"), "40/" + std::string (100000, 'n'),
           deep})
    expect_cut_off (packet.substr (0, 40), text (packet));
  expect_cut_off ("bytes that nobody announced", RawClient::frame (0x82, "x"));
  expect_cut_off ("text instead of bytes",
      text (R"(451-["m",{"_placeholder":true,"num":0}])") + text ("42[\"m\"]"));
  std::string flood = text (R"(4510-["m",{"_placeholder":true,"num":0}])");
  for (int i = 0; i < 9; i++)
    flood += RawClient::frame (0x82, std::string (200000, 'b'));
  expect_cut_off ("attachments beyond the limit", flood);
}

TEST (HostileSocketIo, HarmlessOddities)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  ASSERT_TRUE (client.open_socket ());
  // CVE-2024-38355: an event called "error" is like any other.
  ASSERT_TRUE (client.text (R"(42["error","x"])"));
  EXPECT_TRUE (client.receive_until (R"(42["message-back","x"])"));
  ASSERT_TRUE (client.text ("431[1]")); // an ack nobody asked for
  ASSERT_TRUE (client.text (R"(42["m",2])"));
  EXPECT_TRUE (client.receive_until (R"(42["message-back",2])"));
}

TEST (HostileSocketIo, RejectAndDisconnect)
{
  RunningServer server (options ());
  RawClient rejected (server.port ());
  ASSERT_TRUE (rejected.open_websocket ());
  rejected.text (R"(40{"token":"bad"})");
  EXPECT_TRUE (rejected.wait_closed ());
  EXPECT_NE (rejected.received.find (
                 R"(44{"message":"no","data":{"code":"unauthorized"}})"),
      std::string::npos);
  RawClient left (server.port ());
  ASSERT_TRUE (left.open_socket ());
  left.text (R"(42["leave-me"])");
  EXPECT_TRUE (left.wait_closed ());
  EXPECT_NE (left.received.find ("\x02"
                                 "41"),
      std::string::npos);
}

TEST (HostileSocketIo, MessageRate)
{
  ServerOptions o = options ();
  o.message_rate = {1, 20};
  RunningServer server (o);
  RawClient client (server.port ());
  ASSERT_TRUE (client.open_socket ());
  std::string burst;
  for (int i = 0; i < 200; i++)
    burst += text ("42[\"m\"]");
  client.send (burst);
  EXPECT_TRUE (client.wait_closed ());
  EXPECT_NE (client.received.find (R"(42["error",{"code":"rate-limited")"),
      std::string::npos);
  EXPECT_EQ (server.counters ().rate_limited, 1u);
  EXPECT_TRUE (answers (server.port ()));
}

// Pongs that nobody asked for are work as well.
TEST (HostileSocketIo, PongRate)
{
  ServerOptions o = options ();
  o.message_rate = {1, 20};
  for (const std::string &pong : {text ("3"), RawClient::frame (0x8a, "")}) {
    RunningServer server (o);
    RawClient client (server.port ());
    ASSERT_TRUE (client.open_socket ());
    std::string burst;
    for (int i = 0; i < 200; i++)
      burst += pong;
    client.send (burst + text ("42[\"m\"]"));
    EXPECT_TRUE (client.wait_closed ());
    EXPECT_EQ (server.counters ().rate_limited, 1u);
    EXPECT_EQ (client.received.find ("message-back"), std::string::npos);
  }
}

TEST (HostileSocketIo, MessageRatePerAddress)
{
  ServerOptions o = options ();
  o.trusted_proxies = {"127.0.0.0/8"};
  o.message_rate_per_address = {0.001, 20};
  RunningServer server (o);
  // Each says 12 things, the first of which is CONNECT.
  auto speaks = [] (RawClient &client, const std::string &from) {
    std::string burst = text ("40");
    for (int i = 0; i < 11; i++)
      burst += text ("42[\"m\"," + std::to_string (i) + "]");
    return client.open_websocket ("X-Forwarded-For: " + from + "\r\n") &&
           client.send (burst) &&
           client.receive_until (R"(42["message-back",10])");
  };
  RawClient one (server.port ()), two (server.port ()), other (server.port ());
  EXPECT_TRUE (speaks (one, "192.0.2.1"));
  EXPECT_FALSE (speaks (two, "192.0.2.1"));
  EXPECT_TRUE (two.wait_closed ());
  EXPECT_NE (two.received.find (R"("code":"rate-limited")"), std::string::npos);
  EXPECT_TRUE (speaks (other, "192.0.2.2"));
}

TEST (HostileSocketIo, SlowReadersAreCutOff)
{
  RunningServer server (options ());
  RawClient slow (server.port ());
  int small = 4096;
  setsockopt (slow.fd (), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  ASSERT_TRUE (slow.open_socket ());
  std::size_t before = resident_kb ();
  for (int i = 0; i < 20; i++)
    slow.text (R"(42["flood"])"); // 12 MB each
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.slow_readers >= 1; }));
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.sessions_now == 0; }));
  EXPECT_LT (resident_kb (), before + 30000);
  EXPECT_TRUE (answers (server.port ()));
}

TEST (HostileSocketIo, SilentSessionsEnd)
{
  ServerOptions o = options ();
  o.connect_timeout = 200ms;
  RunningServer server (o);
  RawClient silent (server.port ());
  ASSERT_TRUE (silent.open_websocket ());
  EXPECT_TRUE (silent.wait_closed ());

  ServerOptions heartbeat = options ();
  heartbeat.ping_interval = 1s;
  heartbeat.ping_timeout = 500ms;
  RunningServer beating (heartbeat);
  RawClient mute (beating.port ());
  ASSERT_TRUE (mute.open_socket ());
  EXPECT_TRUE (mute.wait_closed ());
  EXPECT_EQ (beating.counters ().ping_timeouts, 1u);
}

TEST (Network, OutOfFileDescriptors)
{
  ServerOptions o = options ();
  o.header_timeout = 60s; // none expires, however slow the machine
  RunningServer server (o);
  EXPECT_EQ (server.counters ().connections_now, 0u); // it runs, all is open
  // The limit is the whole process's: the clients' sockets are made before it,
  // and every free number below it is counted.
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 28; i++)
    clients.push_back (std::make_unique<RawClient> ());
  std::set<int> used = open_descriptors ();
  constexpr unsigned room = 10;
  rlim_t limit = 0;
  for (unsigned unused = 0; unused < room; limit++)
    unused += used.count (static_cast<int> (limit)) == 0;
  rlimit saved{};
  ASSERT_EQ (getrlimit (RLIMIT_NOFILE, &saved), 0);
  rlimit tight = saved;
  tight.rlim_cur = limit;
  ASSERT_EQ (setrlimit (RLIMIT_NOFILE, &tight), 0);
  for (auto &client : clients) {
    client->connect (server.port ());
    EXPECT_TRUE (client->connected ());
  }
  EXPECT_TRUE (server.eventually ([] (const Counters &c) {
    return c.connections_now == room && c.connections_refused == 28 - room;
  }));
  clients.clear ();
  setrlimit (RLIMIT_NOFILE, &saved);
  EXPECT_TRUE (answers (server.port ()));
}

TEST (Network, DrainClosesAndEnds)
{
  NetworkServer server (options ());
  EchoApplication application;
  application.server = &server;
  server.set_handlers (application, application);
  std::uint16_t port = server.listen ("127.0.0.1", 0);
  std::thread thread ([&server] { server.run (); });
  RawClient client (port);
  ASSERT_TRUE (client.open_socket ());
  RawClient idle (port);
  server.post ([&server] { server.drain (std::chrono::seconds (10)); });
  EXPECT_TRUE (client.wait_closed ());
  EXPECT_TRUE (idle.wait_closed ());
  client.reset ();
  thread.join ();
}
