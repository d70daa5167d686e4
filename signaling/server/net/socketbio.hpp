// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What OpenSSL reads a socket with, in place of its own BIO: recv () and send
// () cost less than its read () and write (), a twentieth of what a message
// over TLS costs, and a peer that has gone raises no SIGPIPE.
#pragma once

struct ssl_st;

namespace robotlive::server::net {

// *ssl* reads from and writes to *fd*, a non-blocking socket that stays the
// caller's, to close after *ssl* was used last. False: no memory.
bool set_socket_bio (ssl_st *ssl, int fd);

} // namespace robotlive::server::net
