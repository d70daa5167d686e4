// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the Hub asks of the bookings. The real ones (storebackend.hpp,
// consolebackend.hpp) ask on a thread of their own; tests give a fake that
// answers when the test says so. Everything here is called on the I/O thread.
#pragma once
#include "grant/jwt.hpp"
#include "grant/window.hpp"
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::server {

// A booking as far as admission is concerned. An empty robot_id: every robot
// of robot_type.
struct Booking
{
  std::int64_t id = 0;
  std::string robot_id;
  std::string robot_type;
  Window window;

  bool covers (std::string_view robot, std::string_view type) const;
};

// The open window of *bookings* for that robot at *now*, bookings that follow
// each other without a gap taken as one; nothing if none is open.
std::optional<Window> open_window (const std::vector<Booking> &bookings,
    std::string_view robot, std::string_view type, TimeMs now);
// The next one that is still to come.
std::optional<Window> next_window (const std::vector<Booking> &bookings,
    std::string_view robot, std::string_view type, TimeMs now);

struct ViewerAnswer
{
  bool available = true;         // false: the store could not be asked
  bool allowed = true;           // false: the account or the token is no more
  std::string reason;            // why not
  std::string role;              // that counts now; empty: the token's
  std::vector<Booking> bookings; // of the viewer, not over yet
  bool robot_known = false;      // the robot that was asked for
  std::string robot_type;        // its type, if known

  std::string why () const
  {
    return reason.empty () ? "the account is not valid" : reason;
  }
};

struct RobotAnswer
{
  bool available = true;
  bool known = false;
  bool token_valid = true; // false: revoked or rotated away
  std::string type;        // if known
  TimeMs ends_at = kNever; // when the token stops counting, if before its exp
};

// One row of the audit log: who watched which robot, from when to when.
struct SessionEntry
{
  std::string peer_id;
  std::string viewer_id;
  std::string robot_id;
  std::string role;
  std::string address;
  TimeMs started_at = 0;
  TimeMs expires_at = 0;
  TimeMs ended_at = 0; // 0: still running
  std::string reason;  // why it ended

  // What it takes to go on with it, in another process of the server as well.
  std::string robot_instance;  // of the robot's process that serves it
  std::string viewer_instance; // may be empty: an old viewer
  std::string robot_type;
  std::string offer_id; // of the newest offer
  // Why it has no right any more. Its row ends with the robot's word, or when
  // the robot must have stopped by its grant.
  std::string ending;
  // The latest end of any grant that the robot may have; 0: expires_at.
  TimeMs granted_until = 0;
  // Of the login that it was opened with.
  TimeMs login_issued_at = 0;
  TimeMs login_expires_at = 0;
  bool anonymous = false;
};

class Backend
{
public:
  virtual ~Backend () = default;
  // *reply* is called once, with the time of the answer; maybe at once.
  virtual void find_viewer (const Identity &identity, const std::string &token,
      const std::string &robot,
      std::function<void (const ViewerAnswer &, TimeMs now)> reply) = 0;
  virtual void find_robot (const Identity &identity,
      std::function<void (const RobotAnswer &, TimeMs now)> reply) = 0;
  // Written in order, without an answer; a store that is down loses nothing
  // that decides who may watch.
  virtual void session_changed (const SessionEntry &entry) = 0;
};

} // namespace robotlive::server
