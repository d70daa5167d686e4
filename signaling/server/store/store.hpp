// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Store: accounts, robots, bookings, the audit log and the server's own keys
// in SQLite, PostgreSQL or MySQL/MariaDB. Every call blocks and throws
// StoreError; one Store is used by one thread at a time. Any number of
// processes may use the same database: what must not race is one transaction
// behind one row lock.
#pragma once
#include "server/hub/backend.hpp"
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace robotlive::server {

// what () is one sentence without secrets.
class StoreError : public std::runtime_error
{
public:
  enum Kind
  {
    Unavailable, // no connection, locked for too long, damaged
    Conflict,    // exists already, or overlaps
    NotFound,
    Invalid
  };
  StoreError (Kind k, const std::string &sentence)
      : std::runtime_error (sentence), kind (k)
  {
  }
  Kind kind;
  // Of a booking that another is in the way of: when that one is, and when the
  // robot is next free for as long.
  struct Clash
  {
    Window with;
    Window next_free;
  };
  std::optional<Clash> clash;
};

struct User
{
  std::int64_t id = 0;
  std::string email; // lower case
  std::string name;
  std::string role;          // "viewer" or "admin"
  std::string password_hash; // empty: no password opens it
  TimeMs created_at = 0;
  bool enabled = true;
  TimeMs valid_from = 0; // tokens of before are refused
  TimeMs last_login = 0;
  std::string totp_secret;  // base32; empty: the password alone
  std::string totp_pending; // to be confirmed by a code of it
};

// What is not set stays.
struct UserChange
{
  std::optional<std::string> name;
  std::optional<std::string> role;
  std::optional<std::string> password_hash;
  std::optional<bool> enabled;
  bool end_logins = false; // as a new password and a lock do
  // Conflict if no administrator would be left.
  bool keep_an_admin = false;
};

// A token that was issued here, or one that was revoked.
struct TokenRecord
{
  std::string id;      // jti
  std::string subject; // empty: only its id is known
  std::string role;
  TimeMs issued_at = 0;
  TimeMs expires_at = 0; // 0: not known
  TimeMs ends_at = 0;    // before it expires, while another replaces it; or 0
  TimeMs revoked_at = 0; // 0: it counts
};

struct RobotRecord
{
  std::string id;
  std::string type;
  std::string name;
  std::string token_id;  // jti of the newest token, empty: revoked
  TimeMs revoked_at = 0; // tokens without jti issued until then are refused
  TimeMs created_at = 0;
};

struct BookingRecord
{
  std::int64_t id = 0;
  std::string user_id;
  std::string robot_id; // empty: every robot of robot_type
  std::string robot_type;
  Window window;
  std::string status; // "active" or "cancelled"
  TimeMs created_at = 0;
};

struct GrantKeyRecord
{
  std::string pem;       // the newest's private half, the others' public
  TimeMs created_at = 0; // 0: nobody wrote it down
  TimeMs retires_at = kNever;
};

struct AuditQuery
{
  TimeMs from = 0; // started in [from, to)
  TimeMs to = kNever;
  int limit = 1000;
  std::string robot_id; // empty: any
  std::string viewer_id;
};

// One security event, or several that differ in time alone. Nothing in it is a
// name or an e-mail address: ids only.
struct AuditEvent
{
  TimeMs at = 0;
  std::string kind;    // one of event_kinds ()
  std::string actor;   // whose token it was; empty: a stranger, or the server
  std::string what;    // "user-added", "GET /users", …
  std::string target;  // an id
  std::string address; // where it came from
  std::string via;     // "http", "socket", "command" or "server"
  std::string code;    // of a refusal
  std::int64_t count = 1;
  std::int64_t id = 0; // given by the store
};
const std::vector<std::string> &event_kinds ();

struct EventQuery
{
  TimeMs from = 0; // at in [from, to)
  TimeMs to = kNever;
  int limit = 1000;
  std::string kind;   // empty: all
  std::string person; // actor or target; empty: any
  std::string target; // empty: any
};

// How long what is over is kept; 0: for ever.
struct Retention
{
  TimeMs sessions = 0;  // who watched what, after its end
  TimeMs addresses = 0; // from where, after its end
  TimeMs bookings = 0;  // after their end
  TimeMs events = 0;    // of security
  bool any () const { return sessions || addresses || bookings || events; }
};

class Store
{
public:
  // sqlite:///PATH, postgresql://user:password@host:port/name,
  // mysql://user:password@host:port/name (or ?socket=PATH). Creates what is
  // missing, migrates older schemas, refuses newer ones; checks the integrity
  // of an SQLite file.
  static std::unique_ptr<Store> open (const std::string &url);
  ~Store ();
  // The same database by a connection of its own, made when it is first asked.
  std::unique_ptr<Store> another () const;

  // A value that is made on first use and then kept, as the token secret is.
  // Two processes that race get the same.
  std::string secret (
      const std::string &name, const std::function<std::string ()> &make);
  // The grant keys, newest first: those that have retired may be among them.
  std::vector<GrantKeyRecord> grant_keys ();
  // The same; *make* makes the first one if there is none yet.
  std::vector<GrantKeyRecord> first_grant_key (
      const std::function<std::string ()> &make, TimeMs now);
  // *pem* signs from now on. The others go at *retires_at* at the latest, and
  // keep their public half alone.
  void add_grant_key (const std::string &pem, TimeMs now, TimeMs retires_at,
      const std::function<std::string (const std::string &)> &public_half);

  // Grows with each change of keys, bookings, robots or requested session ends.
  std::int64_t revision ();
  // The same without what this Store has written itself.
  std::int64_t others_revision ();

  std::int64_t add_user (const User &user); // Conflict: the e-mail exists
  std::optional<User> user_by_email (const std::string &email);
  std::optional<User> user_by_id (const std::string &id);
  std::vector<User> users ();
  // The account as it is then. NotFound, Conflict.
  User change_user (
      const std::string &id, const UserChange &change, TimeMs now);
  // A second factor that counts once confirm_totp () has seen a code of it;
  // *secret* empty: there is none any more.
  void set_totp (const std::string &id, const std::string &secret);
  void confirm_totp (const std::string &id, std::int64_t step);
  // False if a code of *step*, or of a later one, has been used: each is good
  // once, at whatever server.
  bool use_totp (const std::string &id, std::int64_t step);
  void logged_in (const std::string &id, TimeMs now);
  // Cancels the open bookings. *erase*: also where the person came from.
  // NotFound, Conflict.
  void remove_user (
      const std::string &id, TimeMs now, bool keep_an_admin, bool erase);
  // Each account has one link at most. NotFound.
  void add_password_link (
      const std::string &hash, const std::string &user_id, TimeMs expires_at);
  // Whose it is; it is gone then.
  std::optional<std::string> take_password_link (
      const std::string &hash, TimeMs now);

  // Conflict. *token_expires_at*: of robot.token_id.
  void add_robot (const RobotRecord &robot, TimeMs token_expires_at = 0);
  std::optional<RobotRecord> robot (const std::string &id);
  std::vector<RobotRecord> robots ();
  // NotFound.
  void change_robot (const std::string &id,
      const std::optional<std::string> &name,
      const std::optional<std::string> &type);
  // Cancels its open bookings, revokes its tokens. NotFound.
  void remove_robot (const std::string &id, TimeMs now);
  // Replaces the robot's tokens, at once or at *others_end_at*; an empty
  // *token_id* only revokes. NotFound.
  void set_robot_token (const std::string &id, const std::string &token_id,
      TimeMs now, TimeMs expires_at = 0, TimeMs others_end_at = 0);

  void add_token (const TokenRecord &token);
  std::optional<TokenRecord> token (const std::string &id);
  std::vector<TokenRecord> tokens (const std::string &subject = "");
  // Also one that nothing is known of: then *expires_at* (0: never) is when it
  // may be forgotten. False if it was not known. Invalid.
  bool revoke_token (const std::string &id, TimeMs now, TimeMs expires_at = 0);
  // Every token of a robot or a person that was issued until now, whether the
  // store knows them or not.
  void revoke_subject (bool robot, const std::string &subject, TimeMs now);
  // -1: never.
  TimeMs subject_revoked_at (bool robot, const std::string &subject);

  // Conflict (with a clash): overlaps another active booking of the robot,
  // atomically.
  std::int64_t add_booking (const BookingRecord &booking);
  // Conflict, NotFound. Robot and window may change, the user may not.
  void update_booking (const BookingRecord &booking);
  void cancel_booking (std::int64_t id); // NotFound
  std::optional<BookingRecord> booking (std::int64_t id);
  // The latest 500, by their start.
  std::vector<BookingRecord> bookings_of (const std::string &user_id);
  // How many were made after *since*, whatever became of them.
  std::size_t bookings_made (const std::string &user_id, TimeMs since);
  std::vector<BookingRecord> bookings ();
  // The active bookings that keep others from *robot*, of it and of its whole
  // type, as far as they overlap *within*; in no order.
  std::vector<Window> booked (const RobotRecord &robot, const Window &within);
  // Active ones of the user that end after *now*.
  std::vector<Booking> open_bookings (const std::string &user_id, TimeMs now);

  // *replaces*: the peer ids of a row that becomes this one, if it is there.
  void write_session (
      const SessionEntry &entry, const std::vector<std::string> &replaces = {});
  std::vector<SessionEntry> running_sessions ();
  // Newest first.
  std::vector<SessionEntry> audit (const AuditQuery &query);
  // Security events; what is too long is cut.
  void write_events (const std::vector<AuditEvent> &list);
  // Newest first.
  std::vector<AuditEvent> events (const EventQuery &query);
  // All that is kept of a person: one JSON object. NotFound.
  std::string export_user (const std::string &id);
  // What is older than it is to be kept goes, and so do refusals of strangers
  // that are too many.
  void forget_old (const Retention &retention, TimeMs now);
  // Asks whichever server runs it to end the session. NotFound.
  void request_end (const std::string &peer_id);
  std::vector<std::string> requested_ends ();

private:
  struct Impl;
  explicit Store (std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace robotlive::server
