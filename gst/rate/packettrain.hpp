// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PacketTrains: what a path carries, read from packets that left in a row. A
// key frame is such a row, sent faster than a narrow path takes it; at the
// receiver the packets come apart as far as the narrowest link makes them. So
// each key frame probes the path, and nothing has to be sent for it.
//
// Says how much a path carries when nobody else uses it, and too much of one
// that hands packets over in bunches: a hint how fast to grow, not a target.
//
// Pure, as BandwidthEstimator, whose part it is. Microseconds, bit/s.
#pragma once
#include <cstdint>
#include <deque>

namespace robotlive {

class PacketTrains
{
public:
  // A packet that arrived, in the order of sending.
  void add (std::int64_t sent, std::int64_t received, unsigned size);
  // What the last two have in common, that is the lower; 0 while there is none
  // of late. *now* is of the clock of *sent*.
  double capacity (std::int64_t now) const;
  // The higher of the two, if the path has spread both out: it carries no more
  // than that. 0 otherwise.
  double ceiling (std::int64_t now) const;
  void clear ();

private:
  struct Train
  {
    std::int64_t first_sent, last_sent;
    std::int64_t marked_sent, marked_at, last_received;
    std::uint64_t bytes, marked_bytes;
  };
  struct Sample
  {
    std::int64_t at;
    double rate;
    bool exact;
  };

  void finish ();

  bool running_ = false;
  Train train_ = {};
  std::deque<Sample> samples_;
};

} // namespace robotlive
