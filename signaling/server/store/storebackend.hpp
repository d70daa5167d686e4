// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Hub's Backend on the embedded Store: asked on a worker thread.
#pragma once
#include "server/app/boundedmap.hpp"
#include "server/app/log.hpp"
#include "server/hub/backend.hpp"
#include "server/store/rights.hpp"
#include "server/store/worker.hpp"
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace robotlive::server {

class StoreBackend final : public Backend
{
public:
  using Post =
      std::function<void (std::function<void ()>)>; // to the I/O thread

  StoreBackend (std::unique_ptr<Store> store, Post post, Log &log);

  void set_policy (const RightsPolicy &policy);
  // Who the bearer of *token*, which says *identity*, is now. Answers are kept
  // for a second; forget_standings () drops them after a change.
  void who (const Identity &identity, const std::string &token,
      std::function<void (const Standing &)> reply);
  void forget_standings ();

  void find_viewer (const Identity &identity, const std::string &token,
      const std::string &robot,
      std::function<void (const ViewerAnswer &, TimeMs)> reply) override;
  void find_robot (const Identity &identity,
      std::function<void (const RobotAnswer &, TimeMs)> reply) override;
  // What the store does not take is kept for write_again ().
  void session_changed (const SessionEntry &entry) override;
  // Now and then: sessions that are not written yet.
  void write_again ();

  // Runs *question* on the worker, then *reply* on the I/O thread with its
  // result and no error, or with a default result and the error. Questions of
  // one *lane* (an account, an address) are answered in order, lanes in turn.
  template <typename Result>
  void ask_for (const std::string &lane,
      std::function<Result (Store &)> question,
      std::function<void (Result, const StoreError *)> reply)
  {
    post_question (*store_, worker_, lane, question, reply);
  }
  template <typename Result>
  void ask (std::function<Result (Store &)> question,
      std::function<void (Result, const StoreError *)> reply)
  {
    ask_for ("", std::move (question), std::move (reply));
  }
  // Who may come in: a connection and a thread of its own, for questions that
  // only read. Whoever writes holds nobody up at the door.
  template <typename Result>
  void ask_at_door (const std::string &lane,
      std::function<Result (Store &)> question,
      std::function<void (Result, const StoreError *)> reply)
  {
    post_question (*door_store_, door_, lane, question, reply);
  }

  // Whether a right could not be asked for since the last call: it has to be
  // asked for again.
  bool take_missed () { return std::exchange (missed_, false); }
  // The last question was answered.
  bool healthy () const { return healthy_; }
  // For tests: of the sessions that the database has not taken yet, the newest
  // so many are kept.
  void keep_unwritten (std::size_t most) { most_unwritten_ = most; }

private:
  template <typename Result>
  void post_question (Store &store, Worker &worker, const std::string &lane,
      std::function<Result (Store &)> question,
      std::function<void (Result, const StoreError *)> reply)
  {
    bool queued = worker.post (lane, [this, &store, question, reply] {
      auto error = std::make_shared<std::optional<StoreError>> ();
      auto result = std::make_shared<Result> ();
      try {
        *result = question (store);
      } catch (const StoreError &e) {
        *error = e;
      } catch (const std::exception &e) {
        *error = StoreError (StoreError::Unavailable, e.what ());
      }
      bool down = *error && (*error)->kind == StoreError::Unavailable;
      bool changed = healthy_.exchange (!down) == down;
      post_ ([result, error, reply, down, changed, &log = log_] {
        if (changed)
          say_health (log, down ? (*error)->what () : nullptr);
        reply (std::move (*result), *error ? &**error : nullptr);
      });
    });
    if (!queued) {
      StoreError busy (StoreError::Unavailable, "too many requests wait");
      reply (Result (), &busy);
    }
  }

  // *why*: it is down.
  static void say_health (Log &log, const char *why);

  struct Unwritten
  {
    SessionEntry entry;
    std::uint64_t version = 0;
    // What the row that it goes on with may be called.
    std::vector<std::string> replaces;
  };
  void write (const Unwritten &state);
  // The row that a viewer's latest session with a robot has in the audit log.
  struct Row
  {
    std::string peer_id;
    TimeMs started_at = 0;
    TimeMs ended_at = 0;
  };
  struct Known
  {
    Standing standing;
    std::chrono::steady_clock::time_point until;
  };
  std::unique_ptr<Store> store_; // the worker's
  RightsPolicy policy_;
  std::map<std::string, Known> standings_; // by token
  std::uint64_t forgotten_ = 0;
  bool missed_ = false;
  std::unique_ptr<Store> door_store_;
  Post post_;
  Log &log_;
  std::map<std::string, Unwritten> unwritten_; // by peer id, the newest state
  std::size_t most_unwritten_ = 10000;
  std::uint64_t last_version_ = 0;
  std::size_t writing_ = 0;
  std::atomic<bool> healthy_{true};
  BoundedMap<Row> rows_{10000}; // by viewer and robot
  // Last: ended before the stores go.
  Worker worker_;
  Worker door_;
};

} // namespace robotlive::server
