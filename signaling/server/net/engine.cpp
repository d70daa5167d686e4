// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/engine.hpp"

#include "server/net/connection.hpp"

#include <algorithm>
#include <stdexcept>
#include <sys/random.h>

namespace robotlive::server::net {

namespace {

constexpr std::string_view bearer_prefix = "Bearer ";

// *path* is "/x/"; "/x" is meant as well.
bool
matches (std::string_view path, std::string_view endpoint)
{
  return path == endpoint || path == endpoint.substr (0, endpoint.size () - 1);
}

} // namespace

std::string
random_id ()
{
  // The kernel is asked for many at once.
  constexpr std::size_t size = 15;
  thread_local char pool[size * 64];
  thread_local std::size_t used = sizeof pool;
  if (used == sizeof pool) {
    // Up to 256 bytes a call cannot be interrupted.
    for (std::size_t i = 0; i < sizeof pool; i += 240)
      if (getrandom (pool + i, 240, 0) != 240)
        throw std::runtime_error ("no random numbers");
    used = 0;
  }
  std::string id = engineio::base64_encode ({pool + used, size});
  used += size;
  std::replace (id.begin (), id.end (), '+', '-');
  std::replace (id.begin (), id.end (), '/', '_');
  return id;
}

std::string
encode_handshake (const ServerOptions &options, engineio::Handshake handshake)
{
  handshake.ping_interval_ms =
      static_cast<std::uint32_t> (options.ping_interval.count ());
  handshake.ping_timeout_ms =
      static_cast<std::uint32_t> (options.ping_timeout.count ());
  handshake.max_payload = options.max_payload;
  return engineio::encode_open (handshake);
}

void
Engine::add_endpoint (std::string path, MessageHandler &handler)
{
  if (path.empty () || path.back () != '/')
    path += '/';
  endpoints_.emplace_back (std::move (path), &handler);
}

MessageHandler *
Engine::endpoint (std::string_view path) const
{
  for (const auto &[endpoint_path, handler] : endpoints_)
    if (matches (path, endpoint_path))
      return handler;
  return nullptr;
}

bool
Engine::serves (std::string_view path) const
{
  return endpoint (path) != nullptr;
}

std::optional<std::size_t>
Engine::max_body (const HttpRequest &request) const
{
  auto it = sessions_.find (query_value (request.query, "sid"));
  if (!serves (request.path) || it == sessions_.end ())
    return std::nullopt;
  return it->second.session->max_payload ();
}

void
Engine::respond_error (Connection &connection, EngineError error)
{
  static constexpr const char *messages[] = {"Transport unknown",
      "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden",
      "Unsupported protocol version"};
  int code = static_cast<int> (error);
  HttpResponse response;
  response.status = error == EngineError::forbidden ? 403 : 400;
  response.body = "{\"code\":" + std::to_string (code) + ",\"message\":\"" +
                  messages[code] + "\"}";
  connection.respond (std::move (response));
}

std::shared_ptr<EngineSession>
Engine::find (const std::string &sid, MessageHandler &handler) const
{
  auto it = sessions_.find (sid);
  return it != sessions_.end () && it->second.handler == &handler
             ? it->second.session
             : nullptr;
}

// The order of the checks is the official server's, so that a client gets the
// same code.
void
Engine::handle (const std::shared_ptr<Connection> &connection,
    const HttpRequest &request, const Client &client)
{
  MessageHandler &handler = *endpoint (request.path);
  std::string transport = query_value (request.query, "transport");
  std::string sid = query_value (request.query, "sid");
  bool upgrade_request = connection->accepts_upgrade ();
  if (transport != "polling" && transport != "websocket")
    return respond_error (*connection, EngineError::unknown_transport);
  if (!sid.empty ()) {
    auto session = find (sid, handler);
    if (session && session->is_open () && session->expired (Clock::now ())) {
      session->expire ();
      session.reset ();
    }
    if (!session)
      return respond_error (*connection, EngineError::unknown_sid);
    if (transport == "websocket" && upgrade_request)
      return upgrade (connection, request, session);
    if (transport == "websocket" || upgrade_request || !session->on_polling ())
      return respond_error (*connection, EngineError::bad_request);
    if (request.method == "GET")
      return session->poll (*connection);
    if (request.method == "POST" && session->is_open ())
      return session->post (*connection, request.body);
    return respond_error (*connection, EngineError::bad_request);
  }
  if (request.method != "GET")
    return respond_error (*connection, EngineError::bad_method);
  if ((transport == "websocket") != upgrade_request)
    return respond_error (*connection, EngineError::bad_request);
  if (query_value (request.query, "EIO") != "4")
    return respond_error (*connection, EngineError::unsupported_version);
  open (connection, request, client, handler);
}

void
Engine::open (const std::shared_ptr<Connection> &connection,
    const HttpRequest &request, const Client &client, MessageHandler &handler)
{
  std::optional<std::string> accept_key;
  if (connection->accepts_upgrade ()) {
    accept_key = ws_accept_key (request.header ("sec-websocket-key"));
    if (!accept_key || request.header ("sec-websocket-version") != "13")
      return respond_error (*connection, EngineError::bad_request);
  }
  if (context_.draining)
    return connection->respond (busy_response ());
  if (context_.limits_apply (client) &&
      context_.addresses.get (client.address)->sessions >=
          context_.options.max_sessions_per_address) {
    context_.counters.connections_refused++;
    return connection->respond (busy_response ());
  }
  HandshakeInfo info;
  info.address = request.address;
  info.origin = request.header ("origin");
  info.secure = request.secure;
  std::string_view authorization = request.header ("authorization");
  if (authorization.substr (0, bearer_prefix.size ()) == bearer_prefix)
    info.bearer = authorization.substr (bearer_prefix.size ());

  auto session = std::make_shared<EngineSession> (
      context_, handler, std::move (info), client);
  sessions_.emplace (session->sid (), Entry{session, &handler});
  if (!accept_key)
    return session->open_polling (*connection);
  connection->upgrade (*accept_key, session);
  session->open_websocket (connection);
}

void
Engine::upgrade (const std::shared_ptr<Connection> &connection,
    const HttpRequest &request, const std::shared_ptr<EngineSession> &session)
{
  auto accept_key = ws_accept_key (request.header ("sec-websocket-key"));
  if (!accept_key || request.header ("sec-websocket-version") != "13" ||
      query_value (request.query, "EIO") != "4")
    return respond_error (*connection, EngineError::bad_request);
  if (session->has_websocket () || !session->is_open ()) {
    // Clients expect this to fail after the handshake, not in it.
    connection->upgrade (*accept_key, nullptr);
    return connection->close_websocket (0);
  }
  connection->upgrade (*accept_key, session);
  session->probe (connection);
}

void
Engine::flush_later (std::shared_ptr<EngineSession> session)
{
  dirty_.push_back (std::move (session));
  if (dirty_.size () > 1)
    return;
  // Runs after the reads that are ready by now: what they cause leaves with
  // one system call for each receiver.
  context_.loop.post ([this] {
    auto dirty = std::move (dirty_);
    dirty_.clear ();
    for (const auto &waiting : dirty)
      waiting->flush ();
  });
}

void
Engine::remove (EngineSession &session)
{
  sessions_.erase (session.sid ());
}

void
Engine::close_all (std::string_view reason)
{
  std::vector<std::shared_ptr<EngineSession>> all;
  for (const auto &[sid, entry] : sessions_)
    all.push_back (entry.session);
  for (const auto &session : all)
    session->close (reason);
}

} // namespace robotlive::server::net
