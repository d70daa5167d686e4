// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/networkserver.hpp"

#include "server/net/connection.hpp"
#include "server/net/engine.hpp"
#include "server/net/listener.hpp"
#include "server/net/sockets.hpp"
#include "server/net/tcpstream.hpp"

#include <algorithm>
#include <csignal>
#include <map>
#include <stdexcept>
#include <sys/resource.h>

namespace robotlive::server {

namespace {

// Files, databases, listeners and the spare descriptors.
constexpr std::size_t reserved_fds = 64;
constexpr std::chrono::milliseconds drain_poll{20};

// How many connections the process may have.
std::size_t
raise_fd_limit ()
{
  rlimit limit{};
  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return 1024 - reserved_fds;
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
  getrlimit (RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur <= reserved_fds)
    throw std::runtime_error ("the limit of open files, " +
                              std::to_string (limit.rlim_cur) +
                              ", leaves none for connections");
  return limit.rlim_cur - reserved_fds;
}

} // namespace

struct NetworkServer::Impl
{
  explicit Impl (ServerOptions options)
      : context (std::move (options)), engine (context), sockets (context)
  {
    context.engine = &engine;
    engine.add_endpoint (context.options.path, sockets);
    if (!context.options.echo_path.empty ())
      engine.add_endpoint (context.options.echo_path, echo);
  }
  // Sessions and connections go before what they refer to.
  ~Impl ()
  {
    listeners.clear ();
    timers.clear ();
    signals.clear ();
    auto open = context.connections;
    for (net::Connection *connection : open)
      connection->close ();
    sockets_closing ();
  }

  struct Signal
  {
    Signal (net::EventLoop &loop, int number, std::function<void ()> function)
        : fn (std::move (function)), watch (loop.ev ())
    {
      watch.set<Signal, &Signal::arrived> (this);
      watch.start (number);
    }
    void arrived () { fn (); }

    std::function<void ()> fn;
    ev::sig watch;
  };

  void sockets_closing ();
  void drain_step (Clock::time_point deadline);

