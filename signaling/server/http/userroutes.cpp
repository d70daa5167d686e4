// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/userroutes.hpp"
#include "protocol/json.hpp"
#include "server/auth/passwordrules.hpp"
#include <algorithm>
#include <chrono>

namespace robotlive::server {

namespace {

TimeMs
steady_now ()
{
  return std::chrono::duration_cast<std::chrono::milliseconds> (
      std::chrono::steady_clock::now ().time_since_epoch ())
      .count ();
}

void
append_user (JsonWriter &w, const User &u)
{
  w.object ().field ("id", u.id).field ("email", u.email);
  w.field ("name", u.name).field ("role", u.role).field ("enabled", u.enabled);
  w.field ("has_password", !u.password_hash.empty ());
  w.field ("created_at", u.created_at).key ("last_login");
  if (u.last_login != 0)
    w.value (u.last_login);
  else
    w.null ();
  w.end ();
}

std::string
user_text (const User &user)
{
  JsonWriter w;
  append_user (w, user);
  return w.take ();
}

bool
role_good (const std::string &role)
{
  return role == "viewer" || role == "admin";
}

void
refuse (const HttpCallPtr &call, const std::string &sentence)
{
  call->reply (error_response (422, "bad-message", sentence));
}

} // namespace

bool
UserRoutes::route (const HttpCallPtr &call)
{
  if (call->is ("POST", {"auth", "logout"})) {
    logout (call);
    return true;
  }
  bool password = call->is ("PUT", {"auth", "password"});
  bool users = !call->path.empty () && call->path[0] == "users";
  if (!password && !users)
    return false;
  if (!parts_.store)
    call->reply (error_response (
        404, "not-found", "accounts and bookings are in the console"));
  else if (password)
    set_password (call);
  else if (call->is ("GET", {"users"}))
    list (call);
  else if (call->is ("POST", {"users"}))
    add (call);
  else if (call->is ("GET", {"users", "*"}))
    show (call);
  else if (call->is ("PATCH", {"users", "*"}))
    change (call);
  else if (call->is ("DELETE", {"users", "*"}))
    remove (call);
  else if (call->is ("GET", {"users", "*", "export"}))
    export_user (call, call->path[1]);
  else if (call->is ("POST", {"users", "*", "logout"}))
    logout_user (call);
  else if (call->is ("POST", {"users", "*", "password-link"})) {
    if (need_admin (*call) && JsonBody::read (*call, {}))
      make_link (call, call->path[1], User (), 201);
  } else
    return false;
  return true;
}

void
UserRoutes::say (
    const HttpCallPtr &call, const std::string &what, const std::string &whom)
{
  parts_.events->note (http_event (*call, "admin-action", what, whom));
}

void
UserRoutes::changed (const std::string &id)
{
  parts_.store->forget_standings ();
  parts_.hub->recheck (id, wall_now ());
}

void
UserRoutes::hash (const HttpCallPtr &call, const std::string &password,
    std::function<void (std::string)> then)
{
  bool queued =
      parts_.passwords->post ([post = parts_.post, password, call, then] {
        std::string text = hash_password (password);
        post ([text, call, then] {
          if (text.empty ())
            call->reply (
                error_response (503, "unavailable", "try again in a moment"));
          else
            then (text);
        });
      });
  if (!queued)
    call->reply (error_response (503, "busy", "try again in a moment"));
}

void
UserRoutes::list (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  parts_.store->ask_for<std::vector<User>> (
      lane_of (*call), [] (Store &store) { return store.users (); },
      [call] (std::vector<User> users, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        JsonWriter w;
        w.array ();
        for (const User &user : users)
          append_user (w, user);
        call->reply (json_response (200, w.end ().take ()));
      });
}

void
UserRoutes::show (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  parts_.store->ask_for<User> (
      lane_of (*call),
      [id = call->path[1]] (Store &store) {
        auto user = store.user_by_id (id);
        if (!user)
          throw StoreError (StoreError::NotFound, "there is no such account");
        return *user;
      },
      [call] (const User &user, const StoreError *error) {
        call->reply (error ? store_error_response (*error)
                           : json_response (200, user_text (user)));
      });
}

// With a password, or else with a link by which the person sets one.
void
UserRoutes::add (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  auto body = JsonBody::read (*call, {"email", "name", "role", "password"});
  if (!body)
    return;
  User user;
  user.email = normal_email (body->text ("email"));
  user.name = body->has ("name") ? body->text ("name") : body->text ("email");
  user.role = body->has ("role") ? body->text ("role") : "viewer";
  user.created_at = call->now;
  std::string password = body->text ("password");
  if (user.email.empty ())
    return refuse (call, "\"email\" is not an e-mail address");
  if (!valid_name (user.name))
    return refuse (call, "\"name\" is not usable");
  if (!role_good (user.role))
    return refuse (call, "\"role\" is viewer or admin");
  std::string problem = body->has ("password")
                            ? password_problem (password, user.email, user.name)
                            : "";
  if (!problem.empty ())
    return refuse (call, problem);
  auto write = [this, call, user] (const std::string &hashed) {
    User wanted = user;
    wanted.password_hash = hashed;
    parts_.store->ask_for<User> (
        lane_of (*call),
        [wanted] (Store &store) {
          User made = wanted;
          made.id = store.add_user (wanted);
          return made;
        },
        [this, call] (const User &made, const StoreError *error) {
          if (error)
            return call->reply (store_error_response (*error));
          std::string id = std::to_string (made.id);
          say (call, "user-added", id);
          if (made.password_hash.empty ())
            make_link (call, id, made, 201);
          else
            call->reply (json_response (201, user_text (made)));
        });
  };
  if (body->has ("password"))
    hash (call, password, write);
  else
    write ("");
}

void
UserRoutes::change (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  auto body = JsonBody::read (*call, {"name", "role"}, {"enabled"});
  if (!body)
    return;
  UserChange change;
  change.keep_an_admin = true;
  if (body->has ("name"))
    change.name = body->text ("name");
  if (body->has ("role"))
    change.role = body->text ("role");
  if (body->has ("enabled"))
    change.enabled = body->flag ("enabled");
  if (change.name && !valid_name (*change.name))
    return refuse (call, "\"name\" is not usable");
  if (change.role && !role_good (*change.role))
    return refuse (call, "\"role\" is viewer or admin");
  if (!change.name && !change.role && !change.enabled)
    return refuse (call, "\"name\", \"role\" or \"enabled\" is needed");
  parts_.store->ask_for<User> (
      lane_of (*call),
      [id = call->path[1], change, now = call->now] (
          Store &store) { return store.change_user (id, change, now); },
      [this, call, change] (const User &user, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        std::string id = std::to_string (user.id);
        say (call,
            change.enabled ? (user.enabled ? "user-enabled" : "user-disabled")
            : change.role  ? "user-role-" + user.role
                           : std::string ("user-renamed"),
            id);
        if (change.enabled && !user.enabled)
          parts_.events->note (http_event (*call, "revocation", "logins", id));
        changed (id);
        call->reply (json_response (200, user_text (user)));
      });
}

void
UserRoutes::remove (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  bool erase = call->query ("erase") == "true";
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [id = call->path[1], erase, now = call->now] (Store &store) {
        store.remove_user (id, now, true, erase);
        return true;
      },
      [this, call, erase] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, erase ? "user-erased" : "user-removed", call->path[1]);
        changed (call->path[1]);
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

void
UserRoutes::logout_user (const HttpCallPtr &call)
{
  if (!need_admin (*call) || !JsonBody::read (*call, {}))
    return;
  UserChange change;
  change.end_logins = true;
  parts_.store->ask_for<User> (
      lane_of (*call),
      [id = call->path[1], change, now = call->now] (
          Store &store) { return store.change_user (id, change, now); },
      [this, call] (const User &user, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        std::string id = std::to_string (user.id);
        say (call, "user-logged-out", id);
        parts_.events->note (http_event (*call, "revocation", "logins", id));
        changed (id);
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

// All that is kept of a person: also by the person.
void
UserRoutes::export_user (const HttpCallPtr &call, const std::string &id)
{
  if (!need_user (*call))
    return;
  bool own = call->account && std::to_string (call->account->id) == id;
  if (!own && !need_admin (*call))
    return;
  parts_.store->ask_for<std::string> (
      call->identity->subject,
      [id] (Store &store) { return store.export_user (id); },
      [this, call, id, own] (const std::string &text, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        if (!own)
          say (call, "user-exported", id);
        call->reply (json_response (200, text));
      });
}

// *user*: to answer with, if it was just made.
void
UserRoutes::make_link (
    const HttpCallPtr &call, const std::string &id, User user, int status)
{
  std::string secret = random_text (32);
  TimeMs end = wall_now () + parts_.config->password_link_ttl_ms;
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [id, hash = secret_hash (secret), end] (Store &store) {
        store.add_password_link (hash, id, end);
        return true;
      },
      [this, call, id, user, status, secret, end] (
          bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, "password-link", id);
        parts_.events->note (http_event (*call, "password", "link-made", id));
        JsonWriter w;
        w.object ();
        if (user.id != 0)
          w.field ("id", user.id).raw_field ("user", user_text (user));
        w.field ("link", secret).field ("path", password_link_path (secret));
        w.field ("expires_at", end).end ();
        call->reply (json_response (status, w.take ()));
      });
}

// This login; with {"everywhere":true} all of the person's.
void
UserRoutes::logout (const HttpCallPtr &call)
{
  if (!need_user (*call))
    return;
  auto body = JsonBody::read (*call, {}, {"everywhere"});
  if (!body)
    return;
  bool everywhere = body->flag ("everywhere") && call->account;
  const Identity &identity = *call->identity;
  if (!everywhere && identity.token_id.empty () && !call->account)
    return call->reply (error_response (
        422, "bad-message", "the token has no id: who issued it can end it"));
  parts_.records->ask_for<bool> (
      lane_of (*call),
      [identity, now = call->now,
          all = everywhere || identity.token_id.empty ()] (Store &store) {
        UserChange change;
        change.end_logins = true;
        if (all)
          store.change_user (identity.subject, change, now);
        else
          store.revoke_token (identity.token_id, now, identity.expires_at);
        return true;
      },
      [this, call, everywhere] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        parts_.events->note (http_event (*call, "revocation",
            everywhere ? "all-own-logins" : "own-login", call->bearer));
        parts_.records->forget_standings ();
        parts_.hub->recheck (call->identity->subject, wall_now ());
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

// {link, password} by who has a link, {current_password, password} by who is
// logged in.
void
UserRoutes::set_password (const HttpCallPtr &call)
{
  auto body = JsonBody::read (*call, {"link", "current_password", "password"});
  if (!body)
    return;
  std::string password = body->text ("password");
  std::string current = body->text ("current_password");
  if (!body->has ("link") && !need_user (*call))
    return;
  const User who = call->account.value_or (User ());
  std::string problem = password_problem (password, who.email, who.name);
  if (!problem.empty ())
    return refuse (call, problem);
  if (body->has ("link"))
    return use_link (call, body->text ("link"), password);
  if (!call->account)
    return call->reply (
        error_response (404, "not-found", "the account is not kept here"));
  if (current.empty () || current.size () > 1024)
    return refuse (call, "\"current_password\" is needed");
  const std::string id = call->identity->subject;
  LoginAttempt attempt = LoginAttempt::of (id, call->request.address);
  TimeMs wait = guesses_.begin (attempt, steady_now ());
  if (wait > 0) {
    HttpResponse response = error_response (
        429, "rate-limited", "too many tries: wait and try again");
    response.headers.emplace_back (
        "Retry-After", std::to_string ((wait + 999) / 1000));
    return call->reply (std::move (response));
  }
  auto finish = [this, attempt] (LoginThrottle::Outcome outcome) {
    guesses_.finish (attempt, outcome, steady_now ());
  };
  auto checked = [this, call, id, password, finish] (bool right) {
    finish (
        right ? LoginThrottle::Outcome::Right : LoginThrottle::Outcome::Wrong);
    if (right)
      return store_password (call, id, password, true);
    parts_.events->sum (http_event (*call, "password", "wrong", id));
    call->reply (
        error_response (403, "forbidden", "the current password is wrong"));
  };
  // Its hash is not among what is kept of who asks.
  parts_.store->ask_for<std::string> (
      lane_of (*call),
      [id] (Store &store) {
        auto user = store.user_by_id (id);
        return user ? user->password_hash : std::string ();
      },
      [this, call, current, finish, checked] (
          const std::string &kept, const StoreError *error) {
        if (error) {
          finish (LoginThrottle::Outcome::Unchecked);
          return call->reply (store_error_response (*error));
        }
        bool queued = parts_.passwords->post (
            [post = parts_.post, kept, current, checked] {
              bool right = check_password (kept, current);
              post ([right, checked] { checked (right); });
            });
        if (queued)
          return;
        finish (LoginThrottle::Outcome::Unchecked);
        call->reply (error_response (503, "busy", "try again in a moment"));
      });
}

// The link is spent before the hash: nobody has two tries at once with it.
void
UserRoutes::use_link (const HttpCallPtr &call, const std::string &link,
    const std::string &password)
{
  parts_.store->ask_for<std::optional<std::string>> (
      lane_of (*call),
      [hash = secret_hash (link), now = call->now] (
          Store &store) { return store.take_password_link (hash, now); },
      [this, call, password] (
          std::optional<std::string> id, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        if (!id)
          parts_.events->sum (http_event (*call, "password", "link-refused"));
        if (!id)
          return call->reply (error_response (403, "forbidden",
              "the link was used already, or its time is over"));
        store_password (call, *id, password, false);
      });
}

// Ends every login; *log_in*: whoever asks gets a new one.
void
UserRoutes::store_password (const HttpCallPtr &call, const std::string &id,
    const std::string &password, bool log_in)
{
  hash (call, password, [this, call, id, log_in] (const std::string &hashed) {
    UserChange change;
    change.password_hash = hashed;
    parts_.store->ask_for<User> (
        lane_of (*call),
        [id, change] (Store &store) {
          return store.change_user (id, change, wall_now ());
        },
        [this, call, id, log_in] (const User &user, const StoreError *error) {
          if (error)
            return call->reply (store_error_response (*error));
          AuditEvent event = http_event (
              *call, "password", log_in ? "changed" : "set-by-link", id);
          event.actor = id;
          parts_.events->note (std::move (event));
          changed (id);
          JsonWriter w;
          w.object ().field ("ok", true);
          if (log_in && parts_.keys->can_issue ()) {
            Identity identity = new_identity (
                id, user.role, wall_now (), parts_.config->login_ttl_ms);
            identity.epoch = user.valid_from;
            w.field ("access_token", parts_.keys->issue (identity));
            w.field ("token_type", "bearer");
            w.field ("expires_at", identity.expires_at);
          }
          call->reply (json_response (200, w.end ().take ()));
        });
  });
}

} // namespace robotlive::server
