// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The program itself as systemd runs it: a socket that is handed over, and what
// it tells the manager from its start to its end.
#include "network-fixture.hpp"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <thread>

using namespace robotlive::server;

namespace {

// Where systemd would listen for sd_notify ().
class Manager
{
public:
  explicit Manager (const std::string &path)
      : fd_ (::socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy (address.sun_path, path.c_str (), sizeof address.sun_path - 1);
    EXPECT_EQ (
        ::bind (fd_, reinterpret_cast<sockaddr *> (&address), sizeof address),
        0);
  }
  ~Manager () { ::close (fd_); }

  // Waits until *word* has been said; all that was said before is kept.
  bool hears (const std::string &word)
  {
    while (said.find (word) == std::string::npos) {
      pollfd ready{fd_, POLLIN, 0};
      if (::poll (&ready, 1, 30000) <= 0)
        return false;
      char buffer[4096];
      ssize_t n = ::recv (fd_, buffer, sizeof buffer, 0);
      said.append (buffer, n > 0 ? static_cast<std::size_t> (n) : 0) += '\n';
    }
    return true;
  }
  std::string said;

private:
  int fd_;
};

int
listening_socket (std::uint16_t *port)
{
  int fd = ::socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t size = sizeof in;
  EXPECT_EQ (::bind (fd, reinterpret_cast<sockaddr *> (&in), size), 0);
  EXPECT_EQ (::listen (fd, 64), 0);
  EXPECT_EQ (getsockname (fd, reinterpret_cast<sockaddr *> (&in), &size), 0);
  *port = ntohs (in.sin_port);
  return fd;
}

// In a child: the program with *handed_over* as descriptor 3.
[[noreturn]] void
run (const std::string &folder, int handed_over, const std::string &pid)
{
  // Also clears close-on-exec; onto itself it would not.
  int copy = ::fcntl (handed_over, F_DUPFD, 10);
  if (copy < 0 || ::dup2 (copy, 3) != 3)
    _exit (126);
  ::close (copy);
  setenv ("LISTEN_FDS", "1", 1);
  setenv ("LISTEN_PID",
      pid.empty () ? std::to_string (getpid ()).c_str () : pid.c_str (), 1);
  setenv ("NOTIFY_SOCKET", (folder + "/notify").c_str (), 1);
  std::string config = folder + "/signaling.conf";
  std::string database = "sqlite://" + folder + "/s.db";
  execl (SERVER_BINARY, "robotlive-signaling", "serve", "--config",
      config.c_str (), "--database", database.c_str (), "--listen",
      "127.0.0.1:0", nullptr);
  _exit (127);
}

class Process : public testing::Test
{
protected:
  Process ()
  {
    char pattern[] = "/tmp/robotlive-process-XXXXXX";
    folder = mkdtemp (pattern);
    std::ofstream (folder + "/signaling.conf") << "[server]\ndrain-time=1s\n";
    manager = std::make_unique<Manager> (folder + "/notify");
    listener = listening_socket (&port);
  }
  ~Process () override
  {
    if (child > 0) {
      kill (child, SIGKILL);
      waitpid (child, nullptr, 0);
    }
    if (listener >= 0)
      ::close (listener);
    std::filesystem::remove_all (folder);
  }
  // *files*: how many it may open; 0: as many as this process.
  void start (const std::string &pid = "", rlim_t files = 0)
  {
    child = fork ();
    if (child == 0) {
      const rlimit limit{files, files};
      if (files > 0 &&
          (setrlimit (RLIMIT_NOFILE, &limit) != 0 ||
              !freopen ((folder + "/errors").c_str (), "w", stderr)))
        _exit (126);
      run (folder, listener, pid);
    }
    ::close (listener);
    listener = -1;
  }
  // The exit status of the child; 256 and more: killed.
  int ended ()
  {
    int status = 0;
    waitpid (child, &status, 0);
    child = 0;
    return WIFEXITED (status) ? WEXITSTATUS (status) : 256 + WTERMSIG (status);
  }

  std::string folder;
  std::unique_ptr<Manager> manager;
  std::uint16_t port = 0;
  int listener = -1;
  pid_t child = 0;
};

} // namespace

