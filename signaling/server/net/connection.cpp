// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/connection.hpp"

#include "server/net/engine.hpp"
#include "server/net/enginesession.hpp"

namespace robotlive::server::net {

namespace {

// Reads of one wake-up: one busy peer does not hold up the others.
constexpr int reads_per_turn = 4;
constexpr std::chrono::seconds linger_time{2};
constexpr std::size_t linger_bytes = 1 << 20;
constexpr std::size_t max_logged_origin = 128;
// The application has this long for a response.
constexpr std::chrono::seconds application_timeout{60};

} // namespace

Connection::Connection (Context &context, int fd, const Address &peer,
    const std::shared_ptr<ssl_ctx_st> &tls)
    : context_ (context), stream_ (context.loop, fd, tls), peer_ (peer),
      use_ (context.addresses.get (peer)),
      timer_ (context.timers, [this] { on_deadline (); }),
      http_ (std::make_unique<HttpReader> (context.options.max_header_bytes))
{
  stream_.set_owner<Connection, &Connection::on_event> (this);
  context_.connections.insert (this);
  context_.counters.connections_now++;
  context_.counters.connections_total++;
  use_->connections++;
}

Connection::~Connection ()
{
  context_.connections.erase (this);
  context_.counters.connections_now--;
  use_->connections--;
}

void
Connection::start ()
{
  kept_ = shared_from_this ();
  timer_.arm (Clock::now () + context_.options.header_timeout);
  wait_readable ();
}

void
Connection::on_event (ev::io &, int events)
{
  context_.loop.in_order<Connection, &Connection::on_ready> (
      shared_from_this (), events);
}

// The loop holds on to this meanwhile. Somebody before it may have closed it.
void
Connection::on_ready (int events)
{
  TcpStream::Ready ready = stream_.ready (events);
  if (ready.read && mode_ != Mode::closed)
    on_readable ();
  if (ready.write && mode_ != Mode::closed)
    on_writable ();
}

void
Connection::wait_readable ()
{
  if (!peer_done_ && mode_ != Mode::closed)
    stream_.wait_read ();
}

void
Connection::on_readable ()
{
  auto self = shared_from_this ();
  std::vector<char> &buffer = context_.read_buffer;
  for (int turn = 0; turn < reads_per_turn; turn++) {
    long n = stream_.read (buffer.data (), buffer.size ());
    if (n < 0)
      return on_peer_gone ();
    if (n == 0)
      return wait_readable ();
    auto size = static_cast<std::size_t> (n);
    context_.counters.bytes_in += size;
    on_bytes (buffer.data (), size);
    if (mode_ == Mode::closed)
      return;
    // If the socket has more after all, waiting for it ends at once.
    if (size < buffer.size () && !stream_.may_have_more ())
      return wait_readable ();
  }
  // TLS may hold decrypted bytes that no readiness will ever tell of.
  context_.loop.post ([self] {
    if (self->mode_ != Mode::closed)
      self->on_readable ();
  });
}

void
Connection::on_bytes (char *data, std::size_t size)
{
  switch (mode_) {
    case Mode::request:
      http_->append ({data, size});
      return process_http ();
    case Mode::answering:
      // The next request, sent early: it waits, in bounds.
      http_->append ({data, size});
      if (http_->buffered () > context_.options.max_header_bytes)
        drop ();
      return;
    case Mode::websocket:
      if (!close_after_write_)
        return process_websocket (data, size);
      [[fallthrough]]; // the close frame is on its way
    case Mode::lingering:
      discarded_ += size;
      if (discarded_ > linger_bytes)
        close ();
      return;
    case Mode::closed:
      return;
  }
}

void
Connection::on_peer_gone ()
{
  if (!stream_.handshake_done ())
    context_.counters.tls_failures++;
  // A client may shut down its side after a request and still want the answer.
  if (mode_ == Mode::answering && !session_) {
    peer_done_ = true;
    keep_alive_ = false;
    return;
  }
  drop ();
}

// Whatever is still owed to the peer.
void
Connection::drop ()
{
  auto self = shared_from_this ();
  auto session = std::move (session_);
  close ();
  if (session)
    session->on_connection_gone (*this);
}

void
Connection::on_deadline ()
{
  auto self = shared_from_this ();
  if (mode_ == Mode::request) {
    bool begun = http_->state () != HttpReader::State::idle;
    if (!stream_.handshake_done ())
      context_.counters.tls_failures++;
    if (begun && unsent_.empty ())
      return refuse (408);
    return close ();
  }
  if (mode_ == Mode::answering && unsent_.empty ()) {
    HttpResponse late;
    late.status = 503;
    late.body = R"({"code":"unavailable","message":"The server is busy"})";
    return respond (late);
  }
  if (!unsent_.empty ())
    context_.counters.slow_readers++;
  drop ();
}

void
Connection::close ()
{
  if (mode_ == Mode::closed)
    return;
  // Last of all: the session may hold the last reference to this, and this
  // the last one to the session.
  auto kept = std::move (kept_);
  auto session = std::move (session_);
  mode_ = Mode::closed;
  timer_.disarm ();
  stream_.close ();
}

void
Connection::close_if_idle ()
{
  keep_alive_ = false;
  if (mode_ == Mode::request && http_->state () == HttpReader::State::idle)
    close (); // and that may be the end of it
}

// ---- writing

void
Connection::write (std::string_view bytes)
{
  if (mode_ == Mode::closed || bytes.empty ())
    return;
  std::size_t done = 0;
  while (unsent_.empty () && done < bytes.size ()) {
    long n = stream_.write (bytes.data () + done, bytes.size () - done);
    if (n < 0) {
      // Told by the read side, so that no session ends within its own send.
      done = bytes.size ();
      peer_done_ = false;
      wait_readable ();
      break;
    }
    if (n == 0)
      break;
    done += static_cast<std::size_t> (n);
    context_.counters.bytes_out += static_cast<std::uint64_t> (n);
  }
  if (done < bytes.size ()) {
    unsent_.append (bytes.substr (done));
    wait_writable ();
  }
}

void
Connection::wait_writable ()
{
  if (stream_.waits_for_write ())
    return;
  timer_.arm (Clock::now () + context_.options.write_timeout);
  stream_.wait_write ();
}

void
Connection::on_writable ()
{
  long n = stream_.write (unsent_.data (), unsent_.size ());
  if (n < 0)
    return drop ();
  context_.counters.bytes_out += static_cast<std::uint64_t> (n);
  unsent_.erase (0, static_cast<std::size_t> (n));
  if (!unsent_.empty ())
    return wait_writable ();
  std::string ().swap (unsent_);
  timer_.disarm ();
  if (close_after_write_)
    return linger ();
  if (mode_ == Mode::websocket) {
    if (session_)
      session_->flush ();
  } else if (mode_ == Mode::answering) {
    finish_response ();
  }
}

// The last bytes are out. Closing with unread bytes of the peer would reset the
// connection and take the last bytes from it, so its end is awaited.
void
Connection::linger ()
{
  mode_ = Mode::lingering;
  session_.reset ();
  if (peer_done_)
    return close ();
  stream_.shutdown_write ();
  timer_.arm (Clock::now () + linger_time);
  wait_readable ();
}

// ---- HTTP

void
Connection::process_http ()
{
  if (processing_)
    return;
  processing_ = true;
  auto self = shared_from_this ();
  while (mode_ == Mode::request) {
    auto before = http_->state ();
    auto state = http_->parse ();
    if (state == HttpReader::State::body && before != state) {
      http_->set_body_limit (context_.engine->max_body (http_->request ())
                                 .value_or (context_.options.max_request_body));
      if (http_->expects_continue () &&
          http_->content_length () <= context_.options.max_request_body)
        write ("HTTP/1.1 100 Continue\r\n\r\n");
      timer_.arm (Clock::now () + context_.options.body_timeout);
      continue;
    }
    if (state == HttpReader::State::refused)
      refuse (http_->refusal ());
    else if (state == HttpReader::State::complete)
      handle_request ();
    else {
      if (before == HttpReader::State::idle &&
          state == HttpReader::State::head && request_number_ > 0)
        timer_.arm (Clock::now () + context_.options.header_timeout);
      break;
    }
  }
  processing_ = false;
}

void
Connection::refuse (int status)
{
  context_.counters.http_refused++;
  keep_alive_ = false;
  HttpResponse response;
  response.status = status;
  response.body = R"({"code":"bad-request","message":")";
  response.body += http_status_text (status);
  response.body += "\"}";
  mode_ = Mode::answering;
  head_only_ = false;
  cors_origin_.clear ();
  secure_ = stream_.secure ();
  respond (std::move (response));
}

