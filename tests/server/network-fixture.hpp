// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A NetworkServer on a thread of its own, and a client that sends any bytes.
#pragma once
#include "server/net/networkserver.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace robotlive::server {

// Echoes "message" as "message-back"; HTTP requests get their path, "/big" 16
// MB, "/counters" how many are here, "/later" its answer in a moment, "/never"
// none.
class EchoApplication final : public SocketHandler, public HttpHandler
{
public:
  NetworkServer *server = nullptr;

  void on_connect (
      SocketId socket, const HandshakeInfo &, std::string_view auth) override
  {
    if (auth == R"({"token":"bad"})")
      server->reject (
          socket, R"({"message":"no","data":{"code":"unauthorized"}})");
    else
      server->accept (socket);
    if (auth != R"({"token":"unknown"})")
      server->trust (socket);
  }
  void on_event (SocketId socket, const Event &event) override
  {
    if (event.name == "leave-me")
      return server->disconnect (socket);
    if (event.name == "flood") {
      auto big = std::make_shared<const std::string> (
          "[\"m\",\"" + std::string (60000, 'x') + "\"]");
      for (int i = 0; i < 200; i++)
        server->emit (socket, big, {});
      return;
    }
    // 60 kB each, in the name of the first argument, until it has to wait.
    if (event.name == "fill" && !event.arguments.empty ()) {
      const std::string sender (event.arguments[0]);
      const auto big = std::make_shared<const std::string> (
          "[\"m\",\"" + std::string (60000, 'x') + "\"]");
      int count = 0;
      for (; count < 400 && !server->strained (socket, sender); count++)
        server->emit (socket, big, sender);
      filled[sender].push_back (count);
      return;
    }
    std::string json = "[\"message-back\"";
    for (std::string_view argument : event.arguments)
      json.append (",").append (argument);
    server->emit (socket, std::make_shared<const std::string> (json + "]"), {});
  }
  void on_disconnect (SocketId, std::string_view) override {}
  void on_request (const HttpRequest &request,
      std::function<void (HttpResponse)> reply) override
  {
    HttpResponse response;
    response.content_type = "text/plain";
    if (request.path == "/never")
      return held_.push_back (std::move (reply));
    if (request.path == "/later") {
      server->schedule (Clock::now () + std::chrono::milliseconds (200),
          [reply = std::move (reply), response] { reply (response); });
      return;
    }
    if (request.path == "/big") {
      response.body.assign (16 << 20, 'b');
      return reply (std::move (response));
    }
    if (request.path == "/counters") {
      response.body =
          "now " + std::to_string (server->counters ().connections_now);
      return reply (std::move (response));
    }
    response.body = request.path + " " + request.body + " " + request.address +
                    (request.secure ? " secure" : "");
    reply (std::move (response));
  }

  // How many of each sender's each "fill" sent.
  std::map<std::string, std::vector<int>> filled;

private:
  std::vector<std::function<void (HttpResponse)>> held_;
};

class RunningServer
{
public:
  explicit RunningServer (ServerOptions options, bool tls = false)
      : server_ (std::move (options))
  {
    application_.server = &server_;
    server_.set_handlers (application_, application_);
    port_ = server_.listen ("127.0.0.1", 0, tls);
    thread_ = std::thread ([this] { server_.run (); });
  }
  ~RunningServer ()
  {
    server_.stop ();
    thread_.join ();
  }

  std::uint16_t port () const { return port_; }
  NetworkServer &server () { return server_; }

  // Counters as the I/O thread sees them.
  Counters counters ()
  {
    Counters copy;
    on_thread ([&] { copy = server_.counters (); });
    return copy;
  }
  template <typename Fn> void on_thread (Fn fn)
  {
    std::promise<void> done;
    server_.post ([&] {
      fn ();
      done.set_value ();
    });
    done.get_future ().wait ();
  }
  // Waits for a condition on the counters, generously.
  template <typename Fn> bool eventually (Fn condition)
  {
    for (int i = 0; i < 1000; i++) {
      if (condition (counters ()))
        return true;
      std::this_thread::sleep_for (std::chrono::milliseconds (10));
    }
    return false;
  }

