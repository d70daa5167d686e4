// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/app.hpp"
#include "base/boottime.hpp"
#include "server/app/configkeys.hpp"
#include "server/app/configwarnings.hpp"
#include "server/app/sdnotify.hpp"
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <thread>

namespace robotlive::server {

namespace {

// How far the wall clock is ahead of one that nobody sets.
TimeMs
clock_ahead ()
{
  return wall_now () - boot_now () / 1000000;
}

// That wait for their hash, and of one address.
constexpr std::size_t kMaxLogins = 1024;
constexpr std::size_t kMaxLoginsOfOne = 64;
constexpr auto kPollInterval = std::chrono::seconds (1);
// A key is published for so long before it signs: until then every server of
// the database has seen it, and tells it to a robot that asks.
constexpr auto kPublishedFirst = std::chrono::seconds (3);

} // namespace

App::App (Config config, std::function<Config ()> reload)
    : config_ (std::move (config)), log_ (config_.log_level),
      reload_ (std::move (reload))
{
  auto zone = Zone::find (config_.time_zone);
  if (!zone)
    throw ConfigError ("time-zone: \"" + config_.time_zone + "\" is not known");
  zone_ = std::make_unique<Zone> (*zone);
  auto console = console_url (config_.database);
  auto store = Store::open (config_.store_url ());
  keys_ = std::make_unique<Keys> (Keys::load (config_, store.get ()));
  auto running = store->running_sessions ();
  turn_.set (config_);

  config_.network.log = [this] (std::string_view line) {
    log_.limited (LogLevel::Warning, "network", {{"text", line}});
  };
  network_ = std::make_unique<NetworkServer> (config_.network);
  auto post = [this] (std::function<void ()> fn) {
    network_->post (std::move (fn));
  };
  store_ = std::make_unique<StoreBackend> (std::move (store), post, log_);
  store_->set_policy (rights_policy ());
  events_ = std::make_unique<AuditEvents> (*store_, log_);
  backend_ = store_.get ();
  if (console) {
    ConsoleOptions options;
    options.url = *console;
    options.ca_file = config_.console_ca_file;
    options.timeout_ms = config_.console_timeout_ms;
    options.cache_ms = config_.console_cache_ms;
    console_ = std::make_unique<ConsoleBackend> (options, *zone_, post, log_);
    console_->set_audit (store_.get ());
    backend_ = console_.get ();
  }
  hub_ = std::make_unique<Hub> (
      *network_, *backend_, hub_config (),
      [this] (std::string_view token, TimeMs now, Identity *out) {
        return keys_->check (token, now, out);
      },
      [this] (const std::string &user, TimeMs now, TimeMs end) {
        return turn_.servers (user, now, end);
      });
  hub_->set_log (&log_);
  note_refusals ();
  hub_->set_grant_key (keys_->grants ().newest ());
  hub_->restore (running, wall_now ());
  metrics_ = std::make_unique<Metrics> (
      network_.get (), hub_.get (), [this] { return healthy (); });
  // A hash takes 64 MiB and a core for a while. One of two is for whoever does
  // not log in without end.
  passwords_ = std::make_unique<Worker> (kMaxLogins, kMaxLoginsOfOne,
      std::thread::hardware_concurrency () > 1 ? 2 : 1);
  http_ = std::make_unique<HttpApi> (services ());
  network_->set_handlers (*this, *http_);
  // Bookings were changed while no server ran, maybe: asked before any robot
  // can come back, so that its answer is of what is booked now.
  if (!running.empty ())
    hub_->recheck_all (wall_now ());
}

App::~App ()
{
  // Workers first: what they still post goes nowhere, and is dropped.
  alive_.reset ();
  passwords_.reset ();
  http_.reset ();
  hub_.reset ();
  console_.reset ();
  events_->flush (); // the store's last job
  events_.reset ();
  store_.reset ();
}

bool
App::healthy () const
{
  return store_->healthy () && (!console_ || console_->healthy ());
}

HubConfig
App::hub_config () const
{
  HubConfig r;
  r.issuer = config_.grant_issuer;
  r.allow_anonymous = config_.allow_anonymous;
  r.admin_step_ms = config_.admin_step_ms;
  r.expiry_warning_ms = config_.expiry_warning_ms;
  r.grant_step_ms = config_.grant_step_ms;
  r.robot_grace_ms = config_.robot_grace_ms;
  r.viewer_grace_ms = config_.viewer_grace_ms;
  r.max_viewers = config_.max_viewers;
  r.max_sessions_per_user = config_.max_sessions_per_user;
  r.robot_relay_ms = config_.turn_urls.empty () ? 0 : config_.turn_ttl_ms;
  r.max_sockets_per_user = config_.max_sockets_per_user;
  // A console has no list of robots.
  r.allow_unknown_robots =
      config_.allow_unknown_robots.value_or (console_ != nullptr);
  return r;
}

RightsPolicy
App::rights_policy () const
{
  RightsPolicy policy;
  // A console's accounts are its own, and a public key is another issuer's.
  policy.own_accounts = keys_->can_issue () && !console_url (config_.database);
  policy.foreign_subjects =
      config_.trust_unknown_subjects || !policy.own_accounts;
  return policy;
}

Services
App::services ()
{
  Services s;
  s.config = &config_;
  s.keys = keys_.get ();
  s.turn = &turn_;
  s.zone = zone_.get ();
  s.sockets = network_.get ();
  s.hub = hub_.get ();
  s.backend = backend_;
  s.store = console_ ? nullptr : store_.get ();
  s.audit = store_.get ();
  s.passwords = passwords_.get ();
  s.metrics = metrics_.get ();
  s.post = [this] (
               std::function<void ()> fn) { network_->post (std::move (fn)); };
  s.healthy = [this] { return healthy (); };
  s.log = &log_;
  s.events = events_.get ();
  return s;
}

// At the signalling link: who may not come in, or may not have that robot. Not
// who sends what cannot be read, or too much: that is no question of rights.
void
App::note_refusals ()
{
  hub_->set_on_refused (
      [this] (const std::string &user, const std::string &address,
          const std::string &code, const std::string &message,
          const std::string &robot) {
        bool right = code == "unauthorized" || code == "forbidden" ||
                     code == "no-active-booking" || code == "unknown-robot";
        if (!right)
          return;
        AuditEvent event;
        event.kind = "denied";
        event.actor = user;
        event.what = message;
        event.target = robot;
        event.address = address;
        event.via = "socket";
        event.code = code;
        // The Hub's own line, "refused", says it already.
        events_->sum (std::move (event), AuditEvents::Line::No);
      });
}

void
App::listen ()
{
  bool tls = !config_.network.tls_certificate_file.empty ();
  std::vector<std::string> lines;
  auto add = [&] (const std::string &host, std::uint16_t port) {
    bool v6 = host.find (':') != std::string::npos;
    lines.push_back (
        std::string ("listening on ") + (tls ? "https://" : "http://") +
        (v6 ? "[" + host + "]" : host) + ":" + std::to_string (port));
  };
  for (int fd : systemd_sockets ())
    add ("localhost", network_->listen_fd (fd, tls));
  if (lines.empty ())
    for (const ListenAddress &a : config_.listen) {
      try {
        add (a.host, network_->listen (a.host, a.port, tls));
      } catch (const std::runtime_error &) {
        if (a.host != "::")
          throw;
        // A machine without IPv6.
        add ("0.0.0.0", network_->listen ("0.0.0.0", a.port, tls));
      }
    }
  for (const std::string &line : lines)
    std::cout << line << std::endl;
}

void
App::run ()
{
  if (config_.allow_anonymous)
    warn_of_anonymous ();
  for (const std::string &warning : config_warnings (config_))
    log_.write (LogLevel::Warning, "unsafe", {{"text", warning}});
  network_->on_signal (SIGHUP, [this] { reload_config (); });
  network_->on_signal (SIGTERM, [this] { stop (); });
  network_->on_signal (SIGINT, [this] { stop (); });
  // main () holds it back until somebody listens to it.
  sigset_t hangup;
  sigemptyset (&hangup);
  sigaddset (&hangup, SIGHUP);
  pthread_sigmask (SIG_UNBLOCK, &hangup, nullptr);
  listen ();
  systemd_notify ("READY=1\nSTATUS=Serving");
  clock_ahead_ = clock_ahead ();
  heartbeat ();
  arm ();
  network_->run ();
}

void
App::stop ()
{
  if (stopping_)
    return network_->stop (); // asked twice: at once
  stopping_ = true;
  systemd_notify ("STOPPING=1");
  network_->drain (std::chrono::milliseconds (config_.drain_ms));
}

void
App::warn_of_anonymous ()
{
  log_.write (LogLevel::Warning, "allow-anonymous",
      {{"text", "whoever reaches this server may watch every robot and pose "
                "as one"}});
}

void
App::reload_config ()
{
  systemd_reloading ();
  try {
    Config fresh = reload_ ();
    const auto kept = keep_until_restart (config_, &fresh);
    auto zone = Zone::find (fresh.time_zone);
    if (!zone)
      throw ConfigError ("time-zone is not known");
    // All is taken or nothing: what can be refused comes first.
    auto identity = Keys::key_of_file (fresh);
    TurnCredentials turn;
    turn.set (fresh);
    std::optional<GrantKeys> keys;
    if (!fresh.grant_key_file.empty ())
      keys = GrantKeys::of_file (fresh.grant_key_file);
    if (!config_.network.tls_certificate_file.empty ())
      network_->reload_certificate ();
    if (fresh.allow_anonymous && !config_.allow_anonymous)
      warn_of_anonymous ();
    fresh.network.log = config_.network.log;
    config_ = std::move (fresh);
    *zone_ = *zone;
    turn_ = std::move (turn);
    const bool new_key = keys_->set_identity (
        std::move (identity), Keys::token_policy (config_));
    network_->set_limits (config_.network);
    store_->set_policy (rights_policy ());
    hub_->set_config (hub_config ());
    forget_at_ = {};
    http_->reloaded ();
    log_.set_level (config_.log_level);
    if (keys)
      take_keys (std::move (*keys));
    else
      load_stored_keys ();
    for (const std::string &key : kept)
      log_.write (LogLevel::Warning, "reload-needs-restart", {{"key", key}});
    log_.write (LogLevel::Info, "reloaded");
    AuditEvent event;
    event.kind = "admin-action";
    event.what = "reloaded";
    event.via = "server";
    events_->note (std::move (event));
    // Who is let in may have changed.
    hub_->recheck_tokens (new_key, wall_now ());
    if (!console_)
      hub_->recheck_all (wall_now ());
    arm ();
  } catch (const std::exception &error) {
    log_.write (LogLevel::Error, "reload-failed",
        {{"text", "nothing changed"}, {"reason", error.what ()}});
  }
  systemd_notify ("READY=1");
}

// Made there if it has none: they were in a file before.
void
App::load_stored_keys ()
{
  using Records = std::vector<GrantKeyRecord>;
  store_->ask<Records> (
      [] (Store &store) {
        return store.first_grant_key (
            [] { return JwtKey::generate_es256 ().private_pem (); },
            wall_now ());
      },
      [this, alive = std::weak_ptr<bool> (alive_)] (
          const Records &records, const StoreError *error) {
        if (alive.expired () || !config_.grant_key_file.empty ())
          return;
        try {
          if (error)
            throw ConfigError (error->what ());
          take_keys (GrantKeys::of_records (records));
        } catch (const ConfigError &e) {
          log_.write (
              LogLevel::Error, "grant-keys-failed", {{"reason", e.what ()}});
        }
      });
}

void
App::take_keys (GrantKeys keys)
{
  if (keys == keys_->grants ())
    return;
  keys_->set_grants (std::move (keys));
  log_.write (LogLevel::Info, "grant-keys",
      {{"signs", keys_->grants ().newest ().key_id ()},
          {"keys",
              std::to_string (keys_->grants ().usable (wall_now ()).size ())}});
  network_->schedule (Clock::now () + kPublishedFirst,
      [this] { hub_->set_grant_key (keys_->grants ().newest ()); });
}

// The Hub says when it wants to be called next.
void
App::arm ()
{
  TimeMs at = hub_->next_deadline ();
  if (at == timer_at_)
    return;
  if (timer_ != 0)
    network_->cancel (timer_);
  timer_ = 0;
  timer_at_ = at;
  if (at == kNever)
    return;
  // A day at most: the wall clock may be set meanwhile.
  TimeMs wait = std::clamp<TimeMs> (at - wall_now (), 0, TimeMs{86400} * 1000);
  timer_ = network_->schedule (
      Clock::now () + std::chrono::milliseconds (wait), [this] {
        timer_ = 0;
        timer_at_ = kNever;
        TimeMs now = wall_now ();
        if (hub_->next_deadline () <= now)
          hub_->tick (now);
        arm ();
      });
}

void
App::heartbeat ()
{
  systemd_notify ("WATCHDOG=1");
  watch_clock ();
  arm (); // answers of the backend may have set a deadline
  network_->schedule (Clock::now () + kPollInterval, [this] { heartbeat (); });
  poll_store ();
  store_->write_again ();
  events_->tick ();
  forget_old ();
  if (!console_)
    return;
  // A console says nothing of its own accord.
  TimeMs now = wall_now ();
  if (now >= refresh_at_ || now < refresh_at_ - config_.console_refresh_ms) {
    refresh_at_ = now + config_.console_refresh_ms;
    hub_->recheck_all (now);
  }
}

// NTP moves a clock by less than that from one heartbeat to the next, unless it
// sets it.
void
App::watch_clock ()
{
  constexpr TimeMs kSet = 2000;
  TimeMs ahead = clock_ahead ();
  TimeMs by = ahead - std::exchange (clock_ahead_, ahead);
  if (std::abs (by) < kSet)
    return;
  log_.write (LogLevel::Warning, "clock-set",
      {{"by", (by < 0 ? "-" : "+") +
                  std::to_string ((std::abs (by) + 500) / 1000) + " s"}});
  timer_at_ = 0; // it was armed by the clock of before
  hub_->clock_set (by, wall_now ());
}

// Once an hour: what is over and need not be kept any more.
void
App::forget_old ()
{
  auto now = Clock::now ();
  Retention retention{config_.keep_sessions_ms, config_.keep_addresses_ms,
      config_.keep_bookings_ms, config_.keep_events_ms};
  if (now < forget_at_)
    return;
  forget_at_ = now + std::chrono::hours (1);
  store_->ask<bool> (
      [retention] (Store &store) {
        store.forget_old (retention, wall_now ());
        return true;
      },
      [] (bool, const StoreError *) {});
}

// Other processes (the command line, another server) write to the database as
// well: its revision tells. Not of this one's writes: who makes them looks at
// the one viewer concerned, and a viewer who books must not cause all others to
// be looked at.
void
App::poll_store ()
{
  if (polling_)
    return;
  polling_ = true;
  // What was asked for then has had no answer, and is not asked for again.
  bool down = store_->take_missed () || !store_->healthy ();
  struct News
  {
    std::int64_t revision = -1;
    std::vector<std::string> ends;
    std::vector<GrantKeyRecord> keys;
  };
  store_->ask<News> (
      [known = revision_] (Store &store) {
        News news;
        news.revision = store.others_revision ();
        if (news.revision != known) {
          news.ends = store.requested_ends ();
          news.keys = store.grant_keys ();
        }
        return news;
      },
      [this, down, alive = std::weak_ptr<bool> (alive_)] (
          News news, const StoreError *error) {
        if (alive.expired ())
          return;
        polling_ = false;
        if (error || (news.revision == revision_ && !down))
          return;
        bool first = revision_ < 0;
        revision_ = news.revision;
        for (const std::string &peer_id : news.ends)
          hub_->end_session (peer_id, "revoked", wall_now ());
        if (!news.keys.empty () && config_.grant_key_file.empty ())
          try {
            take_keys (GrantKeys::of_records (news.keys));
          } catch (const ConfigError &e) {
            log_.write (
                LogLevel::Error, "grant-keys-failed", {{"reason", e.what ()}});
          }
        store_->forget_standings ();
        if ((!first || down) && !console_)
          hub_->recheck_all (wall_now ());
        else if (!first || down)
          hub_->recheck_robots (); // a console's people are not ours
        arm ();
      });
}

void
App::on_connect (
    SocketId socket, const HandshakeInfo &info, std::string_view auth)
{
  hub_->connect (socket, info, auth, wall_now ());
  arm ();
}

void
App::on_event (SocketId socket, const Event &event)
{
  hub_->event (socket, event, wall_now ());
  arm ();
}

// That this server closes its links when it ends is nobody's will.
void
App::on_disconnect (SocketId socket, std::string_view reason)
{
  if (stopping_ && reason != "client namespace disconnect")
    return;
  hub_->disconnect (socket, reason, wall_now ());
  arm ();
}

} // namespace robotlive::server
