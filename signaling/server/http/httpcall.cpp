// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/httpcall.hpp"
#include "protocol/json.hpp"
#include "server/app/config.hpp"
#include "server/auth/throttle.hpp"
#include <algorithm>
#include <glib.h>
#include <simdjson.h>

namespace robotlive::server {

AuditEvent
http_event (const HttpCall &call, const char *kind, const std::string &what,
    const std::string &target)
{
  AuditEvent event;
  event.kind = kind;
  event.actor = call.bearer;
  event.what = what;
  event.target = target;
  event.address = call.request.address;
  event.via = "http";
  return event;
}

HttpResponse
json_response (int status, std::string body)
{
  HttpResponse response;
  response.status = status;
  response.body = std::move (body);
  response.headers.emplace_back ("Cache-Control", "no-store");
  return response;
}

HttpResponse
error_response (int status, std::string_view code, std::string_view message)
{
  JsonWriter w;
  w.object ().field ("code", code).field ("message", message);
  w.field ("detail", message); // where the console's clients look
  HttpResponse response = json_response (status, w.end ().take ());
  if (status == 401)
    response.headers.emplace_back ("WWW-Authenticate", "Bearer");
  return response;
}

static void
write_window (JsonWriter &w, std::string_view name, const Window &window)
{
  w.key (name).object ().field ("starts_at", window.starts_at);
  w.field ("ends_at", window.ends_at).end ();
}

static HttpResponse
conflict_response (const StoreError &error)
{
  if (!error.clash)
    return error_response (409, "conflict", error.what ());
  JsonWriter w;
  w.object ().field ("code", "conflict").field ("message", error.what ());
  w.field ("detail", error.what ());
  write_window (w, "conflict", error.clash->with);
  write_window (w, "next_free", error.clash->next_free);
  return json_response (409, w.end ().take ());
}

HttpResponse
store_error_response (const StoreError &error)
{
  switch (error.kind) {
    case StoreError::Conflict:
      return conflict_response (error);
    case StoreError::NotFound:
      return error_response (404, "not-found", error.what ());
    case StoreError::Invalid:
      return error_response (422, "bad-message", error.what ());
    case StoreError::Unavailable:
      break;
  }
  // What the database said is for the log, not for a stranger.
  return error_response (503, "unavailable", "try again in a moment");
}

bool
HttpCall::is (std::string_view method,
    std::initializer_list<std::string_view> segments) const
{
  bool same =
      request.method == method || (request.method == "HEAD" && method == "GET");
  return same && path.size () == segments.size () &&
         std::equal (segments.begin (), segments.end (), path.begin (),
             [] (std::string_view want, const std::string &have) {
               return want == "*" || want == have;
             });
}

std::string
HttpCall::query (std::string_view key) const
{
  return query_if (key).value_or ("");
}

std::optional<std::string>
HttpCall::query_if (std::string_view key) const
{
  std::size_t at = 0;
  while (at < request.query.size ()) {
    std::size_t end =
        std::min (request.query.find ('&', at), request.query.size ());
    std::string pair = request.query.substr (at, end - at);
    std::size_t equals = pair.find ('=');
    if (equals == key.size () && pair.compare (0, equals, key) == 0) {
      gchar *plain =
          g_uri_unescape_string (pair.c_str () + equals + 1, nullptr);
      std::string value = plain ? plain : "";
      g_free (plain);
      return value;
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::string
lane_of (const HttpCall &call)
{
  return call.identity
             ? call.identity->subject
             : "from " + LoginAttempt::of ("", call.request.address).address;
}

bool
need_user (const HttpCall &call)
{
  // A robot's token opens the signaling link, not people's data.
  if (call.identity && call.identity->role != "robot")
    return true;
  if (call.robot)
    call.reply (error_response (403, "forbidden", "not for robots"));
  else if (call.unavailable)
    call.reply (error_response (503, "unavailable", "try again in a moment"));
  else
    call.reply (error_response (401, "unauthorized",
        call.refusal.empty () ? "log in first" : call.refusal));
  return false;
}

bool
need_admin (const HttpCall &call)
{
  if (!need_user (call))
    return false;
  if (!call.admin ())
    call.reply (error_response (403, "forbidden", "for administrators"));
  return call.admin ();
}

std::optional<JsonBody>
JsonBody::read (const HttpCall &call,
    std::initializer_list<std::string_view> texts,
    std::initializer_list<std::string_view> flags)
{
  auto among = [] (const auto &list, std::string_view name) {
    return std::find (list.begin (), list.end (), name) != list.end ();
  };
  auto refuse = [&call] (const std::string &sentence) {
    call.reply (error_response (422, "bad-message", sentence));
    return std::nullopt;
  };
  JsonBody body;
  const std::string &json = call.request.body;
  if (json.empty ())
    return body;
  simdjson::dom::object object;
  if (json_parser ()
          .parse (json.data (), json.size ())
          .get_object ()
          .get (object))
    return refuse ("the body is not a JSON object");
  for (auto [key, value] : object) {
    std::string name (key.substr (0, 60));
    std::string_view text;
    bool flag = false;
    if (body.has (name))
      return refuse ("\"" + name + "\" is there twice");
    if (among (texts, key) && !value.get_string ().get (text))
      body.members_.emplace_back (name, text);
    else if (among (flags, key) && !value.get_bool ().get (flag))
      body.members_.emplace_back (name, flag ? "true" : "false");
    else if (among (texts, key) || among (flags, key))
      return refuse ("\"" + name + "\" is not " +
                     (among (texts, key) ? "text" : "true or false"));
    else
      return refuse ("there is no member \"" + name + "\" here");
  }
  return body;
}

const std::string *
JsonBody::get (std::string_view name) const
{
  for (const auto &[key, value] : members_)
    if (key == name)
      return &value;
  return nullptr;
}

std::string
JsonBody::text (std::string_view name) const
{
  const std::string *value = get (name);
  return value ? *value : std::string ();
}

void
note_act (AuditEvents &events, const HttpCall &call, const std::string &what,
    const std::string &target)
{
  events.note (http_event (call, "admin-action", what, target));
}

bool
may_book (const Config &config, const std::string &role)
{
  return role == "admin" || config.viewers_may_book;
}

bool
need_accounts (const HttpCall &call, const StoreBackend *store)
{
  if (!store)
    call.reply (error_response (
        404, "not-found", "accounts and bookings are in the console"));
  return store != nullptr;
}

} // namespace robotlive::server
