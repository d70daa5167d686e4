// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who a request comes from: what proxies write, those that nobody named, and
// who is a program of this machine.
#include "server/net/forwarded.hpp"
#include "network-fixture.hpp"
#include <memory>
#include <set>

using namespace robotlive::server;

namespace {

ServerOptions
options ()
{
  ServerOptions o;
  o.message_rate = {0, 0};
  return o;
}

} // namespace

// What proxies write, and what they do not.
TEST (Forwarded, ReadsAddressesAsProxiesWriteThem)
{
  auto text = [] (const char *entry) {
    return net::forwarded_address (entry).text ();
  };
  for (const char *entry :
      {"192.0.2.1", " 192.0.2.1 ", "192.0.2.1:51234", "\"192.0.2.1\"",
          "\"192.0.2.1:5\"", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"})
    EXPECT_EQ (text (entry), "192.0.2.1") << entry;
  for (const char *entry : {"2001:db8::1", "[2001:db8::1]", "[2001:DB8::1]:5",
           "\"[2001:db8::1]:5\"", "2001:db8::1%eth0", "[2001:db8::1%25eth0]:5"})
    EXPECT_EQ (text (entry), "2001:db8::1") << entry;
  // Nobody's address, and of each its own.
  std::set<std::string> strangers;
  const std::vector<const char *> unreadable = {"", "unknown", "_hidden",
      "_other", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:123456", "192.0.2",
      "[2001:db8::1", "[2001:db8::1]x", "[192.0.2.1", "127.0.0.1 127.0.0.1",
      "localhost", "1.2.3.4.5", ":::", "\"", "127.0.0.1:80:80", "[]", "[]:1"};
  for (const char *entry : unreadable) {
    net::Address address = net::forwarded_address (entry);
    EXPECT_FALSE (address.is_loopback ()) << entry;
    EXPECT_EQ (address.bytes[0], 1) << entry;
    strangers.insert (address.limit_key ().text ());
  }
  EXPECT_EQ (strangers.size (), unreadable.size ());
}

TEST (Forwarded, FindsTheClientAndWhoIsLocal)
{
  struct Case
  {
    const char *peer, *host, *headers, *client;
    bool local;
  };
  const std::vector<Case> cases = {
      {"127.0.0.1", "localhost:8080", "", "127.0.0.1", true},
      {"::1", "[::1]:8080", "", "::1", true},
      {"::ffff:127.0.0.1", "127.0.0.1", "", "127.0.0.1", true},
      {"127.0.0.1", "robots.example", "", "127.0.0.1", false},
      {"127.0.0.1", "127.0.0.1.example", "", "127.0.0.1", false},
      {"192.0.2.7", "localhost", "", "192.0.2.7", false},
      // Proxies that nobody named: strangers, whatever they say.
      {"127.0.0.1", "localhost", "x-forwarded-for: 192.0.2.1", "127.0.0.1",
          false},
      {"127.0.0.1", "localhost", "forwarded: for=192.0.2.1", "127.0.0.1",
          false},
      {"127.0.0.1", "localhost", "x-real-ip: 192.0.2.1", "127.0.0.1", false},
      {"127.0.0.1", "localhost", "via: 1.1 cache", "127.0.0.1", false},
      {"127.0.0.1", "localhost", "x-forwarded-proto: https", "127.0.0.1",
          false},
      {"127.0.0.1", "localhost", "x-forwarded-for: ", "127.0.0.1", false},
      // One that was named, 10.0.0.0/8.
      {"10.0.0.1", "h", "x-forwarded-for: 9.9.9.9, 192.0.2.1", "192.0.2.1",
          false},
      {"10.0.0.1", "h", "x-forwarded-for: 127.0.0.1", "127.0.0.1", false},
      {"10.0.0.1", "h", "x-forwarded-for: 192.0.2.1:4, 10.0.0.2:5", "192.0.2.1",
          false},
      {"10.0.0.1", "h", "forwarded: For=\"[2001:db8::1]:5\";proto=https",
          "2001:db8::1", false},
      {"10.0.0.1", "h",
          "forwarded: for=9.9.9.9, for=192.0.2.1;by=\"a,b;for=1.1.1.1\"",
          "192.0.2.1", false},
      {"10.0.0.1", "h", "", "10.0.0.1", false},
  };
  for (const Case &c : cases) {
    SCOPED_TRACE (std::string (c.peer) + " " + c.host + " " + c.headers);
    HttpRequest request;
    request.headers = {{"host", c.host}};
    std::string header = c.headers;
    if (!header.empty ())
      request.headers.emplace_back (header.substr (0, header.find (':')),
          header.substr (header.find (':') + 2));
    auto client = net::client_of (*net::Address::parse (c.peer), request,
        {*net::Cidr::parse ("10.0.0.0/8")});
    EXPECT_EQ (client.address.text (), c.client);
    EXPECT_EQ (client.local, c.local);
  }
  // An entry that cannot be read ends the search, and is not the proxy.
  HttpRequest request;
  request.headers = {{"x-forwarded-for", "192.0.2.1, unknown"}};
  auto client = net::client_of (*net::Address::parse ("10.0.0.1"), request,
      {*net::Cidr::parse ("10.0.0.0/8")});
  EXPECT_EQ (client.address.bytes[0], 1);
}

TEST (HostileHttp, AProxyThatNobodyNamedIsOneStranger)
{
  ServerOptions o = options ();
  o.limit_loopback = false;
  o.max_connections_per_address = 5;
  o.request_rate_per_address = {0.001, 20};
  std::string told;
  o.log = [&told] (
              std::string_view line) { told += std::string (line) + "\n"; };
  RunningServer server (o);
  auto get = [&server] (const std::string &headers) {
    return status_of (server.port (),
        "GET /who HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
  };
  // Programs of this machine are not counted.
  for (int i = 0; i < 30; i++)
    EXPECT_EQ (get (""), 200);
  for (int i = 0; i < 20; i++)
    EXPECT_EQ (
        get ("X-Forwarded-For: 192.0.2." + std::to_string (i) + "\r\n"), 200);
  EXPECT_EQ (get ("X-Forwarded-For: 192.0.2.99\r\n"), 429);
  EXPECT_EQ (get (""), 200);
  std::vector<std::unique_ptr<RawClient>> held;
  for (int i = 0; i < 8; i++) {
    held.push_back (std::make_unique<RawClient> (server.port ()));
    held.back ()->open_websocket ();
  }
  EXPECT_EQ (get ("X-Forwarded-For: 192.0.2.1\r\n"), 503);
  EXPECT_EQ (get (""), 200);
  held.clear ();
  std::string lines;
  server.on_thread ([&] { lines = told; });
  // Once, and with the line that mends it.
  std::size_t first = lines.find ("trusted-proxies=127.0.0.1");
  EXPECT_NE (first, std::string::npos) << lines;
  EXPECT_EQ (lines.find ("trusted-proxies=", first + 1), std::string::npos);
}
