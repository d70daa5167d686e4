// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Those who have not said who they are: what they may hold of the server's
// memory, by which name they may call it, and ten thousand of them at once.
#include "network-fixture.hpp"

#include <csignal>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

using namespace robotlive::server;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t untrusted = 4096;
constexpr std::size_t large = 100000;

ServerOptions
options ()
{
  ServerOptions o;
  o.message_rate = {0, 0};
  o.max_untrusted_payload = untrusted;
  return o;
}

std::string
event (std::size_t size)
{
  return R"(42["m",")" + std::string (size, 'x') + "\"]";
}

// The first bytes of a frame of *size* bytes.
std::string
begun (std::size_t size)
{
  return RawClient::frame (0x81, std::string (size, '4')).substr (0, 100);
}

std::string
post (const std::string &sid, const std::string &body)
{
  return "POST /socket.io/?EIO=4&transport=polling&sid=" + sid +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " +
         std::to_string (body.size ()) + "\r\n\r\n" + body;
}

// A server in a process of its own, because clients and server together would
// need twice the descriptors of one process.
class ServerProcess
{
public:
  explicit ServerProcess (const ServerOptions &o)
  {
    int pipes[2];
    if (pipe (pipes) != 0)
      std::abort ();
    child_ = fork ();
    if (child_ == 0)
      serve (o, pipes[1]);
    ::close (pipes[1]);
    if (read (pipes[0], &port_, sizeof port_) != sizeof port_)
      port_ = 0;
    ::close (pipes[0]);
  }
  ~ServerProcess ()
  {
    kill (child_, SIGKILL);
    waitpid (child_, nullptr, 0);
  }
  std::uint16_t port () const { return port_; }
  std::size_t resident () const
  {
    return resident_kb (std::to_string (child_));
  }
  // Of the counters of the network, "/counters" of EchoApplication.
  std::uint64_t connections () const
  {
    RawClient client (port_);
    client.send ("GET /counters HTTP/1.1\r\nHost: a\r\n\r\n");
    if (!client.receive_until ("now "))
      return UINT64_MAX;
    return std::stoull (
        client.received.substr (client.received.find ("now ") + 4));
  }

private:
  [[noreturn]] static void serve (const ServerOptions &o, int ready)
  {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    NetworkServer server (o);
    EchoApplication application;
    application.server = &server;
    server.set_handlers (application, application);
    std::uint16_t port = server.listen ("127.0.0.1", 0);
    if (write (ready, &port, sizeof port) != sizeof port)
      _exit (1);
    server.run ();
    _exit (0);
  }

  pid_t child_;
  std::uint16_t port_ = 0;
};

} // namespace

TEST (Strangers, HoldLittleBeforeTheyConnect)
{
  RunningServer server (options ());
  RawClient client (server.port ());
  ASSERT_TRUE (client.open_websocket ());
  client.send (begun (untrusted + 1)); // refused by its length alone
  EXPECT_TRUE (client.wait_closed ());
  EXPECT_NE (client.received.find ("\x88\x02\x03\xf1"), std::string::npos)
      << "1009";
  RawClient fragments (server.port ());
  ASSERT_TRUE (fragments.open_websocket ());
  std::string half (untrusted / 2 + 1, '4');
  fragments.send (
      RawClient::frame (0x01, half) + RawClient::frame (0x00, half));
  EXPECT_TRUE (fragments.wait_closed ());
  EXPECT_TRUE (answers (server.port ()));
}

TEST (Strangers, HoldLittleBeforeTheyAreKnown)
{
  RunningServer server (options ());
  RawClient unknown (server.port ());
  ASSERT_TRUE (unknown.open_websocket ());
  ASSERT_TRUE (unknown.text (R"(40{"token":"unknown"})"));
  ASSERT_TRUE (unknown.receive_until ("40{\"sid\""));
  ASSERT_TRUE (unknown.text (event (100)));
  EXPECT_TRUE (unknown.receive_until ("message-back"));
  unknown.send (begun (untrusted + 1));
  EXPECT_TRUE (unknown.wait_closed ());
  // Attachments count as well.
  RawClient binary (server.port ());
  ASSERT_TRUE (binary.open_websocket ());
  binary.text (R"(40{"token":"unknown"})");
  ASSERT_TRUE (binary.receive_until ("40{\"sid\""));
  binary.text (R"(452-["m",{"_placeholder":true,"num":0},)"
               R"({"_placeholder":true,"num":1}])");
  for (int i = 0; i < 2; i++)
    binary.send (RawClient::frame (0x82, std::string (untrusted * 3 / 4, 'b')));
  EXPECT_TRUE (binary.wait_closed ());

  RawClient known (server.port ());
  ASSERT_TRUE (known.open_socket ());
  ASSERT_TRUE (known.text (event (large)));
  EXPECT_TRUE (known.receive_until (std::string (large, 'x') + "\"]"));
}

