// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Store: people, robots, their tokens and what was taken back.
#include "server/store/store_impl.hpp"
#include <algorithm>

namespace robotlive::server {

using soci::into;
using soci::use;

namespace {

constexpr TimeMs kDay = 24 * 3600 * 1000;
constexpr std::size_t kMaxTokenId = 190;

template <typename Bind>
std::vector<User>
read_users (soci::session &sql, const std::string &rest, Bind bind)
{
  std::vector<User> list;
  User u;
  int enabled = 1;
  each_row (
      sql,
      "SELECT id, email, name, role, password_hash, created_at, enabled, "
      "valid_from, last_login, totp_secret, totp_pending FROM users " +
          rest,
      [&] (soci::statement &st) {
        st.exchange (into (u.id));
        st.exchange (into (u.email));
        st.exchange (into (u.name));
        st.exchange (into (u.role));
        st.exchange (into (u.password_hash));
        st.exchange (into (u.created_at));
        st.exchange (into (enabled));
        st.exchange (into (u.valid_from));
        st.exchange (into (u.last_login));
        st.exchange (into (u.totp_secret));
        st.exchange (into (u.totp_pending));
        bind (st);
      },
      [&] {
        u.enabled = enabled != 0;
        list.push_back (u);
      });
  return list;
}

template <typename Bind>
std::vector<RobotRecord>
read_robots (soci::session &sql, const std::string &rest, Bind bind)
{
  std::vector<RobotRecord> list;
  RobotRecord r;
  each_row (
      sql,
      "SELECT id, type, name, token_id, revoked_at, created_at FROM robots " +
          rest,
      [&] (soci::statement &st) {
        st.exchange (into (r.id));
        st.exchange (into (r.type));
        st.exchange (into (r.name));
        st.exchange (into (r.token_id));
        st.exchange (into (r.revoked_at));
        st.exchange (into (r.created_at));
        bind (st);
      },
      [&] { list.push_back (r); });
  return list;
}

template <typename Bind>
std::vector<TokenRecord>
read_tokens (soci::session &sql, const std::string &rest, Bind bind)
{
  std::vector<TokenRecord> list;
  TokenRecord t;
  each_row (
      sql,
      "SELECT id, subject, role, issued_at, expires_at, ends_at, revoked_at "
      "FROM tokens " +
          rest,
      [&] (soci::statement &st) {
        st.exchange (into (t.id));
        st.exchange (into (t.subject));
        st.exchange (into (t.role));
        st.exchange (into (t.issued_at));
        st.exchange (into (t.expires_at));
        st.exchange (into (t.ends_at));
        st.exchange (into (t.revoked_at));
        bind (st);
      },
      [&] { list.push_back (t); });
  return list;
}

// Ids of other issuers need not be numbers; ours are. 0: not one of ours.
std::int64_t
account_number (const std::string &id)
{
  if (id.empty () || id.size () > 18 || id[0] == '0' ||
      id.find_first_not_of ("0123456789") != std::string::npos)
    return 0;
  return std::stoll (id);
}

std::optional<User>
user_of_number (soci::session &sql, std::int64_t number)
{
  auto list = read_users (sql, "WHERE id = :i",
      [&] (soci::statement &st) { st.exchange (use (number)); });
  return list.empty () ? std::nullopt : std::optional<User> (list[0]);
}

User
need_user (soci::session &sql, const std::string &id)
{
  auto user = user_of_number (sql, account_number (id));
  if (!user)
    throw StoreError (StoreError::NotFound, "there is no such account");
  return *user;
}

std::optional<RobotRecord>
find_robot (soci::session &sql, const std::string &id)
{
  auto list = read_robots (sql, "WHERE id = :i",
      [&] (soci::statement &st) { st.exchange (use (id)); });
  return list.empty () || list[0].id != id
             ? std::nullopt
             : std::optional<RobotRecord> (list[0]);
}

void
need_robot (soci::session &sql, const std::string &id)
{
  if (!find_robot (sql, id))
    throw StoreError (StoreError::NotFound, "there is no such robot");
}

} // namespace

// What is over cannot be used anyway.
void
forget_old_tokens (soci::session &sql, TimeMs now)
{
  TimeMs before = now - kDay;
  sql << "DELETE FROM tokens WHERE expires_at > 0 AND expires_at < :b",
      use (before);
  sql << "DELETE FROM password_links WHERE expires_at < :b", use (before);
}

namespace {

void
insert_token (soci::session &sql, const TokenRecord &t)
{
  sql << "INSERT INTO tokens (id, subject, role, issued_at, expires_at, "
         "ends_at, revoked_at) VALUES (:i, :s, :r, :a, :x, :e, :v)",
      use (t.id), use (t.subject), use (t.role), use (t.issued_at),
      use (t.expires_at), use (t.ends_at), use (t.revoked_at);
}

void
revoke_tokens_of (
    soci::session &sql, const std::string &subject, bool robot, TimeMs now)
{
  sql << std::string ("UPDATE tokens SET revoked_at = :n WHERE subject = :s "
                      "AND revoked_at = 0 AND role ") +
             (robot ? "= 'robot'" : "<> 'robot'"),
      use (now), use (subject);
}

void
write_revoked_subject (
    soci::session &sql, bool robot, const std::string &subject, TimeMs now)
{
  std::string kind = robot ? "robot" : "user";
  sql << "DELETE FROM revoked_subjects WHERE kind = :k AND subject = :s",
      use (kind), use (subject);
  sql << "INSERT INTO revoked_subjects (kind, subject, revoked_at) VALUES "
         "(:k, :s, :n)",
      use (kind), use (subject), use (now);
}

} // namespace

std::int64_t
Store::add_user (const User &user)
{
  return impl_->write ([&] (soci::session &sql) {
    int n = 0;
    sql << "SELECT COUNT(*) FROM users WHERE email = :e", use (user.email),
        into (n);
    if (n > 0)
      throw StoreError (
          StoreError::Conflict, "a user with this e-mail exists already");
    std::int64_t id = next_id (sql);
    sql << "INSERT INTO users (id, email, name, role, password_hash, "
           "created_at) VALUES (:i, :e, :n, :r, :p, :c)",
        use (id), use (user.email), use (user.name), use (user.role),
        use (user.password_hash), use (user.created_at);
    return id;
  });
}

std::optional<User>
Store::user_by_email (const std::string &email)
{
  return impl_->with_session ([&] (soci::session &sql) {
    auto list = read_users (sql, "WHERE email = :e",
        [&] (soci::statement &st) { st.exchange (use (email)); });
    return list.empty () || list[0].email != email
               ? std::nullopt
               : std::optional<User> (list[0]);
  });
}

std::optional<User>
Store::user_by_id (const std::string &id)
{
  std::int64_t number = account_number (id);
  if (number == 0)
    return std::nullopt;
  return impl_->with_session (
      [&] (soci::session &sql) { return user_of_number (sql, number); });
}

std::vector<User>
Store::users ()
{
  return impl_->with_session ([] (soci::session &sql) {
    return read_users (sql, "ORDER BY id", [] (soci::statement &) {});
  });
}

User
Store::change_user (const std::string &id, const UserChange &change, TimeMs now)
{
  return impl_->write ([&] (soci::session &sql) {
    User user = need_user (sql, id);
    bool was_admin = user.enabled && user.role == "admin";
    if (change.name)
      user.name = *change.name;
    if (change.role)
      user.role = *change.role;
    if (change.enabled)
      user.enabled = *change.enabled;
    if (change.password_hash)
      user.password_hash = *change.password_hash;
    if (change.keep_an_admin && was_admin &&
        !(user.enabled && user.role == "admin")) {
      int others = 0;
      sql << "SELECT COUNT(*) FROM users WHERE role = 'admin' AND enabled = 1 "
             "AND id <> :i",
          use (user.id), into (others);
      if (others == 0)
        throw StoreError (StoreError::Conflict,
            "this is the last administrator: make another one first");
    }
    // Always later than before, else a token of the same moment stays good.
    if (change.end_logins || change.password_hash ||
        (change.enabled && !*change.enabled))
      user.valid_from = std::max (now, user.valid_from + 1);
    int enabled = user.enabled ? 1 : 0;
    sql << "UPDATE users SET name = :n, role = :r, password_hash = :p, "
           "enabled = :e, valid_from = :v WHERE id = :i",
        use (user.name), use (user.role), use (user.password_hash),
        use (enabled), use (user.valid_from), use (user.id);
    if (change.password_hash)
      sql << "DELETE FROM password_links WHERE user_id = :i", use (user.id);
    return user;
  });
}

void
Store::set_totp (const std::string &id, const std::string &secret)
{
  impl_->write ([&] (soci::session &sql) {
    User user = need_user (sql, id);
    if (secret.empty ())
      user.totp_secret.clear ();
    sql << "UPDATE users SET totp_secret = :s, totp_pending = :p WHERE id = :i",
        use (user.totp_secret), use (secret), use (user.id);
  });
}

void
Store::confirm_totp (const std::string &id, std::int64_t step)
{
  impl_->write ([&] (soci::session &sql) {
    User user = need_user (sql, id);
    if (user.totp_pending.empty ())
      throw StoreError (StoreError::NotFound, "there is nothing to confirm");
    sql << "UPDATE users SET totp_secret = :s, totp_pending = '', totp_used = "
           ":u WHERE id = :i",
        use (user.totp_pending), use (step), use (user.id);
  });
}

bool
Store::use_totp (const std::string &id, std::int64_t step)
{
  std::int64_t number = account_number (id);
  return impl_->with_session ([&] (soci::session &sql) {
    soci::statement update (sql);
    update.exchange (use (step));
    update.exchange (use (number));
    update.exchange (use (step));
    update.alloc ();
    update.prepare (
        "UPDATE users SET totp_used = :s WHERE id = :i AND totp_used < :t");
    update.define_and_bind ();
    update.execute (true);
    return update.get_affected_rows () == 1;
  });
}

void
Store::logged_in (const std::string &id, TimeMs now)
{
  std::int64_t number = account_number (id);
  impl_->with_session ([&] (soci::session &sql) {
    sql << "UPDATE users SET last_login = :n WHERE id = :i", use (now),
        use (number);
  });
}

void
Store::remove_user (
    const std::string &id, TimeMs now, bool keep_an_admin, bool erase)
{
  impl_->write ([&] (soci::session &sql) {
    User user = need_user (sql, id);
    int others = 0;
    sql << "SELECT COUNT(*) FROM users WHERE role = 'admin' AND enabled = 1 "
           "AND id <> :i",
        use (user.id), into (others);
    if (keep_an_admin && user.role == "admin" && user.enabled && others == 0)
      throw StoreError (StoreError::Conflict,
          "this is the last administrator: make another one first");
    sql << "DELETE FROM password_links WHERE user_id = :i", use (user.id);
    sql << "DELETE FROM users WHERE id = :i", use (user.id);
    revoke_tokens_of (sql, id, false, now);
    write_revoked_subject (sql, false, id, now);
    sql << "UPDATE bookings SET status = 'cancelled' WHERE user_id = :u AND "
           "status = 'active' AND ends_at > :n",
        use (id), use (now);
    // The id stays in bookings and log as a pseudonym: no row says whose it
    // was. The address would still lead to a person.
    if (erase) {
      sql << "UPDATE sessions SET address = '', viewer_instance = '' WHERE "
             "viewer_id = :u",
          use (id);
      sql << "UPDATE audit_events SET address = '' WHERE actor = :u", use (id);
    }
  });
}

void
Store::add_password_link (
    const std::string &hash, const std::string &user_id, TimeMs expires_at)
{
  impl_->write ([&] (soci::session &sql) {
    User user = need_user (sql, user_id);
    // The newest counts: one that went astray is not good for long.
    sql << "DELETE FROM password_links WHERE user_id = :i", use (user.id);
    sql << "INSERT INTO password_links (hash, user_id, expires_at) VALUES "
           "(:h, :i, :x)",
        use (hash), use (user.id), use (expires_at);
  });
}

std::optional<std::string>
Store::take_password_link (const std::string &hash, TimeMs now)
{
  return impl_->write ([&] (soci::session &sql) {
    std::int64_t id = 0, expires_at = 0;
    sql << "SELECT user_id, expires_at FROM password_links WHERE hash = :h",
        use (hash), into (id), into (expires_at);
    bool good = sql.got_data () && now < expires_at;
    if (good)
      sql << "DELETE FROM password_links WHERE hash = :h", use (hash);
    return good ? std::optional<std::string> (std::to_string (id))
                : std::nullopt;
  });
}

void
Store::add_robot (const RobotRecord &robot, TimeMs token_expires_at)
{
  impl_->write ([&] (soci::session &sql) {
    int n = 0;
    sql << "SELECT COUNT(*) FROM robots WHERE id = :i", use (robot.id),
        into (n);
    if (n > 0)
      throw StoreError (StoreError::Conflict, "the robot exists already");
    sql << "INSERT INTO robots (id, type, name, token_id, revoked_at, "
           "created_at) VALUES (:i, :t, :n, :k, :r, :c)",
        use (robot.id), use (robot.type), use (robot.name),
        use (robot.token_id), use (robot.revoked_at), use (robot.created_at);
    if (!robot.token_id.empty ())
      insert_token (sql, {robot.token_id, robot.id, "robot", robot.created_at,
                             token_expires_at, 0, 0});
  });
}

std::optional<RobotRecord>
Store::robot (const std::string &id)
{
  return impl_->with_session (
      [&] (soci::session &sql) { return find_robot (sql, id); });
}

std::vector<RobotRecord>
Store::robots ()
{
  return impl_->with_session ([] (soci::session &sql) {
    return read_robots (sql, "ORDER BY id", [] (soci::statement &) {});
  });
}

void
Store::change_robot (const std::string &id,
    const std::optional<std::string> &name,
    const std::optional<std::string> &type)
{
  impl_->write ([&] (soci::session &sql) {
    need_robot (sql, id);
    if (name)
      sql << "UPDATE robots SET name = :n WHERE id = :i", use (*name), use (id);
    if (type)
      sql << "UPDATE robots SET type = :t WHERE id = :i", use (*type), use (id);
  });
}

void
Store::remove_robot (const std::string &id, TimeMs now)
{
  impl_->write ([&] (soci::session &sql) {
    need_robot (sql, id);
    sql << "DELETE FROM robots WHERE id = :i", use (id);
    revoke_tokens_of (sql, id, true, now);
    write_revoked_subject (sql, true, id, now);
    sql << "UPDATE bookings SET status = 'cancelled' WHERE robot_id = :r AND "
           "status = 'active' AND ends_at > :n",
        use (id), use (now);
  });
}

void
Store::set_robot_token (const std::string &id, const std::string &token_id,
    TimeMs now, TimeMs expires_at, TimeMs others_end_at)
{
  impl_->write ([&] (soci::session &sql) {
    need_robot (sql, id);
    if (others_end_at > now)
      sql << "UPDATE tokens SET ends_at = :e WHERE subject = :s AND role = "
             "'robot' AND revoked_at = 0 AND (ends_at = 0 OR ends_at > :e2)",
          use (others_end_at), use (id), use (others_end_at);
    else
      revoke_tokens_of (sql, id, true, now);
    if (!token_id.empty ())
      insert_token (sql, {token_id, id, "robot", now, expires_at, 0, 0});
    sql << "UPDATE robots SET token_id = :k, revoked_at = :r WHERE id = :i",
        use (token_id), use (now), use (id);
    forget_old_tokens (sql, now);
  });
}

void
Store::add_token (const TokenRecord &token)
{
  impl_->write ([&] (soci::session &sql) {
    forget_old_tokens (sql, token.issued_at);
    insert_token (sql, token);
  });
}

std::optional<TokenRecord>
Store::token (const std::string &id)
{
  if (id.empty () || id.size () > kMaxTokenId)
    return std::nullopt;
  return impl_->with_session ([&] (soci::session &sql) {
    auto list = read_tokens (sql, "WHERE id = :i",
        [&] (soci::statement &st) { st.exchange (use (id)); });
    return list.empty () || list[0].id != id
               ? std::nullopt
               : std::optional<TokenRecord> (list[0]);
  });
}

std::vector<TokenRecord>
Store::tokens (const std::string &subject)
{
  return impl_->with_session ([&] (soci::session &sql) {
    if (subject.empty ())
      return read_tokens (sql, "ORDER BY issued_at, id", [] (auto &) {});
    return read_tokens (sql, "WHERE subject = :s ORDER BY issued_at, id",
        [&] (soci::statement &st) { st.exchange (use (subject)); });
  });
}

bool
Store::revoke_token (const std::string &id, TimeMs now, TimeMs expires_at)
{
  if (id.empty () || id.size () > kMaxTokenId)
    throw StoreError (StoreError::Invalid, "that is not the id of a token");
  return impl_->write ([&] (soci::session &sql) {
    int n = 0;
    sql << "SELECT COUNT(*) FROM tokens WHERE id = :i", use (id), into (n);
    if (n == 0) {
      forget_old_tokens (sql, now);
      insert_token (sql, {id, "", "", 0, expires_at, 0, now});
    } else {
      sql << "UPDATE tokens SET revoked_at = :n WHERE id = :i AND revoked_at = "
             "0",
          use (now), use (id);
    }
    return n > 0;
  });
}

void
Store::revoke_subject (bool robot, const std::string &subject, TimeMs now)
{
  impl_->write ([&] (soci::session &sql) {
    revoke_tokens_of (sql, subject, robot, now);
    write_revoked_subject (sql, robot, subject, now);
    if (robot)
      sql << "UPDATE robots SET token_id = '', revoked_at = :n WHERE id = :i",
          use (now), use (subject);
  });
}

TimeMs
Store::subject_revoked_at (bool robot, const std::string &subject)
{
  return impl_->with_session ([&] (soci::session &sql) {
    std::string kind = robot ? "robot" : "user";
    std::int64_t at = 0;
    sql << "SELECT revoked_at FROM revoked_subjects WHERE kind = :k AND "
           "subject = :s",
        use (kind), use (subject), into (at);
    return sql.got_data () ? TimeMs{at} : TimeMs{-1};
  });
}

} // namespace robotlive::server
