// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/json.hpp"
#include "server/http/httpapi.hpp"
#include <glib.h>
#include <simdjson.h>

namespace robotlive::server {

namespace {

constexpr std::size_t kMaxOpenBookings = 100; // of one viewer
// Cancelled ones stay in the store, and are listed.
constexpr std::size_t kMaxBookingsADay = 200;
constexpr TimeMs kDay = 24 * 3600 * 1000;

using Element = simdjson::dom::element;

std::int64_t
parse_id (const std::string &text)
{
  gint64 id;
  return g_ascii_string_to_signed (
             text.c_str (), 10, 1, G_MAXINT64, &id, nullptr)
             ? id
             : 0;
}

// A booking whose robot is known gets that robot's type; then overlaps with
// bookings of the whole type are seen.
void
fill_type (Store &store, BookingRecord *booking)
{
  if (booking->robot_id.empty ())
    return;
  auto robot = store.robot (booking->robot_id);
  if (!robot)
    throw StoreError (StoreError::NotFound, "there is no such robot");
  booking->robot_type = robot->type;
}

} // namespace

bool
HttpApi::route_bookings (const CallPtr &call)
{
  if (call->is ("GET", {"my-bookings"}) || call->is ("GET", {"bookings"}))
    list_bookings (call, false);
  else if (call->is ("GET", {"bookings", "all"}))
    list_bookings (call, true);
  else if (call->is ("POST", {"bookings"}))
    create_booking (call);
  else if (call->is ("PUT", {"bookings", "*"}))
    change_booking (call, parse_id (call->path[1]));
  else if (call->is ("DELETE", {"bookings", "*"}))
    cancel_booking (call, parse_id (call->path[1]));
  else
    return false;
  return true;
}

std::string
HttpApi::booking_json (const BookingRecord &b) const
{
  const Zone &zone = *services_.zone;
  std::string end = zone.time (b.window.ends_at);
  JsonWriter w;
  w.object ().field ("id", b.id);
  std::int64_t user = parse_id (b.user_id);
  if (user > 0 && std::to_string (user) == b.user_id)
    w.field ("user_id", user);
  else
    w.field ("user_id", b.user_id);
  w.field ("robot_type", b.robot_type).key ("robot_id");
  if (b.robot_id.empty ())
    w.null ();
  else
    w.value (b.robot_id);
  w.field ("date", zone.date (b.window.starts_at));
  w.field ("start_time", zone.time (b.window.starts_at));
  w.field ("end_time", end).field ("status", b.status);
  w.field ("created_at", zone.iso8601 (b.created_at));
  w.field ("starts_at", b.window.starts_at);
  w.field ("ends_at", b.window.ends_at);
  return w.end ().take ();
}

void
HttpApi::list_bookings (const CallPtr &call, bool all)
{
  if (!need_store (call) || !(all ? need_admin (call) : need_user (call)))
    return;
  services_.store->ask<std::vector<BookingRecord>> (
      [all, user = call->identity->subject] (Store &store) {
        return all ? store.bookings () : store.bookings_of (user);
      },
      [this, call] (std::vector<BookingRecord> list, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        JsonWriter w;
        w.array ();
        for (const BookingRecord &b : list)
          w.raw (booking_json (b));
        call->reply (json_response (200, w.end ().take ()));
      });
}

bool
HttpApi::read_booking (
    const Call &call, BookingRecord *b, std::string *error) const
{
  Element root;
  const std::string &body = call.request.body;
  if (json_parser ().parse (body.data (), body.size ()).get (root) ||
      !root.is_object ()) {
    *error = "the body is not a JSON object";
    return false;
  }
  auto text = [&] (const char *key) {
    std::string_view value;
    return root[key].get (value) ? std::string () : std::string (value);
  };
  auto moment = [&] (const char *key, TimeMs *out) {
    std::int64_t number;
    std::string value = text (key);
    if (!root[key].get (number)) {
      *out = number;
      return true;
    }
    auto parsed = value.empty ()
                      ? std::nullopt
                      : services_.zone->parse_moment (value, call.now);
    if (parsed)
      *out = *parsed;
    return parsed.has_value ();
  };
  if (!text ("robot_id").empty () || !text ("robot_type").empty ()) {
    b->robot_id = text ("robot_id");
    b->robot_type = text ("robot_type");
  }
  std::string robot = b->robot_id.empty () ? b->robot_type : b->robot_id;
  if (!valid_id (robot)) {
    *error = "\"robot_id\" or \"robot_type\" is needed";
    return false;
  }
  bool local = !text ("date").empty () || !text ("start_time").empty () ||
               !text ("end_time").empty ();
  if (local) {
    const Zone &zone = *services_.zone;
    // What is not named stays as it was (PUT).
    auto or_else = [&] (const char *key, std::string old) {
      return text (key).empty () ? old : text (key);
    };
    std::string date = or_else ("date", zone.date (b->window.starts_at));
    std::string end_time = or_else ("end_time", zone.time (b->window.ends_at));
    auto start = zone.parse (
        date, or_else ("start_time", zone.time (b->window.starts_at)));
    // Midnight ends a day.
    auto end = zone.parse (date,
        end_time == "00:00" || end_time == "00:00:00" ? "24:00" : end_time);
    if (!start || !end) {
      *error = "\"date\", \"start_time\" and \"end_time\" are YYYY-MM-DD, "
               "HH:MM and HH:MM, and exist in the server's time zone";
      return false;
    }
    b->window = {*start, *end};
  } else {
    bool start = moment ("starts_at", &b->window.starts_at);
    bool end = moment ("ends_at", &b->window.ends_at);
    if ((b->id == 0 && (!start || !end))) {
      *error = "\"date\", \"start_time\" and \"end_time\" are needed, or "
               "\"starts_at\" and \"ends_at\"";
      return false;
    }
  }
  // Whole seconds, because a grant holds seconds.
  b->window.starts_at = b->window.starts_at / 1000 * 1000;
  b->window.ends_at = b->window.ends_at / 1000 * 1000;
  if (b->window.starts_at < 0 || b->window.ends_at > TimeMs{1} << 52 ||
      b->window.ends_at <= b->window.starts_at)
    *error = "the booking ends before it starts";
  else if (b->window.ends_at <= call.now)
    *error = "the booking is in the past";
  else if (!call.identity || call.identity->role == "admin")
    return true;
  else if (b->window.ends_at - b->window.starts_at >
           services_.config->max_booking_ms)
    *error = "the booking is too long";
  return error->empty ();
}

void
HttpApi::create_booking (const CallPtr &call)
{
  if (!need_store (call) || !need_user (call))
    return;
  if (!may_book (call->identity->role))
    return call->reply (
        error_response (403, "forbidden", "an administrator books for you"));
  BookingRecord booking;
  std::string error;
  if (!read_booking (*call, &booking, &error))
    return call->reply (error_response (422, "bad-message", error));
  booking.user_id = call->identity->subject;
  // An administrator may book for another.
  Element root;
  std::string_view user;
  std::int64_t number;
  const std::string &body = call->request.body;
  if (call->admin () &&
      !json_parser ().parse (body.data (), body.size ()).get (root)) {
    if (!root["user_id"].get (number))
      booking.user_id = std::to_string (number);
    else if (!root["user_id"].get (user) && valid_id (std::string (user)))
      booking.user_id = std::string (user);
  }
  booking.status = "active";
  booking.created_at = call->now;
  bool limited = !call->admin ();
  services_.store->ask<BookingRecord> (
      [booking, limited, now = call->now] (Store &store) {
        BookingRecord b = booking;
        fill_type (store, &b);
        if (limited &&
            store.open_bookings (b.user_id, now).size () >= kMaxOpenBookings)
          throw StoreError (StoreError::Conflict, "you have too many bookings");
        if (limited &&
            store.bookings_made (b.user_id, now - kDay) >= kMaxBookingsADay)
          throw StoreError (StoreError::Conflict,
              "you have made too many bookings within a day");
        b.id = store.add_booking (b);
        return b;
      },
      [this, call] (BookingRecord b, const StoreError *e) {
        if (e)
          return call->reply (store_error_response (*e));
        services_.room->recheck (b.user_id, wall_now ());
        call->reply (json_response (201, booking_json (b)));
      });
}

void
HttpApi::change_booking (const CallPtr &call, std::int64_t id)
{
  if (!need_store (call) || !need_user (call))
    return;
  services_.store->ask<std::optional<BookingRecord>> (
      [id] (Store &store) { return store.booking (id); },
      [this, call] (
          std::optional<BookingRecord> found, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        // Another's booking is not there for you.
        if (!found || found->status != "active" ||
            (found->user_id != call->identity->subject && !call->admin ()))
          return call->reply (
              error_response (404, "not-found", "there is no such booking"));
        if (!may_book (call->identity->role))
          return call->reply (error_response (
              403, "forbidden", "an administrator books for you"));
        BookingRecord booking = *found;
        std::string sentence;
        if (!read_booking (*call, &booking, &sentence))
          return call->reply (error_response (422, "bad-message", sentence));
        services_.store->ask<BookingRecord> (
            [booking] (Store &store) {
              BookingRecord b = booking;
              fill_type (store, &b);
              store.update_booking (b);
              return b;
            },
            [this, call] (BookingRecord b, const StoreError *e) {
              if (e)
                return call->reply (store_error_response (*e));
              services_.room->recheck (b.user_id, wall_now ());
              call->reply (json_response (200, booking_json (b)));
            });
      });
}

void
HttpApi::cancel_booking (const CallPtr &call, std::int64_t id)
{
  if (!need_store (call) || !need_user (call))
    return;
  services_.store->ask<std::string> (
      [id, identity = *call->identity] (Store &store) {
        auto b = store.booking (id);
        bool own =
            b && (b->user_id == identity.subject || identity.role == "admin");
        if (!own)
          throw StoreError (StoreError::NotFound, "there is no such booking");
        store.cancel_booking (id);
        return b->user_id;
      },
      [this, call] (std::string user, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        services_.room->recheck (user, wall_now ());
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

} // namespace robotlive::server
