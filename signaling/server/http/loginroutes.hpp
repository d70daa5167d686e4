// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who somebody is, over HTTP: /auth/login, /auth/me, and the keys that grants
// are signed with.
#pragma once
#include "server/app/config.hpp"
#include "server/auth/identity.hpp"
#include "server/auth/throttle.hpp"
#include "server/http/httpcall.hpp"
#include "server/store/storebackend.hpp"

namespace robotlive::server {

class LoginRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Config *config;
    const Keys *keys;
    StoreBackend *store; // null with a console: the accounts are there
    Worker *passwords;
    StoreBackend::Post post; // to the I/O thread
    Log *log;
    AuditEvents *events;
  };
  explicit LoginRoutes (Parts parts) : parts_ (std::move (parts)) {}

  bool route (const HttpCallPtr &call) override;
  void set_limits (const LoginLimits &limits) { throttle_.set_limits (limits); }

private:
  // One that is under way.
  struct Login
  {
    HttpCallPtr call;
    LoginAttempt attempt;
    std::string lane;
    std::string code; // of the second factor; empty: none was given
  };
  void login (const HttpCallPtr &call);
  void check_code (const Login &login, const User &user);
  void unchecked (const Login &login, HttpResponse response);
  void refuse (const Login &login, const std::optional<User> &user,
      const std::string &sentence);
  void let_in (const Login &login, const User &user);
  void note (const Login &login, const std::optional<User> &user,
      const std::string &outcome);
  void me (const HttpCallPtr &call);
  bool may_book (const std::string &role) const;

  Parts parts_;
  LoginThrottle throttle_;
};

} // namespace robotlive::server
