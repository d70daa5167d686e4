// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What OpenSSL reads a socket with, in place of its own BIO: recv () and send
// () cost less than its read () and write (), a twentieth of what a message
// over TLS costs, and a peer that has gone raises no SIGPIPE.
#pragma once

struct ssl_st;

namespace robotlive::server::net {

struct BioSocket
{
  int fd; // non-blocking; the caller's to close after the SSL was used last
  // Whether recv () may be called; a call takes it back. OpenSSL goes on
  // reading until it has something for the caller: a peer that sends nothing
  // but key updates would keep it there.
  bool may_read = true;
};

// *ssl* reads from and writes to *socket*, which outlives it. False: no memory.
bool set_socket_bio (ssl_st *ssl, BioSocket *socket);

} // namespace robotlive::server::net
