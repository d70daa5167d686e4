// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Hub: who is connected, who may talk to whom, until when. A state machine
// without sockets, threads or clock: (socket, event, now) in, packets out
// through SocketServer. signaling/PROTOCOL.md says what it does; this file says
// where. hub.cpp: sockets and registration. hub_robots.cpp: the processes of
// a robot that come and go. hub_presence.cpp: who is told of whom.
// hub_offers.cpp: offers and relaying. hub_sessions.cpp: what ends a session
// and what moves its end. hub_rechecks.cpp: bookings that have changed.
// hub_rights.cpp: rights that were taken back.
//
//   connect ─► Connected ─ register ─► Registering ─ backend ─► Registered
//   offer ─► backend: bookings ─► Session ─ its right ends ─► ending
//                                    └── robot's word, or its grant's end ─►
//                                    over
//
// A session is bound to its booking. Links come and go: they only decide its
// state (live, robot-away, viewer-away).
#pragma once
#include "protocol/messages.hpp"
#include "server/app/log.hpp"
#include "server/hub/backend.hpp"
#include "server/hub/sockets.hpp"
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace robotlive::server {

struct HubConfig
{
  std::string issuer = "robotlive";
  bool allow_anonymous = false;
  TimeMs admin_step_ms = 10 * 60 * 1000; // length of one admin grant
  TimeMs expiry_warning_ms = 60 * 1000;
  TimeMs grant_step_ms = 0;       // of a viewer's; 0: the whole booking at once
  TimeMs robot_grace_ms = 3000;   // a robot whose link dropped may come back
  TimeMs viewer_grace_ms = 10000; // and an old viewer
  TimeMs register_wait_ms = 5000; // events before register wait so long
  TimeMs register_limit_ms = 20000; // then an unregistered socket is closed
  std::size_t max_waiting = 32;     // events that wait, a socket
  // Their bytes; less for a socket that has shown no token yet.
  std::size_t max_waiting_bytes = 256 * 1024;
  std::size_t max_untrusted_waiting_bytes = 64 * 1024;
  std::size_t max_viewers = 64; // sessions of one robot; administrators' apart
  std::size_t max_sessions_per_user = 8; // of one robot
  std::size_t max_rooms = 16;            // of one socket
  std::size_t max_sockets_per_user = 64;
  TimeMs late_ms = 30000; // messages of a session that is over
  // A robot's link was dead for so long at most before it came back.
  TimeMs missed_ms = 120000;
  // Robots that the store does not know may say of what type they are.
  bool allow_unknown_robots = true;
  // How long TURN passwords are good: a viewer's, which asks for new ones
  // itself, and a robot's, which is told of them. 0: robots are not.
  TimeMs viewer_relay_ms = 10 * 60 * 1000;
  TimeMs robot_relay_ms = 0;
  // A robot's token that ends sooner is told of in the log.
  TimeMs token_warning_ms = TimeMs{30} * 86400 * 1000;
  TimeMs remember_ms = 3600000; // why a session ended
  std::size_t max_ended = 1024; // sessions remembered for any of these
  // A second process of a robot is asked to stay away for so long, and listed.
  TimeMs replaced_retry_ms = 120000;
  TimeMs duplicate_ms = 15 * 60 * 1000;
  std::size_t max_displaced = 16;
  TimeMs revoked_linger_ms = 5000; // for a revoked robot's last words
};

// For GET /robots.
struct RobotState
{
  struct Duplicate
  {
    std::string instance;
    std::string address;
    TimeMs since = 0;
  };
  bool online = false;
  std::string type;
  TimeMs refuses_since = 0; // grants of this server; 0: it does not
  std::uint64_t refused = 0;
  std::vector<Duplicate> duplicates;
};

struct HubCounters
{
  std::uint64_t offers_admitted = 0;
  std::map<std::string, std::uint64_t> refusals; // by error code
  std::uint64_t relayed = 0;                     // answers, candidates, leaves
  std::map<std::string, std::uint64_t> ended;    // sessions by reason
  std::uint64_t presence_checks = 0;
};

class Hub
{
public:
  using Authenticate = std::function<TokenError (
      std::string_view token, TimeMs now, Identity *out)>;
  using IceServers = std::function<std::vector<IceServer> (
      const std::string &user_id, TimeMs now, TimeMs expires_at)>;

  Hub (SocketServer &sockets, Backend &backend, HubConfig config,
      Authenticate authenticate, IceServers ice_servers);

  // After a reload of the configuration or the keys.
  void set_config (const HubConfig &config) { config_ = config; }
  void set_log (Log *log) { log_ = log; } // outlives the Hub
  // Somebody was refused. *user*: whose token it was; all else is a peer's
  // word.
  using OnRefused = std::function<void (const std::string &user,
      const std::string &address, const std::string &code,
      const std::string &message, const std::string &robot)>;
  void set_on_refused (OnRefused fn) { on_refused_ = std::move (fn); }
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
  // The wall clock was set, *by* forwards (or backwards, if negative), and
  // shows *now*. What was granted lasts as long as before, and then bookings
  // are looked at by the new time: robots and viewers are told of new ends.
  void clock_set (TimeMs by, TimeMs now);
  void recheck_all (TimeMs now);
  // The same for robots' tokens: one robot, or all.
  void recheck_robots (const std::string *only = nullptr);
  // After a reload: whose token is not one any more, or who needs one now, goes
  // with all sessions.
  // *new_key*: those of sessions of an earlier process, which were not kept,
  // are none then.
  void recheck_tokens (bool new_key, TimeMs now);
  // Cuts the robot's connection and its sessions at once.
  void revoke_robot (const std::string &robot_id, TimeMs now);
  // False if there is no such session.
  bool end_session (const std::string &peer_id, const char *reason, TimeMs now);
  // Sessions of an earlier process that are still running by the log.
  void restore (const std::vector<SessionEntry> &entries, TimeMs now);

  // Those that end are among them.
  std::vector<SessionEntry> sessions () const;
  // "live", "robot-away", "viewer-away", "ending".
  const char *state (const SessionEntry &entry) const;
  bool robot_online (const std::string &robot_id) const;
  std::vector<std::pair<std::string, std::string>> online_robots () const;
  RobotState robot_state (const std::string &robot_id, TimeMs now) const;
  std::size_t rooms () const { return rooms_.size (); }
  std::size_t registered () const;
  const HubCounters &counters () const { return counters_; }

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

  // A presence room by what its name means to who joins it, since ids may have
  // a "_" in them: a robot's own, or the one of a viewer for the robots of a
  // type ("robot_<type>_<viewer>"; without a viewer all robots of it). Two
  // meanings of one name are two rooms.
  struct Meeting
  {
    std::string robot; // empty: of a type
    std::string type;
    std::string viewer;
    bool operator<(const Meeting &other) const
    {
      return std::tie (robot, type, viewer) <
             std::tie (other.robot, other.type, other.viewer);
    }
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
    std::string role;       // of a viewer, by the backend's word
    std::string robot_type; // of a robot, as it said
    std::string instance;   // of a robot's process or a viewer's page
    std::optional<std::vector<NamedPeer>> named; // by "register", till then
    bool lists = false;                          // it named some, or none
    TimeMs relay_renew_at = kNever; // when a robot is told new TURN passwords
    bool busy = false;              // waits for the backend
    std::deque<Message> waiting;
    std::size_t waiting_bytes = 0;
    std::size_t pressed = 0; // messages for a link that is too slow for them
    std::shared_ptr<bool> place; // one of its user's, counted by its owners
    TimeMs connected_at = 0;
    std::vector<Booking> bookings; // a viewer's, for presence
    std::set<std::string> visible; // robots it was told of
    // When that was worked out, and when time alone changes it.
    TimeMs presence_at = 0;
    TimeMs presence_until = 0;
    std::set<Meeting> rooms;
    // May watch without a booking.
    bool unlimited () const;
  };

  struct Process // of a robot
  {
    std::string instance; // empty: it did not say
    SocketId socket = 0;  // 0: it has no link
    std::string address;
    bool lists = false; // it names its peers
    TimeMs gone_at = 0; // when the link was lost
    // Of one that another has displaced:
    TimeMs since = 0;
    TimeMs seen_at = 0;          // beside the other; 0: never, a restart
    TimeMs claim_until = kNever; // then its sessions end, if it is not back
    TimeMs close_at = kNever;    // its token was revoked
  };

  struct Robot
  {
    std::string type;
    Process holder; // gets the offers
    std::deque<Process> displaced;
    TimeMs refuses_since = 0;
    std::uint64_t refused = 0;

    bool online () const { return holder.socket != 0; }
    const Process *find (const std::string &instance) const;
    Process *find (const std::string &instance);
  };

  struct Session
  {
    SessionEntry entry;
    SocketId viewer_socket = 0; // 0: not there
    TimeMs viewer_gone_at = 0;  // of an old viewer
    Window window;              // as granted
    TimeMs booked_until = 0;    // of steps: where they lead to
    Identity identity;
    std::string token;
    bool warned = false;
    bool renewing = false;
    TimeMs tried_at = 0;      // to renew
    std::uint64_t serial = 0; // the newest has the highest

    bool unlimited () const { return entry.role == "admin" || entry.anonymous; }
    bool ending () const { return !entry.ending.empty (); }
  };
  using Sessions = std::unordered_map<std::string, Session>; // by peerId
  using Index = std::unordered_map<std::string, std::set<std::string>>;

  // A session that is over: what its two still had on the way is no error.
  struct Ended
  {
    std::string peer_id;
    std::string viewer_id;
    std::string robot_id;
    std::string robot_instance;
    std::string reason;
    TimeMs at = 0;
  };

  // hub.cpp
  void dispatch (Peer &peer, const Message &message, std::string_view argument,
      TimeMs now);
  void on_register (Peer &peer, const Message &message,
      std::string_view argument, TimeMs now);
  bool take_place (Peer &peer);
  void register_viewer (Peer &peer, const Message &message);
  std::vector<RunningSession> take_up (Peer &peer, TimeMs now);
  void tell_ended (Peer &peer, const std::vector<RunningSession> &running);
  void finish_register (
      Peer &peer, const Message &message, RegisteredMessage answer, TimeMs now);
  void refuse_register (Peer &peer, const Message &message, const char *code,
      const std::string &text, bool close, RegisteredMessage answer = {});
  void drain (SocketId socket, TimeMs now);
  void refuse_waiting (Peer &peer);
  void fail (Peer &peer, const Message &message, ErrorMessage error);
  void count_refusal (const Peer &peer, const std::string &code,
      std::string_view event, std::string_view to);
  void succeed (Peer &peer, const Message &message,
      std::string_view json = "{\"ok\":true}");
  // *sender*: the account that caused it, if any.
  void emit (
      SocketId socket, std::string payload, std::string_view sender = {});
  void tell_members (const Meeting &room, const Peer &peer, const char *event);
  Peer *find (SocketId socket);
  void forget (SocketId socket); // and its rooms
  void wake_at (TimeMs at);
  void tick_peer (Peer &peer, TimeMs now, std::vector<SocketId> *late,
      std::vector<SocketId> *over);

  // hub_rights.cpp
  void take_role (Peer &peer, const ViewerAnswer &answer);
  void take_role (Session &session, const ViewerAnswer &answer);
  bool login_over (Session &session, TimeMs now);
  void cut_off (SocketId socket, const std::string &text, TimeMs now);
  void robot_checked (SocketId socket, const RobotAnswer &answer, TimeMs now);
  void check_token_end (
      const Peer &peer, TimeMs now, std::vector<SocketId> *over);
  void renew_relay (Peer &robot, TimeMs now);
  void warn_of_token_end (const Peer &robot, TimeMs now);
  TimeMs relay_end (const Peer &peer, TimeMs now) const;

  // hub_robots.cpp
  void register_robot (Peer &peer, const Message &message);
  void robot_answered (Peer &peer, const Message &message,
      const RobotAnswer &answer, TimeMs now);
  void refuse_revoked (Peer &peer, const Message &message, TimeMs now);
  void tell_dropped (const Peer &peer, const char *otherwise);
  bool must_stand_by (const Peer &peer, TimeMs now) const;
  void stand_by (Peer &peer, const Message &message, TimeMs now);
  void hold (Peer &peer, const RobotAnswer &answer, TimeMs now);
  void displace (
      const std::string &robot_id, Robot &robot, const Peer &by, TimeMs now);
  void adopt (const std::string &robot_id, Robot &robot, TimeMs now);
  void remember_displaced (Robot &robot, Process process);
  void compare_lists (
      Peer &peer, bool fresh_link, RegisteredMessage *answer, TimeMs now);
  void tell_missed (Peer &peer, bool first, TimeMs now);
  void say_replaced (const std::string &robot_id, const Robot &robot,
      const Process &other, const char *what);
  void process_gone (const std::string &robot_id, Robot &robot,
      Process &process, bool goodbye, TimeMs now);
  void cut (Process &process, TimeMs now);
  bool serves (const std::string &robot_id, const std::string &instance) const;
  void close_if_idle (
      const std::string &robot_id, const std::string &instance, TimeMs now);
  bool in_use (
      const std::string &robot_id, const Robot &robot, TimeMs now) const;
  void tick_robots (TimeMs now);
  void tick_displaced (const std::string &robot_id, Robot &robot, TimeMs now);
  void promote (const std::string &robot_id, Robot &robot, TimeMs now);
  void end_process_sessions (const std::string &robot_id,
      const std::string &instance, const char *reason, TimeMs now);

  // Replies "busy" and is true if *to* cannot take more of what peers send.
  bool too_slow (
      Peer &peer, const Message &message, const Signal &signal, SocketId to);
  // hub_presence.cpp
  bool may_watch (const Peer &viewer, const std::string &robot_id,
      TimeMs now) const; // of whatever type it has here
  bool may_watch (const Peer &viewer, const std::string &robot_id,
      const std::string &type, TimeMs now) const;
  void update_presence (Peer &viewer, TimeMs now);
  void announce (const std::string &robot_id, bool again, TimeMs now);
  // Nothing: not a room of this peer's.
  std::optional<Meeting> meeting_of (
      const Peer &peer, const std::string &room, TimeMs now) const;
  void on_join_room (Peer &peer, const Message &message,
      std::string_view argument, TimeMs now);
  void leave_room (Peer &peer, Meeting room);

  // hub_offers.cpp
  void on_offer (Peer &peer, const Message &message, Signal signal, TimeMs now);
  void admit (Peer &peer, const Message &message, const Signal &signal,
      const ViewerAnswer &answer, TimeMs now);
  std::string choose_robot (const Peer &peer, const std::string &to,
      const ViewerAnswer &answer, TimeMs now, std::optional<Window> *window,
      ErrorMessage *error) const;
  const char *no_place (const Peer &peer, const std::string &robot_id) const;
  Sessions::iterator running_session (const Peer &peer,
      const std::string &robot_id, const std::string &wanted_peer_id);
  Session &open_session (Peer &peer, const std::string &robot_id,
      const std::string &wanted_peer_id, const Window &booked, TimeMs now);
  void on_signal (Peer &peer, const Message &message, std::string_view argument,
      TimeMs now);
  void on_leave (
      Peer &peer, Session &session, const Signal &signal, TimeMs now);
  Session *find_session (const Peer &peer, const Signal &signal);
  bool ended_lately (const Peer &peer, const Signal &signal, TimeMs now);
  bool serves_it (const Peer &peer, const SessionEntry &entry) const;
  void refuses_grants (const Peer &robot, TimeMs now);
  void trusts_grants (const Peer &robot);

  // hub_sessions.cpp
  std::vector<Sessions::iterator> listed (
      const Index &index, const std::string &key);
  const Process *process (const SessionEntry &entry) const;
  SocketId link (const SessionEntry &entry) const;
  void grant_told (Session &session);
  void use_login (Session &session, const Peer &peer);
  SessionTerms terms (const Session &session, TimeMs now, bool for_robot) const;
  Window admin_window (TimeMs now) const;
  Window granted (const Window &booked, bool unlimited, TimeMs now) const;
  void set_window (
      Session &session, const Window &window, TimeMs booked_until, TimeMs now);
  // Takes the right away.
  void end (Sessions::iterator session, const std::string &reason, TimeMs now);
  // Its media are over.
  void finish (Sessions::iterator session, const std::string &reason,
      TimeMs ended_at, TimeMs now);
  // At the word of either.
  void robot_left (Sessions::iterator session, const std::string &reason,
      TimeMs now, const std::string &told = "");
  void viewer_left (
      Sessions::iterator session, const std::string &told, TimeMs now);
  // hub_rechecks.cpp
  void recheck_viewers (const std::string *only, TimeMs now);
  void apply (const std::string &viewer_id,
      const std::vector<SocketId> &sockets,
      const std::vector<std::string> &peer_ids, const ViewerAnswer &answer,
      TimeMs now);
  void apply (
      Sessions::iterator session, const ViewerAnswer &answer, TimeMs now);
  bool renewable (const Session &session) const;
  TimeMs renew_at (const Session &session) const;
  TimeMs due_at (const Session &session) const;
  void renew (Session &session, TimeMs now);
  void tick_sessions (TimeMs now);
  bool tick_session (Sessions::iterator session, TimeMs now);
  void viewer_gone (const Peer &peer, bool goodbye, TimeMs now);

  SocketServer &sockets_;
  Backend &backend_;
  HubConfig config_;
  Authenticate authenticate_;
  IceServers ice_servers_;
  std::optional<JwtKey> grant_key_;
  std::unordered_map<SocketId, Peer> peers_;
  std::unordered_map<std::string, std::weak_ptr<bool>> places_; // by user
  std::unordered_map<std::string, std::set<SocketId>> viewers_; // registered
  std::map<std::string, Robot> robots_; // online, or not given up yet
  Sessions sessions_;
  Index by_robot_, by_viewer_;
  std::deque<Ended> ended_; // the newest last
  std::map<Meeting, std::set<SocketId>> rooms_;
  std::uint64_t next_serial_ = 1;
  TimeMs next_deadline_ = kNever;
  Log *log_ = nullptr;
  OnRefused on_refused_;
  HubCounters counters_;
  // Answers that arrive after the Hub has gone are dropped.
  std::shared_ptr<bool> alive_ = std::make_shared<bool> (true);
};

} // namespace robotlive::server
