// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One Socket.IO connection of the load: WebSocket over TCP or TLS, blocking
// until set_nonblocking (). The certificate is not looked at. A frame has a
// random mask, as each of a browser has (RFC 6455, section 5.3), and may be
// sent again and again. Not zeros: ws, which the official server is built on,
// does not unmask those, and would be spared work that no client spares it.
#pragma once
#include "server/net/socketbio.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace robotlive::bench {

class Socket
{
public:
  Socket (const std::string &host, int port, bool tls)
      : fd_ (::socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), bio_{fd_}
  {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons (static_cast<std::uint16_t> (port));
    int on = 1;
    if (inet_pton (AF_INET, host.c_str (), &to.sin_addr) != 1 ||
        ::connect (fd_, reinterpret_cast<sockaddr *> (&to), sizeof to) != 0)
      throw std::runtime_error (
          std::string ("cannot connect: ") + std::strerror (errno));
    setsockopt (fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!tls)
      return;
    static SSL_CTX *context = make_context ();
    ssl_.reset (SSL_new (context));
    if (!server::net::set_socket_bio (ssl_.get (), &bio_))
      throw std::runtime_error ("no memory");
    int done;
    while ((done = SSL_connect (ssl_.get ())) != 1) {
      if (!again (done))
        throw std::runtime_error ("no TLS");
      bio_.may_read = true;
    }
  }
  ~Socket () { ::close (fd_); }
  Socket (const Socket &) = delete;
  Socket &operator= (const Socket &) = delete;

  int fd () const { return fd_; }
  void set_nonblocking () { fcntl (fd_, F_SETFL, O_NONBLOCK); }

  // WebSocket, Engine.IO, and the namespace "/" with *token*.
  void open (const std::string &token)
  {
    write ("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
           "Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    while (input_.find ("\r\n\r\n") == std::string::npos)
      fill ();
    if (input_.compare (0, 12, "HTTP/1.1 101") != 0)
      throw std::runtime_error (input_.substr (0, input_.find ('\r')));
    input_.erase (0, input_.find ("\r\n\r\n") + 4);
    await ("0{");
    send_text ("40{\"token\":\"" + token + "\"}");
    await ("40");
  }

  void send_text (std::string_view text) { write (frame (text)); }

  static std::string frame (std::string_view text)
  {
    std::string out = "\x81";
    if (text.size () < 126) {
      out += static_cast<char> (0x80 | text.size ());
    } else {
      out += static_cast<char> (0x80 | (text.size () < 65536 ? 126 : 127));
      for (int shift = text.size () < 65536 ? 8 : 56; shift >= 0; shift -= 8)
        out += static_cast<char> (text.size () >> shift & 255);
    }
    char mask[4];
    if (RAND_bytes (reinterpret_cast<unsigned char *> (mask), sizeof mask) != 1)
      throw std::runtime_error ("no random numbers");
    out.append (mask, sizeof mask);
    for (std::size_t i = 0; i < text.size (); ++i)
      out += static_cast<char> (text[i] ^ mask[i & 3]);
    return out;
  }

  // Blocking: the next message that begins with *start*; pings are answered,
  // anything else is dropped.
  std::string await (std::string_view start)
  {
    for (;;) {
      std::string_view text;
      while (!next (input_, &text))
        fill ();
      std::string message (text);
      input_.erase (0, used_);
      if (message == "2")
        send_text ("3");
      else if (message.compare (0, start.size (), start) == 0)
        return message;
      else if (message.compare (0, 2, "44") == 0)
        throw std::runtime_error (message);
    }
  }

  // What has come, without waiting.
  template <typename Fn> void receive (Fn on_text)
  {
    // What stays in the kernel makes the descriptor ready again; what stays in
    // OpenSSL does not.
    while (fill () && ssl_ && SSL_has_pending (ssl_.get ()) != 0) {
    }
    std::string_view rest = input_;
    std::string_view text;
    while (next (rest, &text)) {
      on_text (text);
      rest.remove_prefix (used_);
    }
    input_.erase (0, input_.size () - rest.size ());
  }

  void write (std::string_view bytes)
  {
    while (!bytes.empty ()) {
      long n = ssl_ ? SSL_write (ssl_.get (), bytes.data (),
                          static_cast<int> (bytes.size ()))
                    : ::send (fd_, bytes.data (), bytes.size (), MSG_NOSIGNAL);
      if (n > 0)
        bytes.remove_prefix (static_cast<std::size_t> (n));
      else if (!again (n))
        throw std::runtime_error ("the server has closed the connection");
      // A server that takes nothing has been overrun: it is waited for.
    }
  }

private:
  static constexpr std::size_t buffer_size = 64 * 1024;

  struct Free
  {
    void operator() (SSL *ssl) const { SSL_free (ssl); }
  };

  static SSL_CTX *make_context ()
  {
    SSL_CTX *context = SSL_CTX_new (TLS_client_method ());
    SSL_CTX_set_mode (context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
    // A record in one system call, or the load is the limit.
    SSL_CTX_set_read_ahead (context, 1);
    return context;
  }

  bool again (long n) const
  {
    if (!ssl_)
      return n < 0 && (errno == EAGAIN || errno == EINTR);
    int error = SSL_get_error (ssl_.get (), static_cast<int> (n));
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }

  // One read; false: nothing came, or nothing but what is OpenSSL's.
  bool fill ()
  {
    static char buffer[buffer_size];
    bio_.may_read = true;
    long n = ssl_ ? SSL_read (ssl_.get (), buffer, buffer_size)
                  : ::recv (fd_, buffer, buffer_size, 0);
    if (n > 0) {
      input_.append (buffer, static_cast<std::size_t> (n));
      return true;
    }
    if (!again (n))
      throw std::runtime_error ("the server has closed the connection");
    return false;
  }

  // The next text message at the start of *input*, *used_* bytes of it.
  bool next (std::string_view input, std::string_view *text)
  {
    if (input.size () < 2)
      return false;
    std::size_t size = static_cast<unsigned char> (input[1]) & 0x7f;
    std::size_t head = 2;
    std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (input.size () < head + more)
      return false;
    if (more > 0)
      size = 0;
    for (std::size_t i = 0; i < more; ++i)
      size = size << 8 | static_cast<unsigned char> (input[head + i]);
    head += more;
    if (input.size () < head + size)
      return false;
    if ((input[0] & 0x0f) == 8)
      throw std::runtime_error ("the server has said goodbye");
    *text = input.substr (head, size);
    used_ = head + size;
    return true;
  }

  int fd_;
  server::net::BioSocket bio_;
  std::unique_ptr<SSL, Free> ssl_;
  std::string input_;
  std::size_t used_ = 0;
};

} // namespace robotlive::bench
