// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Store: security events, what is kept of a person, and for how long.
#include "protocol/json.hpp"
#include "server/store/store_impl.hpp"
#include <algorithm>
#include <array>

namespace robotlive::server {

using soci::into;
using soci::use;

namespace {

// Rows that strangers can cause: the newest are kept.
constexpr std::int64_t kMaxDenied = 100000;
constexpr std::size_t kMaxId = 128;

// Printable ASCII: no database refuses it, no terminal obeys it.
std::string
harmless (const std::string &text, std::size_t max)
{
  static const char hex[] = "0123456789abcdef";
  std::string out;
  for (unsigned char c : text) {
    std::string next (1, static_cast<char> (c));
    if (c < 0x20 || c > 0x7e)
      next = std::string ("\\x") + hex[c >> 4] + hex[c & 15];
    if (out.size () + next.size () > max)
      break;
    out += next;
  }
  return out;
}

void
append_event (JsonWriter &w, const AuditEvent &e)
{
  w.object ().field ("at", e.at).field ("kind", e.kind);
  w.field ("who", e.actor).field ("what", e.what).field ("target", e.target);
  w.field ("address", e.address).field ("via", e.via).field ("code", e.code);
  w.field ("count", e.count).end ();
}

} // namespace

const std::vector<std::string> &
event_kinds ()
{
  static const std::vector<std::string> kinds = {
      "denied", "login", "password", "token", "revocation", "admin-action"};
  return kinds;
}

// The revision stays: nobody has to look at anything anew for them.
void
Store::write_events (const std::vector<AuditEvent> &list)
{
  if (list.empty ())
    return;
  impl_->with_session ([&] (soci::session &sql) {
    soci::transaction transaction (sql);
    std::int64_t many = static_cast<std::int64_t> (list.size ());
    long long last = 0;
    sql << "UPDATE meta SET value = value + :n WHERE name = 'next_event_id'",
        use (many);
    sql << "SELECT value FROM meta WHERE name = 'next_event_id'", into (last);
    std::int64_t id = last - many;
    for (const AuditEvent &e : list) {
      ++id;
      std::string kind = harmless (e.kind, 32),
                  actor = harmless (e.actor, kMaxId);
      std::string what = harmless (e.what, 64);
      std::string target = harmless (e.target, kMaxId);
      std::string address = harmless (e.address, 64);
      std::string via = harmless (e.via, 16), code = harmless (e.code, 32);
      sql << "INSERT INTO audit_events (id, happened_at, kind, actor, what, "
             "target, "
             "address, via, code, times) VALUES (:i, :a, :k, :w, :t, :g, :d, "
             ":v, :c, :n)",
          use (id), use (e.at), use (kind), use (actor), use (what),
          use (target), use (address), use (via), use (code), use (e.count);
    }
    transaction.commit ();
  });
}

std::vector<AuditEvent>
Store::events (const EventQuery &query)
{
  std::string where = "WHERE happened_at >= :f AND happened_at < :t";
  if (!query.kind.empty ())
    where += " AND kind = :k";
  if (!query.person.empty ())
    where += " AND (actor = :p1 OR target = :p2)";
  if (!query.target.empty ())
    where += " AND target = :g";
  // As it was written down.
  const std::string person = harmless (query.person, kMaxId);
  const std::string target = harmless (query.target, kMaxId);
  return impl_->with_session ([&] (soci::session &sql) {
    std::vector<AuditEvent> list;
    AuditEvent e;
    each_row (
        sql,
        "SELECT id, happened_at, kind, actor, what, target, address, via, "
        "code, times "
        "FROM audit_events " +
            where + " ORDER BY happened_at DESC, id DESC LIMIT " +
            std::to_string (query.limit),
        [&] (soci::statement &st) {
          st.exchange (into (e.id));
          st.exchange (into (e.at));
          st.exchange (into (e.kind));
          st.exchange (into (e.actor));
          st.exchange (into (e.what));
          st.exchange (into (e.target));
          st.exchange (into (e.address));
          st.exchange (into (e.via));
          st.exchange (into (e.code));
          st.exchange (into (e.count));
          st.exchange (use (query.from));
          st.exchange (use (query.to));
          if (!query.kind.empty ())
            st.exchange (use (query.kind));
          if (!query.person.empty ()) {
            st.exchange (use (person));
            st.exchange (use (person));
          }
          if (!query.target.empty ())
            st.exchange (use (target));
        },
        [&] { list.push_back (e); });
    return list;
  });
}

std::string
Store::export_user (const std::string &id)
{
  auto user = user_by_id (id);
  if (!user)
    throw StoreError (StoreError::NotFound, "there is no such account");
  JsonWriter w;
  w.object ().key ("account").object ();
  w.field ("id", user->id).field ("email", user->email);
  w.field ("name", user->name).field ("role", user->role);
  w.field ("enabled", user->enabled);
  w.field ("has_password", !user->password_hash.empty ());
  w.field ("created_at", user->created_at);
  w.field ("valid_from", user->valid_from);
  w.field ("last_login", user->last_login).end ();
  w.key ("bookings").array ();
  for (const BookingRecord &b : bookings ()) {
    if (b.user_id != id)
      continue;
    w.object ().field ("id", b.id).field ("robot_id", b.robot_id);
    w.field ("robot_type", b.robot_type).field ("status", b.status);
    w.field ("starts_at", b.window.starts_at);
    w.field ("ends_at", b.window.ends_at).field ("created_at", b.created_at);
    w.end ();
  }
  w.end ().key ("sessions").array ();
  AuditQuery query;
  query.viewer_id = id;
  query.limit = 1000000;
  for (const SessionEntry &e : audit (query)) {
    w.object ().field ("peerId", e.peer_id).field ("robotId", e.robot_id);
    w.field ("role", e.role).field ("address", e.address);
    w.field ("startedAt", e.started_at).field ("expiresAt", e.expires_at);
    w.field ("endedAt", e.ended_at).field ("reason", e.reason).end ();
  }
  // Without what opens anything.
  w.end ().key ("tokens").array ();
  for (const TokenRecord &t : tokens (id)) {
    if (t.role == "robot")
      continue;
    w.object ().field ("id", t.id).field ("role", t.role);
    w.field ("issued_at", t.issued_at).field ("expires_at", t.expires_at);
    w.field ("revoked_at", t.revoked_at).end ();
  }
  std::vector<std::int64_t> links;
  impl_->with_session ([&] (soci::session &sql) {
    std::int64_t end = 0;
    each_row (
        sql, "SELECT expires_at FROM password_links WHERE user_id = :i",
        [&] (soci::statement &st) {
          st.exchange (into (end));
          st.exchange (use (user->id));
        },
        [&] { links.push_back (end); });
  });
  w.end ().key ("password_links").array ();
  for (std::int64_t end : links)
    w.object ().field ("expires_at", end).end ();
  w.end ().key ("events").array ();
  EventQuery own;
  own.person = id;
  own.limit = 1000000;
  for (AuditEvent e : events (own)) {
    // Whoever did it to the person: where that one was is not this person's.
    if (e.actor != id)
      e.address.clear ();
    append_event (w, e);
  }
  return w.end ().end ().take ();
}

void
Store::forget_old (const Retention &retention, TimeMs now)
{
  impl_->with_session ([&] (soci::session &sql) {
    soci::transaction transaction (sql);
    TimeMs sessions = now - retention.sessions;
    TimeMs addresses = now - retention.addresses;
    TimeMs bookings = now - retention.bookings;
    TimeMs events = now - retention.events;
    // A write first: no two writers wait for each other's read lock.
    forget_old_tokens (sql, now);
    if (retention.sessions > 0)
      sql << "DELETE FROM sessions WHERE ended_at > 0 AND ended_at < :t",
          use (sessions);
    if (retention.addresses > 0) {
      sql << "UPDATE sessions SET address = '' WHERE ended_at > 0 AND ended_at "
             "< :t AND address <> ''",
          use (addresses);
      sql << "UPDATE audit_events SET address = '' WHERE happened_at < :t AND "
             "address "
             "<> ''",
          use (addresses);
    }
    if (retention.bookings > 0)
      sql << "DELETE FROM bookings WHERE ends_at < :t", use (bookings);
    if (retention.events > 0)
      sql << "DELETE FROM audit_events WHERE happened_at < :t", use (events);
    for (const char *kind : {"denied", "login"}) {
      std::string name = kind;
      std::int64_t newest_gone = 0;
      sql << "SELECT id FROM audit_events WHERE kind = :k ORDER BY id DESC "
             "LIMIT 1 OFFSET " +
                 std::to_string (kMaxDenied),
          use (name), into (newest_gone);
      if (sql.got_data ())
        sql << "DELETE FROM audit_events WHERE kind = :k AND id <= :i",
            use (name), use (newest_gone);
    }
    transaction.commit ();
  });
}

} // namespace robotlive::server
