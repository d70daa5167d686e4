// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/tlsfile.hpp"
#include "client/socketioimpl.hpp"
#include "protocol/json.hpp"
#include "protocol/socketio.hpp"
#include <simdjson.h>

namespace robotlive {

namespace {

constexpr std::size_t kMaxWaiting = 64;
constexpr gint64 kMaxWaitingAge = 10 * G_TIME_SPAN_SECOND;
constexpr std::size_t kMaxTold = 64; // distinct causes remembered
constexpr std::size_t kMaxSentence = 512;

std::string
peer_id_of (const Signal &signal)
{
  return signal.peer_id.empty () ? std::string (kLegacyPrefix) + signal.from
                                 : signal.peer_id;
}

// What the application may rely on is the shape of a code, whoever sent it.
std::string
checked_code (const std::string &code)
{
  const bool good =
      !code.empty () && code.size () <= 64 &&
      code.find_first_not_of ("abcdefghijklmnopqrstuvwxyz0123456789-") ==
          std::string::npos;
  return good ? code : "bad-server";
}

bool
is_refusal (std::string_view code)
{
  return code == "unauthorized" || code == "forbidden";
}

} // namespace

void
SocketIoClient::start (SignallerListener *listener)
{
  stop ();
  listener_ = listener;
  backoff_.reset ();
  told_.clear ();
  offers_.clear ();
  displacement_.end ();
  g_autofree char *uuid = g_uuid_string_random ();
  instance_ = uuid;
  // From the context, so that the listener is never called inside start ().
  retry_.start (0, [this] { attempt (); });
}

void
SocketIoClient::stop ()
{
  listener_ = nullptr;
  retry_.stop ();
  if (reading_)
    g_cancellable_cancel (reading_.get ());
  reading_.reset ();
  register_deadline_.stop ();
  stable_.stop ();
  waiting_.clear ();
  state_ = LinkState::Disconnected;
  if (!link_)
    return;
  link_->send (socketio::encode_disconnect ("/"));
  link_->close ();
  link_.reset ();
}

std::optional<std::string>
SocketIoClient::configuration_error ()
{
  std::string sentence;
  endpoint_ = parse_endpoint (options_.url, &sentence);
  if (!endpoint_)
    return sentence;
  if (options_.robot_id.empty () || options_.robot_id.size () > max_id_length)
    return "The robot id must have 1 to " + std::to_string (max_id_length) +
           " bytes.";
  return std::nullopt;
}

// What is read for each attempt, as it may have been renewed.
struct SocketIoClient::Files
{
  std::string ca_file;
  std::function<std::string (std::string *error)> read_token;

  GPtr<GTlsDatabase> authorities;
  std::string ca_error, token, token_error;

