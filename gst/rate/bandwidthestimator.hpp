// SPDX-License-Identifier: LGPL-2.1-or-later
//
// BandwidthEstimator: how many bits a second the path to one viewer carries,
// after draft-ietf-rmcat-gcc-02: a delay-based controller (gradient of the
// queueing delay by a trend line, section 5) and a loss-based one (section 6);
// the lower of the two counts. It is fed with transport-wide feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01), or, from a peer that
// sends none, with RTCP receiver reports.
//
// Pure: no clock, no I/O, no GStreamer. Times are microseconds of any epoch;
// rates are bit/s. Not thread-safe.
#pragma once
#include "rate/packettrain.hpp"
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace robotlive {

struct PacketReport
{
  std::int64_t sent = 0;                // sender's clock
  std::optional<std::int64_t> received; // receiver's clock; empty: lost
  unsigned size = 0;                    // bytes on the wire
};

enum class RateLimit
{
  None,       // still growing, or at the maximum
  Delay,      // a queue builds up
  Loss,       // more than a tenth of the packets is lost
  NoFeedback, // the peer has fallen silent
};
const char *rate_limit_name (RateLimit limit); // "none", "delay", …

// What a target may be, and what it is before anything is known. bit/s.
struct RateRange
{
  unsigned min = 300000;
  unsigned start = 1500000;
  unsigned max = 2500000;
};

class BandwidthEstimator
{
public:
  explicit BandwidthEstimator (const RateRange &range);

  // One feedback message: packets in the order of sending. *now* is the
  // sender's clock.
  void on_feedback (const std::vector<PacketReport> &packets, std::int64_t now);
  // RTCP receiver report (RFC 3550 6.4.1): *fraction_lost* 0 to 1, *rtt* in
  // microseconds, 0 if unknown. Ignored while there is feedback.
  void on_receiver_report (
      double fraction_lost, std::int64_t rtt, std::int64_t now);
  // Called every 200 ms and whenever the target fell (): notices feedback that
  // stays away while packets are *sending*.
  void on_tick (bool sending, std::int64_t now);

  unsigned target () const;
  // Whether the target has lost a tenth since the last tick: the next one is
  // too late for whoever fills the queue.
  bool fell () const { return target () < kFell * ticked_target_; }
  // When the target has lost two fifths within a second and there is a queue:
  // microseconds that what is under way needs to arrive, else 0.
  std::int64_t drain_time () const;
  // What kept the target down in the last seconds.
  RateLimit limit (std::int64_t now) const;
  // What arrived lately; 0 until known.
  unsigned received_rate () const { return received_rate_; }
  // Until a packet sent now has arrived and been told of, with the queue that
  // there is.
  std::int64_t round_trip () const;
  // ms that the last packets waited on the way.
  double waiting () const { return queue (); }
  // Large pictures arrive more slowly than they were sent, and not many times
  // faster than all others together.
  bool spreads_bursts () const;
  // Fraction lost lately, 0 to 1.
  double loss () const { return loss_; }

private:
  static constexpr double kFell = 0.9;

  enum class Usage
  {
    Normal,
    Over,
    Under
  };
  // Packets that left within a burst are one sample of the delay.
  struct Group
  {
    std::int64_t first_sent = 0, last_sent = 0, last_received = 0;
    unsigned bytes = 0;
  };
  struct Point
  {
    double time;  // ms since the first arrival
    double delay; // ms, smoothed
  };
  struct Arrival
  {
    std::int64_t received;
    unsigned size;
  };

  void take_received (const PacketReport &packet);
  void finish_group ();
  void update_trend (double delta, std::int64_t received, double sent_delta);
  void watch_jump (double delta, double time);
  void detect (double trend, double sent_delta, double received_ms);
  void update_received_rate (const PacketReport &packet);
  unsigned arrived (std::int64_t window) const;
  void update_loss (std::int64_t now);
  void control_delay (std::int64_t now);
  void contradict_trains (double base, std::int64_t now);
  void grow (std::int64_t now);
  void apply_loss (double fraction, std::int64_t now);
  void cut_delay_target (double rate, std::int64_t now);
  double queue () const;
  double queue (double time) const;
  double explained () const;
  double clamped (double rate) const;

  const RateRange range_;
  double delay_target_;
  double loss_target_;

  // Delay gradient.
  std::optional<Group> group_, previous_group_;
  std::int64_t first_arrival_ = 0;
  double accumulated_ = 0, smoothed_ = 0;
  std::deque<Point> points_;
  std::deque<Point> recent_; // accumulated delays, to know the queue
  double queue_ = 0;    // ms: of the last group, without what explained () says
  unsigned rising_ = 0; // groups in a row that queue_ has grown
  double jumped_at_ = -1, jumped_to_ = 0; // ms; at < 0: it did not
  double ahead_ = 0; // bytes that the encoder is ahead of its target
  unsigned deltas_ = 0;
  double threshold_ = 12.5; // ms
  double last_threshold_update_ = 0;
  double previous_trend_ = 0;
  double time_over_ = -1; // ms, < 0: not over
  unsigned over_count_ = 0;
  Usage usage_ = Usage::Normal;

  // Rate control.
  bool hold_ = false;
  std::int64_t last_growth_ = 0, last_decrease_ = 0, last_trouble_ = 0;
  PacketTrains trains_;
  std::int64_t last_sent_ = 0;
  std::int64_t contradicted_ = 0, distrusted_until_ = 0;
  double capacity_ = 0; // received rate when the path was last full; 0: unknown
  std::deque<Arrival> arrivals_;
  std::int64_t newest_arrival_ = 0;
  unsigned received_rate_ = 0;

  // Loss.
  unsigned counted_ = 0, lost_ = 0;
  double reported_loss_ = 0; // sum of as many
  unsigned reports_ = 0;
  double loss_ = 0;
  std::int64_t last_loss_update_ = 0, last_loss_cut_ = 0;

  unsigned ticked_target_ = 0; // at the last tick
  unsigned highest_ = 0;       // target of the last second's ticks
  std::int64_t highest_at_ = 0;
  std::int64_t last_feedback_ = 0, last_report_ = 0;
  std::int64_t last_heard_ = 0, last_silence_cut_ = 0;
  bool silent_ = false;
  std::int64_t min_rtt_ = 0, rtt_ = 100000;
};

} // namespace robotlive
