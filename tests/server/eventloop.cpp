// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/eventloop.hpp"
#include "server/net/tcpstream.hpp"
#include "server/net/timers.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace robotlive::server::net {
namespace {

using namespace std::chrono_literals;

TEST (EventLoop, RunsWhatIsPostedInOrder)
{
  EventLoop loop;
  std::string order;
  loop.post ([&] {
    order += 'a';
    loop.post ([&] {
      order += 'c';
      loop.stop ();
    });
  });
  loop.post ([&] { order += 'b'; });
  loop.run ();
  EXPECT_EQ (order, "abc");
  EXPECT_FALSE (loop.run_posted ());
}

TEST (EventLoop, IsWokenFromOtherThreads)
{
  EventLoop loop;
  constexpr int each = 1000;
  int count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back ([&] {
      for (int i = 0; i < each; i++)
        loop.post_threadsafe ([&] {
          if (++count == 4 * each)
            loop.stop ();
        });
    });
  loop.run ();
  for (std::thread &thread : threads)
    thread.join ();
  EXPECT_EQ (count, 4 * each);
}

TEST (EventLoop, StopsFromAnotherThread)
{
  EventLoop loop;
  std::thread other ([&loop] {
    std::this_thread::sleep_for (20ms);
    loop.stop ();
  });
  loop.run ();
  other.join ();
}

TEST (Timers, ExpireInOrderAndNeverEarly)
{
  EventLoop loop;
  Timers timers (loop);
  std::string order;
  auto begun = Clock::now ();
  Timer late (timers, [&] {
    EXPECT_GE (Clock::now (), begun + 60ms);
    order += 'l';
    loop.stop ();
  });
  Timer soon (timers, [&] {
    EXPECT_GE (Clock::now (), begun + 20ms);
    order += 's';
  });
  Timer never (timers, [&] { order += 'n'; });
  late.arm (begun + 60ms);
  never.arm (begun + 10ms);
  soon.arm (begun + 20ms);
  never.disarm ();
  loop.run ();
  EXPECT_EQ (order, "sl");
}

// One end of a socket pair in a loop; each event is a letter.
struct Watched
{
  explicit Watched (EventLoop &l) : loop (l)
  {
    int fds[2];
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
      std::abort ();
    peer = fds[1];
    stream = std::make_unique<TcpStream> (loop, fds[0], nullptr);
    stream->set_owner<Watched, &Watched::on_ready> (this);
  }
  ~Watched () { ::close (peer); }

  void on_ready (ev::io &, int events)
  {
    calls++;
    TcpStream::Ready ready = stream->ready (events);
    seen += ready.read ? "r" : "";
    seen += ready.write ? "w" : "";
    if (again)
      stream->wait_read ();
  }
  // Rounds of the loop, none of which waits.
  void turn (int rounds = 5)
  {
    for (int i = 0; i < rounds; i++)
      loop.ev ().run (ev::NOWAIT);
  }

