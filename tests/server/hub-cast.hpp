// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who plays in room-property.cpp: robots' processes and pages that know what
// they were told and no more, and a store that keeps what the Hub writes.
#pragma once
#include "hub-fixture.hpp"
#include "protocol/socketio.hpp"
#include <random>

namespace robotlive::server {

inline std::string
argument (const std::string &payload)
{
  return std::string (socketio::split_array (payload).at (1));
}

inline std::string
name_of (const std::string &payload)
{
  return payload.substr (2, payload.find ('"', 2) - 2);
}

enum class Kind
{
  Listing, // names its peers
  Old,     // has an instance
  Console  // has none
};

// A robot's process. It knows what it was told, no more.
struct Process
{
  std::string robot;
  std::string instance;
  Kind kind = Kind::Listing;
  SocketId socket = 0;
  bool dead_link = false; // and the server does not know yet
  bool registered = false;
  bool lost = false; // its link was, once
  TimeMs away_since = 0;
  struct Branch
  {
    std::string viewer;
    std::string offer;
    TimeMs end = 0;
  };
  std::map<std::string, Branch> serves;
  std::vector<std::string> unsaid; // confirmations for later

  bool up () const { return socket != 0 && !dead_link && registered; }
};

struct Page
{
  std::string user;
  std::string instance; // empty: an old one
  SocketId socket = 0;
  bool dead_link = false;
  bool names = true;
  std::set<std::string> peers;
  TimeMs left_at = 0;

  bool up () const { return socket != 0 && !dead_link; }
};

struct Store final : Backend
{
  std::map<std::string, std::vector<Booking>> bookings;
  std::set<std::string> revoked; // robots
  std::map<std::string, SessionEntry> rows;
  std::vector<SessionEntry> ended; // since the last look
  std::set<std::string> unbooked;  // when they were ended
  std::deque<std::function<void ()>> held;
  bool hold = false;
  TimeMs now = kStart;

  void answer (std::function<void ()> fn)
  {
    held.push_back (std::move (fn));
    if (!hold)
      release ();
  }
  void release ()
  {
    while (!held.empty ()) { // in order, as one worker
      auto fn = std::move (held.front ());
      held.pop_front ();
      fn ();
    }
  }
  void find_viewer (const Identity &identity, const std::string &,
      const std::string &robot,
      std::function<void (const ViewerAnswer &, TimeMs)> reply) override
  {
    answer ([this, id = identity.subject, robot, reply] {
      ViewerAnswer a;
      a.bookings = bookings[id];
      a.robot_known = robot == "r1" || robot == "r2";
      a.robot_type = a.robot_known ? "pi" : "";
      reply (a, now);
    });
  }
  void find_robot (const Identity &identity,
      std::function<void (const RobotAnswer &, TimeMs)> reply) override
  {
    answer ([this, id = identity.subject, reply] {
      RobotAnswer a;
      a.known = true;
      a.type = "pi";
      a.token_valid = revoked.count (id) == 0;
      reply (a, now);
    });
  }
  void session_changed (const SessionEntry &entry) override
  {
    auto row = rows.find (entry.peer_id);
    // One row is written as ended once.
    EXPECT_TRUE (row == rows.end () || row->second.ended_at == 0)
        << entry.peer_id;
    const bool ends = entry.ending == "revoked" || entry.reason == "revoked";
    if (ends && (row == rows.end () || row->second.ending.empty ()) &&
        !open_window (bookings[entry.viewer_id], entry.robot_id, "pi", now))
      unbooked.insert (entry.peer_id);
    rows[entry.peer_id] = entry;
    if (entry.ended_at != 0)
      ended.push_back (entry);
  }
};

class Cast
{
public:
  explicit Cast (unsigned seed) : random_ (seed) {}

protected:
  bool chance (int of) { return random_ () % of == 0; }
  std::size_t below (std::size_t n) { return random_ () % n; }

  void start_server ()
  {
    hub_ = std::make_unique<Hub> (
        sockets_, store_, config_,
        [] (std::string_view token, TimeMs, Identity *out) {
          out->role = token.substr (0, token.find (':'));
          out->subject = token.substr (token.find (':') + 1);
          return TokenError::None;
        },
        [] (const std::string &, TimeMs, TimeMs) {
          return std::vector<IceServer> ();
        });
  }

