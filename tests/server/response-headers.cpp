// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What browsers are told of each answer, whoever made it.
#include "network-fixture.hpp"

using namespace robotlive::server;
using namespace std::chrono_literals;

namespace {

std::string
answer (std::uint16_t port, const std::string &request)
{
  RawClient client (port);
  client.send (request);
  client.receive_until ("\r\n\r\n");
  return client.received.substr (0, client.received.find ("\r\n\r\n") + 2);
}

std::size_t
count (const std::string &text, const std::string &part)
{
  std::size_t n = 0;
  for (std::size_t at = text.find (part); at != text.npos;
       at = text.find (part, at + 1))
    n++;
  return n;
}

void
expect_restricted (const std::string &head, int status)
{
  EXPECT_EQ (head.substr (0, 12), "HTTP/1.1 " + std::to_string (status));
  for (const char *line : {"\r\nX-Content-Type-Options: nosniff\r\n",
           "\r\nX-Frame-Options: DENY\r\n",
           "\r\nReferrer-Policy: no-referrer\r\n",
           "\r\nContent-Security-Policy: default-src 'none'; "
           "frame-ancestors 'none'\r\n"})
    EXPECT_EQ (count (head, line), 1u) << line << head;
}

} // namespace

TEST (ResponseHeaders, AreOnEachAnswer)
{
  ServerOptions o;
  o.host_names = {"a"};
  o.header_timeout = 3000ms;
  RunningServer server (o);
  const std::string sid = open_polling (server.port ());
  const std::string host = " HTTP/1.1\r\nHost: a\r\n";
  const std::pair<int, std::string> cases[] = {
      {200, "GET /x" + host + "\r\n"},
      {200, "HEAD /x" + host + "\r\n"},
      {200, "GET /socket.io/?EIO=4&transport=polling" + host + "\r\n"},
      {400, "GET /socket.io/?EIO=3&transport=polling" + host + "\r\n"},
      {400, "GET /socket.io/?EIO=4&transport=polling&sid=x" + host + "\r\n"},
      {400, "POST /socket.io/?EIO=4&transport=polling&sid=" + sid + host +
                "Content-Length: 1\r\n\r\nx"},
      {400, "GET /x HTTP/1.1\r\n\r\n"},
      {400, "GET /%zz" + host + "\r\n"},
      {400, "\x16\x03\x01"},
      {403, "POST /x" + host + "Origin: https://evil.example\r\n\r\n"},
      {403, "GET /socket.io/?EIO=4&transport=polling" + host +
                "Origin: https://evil.example\r\n\r\n"},
      {405, "TRACE /x" + host + "\r\n"},
      {408, "GET /x HTT"},
      {411, "POST /x" + host + "Transfer-Encoding: chunked\r\n\r\n"},
      {413, "POST /x" + host + "Content-Length: 99999999\r\n\r\n"},
      {421, "GET /x HTTP/1.1\r\nHost: b\r\n\r\n"},
      {431, "GET /x" + host + "X: " + std::string (99999, 'x')},
      {505, "GET /x HTTP/2.0\r\nHost: a\r\n\r\n"},
  };
  for (const auto &[status, request] : cases) {
    SCOPED_TRACE (request.substr (0, 80));
    expect_restricted (answer (server.port (), request), status);
  }
}

TEST (ResponseHeaders, AreOnRefusalsByLimits)
{
  ServerOptions o;
  o.limit_loopback = true;
  o.request_rate_per_address = {0.001, 1};
  RunningServer server (o);
  const std::string get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
  expect_restricted (answer (server.port (), get), 200);
  expect_restricted (answer (server.port (), get), 429);
}

// A page that only "*" lets in brings no credentials.
TEST (ResponseHeaders, AnyOriginBringsNoCredentials)
{
  ServerOptions o;
  o.cors_origins = {"https://console.example", "*"};
  RunningServer server (o);
  auto get = [&server] (const std::string &origin, const char *path) {
    return answer (server.port (),
        "GET " + std::string (path) +
            " HTTP/1.1\r\nHost: a\r\nOrigin: " + origin + "\r\n\r\n");
  };
  for (const char *path : {"/x", "/socket.io/?EIO=4&transport=polling"}) {
    for (const char *origin :
        {"https://evil.example", "null", "https://console.example.evil"}) {
      const std::string head = get (origin, path);
      EXPECT_NE (head.find ("Access-Control-Allow-Origin: *\r\n"), head.npos)
          << head;
      EXPECT_EQ (head.find ("Allow-Credentials"), head.npos) << head;
    }
    for (const char *origin : {"https://console.example", "http://a"}) {
      const std::string head = get (origin, path);
      EXPECT_NE (head.find (std::string ("Allow-Origin: ") + origin + "\r\n"),
          head.npos)
          << head;
      EXPECT_NE (head.find ("Allow-Credentials: true\r\n"), head.npos) << head;
    }
  }
}

// An answer tells nothing of the request before it on the same connection.
TEST (ResponseHeaders, ForgetTheRequestBefore)
{
  ServerOptions o;
  o.cors_origins = {"https://console.example"};
  o.host_names = {"a"};
  RunningServer server (o);
  RawClient client (server.port ());
  client.send ("GET /x HTTP/1.1\r\nHost: a\r\n"
               "Origin: https://console.example\r\n\r\n");
  ASSERT_TRUE (client.receive_until ("Allow-Origin: https://console.example"));
  client.send ("GET /y HTTP/1.1\r\nHost: b\r\n"
               "Origin: https://evil.example\r\n\r\n");
  ASSERT_TRUE (client.receive_until ("HTTP/1.1 421"));
  ASSERT_TRUE (client.receive_until ("another name"));
  EXPECT_EQ (count (client.received, "Allow-Origin"), 1u);
}