void
Connection::handle_request ()
{
  timer_.disarm ();
  mode_ = Mode::answering;
  context_.counters.http_requests++;
  keep_alive_ = http_->keep_alive () && !context_.draining;

  HttpRequest &request = http_->request ();
  head_only_ = request.method == "HEAD";
  const Client client = client_of (peer_, request, context_.trusted_proxies);
  request.secure = stream_.secure ();
  // Any hop having been TLS does not matter: the nearest proxy is believed.
  if (!(client.address == peer_)) {
    std::string schemes = joined_header (request, "x-forwarded-proto");
    request.secure = last_item (schemes) == "https";
  }
  request.address = client.address.text ();
  request.local = client.local;
  secure_ = request.secure;
  cors_origin_.clear ();
  if (!is_trusted (peer_, context_.trusted_proxies) &&
      came_through_proxy (request) && !take_unnamed_proxy ())
    return;
  auto now = Clock::now ();
  if (context_.limits_apply (client) &&
      !context_.addresses.get (client.address)
           ->requests.take (context_.options.request_rate_per_address, now)) {
    context_.counters.rate_limited++;
    HttpResponse slow;
    slow.status = 429;
    slow.headers.emplace_back ("Retry-After", "1");
    slow.body = R"({"code":"rate-limited","message":"Too many requests"})";
    return respond (std::move (slow));
  }

  std::string_view host = request.header ("host");
  if (!host_allowed (host, context_.options.host_names)) {
    context_.counters.origins_refused++;
    context_.log ("refused a request for the host " +
                  std::string (host.substr (0, max_logged_origin)) +
                  ": see host-names");
    HttpResponse misdirected;
    misdirected.status = 421;
    misdirected.body =
        R"({"code":"forbidden","message":"This server has another name"})";
    return respond (std::move (misdirected));
  }
  std::string_view origin = request.header ("origin");
  bool allowed =
      origin.empty () || origin_allowed (origin, host, request.secure,
                             context_.options.cors_origins);
  cors_origin_ = allowed ? origin : std::string_view ();
  cors_named_ = allowed && !origin.empty () &&
                origin_named (origin, host, request.secure,
                    context_.options.cors_origins);
  bool engine = context_.engine->serves (request.path);
  // A page may send what it likes without asking, as long as it does not read
  // the answer: what changes something is refused here.
  bool reads = request.method == "GET" || request.method == "HEAD";
  if (!allowed && (engine || !reads)) {
    context_.counters.origins_refused++;
    context_.log ("refused a browser of origin " +
                  std::string (origin.substr (0, max_logged_origin)) +
                  ": the request's Host is " +
                  std::string (host.substr (0, max_logged_origin)) +
                  ", and cors-origins does not name it");
    HttpResponse forbidden;
    forbidden.status = 403;
    forbidden.body =
        engine ? R"({"code":4,"message":"Forbidden"})"
               : R"({"code":"forbidden","message":"not from this origin"})";
    return respond (std::move (forbidden));
  }
  if (is_preflight (request)) {
    HttpResponse preflight;
    preflight.status = 204;
    preflight.headers = {
        {"Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"},
        {"Access-Control-Allow-Headers", "authorization, content-type"},
        {"Access-Control-Max-Age", "600"}};
    return respond (std::move (preflight));
  }
  if (!engine)
    return call_application (std::move (request));
  if (http_->buffered () > 0 && http_->wants_websocket ())
    return refuse (400); // no frame may come before the 101
  context_.engine->handle (shared_from_this (), request, client);
}

