// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/packettrain.hpp"
#include <algorithm>

namespace robotlive {

namespace {

constexpr std::int64_t kGap = 4000;     // us; a longer one ends the train
constexpr std::int64_t kLength = 60000; // us; nor is it longer than this
// A shaper lets some kilobytes pass at once: they tell nothing.
constexpr std::uint64_t kSkipped = 8500;
constexpr std::uint64_t kLeast = 4500;     // bytes after those
constexpr double kSpread = 1.2;            // longer than it was sent
constexpr std::int64_t kResolution = 1000; // us, of arrivals
constexpr std::int64_t kMemory = 5000000;
constexpr std::size_t kSamples = 2;

} // namespace

void
PacketTrains::clear ()
{
  running_ = false;
  samples_.clear ();
}

void
PacketTrains::add (std::int64_t sent, std::int64_t received, unsigned size)
{
  if (running_ && sent < train_.last_sent)
    return;
  if (running_ &&
      (sent - train_.last_sent > kGap || sent - train_.first_sent > kLength))
    finish ();
  if (!running_) {
    running_ = true;
    train_ = {sent, sent, sent, received, received, size, size};
    return;
  }
  train_.last_sent = sent;
  train_.last_received = std::max (train_.last_received, received);
  train_.bytes += size;
  if (train_.bytes <= kSkipped) {
    train_.marked_bytes = train_.bytes;
    train_.marked_sent = sent;
    train_.marked_at = train_.last_received;
  }
}

void
PacketTrains::finish ()
{
  running_ = false;
  const std::uint64_t bytes = train_.bytes - train_.marked_bytes;
  if (train_.bytes < kSkipped || bytes < kLeast)
    return;
  const std::int64_t span =
      std::max (train_.last_received - train_.marked_at, kResolution);
  const bool exact =
      double (span) > kSpread * double (train_.last_sent - train_.marked_sent);
  samples_.push_back ({train_.last_sent, bytes * 8e6 / double (span), exact});
  if (samples_.size () > kSamples)
    samples_.pop_front ();
}

double
PacketTrains::capacity (std::int64_t now) const
{
  double least = 0;
  for (const Sample &sample : samples_)
    if (now - sample.at < kMemory && (least == 0 || sample.rate < least))
      least = sample.rate;
  return least;
}

double
PacketTrains::ceiling (std::int64_t now) const
{
  double most = 0;
  for (const Sample &sample : samples_) {
    if (now - sample.at >= kMemory)
      continue;
    if (!sample.exact)
      return 0;
    most = std::max (most, sample.rate);
  }
  return most;
}

} // namespace robotlive
