// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/availability.hpp"
#include "server/store/store_impl.hpp"
#include <algorithm>

namespace robotlive::server {

using soci::into;
using soci::use;

namespace {

// Of one user's bookings, the latest.
constexpr int kMaxListed = 500;

const char kBookingColumns[] =
    "SELECT id, user_id, robot_id, robot_type, starts_at, ends_at, status, "
    "created_at FROM bookings ";

template <typename Bind>
std::vector<BookingRecord>
read_bookings (soci::session &sql, const std::string &rest, Bind bind)
{
  std::vector<BookingRecord> list;
  BookingRecord b;
  each_row (
      sql, kBookingColumns + rest,
      [&] (soci::statement &st) {
        st.exchange (into (b.id));
        st.exchange (into (b.user_id));
        st.exchange (into (b.robot_id));
        st.exchange (into (b.robot_type));
        st.exchange (into (b.window.starts_at));
        st.exchange (into (b.window.ends_at));
        st.exchange (into (b.status));
        st.exchange (into (b.created_at));
        bind (st);
      },
      [&] { list.push_back (b); });
  return list;
}

const char kSessionColumns[] =
    "SELECT peer_id, viewer_id, robot_id, role, address, started_at, "
    "expires_at, ended_at, reason, robot_instance, viewer_instance, "
    "robot_type, offer_id, ending, granted_until, login_issued_at, "
    "login_expires_at, anonymous FROM sessions ";

template <typename Bind>
std::vector<SessionEntry>
read_sessions (soci::session &sql, const std::string &rest, Bind bind)
{
  std::vector<SessionEntry> list;
  SessionEntry e;
  int anonymous = 0;
  each_row (
      sql, kSessionColumns + rest,
      [&] (soci::statement &st) {
        st.exchange (into (e.peer_id));
        st.exchange (into (e.viewer_id));
        st.exchange (into (e.robot_id));
        st.exchange (into (e.role));
        st.exchange (into (e.address));
        st.exchange (into (e.started_at));
        st.exchange (into (e.expires_at));
        st.exchange (into (e.ended_at));
        st.exchange (into (e.reason));
        st.exchange (into (e.robot_instance));
        st.exchange (into (e.viewer_instance));
        st.exchange (into (e.robot_type));
        st.exchange (into (e.offer_id));
        st.exchange (into (e.ending));
        st.exchange (into (e.granted_until));
        st.exchange (into (e.login_issued_at));
        st.exchange (into (e.login_expires_at));
        st.exchange (into (anonymous));
        bind (st);
      },
      [&] {
        e.anonymous = anonymous != 0;
        list.push_back (e);
      });
  return list;
}

// The windows of the active bookings that meet *wanted*: those of the same
// robot, and those of the whole type if either is for it. Never its own.
std::vector<Window>
read_meeting (soci::session &sql, const BookingRecord &wanted)
{
  static const std::string of_robot =
      "AND (robot_id = :r OR (robot_id = '' AND robot_type = :t))";
  static const std::string of_type = "AND robot_type = :t";
  std::vector<Window> windows;
  Window w;
  each_row (
      sql,
      "SELECT starts_at, ends_at FROM bookings WHERE ends_at > :s AND "
      "starts_at < :e AND status = 'active' AND id <> :i " +
          (wanted.robot_id.empty () ? of_type : of_robot),
      [&] (soci::statement &st) {
        st.exchange (into (w.starts_at));
        st.exchange (into (w.ends_at));
        st.exchange (use (wanted.window.starts_at));
        st.exchange (use (wanted.window.ends_at));
        st.exchange (use (wanted.id));
        if (!wanted.robot_id.empty ())
          st.exchange (use (wanted.robot_id));
        st.exchange (use (wanted.robot_type));
      },
      [&] { windows.push_back (w); });
  return windows;
}

void
refuse_overlap (soci::session &sql, const BookingRecord &wanted)
{
  std::vector<Window> meeting = read_meeting (sql, wanted);
  if (meeting.empty ())
    return;
  BookingRecord later = wanted;
  later.window.ends_at = kNever;
  StoreError error (
      StoreError::Conflict, "the robot is booked by another at that time");
  error.clash =
      StoreError::Clash{*std::min_element (meeting.begin (), meeting.end (),
                            [] (const Window &a, const Window &b) {
                              return a.starts_at < b.starts_at;
                            }),
          next_free_window (read_meeting (sql, later), wanted.window.starts_at,
              wanted.window.ends_at - wanted.window.starts_at)};
  throw error;
}

std::string
trimmed (const std::string &text, std::size_t max)
{
  return text.substr (0, max);
}

} // namespace

Store::Store (std::unique_ptr<Impl> impl) : impl_ (std::move (impl)) {}

Store::~Store () = default;

std::unique_ptr<Store>
Store::open (const std::string &url)
{
  auto impl = std::make_unique<Impl> ();
  impl->address = parse_database_url (url);
  impl->sql = open_database (impl->address);
  return std::unique_ptr<Store> (new Store (std::move (impl)));
}

std::unique_ptr<Store>
Store::another () const
{
  auto impl = std::make_unique<Impl> ();
  impl->address = impl_->address;
  impl->prepared = true;
  return std::unique_ptr<Store> (new Store (std::move (impl)));
}

std::string
Store::secret (
    const std::string &name, const std::function<std::string ()> &make)
{
  return impl_->write ([&] (soci::session &sql) {
    std::string value;
    sql << "SELECT value FROM settings WHERE name = :n", use (name),
        into (value);
    if (!sql.got_data ()) {
      value = make ();
      sql << "INSERT INTO settings (name, value) VALUES (:n, :v)", use (name),
          use (value);
    }
    return value;
  });
}

std::int64_t
Store::revision ()
{
  return impl_->with_session ([] (soci::session &sql) {
    std::int64_t value = 0;
    sql << "SELECT value FROM meta WHERE name = 'revision'", into (value);
    return value;
  });
}

std::int64_t
Store::others_revision ()
{
  return revision () - impl_->writes;
}

std::int64_t
Store::add_booking (const BookingRecord &booking)
{
  if (booking.window.starts_at >= booking.window.ends_at ||
      (booking.robot_id.empty () && booking.robot_type.empty ()))
    throw StoreError (StoreError::Invalid, "the booking is empty");
  return impl_->write ([&] (soci::session &sql) {
    BookingRecord b = booking;
    refuse_overlap (sql, b);
    b.id = next_id (sql);
    sql << "INSERT INTO bookings (id, user_id, robot_id, robot_type, "
           "starts_at, ends_at, status, created_at) VALUES (:i, :u, :r, :t, "
           ":s, :e, 'active', :c)",
        use (b.id), use (b.user_id), use (b.robot_id), use (b.robot_type),
        use (b.window.starts_at), use (b.window.ends_at), use (b.created_at);
    return b.id;
  });
}

void
Store::update_booking (const BookingRecord &booking)
{
  if (booking.window.starts_at >= booking.window.ends_at)
    throw StoreError (StoreError::Invalid, "the booking is empty");
  impl_->write ([&] (soci::session &sql) {
    int n = 0;
    sql << "SELECT COUNT(*) FROM bookings WHERE id = :i AND status = 'active'",
        use (booking.id), into (n);
    if (n == 0)
      throw StoreError (StoreError::NotFound, "there is no such booking");
    refuse_overlap (sql, booking);
    sql << "UPDATE bookings SET robot_id = :r, robot_type = :t, starts_at = "
           ":s, ends_at = :e WHERE id = :i",
        use (booking.robot_id), use (booking.robot_type),
        use (booking.window.starts_at), use (booking.window.ends_at),
        use (booking.id);
  });
}

void
Store::cancel_booking (std::int64_t id)
{
  impl_->write ([&] (soci::session &sql) {
    int n = 0;
    sql << "SELECT COUNT(*) FROM bookings WHERE id = :i AND status = 'active'",
        use (id), into (n);
    if (n == 0)
      throw StoreError (StoreError::NotFound, "there is no such booking");
    sql << "UPDATE bookings SET status = 'cancelled' WHERE id = :i", use (id);
  });
}

std::optional<BookingRecord>
Store::booking (std::int64_t id)
{
  return impl_->with_session ([&] (soci::session &sql) {
    auto list = read_bookings (sql, "WHERE id = :i",
        [&] (soci::statement &st) { st.exchange (use (id)); });
    return list.empty () ? std::nullopt
                         : std::optional<BookingRecord> (list[0]);
  });
}

std::vector<BookingRecord>
Store::bookings_of (const std::string &user_id)
{
  return impl_->with_session ([&] (soci::session &sql) {
    auto list = read_bookings (sql,
        "WHERE user_id = :u ORDER BY starts_at DESC, id DESC LIMIT " +
            std::to_string (kMaxListed),
        [&] (soci::statement &st) { st.exchange (use (user_id)); });
    std::reverse (list.begin (), list.end ());
    return list;
  });
}

std::size_t
Store::bookings_made (const std::string &user_id, TimeMs since)
{
  return impl_->with_session ([&] (soci::session &sql) {
    std::int64_t n = 0;
    sql << "SELECT COUNT(*) FROM bookings WHERE user_id = :u AND created_at > "
           ":s",
        use (user_id), use (since), into (n);
    return static_cast<std::size_t> (n);
  });
}

std::vector<Window>
Store::booked (const RobotRecord &robot, const Window &within)
{
  BookingRecord any;
  any.robot_id = robot.id;
  any.robot_type = robot.type;
  any.window = within;
  return impl_->with_session (
      [&] (soci::session &sql) { return read_meeting (sql, any); });
}

std::vector<BookingRecord>
Store::bookings ()
{
  return impl_->with_session ([] (soci::session &sql) {
    return read_bookings (
        sql, "ORDER BY starts_at, id", [] (soci::statement &) {});
  });
}

std::vector<Booking>
Store::open_bookings (const std::string &user_id, TimeMs now)
{
  return impl_->with_session ([&] (soci::session &sql) {
    std::vector<Booking> list;
    for (const BookingRecord &b : read_bookings (sql,
             "WHERE user_id = :u AND ends_at > :n AND status = 'active' "
             "ORDER BY starts_at",
             [&] (soci::statement &st) {
               st.exchange (use (user_id));
               st.exchange (use (now));
             }))
      if (b.user_id == user_id) // MySQL takes "a " for "a"
        list.push_back ({b.id, b.robot_id, b.robot_type, b.window});
    return list;
  });
}

void
Store::write_session (
    const SessionEntry &e, const std::vector<std::string> &replaces)
{
  std::string address = trimmed (e.address, 64);
  std::string reason = trimmed (e.reason, 64);
  std::string ending = trimmed (e.ending, 64);
  int anonymous = e.anonymous ? 1 : 0;
  impl_->with_session ([&] (soci::session &sql) {
    soci::transaction transaction (sql);
    auto state = [&] {
      sql << "UPDATE sessions SET role = :o, expires_at = :x, ended_at = :d, "
             "reason = :r, robot_instance = :ri, viewer_instance = :vi, "
             "robot_type = :t, offer_id = :of, ending = :en, granted_until = "
             ":g, login_issued_at = :li, login_expires_at = :le, anonymous = "
             ":an WHERE peer_id = :p",
          use (e.role), use (e.expires_at), use (e.ended_at), use (reason),
          use (e.robot_instance), use (e.viewer_instance), use (e.robot_type),
          use (e.offer_id), use (ending), use (e.granted_until),
          use (e.login_issued_at), use (e.login_expires_at), use (anonymous),
          use (e.peer_id);
    };
    auto there = [&] {
      int n = 0;
      sql << "SELECT COUNT(*) FROM sessions WHERE peer_id = :p",
          use (e.peer_id), into (n);
      return n > 0;
    };
    // A write first: no two writers wait for each other's read lock.
    state ();
    bool found = there ();
    for (auto it = replaces.begin (); !found && it != replaces.end (); ++it) {
      sql << "UPDATE sessions SET peer_id = :p, end_requested = 0 WHERE "
             "peer_id = :o",
          use (e.peer_id), use (*it);
      state ();
      found = there ();
    }
    if (!found) {
      sql << "INSERT INTO sessions (peer_id, viewer_id, robot_id, role, "
             "address, started_at, expires_at, ended_at, reason, "
             "end_requested) VALUES (:p, :v, :r, :o, :a, :s, :x, :d, :e, 0)",
          use (e.peer_id), use (e.viewer_id), use (e.robot_id), use (e.role),
          use (address), use (e.started_at), use (e.expires_at),
          use (e.ended_at), use (reason);
      state ();
    }
    transaction.commit ();
  });
}

std::vector<SessionEntry>
Store::running_sessions ()
{
  return impl_->with_session ([] (soci::session &sql) {
    return read_sessions (
        sql, "WHERE ended_at = 0 ORDER BY started_at", [] (auto &) {});
  });
}

std::vector<SessionEntry>
Store::audit (const AuditQuery &query)
{
  std::string where = "WHERE started_at >= :f AND started_at < :t";
  if (!query.robot_id.empty ())
    where += " AND robot_id = :r";
  if (!query.viewer_id.empty ())
    where += " AND viewer_id = :v";
  return impl_->with_session ([&] (soci::session &sql) {
    return read_sessions (sql,
        where + " ORDER BY started_at DESC LIMIT " +
            std::to_string (query.limit),
        [&] (soci::statement &st) {
          st.exchange (use (query.from));
          st.exchange (use (query.to));
          if (!query.robot_id.empty ())
            st.exchange (use (query.robot_id));
          if (!query.viewer_id.empty ())
            st.exchange (use (query.viewer_id));
        });
  });
}

void
Store::request_end (const std::string &peer_id)
{
  impl_->write ([&] (soci::session &sql) {
    int n = 0;
    sql << "SELECT COUNT(*) FROM sessions WHERE peer_id = :p AND ended_at = 0",
        use (peer_id), into (n);
    if (n == 0)
      throw StoreError (StoreError::NotFound, "there is no such session");
    sql << "UPDATE sessions SET end_requested = 1 WHERE peer_id = :p",
        use (peer_id);
  });
}

std::vector<std::string>
Store::requested_ends ()
{
  return impl_->with_session ([] (soci::session &sql) {
    std::vector<std::string> list;
    std::string id;
    each_row (
        sql,
        "SELECT peer_id FROM sessions WHERE ended_at = 0 AND end_requested = "
        "1",
        [&] (soci::statement &st) { st.exchange (into (id)); },
        [&] { list.push_back (id); });
    return list;
  });
}

} // namespace robotlive::server
