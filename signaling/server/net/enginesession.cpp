// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/enginesession.hpp"

#include "server/net/connection.hpp"
#include "server/net/engine.hpp"

#include <algorithm>
#include <utility>

namespace robotlive::server::net {

using engineio::PacketType;

namespace {

// Queued beyond this, packets leave at once and not at the end of the turn.
constexpr std::size_t early_flush_packets = 32;
constexpr std::size_t early_flush_bytes = 64 * 1024;
// Hub for as many stays while the queue is empty.
constexpr std::size_t kept_packets = 1;
// A polling client has this long to fetch what was queued before the close.
constexpr std::chrono::seconds closing_time{10};

HttpResponse
polling_response (std::string body)
{
  HttpResponse response;
  response.content_type = "text/plain; charset=UTF-8";
  response.headers.emplace_back ("Cache-Control", "no-store");
  response.body = std::move (body);
  return response;
}

OutPacket
packet (PacketType type, std::string_view data = {})
{
  OutPacket out;
  out.head = static_cast<char> (type);
  out.head += data;
  return out;
}

} // namespace

EngineSession::EngineSession (Context &context, MessageHandler &handler,
    HandshakeInfo info, const Client &client)
    : context_ (context), handler_ (handler), sid_ (random_id ()),
      info_ (std::move (info)), use_ (context.addresses.get (client.address)),
      timer_ (context.timers, [this] { on_deadline (); }),
      max_payload_ (context.options.max_payload),
      heartbeat_ (Clock::now () + context.options.ping_interval),
      count_address_ (context.limits_apply (client))
{
  use_->sessions++;
  context_.counters.sessions_now++;
  context_.counters.sessions_total++;
  context_.counters.sessions_polling_now++;
}

EngineSession::~EngineSession ()
{
  use_->sessions--;
  context_.counters.sessions_now--;
  if (!websocket_)
    context_.counters.sessions_polling_now--;
}

void
EngineSession::open_polling (Connection &connection)
{
  arm ();
  engineio::Handshake handshake;
  handshake.sid = sid_;
  handshake.upgrade_to_websocket = true;
  connection.respond (
      polling_response (encode_handshake (context_.options, handshake)));
  handler_.on_open (*this);
}

void
EngineSession::open_websocket (const std::shared_ptr<Connection> &connection)
{
  arm ();
  websocket_ = connection;
  context_.counters.sessions_polling_now--;
  engineio::Handshake handshake;
  handshake.sid = sid_;
  OutPacket open;
  open.head = encode_handshake (context_.options, handshake);
  send (std::move (open));
  handler_.on_open (*this);
}

// ---- deadlines

void
EngineSession::arm ()
{
  timer_.arm (std::min ({heartbeat_, connect_deadline_, probe_deadline_}));
}

bool
EngineSession::expired (Clock::time_point now) const
{
  // A ping that is due but was not sent yet: its pong is due from then on.
  auto end =
      pong_due_ ? heartbeat_ : heartbeat_ + context_.options.ping_timeout;
  return state_ != State::open || now >= end || now >= connect_deadline_;
}

void
EngineSession::on_deadline ()
{
  auto self = shared_from_this ();
  auto now = Clock::now ();
  if (state_ == State::closing)
    return finish ();
  if (now >= connect_deadline_)
    return end ("connect timeout", PacketType::close);
  if (now >= probe_deadline_)
    drop_probe ();
  if (now >= heartbeat_ && pong_due_)
    return expire ();
  if (now >= heartbeat_) {
    // From the schedule, not from now: a late timer gives nobody more time.
    heartbeat_ += context_.options.ping_timeout;
    pong_due_ = true;
    pong_extended_ = false;
    send (packet (PacketType::ping));
    flush ();
  }
  if (state_ == State::open)
    arm ();
}

void
EngineSession::expire ()
{
  auto self = shared_from_this ();
  context_.counters.ping_timeouts++;
  end ("ping timeout", PacketType::close);
}

void
EngineSession::set_max_payload (std::size_t bytes)
{
  max_payload_ = std::min (bytes, context_.options.max_payload);
  for (const auto &connection : {websocket_, probe_})
    if (connection)
      connection->set_max_message (max_payload_);
}

void
EngineSession::require_connect (Clock::time_point deadline)
{
  connect_deadline_ = deadline;
  arm ();
}

void
EngineSession::cancel_connect_deadline ()
{
  connect_deadline_ = Clock::time_point::max ();
}

bool
EngineSession::take_message_token ()
{
  auto now = Clock::now ();
  const ServerOptions &options = context_.options;
  bool ok = messages_.take (options.message_rate, now) &&
            (!count_address_ ||
                use_->messages.take (options.message_rate_per_address, now));
  if (!ok && state_ == State::open) {
    context_.counters.rate_limited++;
    context_.log (
        "cut off a client at " + info_.address + ": too many messages");
    send (packet (PacketType::message,
        R"(2["error",{"code":"rate-limited","message":"Too many messages",)"
        R"("retryAfterMs":1000}])"));
    close ("rate limited");
  }
  return ok;
}

// ---- incoming

// False: the packet may not come, or not now.
bool
EngineSession::on_packet (
    PacketType type, bool binary, std::string_view payload)
{
  if (pong_due_ && !pong_extended_ && type != PacketType::pong) {
    // Sign of life of a client that is busy: one more time-out, once.
    pong_extended_ = true;
    heartbeat_ = Clock::now () + context_.options.ping_timeout;
    arm ();
  }
  switch (type) {
    case PacketType::pong:
      if (pong_due_) {
        pong_due_ = false;
        heartbeat_ = Clock::now () + context_.options.ping_interval;
        arm ();
      } else {
        take_message_token (); // nobody asked for it
      }
      return true;
    case PacketType::message:
      if (!take_message_token ())
        return true;
      context_.counters.messages_in++;
      return binary ? handler_.on_binary (*this, payload)
                    : handler_.on_text (*this, payload);
    case PacketType::close:
      end ("transport close", PacketType::noop);
      return true;
    default:
      return false;
  }
}

void
EngineSession::on_text (Connection &connection, std::string_view text)
{
  auto self = shared_from_this ();
  auto packet_view = engineio::decode_text (text);
  if (probe_.get () == &connection) {
    if (packet_view && packet_view->type == PacketType::ping &&
        packet_view->data == "probe" && !upgrading_) {
      upgrading_ = true;
      std::string frame;
      append_ws_header (frame, WsMessage::Kind::text, 6);
      connection.write (frame + "3probe");
      if (poll_)
        answer_poll (queue_.empty () ? "6" : take_poll_body ());
    } else if (packet_view && packet_view->type == PacketType::upgrade &&
               upgrading_) {
      complete_upgrade ();
    } else {
      context_.counters.protocol_errors++;
      drop_probe ();
    }
    return;
  }
  if (websocket_.get () != &connection || state_ != State::open)
    return;
  if (!packet_view ||
      !on_packet (packet_view->type, false, packet_view->data)) {
    context_.counters.protocol_errors++;
    end ("parse error", PacketType::close);
  }
}

void
EngineSession::on_binary (Connection &connection, std::string_view bytes)
{
  auto self = shared_from_this ();
  if (probe_.get () == &connection)
    return drop_probe ();
  if (websocket_.get () != &connection || state_ != State::open)
    return;
  if (!on_packet (PacketType::message, true, bytes)) {
    context_.counters.protocol_errors++;
    end ("parse error", PacketType::close);
  }
}

void
EngineSession::on_connection_gone (Connection &connection)
{
  auto self = shared_from_this ();
  if (probe_.get () == &connection) {
    drop_probe ();
  } else if (poll_.get () == &connection) {
    poll_.reset ();
    if (state_ == State::closing)
      return finish ();
    end ("transport close", PacketType::close);
  } else if (websocket_.get () == &connection) {
    end ("transport close", PacketType::close);
  }
}

void
EngineSession::post (Connection &connection, std::string_view body)
{
  auto self = shared_from_this ();
  auto packets = engineio::decode_payload (body);
  bool valid = !packets.empty ();
  for (const engineio::Packet &p : packets) {
    if (state_ != State::open)
      break;
    valid = on_packet (p.type, p.binary, p.data);
    if (!valid)
      break;
  }
  if (!valid) {
    context_.counters.protocol_errors++;
    end ("parse error", PacketType::close);
    return Engine::respond_error (connection, EngineError::bad_request);
  }
  HttpResponse ok;
  ok.content_type = "text/html";
  ok.body = "ok";
  connection.respond (std::move (ok));
}

void
EngineSession::poll (Connection &connection)
{
  auto self = shared_from_this ();
  if (state_ == State::closing) {
    queue_.push_back (packet (PacketType::close));
    connection.respond (polling_response (take_poll_body ()));
    return finish ();
  }
  if (state_ == State::closed)
    return Engine::respond_error (connection, EngineError::unknown_sid);
  if (poll_) {
    context_.counters.protocol_errors++;
    end ("transport error", PacketType::close);
    return Engine::respond_error (connection, EngineError::bad_request);
  }
  if (!queue_.empty ())
    return connection.respond (polling_response (take_poll_body ()));
  if (upgrading_)
    return connection.respond (polling_response ("6"));
  poll_ = connection.shared_from_this ();
  connection.hold (self);
}

void
EngineSession::probe (const std::shared_ptr<Connection> &connection)
{
  probe_ = connection;
  probe_deadline_ = Clock::now () + context_.options.upgrade_timeout;
  arm ();
}

void
EngineSession::drop_probe ()
{
  probe_deadline_ = Clock::time_point::max ();
  upgrading_ = false;
  auto probe = std::move (probe_);
  probe_.reset ();
  if (probe)
    probe->close_websocket (0);
  if (!close_reason_.empty ())
    close (std::exchange (close_reason_, {}));
}

void
EngineSession::complete_upgrade ()
{
  context_.counters.upgrades++;
  context_.counters.sessions_polling_now--;
  probe_deadline_ = Clock::time_point::max ();
  upgrading_ = false;
  websocket_ = std::move (probe_);
  if (poll_)
    answer_poll ("6");
  flush ();
  if (!close_reason_.empty ())
    close (std::exchange (close_reason_, {}));
}

// ---- outgoing

void
EngineSession::send (OutPacket out, std::string_view sender)
{
  if (state_ != State::open || overflowed_)
    return;
  const std::size_t size = out.size ();
  queued_bytes_ += size;
  sent_bytes_ += size;
  if (!sender.empty () && fills (1, 16)) {
    drain_shares ();
    const ServerOptions &options = context_.options;
    // A small message takes a place as well.
    shares_.add (sender,
        std::max (size, options.max_queued_bytes / options.max_queued_messages),
        sent_bytes_);
  }
  queue_.push_back (std::move (out));
  if (queue_.size () >= early_flush_packets ||
      queued_bytes_ >= early_flush_bytes) {
    flush ();
    check_queue ();
  } else if (!dirty_) {
    dirty_ = true;
    context_.engine->flush_later (shared_from_this ());
  }
}

std::size_t
EngineSession::waiting_bytes () const
{
  return queued_bytes_ + (websocket_ ? websocket_->unsent () : 0);
}

// Whether more than *part* of *parts* of what may wait does.
bool
EngineSession::fills (std::size_t part, std::size_t parts) const
{
  const ServerOptions &options = context_.options;
  return queue_.size () > options.max_queued_messages / parts * part ||
         waiting_bytes () > options.max_queued_bytes / parts * part;
}

void
EngineSession::drain_shares ()
{
  const std::uint64_t waiting = waiting_bytes ();
  shares_.drain (sent_bytes_ - std::min (waiting, sent_bytes_));
}

// Nobody has more than a quarter; from a half on who has something waiting has
// to wait, and the last quarter is the server's.
bool
EngineSession::strained (std::string_view sender)
{
  if (shares_.empty ())
    return fills (3, 4);
  drain_shares ();
  const std::size_t share = shares_.of (sender);
  return fills (3, 4) || (share > 0 && fills (1, 2)) ||
         share >= context_.options.max_queued_bytes / 4;
}

void
EngineSession::check_queue ()
{
  const ServerOptions &options = context_.options;
  std::size_t bytes = waiting_bytes ();
  // One message alone may be as large as it likes.
  if (state_ != State::open || queue_.empty () ||
      (queue_.size () <= options.max_queued_messages &&
          bytes <= std::max (options.max_queued_bytes, options.max_payload)))
    return;
  context_.counters.slow_readers++;
  context_.log ("cut off a client at " + info_.address +
                ": it does not read what is sent to it");
  queue_.clear ();
  queued_bytes_ = 0;
  overflowed_ = true;
  // The application is in the middle of sending: it hears of it afterwards.
  context_.loop.post ([self = shared_from_this ()] {
    self->end ("slow reader", PacketType::close);
  });
}

void
EngineSession::flush ()
{
  dirty_ = false;
  if (queue_.empty ())
    return;
  if (websocket_)
    flush_websocket (false);
  else if (poll_)
    answer_poll (take_poll_body ());
}

// *all*: also what the connection has to keep for a slow reader.
void
EngineSession::flush_websocket (bool all)
{
  std::string &buffer = context_.write_buffer;
  std::size_t sent = 0;
  while (sent < queue_.size () && (all || !websocket_->blocked ())) {
    buffer.clear ();
    while (sent < queue_.size () && buffer.size () < early_flush_bytes) {
      const OutPacket &out = queue_[sent++];
      append_ws_header (buffer,
          out.binary ? WsMessage::Kind::binary : WsMessage::Kind::text,
          out.size ());
      buffer += out.head;
      if (out.body)
        buffer += *out.body;
      queued_bytes_ -= out.size ();
    }
    websocket_->write (buffer);
  }
  context_.counters.messages_out += sent;
  queue_.erase (
      queue_.begin (), queue_.begin () + static_cast<std::ptrdiff_t> (sent));
  if (queue_.empty () && queue_.capacity () > kept_packets)
    std::vector<OutPacket> ().swap (queue_);
}

// As many packets as the client said it takes in one body, one at least.
std::string
EngineSession::take_poll_body ()
{
  std::string body;
  std::size_t taken = 0;
  for (const OutPacket &out : queue_) {
    std::size_t wire = out.binary ? out.size () * 4 / 3 + 4 : out.size ();
    if (taken > 0 && body.size () + wire + 1 > context_.options.max_payload)
      break;
    if (out.binary) {
      engineio::append_payload_binary (body, *out.body, taken > 0);
    } else {
      engineio::append_payload_text (body, out.head, taken > 0);
      if (out.body)
        body += *out.body;
    }
    queued_bytes_ -= out.size ();
    taken++;
  }
  context_.counters.messages_out += taken;
  queue_.erase (
      queue_.begin (), queue_.begin () + static_cast<std::ptrdiff_t> (taken));
  return body;
}

void
EngineSession::answer_poll (std::string body)
{
  auto connection = std::move (poll_);
  poll_.reset ();
  connection->respond (polling_response (std::move (body)));
}

// ---- the end

void
EngineSession::close (std::string_view reason)
{
  auto self = shared_from_this ();
  if (state_ == State::open && upgrading_) {
    // The client polls no more and does not listen on the WebSocket yet: what
    // is queued reaches it after the upgrade, or when that has failed.
    close_reason_ = reason;
    return;
  }
  bool fetch_later = !websocket_ && !poll_ && !queue_.empty ();
  end (reason, PacketType::close, fetch_later);
}

// *poll_answer*: what a waiting GET gets after what is queued. *fetch_later*:
// there is none, and the client may still come for what is queued.
void
EngineSession::end (
    std::string_view reason, PacketType poll_answer, bool fetch_later)
{
  if (state_ != State::open)
    return;
  close_reason_.clear ();
  drop_probe ();
  if (poll_) {
    queue_.push_back (packet (poll_answer));
    answer_poll (take_poll_body ());
  } else if (websocket_) {
    flush_websocket (true);
  }
  state_ = fetch_later ? State::closing : State::closed;
  handler_.on_close (*this, reason);
  if (!fetch_later)
    return finish ();
  timer_.arm (Clock::now () + closing_time);
}

void
EngineSession::finish ()
{
  state_ = State::closed;
  timer_.disarm ();
  if (websocket_)
    websocket_->close_websocket (0);
  context_.engine->remove (*this);
}

} // namespace robotlive::server::net
