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
#include "server/auth/turncredentials.hpp"
#include "server/http/availabilityroutes.hpp"
#include "server/http/robotroutes.hpp"
#include "server/http/userroutes.hpp"
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
  const TurnCredentials *turn = nullptr;
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
  AuditEvents *events = nullptr;
};

class HttpApi final : public HttpHandler
{
public:
  explicit HttpApi (Services services);

  void on_request (const HttpRequest &request,
      std::function<void (HttpResponse)> reply) override;

  // After a reload.
  void set_services (Services services);

private:
  using Call = HttpCall;
  using CallPtr = HttpCallPtr;

  void log_request (const Call &call, int status) const;
  void note_denied (const Call &call, int status);
  // An administrator does it, to what is another's.
  void note_act (
      const Call &call, const std::string &what, const std::string &target);
  void identify (const CallPtr &call, std::function<void ()> then);
  void dispatch (const CallPtr &call);
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
  void list_sessions (const CallPtr &call);
  void end_session (const CallPtr &call, const std::string &peer_id);
  void audit (const CallPtr &call);
  void audit_events (const CallPtr &call, const AuditQuery &asked,
      const std::string &kind, bool csv);
  static HttpResponse csv_response (
      const char *heading, const std::string &rows);

  // Replies 415 and is false for a body that is not said to be JSON.
  bool need_json (const CallPtr &call);
  // Replies 401 or 403 and is false for who may not.
  bool need_user (const CallPtr &call) { return server::need_user (*call); }
  bool need_admin (const CallPtr &call) { return server::need_admin (*call); }
  // 404 and false if bookings and accounts are the console's.
  bool need_store (const CallPtr &call);

  Services services_;
  UserRoutes users_;
  RobotRoutes robots_;
  AvailabilityRoutes availability_;
  WebFiles files_;
  LoginThrottle throttle_;
  BoundedMap<std::deque<TimeMs>> changes_{10000}; // of bookings, by user
};

} // namespace robotlive::server
