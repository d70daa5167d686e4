// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Peers that do not read, or never stop writing: what one of them can make the
// server keep, in memory and in connections, has an end.
#include "network-fixture.hpp"
#include "server/net/queueshares.hpp"

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

// Reads little, and gives up on a server that reads nothing.
void
make_slow (RawClient &client)
{
  int small = 4096;
  setsockopt (client.fd (), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  timeval limit{10, 0};
  setsockopt (client.fd (), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Whether the server closed before it had taken *megabytes*.
bool
flood (RawClient &client, int megabytes)
{
  const std::string block (1 << 20, 'f');
  for (int i = 0; i < megabytes; i++)
    if (!client.send (block))
      return errno == ECONNRESET || errno == EPIPE;
  return false;
}

std::string
polling_target (std::uint16_t port)
{
  return "/socket.io/?EIO=4&transport=polling&sid=" + open_polling (port);
}

int
post (std::uint16_t port, const std::string &target, const std::string &body)
{
  return status_of (
      port, "POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                std::to_string (body.size ()) + "\r\n\r\n" + body);
}

double
thread_cpu_seconds ()
{
  timespec used = {};
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double> (used.tv_sec) +
         static_cast<double> (used.tv_nsec) / 1e9;
}

} // namespace

TEST (SlowPeers, ResponseThatNobodyReads)
{
  ServerOptions o = options ();
  o.write_timeout = 300ms;
  RunningServer server (o);
  RawClient client (server.port ());
  make_slow (client);
  client.send ("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE (server.eventually ([] (const Counters &c) {
    return c.slow_readers == 1 && c.connections_now == 0;
  }));
  EXPECT_TRUE (answers (server.port ()));
}

// Who fills the queue of a peer that does not read has to wait; others find
// room, and the peer stays.
TEST (SlowPeers, NobodyFillsTheQueueOfOneThatDoesNotRead)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  make_slow (client);
  ASSERT_TRUE (client.open_socket ());
  const auto fill = [&] (const std::string &sender) {
    const auto times = server.filled (sender).size ();
    client.send (RawClient::frame (0x81, "42[\"fill\"," + sender + "]"));
    for (int i = 0; i < 500 && server.filled (sender).size () == times; i++)
      std::this_thread::sleep_for (10ms);
    const auto counts = server.filled (sender);
    return counts.size () > times ? counts.back () : -1;
  };
  // What the kernel's buffers take counts for nobody.
  const int first = fill ("1");
  EXPECT_GT (first, 4);
  EXPECT_LT (first, 400);
  EXPECT_EQ (fill ("1"), 0);
  const int second = fill ("2");
  EXPECT_GE (second, 1);
  EXPECT_LE (second, 5);
  EXPECT_GE (fill ("3"), 1); // there is half of it left, and then a little
  EXPECT_EQ (fill ("2"), 0);
  EXPECT_EQ (server.counters ().slow_readers, 0u);
  EXPECT_EQ (server.counters ().sessions_now, 1u);
}

TEST (SlowPeers, SharesEndAsTheQueueDrains)
{
  net::QueueShares shares;
  shares.add ("a", 100, 100);
  shares.add ("b", 50, 150);
  shares.add ("a", 10, 160);
  EXPECT_EQ (shares.of ("a"), 110u);
  EXPECT_EQ (shares.of ("b"), 50u);
  EXPECT_EQ (shares.of ("c"), 0u);
  shares.drain (99);
  EXPECT_EQ (shares.of ("a"), 110u);
  shares.drain (150);
  EXPECT_EQ (shares.of ("a"), 10u);
  EXPECT_EQ (shares.of ("b"), 0u);
  shares.drain (1000);
  EXPECT_TRUE (shares.empty ());
}

TEST (SlowPeers, RequestsBehindAnUnansweredOne)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  make_slow (client);
  client.send ("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE (flood (client, 100));
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.connections_now == 0; }));
}

TEST (SlowPeers, HalfClosedClientsGetTheirAnswer)
{
  RunningServer server (options ());
  for (const char *path : {"/now", "/later"}) {
    RawClient client (server.port ());
    client.send ("GET " + std::string (path) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    client.shutdown_write ();
    EXPECT_TRUE (client.receive_until ("200 OK")) << path;
    EXPECT_TRUE (client.wait_closed ()) << path;
  }
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.connections_now == 0; }));
}