// Viewers of a proxy that nobody named share the limits of one address, since
// who they are cannot be believed.
bool
Connection::take_unnamed_proxy ()
{
  if (peer_.is_loopback () && !context_.proxy_told) {
    context_.proxy_told = true;
    context_.log ("a proxy at " + peer_.text () +
                  " is not in trusted-proxies: all of its clients count as one "
                  "address. If it is yours: trusted-proxies=" +
                  peer_.text ());
  }
  if (use_->connections <= context_.options.max_connections_per_address)
    return true;
  context_.counters.connections_refused++;
  keep_alive_ = false;
  respond (busy_response ());
  return false;
}

void
Connection::call_application (HttpRequest request)
{
  if (!context_.http) {
    HttpResponse missing;
    missing.status = 404;
    missing.body = R"({"code":"not-found","message":"Not found"})";
    return respond (std::move (missing));
  }
  timer_.arm (Clock::now () + application_timeout);
  // Weak: a client that goes is not kept for an answer that nobody reads.
  std::weak_ptr<Connection> weak = shared_from_this ();
  context_.http->on_request (
      request, [weak, number = request_number_] (HttpResponse response) {
        auto self = weak.lock ();
        if (self && self->request_number_ == number)
          self->respond (std::move (response));
      });
  if (mode_ == Mode::answering)
    wait_readable ();
}

