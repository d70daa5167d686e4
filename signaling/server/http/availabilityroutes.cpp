// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/availabilityroutes.hpp"
#include "protocol/json.hpp"
#include "server/store/availability.hpp"

namespace robotlive::server {

namespace {

constexpr TimeMs kDay = 24 * 3600 * 1000;
constexpr TimeMs kUsual = 7 * kDay;
constexpr TimeMs kLongest = 90 * kDay;
constexpr TimeMs kLatest = TimeMs{1} << 52;

// False for what is there and is no time.
bool
read_moment (const HttpCall &call, const Zone &zone, const char *name,
    TimeMs or_else, TimeMs *out)
{
  auto text = call.query_if (name);
  auto moment = text ? zone.parse_moment (*text, call.now)
                     : std::optional<TimeMs> (or_else);
  *out = moment.value_or (0);
  return moment && *moment >= 0 && *moment <= kLatest;
}

} // namespace

bool
AvailabilityRoutes::route (const HttpCallPtr &call)
{
  bool free = call->is ("GET", {"robots", "*", "free"});
  if (!free && !call->is ("GET", {"robots", "*", "busy"}))
    return false;
  if (!parts_.store)
    call->reply (
        error_response (404, "not-found", "bookings are in the console"));
  else if (need_user (*call))
    tell (call, free);
  return true;
}

void
AvailabilityRoutes::tell (const HttpCallPtr &call, bool free)
{
  Window within;
  if (!read_moment (
          *call, *parts_.zone, "from", call->now, &within.starts_at) ||
      !read_moment (*call, *parts_.zone, "to", within.starts_at + kUsual,
          &within.ends_at) ||
      within.starts_at >= within.ends_at ||
      within.ends_at - within.starts_at > kLongest)
    return call->reply (error_response (422, "bad-message",
        "\"from\" and \"to\" are milliseconds since 1970, or a date with a "
        "time, and at most 90 days apart"));
  const std::string id = call->path[1];
  parts_.store->ask_for<std::vector<Window>> (
      call->identity->subject,
      [id, within] (Store &store) {
        auto robot = store.robot (id);
        if (!robot)
          throw StoreError (StoreError::NotFound, "there is no such robot");
        return taken_windows (store.booked (*robot, within), within);
      },
      [call, id, within, free] (
          std::vector<Window> windows, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        if (free)
          windows = free_windows (windows, within);
        JsonWriter w;
        w.object ().field ("robot_id", id).field ("from", within.starts_at);
        w.field ("to", within.ends_at).key (free ? "free" : "busy").array ();
        for (const Window &one : windows)
          w.object ()
              .field ("starts_at", one.starts_at)
              .field ("ends_at", one.ends_at)
              .end ();
        w.end ();
        call->reply (json_response (200, w.end ().take ()));
      });
}

} // namespace robotlive::server
