// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Accounts over HTTP: administrators' /users, and what people do with their
// own (/auth/password, /auth/logout).
#pragma once
#include "server/app/config.hpp"
#include "server/auth/identity.hpp"
#include "server/auth/throttle.hpp"
#include "server/http/httpcall.hpp"
#include "server/hub/hub.hpp"
#include "server/store/storebackend.hpp"

namespace robotlive::server {

class UserRoutes final : public Routes
{
public:
  // All of it outlives the routes.
  struct Parts
  {
    const Config *config;
    const Keys *keys;
    Hub *hub;
    StoreBackend *store;   // null with a console: the accounts are there
    StoreBackend *records; // where revoked tokens are written down
    Worker *passwords;
    StoreBackend::Post post;
    AuditEvents *events;
  };
  explicit UserRoutes (Parts parts) : parts_ (std::move (parts)) {}

  bool route (const HttpCallPtr &call) override;

private:
  using Reply = std::function<void (User, const StoreError *)>;

  void list (const HttpCallPtr &call);
  void show (const HttpCallPtr &call);
  void add (const HttpCallPtr &call);
  void change (const HttpCallPtr &call);
  void remove (const HttpCallPtr &call);
  void logout_user (const HttpCallPtr &call);
  void export_user (const HttpCallPtr &call, const std::string &id);
  void make_link (
      const HttpCallPtr &call, const std::string &id, User user, int status);
  void logout (const HttpCallPtr &call);
  void set_password (const HttpCallPtr &call);
  void use_link (const HttpCallPtr &call, const std::string &link,
      const std::string &password);
  void store_password (const HttpCallPtr &call, const std::string &id,
      const std::string &password, bool log_in);

  // Hashes on the worker; 503 if too many wait.
  void hash (const HttpCallPtr &call, const std::string &password,
      std::function<void (std::string)> then);
  // The account is not what it was: sockets and sessions follow.
  void changed (const std::string &id);
  // What an administrator did to an account.
  void say (const HttpCallPtr &call, const std::string &what,
      const std::string &whom);

  Parts parts_;
  LoginThrottle guesses_; // at one's own current password
};

} // namespace robotlive::server
