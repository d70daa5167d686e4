// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A TCP connection, plain or TLS: non-blocking reads and writes, and waiting
// for either. Plain and TLS are one class, so that everything above is
// compiled once, and an idle connection holds no buffer. I/O thread only.
#pragma once
#include "server/net/eventloop.hpp"
#include "server/net/socketbio.hpp"

#include <memory>
#include <string>

struct ssl_ctx_st;
struct ssl_st;

namespace robotlive::server::net {

// A server's certificate and settings. Connections keep the one they began
// with.
std::shared_ptr<ssl_ctx_st> load_tls_context (
    const std::string &certificate_file, const std::string &key_file);

class TcpStream
{
public:
  // Takes over *fd*, a connected non-blocking socket. *tls* may be null.
  TcpStream (EventLoop &loop, int fd, const std::shared_ptr<ssl_ctx_st> &tls);
  ~TcpStream ();
  TcpStream (const TcpStream &) = delete;
  TcpStream &operator= (const TcpStream &) = delete;

  // Bytes moved; 0: wait and try again; -1: the peer is gone. The first reads
  // of a TLS stream do its handshake. A blocked TLS write must be repeated
  // with the same bytes in front.
  long read (char *data, std::size_t size);
  long write (const char *data, std::size_t size);
  // Whether TLS holds bytes that no readiness of the socket will tell of.
  bool may_have_more () const;

  // What the loop calls when the socket is ready: a method (ev::io &, int
  // events) of *owner*, which asks ready () what of it was waited for.
  template <typename Owner, void (Owner::*method) (ev::io &, int)>
  void set_owner (Owner *owner)
  {
    watch_.set<Owner, method> (owner);
  }

  // The owner wants to know, once, when the last read () or write () that
  // returned 0 is worth another try.
  void wait_read ();
  void wait_write ();
  bool waits_for_write () const { return write_wanted_; }

  struct Ready
  {
    bool read = false;
    bool write = false;
  };
  // What was waited for and has come with *events*; it is waited for no more.
  Ready ready (int events);

  // No more will be written; the peer may still send.
  void shutdown_write ();
  void close ();
  bool secure () const { return ssl_ != nullptr; }
  bool handshake_done () const;

private:
  int wanted_events () const;
  void watch (int events);
  void delay_acks ();

  struct SslFree
  {
    void operator() (ssl_st *ssl) const;
  };

  int fd_; // -1 when closed
  ev::io watch_;
  int watched_ = 0; // the events that watch_ is active for
  BioSocket bio_socket_;
  std::unique_ptr<ssl_st, SslFree> ssl_;
  bool read_wants_write_ = false;
  bool write_wants_read_ = false;
  bool read_wanted_ = false;
  bool write_wanted_ = false;
  unsigned reads_ = 0;   // of the stream that runs
  double last_read_ = 0; // by the loop's clock
  bool failed_ = false;  // TLS: neither read nor write nor shut down again
};

} // namespace robotlive::server::net