// The end of what a client sends stays readable for as long as it gets no
// answer: the event loop must not turn around it.
TEST (SlowPeers, HalfClosedClientsThatWaitCostNothing)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  client.send ("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  client.shutdown_write ();
  ASSERT_TRUE (server.eventually (
      [] (const Counters &c) { return c.http_requests >= 1; }));
  double before = 0;
  double after = 0;
  server.on_thread ([&before] { before = thread_cpu_seconds (); });
  std::this_thread::sleep_for (500ms);
  server.on_thread ([&after] { after = thread_cpu_seconds (); });
  EXPECT_LT (after - before, 0.1);
  EXPECT_EQ (server.counters ().connections_now, 1u);
}

// The close frame waits behind what the peer does not read; meanwhile nothing
// that it sends is kept, not even the rest of a frame begun before.
TEST (SlowPeers, WritingAfterTheClose)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  make_slow (client);
  ASSERT_TRUE (client.open_socket ());
  std::string begun = RawClient::frame (0x82, std::string (900000, 'x'));
  client.send (RawClient::frame (0x81, R"(42["flood"])") + // 12 MB back
               begun.substr (0, 1000));
  ASSERT_TRUE (server.eventually ([] (const Counters &c) {
    return c.slow_readers >= 1 && c.sessions_now == 0;
  }));
  std::size_t before = resident_kb ();
  EXPECT_TRUE (flood (client, 100));
  EXPECT_LT (resident_kb (), before + 30000);
  EXPECT_TRUE (answers (server.port ()));
}

TEST (SlowPeers, ProbesByTheThousand)
{
  RunningServer server (options ());
  const std::string target = polling_target (server.port ());
  RawClient client (server.port ());
  make_slow (client);
  client.send ("GET /socket.io/?EIO=4&transport=websocket&sid=" +
               target.substr (target.find ("sid=") + 4) +
               " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  ASSERT_TRUE (client.receive_until ("\r\n\r\n"));
  std::string probes;
  for (int i = 0; i < 1000; i++)
    probes += RawClient::frame (0x81, "2probe");
  client.send (probes);
  EXPECT_TRUE (client.wait_closed ());
  // One answer, and the session goes on without the WebSocket.
  std::size_t answer = client.received.find ("3probe");
  ASSERT_NE (answer, std::string::npos);
  EXPECT_EQ (client.received.find ("3probe", answer + 1), std::string::npos);
  EXPECT_EQ (server.counters ().sessions_now, 1u);
}

TEST (SlowPeers, SessionsThatNobodyPolls)
{
  RunningServer server (options ());
  const std::string target = polling_target (server.port ());
  std::size_t before = resident_kb ();
  EXPECT_EQ (post (server.port (), target, "40"), 200);
  post (server.port (), target, R"(42["flood"])"); // 12 MB back
  EXPECT_TRUE (server.eventually ([] (const Counters &c) {
    return c.slow_readers == 1 && c.sessions_now == 0;
  }));
  EXPECT_LT (resident_kb (), before + 30000);
  EXPECT_EQ (post (server.port (), target, "3"), 400);
}

TEST (SlowPeers, ProbesThatDoNotGoOn)
{
  ServerOptions o = options ();
  o.upgrade_timeout = 300ms;
  RunningServer server (o);
  const std::string target = polling_target (server.port ());
  EXPECT_EQ (post (server.port (), target, "40"), 200);
  std::string probe_target = target;
  probe_target.replace (probe_target.find ("polling"), 7, "websocket");
  for (const char *probe : {"", "2probe"}) {
    RawClient client (server.port ());
    client.send ("GET " + probe_target +
                 " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
                 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    ASSERT_TRUE (client.receive_until ("\r\n\r\n"));
    if (*probe)
      client.text (probe);
    EXPECT_TRUE (client.wait_closed ()) << probe;
  }
  // The session itself goes on by polling.
  EXPECT_EQ (post (server.port (), target, R"(42["message",7])"), 200);
  RawClient poll (server.port ());
  poll.send ("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE (poll.receive_until (R"(42["message-back",7])"));
}