TEST_F (Process, ServesOnTheSocketItIsGivenAndSaysHowItIs)
{
  // Before anybody serves: a client that comes too early is not turned away.
  RawClient early (port);
  ASSERT_TRUE (early.connected ());
  start ();
  ASSERT_TRUE (early.open_websocket ());
  EXPECT_TRUE (manager->hears ("READY=1"));
  EXPECT_TRUE (manager->hears ("WATCHDOG=1"));
  manager->said.clear ();
  EXPECT_TRUE (manager->hears ("WATCHDOG=1")) << "again and again";
  EXPECT_EQ (status_of (port, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"), 200);

  kill (child, SIGHUP);
  EXPECT_TRUE (manager->hears ("RELOADING=1"));
  EXPECT_TRUE (manager->hears ("READY=1"));

  // It ends although one client neither reads nor goes.
  RawClient silent (port);
  silent.send ("GET / HTTP/1.1\r\n");
  kill (child, SIGTERM);
  EXPECT_TRUE (manager->hears ("STOPPING=1"));
  EXPECT_TRUE (early.wait_closed ());
  EXPECT_EQ (ended (), 0);
}

TEST_F (Process, TakesNoSocketThatIsForAnother)
{
  RawClient early (port);
  ASSERT_TRUE (early.connected ());
  start ("1");
  EXPECT_TRUE (manager->hears ("READY=1"));
  kill (child, SIGTERM);
  EXPECT_EQ (ended (), 0);
  EXPECT_FALSE (early.open_websocket ());
}

TEST_F (Process, SaysAtItsStartThatItMayOpenTooFewFiles)
{
  auto errors = [this] {
    std::ifstream file (folder + "/errors");
    return std::string (std::istreambuf_iterator<char> (file), {});
  };
  start ("", 64);
  EXPECT_EQ (ended (), EX_UNAVAILABLE);
  EXPECT_NE (errors ().find ("limit of open files, 64, leaves none"),
      std::string::npos)
      << errors ();
  std::ofstream (folder + "/signaling.conf") << "[limits]\nconnections=200\n";
  listener = listening_socket (&port);
  start ("", 200);
  EXPECT_EQ (ended (), EX_UNAVAILABLE);
  EXPECT_NE (errors ().find ("allows 136 connections, not the wanted 200"),
      std::string::npos)
      << errors ();
  listener = listening_socket (&port);
  start ("", 264);
  EXPECT_TRUE (manager->hears ("READY=1")) << errors ();
  kill (child, SIGTERM);
  EXPECT_EQ (ended (), 0);
}

// Whatever the store still has to say: the first word comes right after READY.
TEST_F (Process, EndsAtAnyMoment)
{
  for (int round = 0; round < 24; round++) {
    manager->said.clear ();
    if (round > 0)
      listener = listening_socket (&port);
    start ();
    EXPECT_TRUE (manager->hears ("READY=1"));
    std::this_thread::sleep_for (std::chrono::milliseconds (round / 3));
    kill (child, SIGTERM);
    ASSERT_EQ (ended (), 0) << "in round " << round;
  }
}

TEST_F (Process, AskedTwiceItEndsAtOnce)
{
  std::ofstream (folder + "/signaling.conf") << "[server]\ndrain-time=1h\n";
  start ();
  ASSERT_TRUE (manager->hears ("READY=1"));
  RawClient silent (port);
  silent.send ("GET / HTTP/1.1\r\n");
  ASSERT_EQ (status_of (port, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
  kill (child, SIGTERM);
  EXPECT_TRUE (manager->hears ("STOPPING=1"));
  kill (child, SIGINT);
  EXPECT_EQ (ended (), 0);
}

// Stores and logins answer from threads of their own, perhaps after the
// application that asked is gone.
TEST (NetworkServer, DropsWhatOtherThreadsPostedAtItsEnd)
{
  bool ran = false;
  auto held = std::make_shared<int> (0);
  {
    NetworkServer server{ServerOptions ()};
    server.post ([&ran, held] { ran = true; });
    EXPECT_EQ (held.use_count (), 2);
  }
  EXPECT_FALSE (ran);
  EXPECT_EQ (held.use_count (), 1);
}
