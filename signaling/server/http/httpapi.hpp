// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The HTTP API of signaling/PROTOCOL.md and the viewer page. Everything runs
// on the I/O thread; the store and the password hash are asked on workers.
// httpapi.cpp: routes, login, operation. httpbookings.cpp: bookings.
// httpadmin.cpp: robots, sessions, audit. webfiles.cpp: the page.
#pragma once
#include "server/app/config.hpp"
#include "server/app/metrics.hpp"
#include "server/auth/identity.hpp"
#include "server/auth/throttle.hpp"
#include "server/http/webfiles.hpp"
#include "server/hub/room.hpp"
#include "server/store/bookingrules.hpp"
#include "server/store/storebackend.hpp"
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive::server {

// What the API works on; owned by App.
struct Services
{
  const Config *config = nullptr;
  const Keys *keys = nullptr;
  const Zone *zone = nullptr;
  SocketServer *sockets = nullptr;
  Room *room = nullptr;
  Backend *backend = nullptr;
  StoreBackend *store = nullptr; // null with a console backend
  StoreBackend *audit = nullptr; // where sessions are written
  Worker *passwords = nullptr;
  Metrics *metrics = nullptr;
  StoreBackend::Post post; // to the I/O thread
  std::function<bool ()> healthy;
  Log *log = nullptr;
};

// iceServers for one user; TURN with credentials that end with *expires_at*
// (coturn's use-auth-secret), without a user none.
std::vector<IceServer> ice_servers (const Config &config,
    const std::string &turn_secret, const std::string &user_id, TimeMs now,
    TimeMs expires_at);

class HttpApi final : public HttpHandler
{
public:
  explicit HttpApi (Services services);

  void on_request (const HttpRequest &request,
      std::function<void (HttpResponse)> reply) override;

  // After a reload.
  void set_services (Services services);
  std::vector<IceServer> ice_for (
      const std::string &user_id, TimeMs now, TimeMs expires_at) const;

private:
  using Reply = std::function<void (HttpResponse)>;

  // One request on its way: what its handler needs.
  struct Call
  {
    HttpRequest request;
    std::string id;                // X-Request-Id, and "request" in the log
    std::vector<std::string> path; // segments
    std::optional<Identity> identity;
    std::string token;
    Reply reply;
    TimeMs now = 0;

    bool is (std::string_view method,
        std::initializer_list<std::string_view> segments) const;
    bool admin () const { return identity && identity->role == "admin"; }
    std::string query (std::string_view key) const;
  };
  using CallPtr = std::shared_ptr<Call>;

  void log_request (const Call &call, int status) const;
  bool route (const CallPtr &call);
  bool route_bookings (const CallPtr &call); // httpbookings.cpp
  bool route_admin (const CallPtr &call);    // httpadmin.cpp

  void health (const CallPtr &call);
  void config (const CallPtr &call);
  void metrics (const CallPtr &call);
  void login (const CallPtr &call);
  void me (const CallPtr &call);
  bool may_book (const std::string &role) const;

  void list_bookings (const CallPtr &call, bool all);
  void create_booking (const CallPtr &call);
  void change_booking (const CallPtr &call, std::int64_t id);
  void cancel_booking (const CallPtr &call, std::int64_t id);
  std::string booking_json (const BookingRecord &booking) const;
  // Fields that the body names; false with *error* set for what does not fit.
  // *before*: the booking that is changed, null for a new one.
  bool read_booking (const Call &call, const BookingRecord *before,
      BookingRecord *booking, std::string *error) const;
  BookingRules booking_rules (const Call &call) const;
  bool take_change (const Call &call);

  void list_robots (const CallPtr &call);
  void robot_token (const CallPtr &call, const std::string &id, bool issue);
  void list_sessions (const CallPtr &call);
  void end_session (const CallPtr &call, const std::string &peer_id);
  void audit (const CallPtr &call);

  // Replies 415 and is false for a body that is not said to be JSON.
  bool need_json (const CallPtr &call);
  // Replies 401 or 403 and is false for who may not.
  bool need_user (const CallPtr &call);
  bool need_admin (const CallPtr &call);
  // 404 and false if bookings and accounts are the console's.
  bool need_store (const CallPtr &call);

  Services services_;
  std::string turn_secret_;
  WebFiles files_;
  LoginThrottle throttle_;
  BoundedMap<std::deque<TimeMs>> changes_{10000}; // of bookings, by user
};

HttpResponse json_response (int status, std::string body);
HttpResponse error_response (
    int status, std::string_view code, std::string_view message);
HttpResponse store_error_response (const StoreError &error);

} // namespace robotlive::server
