// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The class behind make_socketio_client (), for its own two files.
#pragma once
#include "base/glibptr.hpp"
#include "client/backoff.hpp"
#include "client/link.hpp"
#include "client/socketioclient.hpp"
#include "client/standing.hpp"
#include "protocol/socketio.hpp"
#include <deque>
#include <set>

namespace robotlive {

// A server without peer ids knows one peer connection a viewer.
inline constexpr std::string_view kLegacyPrefix = "legacy:";

// "host:8080 <verb>: <text>.", where *text* is the server's.
std::string quoted (
    const std::string &name, const char *verb, std::string text);

class SocketIoClient final : public Signaller
{
public:
  explicit SocketIoClient (SocketIoClientOptions options)
      : options_ (std::move (options)),
        backoff_ (options_.backoff_min, options_.backoff_max),
        displacement_ (options_.replaced_first, options_.replaced_longest)
  {
  }
  ~SocketIoClient () override { stop (); }

  void start (SignallerListener *listener) override;
  void stop () override;
  void send_answer (const std::string &to, const std::string &peer_id,
      const std::string &sdp) override;
  void send_candidate (const std::string &to, const std::string &peer_id,
      const IceCandidate &candidate) override;
  void send_leave (const std::string &to, const std::string &peer_id,
      const std::string &reason) override;
  void send_limit (const std::string &to, const std::string &peer_id,
      const std::string &limit) override;
  void send_error (const std::string &to, const std::string &peer_id,
      const std::string &code, const std::string &message) override;

private:
  struct Waiting
  {
    gint64 expires; // g_get_monotonic_time ()
    std::string payload;
  };

  void attempt ();
  void read_files ();
  struct Files;
  void connect (Files *files);
  std::optional<std::string> configuration_error ();
  void send_connect ();
  void handle_packet (std::string_view text);
  void handle_event (const socketio::Packet &packet);
  void handle_connect_error (std::string_view json);
  void send_register ();
  void handle_registered (std::string_view json);
  void take_sessions (const RegisteredMessage &message);
  void confirm_end (const std::string &peer_id, const std::string &reason);
  void replaced (const std::string &instance, const std::string &address,
      const std::optional<TimeMs> &retry_after_ms);
  void handle_signal (SignalKind kind, std::string_view json);
  void handle_session (const std::string &event, std::string_view json);
  void handle_error (std::string_view json);
  void handle_user_left (std::string_view json);

  void send_signal (SignalKind kind, const std::string &to,
      const std::string &peer_id, Signal signal);
  void emit (const std::string &payload);
  void flush ();
  void lost (const Failure &failure);
  void set_state (LinkState state);
  void report (
      const std::string &code, std::string message, bool fatal = false);
  void not_understood (const char *event, const std::string &why);

  const SocketIoClientOptions options_;
  SignallerListener *listener_ = nullptr; // null: stopped
  std::optional<Endpoint> endpoint_;
  GPtr<GTlsDatabase> authorities_;
  GPtr<GCancellable> reading_; // the files of an attempt
  std::string token_;
  std::string instance_; // tells the server that our viewers are still there
  LinkState state_ = LinkState::Disconnected;
  std::shared_ptr<Link> link_;
  Backoff backoff_;
  Timeout retry_;
  Timeout register_deadline_;
  Timeout stable_;
  std::deque<Waiting> waiting_;
  Offers offers_;
  Displacement displacement_;
  std::vector<std::string> named_peers_; // in the last "register"
  bool lists_sessions_ = false;          // the server does
  std::set<std::string> told_;
};

} // namespace robotlive
