// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A TCP connection, plain or TLS: non-blocking reads and writes, and waiting
// for either. Plain and TLS are one class, so that everything above is
// compiled once, and an idle connection holds no buffer. I/O thread only.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

struct ssl_ctx_st;
struct ssl_st;

namespace robotlive::server::net {

// A server's certificate and settings. Connections keep the one they began
// with.
std::shared_ptr<ssl_ctx_st> load_tls_context (
    const std::string &certificate_file, const std::string &key_file);

class Stream
{
public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp,
      boost::asio::io_context::executor_type>;

  // Takes over *fd*, a connected non-blocking socket. *tls* may be null.
  Stream (boost::asio::io_context &io, int fd, int family,
      const std::shared_ptr<ssl_ctx_st> &tls);
  ~Stream ();
  Stream (const Stream &) = delete;
  Stream &operator= (const Stream &) = delete;

  // Bytes moved; 0: wait and try again; -1: the peer is gone. The first reads
  // of a TLS stream do its handshake. A blocked TLS write must be repeated
  // with the same bytes in front.
  long read (char *data, std::size_t size);
  long write (const char *data, std::size_t size);
  // Whether TLS holds bytes that no readiness of the socket will tell of.
  bool may_have_more () const;

  // Calls *ready* once the last read () or write () that returned 0 is worth
  // another try; with false if the stream was closed meanwhile.
  template <typename Handler> void wait_read (Handler ready)
  {
    wait (read_wants_write_, std::move (ready));
  }
  template <typename Handler> void wait_write (Handler ready)
  {
    wait (!write_wants_read_, std::move (ready));
  }

  // No more will be written; the peer may still send.
  void shutdown_write ();
  void close ();
  bool secure () const { return ssl_ != nullptr; }
  bool handshake_done () const;

private:
  template <typename Handler> void wait (bool writable, Handler ready)
  {
    socket_.async_wait (writable ? Socket::wait_write : Socket::wait_read,
        [ready = std::move (ready)] (
            const boost::system::error_code &error) mutable {
          ready (!error);
        });
  }

  struct SslFree
  {
    void operator() (ssl_st *ssl) const;
  };

  Socket socket_;
  int fd_;
  std::unique_ptr<ssl_st, SslFree> ssl_;
  bool read_wants_write_ = false;
  bool write_wants_read_ = false;
  bool failed_ = false; // TLS: neither read nor write nor shut down again
};

} // namespace robotlive::server::net