bool
Connection::is_preflight (const HttpRequest &request) const
{
  return request.method == "OPTIONS" && !request.header ("origin").empty () &&
         !request.header ("access-control-request-method").empty ();
}

void
Connection::respond (HttpResponse response)
{
  if (mode_ != Mode::answering)
    return;
  request_number_++; // a second answer to the same request is ignored
  auto self = shared_from_this ();
  session_.reset ();
  timer_.disarm ();
  if (!cors_origin_.empty ())
    add_cors (response, cors_origin_, cors_named_);
  add_restrictions (response, secure_);
  bool keep = keep_alive_ && !peer_done_;
  close_after_write_ = !keep;
  write (http_response (response, keep, head_only_));
  if (unsent_.empty ())
    finish_response ();
}

void
Connection::finish_response ()
{
  if (mode_ == Mode::closed)
    return;
  if (close_after_write_)
    return linger ();
  mode_ = Mode::request;
  http_->next ();
  timer_.arm (Clock::now () + context_.options.idle_timeout);
  wait_readable ();
  // Not from here: a session may be in the middle of ending with this answer,
  // and the next request, sent early, must not find it half-way.
  if (!processing_ && http_->buffered () > 0)
    context_.loop.post ([self = shared_from_this ()] {
      if (self->mode_ == Mode::request)
        self->process_http ();
    });
}

void
Connection::hold (std::shared_ptr<EngineSession> session)
{
  timer_.disarm ();
  session_ = std::move (session);
  wait_readable ();
}

// ---- WebSocket

void
Connection::upgrade (
    const std::string &accept_key, std::shared_ptr<EngineSession> session)
{
  mode_ = Mode::websocket;
  timer_.disarm ();
  session_ = std::move (session);
  websocket_ = std::make_unique<WsReader> (
      session_ ? session_->max_payload () : 0, context_.options.max_fragments);
  write ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
         accept_key + "\r\n\r\n");
  std::string ().swap (cors_origin_);
  // The caller may still look at the request that http_ holds.
  context_.loop.post ([self = shared_from_this ()] { self->http_.reset (); });
  wait_readable ();
}

void
Connection::set_max_message (std::size_t bytes)
{
  if (websocket_)
    websocket_->set_max_message (bytes);
}

void
Connection::close_websocket (std::uint16_t code)
{
  if (mode_ != Mode::websocket || close_after_write_)
    return;
  close_after_write_ = true;
  session_.reset ();
  write (ws_close_frame (code));
  if (unsent_.empty ())
    linger ();
}

void
Connection::process_websocket (char *data, std::size_t size)
{
  websocket_->feed (data, size);
  while (mode_ == Mode::websocket && !close_after_write_) {
    auto message = websocket_->next ();
    if (!message)
      break;
    auto session = session_;
    switch (message->kind) {
      case WsMessage::Kind::text:
        if (session)
          session->on_text (*this, message->data);
        break;
      case WsMessage::Kind::binary:
        if (session)
          session->on_binary (*this, message->data);
        break;
      case WsMessage::Kind::ping:
        if (session && session->take_message_token () && !blocked ()) {
          std::string pong;
          append_ws_header (pong, WsMessage::Kind::pong, message->data.size ());
          pong += message->data;
          write (pong);
        }
        break;
      case WsMessage::Kind::pong: // nobody asked for it
        if (session)
          session->take_message_token ();
        break;
      case WsMessage::Kind::close: {
        std::uint16_t code = message->close_code;
        session_.reset ();
        close_websocket (code == 1005 ? 0 : code);
        if (session)
          session->on_connection_gone (*this);
        return;
      }
    }
  }
  if (mode_ == Mode::websocket && websocket_->error () != 0) {
    context_.counters.protocol_errors++;
    auto session = std::move (session_);
    close_websocket (websocket_->error ());
    if (session)
      session->on_connection_gone (*this);
  }
}

} // namespace robotlive::server::net
