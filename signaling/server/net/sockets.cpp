// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/sockets.hpp"

#include "protocol/json.hpp"
#include "server/net/engine.hpp"

#include <algorithm>

namespace robotlive::server::net {

using socketio::PacketType;

namespace {

OutPacket
text_packet (std::string text)
{
  OutPacket out;
  out.head = std::move (text);
  return out;
}

OutPacket
binary_packet (std::string_view bytes)
{
  OutPacket out;
  out.body = std::make_shared<const std::string> (bytes);
  out.binary = true;
  return out;
}

} // namespace

struct Sockets::Data final : EngineSessionData
{
  // One for each namespace joined: almost always one.
  std::vector<std::pair<std::size_t, SocketId>> joined;

  // A packet whose attachments have not all come.
  struct Incomplete
  {
    std::string text;
    std::vector<std::string> attachments;
    std::size_t bytes = 0;
    std::size_t expected = 0;
  };
  std::unique_ptr<Incomplete> incomplete;

  SocketId find (std::size_t nsp) const
  {
    for (const auto &[index, id] : joined)
      if (index == nsp)
        return id;
    return 0;
  }
};

Sockets::Sockets (Context &context) : context_ (context)
{
  for (const std::string &nsp : context.options.namespaces)
    event_heads_.push_back (socketio::packet_head (PacketType::event, nsp));
}

Sockets::Data &
Sockets::data (EngineSession &session)
{
  return static_cast<Data &> (*session.data);
}

std::optional<std::size_t>
Sockets::find_namespace (std::string_view nsp) const
{
  const auto &all = context_.options.namespaces;
  auto it = std::find (all.begin (), all.end (), nsp);
  if (it == all.end ())
    return std::nullopt;
  return static_cast<std::size_t> (it - all.begin ());
}

Sockets::Socket *
Sockets::find (SocketId id, Socket::State state)
{
  auto it = sockets_.find (id);
  return it != sockets_.end () && it->second.state == state ? &it->second
                                                            : nullptr;
}

// ---- from the session

void
Sockets::on_open (EngineSession &session)
{
  session.data = std::make_unique<Data> ();
  session.set_max_payload (context_.options.max_untrusted_payload);
  session.require_connect (Clock::now () + context_.options.connect_timeout);
}

bool
Sockets::on_text (EngineSession &session, std::string_view text)
{
  Data &state = data (session);
  if (state.incomplete)
    return false;
  auto packet = socketio::decode (text);
  if (!packet)
    return false;
  if (packet->type == PacketType::connect)
    return on_connect (session, *packet);
  auto nsp = find_namespace (packet->nsp);
  SocketId id = nsp ? state.find (*nsp) : 0;
  auto it = sockets_.find (id);
  if (it == sockets_.end ())
    return false;
  if (it->second.state == Socket::State::leaving)
    return true;
  switch (packet->type) {
    case PacketType::disconnect:
      return on_leave (session, id);
    case PacketType::event:
    case PacketType::ack:
    case PacketType::binary_event:
    case PacketType::binary_ack:
      break;
    default:
      return false;
  }
  if (it->second.state != Socket::State::joined)
    return false;
  if (packet->attachments > 0) {
    state.incomplete = std::make_unique<Data::Incomplete> ();
    state.incomplete->text = text;
    state.incomplete->expected = packet->attachments;
    return true;
  }
  dispatch (id, *packet, {});
  return true;
}

bool
Sockets::on_binary (EngineSession &session, std::string_view bytes)
{
  Data &state = data (session);
  if (!state.incomplete)
    return false;
  Data::Incomplete &incomplete = *state.incomplete;
  incomplete.bytes += bytes.size ();
  if (incomplete.bytes > session.max_payload ())
    return false;
  incomplete.attachments.emplace_back (bytes);
  if (incomplete.attachments.size () < incomplete.expected)
    return true;
  auto complete = std::move (state.incomplete);
  auto packet = socketio::decode (complete->text);
  auto nsp = packet ? find_namespace (packet->nsp) : std::nullopt;
  SocketId id = nsp ? state.find (*nsp) : 0;
  if (find (id, Socket::State::joined))
    dispatch (id, *packet,
        {complete->attachments.begin (), complete->attachments.end ()});
  return true;
}

// No event of ours asks a client for an acknowledgement: acks end here.
void
Sockets::dispatch (SocketId id, socketio::Packet &packet,
    std::vector<std::string_view> attachments)
{
  if (packet.type != PacketType::event &&
      packet.type != PacketType::binary_event)
    return;
  Event event;
  event.name = packet.name;
  event.arguments = std::move (packet.arguments);
  event.first = packet.first;
  event.ack_id = packet.id;
  event.binary = packet.type == PacketType::binary_event;
  event.attachments = std::move (attachments);
  handler_->on_event (id, event);
}

bool
Sockets::on_connect (EngineSession &session, const socketio::Packet &packet)
{
  auto nsp = find_namespace (packet.nsp);
  if (!nsp) {
    session.send (text_packet (socketio::encode_connect_error (
        packet.nsp, R"({"message":"Invalid namespace"})")));
    return true;
  }
  Data &state = data (session);
  if (state.find (*nsp) != 0)
    return false;
  SocketId id = ++last_id_;
  state.joined.emplace_back (*nsp, id);
  sockets_.emplace (
      id, Socket{session.shared_from_this (), *nsp, Socket::State::connecting});
  session.cancel_connect_deadline ();
  HandshakeInfo info = session.info ();
  info.nsp = packet.nsp;
  handler_->on_connect (id, info, packet.payload);
  return true;
}

bool
Sockets::on_leave (EngineSession &session, SocketId id)
{
  remove (id, "client namespace disconnect");
  if (data (session).joined.empty ())
    session.require_connect (Clock::now () + context_.options.connect_timeout);
  return true;
}

void
Sockets::remove (SocketId id, std::string_view reason)
{
  auto it = sockets_.find (id);
  if (it == sockets_.end ())
    return;
  auto session = it->second.session;
  if (it->second.state == Socket::State::joined)
    context_.counters.sockets_now--;
  sockets_.erase (it);
  auto &joined = data (*session).joined;
  joined.erase (std::remove_if (joined.begin (), joined.end (),
                    [id] (const auto &entry) { return entry.second == id; }),
      joined.end ());
  handler_->on_disconnect (id, reason);
}

void
Sockets::on_close (EngineSession &session, std::string_view reason)
{
  if (!session.data)
    return;
  auto joined = data (session).joined;
  for (const auto &[nsp, id] : joined)
    remove (id, reason);
}

// ---- from the application

void
Sockets::accept (SocketId id)
{
  Socket *socket = find (id, Socket::State::connecting);
  if (!socket)
    return;
  socket->state = Socket::State::joined;
  context_.counters.sockets_now++;
  socket->session->send (text_packet (
      socketio::encode_connect (context_.options.namespaces[socket->nsp],
          "{\"sid\":\"" + random_id () + "\"}")));
}

void
Sockets::trust (SocketId id)
{
  if (Socket *socket = find (id, Socket::State::joined))
    socket->session->set_max_payload (context_.options.max_payload);
}

// After this turn: the application is not called while it calls. Other
// namespaces of the session end as well; ours has one.
void
Sockets::close_later (Socket &socket, std::string_view reason)
{
  if (socket.state == Socket::State::joined)
    context_.counters.sockets_now--;
  socket.state = Socket::State::leaving;
  context_.loop.post (
      [session = socket.session, reason] { session->close (reason); });
}

void
Sockets::reject (SocketId id, std::string_view reason)
{
  Socket *socket = find (id, Socket::State::connecting);
  if (!socket)
    return;
  socket->session->send (text_packet (socketio::encode_connect_error (
      context_.options.namespaces[socket->nsp], reason)));
  close_later (*socket, "rejected");
}

void
Sockets::disconnect (SocketId id)
{
  auto it = sockets_.find (id);
  if (it == sockets_.end () || it->second.state == Socket::State::leaving)
    return;
  it->second.session->send (text_packet (socketio::encode_disconnect (
      context_.options.namespaces[it->second.nsp])));
  close_later (it->second, "server namespace disconnect");
}

void
Sockets::emit (SocketId id, std::shared_ptr<const std::string> payload,
    std::string_view sender)
{
  Socket *socket = find (id, Socket::State::joined);
  if (!socket)
    return;
  OutPacket out;
  out.head = event_heads_[socket->nsp];
  out.body = std::move (payload);
  socket->session->send (std::move (out), sender);
}

bool
Sockets::strained (SocketId id, std::string_view sender) const
{
  auto it = sockets_.find (id);
  return it != sockets_.end () && it->second.session->strained (sender);
}

void
Sockets::ack (SocketId id, std::uint64_t ack_id, std::string_view payload)
{
  Socket *socket = find (id, Socket::State::joined);
  if (!socket)
    return;
  socket->session->send (text_packet (socketio::encode_ack (
      context_.options.namespaces[socket->nsp], ack_id, payload)));
}

void
Sockets::send_binary (SocketId id, std::string_view payload,
    const std::vector<std::string_view> &attachments,
    std::optional<std::uint64_t> ack_id)
{
  Socket *socket = find (id, Socket::State::joined);
  if (!socket)
    return;
  auto session = socket->session;
  session->send (text_packet (socketio::packet_head (
      ack_id ? PacketType::binary_ack : PacketType::binary_event,
      context_.options.namespaces[socket->nsp], ack_id,
      static_cast<unsigned> (attachments.size ()))
                                  .append (payload)));
  for (std::string_view bytes : attachments)
    session->send (binary_packet (bytes));
}

// ---- Echo

bool
Echo::on_text (EngineSession &session, std::string_view text)
{
  session.send (text_packet ("4" + std::string (text)));
  return true;
}

bool
Echo::on_binary (EngineSession &session, std::string_view bytes)
{
  session.send (binary_packet (bytes));
  return true;
}

} // namespace robotlive::server::net
