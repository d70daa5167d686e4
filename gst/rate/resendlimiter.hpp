// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ResendLimiter: which of a viewer's requests to send a packet again (RFC 4585
// section 6.2.1) are answered. A receiver asks for the same packet each 100 ms
// while the answer still waits in a narrow path's queue; answering each time
// fills that path with copies, and the picture with gaps.
//
// Pure: no clock, no I/O, no GStreamer. Microseconds, bit/s. Used by one thread
// at a time, save for set_path ().
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

namespace robotlive {

class ResendLimiter
{
public:
  ResendLimiter ();

  // Any thread. *rate*: what the path carries. *round_trip*: until an answer
  // sent now has arrived and been told of.
  void set_path (unsigned rate, std::int64_t round_trip);

  // True when packet *number* is to be sent again: not again within a round
  // trip, and within a share of the path.
  bool allow (std::uint16_t number, std::int64_t now);

  // Any thread. Packets before *number* are asked for in vain from here on: the
  // picture has begun anew.
  void begin_at (std::uint16_t number) { first_ = number; }
  // Any thread. All are asked for in vain until the picture begins anew.
  void stop () { first_ = kNone; }

  // Any thread. *given_up*: of those refused, for which the path has no room.
  std::uint64_t given_up () const { return given_up_; }
  std::uint64_t refused () const { return refused_; }

private:
  static constexpr std::size_t kRemembered = 1024;
  static constexpr int kAll = -1, kNone = -2; // for first_
  struct Entry
  {
    std::uint16_t number;
    std::int64_t at;
  };

  std::atomic<unsigned> rate_;
  std::atomic<std::int64_t> round_trip_;
  std::array<Entry, kRemembered> sent_; // by the number's lower bits
  double budget_;                       // bits
  std::int64_t filled_at_ = 0;
  std::atomic<std::uint64_t> refused_{0}, given_up_{0};
  std::atomic<int> first_{kAll};
};

} // namespace robotlive
