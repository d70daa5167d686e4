// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/bookingroutes.hpp"
#include "protocol/json.hpp"
#include "server/auth/identity.hpp"
#include <chrono>
#include <glib.h>
#include <set>
#include <simdjson.h>

namespace robotlive::server {

namespace {

// Of one user, within a day.
constexpr std::size_t kMaxChanges = 200;
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

// A booking as a body tells of it: what is absent, and what is told. The first
// member that is unknown, told twice or of another type is the error.
class Body
{
public:
  explicit Body (const std::string &text)
  {
    Element root;
    simdjson::dom::object object;
    if (json_parser ().parse (text.data (), text.size ()).get (root) ||
        root.get (object))
      fail ("the body is not a JSON object");
    else
      for (auto field : object)
        read (std::string (field.key), field.value);
  }

  const std::string &error () const { return error_; }
  bool has (const char *name) const
  {
    return texts_.count (name) || numbers_.count (name) || nulls_.count (name);
  }
  bool null (const char *name) const { return nulls_.count (name) > 0; }
  // Empty if it is not told, or null.
  std::string text (const char *name) const
  {
    auto it = texts_.find (name);
    return it == texts_.end () ? "" : it->second;
  }
  std::optional<std::int64_t> number (const char *name) const
  {
    auto it = numbers_.find (name);
    return it == numbers_.end () ? std::nullopt
                                 : std::optional<std::int64_t> (it->second);
  }
  void fail (const std::string &sentence)
  {
    if (error_.empty ())
      error_ = sentence;
  }

private:
  void read (const std::string &name, const Element &value)
  {
    static const std::set<std::string> texts = {"robot_id", "robot_type",
        "date", "start_time", "end_time", "status", "created_at"};
    static const std::set<std::string> either = {
        "user_id", "starts_at", "ends_at"};
    bool known = texts.count (name) || either.count (name) || name == "id";
    if (!known)
      return fail ("a booking has no member of such a name");
    if (has (name.c_str ()))
      return fail ("\"" + name + "\" is there twice");
    std::string_view text;
    std::int64_t number;
    bool takes_text = name != "id";
    bool takes_number = !texts.count (name);
    // "every robot of the type" as answers have it.
    bool takes_null = name == "robot_id" || name == "robot_type";
    if (takes_text && !value.get (text))
      texts_[name] = std::string (text);
    else if (takes_number && !value.get (number))
      numbers_[name] = number;
    else if (takes_null && value.is_null ())
      nulls_.insert (name);
    else
      fail ("\"" + name + "\" cannot be read");
  }

