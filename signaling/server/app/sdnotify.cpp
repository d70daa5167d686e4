// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/sdnotify.hpp"
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace robotlive::server {

void
systemd_notify (const char *state)
{
  const char *path = std::getenv ("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!path || !*path || std::strlen (path) >= sizeof address.sun_path)
    return;
  std::size_t length = std::strlen (path);
  std::memcpy (address.sun_path, path, length);
  if (path[0] == '@') // abstract
    address.sun_path[0] = '\0';
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  // Nobody can be told if this fails.
  (void)!sendto (fd, state, std::strlen (state), MSG_NOSIGNAL,
      reinterpret_cast<const sockaddr *> (&address),
      static_cast<socklen_t> (offsetof (sockaddr_un, sun_path) + length));
  close (fd);
}

void
systemd_reloading ()
{
  timespec now{};
  clock_gettime (CLOCK_MONOTONIC, &now);
  const std::string state =
      "RELOADING=1\nMONOTONIC_USEC=" +
      std::to_string (now.tv_sec * 1000000LL + now.tv_nsec / 1000);
  systemd_notify (state.c_str ());
}

std::vector<int>
systemd_sockets ()
{
  std::vector<int> list;
  const char *pid = std::getenv ("LISTEN_PID");
  const char *count = std::getenv ("LISTEN_FDS");
  if (!pid || !count || std::atoi (pid) != getpid ())
    return list;
  for (int fd = 3; fd < 3 + std::atoi (count) && fd < 64; ++fd) {
    fcntl (fd, F_SETFD, FD_CLOEXEC);
    list.push_back (fd);
  }
  return list;
}

} // namespace robotlive::server