  net::Context context;
  net::Engine engine;
  net::Sockets sockets;
  net::Echo echo;
  net::TlsSlot tls;
  std::vector<std::unique_ptr<net::Listener>> listeners;
  std::map<std::uint64_t, std::unique_ptr<net::Timer>> timers;
  std::uint64_t last_timer = 0;
  net::Timer drain_timer{
      context.timers, [this] { drain_step (drain_deadline); }};
  Clock::time_point drain_deadline;
  std::vector<std::unique_ptr<Signal>> signals;
};

// Nobody is told: the application may be gone by now.
void
NetworkServer::Impl::sockets_closing ()
{
  struct Silent final : SocketHandler
  {
    void on_connect (SocketId, const HandshakeInfo &, std::string_view) override
    {
    }
    void on_event (SocketId, const Event &) override {}
    void on_disconnect (SocketId, std::string_view) override {}
  } silent;
  sockets.set_handler (silent);
  engine.close_all ("server shutting down");
  // Of the application's own threads, for an application that is gone.
  context.loop.drop_from_threads ();
  // What else is posted may hold the last references.
  while (context.loop.run_posted ())
    ;
}

NetworkServer::NetworkServer (ServerOptions options)
{
  // What the databases' libraries write with may kill the process.
  std::signal (SIGPIPE, SIG_IGN);
  std::size_t possible = raise_fd_limit ();
  if (options.max_connections == 0)
    options.max_connections = possible;
  else if (options.max_connections > possible)
    throw std::runtime_error ("the limit of open files allows " +
                              std::to_string (possible) +
                              " connections, not the wanted " +
                              std::to_string (options.max_connections));
  std::vector<net::Cidr> trusted;
  for (const std::string &text : options.trusted_proxies) {
    auto cidr = net::Cidr::parse (text);
    if (!cidr)
      throw std::runtime_error ("\"" + text + "\" is not an address range");
    trusted.push_back (*cidr);
  }
  impl_ = std::make_unique<Impl> (std::move (options));
  impl_->context.trusted_proxies = std::move (trusted);
  const ServerOptions &given = impl_->context.options;
  if (given.tls_certificate_file.empty () != given.tls_key_file.empty ())
    throw std::runtime_error ("TLS needs both a certificate and its key");
  if (!given.tls_certificate_file.empty ())
    reload_certificate ();
}

NetworkServer::~NetworkServer () = default;

void
NetworkServer::set_handlers (SocketHandler &sockets, HttpHandler &http)
{
  impl_->sockets.set_handler (sockets);
  impl_->context.http = &http;
}

std::uint16_t
NetworkServer::listen (const std::string &address, std::uint16_t port, bool tls)
{
  return listen_fd (net::open_listening_socket (address, port), tls);
}

std::uint16_t
NetworkServer::listen_fd (int fd, bool tls)
{
  if (tls && !impl_->tls)
    throw std::runtime_error ("listening with TLS needs a certificate");
  std::uint16_t port = net::bound_port (fd);
  impl_->listeners.push_back (std::make_unique<net::Listener> (
      impl_->context, fd, tls ? impl_->tls : nullptr));
  impl_->listeners.back ()->start ();
  return port;
}

void
NetworkServer::run ()
{
  impl_->context.loop.run ();
}

void
NetworkServer::stop ()
{
  impl_->context.loop.stop ();
}

void
NetworkServer::drain (std::chrono::milliseconds deadline)
{
  impl_->context.draining = true;
  for (auto &listener : impl_->listeners)
    listener->stop ();
  impl_->engine.close_all ("server shutting down");
  impl_->drain_step (Clock::now () + deadline);
}

void
NetworkServer::Impl::drain_step (Clock::time_point deadline)
{
  auto open = context.connections;
  for (net::Connection *connection : open)
    connection->close_if_idle ();
  if (context.connections.empty () || Clock::now () >= deadline)
    return context.loop.stop ();
  drain_deadline = deadline;
  drain_timer.arm (std::min (deadline, Clock::now () + drain_poll));
}

void
NetworkServer::post (std::function<void ()> fn)
{
  impl_->context.loop.post_threadsafe (std::move (fn));
}

std::uint64_t
NetworkServer::schedule (Clock::time_point deadline, std::function<void ()> fn)
{
  std::uint64_t id = ++impl_->last_timer;
  auto &timer = impl_->timers[id];
  timer = std::make_unique<net::Timer> (
      impl_->context.timers, [impl = impl_.get (), id, fn = std::move (fn)] {
        impl->timers.erase (id);
        fn ();
      });
  timer->arm (deadline);
  return id;
}

void
NetworkServer::cancel (std::uint64_t timer)
{
  impl_->timers.erase (timer);
}

void
NetworkServer::on_signal (int signal_number, std::function<void ()> fn)
{
  impl_->signals.push_back (std::make_unique<Impl::Signal> (
      impl_->context.loop, signal_number, std::move (fn)));
}

void
NetworkServer::reload_certificate ()
{
  const ServerOptions &options = impl_->context.options;
  auto context = net::load_tls_context (
      options.tls_certificate_file, options.tls_key_file);
  if (impl_->tls)
    *impl_->tls = std::move (context);
  else
    impl_->tls =
        std::make_shared<std::shared_ptr<ssl_ctx_st>> (std::move (context));
}

void
NetworkServer::set_limits (const ServerOptions &options)
{
  ServerOptions &own = impl_->context.options;
  own.cors_origins = options.cors_origins;
  own.host_names = options.host_names;
  own.max_connections_per_address = options.max_connections_per_address;
  own.max_sessions_per_address = options.max_sessions_per_address;
  own.message_rate = options.message_rate;
  own.request_rate_per_address = options.request_rate_per_address;
  own.max_payload = options.max_payload;
}

const Counters &
NetworkServer::counters () const
{
  return impl_->context.counters;
}

void
NetworkServer::accept (SocketId socket)
{
  impl_->sockets.accept (socket);
}

void
NetworkServer::trust (SocketId socket)
{
  impl_->sockets.trust (socket);
}

void
NetworkServer::reject (SocketId socket, std::string_view data)
{
  impl_->sockets.reject (socket, data);
}

void
NetworkServer::emit (SocketId socket,
    std::shared_ptr<const std::string> payload, std::string_view sender)
{
  impl_->sockets.emit (socket, std::move (payload), sender);
}

bool
NetworkServer::strained (SocketId socket, std::string_view sender) const
{
  return impl_->sockets.strained (socket, sender);
}

void
NetworkServer::ack (
    SocketId socket, std::uint64_t ack_id, std::string_view payload)
{
  impl_->sockets.ack (socket, ack_id, payload);
}

void
NetworkServer::disconnect (SocketId socket)
{
  impl_->sockets.disconnect (socket);
}

std::size_t
NetworkServer::connections () const
{
  return impl_->context.counters.sockets_now;
}

void
NetworkServer::emit_binary (SocketId socket, std::string_view payload,
    const std::vector<std::string_view> &attachments,
    std::optional<std::uint64_t> ack_id)
{
  impl_->sockets.send_binary (socket, payload, attachments, ack_id);
}

} // namespace robotlive::server
