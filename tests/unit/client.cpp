// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pure parts of the Socket.IO client: its URL and its back-off.
#include "client/backoff.hpp"
#include "client/endpoint.hpp"
#include <gtest/gtest.h>

using namespace robotlive;

TEST (Endpoint, AcceptsWhatUsersWrite)
{
  const struct
  {
    const char *url, *uri, *name;
    bool secure;
  } cases[] = {
      {"ws://robots.example:8080",
          "ws://robots.example:8080/socket.io/?EIO=4&transport=websocket",
          "robots.example:8080", false},
      {"http://robots.example/",
          "ws://robots.example:80/socket.io/?EIO=4&transport=websocket",
          "robots.example:80", false},
      {"https://robots.example",
          "wss://robots.example:443/socket.io/?EIO=4&transport=websocket",
          "robots.example:443", true},
      {"WSS://h:1/console/socket.io/",
          "wss://h:1/console/socket.io/?EIO=4&transport=websocket", "h:1",
          true},
      {"wss://[2001:db8::1]:8080",
          "wss://[2001:db8::1]:8080/socket.io/?EIO=4&transport=websocket",
          "[2001:db8::1]:8080", true},
      {"ws://h:1?site=a%20b",
          "ws://h:1/socket.io/?site=a%20b&EIO=4&transport=websocket", "h:1",
          false},
  };
  for (const auto &c : cases) {
    std::string error;
    const auto endpoint = parse_endpoint (c.url, &error);
    ASSERT_TRUE (endpoint) << c.url << ": " << error;
    EXPECT_EQ (endpoint->uri, c.uri);
    EXPECT_EQ (endpoint->name, c.name);
    EXPECT_EQ (endpoint->secure, c.secure);
  }
}

TEST (Endpoint, RefusesTheRestWithoutQuotingIt)
{
  for (const char *url :
      {"", "x", "host:8080", "file:///etc/passwd", "ws:", "ws://", "ws://:80",
          "ws://me:hunter2@host", "ws://hunter2@host", "ws://host:65536",
          "ws://host:0", "ws://ho st", "ws://[::1", "ws://h/%zz hunter2"}) {
    std::string error;
    EXPECT_FALSE (parse_endpoint (url, &error)) << url;
    EXPECT_FALSE (error.empty ());
    EXPECT_EQ (error.back (), '.');
    EXPECT_EQ (error.find ("hunter2"), std::string::npos);
  }
}

TEST (Backoff, DoublesUpToTheLongestWait)
{
  Backoff backoff (1000, 30000);
  for (const unsigned expected :
      {1000u, 2000u, 4000u, 8000u, 16000u, 30000u, 30000u})
    EXPECT_EQ (backoff.next (0.5), expected);
  backoff.reset ();
  EXPECT_EQ (backoff.next (0.5), 1000u);
}

TEST (Backoff, IsSpreadByHalfAroundEachWait)
{
  Backoff backoff (1000, 30000);
  EXPECT_EQ (backoff.next (0), 500u);
  EXPECT_EQ (backoff.next (0.999), 2998u);
}

TEST (Backoff, LongestStaysLongest)
{
  Backoff backoff (1000, 30000);
  EXPECT_EQ (backoff.longest (0.5), 30000u);
  EXPECT_EQ (backoff.next (0.5), 30000u);
}
