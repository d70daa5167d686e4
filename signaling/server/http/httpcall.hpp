// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One request on its way, and what the groups of routes have in common.
#pragma once
#include "server/hub/sockets.hpp"
#include "server/store/auditevents.hpp"
#include "server/store/store.hpp"
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::server {

struct Config;
class StoreBackend;

struct HttpCall
{
  HttpRequest request;
  std::string id;                // X-Request-Id, and "request" in the log
  std::vector<std::string> path; // segments, each percent-decoded
  // Who it is now, not who the token says; empty: nobody.
  std::optional<Identity> identity;
  std::string token;
  std::string bearer; // who signed for it, whatever the token is worth now
  bool robot = false; // the token is a robot's, whatever it is worth
  bool unavailable = false;    // it could not be found out
  std::string refusal;         // why a token that is right does not count
  std::optional<User> account; // if it is one of ours
  TimeMs right_ends_at = 0;
  std::function<void (HttpResponse)> reply;
  TimeMs now = 0;

  // "*" stands for any segment but an empty one.
  bool is (std::string_view method,
      std::initializer_list<std::string_view> segments) const;
  bool admin () const { return identity && identity->role == "admin"; }
  // Percent-decoded; empty if it is absent, or cannot be decoded.
  std::string query (std::string_view key) const;
  // The same, nothing if it is absent.
  std::optional<std::string> query_if (std::string_view key) const;
};
using HttpCallPtr = std::shared_ptr<HttpCall>;

// A group of routes that belong together.
class Routes
{
public:
  virtual ~Routes () = default;
  // False: not one of them.
  virtual bool route (const HttpCallPtr &call) = 0;
};

// What whoever asks does, or may not do. *target*: an id.
AuditEvent http_event (const HttpCall &call, const char *kind,
    const std::string &what, const std::string &target = "");

HttpResponse json_response (int status, std::string body);
HttpResponse error_response (
    int status, std::string_view code, std::string_view message);
HttpResponse store_error_response (const StoreError &error);

// Whoever asks waits for itself alone at the store. Who has only a link waits
// with those of its address.
std::string lane_of (const HttpCall &call);

// An administrator does it, to what is another's.
void note_act (AuditEvents &events, const HttpCall &call,
    const std::string &what, const std::string &target);

// Whether POST /bookings would take a booking of somebody with this role.
bool may_book (const Config &config, const std::string &role);

// Replies 404 and is false if bookings and accounts are the console's.
bool need_accounts (const HttpCall &call, const StoreBackend *store);

// Each replies 401, 403 or 503 and is false for who may not.
bool need_user (const HttpCall &call);
bool need_admin (const HttpCall &call);

// The members of a JSON object, as text; a member of another type than it must
// have, one that is not known and a body that is no object are answered with
// 422, and nothing is returned. *flags* are true or false.
using Members = std::vector<std::pair<std::string, std::string>>;
class JsonBody
{
public:
  static std::optional<JsonBody> read (const HttpCall &call,
      std::initializer_list<std::string_view> texts,
      std::initializer_list<std::string_view> flags = {});
  bool has (std::string_view name) const { return get (name) != nullptr; }
  // Empty if it is not there.
  std::string text (std::string_view name) const;
  bool flag (std::string_view name) const { return text (name) == "true"; }

private:
  const std::string *get (std::string_view name) const;
  Members members_;
};

} // namespace robotlive::server
