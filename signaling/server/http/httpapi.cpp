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

// Of a clock that nobody sets.
TimeMs
steady_now ()
{
  return std::chrono::duration_cast<std::chrono::milliseconds> (
      Clock::now ().time_since_epoch ())
      .count ();
}

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

// *may_book*: POST /bookings would take a booking of this user's.
std::string
user_json (const std::string &id, const std::string &name,
    const std::string &email, const std::string &role, bool may_book)
{
  JsonWriter w;
  w.object ();
  // The console's ids are numbers, and so are ours.
  bool number = !id.empty () && id.size () < 16 &&
                id.find_first_not_of ("0123456789") == std::string::npos;
  if (number)
    w.key ("id").value (std::int64_t{std::stoll (id)});
  else
    w.field ("id", id);
  w.field ("name", name).field ("email", email).field ("role", role);
  w.field ("may_book", may_book);
  return w.end ().take ();
}

} // namespace

HttpApi::HttpApi (Services services)
    : users_ ({services.config, services.keys, services.room, services.store,
          services.audit, services.passwords, services.post, services.events}),
      robots_ ({services.config, services.keys, services.room, services.store,
          services.audit, services.events}),
      availability_ ({services.zone, services.store})
{
  set_services (std::move (services));
}

void
HttpApi::set_services (Services services)
{
  services_ = std::move (services);
  const Config &c = *services_.config;
  files_.load (find_web_directory (c.web_directory));
  throttle_.set_limits (c.login_limits);
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
  const HttpRequest &request = call->request;
  if (!route (call) && !users_.route (call) && !robots_.route (call) &&
      !availability_.route (call) && !route_bookings (call) &&
      !route_admin (call)) {
    if (request.method == "GET" || request.method == "HEAD")
      call->reply (files_.get (request));
    else
      call->reply (error_response (files_.has (request.path) ? 405 : 404,
          "not-found", "there is no such method or path"));
  }
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

void
HttpApi::note_act (
    const Call &call, const std::string &what, const std::string &target)
{
  services_.events->note (http_event (call, "admin-action", what, target));
}

bool
HttpApi::route (const CallPtr &call)
{
  if (call->is ("GET", {"health"}))
    health (call);
  else if (call->is ("GET", {"config"}))
    config (call);
  else if (call->is ("GET", {"metrics"}))
    metrics (call);
  else if (call->is ("POST", {"auth", "login"}))
    login (call);
  else if (call->is ("GET", {"auth", "me"}))
    me (call);
  else if (call->is ("GET", {".well-known", "jwks.json"}))
    call->reply (
        json_response (200, services_.keys->grants ().jwks (call->now)));
  else
    return false;
  return true;
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

bool
HttpApi::need_store (const CallPtr &call)
{
  if (!services_.store)
    call->reply (error_response (
        404, "not-found", "accounts and bookings are in the console"));
  return services_.store != nullptr;
}

void
HttpApi::health (const CallPtr &call)
{
  bool healthy = services_.healthy ();
  JsonWriter w;
  w.object ().field ("status", healthy ? "healthy" : "degraded");
  w.field ("service", "webrtc-signaling");
  auto utc = Zone::find ("UTC");
  w.field ("timestamp", utc->iso8601 (call->now));
  w.field ("connections", std::uint64_t{services_.sockets->connections ()});
  w.field ("rooms", std::uint64_t{services_.room->rooms ()});
  call->reply (json_response (healthy ? 200 : 503, w.end ().take ()));
}

void
HttpApi::config (const CallPtr &call)
{
  auto answer = [this, call] (TimeMs end) {
    std::string user = call->identity ? call->identity->subject : "";
    // A robot has nobody who asks anew for it.
    if (!call->identity || call->identity->role != "robot")
      end = std::min (end, call->now + kViewerRelay);
    call->reply (json_response (200,
        "{\"iceServers\":" +
            ice_servers_json (services_.turn->servers (user, call->now, end)) +
            "}"));
  };
  if (call->unavailable)
    return call->reply (
        error_response (503, "unavailable", "try again in a moment"));
  if (!call->identity || call->identity->role == "robot" || call->admin () ||
      services_.config->turn_urls.empty ())
    return answer (call->identity ? call->identity->expires_at : 0);
  // A viewer's TURN credentials end with the booking.
  services_.backend->find_viewer (*call->identity, call->token, "",
      [call, answer] (const ViewerAnswer &viewer, TimeMs now) {
        TimeMs end = 0;
        for (const Booking &b : viewer.bookings)
          if (viewer.available && viewer.allowed &&
              b.window.state (now) == WindowState::Open)
            end = std::max (end, b.window.ends_at);
        if (end == 0)
          call->identity.reset (); // no booking now: no relay
        answer (end);
      });
}

void
HttpApi::metrics (const CallPtr &call)
{
  const auto &more = services_.config->metrics_from;
  const std::string &address = call->request.address;
  bool allowed = call->request.local || call->admin () ||
                 std::find (more.begin (), more.end (), address) != more.end ();
  if (!allowed)
    return call->reply (
        error_response (403, "forbidden", "not from this address"));
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = services_.metrics->text ();
  call->reply (std::move (response));
}

void
HttpApi::login (const CallPtr &call)
{
  if (!need_store (call))
    return;
  if (!services_.keys->can_issue ())
    return call->reply (error_response (
        404, "not-found", "tokens are issued by another server"));
  simdjson::dom::element root;
  std::string_view email_text, password_text;
  const std::string &body = call->request.body;
  if (json_parser ().parse (body.data (), body.size ()).get (root) ||
      root["email"].get (email_text) || root["password"].get (password_text) ||
      password_text.size () > 1024)
    return call->reply (error_response (
        422, "bad-message", "\"email\" and \"password\" are needed"));
  std::string email = normal_email (std::string (email_text));
  std::string password (password_text);
  if (!call->request.secure && !call->request.local)
    services_.log->limited (LogLevel::Warning, "clear-text",
        {{"text", "a password came unencrypted: give the server TLS, or a "
                  "proxy that has it"},
            {"address", call->request.address}, {"request", call->id}});
  LoginAttempt attempt = LoginAttempt::of (email, call->request.address);
  TimeMs wait = throttle_.begin (attempt, steady_now ());
  if (wait > 0) {
    services_.log->limited (LogLevel::Warning, "login-throttled",
        {{"address", call->request.address}, {"request", call->id}});
    services_.events->sum (
        http_event (*call, "login", "throttled"), AuditEvents::Line::No);
    HttpResponse response = error_response (
        429, "rate-limited", "too many logins: wait and try again");
    response.headers.emplace_back (
        "Retry-After", std::to_string ((wait + 999) / 1000));
    return call->reply (std::move (response));
  }
  auto unchecked = [this, call, attempt] (HttpResponse response) {
    throttle_.finish (
        attempt, LoginThrottle::Outcome::Unchecked, steady_now ());
    call->reply (std::move (response));
  };
  auto verified = [this, call, attempt] (
                      const std::optional<User> &user, bool right) {
    throttle_.finish (attempt,
        right ? LoginThrottle::Outcome::Right : LoginThrottle::Outcome::Wrong,
        steady_now ());
    // The e-mail address is left out: people type passwords there.
    std::string user_id = user ? std::to_string (user->id) : "";
    services_.log->limited (right ? LogLevel::Info : LogLevel::Warning,
        right ? "login" : "login-failed",
        {{"user", user_id}, {"address", call->request.address},
            {"request", call->id}});
    AuditEvent event = http_event (*call, "login",
        !right                   ? "failed"
        : user && !user->enabled ? "disabled"
                                 : "ok",
        user_id);
    // Who fails to log in is nobody yet.
    event.actor = right ? user_id : "";
    services_.events->sum (std::move (event), AuditEvents::Line::No);
    if (!right)
      return call->reply (error_response (
          401, "unauthorized", "e-mail address or password is wrong"));
    if (!user->enabled)
      return call->reply (error_response (
          403, "forbidden", "the account is disabled: ask an administrator"));
    std::string id = std::to_string (user->id);
    Identity identity = new_identity (
        id, user->role, call->now, services_.config->login_ttl_ms);
    identity.epoch = user->valid_from;
    services_.store->ask<bool> (
        [id, now = call->now] (Store &store) {
          store.logged_in (id, now);
          return true;
        },
        [] (bool, const StoreError *) {});
    JsonWriter w;
    w.object ().field ("access_token", services_.keys->issue (identity));
    w.field ("token_type", "bearer");
    w.field ("expires_at", identity.expires_at);
    w.raw_field ("user", user_json (id, user->name, user->email, user->role,
                             may_book (user->role)));
    call->reply (json_response (200, w.end ().take ()));
  };
  // Strangers of one address wait for each other; who logged in from there
  // before waits for itself alone.
  std::string lane =
      throttle_.known (attempt) ? "user " + email : "from " + attempt.address;
  services_.store->ask_at_door<std::optional<User>> (
      lane,
      [email] (Store &store) {
        return email.empty () ? std::nullopt : store.user_by_email (email);
      },
      [this, lane, password, verified, unchecked] (
          std::optional<User> user, const StoreError *error) {
        if (error)
          return unchecked (store_error_response (*error));
        bool queued = services_.passwords->post (
            lane, [post = services_.post, user, password, verified] {
              bool right =
                  check_password (user ? user->password_hash : "", password);
              post ([user, right, verified] { verified (user, right); });
            });
        if (!queued)
          unchecked (error_response (503, "busy", "try again in a moment"));
      });
}

bool
HttpApi::may_book (const std::string &role) const
{
  return services_.store &&
         (role == "admin" || services_.config->viewers_may_book);
}

void
HttpApi::me (const CallPtr &call)
{
  // A robot may ask whether its token counts, and until when.
  if (call->robot && !call->identity)
    return call->reply (
        call->unavailable
            ? error_response (503, "unavailable", "try again in a moment")
            : error_response (401, "unauthorized", call->refusal));
  if (call->identity && call->identity->role == "robot") {
    JsonWriter w;
    w.object ().field ("id", call->identity->subject).field ("role", "robot");
    w.field ("expires_at", call->right_ends_at);
    return call->reply (json_response (200, w.end ().take ()));
  }
  if (!need_user (call))
    return;
  const Identity &identity = *call->identity;
  const auto &account = call->account;
  if (account)
    call->reply (json_response (
        200, user_json (identity.subject, account->name, account->email,
                 account->role, may_book (account->role))));
  else
    call->reply (json_response (
        200, user_json (identity.subject, identity.subject, "",
                 identity.role == "admin" ? "admin" : "viewer", false)));
}

} // namespace robotlive::server
