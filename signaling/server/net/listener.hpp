// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One listening socket. Out of file descriptors it sheds connections instead
// of spinning; it never stops. I/O thread only.
#pragma once
#include "server/net/context.hpp"

#include <memory>

struct ssl_ctx_st;

namespace robotlive::server::net {

// The server's TLS context, replaced when the certificate is reloaded.
using TlsSlot = std::shared_ptr<std::shared_ptr<ssl_ctx_st>>;

class Listener
{
public:
  // Takes over *fd*, a listening socket. *tls*: empty for plain HTTP.
  Listener (Context &context, int fd, TlsSlot tls);
  ~Listener ();
  Listener (const Listener &) = delete;
  Listener &operator= (const Listener &) = delete;

  void start ();
  void stop ();

private:
  void accept_ready ();
  bool shed_one ();

  Context &context_;
  int fd_;
  ev::io watch_;
  int spare_fd_; // closed to accept and refuse when there is no other
  TlsSlot tls_;
};

// A socket bound to *address* and listening; throws std::runtime_error.
int open_listening_socket (const std::string &address, std::uint16_t port);
// 0 for AF_UNIX.
std::uint16_t bound_port (int fd);

} // namespace robotlive::server::net
