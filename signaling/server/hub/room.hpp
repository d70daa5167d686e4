// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Room: who is connected, who may talk to whom, until when. A state machine
// without sockets, threads or clock: (socket, event, now) in, packets out
// through SocketServer. signaling/PROTOCOL.md says what it does; this file says
// where. room.cpp: sockets, registration, robots that come and go.
// room_presence.cpp: who is told of whom. room_sessions.cpp: offers, relaying,
// expiry.
//
//   connect ─► Connected ─ register ─► Registering ─ backend ─► Registered
//   offer ─► backend: bookings ─► Session ─ answer, candidates ─► end
#pragma once
#include "protocol/messages.hpp"
#include "server/app/log.hpp"
#include "server/hub/backend.hpp"
#include "server/hub/transport.hpp"
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace robotlive::server {

struct RoomConfig
{
  std::string issuer = "robotlive";
  bool allow_anonymous = false;
  TimeMs admin_step_ms = 10 * 60 * 1000; // length of one admin grant
  TimeMs expiry_warning_ms = 60 * 1000;
  TimeMs robot_grace_ms = 3000;     // a robot whose link dropped may come back
  TimeMs register_wait_ms = 5000;   // events before register wait so long
  TimeMs register_limit_ms = 20000; // then an unregistered socket is closed
  std::size_t max_waiting = 32;     // events that wait, a socket
  // Their bytes; less for a socket that has shown no token yet.
  std::size_t max_waiting_bytes = 256 * 1024;
  std::size_t max_untrusted_waiting_bytes = 64 * 1024;
  std::size_t max_viewers = 64; // sessions of one robot
  std::size_t max_rooms = 16;   // of one socket
  std::size_t max_sockets_per_user = 64;
  TimeMs late_ms = 30000; // messages of a session that is over
  // A robot's link was dead for so long at most before it came back.
  TimeMs missed_ms = 120000;
  std::size_t max_ended = 1024; // sessions remembered for either
};

struct RoomCounters
{
  std::uint64_t offers_admitted = 0;
  std::map<std::string, std::uint64_t> refusals; // by error code
  std::uint64_t relayed = 0;                     // answers, candidates, leaves
  std::map<std::string, std::uint64_t> ended;    // sessions by reason
  std::uint64_t presence_checks = 0;
};

class Room
{
public:
  using Authenticate = std::function<TokenError (
      std::string_view token, TimeMs now, Identity *out)>;
  using IceServers = std::function<std::vector<IceServer> (
      const std::string &user_id, TimeMs now, TimeMs expires_at)>;

  Room (SocketServer &sockets, Backend &backend, RoomConfig config,
      Authenticate authenticate, IceServers ice_servers);

  // After a reload of the configuration or the keys.
  void set_config (const RoomConfig &config) { config_ = config; }
  void set_log (Log *log) { log_ = log; } // outlives the Room
  void set_grant_key (const JwtKey &key) { grant_key_ = key; }

  void connect (SocketId socket, const HandshakeInfo &info,
      std::string_view auth, TimeMs now);
  void event (SocketId socket, const Event &event, TimeMs now);
  // *reason* "client namespace disconnect" is a robot's goodbye; anything else
  // may be a broken link.
  void disconnect (SocketId socket, std::string_view reason, TimeMs now);

  // Does what is due. The caller calls again at next_deadline () at the latest.
  void tick (TimeMs now);
  TimeMs next_deadline () const { return next_deadline_; }

  // Bookings may have changed: asks again for one viewer, or for all.
  void recheck (const std::string &viewer_id, TimeMs now);
  void recheck_all (TimeMs now);
  // Cuts the robot's connection and its sessions at once.
  void revoke_robot (const std::string &robot_id, TimeMs now);
  // False if there is no such session.
  bool end_session (const std::string &peer_id, const char *reason, TimeMs now);
  // Sessions of an earlier process that are still running by the log.
  void restore (const std::vector<SessionEntry> &entries, TimeMs now);

  std::vector<SessionEntry> sessions () const;
  bool robot_online (const std::string &robot_id) const;
  std::vector<std::pair<std::string, std::string>> online_robots () const;
  std::size_t rooms () const { return rooms_.size (); }
  std::size_t registered () const;
  const RoomCounters &counters () const { return counters_; }

private:
  enum class State
  {
    Connected,
    Registering,
    Registered
  };

  struct Message // an Event that owns its text
  {
    std::string name;
    std::string argument; // only while it waits
    // Event::first: for the call that brought it only.
    const simdjson::dom::element *parsed = nullptr;
    std::optional<std::uint64_t> ack_id;
    bool binary = false;
  };

  struct Peer
  {
    SocketId socket = 0;
    HandshakeInfo info;
    State state = State::Connected;
    std::optional<Identity> identity;
    std::string token; // for a backend that is asked in the viewer's name
    bool anonymous = false;
    bool robot = false;
    std::string user_id;
    std::string robot_type; // of a robot, as it said
    std::string instance;   // of a robot's process, as it said
    bool busy = false;      // waits for the backend
    std::deque<Message> waiting;
    std::size_t waiting_bytes = 0;
    std::shared_ptr<bool> place; // one of its user's, counted by its owners
    TimeMs connected_at = 0;
    std::vector<Booking> bookings; // a viewer's, for presence
    std::set<std::string> visible; // robots it was told of
    // When that was worked out, and when time alone changes it.
    TimeMs presence_at = 0;
    TimeMs presence_until = 0;
    std::set<std::string> rooms;
    // May watch without a booking.
    bool unlimited () const;
  };

  struct Robot
  {
    std::string type;
    SocketId socket = 0; // 0: offline
    std::string instance;
    TimeMs gone_at = 0; // when the link was lost
  };

  struct Session
  {
    SessionEntry entry;
    SocketId viewer_socket = 0; // 0: of an earlier process, not seen again yet
    // Of the newest offer; empty: of an earlier process.
    std::string offer_id;
    Window window;
    Identity identity;
    std::string token;
    bool unlimited = false;
    bool warned = false;
    bool renewing = false;
    std::uint64_t serial = 0; // the newest has the highest
  };
  using Sessions = std::unordered_map<std::string, Session>; // by peerId

  // A session that is over: what its two still had on the way is no error.
  struct Ended
  {
    std::string peer_id;
    std::string viewer_id;
    std::string robot_id;
    std::string reason;
    TimeMs at = 0;
    bool early = false; // before its robot came: after a restart
  };

  // room.cpp
  void dispatch (Peer &peer, const Message &message, std::string_view argument,
      TimeMs now);
  void on_register (Peer &peer, const Message &message,
      std::string_view argument, TimeMs now);
  bool take_place (Peer &peer);
  void register_robot (Peer &peer, const Message &message);
  void tell_missed (const std::string &robot_id, bool first, TimeMs now);
  void register_viewer (Peer &peer, const Message &message);
  void robot_registered (Peer &peer, const RobotAnswer &answer, TimeMs now);
  void finish_register (Peer &peer, const Message &message, TimeMs now);
  void refuse_register (Peer &peer, const Message &message, const char *code,
      const std::string &text, bool close);
  void drain (SocketId socket, TimeMs now);
  void refuse_waiting (Peer &peer);
  void robot_gone (const std::string &robot_id, bool goodbye, TimeMs now);
  void fail (Peer &peer, const Message &message, ErrorMessage error);
  void count_refusal (const Peer &peer, const std::string &code,
      std::string_view event, std::string_view to);
  void succeed (Peer &peer, const Message &message,
      std::string_view json = "{\"ok\":true}");
  void emit (SocketId socket, std::string payload);
  Peer *find (SocketId socket);
  void wake_at (TimeMs at);
  void tick_peer (Peer &peer, TimeMs now, std::vector<SocketId> *late);

  // room_presence.cpp
  bool may_watch (const Peer &viewer, const std::string &robot_id,
      const std::string &type, TimeMs now) const;
  void update_presence (Peer &viewer, TimeMs now);
  void announce (const std::string &robot_id, bool again, TimeMs now);
  bool may_join (const Peer &viewer, const std::string &room, TimeMs now) const;
  void on_join_room (Peer &peer, const Message &message,
      std::string_view argument, TimeMs now);
  void leave_room (Peer &peer, const std::string &room_id);

  // room_sessions.cpp
  void on_offer (Peer &peer, const Message &message, Signal signal, TimeMs now);
  void admit (Peer &peer, const Message &message, const Signal &signal,
      const ViewerAnswer &answer, TimeMs now);
  std::string choose_robot (const Peer &peer, const std::string &to,
      const ViewerAnswer &answer, TimeMs now, std::optional<Window> *window,
      ErrorMessage *error) const;
  Sessions::iterator running_session (const Peer &peer,
      const std::string &robot_id, const std::string &wanted_peer_id);
  Session &open_session (Peer &peer, const std::string &robot_id,
      const std::string &wanted_peer_id, const Window &window, TimeMs now);
  void on_signal (Peer &peer, const Message &message, std::string_view argument,
      TimeMs now);
  Session *find_session (const Peer &peer, const Signal &signal);
  bool ended_lately (const Peer &peer, const Signal &signal, TimeMs now) const;
  SessionTerms terms (
      const Session &session, TimeMs now, bool with_grant) const;
  Window admin_window (TimeMs now) const;
  void set_window (Session &session, const Window &window, TimeMs now);
  void end (Sessions::iterator session, const char *reason, TimeMs now,
      bool tell_robot, bool tell_viewer);
  void recheck_viewers (const std::string *only);
  void apply (const std::string &viewer_id,
      const std::vector<SocketId> &sockets, const ViewerAnswer &answer,
      TimeMs now);
  void renew (Session &session, TimeMs now);
  void tick_sessions (TimeMs now);
  void end_robot_sessions (
      const std::string &robot_id, const char *reason, TimeMs now);
  void end_viewer_sessions (SocketId socket, TimeMs now);

  SocketServer &sockets_;
  Backend &backend_;
  RoomConfig config_;
  Authenticate authenticate_;
  IceServers ice_servers_;
  std::optional<JwtKey> grant_key_;
  std::unordered_map<SocketId, Peer> peers_;
  std::unordered_map<std::string, std::weak_ptr<bool>> places_; // by user
  std::map<std::string, Robot> robots_; // online, or in their grace time
  Sessions sessions_;
  std::deque<Ended> ended_; // the newest last
  std::map<std::string, std::set<SocketId>> rooms_;
  std::uint64_t next_serial_ = 1;
  TimeMs next_deadline_ = kNever;
  Log *log_ = nullptr;
  RoomCounters counters_;
  // Answers that arrive after the Room has gone are dropped.
  std::shared_ptr<bool> alive_ = std::make_shared<bool> (true);
};

} // namespace robotlive::server
