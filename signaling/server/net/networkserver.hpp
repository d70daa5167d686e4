// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The network side of the server: listeners, TLS, HTTP/1.1, Engine.IO sessions
// over long-polling and WebSocket, Socket.IO. One thread, the one in run (),
// does all of it and calls the application; the few functions that may be
// called from elsewhere say so.
#pragma once
#include "server/hub/sockets.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::server {

using Clock = std::chrono::steady_clock;

// Messages a second, with bursts. 0 messages a second: no limit.
struct RateLimit
{
  double per_second = 0;
  double burst = 0;
};

struct ServerOptions
{
  // Engine.IO heartbeat; sent to the client in the open packet.
  std::chrono::milliseconds ping_interval{25000};
  std::chrono::milliseconds ping_timeout{20000};
  // From the end of the WebSocket probe's handshake to its "upgrade" packet.
  std::chrono::milliseconds upgrade_timeout{10000};
  // From the Engine.IO handshake to the first CONNECT, and from the last
  // namespace left.
  std::chrono::milliseconds connect_timeout{10000};
  // From accept () or the end of the previous request: TLS handshake, request
  // line and headers, then the body.
  std::chrono::milliseconds header_timeout{10000};
  std::chrono::milliseconds body_timeout{30000};
  // A connection kept alive without a request.
  std::chrono::milliseconds idle_timeout{15000};
  // A peer that takes nothing of what is queued for it.
  std::chrono::milliseconds write_timeout{30000};

  // One Engine.IO packet or long-polling body, all fragments together: bytes.
  std::size_t max_payload = 1000000;
  // The same before the application trusts the socket: strangers, each with a
  // packet that never ends, hold so much less.
  std::size_t max_untrusted_payload = 65536;
  std::size_t max_fragments = 1024;
  std::size_t max_header_bytes = 16384;
  // Body of a request for the HttpHandler: bytes, else 413.
  std::size_t max_request_body = 65536;
  // What may wait for one slow peer; beyond either it is disconnected.
  std::size_t max_queued_bytes = 1 << 20;
  std::size_t max_queued_messages = 256;

  // TCP connections. 0: as many as the fd limit allows. per address: IPv4
  // address or IPv6 /64; loopback and trusted proxies are not counted so.
  std::size_t max_connections = 0;
  std::size_t max_connections_per_address = 256;
  // Engine.IO sessions of one (forwarded) address, loopback excepted.
  std::size_t max_sessions_per_address = 128;
  // Whether limits per address count loopback addresses as well.
  bool limit_loopback = false;
  // Engine.IO messages. Beyond it the socket gets the event "error" with code
  // "rate-limited" and is disconnected.
  RateLimit message_rate{100, 300};
  RateLimit message_rate_per_address{500, 2000};
  // HTTP requests of one address; beyond it 429. Loopback excepted.
  RateLimit request_rate_per_address{100, 400};

  // Origins that browsers may come from, besides the server's own: exact
  // ("https://console.example:8443") or "*". A request without Origin is not
  // a browser's and passes.
  std::vector<std::string> cors_origins;
  // If not empty: the names by which browsers may call this server, besides IP
  // addresses. Against pages that let their own name point here.
  std::vector<std::string> host_names;
  // CIDRs whose X-Forwarded-For and X-Forwarded-Proto are believed.
  std::vector<std::string> trusted_proxies;

  // PEM files; both or none. With them listen (…, true) speaks TLS only.
  std::string tls_certificate_file; // with its chain
  std::string tls_key_file;

  // Socket.IO endpoint and namespaces.
  std::string path = "/socket.io/";
  std::vector<std::string> namespaces = {"/"};
  // An endpoint that sends each Engine.IO message back, for the protocol's test
  // suite. Empty: none.
  std::string echo_path;

  // One line for people, without secrets: a slow reader cut off, a refused
  // Origin. Called on the I/O thread. May be empty.
  std::function<void (std::string_view message)> log;
};

// Since the start of the process, except those named "now".
struct Counters
{
  std::uint64_t connections_now = 0; // TCP
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0; // by a limit, or no fd left
  std::uint64_t tls_failures = 0;
  std::uint64_t http_requests = 0;
  std::uint64_t http_refused = 0; // malformed, too large, too many, too slow
  std::uint64_t sessions_now = 0; // Engine.IO
  std::uint64_t sessions_polling_now = 0;
  std::uint64_t sessions_total = 0;
  std::uint64_t upgrades = 0;
  std::uint64_t sockets_now = 0; // Socket.IO, accepted
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  std::uint64_t bytes_in = 0; // on the wire, before TLS
  std::uint64_t bytes_out = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t ping_timeouts = 0;
  std::uint64_t slow_readers = 0;
  std::uint64_t rate_limited = 0;
  std::uint64_t origins_refused = 0; // and host names
};

class NetworkServer final : public SocketServer
{
public:
  // Reads the certificate, checks the CIDRs, raises RLIMIT_NOFILE to its hard
  // limit. Throws std::runtime_error with a sentence for the user.
  explicit NetworkServer (ServerOptions options);
  ~NetworkServer () override;
  NetworkServer (const NetworkServer &) = delete;
  NetworkServer &operator= (const NetworkServer &) = delete;

  // Before run (). Both must outlive the server.
  void set_handlers (SocketHandler &sockets, HttpHandler &http);

  // *address*: "127.0.0.1", "0.0.0.0", "::" (both families), … *port* 0: any
  // free one. Returns the bound port. Throws std::runtime_error.
  std::uint16_t listen (
      const std::string &address, std::uint16_t port, bool tls = false);
  // Takes over a listening socket (systemd). Returns its port, 0 if AF_UNIX.
  std::uint16_t listen_fd (int fd, bool tls = false);

  // Until stop () or the end of drain ().
  void run ();
  // Any thread, and safe in a signal handler's self-pipe reader: leaves run ()
  // at once.
  void stop ();
  // I/O thread: no new connections, each client's transport is closed after
  // what is queued for it (clients reconnect by themselves, elsewhere or
  // later), then run () returns; after *deadline* in any case.
  void drain (std::chrono::milliseconds deadline);

  // Any thread. *fn* runs on the I/O thread; never if run () ends before.
  void post (std::function<void ()> fn);
  // I/O thread. The id is for cancel (); never 0.
  std::uint64_t schedule (
      Clock::time_point deadline, std::function<void ()> fn);
  void cancel (std::uint64_t timer);
  // I/O thread. *fn* runs for each such signal, on the I/O thread.
  void on_signal (int signal_number, std::function<void ()> fn);

  // I/O thread (SIGHUP): new connections get the files' present content. On
  // failure the old certificate stays; throws std::runtime_error.
  void reload_certificate ();

  // I/O thread (SIGHUP): names, origins and limits as in *options*, all but the
  // number of connections.
  void set_limits (const ServerOptions &options);

  const Counters &counters () const;

  // SocketServer; I/O thread.
  void accept (SocketId socket) override;
  void trust (SocketId socket) override;
  void reject (SocketId socket, std::string_view data) override;
  void emit (SocketId socket, std::shared_ptr<const std::string> payload,
      std::string_view sender) override;
  bool strained (SocketId socket, std::string_view sender) const override;
  void ack (
      SocketId socket, std::uint64_t ack_id, std::string_view payload) override;
  void disconnect (SocketId socket) override;
  std::size_t connections () const override;

  // With attachments, for the event's placeholders. *ack_id*: as an ack.
  void emit_binary (SocketId socket, std::string_view payload,
      const std::vector<std::string_view> &attachments,
      std::optional<std::uint64_t> ack_id = std::nullopt);

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace robotlive::server
