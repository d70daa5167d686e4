// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Security events: who was refused, who administered what, logins, tokens,
// passwords. Each is a line of the log and a row of the audit log. What
// strangers cause is summed up, so that it fills neither.
#pragma once
#include "server/app/log.hpp"
#include "server/store/storebackend.hpp"
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace robotlive::server {

// Everything on the I/O thread; rows are written on the store's worker, in a
// lane of their own. Nobody waits for them.
class AuditEvents
{
public:
  // Both outlive it.
  AuditEvents (StoreBackend &store, Log &log);

  // Some have a line of their own already.
  enum class Line
  {
    Yes,
    No
  };

  // Written as it is: what an administrator does, what a server does.
  void note (AuditEvent event);
  // The first of its kind, actor and address within a minute is written at
  // once, the others as one row with their number when the minute is over.
  void sum (AuditEvent event, Line line = Line::Yes);
  // Each second or so.
  void tick ();
  // The minute's sums, too: before the end.
  void flush ();
  // That found no room.
  std::uint64_t lost () const { return lost_; }

private:
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  struct Sum
  {
    AuditEvent event;
    std::int64_t more = 0; // after the first
    Line line = Line::Yes;
  };

  void say (const AuditEvent &event);
  void queue (AuditEvent event);
  void write ();
  void end_minute ();

  StoreBackend &store_;
  Log &log_;
  std::map<Key, Sum> sums_;   // of this minute
  std::size_t strangers_ = 0; // of these without an actor
  std::chrono::steady_clock::time_point minute_;
  std::vector<AuditEvent> pending_;
  bool writing_ = false;
  std::uint64_t lost_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool> (true);
};

} // namespace robotlive::server
