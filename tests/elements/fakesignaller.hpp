// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Signaller without a network: what the bin sends is kept for the test, what
// the test says reaches the bin on its signaling thread.
#pragma once
#include "client/signaller.hpp"
#include "handover.hpp"
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <glib.h>
#include <map>
#include <memory>
#include <mutex>

namespace robotlive::test {

// Generous: a busy machine is slow, not wrong. Where all is slow (emulation) it
// is stretched as libcheck's own deadlines are.
inline const std::chrono::seconds kDeadline = [] {
  const char *factor = g_getenv ("CK_TIMEOUT_MULTIPLIER");
  return std::chrono::seconds (20) * std::max (factor ? atoi (factor) : 1, 1);
}();

// The test's end of the link. Any thread.
class Link
{
public:
  struct Peer
  {
    std::string answer, leave, limit, error_code, error_message;
    std::vector<IceCandidate> candidates;
  };

  bool wait (const std::function<bool ()> &condition,
      std::chrono::milliseconds limit = kDeadline)
  {
    std::unique_lock<std::mutex> lock (mutex);
    return changed.wait_for (lock, limit, condition);
  }
  Peer peer (const std::string &id)
  {
    std::lock_guard<std::mutex> lock (mutex);
    return peers[id];
  }
  bool wait_answer (const std::string &id)
  {
    return wait ([&] () { return !peers[id].answer.empty (); });
  }
  bool wait_error (const std::string &id)
  {
    return wait ([&] () { return !peers[id].error_code.empty (); });
  }
  // Runs on the bin's signaling thread; false when the link is not up.
  bool call (std::function<void (SignallerListener &)> task)
  {
    struct Call
    {
      std::shared_ptr<SignallerListener *> target;
      std::function<void (SignallerListener &)> task;
    };
    std::lock_guard<std::mutex> lock (mutex);
    if (!context)
      return false;
    GSource *source = g_idle_source_new ();
    g_source_set_priority (source, G_PRIORITY_DEFAULT);
    g_source_set_callback (
        source,
        [] (gpointer data) -> gboolean {
          auto *call = static_cast<Call *> (data);
          taken ();
          if (*call->target)
            call->task (**call->target);
          return G_SOURCE_REMOVE;
        },
        new Call{target, std::move (task)},
        [] (gpointer data) { delete static_cast<Call *> (data); });
    handed ();
    g_source_attach (source, context);
    g_source_unref (source);
    return true;
  }
  template <typename F> void change (F &&edit)
  {
    std::lock_guard<std::mutex> lock (mutex);
    edit ();
    changed.notify_all ();
  }

  std::mutex mutex; // all of the below
  std::condition_variable changed;
  std::map<std::string, Peer> peers;
  GMainContext *context = nullptr;
  unsigned starts = 0, stops = 0;
  std::shared_ptr<SignallerListener *> target;
  // Where candidates of the bin go, besides into peers.
  std::function<void (const std::string &, const IceCandidate &)> on_candidate;
  // Called last of all when the bin sends something: "answer", ...
  std::function<void (const char *what)> on_send;
};

class FakeSignaller final : public Signaller
{
public:
  explicit FakeSignaller (std::shared_ptr<Link> link) : link_ (link) {}

  void start (SignallerListener *listener) override
  {
    link_->change ([&] () {
      link_->starts++;
      link_->target = std::make_shared<SignallerListener *> (listener);
      link_->context = g_main_context_ref_thread_default ();
    });
    listener->on_link_state (LinkState::Registered);
    listener->on_registered ({}, std::nullopt);
  }
  void stop () override
  {
    link_->change ([&] () {
      link_->stops++;
      *link_->target = nullptr;
      g_main_context_unref (link_->context);
      link_->context = nullptr;
    });
  }
  void send_answer (const std::string &, const std::string &id,
      const std::string &sdp) override
  {
    link_->change ([&] () { link_->peers[id].answer = sdp; });
    tell ("answer");
  }
  void send_candidate (const std::string &, const std::string &id,
      const IceCandidate &candidate) override
  {
    std::function<void (const std::string &, const IceCandidate &)> forward;
    link_->change ([&] () {
      link_->peers[id].candidates.push_back (candidate);
      forward = link_->on_candidate;
    });
    if (forward)
      forward (id, candidate);
    tell ("ice-candidate");
  }
  void send_limit (const std::string &, const std::string &id,
      const std::string &limit) override
  {
    link_->change ([&] () { link_->peers[id].limit = limit; });
    tell ("picture-limit");
  }
  void send_leave (const std::string &, const std::string &id,
      const std::string &reason) override
  {
    link_->change ([&] () { link_->peers[id].leave = reason; });
    tell ("leave");
  }
  void send_error (const std::string &, const std::string &id,
      const std::string &code, const std::string &message) override
  {
    link_->change ([&] () {
      link_->peers[id].error_code = code;
      link_->peers[id].error_message = message;
    });
    tell ("error");
  }

private:
  void tell (const char *what)
  {
    std::function<void (const char *)> handler;
    link_->change ([&] () { handler = link_->on_send; });
    if (handler)
      handler (what);
  }

  const std::shared_ptr<Link> link_;
};

} // namespace robotlive::test