  void add_process (const std::string &robot, Kind kind)
  {
    Process p;
    p.robot = robot;
    p.kind = kind;
    if (kind != Kind::Console)
      p.instance = "i" + std::to_string (next_instance_++);
    instances_[robot].insert (p.instance);
    processes_.push_back (p);
  }

  void send (SocketId socket, const std::string &event, const std::string &json)
  {
    Event e;
    e.name = event;
    e.arguments = {json};
    e.ack_id = 1;
    hub_->event (socket, e, store_.now);
  }

  void drop (Process &p, const std::string &id)
  {
    words_[id].insert ("robot-left");
    stopped_.insert (id);
    p.serves.erase (id);
  }

  void say_leave (Process &p, const std::string &id, const std::string &viewer)
  {
    if (p.up () && hub_)
      send (p.socket, "leave",
          R"({"to":")" + viewer + R"(","peerId":")" + id + "\"}");
  }

  void settle ()
  {
    if (!hub_ || store_.hold)
      return;
    if (chance (3))
      confirm_later_ = !confirm_later_;
    for (Process &p : processes_)
      if (p.up () && !p.unsaid.empty () && chance (2)) {
        std::vector<std::string> unsaid;
        unsaid.swap (p.unsaid);
        for (const std::string &id : unsaid)
          say_leave (p, id, "u0");
      }
    for (int round = 0; !sockets_.sent.empty () || !sockets_.acks.empty () ||
                        !sockets_.disconnected.empty ();
         ++round) {
      ASSERT_LT (round, 100);
      auto sent = std::move (sockets_.sent);
      sockets_.sent.clear ();
      auto acks = std::move (sockets_.acks);
      sockets_.acks.clear ();
      auto gone = std::move (sockets_.disconnected);
      sockets_.disconnected.clear ();
      for (const auto &ack : acks)
        acked (ack.socket, ack.payload);
      for (const auto &one : sent)
        told (one.socket, one.payload);
      for (SocketId socket : gone)
        closed (socket);
    }
  }

  void acked (SocketId socket, const std::string &payload)
  {
    const std::string key = "\"peerId\":\"";
    std::size_t at = payload.find (key);
    if (at == std::string::npos)
      return;
    at += key.size ();
    const std::string id = payload.substr (at, payload.find ('"', at) - at);
    ++offers_;
    if (said_left_.count (id) > 0)
      return; // it has crossed with the page's word
    for (Page &p : pages_)
      if (p.socket == socket && !p.dead_link) {
        for (Page &other : pages_)
          other.peers.erase (id); // taken over
        p.peers.insert (id);
      }
  }

  void closed (SocketId socket)
  {
    for (Process &p : processes_)
      if (p.socket == socket) {
        if (!p.dead_link)
          p.away_since = store_.now;
        p.socket = 0;
        p.registered = p.dead_link = false;
      }
    for (Page &p : pages_)
      if (p.socket == socket) {
        p.socket = 0;
        p.dead_link = false;
      }
  }

  void told (SocketId socket, const std::string &payload)
  {
    for (std::size_t i = 0; i < processes_.size (); ++i)
      if (processes_[i].socket == socket && !processes_[i].dead_link)
        robot_told (processes_[i], name_of (payload), argument (payload));
    for (Page &p : pages_)
      if (p.socket == socket && !p.dead_link)
        page_told (p, name_of (payload), argument (payload));
  }

