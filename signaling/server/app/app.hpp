// SPDX-License-Identifier: LGPL-2.1-or-later
//
// App: the running server. Owns network, Hub, store and HTTP API, turns the
// transport's calls into Hub's with the time of day, keeps the Hub's timer,
// looks for changes that others made of the bookings, and answers signals.
#pragma once
#include "server/console/consolebackend.hpp"
#include "server/http/httpapi.hpp"
#include <memory>

namespace robotlive::server {

class App final : public SocketHandler
{
public:
  // *reload* reads the configuration anew (SIGHUP). Throws ConfigError,
  // StoreError, std::runtime_error.
  App (Config config, std::function<Config ()> reload);
  ~App () override;

  // Until SIGTERM or SIGINT.
  void run ();

  void on_connect (SocketId socket, const HandshakeInfo &info,
      std::string_view auth) override;
  void on_event (SocketId socket, const Event &event) override;
  void on_disconnect (SocketId socket, std::string_view reason) override;

private:
  void note_refusals ();
  void listen ();
  void arm ();
  void heartbeat ();
  void watch_clock ();
  void poll_store ();
  void forget_old ();
  void warn_of_anonymous ();
  void reload_config ();
  void load_stored_keys ();
  void take_keys (GrantKeys keys);
  void stop ();
  HubConfig hub_config () const;
  RightsPolicy rights_policy () const;
  Services services ();
  bool healthy () const;

  Config config_;
  Log log_;
  std::function<Config ()> reload_;
  std::unique_ptr<Zone> zone_;
  std::unique_ptr<Keys> keys_;
  TurnCredentials turn_;
  std::unique_ptr<NetworkServer> network_;
  std::unique_ptr<StoreBackend> store_; // with a console: for sessions alone
  std::unique_ptr<AuditEvents> events_;
  std::unique_ptr<ConsoleBackend> console_;
  Backend *backend_ = nullptr;
  // Answers of the store that are looked at after the end are dropped.
  std::shared_ptr<bool> alive_ = std::make_shared<bool> (true);
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Worker> passwords_;
  std::unique_ptr<HttpApi> http_;
  std::uint64_t timer_ = 0;
  TimeMs timer_at_ = kNever;
  TimeMs clock_ahead_ = 0; // of CLOCK_BOOTTIME, by the wall clock
  std::int64_t revision_ = -1;
  TimeMs refresh_at_ = 0;
  Clock::time_point forget_at_{}; // the next time that old rows go
  bool polling_ = false;
  bool stopping_ = false;
};

} // namespace robotlive::server
