// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/loginroutes.hpp"
#include "protocol/json.hpp"
#include "server/auth/totp.hpp"
#include <chrono>
#include <simdjson.h>

namespace robotlive::server {

namespace {

// Of a clock that nobody sets.
TimeMs
steady_now ()
{
  return std::chrono::duration_cast<std::chrono::milliseconds> (
      std::chrono::steady_clock::now ().time_since_epoch ())
      .count ();
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

bool
LoginRoutes::route (const HttpCallPtr &call)
{
  if (call->is ("POST", {"auth", "login"}))
    login (call);
  else if (call->is ("GET", {"auth", "me"}))
    me (call);
  else if (call->is ("GET", {".well-known", "jwks.json"}))
    call->reply (json_response (200, parts_.keys->grants ().jwks (call->now)));
  else
    return false;
  return true;
}

void
LoginRoutes::login (const HttpCallPtr &call)
{
  if (!need_accounts (*call, parts_.store))
    return;
  if (!parts_.keys->can_issue ())
    return call->reply (error_response (
        404, "not-found", "tokens are issued by another server"));
  simdjson::dom::element root;
  std::string_view email_text, password_text, code;
  const std::string &body = call->request.body;
  if (json_parser ().parse (body.data (), body.size ()).get (root) ||
      root["email"].get (email_text) || root["password"].get (password_text) ||
      password_text.size () > 1024)
    return call->reply (error_response (
        422, "bad-message", "\"email\" and \"password\" are needed"));
  simdjson::dom::element code_value;
  if (!root["totp"].get (code_value) &&
      (code_value.get (code) || code.size () > 16))
    return call->reply (error_response (
        422, "bad-message", "\"totp\" is a code of six digits, as text"));
  std::string email = normal_email (std::string (email_text));
  std::string password (password_text);
  if (!call->request.secure && !call->request.local)
    parts_.log->limited (LogLevel::Warning, "clear-text",
        {{"text", "a password came unencrypted: give the server TLS, or a "
                  "proxy that has it"},
            {"address", call->request.address}, {"request", call->id}});
  LoginAttempt attempt = LoginAttempt::of (email, call->request.address);
  TimeMs wait = throttle_.begin (attempt, steady_now ());
  if (wait > 0) {
    parts_.log->limited (LogLevel::Warning, "login-throttled",
        {{"address", call->request.address}, {"request", call->id}});
    parts_.events->sum (
        http_event (*call, "login", "throttled"), AuditEvents::Line::No);
    HttpResponse response = error_response (
        429, "rate-limited", "too many logins: wait and try again");
    response.headers.emplace_back (
        "Retry-After", std::to_string ((wait + 999) / 1000));
    return call->reply (std::move (response));
  }
  // Strangers of one address wait for each other; who logged in from there
  // before waits for itself alone.
  std::string lane =
      throttle_.known (attempt) ? "user " + email : "from " + attempt.address;
  const Login login{call, attempt, lane, std::string (code)};
  parts_.store->ask_at_door<std::optional<User>> (
      lane,
      [email] (Store &store) {
        return email.empty () ? std::nullopt : store.user_by_email (email);
      },
      [this, login, password] (
          std::optional<User> user, const StoreError *error) {
        if (error)
          return unchecked (login, store_error_response (*error));
        bool queued = parts_.passwords->post (
            login.lane, [this, post = parts_.post, user, password, login] {
              bool right =
                  check_password (user ? user->password_hash : "", password);
              post ([this, user, right, login] {
                if (right)
                  check_code (login, *user);
                else
                  refuse (login, user, "e-mail address or password is wrong");
              });
            });
        if (!queued)
          unchecked (
              login, error_response (503, "busy", "try again in a moment"));
      });
}

// The password is right.
void
LoginRoutes::check_code (const Login &login, const User &user)
{
  const bool needed = user.role == "admin" && parts_.config->admins_need_totp;
  if (!user.enabled || (user.totp_secret.empty () && !needed))
    return let_in (login, user);
  if (user.totp_secret.empty ()) {
    note (login, user, "no-second-factor");
    return unchecked (login,
        error_response (403, "totp-setup-required",
            "administrators need a second factor here, and this account has "
            "none: the operator makes one with \"robotlive-signaling user "
            "totp " +
                std::to_string (user.id) + "\""));
  }
  if (login.code.empty ())
    return unchecked (
        login, error_response (401, "totp-required",
                   "the code of the account's authenticator is needed"));
  auto step = totp_step (user.totp_secret, login.code, login.call->now);
  if (!step)
    return refuse (login, user, "the code is wrong, or too old");
  parts_.store->ask_at_door<bool> (
      login.lane,
      [id = std::to_string (user.id), step] (
          Store &store) { return store.use_totp (id, *step); },
      [this, login, user] (bool first, const StoreError *error) {
        if (error)
          unchecked (login, store_error_response (*error));
        else if (first)
          let_in (login, user);
        else
          refuse (login, user, "the code was used already: take the next one");
      });
}

// Nothing was found out about whoever tries.
void
LoginRoutes::unchecked (const Login &login, HttpResponse response)
{
  throttle_.finish (
      login.attempt, LoginThrottle::Outcome::Unchecked, steady_now ());
  login.call->reply (std::move (response));
}

void
LoginRoutes::note (const Login &login, const std::optional<User> &user,
    const std::string &outcome)
{
  const bool right = outcome == "ok" || outcome == "disabled";
  // The e-mail address is left out: people type passwords there.
  std::string user_id = user ? std::to_string (user->id) : "";
  parts_.log->limited (right ? LogLevel::Info : LogLevel::Warning,
      right ? "login" : "login-failed",
      {{"user", user_id}, {"address", login.call->request.address},
          {"request", login.call->id}});
  AuditEvent event = http_event (*login.call, "login", outcome, user_id);
  // Who fails to log in is nobody yet.
  event.actor = right ? user_id : "";
  parts_.events->sum (std::move (event), AuditEvents::Line::No);
}

void
LoginRoutes::refuse (const Login &login, const std::optional<User> &user,
    const std::string &sentence)
{
  throttle_.finish (
      login.attempt, LoginThrottle::Outcome::Wrong, steady_now ());
  note (login, user, "failed");
  login.call->reply (error_response (401, "unauthorized", sentence));
}

void
LoginRoutes::let_in (const Login &login, const User &user)
{
  const HttpCallPtr &call = login.call;
  throttle_.finish (
      login.attempt, LoginThrottle::Outcome::Right, steady_now ());
  note (login, user, user.enabled ? "ok" : "disabled");
  if (!user.enabled)
    return call->reply (error_response (
        403, "forbidden", "the account is disabled: ask an administrator"));
  std::string id = std::to_string (user.id);
  Identity identity =
      new_identity (id, user.role, call->now, parts_.config->login_ttl_ms);
  identity.epoch = user.valid_from;
  parts_.store->ask<bool> (
      [id, now = call->now] (Store &store) {
        store.logged_in (id, now);
        return true;
      },
      [] (bool, const StoreError *) {});
  JsonWriter w;
  w.object ().field ("access_token", parts_.keys->issue (identity));
  w.field ("token_type", "bearer");
  w.field ("expires_at", identity.expires_at);
  w.raw_field ("user",
      user_json (id, user.name, user.email, user.role, may_book (user.role)));
  // The one before: whose was it?
  if (user.last_login != 0)
    w.field ("last_login", user.last_login);
  call->reply (json_response (200, w.end ().take ()));
}

bool
LoginRoutes::may_book (const std::string &role) const
{
  return parts_.store && server::may_book (*parts_.config, role);
}

void
LoginRoutes::me (const HttpCallPtr &call)
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
  if (!need_user (*call))
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
