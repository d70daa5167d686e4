// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/socketbio.hpp"

#include <cerrno>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace robotlive::server::net {

namespace {

BioSocket &
socket_of (BIO *bio)
{
  return *static_cast<BioSocket *> (BIO_get_data (bio));
}

// What a BIO tells of a system call's *result*.
int
bio_result (BIO *bio, ssize_t result, std::size_t *done, int retry)
{
  BIO_clear_retry_flags (bio);
  if (result > 0) {
    *done = static_cast<std::size_t> (result);
    return 1;
  }
  if (result < 0 && (errno == EAGAIN || errno == EINTR))
    BIO_set_flags (bio, retry | BIO_FLAGS_SHOULD_RETRY);
  else if (result == 0)
    BIO_set_flags (bio, BIO_FLAGS_IN_EOF);
  return 0;
}

int
bio_read (BIO *bio, char *data, std::size_t size, std::size_t *done)
{
  BioSocket &socket = socket_of (bio);
  if (!socket.may_read) {
    errno = EAGAIN;
    return bio_result (bio, -1, done, BIO_FLAGS_READ);
  }
  socket.may_read = false;
  return bio_result (
      bio, ::recv (socket.fd, data, size, 0), done, BIO_FLAGS_READ);
}

int
bio_write (BIO *bio, const char *data, std::size_t size, std::size_t *done)
{
  return bio_result (bio, ::send (socket_of (bio).fd, data, size, MSG_NOSIGNAL),
      done, BIO_FLAGS_WRITE);
}

long
bio_ctrl (BIO *bio, int command, long, void *)
{
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags (bio, BIO_FLAGS_IN_EOF) != 0;
    default:
      return 0;
  }
}

BIO_METHOD *
make_method ()
{
  BIO_METHOD *method =
      BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK, "socket");
  if (method) {
    BIO_meth_set_read_ex (method, bio_read);
    BIO_meth_set_write_ex (method, bio_write);
    BIO_meth_set_ctrl (method, bio_ctrl);
  }
  return method;
}

} // namespace

bool
set_socket_bio (ssl_st *ssl, BioSocket *socket)
{
  static BIO_METHOD *const method = make_method ();
  BIO *bio = method ? BIO_new (method) : nullptr;
  if (!bio)
    return false;
  BIO_set_data (bio, socket);
  BIO_set_init (bio, 1);
  SSL_set_bio (ssl, bio, bio);
  return true;
}

} // namespace robotlive::server::net