  void robot_told (
      Process &p, const std::string &event, const std::string &json)
  {
    std::string error;
    if (event == "registered") {
      RegisteredMessage m;
      ASSERT_TRUE (parse_registered (json, &m, &error)) << error << json;
      if (!m.success)
        return;
      p.registered = true;
      ASSERT_EQ (m.sessions.has_value (), p.kind == Kind::Listing);
      if (!m.sessions)
        return;
      std::map<std::string, TimeMs> may;
      for (const RunningSession &s : *m.sessions)
        may[s.peer_id] = s.terms->expires_at;
      std::vector<std::string> gone;
      for (auto &[id, branch] : p.serves) {
        auto it = may.find (id);
        if (it == may.end ())
          gone.push_back (id);
        else
          branch.end = it->second;
      }
      for (const std::string &id : gone)
        shut (p, id);
    } else if (event == "offer") {
      Signal m;
      ASSERT_TRUE (parse_signal (SignalKind::Offer, json, &m, &error)) << json;
      ASSERT_TRUE (m.session);
      p.serves[m.peer_id] = {m.from, m.offer_id, m.session->expires_at};
      stopped_.erase (m.peer_id);
      send (p.socket, "answer",
          R"({"to":")" + m.from + R"(","peerId":")" + m.peer_id +
              R"(","offerId":")" + m.offer_id +
              R"(","answer":{"type":"answer","sdp":"v=0"}})");
    } else if (event == "session-updated") {
      SessionMessage m;
      ASSERT_TRUE (parse_session (json, &m, &error)) << json;
      auto it = p.serves.find (m.peer_id);
      if (it != p.serves.end () && m.terms)
        it->second.end = m.terms->expires_at;
    } else if (event == "session-ended") {
      SessionMessage m;
      ASSERT_TRUE (parse_session (json, &m, &error)) << json;
      shut (p, m.peer_id);
    } else if (event == "leave") {
      Signal m;
      ASSERT_TRUE (parse_signal (SignalKind::Leave, json, &m, &error)) << json;
      p.serves.erase (m.peer_id);
    }
  }

  void shut (Process &p, const std::string &id)
  {
    p.serves.erase (id);
    stopped_.insert (id);
    if (p.kind != Kind::Listing)
      return;
    if (confirm_later_)
      p.unsaid.push_back (id);
    else
      say_leave (p, id, "u0");
  }

  void page_told (Page &p, const std::string &event, const std::string &json)
  {
    std::string error;
    if (event == "registered") {
      RegisteredMessage m;
      ASSERT_TRUE (parse_registered (json, &m, &error)) << json;
      ASSERT_EQ (m.sessions.has_value (), !p.instance.empty ());
      if (m.sessions)
        for (const RunningSession &s : *m.sessions)
          if (said_left_.count (s.peer_id) == 0) // crossed with its word
            p.peers.insert (s.peer_id);
    } else if (event == "session-ended" || event == "leave") {
      SessionMessage m;
      ASSERT_TRUE (parse_session (json, &m, &error)) << json;
      p.peers.erase (m.peer_id);
    }
  }

  template <typename T, typename Fn> T *any (std::vector<T> &list, Fn fits)
  {
    std::vector<T *> fitting;
    for (T &one : list)
      if (fits (one))
        fitting.push_back (&one);
    return fitting.empty () ? nullptr : fitting[below (fitting.size ())];
  }

  std::string with_booking ()
  {
    std::string user = "u" + std::to_string (below (3));
    auto &list = store_.bookings[user];
    list.erase (
        std::remove_if (list.begin (), list.end (),
            [&] (const Booking &b) { return b.window.ends_at <= store_.now; }),
        list.end ());
    return list.empty () ? "" : user;
  }

  void lose_page (Page &p)
  {
    SocketId socket = p.socket;
    p.socket = 0;
    p.dead_link = false;
    p.left_at = store_.now;
    hub_->disconnect (socket, "transport close", store_.now);
  }

  void lose_robot (Process &p)
  {
    SocketId socket = p.socket;
    p.socket = 0;
    p.dead_link = p.registered = false;
    p.unsaid.clear ();
    hub_->disconnect (socket, "transport close", store_.now);
  }

  std::mt19937 random_;
  HubConfig config_;
  Store store_;
  FakeSockets sockets_;
  std::unique_ptr<Hub> hub_;
  std::vector<Process> processes_;
  std::vector<Page> pages_;
  std::map<std::string, std::set<std::string>> words_;     // of this step
  std::map<std::string, std::set<std::string>> named_;     // by instance
  std::map<std::string, std::set<std::string>> instances_; // by robot, ever
  std::set<std::string> ended_by_admin_, said_left_, stopped_;
  std::string last_;
  SocketId next_socket_ = 1;
  int next_instance_ = 1;
  std::int64_t next_booking_ = 0;
  bool confirm_later_ = false;
  std::size_t offers_ = 0, ends_ = 0, restarts_ = 0;
};

} // namespace robotlive::server
