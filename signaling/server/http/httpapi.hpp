// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The HTTP API of signaling/PROTOCOL.md and the viewer page: who asks, and
// which group of routes answers. Everything runs on the I/O thread; the store
// and the password hash are asked on workers.
#pragma once
#include "server/http/auditroutes.hpp"
#include "server/http/availabilityroutes.hpp"
#include "server/http/bookingroutes.hpp"
#include "server/http/loginroutes.hpp"
#include "server/http/operationroutes.hpp"
#include "server/http/robotroutes.hpp"
#include "server/http/sessionroutes.hpp"
#include "server/http/userroutes.hpp"
#include "server/http/webfiles.hpp"
#include <memory>
#include <vector>

namespace robotlive::server {

// What the groups of routes are made of; each is given its own part. Owned by
// App.
struct Services
{
  const Config *config = nullptr;
  const Keys *keys = nullptr;
  const TurnCredentials *turn = nullptr;
  const Zone *zone = nullptr;
  SocketServer *sockets = nullptr;
  Hub *hub = nullptr;
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

  // The configuration is another.
  void reloaded ();

private:
  using Call = HttpCall;
  using CallPtr = HttpCallPtr;

  void log_request (const Call &call, int status) const;
  void note_denied (const Call &call, int status);
  void identify (const CallPtr &call, std::function<void ()> then);
  void dispatch (const CallPtr &call);
  // Replies 415 and is false for a body that is not said to be JSON.
  bool need_json (const CallPtr &call);

  const Services services_;
  std::vector<std::unique_ptr<Routes>> routes_;
  LoginRoutes *login_; // one of them
  WebFiles files_;
};

} // namespace robotlive::server
