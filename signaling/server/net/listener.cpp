// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/listener.hpp"

#include "server/net/connection.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace robotlive::server::net {

namespace {

constexpr int backlog = 4096;
// Connections accepted before the others get their turn.
constexpr int accepts_per_turn = 64;

int
open_spare ()
{
  return ::open ("/dev/null", O_RDONLY | O_CLOEXEC);
}

} // namespace

int
open_listening_socket (const std::string &address, std::uint16_t port)
{
  auto parsed = Address::parse (address);
  if (!parsed)
    throw std::runtime_error ("\"" + address + "\" is not an IP address");
  // Dotted text: IPv4. "::" takes both families.
  bool v4 = address.find (':') == std::string::npos;
  int fd = ::socket (
      v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  auto fail = [&] (const char *what) {
    std::string reason = std::strerror (errno);
    if (fd >= 0)
      ::close (fd);
    throw std::runtime_error ("cannot " + std::string (what) + " " +
                              (v4 ? address : "[" + address + "]") + ":" +
                              std::to_string (port) + ": " + reason);
  };
  if (fd < 0)
    fail ("open a socket for");
  int on = 1;
  int off = 0;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int bound;
  if (v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons (port);
    std::memcpy (&in.sin_addr, parsed->bytes.data () + 12, 4);
    bound = ::bind (fd, reinterpret_cast<sockaddr *> (&in), sizeof in);
  } else {
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons (port);
    std::memcpy (&in.sin6_addr, parsed->bytes.data (), 16);
    bound = ::bind (fd, reinterpret_cast<sockaddr *> (&in), sizeof in);
  }
  if (bound != 0)
    fail ("bind");
  if (::listen (fd, backlog) != 0)
    fail ("listen on");
  return fd;
}

std::uint16_t
bound_port (int fd)
{
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname (fd, reinterpret_cast<sockaddr *> (&storage), &size) != 0)
    return 0;
  if (storage.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy (&in, &storage, sizeof in);
    return ntohs (in.sin_port);
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy (&in, &storage, sizeof in);
    return ntohs (in.sin6_port);
  }
  return 0;
}

Listener::Listener (Context &context, int fd, TlsSlot tls)
    : context_ (context), fd_ (fd), watch_ (context.loop.ev ()),
      spare_fd_ (open_spare ()), tls_ (std::move (tls))
{
  ::fcntl (fd, F_SETFL, ::fcntl (fd, F_GETFL) | O_NONBLOCK);
  watch_.set<Listener, &Listener::accept_ready> (this);
}

Listener::~Listener ()
{
  stop ();
  if (spare_fd_ >= 0)
    ::close (spare_fd_);
}

void
Listener::start ()
{
  watch_.start (fd_, ev::READ);
}

void
Listener::stop ()
{
  watch_.stop ();
  if (fd_ >= 0)
    ::close (fd_);
  fd_ = -1;
}

// Out of file descriptors: the client gets a reset instead of silence, and the
// event loop no busy listener. False: nothing could be accepted even so.
bool
Listener::shed_one ()
{
  if (spare_fd_ < 0)
    spare_fd_ = open_spare ();
  if (spare_fd_ < 0)
    return false;
  ::close (spare_fd_);
  int fd = ::accept4 (fd_, nullptr, nullptr, SOCK_CLOEXEC);
  // The kernel looks for a free descriptor before it looks for a client: there
  // may have been none.
  if (fd >= 0) {
    ::close (fd);
    context_.counters.connections_refused++;
  }
  spare_fd_ = open_spare ();
  return fd >= 0;
}

void
Listener::accept_ready ()
{
  for (int i = 0; i < accepts_per_turn; i++) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    int fd = ::accept4 (fd_, reinterpret_cast<sockaddr *> (&storage), &size,
        SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED)
        continue;
      if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
              errno == ENOMEM) &&
          shed_one ())
        continue;
      return;
    }
    Address peer = Address::from (reinterpret_cast<sockaddr *> (&storage));
    const ServerOptions &options = context_.options;
    bool counted = context_.limits_apply (Client::of_peer (peer)) &&
                   !is_trusted (peer, context_.trusted_proxies);
    if (context_.counters.connections_now >= options.max_connections ||
        (counted && context_.addresses.get (peer)->connections >=
                        options.max_connections_per_address)) {
      context_.counters.connections_refused++;
      ::close (fd);
      continue;
    }
    int on = 1;
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::make_shared<Connection> (context_, fd, peer, tls_ ? *tls_ : nullptr)
        ->start ();
  }
}

} // namespace robotlive::server::net