TEST (Strangers, HoldLittleByPolling)
{
  RunningServer server (options ());
  std::string sid = open_polling (server.port ());
  // A larger body than that of any request is refused whatever the session.
  EXPECT_EQ (
      status_of (server.port (), post (sid, event (untrusted + 1))), 413);
  EXPECT_EQ (
      status_of (server.port (), post ("unknown", event (untrusted))), 400);
  EXPECT_EQ (status_of (server.port (), post ("unknown", event (large))), 413);
  EXPECT_EQ (status_of (server.port (), post (sid, "40")), 200);
  EXPECT_EQ (status_of (server.port (), post (sid, event (large))), 200);
  // An upgrade keeps what the session has.
  RawClient probe (server.port ());
  probe.send ("GET /socket.io/?EIO=4&transport=websocket&sid=" + sid +
              " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
              "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  ASSERT_TRUE (probe.receive_until ("\r\n\r\n"));
  probe.text ("2probe");
  ASSERT_TRUE (probe.receive_until ("3probe"));
  probe.text ("5");
  ASSERT_TRUE (probe.text (event (large)));
  EXPECT_TRUE (probe.receive_until ("message-back"));
}

// A page whose own name was made to point here comes with that name.
TEST (Strangers, CallItByItsName)
{
  ServerOptions o = options ();
  o.host_names = {"localhost", "Robots.example"};
  RunningServer server (o);
  auto get = [&server] (const std::string &host, const std::string &path) {
    return status_of (server.port (),
        "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  };
  const char *engine = "/socket.io/?EIO=4&transport=polling";
  for (const char *host :
      {"localhost", "LOCALHOST:8080", "robots.example", "robots.example.:80",
          "127.0.0.1:8080", "192.0.2.7", "[::1]", "[2001:db8::1]:8080"}) {
    EXPECT_EQ (get (host, engine), 200) << host;
    EXPECT_EQ (get (host, "/"), 200) << host;
  }
  for (const char *host : {"evil.example", "evil.example:8080",
           "localhost.evil.example", "xlocalhost", "127.0.0.1.evil.example",
           "robots.example.evil", "[::1", "[::1]evil.example", "[evil]"}) {
    EXPECT_EQ (get (host, engine), 421) << host;
    EXPECT_EQ (get (host, "/"), 421) << host;
  }
  RawClient socket (server.port ());
  socket.send ("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
               "Host: evil.example\r\nConnection: Upgrade\r\n"
               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_TRUE (socket.receive_until ("421 "));
  EXPECT_GE (server.counters ().origins_refused, 19u);
}

TEST (Strangers, TenThousandHalfOpen)
{
  constexpr std::size_t many = 10000;
  rlimit limit{};
  ASSERT_EQ (getrlimit (RLIMIT_NOFILE, &limit), 0);
  ASSERT_GE (limit.rlim_max, many + 200) << "raise the hard limit of open "
                                            "files (ulimit -Hn)";
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ (setrlimit (RLIMIT_NOFILE, &limit), 0);
  ServerOptions o = options ();
  // None expires, however slow the machine.
  o.header_timeout = o.body_timeout = o.connect_timeout = 10min;
  o.ping_interval = 10min;
  ServerProcess server (o);
  ASSERT_NE (server.port (), 0);
  std::size_t before = server.resident ();
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
                           "9000\r\n\r\nx";
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < many; i++) {
    clients.push_back (std::make_unique<RawClient> (server.port ()));
    RawClient &client = *clients.back ();
    ASSERT_TRUE (client.connected ()) << i;
    // Silent, half a head, half a body, no CONNECT, half a frame.
    bool ok = true;
    if (i % 5 == 1)
      ok = client.send (head);
    else if (i % 5 == 2)
      ok = client.send (body);
    else if (i % 5 == 3)
      ok = client.open_websocket ();
    else if (i % 5 == 4)
      ok = client.open_websocket () && client.send (begun (untrusted));
    ASSERT_TRUE (ok) << i;
  }
  EXPECT_GE (server.connections (), many);
  for (int i = 0; i < 20; i++)
    EXPECT_TRUE (answers (server.port ())) << i;
  EXPECT_LT (server.resident () - before, 20 * many) << "kB";
  clients.clear ();
  bool gone = false;
  for (int i = 0; i < 1000 && !gone; i++) {
    gone = server.connections () < 100;
    std::this_thread::sleep_for (10ms);
  }
  EXPECT_TRUE (gone);
  EXPECT_TRUE (answers (server.port ()));
}
