// SPDX-License-Identifier: LGPL-2.1-or-later
//
// TURN over TLS without file descriptors: a connection that cannot be accepted
// waits, costs next to nothing, and is carried once there are some again.
#include "transport/turntls.hpp"
#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

GST_DEBUG_CATEGORY (gst_signaling_bin_debug);

using namespace robotlive;

namespace {

int
listening_socket (unsigned *port)
{
  const int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ (bind (fd, reinterpret_cast<sockaddr *> (&address), length), 0);
  EXPECT_EQ (listen (fd, 8), 0);
  EXPECT_EQ (
      getsockname (fd, reinterpret_cast<sockaddr *> (&address), &length), 0);
  *port = ntohs (address.sin_port);
  return fd;
}

// Connects one of them to where *uri* leads:
// "turn://u:p@127.0.0.1:1234?transport=tcp" or with "[::1]".
bool
connect_to (const std::string &uri, int fd4, int fd6)
{
  const bool six = uri.find ("@[::1]:") != std::string::npos;
  const auto port = htons (static_cast<std::uint16_t> (
      atoi (uri.c_str () + uri.find (':', uri.find (six ? ']' : '@')) + 1)));
  if (six) {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = port;
    return connect (fd6, reinterpret_cast<sockaddr *> (&address),
               sizeof address) == 0;
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  address.sin_port = port;
  return connect (
             fd4, reinterpret_cast<sockaddr *> (&address), sizeof address) == 0;
}

void
close_all (std::initializer_list<int> files)
{
  for (const int fd : files)
    if (fd >= 0)
      close (fd);
}

// Until no file has been opened or closed for a second.
void
wait_until_closed ()
{
  std::size_t before = 0;
  for (int same = 0; same < 10; same++) {
    usleep (100000);
    const std::size_t now = static_cast<std::size_t> (
        std::distance (std::filesystem::directory_iterator ("/proc/self/fd"),
            std::filesystem::directory_iterator ()));
    if (now != before)
      same = 0;
    before = now;
  }
}

double
cpu_seconds ()
{
  rusage usage = {};
  getrusage (RUSAGE_SELF, &usage);
  const auto seconds = [] (const timeval &time) {
    return double (time.tv_sec) + double (time.tv_usec) / 1e6;
  };
  return seconds (usage.ru_utime) + seconds (usage.ru_stime);
}

// As long as it lives, no more files can be opened.
class NoDescriptors
{
public:
  NoDescriptors ()
  {
    getrlimit (RLIMIT_NOFILE, &before_);
    const rlimit few = {256, before_.rlim_max};
    setrlimit (RLIMIT_NOFILE, &few);
    for (int fd; (fd = open ("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
      files_.push_back (fd);
  }
  ~NoDescriptors ()
  {
    for (const int fd : files_)
      close (fd);
    setrlimit (RLIMIT_NOFILE, &before_);
  }

private:
  rlimit before_ = {};
  std::vector<int> files_;
};

} // namespace

TEST (TurnTls, WaitsForFileDescriptors)
{
  // What GLib loads and opens when it is first used is there.
  ASSERT_NE (g_main_context_default (), nullptr);
  g_type_class_ref (
      g_tls_backend_get_client_connection_type (g_tls_backend_get_default ()));
  unsigned port = 0;
  const int server = listening_socket (&port);
  TurnTls tls ("");
  std::string error;
  const auto uri = tls.local_uri (
      "turns://me:secret@127.0.0.1:" + std::to_string (port), &error);
  ASSERT_EQ (error, "");
  ASSERT_EQ (uri.rfind ("turn://me:secret@", 0), 0u) << uri;
  // And so is what the first connection brings about.
  int four = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int six = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_TRUE (connect_to (uri, four, six));
  pollfd waiting = {server, POLLIN, 0};
  ASSERT_EQ (poll (&waiting, 1, 30000), 1);
  const int carried = accept (server, nullptr, nullptr);
  EXPECT_GE (carried, 0);
  close_all ({carried, four, six});
  wait_until_closed ();

  four = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  six = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  {
    const NoDescriptors none;
    ASSERT_TRUE (connect_to (uri, four, six)); // the kernel has it
    const double before = cpu_seconds ();
    usleep (3000000);
    // One that tried again at once took a core of these three seconds.
    EXPECT_LT (cpu_seconds () - before, 0.5);
    EXPECT_EQ (poll (&waiting, 1, 0), 0);
  }
  ASSERT_EQ (poll (&waiting, 1, 30000), 1);
  // Its end is the peer's: glib-networking complains of a handshake that is
  // cancelled.
  close_all ({accept (server, nullptr, nullptr), server, four, six});
  wait_until_closed ();
}