  std::map<std::string, std::string> texts_;
  std::map<std::string, std::int64_t> numbers_;
  std::set<std::string> nulls_;
  std::string error_;
};

} // namespace

bool
BookingRoutes::route (const HttpCallPtr &call)
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
BookingRoutes::booking_json (const BookingRecord &b) const
{
  const Zone &zone = *parts_.zone;
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
BookingRoutes::list_bookings (const HttpCallPtr &call, bool all)
{
  if (!need_accounts (*call, parts_.store) ||
      !(all ? need_admin (*call) : need_user (*call)))
    return;
  parts_.store->ask_for<std::vector<BookingRecord>> (
      call->identity->subject,
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

// "date", "start_time" and "end_time"; what is not told stays as it was (PUT).
static bool
read_clock (const Body &body, const Zone &zone, const Window &before,
    bool fresh, Window *out)
{
  auto or_else = [&] (const char *name, const std::string &old) {
    return body.has (name) || fresh ? body.text (name) : old;
  };
  std::string date = or_else ("date", zone.date (before.starts_at));
  std::string start_time = or_else ("start_time", zone.time (before.starts_at));
  std::string end_time = or_else ("end_time", zone.time (before.ends_at));
  auto start = zone.parse (date, start_time);
  // Midnight ends a day.
  auto end = zone.parse (
      date, end_time == "00:00" || end_time == "00:00:00" ? "24:00" : end_time);
  if (start && end)
    *out = {*start, *end};
  return start && end;
}

// "starts_at" and "ends_at": milliseconds, or text with a date and a time.
static bool
read_moments (
    const Body &body, const Zone &zone, TimeMs now, bool fresh, Window *window)
{
  auto read = [&] (const char *name, TimeMs *out) {
    if (!body.has (name))
      return !fresh;
    auto moment = body.number (name);
    if (!moment)
      moment = zone.parse_moment (body.text (name), now);
    if (moment)
      *out = *moment;
    return moment.has_value ();
  };
  return read ("starts_at", &window->starts_at) &&
         read ("ends_at", &window->ends_at);
}

static bool
read_window (const Body &body, const Zone &zone, TimeMs now, bool fresh,
    Window *window, std::string *error)
{
  const Window before = *window;
  bool local =
      body.has ("date") || body.has ("start_time") || body.has ("end_time");
  bool moments = body.has ("starts_at") || body.has ("ends_at");
  Window clock = before, exact = before;
  if (fresh && !local && !moments)
    *error = "\"date\", \"start_time\" and \"end_time\" are needed, or "
             "\"starts_at\" and \"ends_at\"";
  else if (moments && !read_moments (body, zone, now, fresh && !local, &exact))
    *error = "\"starts_at\" and \"ends_at\" are milliseconds since 1970, or "
             "a date with a time";
  else if (local && !read_clock (body, zone, before, fresh, &clock))
    *error = "\"date\", \"start_time\" and \"end_time\" are YYYY-MM-DD, "
             "HH:MM and HH:MM, and exist in the server's time zone";
  if (!error->empty ())
    return false;
  // Whole seconds, because a grant holds seconds.
  for (Window *w : {&clock, &exact})
    *w = {w->starts_at / 1000 * 1000, w->ends_at / 1000 * 1000};
  auto same = [] (const Window &a, const Window &b) {
    return a.starts_at == b.starts_at && a.ends_at == b.ends_at;
  };
  // An answer that is sent back has both; the one that differs from what the
  // booking was is meant.
  bool clock_echo = body.text ("date") == zone.date (before.starts_at) &&
                    body.text ("start_time") == zone.time (before.starts_at) &&
                    body.text ("end_time") == zone.time (before.ends_at);
  if (!local || (moments && !fresh && clock_echo))
    *window = exact;
  else if (!moments || same (clock, exact) || (!fresh && same (exact, before)))
    *window = clock;
  else
    *error = "\"starts_at\" and \"ends_at\" are another time than \"date\", "
             "\"start_time\" and \"end_time\"";
  return error->empty ();
}

BookingRules
BookingRoutes::booking_rules (const HttpCall &call) const
{
  const Config &c = *parts_.config;
  BookingRules rules;
  rules.now = call.now;
  rules.administrator = call.admin ();
  rules.max_booking_ms = c.max_booking_ms;
  rules.max_booked_ms = c.max_booked_ms;
  rules.horizon_ms = c.booking_horizon_ms;
  return rules;
}

// The same for a new booking (*before* is null) and a change of one.
bool
BookingRoutes::read_booking (const HttpCall &call, const BookingRecord *before,
    BookingRecord *b, std::string *error) const
{
  Body body (call.request.body);
  *error = body.error ();
  if (!error->empty ())
    return false;
  if (body.has ("robot_id") || body.has ("robot_type")) {
    std::string type = before ? before->robot_type : "";
    b->robot_id = body.text ("robot_id");
    b->robot_type = body.text ("robot_type");
    if (b->robot_id.empty () && b->robot_type.empty () &&
        !body.has ("robot_type") && body.null ("robot_id"))
      b->robot_type = type;
    bool text_id = body.has ("robot_id") && !body.null ("robot_id");
    bool text_type = body.has ("robot_type") && !body.null ("robot_type");
    // A robot without a type says so with an empty one.
    if ((text_id && !valid_id (b->robot_id)) ||
        (text_type && !valid_id (b->robot_type) &&
            !(text_id && b->robot_type.empty ())))
      *error = "\"robot_id\" or \"robot_type\" is no robot's";
  }
  if (error->empty () &&
      !valid_id (b->robot_id.empty () ? b->robot_type : b->robot_id))
    *error = "\"robot_id\" or \"robot_type\" is needed";
  if (body.has ("user_id")) {
    auto number = body.number ("user_id");
    std::string user =
        number ? std::to_string (*number) : body.text ("user_id");
    bool may = before || !call.admin () ? user == b->user_id : valid_id (user);
    if (!may)
      body.fail ("\"user_id\" is not yours to say");
    b->user_id = user;
  }
  if (body.has ("id") && (!before || *body.number ("id") != before->id))
    body.fail ("\"id\" is another booking's");
  if (body.has ("status") && body.text ("status") != "active")
    body.fail ("\"status\" is active: DELETE cancels a booking");
  if (error->empty ())
    *error = body.error ();
  if (!error->empty () ||
      !read_window (body, *parts_.zone, call.now, !before, &b->window, error))
    return false;
  *error = window_error (b->window, before, booking_rules (call));
  return error->empty ();
}

// PUT costs what POST costs.
bool
BookingRoutes::take_change (const HttpCall &call)
{
  if (call.admin ())
    return true;
  auto &made = changes_.touch (call.identity->subject);
  TimeMs now = std::chrono::duration_cast<std::chrono::milliseconds> (
      Clock::now ().time_since_epoch ())
                   .count ();
  while (!made.empty () && made.front () + kDay <= now)
    made.pop_front ();
  if (made.size () >= kMaxChanges)
    return false;
  made.push_back (now);
  return true;
}

void
BookingRoutes::create_booking (const HttpCallPtr &call)
{
  if (!need_accounts (*call, parts_.store) || !need_user (*call))
    return;
  if (!may_book (*parts_.config, call->identity->role))
    return call->reply (
        error_response (403, "forbidden", "an administrator books for you"));
  BookingRecord booking;
  booking.user_id = call->identity->subject;
  std::string error;
  if (!read_booking (*call, nullptr, &booking, &error))
    return call->reply (error_response (422, "bad-message", error));
  booking.status = "active";
  booking.created_at = call->now;
  parts_.store->ask_for<BookingRecord> (
      call->identity->subject,
      [booking, rules = booking_rules (*call)] (Store &store) {
        BookingRecord b = booking;
        check_booking (store, &b, nullptr, rules);
        b.id = store.add_booking (b);
        return b;
      },
      [this, call] (BookingRecord b, const StoreError *e) {
        if (e)
          return call->reply (store_error_response (*e));
        parts_.hub->recheck (b.user_id, wall_now ());
        if (b.user_id != call->identity->subject)
          note_act (
              *parts_.events, *call, "booking-added", std::to_string (b.id));
        call->reply (json_response (201, booking_json (b)));
      });
}

void
BookingRoutes::change_booking (const HttpCallPtr &call, std::int64_t id)
{
  if (!need_accounts (*call, parts_.store) || !need_user (*call))
    return;
  parts_.store->ask_for<std::optional<BookingRecord>> (
      call->identity->subject,
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
        if (!may_book (*parts_.config, call->identity->role))
          return call->reply (error_response (
              403, "forbidden", "an administrator books for you"));
        if (is_over (*found, call->now))
          return call->reply (error_response (
              409, "booking-over", "what is over cannot be changed"));
        BookingRecord booking = *found;
        std::string sentence;
        if (!read_booking (*call, &*found, &booking, &sentence))
          return call->reply (error_response (422, "bad-message", sentence));
        if (!take_change (*call))
          return call->reply (error_response (409, "conflict",
              "you have changed too many bookings within a day"));
        parts_.store->ask_for<BookingRecord> (
            call->identity->subject,
            [booking, before = *found, rules = booking_rules (*call)] (
                Store &store) {
              BookingRecord b = booking;
              check_booking (store, &b, &before, rules);
              store.update_booking (b);
              return b;
            },
            [this, call] (BookingRecord b, const StoreError *e) {
              if (e)
                return call->reply (store_error_response (*e));
              parts_.hub->recheck (b.user_id, wall_now ());
              if (b.user_id != call->identity->subject)
                note_act (*parts_.events, *call, "booking-changed",
                    std::to_string (b.id));
              call->reply (json_response (200, booking_json (b)));
            });
      });
}

void
BookingRoutes::cancel_booking (const HttpCallPtr &call, std::int64_t id)
{
  if (!need_accounts (*call, parts_.store) || !need_user (*call))
    return;
  parts_.store->ask_for<std::string> (
      call->identity->subject,
      [id, identity = *call->identity, now = call->now] (Store &store) {
        auto b = store.booking (id);
        bool own =
            b && (b->user_id == identity.subject || identity.role == "admin");
        if (!own)
          throw StoreError (StoreError::NotFound, "there is no such booking");
        if (b->status == "active" && is_over (*b, now))
          return std::string ();
        store.cancel_booking (id);
        return b->user_id;
      },
      [this, call, id] (std::string user, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        if (user.empty ())
          return call->reply (error_response (
              409, "booking-over", "what is over cannot be cancelled"));
        parts_.hub->recheck (user, wall_now ());
        if (user != call->identity->subject)
          note_act (
              *parts_.events, *call, "booking-cancelled", std::to_string (id));
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

} // namespace robotlive::server