  // What the application says of it, on its thread.
  std::vector<int> filled (const std::string &sender)
  {
    std::vector<int> counts;
    on_thread ([&] { counts = application_.filled[sender]; });
    return counts;
  }

private:
  NetworkServer server_;
  EchoApplication application_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

class RawClient
{
public:
  // Not connected yet.
  RawClient () : fd_ (::socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit RawClient (std::uint16_t port) : RawClient () { connect (port); }
  ~RawClient () { reset (); }
  RawClient (const RawClient &) = delete;
  RawClient &operator= (const RawClient &) = delete;

  void connect (std::uint16_t port)
  {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons (port);
    in.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    connected_ =
        ::connect (fd_, reinterpret_cast<sockaddr *> (&in), sizeof in) == 0;
  }
  bool connected () const { return connected_; }
  int fd () const { return fd_; }

  // False: the server has closed.
  bool send (std::string_view bytes)
  {
    while (!bytes.empty ()) {
      ssize_t n = ::send (fd_, bytes.data (), bytes.size (), MSG_NOSIGNAL);
      if (n <= 0)
        return false;
      bytes.remove_prefix (static_cast<std::size_t> (n));
    }
    return true;
  }
  // One more read; false: closed or nothing within ten seconds.
  bool receive ()
  {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll (&ready, 1, 10000) <= 0)
      return false;
    char buffer[65536];
    ssize_t n = ::recv (fd_, buffer, sizeof buffer, 0);
    if (n <= 0) {
      closed_ = true;
      return false;
    }
    received.append (buffer, static_cast<std::size_t> (n));
    return true;
  }
  bool receive_until (std::string_view text)
  {
    while (received.find (text) == std::string::npos)
      if (!receive ())
        return false;
    return true;
  }
  // Reads to the end; whether the server closed.
  bool wait_closed ()
  {
    while (receive ()) {
    }
    return closed_;
  }
  void shutdown_write () { ::shutdown (fd_, SHUT_WR); }
  void reset ()
  {
    if (fd_ < 0)
      return;
    linger now{1, 0};
    setsockopt (fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close (fd_);
    fd_ = -1;
  }

  // A masked frame with the given first byte.
  static std::string frame (unsigned char first, std::string_view payload)
  {
    std::string out (1, static_cast<char> (first));
    std::size_t size = payload.size ();
    if (size < 126) {
      out += static_cast<char> (0x80 | size);
    } else {
      int bytes = size < 65536 ? 2 : 8;
      out += static_cast<char> (0x80 | (bytes == 2 ? 126 : 127));
      for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        out += static_cast<char> (size >> shift & 255);
    }
    out += std::string ("\1\2\3\4", 4);
    for (std::size_t i = 0; i < size; i++)
      out += static_cast<char> (payload[i] ^ "\1\2\3\4"[i % 4]);
    return out;
  }
  bool text (std::string_view payload) { return send (frame (0x81, payload)); }

  bool open_websocket (const std::string &extra = "")
  {
    send ("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
          "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
          extra + "\r\n");
    return receive_until ("maxPayload");
  }
  bool open_socket ()
  {
    return open_websocket () && text ("40") && receive_until ("40{\"sid\"");
  }

  std::string received;

private:
  int fd_;
  bool connected_ = false;
  bool closed_ = false;
};

inline std::size_t
resident_kb (const std::string &process = "self")
{
  std::ifstream status ("/proc/" + process + "/status");
  for (std::string line; std::getline (status, line);)
    if (line.compare (0, 6, "VmRSS:") == 0)
      return std::stoul (line.substr (6));
  return 0;
}

// The status code of the answer to *request*; 0: closed without one.
inline int
status_of (std::uint16_t port, const std::string &request)
{
  RawClient client (port);
  client.send (request);
  if (!client.receive_until ("\r\n\r\n") || client.received.size () < 12)
    return 0;
  return std::atoi (client.received.substr (9, 3).c_str ());
}

// Opens an Engine.IO session over polling: its sid.
inline std::string
open_polling (std::uint16_t port)
{
  RawClient client (port);
  client.send ("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
               "Host: a\r\n\r\n");
  EXPECT_TRUE (client.receive_until ("maxPayload"));
  return client.received.substr (client.received.find ("\"sid\":\"") + 7, 20);
}

// Whether the server still serves a newcomer.
inline bool
answers (std::uint16_t port)
{
  RawClient client (port);
  return client.open_socket () && client.text (R"(42["message",7])") &&
         client.receive_until (R"(42["message-back",7])");
}

} // namespace robotlive::server
