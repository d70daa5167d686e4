// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/httpapi.hpp"
#include "protocol/json.hpp"
#include "server/net/http.hpp"
#include <algorithm>
#include <chrono>
#include <glib.h>
#include <simdjson.h>

namespace robotlive::server {

namespace {

// Whether the body says that it is JSON. A page of another origin cannot say
// so without asking first.
bool
says_json (std::string_view content_type)
{
  constexpr std::string_view json = "application/json";
  std::string_view type = content_type.substr (0, content_type.find (';'));
  while (!type.empty () && (type.back () == ' ' || type.back () == '\t'))
    type.remove_suffix (1);
  return type.size () == json.size () &&
         g_ascii_strncasecmp (type.data (), json.data (), json.size ()) == 0;
}

} // namespace

HttpApi::HttpApi (Services services) : services_ (std::move (services))
{
  const Services &s = services_;
  auto login = std::make_unique<LoginRoutes> (LoginRoutes::Parts{
      s.config, s.keys, s.store, s.passwords, s.post, s.log, s.events});
  login_ = login.get ();
  routes_.push_back (std::make_unique<OperationRoutes> (OperationRoutes::Parts{
      s.config, s.turn, s.sockets, s.hub, s.backend, s.metrics, s.healthy}));
  routes_.push_back (std::move (login));
  routes_.push_back (std::make_unique<UserRoutes> (UserRoutes::Parts{s.config,
      s.keys, s.hub, s.store, s.audit, s.passwords, s.post, s.events}));
  routes_.push_back (std::make_unique<RobotRoutes> (
      RobotRoutes::Parts{s.config, s.keys, s.hub, s.store, s.audit, s.events}));
  routes_.push_back (std::make_unique<AvailabilityRoutes> (
      AvailabilityRoutes::Parts{s.zone, s.store}));
  routes_.push_back (std::make_unique<BookingRoutes> (
      BookingRoutes::Parts{s.config, s.zone, s.hub, s.store, s.events}));
  routes_.push_back (std::make_unique<SessionRoutes> (
      SessionRoutes::Parts{s.hub, s.audit, s.events}));
  routes_.push_back (std::make_unique<AuditRoutes> (
      AuditRoutes::Parts{s.zone, s.audit, s.events}));
  reloaded ();
}

void
HttpApi::reloaded ()
{
  files_.load (find_web_directory (services_.config->web_directory));
  login_->set_limits (services_.config->login_limits);
}

void
HttpApi::on_request (
    const HttpRequest &request, std::function<void (HttpResponse)> reply)
{
  auto call = std::make_shared<Call> ();
  call->request = request;
  call->now = wall_now ();
  call->id = random_text (8);
  // Raw: it is the call itself that is asked to reply.
  call->reply = [this, reply, c = call.get ()] (HttpResponse response) {
    log_request (*c, response.status);
    note_denied (*c, response.status);
    response.headers.emplace_back ("X-Request-Id", c->id);
    reply (std::move (response));
  };
  // Split first: an id may have a slash in it, as %2F. An empty segment is one:
  // "/audit/" is not "/audit", or it would pass a proxy's exact rule for that.
  const std::string &raw = request.raw_path;
  for (std::size_t at = 1; at <= raw.size ();) {
    std::size_t end = std::min (raw.find ('/', at), raw.size ());
    std::string segment;
    net::percent_decode (std::string_view (raw).substr (at, end - at), segment);
    call->path.push_back (std::move (segment));
    at = end + 1;
  }
  std::string_view authorization = request.header ("authorization");
  if (authorization.size () > 7 &&
      g_ascii_strncasecmp (authorization.data (), "Bearer ", 7) == 0) {
    call->token = std::string (authorization.substr (7));
    Identity identity;
    if (services_.keys->check (call->token, call->now, &identity) ==
        TokenError::None) {
      call->identity = identity;
      call->bearer = identity.subject;
    }
  }
  if (!need_json (call))
    return;
  identify (call, [this, call] { dispatch (call); });
}

// A right token says who somebody was when it was made. What needs nobody's
// right is answered while the store is silent as well.
void
HttpApi::identify (const CallPtr &call, std::function<void ()> then)
{
  bool open = call->is ("GET", {"health"}) ||
              call->is ("POST", {"auth", "login"}) ||
              call->is ("GET", {".well-known", "jwks.json"});
  if (open)
    call->identity.reset ();
  if (!call->identity)
    return then ();
  call->robot = call->identity->role == "robot";
  services_.audit->who (
      *call->identity, call->token, [call, then] (const Standing &standing) {
        call->unavailable = !standing.available;
        call->refusal = standing.reason;
        call->account = standing.user;
        call->right_ends_at = standing.ends_at;
        if (standing.available && standing.allowed)
          call->identity->role = standing.role;
        else
          call->identity.reset ();
        then ();
      });
}

void
HttpApi::dispatch (const CallPtr &call)
{
  for (const auto &routes : routes_)
    if (routes->route (call))
      return;
  const HttpRequest &request = call->request;
  if (request.method == "GET" || request.method == "HEAD")
    return call->reply (files_.get (request));
  call->reply (error_response (files_.has (request.path) ? 405 : 404,
      "not-found", "there is no such method or path"));
}

// Without the query, and without a path that is not ours: both are a stranger's
// words.
void
HttpApi::log_request (const Call &call, int status) const
{
  services_.log->limited (status >= 500 ? LogLevel::Warning : LogLevel::Debug,
      "request",
      {{"request", call.id}, {"method", call.request.method},
          {"path", status == 404 ? "" : call.request.path},
          {"status", std::to_string (status)},
          {"user", call.identity ? call.identity->subject : ""},
          {"address", call.request.address}});
}

// A log-in that failed is an event of its own.
void
HttpApi::note_denied (const Call &call, int status)
{
  if ((status != 401 && status != 403) || call.is ("POST", {"auth", "login"}) ||
      call.path.empty ())
    return;
  bool own = call.path[0] == "auth" && call.path.size () > 1;
  AuditEvent event = http_event (call, "denied",
      call.request.method + " /" + call.path[0] +
          (own ? "/" + call.path[1] : ""),
      !own && call.path.size () > 1 ? call.path[1] : "");
  event.code = status == 401 ? "unauthorized" : "forbidden";
  services_.events->sum (std::move (event));
}

// Whatever changes something. A log-in always has a body.
bool
HttpApi::need_json (const CallPtr &call)
{
  const std::string &method = call->request.method;
  bool reads = method == "GET" || method == "HEAD" || method == "OPTIONS";
  bool has_body =
      !call->request.body.empty () || call->is ("POST", {"auth", "login"});
  if (reads || !has_body || says_json (call->request.header ("content-type")))
    return true;
  call->reply (error_response (415, "bad-message",
      "the body is JSON: say \"Content-Type: application/json\""));
  return false;
}

} // namespace robotlive::server
