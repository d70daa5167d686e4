// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/tcpstream.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace robotlive::server::net {

namespace {

// The kernel acknowledges what it holds back this long at the latest.
constexpr double least_ack_delay = 0.04;
// Reads that close to each other are a stream, fewer a client's joining: one
// that sends with Nagle's algorithm must not wait there for what is held back.
constexpr unsigned stream_reads = 32;

[[noreturn]] void
fail (const std::string &what)
{
  // The reason of the first entry is what the user needs; it names no secret.
  unsigned long code = ERR_peek_error ();
  const char *reason = code ? ERR_reason_error_string (code) : nullptr;
  ERR_clear_error ();
  throw std::runtime_error (
      what + (reason ? ": " : "") + (reason ? reason : ""));
}

// SSL_get_error () (3) wants an empty queue. It nearly always is, and to look
// is cheaper than to clear.
void
forget_errors ()
{
  if (ERR_peek_error () != 0)
    ERR_clear_error ();
}

} // namespace

std::shared_ptr<ssl_ctx_st>
load_tls_context (
    const std::string &certificate_file, const std::string &key_file)
{
  ERR_clear_error ();
  std::shared_ptr<ssl_ctx_st> context (
      SSL_CTX_new (TLS_server_method ()), SSL_CTX_free);
  if (!context)
    fail ("cannot set up TLS");
  SSL_CTX *ctx = context.get ();
  SSL_CTX_set_min_proto_version (ctx, TLS1_2_VERSION);
  SSL_CTX_set_options (ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                SSL_OP_CIPHER_SERVER_PREFERENCE |
                                SSL_OP_PRIORITIZE_CHACHA);
  // TLS 1.2: with a key of each connection's own and an AEAD, nothing else.
  if (SSL_CTX_set_cipher_list (ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
    fail ("cannot set up the ciphers of TLS");
  // As strong as needed and the least work. A client that puts ChaCha20 first
  // has no AES in hardware: it gets its wish.
  SSL_CTX_set_ciphersuites (ctx, "TLS_AES_128_GCM_SHA256:"
                                 "TLS_CHACHA20_POLY1305_SHA256:"
                                 "TLS_AES_256_GCM_SHA384");
  // Buffers are given back while a connection is idle; writes go on from a
  // buffer that may have moved.
  SSL_CTX_set_mode (ctx, SSL_MODE_RELEASE_BUFFERS |
                             SSL_MODE_ENABLE_PARTIAL_WRITE |
                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A record is read with one system call, not with one for its first 5 bytes.
  SSL_CTX_set_read_ahead (ctx, 1);
  // Resumption by tickets alone: no memory for clients that never come back.
  SSL_CTX_set_session_cache_mode (ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets (ctx, 1);
  if (SSL_CTX_use_certificate_chain_file (ctx, certificate_file.c_str ()) != 1)
    fail ("cannot read the TLS certificate " + certificate_file);
  if (SSL_CTX_use_PrivateKey_file (ctx, key_file.c_str (), SSL_FILETYPE_PEM) !=
      1)
    fail ("cannot read the TLS key " + key_file);
  if (SSL_CTX_check_private_key (ctx) != 1)
    fail ("the TLS key " + key_file + " does not belong to the certificate " +
          certificate_file);
  return context;
}

void
TcpStream::SslFree::operator() (ssl_st *ssl) const
{
  SSL_free (ssl);
}

TcpStream::TcpStream (
    EventLoop &loop, int fd, const std::shared_ptr<ssl_ctx_st> &tls)
    : fd_ (fd), watch_ (loop.ev ()), bio_socket_{fd}
{
  if (!tls)
    return;
  ssl_.reset (SSL_new (tls.get ()));
  if (!ssl_ || !set_socket_bio (ssl_.get (), &bio_socket_)) {
    failed_ = true;
    return;
  }
  SSL_set_accept_state (ssl_.get ());
}

TcpStream::~TcpStream ()
{
  close ();
}

void
TcpStream::wait_read ()
{
  read_wanted_ = true;
  watch (watched_ | wanted_events ());
}

void
TcpStream::wait_write ()
{
  write_wanted_ = true;
  watch (watched_ | wanted_events ());
}

int
TcpStream::wanted_events () const
{
  int events = 0;
  if (read_wanted_)
    events |= read_wants_write_ ? ev::WRITE : ev::READ;
  if (write_wanted_)
    events |= write_wants_read_ ? ev::READ : ev::WRITE;
  return events;
}

// A socket is watched until it has something that nobody waits for: the one
// that waits again after each message causes no system call.
TcpStream::Ready
TcpStream::ready (int events)
{
  if (fd_ < 0)
    return {};
  watch (watched_ & ~(events & ~wanted_events ()));
  Ready ready;
  ready.read =
      read_wanted_ && events & (read_wants_write_ ? ev::WRITE : ev::READ);
  ready.write =
      write_wanted_ && events & (write_wants_read_ ? ev::READ : ev::WRITE);
  read_wanted_ = read_wanted_ && !ready.read;
  write_wanted_ = write_wanted_ && !ready.write;
  return ready;
}

void
TcpStream::watch (int events)
{
  if (events == watched_ || fd_ < 0)
    return;
  watched_ = events;
  if (events == 0)
    watch_.stop ();
  else
    watch_.start (fd_, events);
}

// Linux acknowledges each message when it has been read, unless the connection
// is interactive in its eyes: a twelfth of the work of relaying a message. In a
// stream each second one will do, and the kernel does that by itself as they
// come. tcp (7), TCP_QUICKACK: it goes back to the other way when nothing has
// come for a while, so that the stream begins anew then.
void
TcpStream::delay_acks ()
{
  double now = ev_now (watch_.loop);
  bool streams = now - last_read_ < least_ack_delay;
  last_read_ = now;
  if (!streams) {
    reads_ = 0;
  } else if (reads_ < stream_reads && ++reads_ == stream_reads) {
    int quick = 0; // if it fails, all goes on as before
    setsockopt (fd_, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof quick);
  }
}

long
TcpStream::read (char *data, std::size_t size)
{
  delay_acks ();
  if (!ssl_) {
    ssize_t n;
    do
      n = ::recv (fd_, data, size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
      return n;
    return n < 0 && errno == EAGAIN ? 0 : -1;
  }
  if (failed_)
    return -1;
  forget_errors ();
  bio_socket_.may_read = true;
  int n = SSL_read (ssl_.get (), data,
      static_cast<int> (std::min<std::size_t> (size, INT_MAX)));
  read_wants_write_ = false;
  if (n > 0)
    return n;
  int error = SSL_get_error (ssl_.get (), n);
  read_wants_write_ = error == SSL_ERROR_WANT_WRITE;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    return 0;
  failed_ = error != SSL_ERROR_ZERO_RETURN;
  return -1;
}

bool
TcpStream::may_have_more () const
{
  return ssl_ && SSL_has_pending (ssl_.get ());
}

long
TcpStream::write (const char *data, std::size_t size)
{
  if (!ssl_) {
    ssize_t n;
    do
      n = ::send (fd_, data, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
      return n;
    return errno == EAGAIN ? 0 : -1;
  }
  if (failed_)
    return -1;
  forget_errors ();
  bio_socket_.may_read = true;
  int n = SSL_write (ssl_.get (), data,
      static_cast<int> (std::min<std::size_t> (size, INT_MAX)));
  if (n > 0)
    return n;
  int error = SSL_get_error (ssl_.get (), n);
  write_wants_read_ = error == SSL_ERROR_WANT_READ;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    return 0;
  failed_ = true;
  return -1;
}

bool
TcpStream::handshake_done () const
{
  return !ssl_ || SSL_is_init_finished (ssl_.get ());
}

void
TcpStream::shutdown_write ()
{
  if (ssl_ && !failed_ && SSL_is_init_finished (ssl_.get ())) {
    ERR_clear_error ();
    SSL_shutdown (ssl_.get ());
  }
  ::shutdown (fd_, SHUT_WR);
}

void
TcpStream::close ()
{
  if (fd_ < 0)
    return;
  watch_.stop ();
  ::close (fd_);
  fd_ = -1;
}

} // namespace robotlive::server::net