  void read ()
  {
    if (!ca_file.empty ()) {
      g_autoptr (GError) error = nullptr;
      authorities = adopt (ca_database_new (ca_file.c_str (), &error));
      if (error)
        ca_error = error->message;
    }
    if (read_token)
      token = read_token (&token_error);
  }
};

void
SocketIoClient::attempt ()
{
  if (const auto sentence = configuration_error ())
    report ("bad-configuration", *sentence, true);
  else
    read_files ();
}

// In a thread: the files may lie on another machine. One that does not answer
// is waited for, and not asked twice.
void
SocketIoClient::read_files ()
{
  reading_ = adopt (g_cancellable_new ());
  retry_.start (options_.connect_timeout, [this] {
    report ("timeout", "The token file or tls-ca-file does not answer.");
  });
  GTask *task = g_task_new (
      nullptr, reading_.get (),
      [] (GObject *, GAsyncResult *result, gpointer self) {
        GTask *read = G_TASK (result);
        if (!g_cancellable_is_cancelled (g_task_get_cancellable (read)))
          static_cast<SocketIoClient *> (self)->connect (
              static_cast<Files *> (g_task_get_task_data (read)));
      },
      this);
  g_task_set_task_data (task,
      new Files{options_.tls_ca_file, options_.token, nullptr, "", "", ""},
      [] (gpointer data) { delete static_cast<Files *> (data); });
  g_task_run_in_thread (
      task, [] (GTask *job, gpointer, gpointer files, GCancellable *) {
        static_cast<Files *> (files)->read ();
        g_task_return_boolean (job, TRUE);
      });
  g_object_unref (task);
}

void
SocketIoClient::connect (Files *files)
{
  reading_.reset ();
  retry_.stop ();
  // A file that vanished while the robot runs does not end it.
  if (files->authorities) {
    authorities_ = std::move (files->authorities);
  } else if (!options_.tls_ca_file.empty () && !authorities_) {
    report ("bad-configuration",
        "The certificate authorities in " + options_.tls_ca_file +
            " cannot be read: " + files->ca_error + ".",
        true);
    return;
  }
  token_ = files->token;
  if (token_.empty () && !files->token_error.empty ()) {
    lost ({"unauthorized", files->token_error});
    return;
  }

  Link::Limits limits;
  limits.connect_timeout = options_.connect_timeout;
  limits.max_message = options_.max_message;
  Link::Handlers handlers;
  handlers.on_open = [this] { send_connect (); };
  handlers.on_message = [this] (
                            std::string_view text) { handle_packet (text); };
  handlers.on_closed = [this] (const Failure &failure) { lost (failure); };
  link_ = Link::open (
      *endpoint_, authorities_.get (), limits, std::move (handlers));
  set_state (LinkState::Connecting);
}

void
SocketIoClient::send_connect ()
{
  std::string auth;
  if (!token_.empty ())
    auth = JsonWriter ().object ().field ("token", token_).end ().take ();
  link_->send (socketio::encode_connect ("/", auth));
  register_deadline_.start (options_.register_timeout, [this] {
    lost ({"timeout", endpoint_->name + " did not register the robot within " +
                          std::to_string (options_.register_timeout / 1000) +
                          " seconds."});
  });
}

void
SocketIoClient::handle_packet (std::string_view text)
{
  const auto packet = socketio::decode (text);
  if (!packet) {
    lost ({"bad-message", endpoint_->name + " sent what is not Socket.IO."});
    return;
  }
  if (packet->nsp != "/")
    return;
  switch (packet->type) {
    case socketio::PacketType::connect:
      if (state_ != LinkState::Connecting)
        break;
      send_register ();
      set_state (LinkState::Connected);
      break;
    case socketio::PacketType::connect_error:
      handle_connect_error (packet->payload);
      break;
    case socketio::PacketType::disconnect:
      lost ({"link-lost", endpoint_->name + " ended the connection."});
      break;
    case socketio::PacketType::event:
      handle_event (*packet);
      break;
    case socketio::PacketType::binary_event:
    case socketio::PacketType::binary_ack:
      lost ({"bad-message",
          endpoint_->name + " sent binary data, which no event has."});
      break;
    case socketio::PacketType::ack: // none is ever asked for
      break;
  }
}

// {"message": …, "data": {"code": …}?}: a server without codes refuses by its
// middleware, which is nearly always about the token.
void
SocketIoClient::handle_connect_error (std::string_view json)
{
  Failure failure{"unauthorized", ""};
  simdjson::dom::element root;
  if (json_parser ().parse (json.data (), json.size ()).get (root) ==
      simdjson::SUCCESS) {
    std::string_view text;
    if (root["message"].get (text) == simdjson::SUCCESS)
      failure.message = text;
    if (root["data"]["code"].get (text) == simdjson::SUCCESS && !text.empty ())
      failure.code = text.substr (0, kMaxSentence);
  }
  failure.message =
      quoted (endpoint_->name, "refuses the robot", failure.message);
  lost (failure);
}

void
SocketIoClient::handle_event (const socketio::Packet &packet)
{
  if (state_ < LinkState::Connected)
    return;
  const std::string_view json =
      packet.arguments.empty () ? "null" : packet.arguments[0];
  if (packet.name == "registered")
    handle_registered (json);
  else if (packet.name == "error")
    handle_error (json);
  else if (state_ < LinkState::Registered)
    return;
  else if (packet.name == "offer")
    handle_signal (SignalKind::Offer, json);
  else if (packet.name == "ice-candidate")
    handle_signal (SignalKind::Candidate, json);
  else if (packet.name == "leave")
    handle_signal (SignalKind::Leave, json);
  else if (packet.name == "user-left")
    handle_user_left (json);
  else if (packet.name == "session-updated" || packet.name == "session-ended")
    handle_session (packet.name, json);
  // The rest is for viewers.
}

void
SocketIoClient::handle_signal (SignalKind kind, std::string_view json)
{
  Signal signal;
  std::string why;
  if (!parse_signal (kind, json, &signal, &why)) {
    not_understood (signal_name (kind), why);
    return;
  }
  if (signal.from.empty () && signal.peer_id.empty ()) {
    not_understood (signal_name (kind), "it does not say who sent it.");
    return;
  }
  if (signal.from == options_.robot_id) // relayed back by a room
    return;
  const std::string peer_id = peer_id_of (signal);
  switch (kind) {
    case SignalKind::Offer:
      offers_.add (peer_id, {signal.offer_id, signal.from});
      listener_->on_offer (signal.from, peer_id, signal.sdp, signal.session);
      break;
    case SignalKind::Candidate:
      listener_->on_candidate (signal.from, peer_id, signal.candidate);
      break;
    case SignalKind::Leave:
      offers_.forget (peer_id);
      listener_->on_leave (
          peer_id, signal.reason.empty () ? "viewer-left" : signal.reason);
      break;
    case SignalKind::Answer:
    case SignalKind::Limit:
      break;
  }
}

// From a server without sessions: the viewer has gone without a word. The
// fields are those of register.
void
SocketIoClient::handle_user_left (std::string_view json)
{
  RegisterMessage user;
  std::string why;
  if (parse_register (json, &user, &why) && user.user_type == "viewer")
    listener_->on_leave (
        std::string (kLegacyPrefix) + user.user_id, "viewer-left");
}

void
SocketIoClient::send_answer (
    const std::string &to, const std::string &peer_id, const std::string &sdp)
{
  Signal signal;
  signal.sdp = sdp;
  send_signal (SignalKind::Answer, to, peer_id, std::move (signal));
}

void
SocketIoClient::send_candidate (const std::string &to,
    const std::string &peer_id, const IceCandidate &candidate)
{
  Signal signal;
  signal.candidate = candidate;
  send_signal (SignalKind::Candidate, to, peer_id, std::move (signal));
}

void
SocketIoClient::send_leave (const std::string &to, const std::string &peer_id,
    const std::string &reason)
{
  Signal signal;
  signal.reason = reason;
  send_signal (SignalKind::Leave, to, peer_id, std::move (signal));
}

void
SocketIoClient::send_limit (
    const std::string &to, const std::string &peer_id, const std::string &limit)
{
  Signal signal;
  signal.limit = limit;
  send_signal (SignalKind::Limit, to, peer_id, std::move (signal));
}

void
SocketIoClient::send_error (const std::string &to, const std::string &peer_id,
    const std::string &code, const std::string &message)
{
  send_leave (to, peer_id, code + ": " + message);
}

void
SocketIoClient::send_signal (SignalKind kind, const std::string &to,
    const std::string &peer_id, Signal signal)
{
  if (!listener_)
    return;
  signal.kind = kind;
  signal.to = to;
  if (peer_id.compare (0, kLegacyPrefix.size (), kLegacyPrefix) != 0)
    signal.peer_id = peer_id;
  signal.offer_id = offers_.of (peer_id).id;
  if (kind == SignalKind::Leave)
    offers_.forget (peer_id);
  std::string payload = signal_payload (signal);
  if (state_ == LinkState::Registered) {
    emit (payload);
    return;
  }
  if (waiting_.size () >= kMaxWaiting)
    waiting_.pop_front ();
  waiting_.push_back (
      {g_get_monotonic_time () + kMaxWaitingAge, std::move (payload)});
}

void
SocketIoClient::emit (const std::string &payload)
{
  if (link_)
    link_->send (socketio::encode_event ("/", payload));
}

void
SocketIoClient::flush ()
{
  const std::deque<Waiting> waiting = std::move (waiting_);
  waiting_.clear ();
  const gint64 now = g_get_monotonic_time ();
  for (const Waiting &entry : waiting)
    if (now < entry.expires)
      emit (entry.payload);
}

void
SocketIoClient::lost (const Failure &failure)
{
  if (!listener_)
    return;
  register_deadline_.stop ();
  stable_.stop ();
  if (link_)
    link_->close ();
  link_.reset ();
  const double random = g_random_double ();
  // Who has been replaced is of use to the viewers that it serves, and else to
  // nobody. A refused token is worth another try when its file has been
  // renewed.
  const bool away =
      displacement_.displaced () && listener_->serving ().empty ();
  retry_.start (away                        ? displacement_.next (random)
                : is_refusal (failure.code) ? backoff_.longest (random)
                                            : backoff_.next (random),
      [this] { attempt (); });
  set_state (LinkState::Disconnected);
  if (!away)
    report (failure.code, failure.message);
}

void
SocketIoClient::set_state (LinkState state)
{
  if (state_ == state || !listener_)
    return;
  state_ = state;
  listener_->on_link_state (state);
}

void
SocketIoClient::report (
    const std::string &sent_code, std::string message, bool fatal)
{
  const std::string code = checked_code (sent_code);
  if (!listener_ || told_.size () >= kMaxTold || !told_.insert (code).second)
    return;
  // A server may echo what it was given.
  if (!token_.empty ())
    for (std::size_t at = 0;
         (at = message.find (token_, at)) != std::string::npos; at += 7)
      message.replace (at, token_.size (), "[token]");
  if (message.size () > kMaxSentence) {
    std::size_t end = kMaxSentence;
    while (end > 0 && (message[end] & 0xc0) == 0x80) // not inside a character
      --end;
    message.resize (end);
  }
  listener_->on_error (code, message, fatal);
}

void
SocketIoClient::not_understood (const char *event, const std::string &why)
{
  report ("bad-message", endpoint_->name + " sent \"" + event +
                             "\" that cannot be understood: " + why);
}

std::unique_ptr<Signaller>
make_socketio_client (SocketIoClientOptions options)
{
  return std::make_unique<SocketIoClient> (std::move (options));
}

} // namespace robotlive
