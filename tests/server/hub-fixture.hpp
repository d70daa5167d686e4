// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Hub without sockets and database: the test says what the bookings are,
// when they are answered and what time it is.
#pragma once
#include "protocol/json.hpp"
#include "server/hub/hub.hpp"
#include <algorithm>
#include <gtest/gtest.h>

namespace robotlive::server {

constexpr char kSdp[] = "\"type\":\"offer\",\"sdp\":\"v=0\"";
constexpr TimeMs kStart = 1'800'000'000'000;

struct FakeSockets final : SocketServer
{
  struct Sent
  {
    SocketId socket;
    std::string payload;
  };
  std::vector<Sent> sent;
  std::vector<SocketId> accepted, rejected, disconnected;
  std::set<SocketId> trusted;
  std::set<SocketId> slow; // their links
  std::string culprit;     // whose messages fill them; empty: everybody's
  std::map<SocketId, std::vector<std::string>> senders; // of what was sent
  std::vector<Sent> acks;

  void accept (SocketId s) override { accepted.push_back (s); }
  void trust (SocketId s) override { trusted.insert (s); }
  void reject (SocketId s, std::string_view) override
  {
    rejected.push_back (s);
  }
  void emit (SocketId s, std::shared_ptr<const std::string> p,
      std::string_view sender) override
  {
    senders[s].emplace_back (sender);
    EXPECT_TRUE (json_valid (*p)) << *p;
    sent.push_back ({s, *p});
  }
  bool strained (SocketId s, std::string_view sender) const override
  {
    return slow.count (s) > 0 &&
           (culprit.empty () || culprit == std::string (sender));
  }
  void ack (SocketId s, std::uint64_t, std::string_view p) override
  {
    EXPECT_TRUE (json_valid (p)) << p;
    acks.push_back ({s, std::string (p)});
  }
  void disconnect (SocketId s) override { disconnected.push_back (s); }
  std::size_t connections () const override { return accepted.size (); }

  // Payloads of *event* to *socket*, in order.
  std::vector<std::string> of (SocketId socket, const std::string &event) const
  {
    std::vector<std::string> list;
    for (const Sent &s : sent)
      if (s.socket == socket && s.payload.rfind ("[\"" + event + "\"", 0) == 0)
        list.push_back (s.payload);
    return list;
  }
};

// Answers at once, or, when held, when the test lets go.
struct FakeBackend final : Backend
{
  std::map<std::string, std::vector<Booking>> bookings;
  std::map<std::string, std::string> roles; // that count; else the token's
  std::set<std::string> revoked;            // token ids
  bool robots_known = true;
  std::string robot_type = "pi";
  TimeMs robot_token_ends = kNever;
  bool available = true, allowed = true, token_valid = true;
  bool hold = false;
  std::vector<std::function<void ()>> held;
  TimeMs now = kStart;
  std::vector<SessionEntry> log;

  void answer (std::function<void ()> fn)
  {
    if (hold)
      held.push_back (fn);
    else
      fn ();
  }
  void release ()
  {
    hold = false;
    auto list = std::move (held);
    held.clear ();
    for (auto &fn : list)
      fn ();
  }
  void find_viewer (const Identity &identity, const std::string &,
      const std::string &robot,
      std::function<void (const ViewerAnswer &, TimeMs)> reply) override
  {
    answer (
        [this, id = identity.subject, token = identity.token_id, robot, reply] {
          ViewerAnswer a;
          a.available = available;
          a.allowed = allowed && !revoked.count (token);
          if (available && roles.count (id))
            a.role = roles[id];
          if (available)
            a.bookings = bookings[id];
          a.robot_known = robot == "r1" || robot == "r2";
          a.robot_type = a.robot_known ? "pi" : "";
          reply (a, now);
        });
  }
  void find_robot (const Identity &,
      std::function<void (const RobotAnswer &, TimeMs)> reply) override
  {
    answer ([this, reply] {
      RobotAnswer a;
      a.available = available;
      a.known = robots_known;
      a.type = robots_known ? robot_type : "";
      a.token_valid = token_valid;
      a.ends_at = robot_token_ends;
      reply (a, now);
    });
  }
  void session_changed (const SessionEntry &entry) override
  {
    log.push_back (entry);
  }
};

// A Hub and all it touches.
struct World
{
  World ()
  {
    config.admin_step_ms = 600000;
    hub = std::make_unique<Hub> (
        sockets, backend, config,
        // A token is "role:id", or "role:id:expiry", or "role:id#jti".
        [] (std::string_view token, TimeMs, Identity *out) {
          std::string text (token);
          std::size_t colon = text.find (':');
          if (colon == std::string::npos)
            return TokenError::Malformed;
          out->role = text.substr (0, colon);
          out->subject = text.substr (colon + 1);
          colon = out->subject.find (':');
          if (colon != std::string::npos) {
            out->expires_at = std::stoll (out->subject.substr (colon + 1));
            out->subject.resize (colon);
          }
          colon = out->subject.find ('#');
          if (colon != std::string::npos) {
            out->token_id = out->subject.substr (colon + 1);
            out->subject.resize (colon);
          }
          return TokenError::None;
        },
        [this] (const std::string &user, TimeMs, TimeMs end) {
          relays.emplace_back (user, end);
          return std::vector<IceServer> ();
        });
    hub->set_grant_key (JwtKey::generate_es256 ());
  }

  SocketId connect (const std::string &token)
  {
    SocketId id = next++;
    std::string auth =
        token.empty () ? "" : "{\"token\":" + json_string (token) + "}";
    hub->connect (id, {}, auth, backend.now);
    return id;
  }
  void send (SocketId socket, const std::string &name, const std::string &arg)
  {
    Event event;
    event.name = name;
    event.arguments = {arg};
    event.ack_id = 1;
    hub->event (socket, event, backend.now);
  }
  SocketId join (const std::string &role, const std::string &id,
      const std::string &more = "")
  {
    SocketId s = connect (role + ":" + id);
    send (s, "register",
        "{\"userId\":" + json_string (id) + ",\"userType\":\"" +
            (role == "robot" ? "robot" : "viewer") + "\"" + more + "}");
    return s;
  }
  void offer (SocketId s, const std::string &to, const std::string &more = "")
  {
    send (s, "offer",
        "{\"to\":\"" + to + "\",\"offer\":{" + kSdp + "}" + more + "}");
  }
  void book (const std::string &user, TimeMs from, TimeMs to,
      const std::string &robot = "r1", const std::string &type = "pi")
  {
    backend.bookings[user].push_back (
        {1, robot, type, {kStart + from, kStart + to}});
  }
  void pass (TimeMs ms)
  {
    backend.now += ms;
    hub->tick (backend.now);
  }
  std::string last_code (SocketId s)
  {
    auto errors = sockets.of (s, "error");
    ErrorMessage e;
    std::string why;
    if (errors.empty ())
      return "";
    std::string object = errors.back ().substr (9);
    object.pop_back ();
    EXPECT_TRUE (parse_error (object, &e, &why)) << why << object;
    return e.code;
  }
  std::string peer_id () { return hub->sessions ().at (0).peer_id; }

  // For whom TURN passwords were asked, and until when; nobody: none.
  std::vector<std::pair<std::string, TimeMs>> relays;
  FakeSockets sockets;
  FakeBackend backend;
  HubConfig config;
  std::unique_ptr<Hub> hub;
  SocketId next = 1;
};

} // namespace robotlive::server
