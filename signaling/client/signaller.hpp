// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Signaller: how signalingbin talks to whoever introduces viewers. The
// Socket.IO client (socketioclient.hpp) is the real one; tests give a fake.
// Everything here happens on one GMainContext, the one that was the
// thread-default when start () was called. No method blocks.
#pragma once
#include "protocol/messages.hpp"
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive {

enum class LinkState
{
  Disconnected,
  Connecting,
  Connected,
  Registered
};

class SignallerListener
{
public:
  virtual ~SignallerListener () = default;
  virtual void on_link_state (LinkState state) = 0;
  virtual void on_registered (const std::vector<IceServer> &servers,
      std::optional<TimeMs> server_time) = 0;
  // All peers that it serves, or is about to: the server hears of them when the
  // link is registered anew.
  virtual std::vector<std::string> serving () const { return {}; }
  // Those that may go on, with their terms, after on_registered (). Every other
  // one has ended, for the reason in *ended* if it is there. Not called where
  // the server does not say.
  virtual void on_sessions (
      const std::vector<RunningSession> &, const std::vector<EndedPeer> &)
  {
  }
  // *peer_id* is made up by the signaller ("legacy:<from>") when the server
  // sends none. *session* is empty from a server that knows no sessions.
  virtual void on_offer (const std::string &from, const std::string &peer_id,
      const std::string &sdp, const std::optional<SessionTerms> &session) = 0;
  virtual void on_candidate (const std::string &from,
      const std::string &peer_id, const IceCandidate &candidate) = 0;
  virtual void on_leave (
      const std::string &peer_id, const std::string &reason) = 0;
  virtual void on_session_updated (
      const std::string &peer_id, const SessionTerms &session) = 0;
  // When it returns the peer gets nothing more: the server is told so.
  virtual void on_session_ended (
      const std::string &peer_id, const std::string &reason) = 0;
  // *fatal*: the configuration cannot work: the link stays down. Otherwise the
  // signaller keeps trying for ever (a refused token may be renewed in its
  // file), and says so once a cause. Codes: PROTOCOL.md, socketioclient.hpp.
  virtual void on_error (
      const std::string &code, const std::string &message, bool fatal) = 0;
};

class Signaller
{
public:
  virtual ~Signaller () = default;
  virtual void start (SignallerListener *listener) = 0;
  // No call reaches the listener after stop () has returned.
  virtual void stop () = 0;
  virtual void send_answer (const std::string &to, const std::string &peer_id,
      const std::string &sdp) = 0;
  virtual void send_candidate (const std::string &to,
      const std::string &peer_id, const IceCandidate &candidate) = 0;
  virtual void send_leave (const std::string &to, const std::string &peer_id,
      const std::string &reason) = 0;
  // What keeps this viewer's picture from being as good as it might be:
  // "delay", "loss", "no-feedback", or, no more, "none".
  virtual void send_limit (const std::string &to, const std::string &peer_id,
      const std::string &limit) = 0;
  // Refuses one viewer's message: sends *leave* with the code and sentence.
  virtual void send_error (const std::string &to, const std::string &peer_id,
      const std::string &code, const std::string &message) = 0;
};

} // namespace robotlive