  EventLoop &loop;
  int peer = -1;
  std::unique_ptr<TcpStream> stream;
  std::string seen;
  int calls = 0;
  bool again = false;
};

TEST (TcpStream, TellsOnceForEachWait)
{
  EventLoop loop;
  Watched one (loop);
  one.turn ();
  EXPECT_EQ (one.calls, 0);
  ASSERT_EQ (::write (one.peer, "x", 1), 1);
  one.turn ();
  EXPECT_EQ (one.calls, 0) << "nobody waits";
  one.stream->wait_read ();
  one.turn ();
  EXPECT_EQ (one.seen, "r");
  EXPECT_LE (one.calls, 2) << "a byte that nobody fetches turns the loop";
  one.stream->wait_read ();
  one.turn ();
  EXPECT_EQ (one.seen, "rr");
  char byte;
  EXPECT_EQ (one.stream->read (&byte, 1), 1);
  one.stream->wait_read ();
  one.turn ();
  EXPECT_EQ (one.seen, "rr") << "there is nothing to read any more";
  one.stream->wait_write ();
  one.turn ();
  EXPECT_EQ (one.seen, "rrw");
}

// Both ends of a TCP connection, the first one's not blocking.
std::pair<int, int>
tcp_pair ()
{
  int listener = ::socket (AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto *at = reinterpret_cast<sockaddr *> (&address);
  int peer = ::socket (AF_INET, SOCK_STREAM, 0);
  if (::bind (listener, at, size) != 0 || ::listen (listener, 1) != 0 ||
      ::getsockname (listener, at, &size) != 0 ||
      ::connect (peer, at, size) != 0)
    std::abort ();
  int fd = ::accept4 (listener, nullptr, nullptr, SOCK_NONBLOCK);
  ::close (listener);
  int on = 1;
  setsockopt (peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {fd, peer};
}

// Whether the kernel acknowledges all that is read at once, after *messages*.
bool
acknowledges_at_once (int messages)
{
  EventLoop loop;
  auto [fd, peer] = tcp_pair ();
  TcpStream stream (loop, fd, nullptr);
  for (int i = 0; i < messages; i++) {
    char byte = 'x';
    EXPECT_EQ (::write (peer, &byte, 1), 1);
    EXPECT_EQ (stream.read (&byte, 1), 1);
  }
  int quick = 0;
  socklen_t size = sizeof quick;
  EXPECT_EQ (getsockopt (fd, IPPROTO_TCP, TCP_QUICKACK, &quick, &size), 0);
  ::close (peer);
  return quick != 0;
}

TEST (TcpStream, AcknowledgesAtOnceUntilItStreams)
{
  // A viewer's joining: one that sends with Nagle's algorithm waits for each.
  EXPECT_TRUE (acknowledges_at_once (16));
  // A machine that stops for 40 ms in the wrong place is back at the first way.
  bool late = false;
  for (int tries = 0; tries < 10 && !late; tries++)
    late = !acknowledges_at_once (100);
  EXPECT_TRUE (late);
}

struct Ordered : std::enable_shared_from_this<Ordered>
{
  Ordered (EventLoop &l, std::string &o, char n) : loop (l), order (o), name (n)
  {
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
      std::abort ();
    watch.set (loop.ev ());
    watch.set<Ordered, &Ordered::on_event> (this);
    watch.start (fds[0], ev::READ);
  }
  ~Ordered ()
  {
    watch.stop ();
    ::close (fds[0]);
    ::close (fds[1]);
  }
  void on_event (ev::io &, int events)
  {
    loop.in_order<Ordered, &Ordered::on_ready> (shared_from_this (), events);
  }
  void on_ready (int) { order += name; }

  EventLoop &loop;
  std::string &order;
  char name;
  int fds[2];
  ev::io watch;
};

TEST (EventLoop, TakesWhatIsReadyInTheOrderOfItsArrival)
{
  EventLoop loop;
  std::string order;
  std::vector<std::shared_ptr<Ordered>> all;
  for (char name : {'a', 'b', 'c', 'd'})
    all.push_back (std::make_shared<Ordered> (loop, order, name));
  loop.ev ().run (ev::NOWAIT);
  for (int i : {2, 0, 3, 1})
    ASSERT_EQ (::write (all[i]->fds[1], "x", 1), 1);
  loop.ev ().run (ev::NOWAIT);
  EXPECT_EQ (order, "");
  loop.run_ready ();
  EXPECT_EQ (order, "cadb");
}

TEST (TcpStream, AnEndThatNobodyWaitsForIsQuiet)
{
  EventLoop loop;
  Watched one (loop);
  one.stream->wait_read ();
  ::shutdown (one.peer, SHUT_RDWR);
  one.turn (50);
  EXPECT_EQ (one.seen, "r");
  EXPECT_LE (one.calls, 3);
}

TEST (TcpStream, IsQuietOnceClosed)
{
  EventLoop loop;
  Watched one (loop);
  one.again = true;
  ASSERT_EQ (::write (one.peer, "x", 1), 1);
  one.stream->wait_read ();
  one.turn (3);
  EXPECT_EQ (one.seen, "rrr") << "unread, and waited for again";
  one.stream->close ();
  int before = one.calls;
  // The number of the descriptor goes to the next one at once.
  Watched other (loop);
  ASSERT_EQ (::write (other.peer, "x", 1), 1);
  other.stream->wait_read ();
  other.turn ();
  EXPECT_EQ (one.calls, before);
  EXPECT_EQ (other.seen, "r");
}

} // namespace
} // namespace robotlive::server::net
