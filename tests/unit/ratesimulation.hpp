// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One viewer's stream, simulated: an encoder that obeys late and makes key
// frames, a shaped link (token bucket, drop-tail queue, delay, jitter, loss),
// the receiver's feedback, and the two classes under test between them.
// Deterministic: the same run each time.
#pragma once
#include "rate/ratecontrol.hpp"
#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

namespace robotlive::test {

constexpr std::int64_t kMs = 1000;
constexpr std::int64_t kSec = 1000 * kMs;

struct Link
{
  std::function<double (std::int64_t)> rate = [] (std::int64_t) {
    return 100e6;
  };
  double bucket = 8000;           // bytes that pass at once
  std::int64_t queue = 200 * kMs; // longest wait before a packet is dropped
  std::int64_t delay = 10 * kMs;  // one way, the other as well
  std::int64_t jitter = 0;        // up to this much more, in order
  double loss = 0;                // not by the queue
};

struct Encoder
{
  double obeys = 1;    // share of what it is asked for that it makes
  double lag = 0.4;    // s, of a first-order answer to a new target
  double spread = 0.3; // of picture sizes
  double key = 5;      // size of a key frame, in pictures
  unsigned keys = 60;  // pictures from one to the next
  std::int64_t interval = 33333;
  std::int64_t pacing = 0; // a picture's packets leave over this time
};

class Stream
{
public:
  Link link;
  Encoder encoder;
  bool feedback = true;
  bool reports = false; // RTCP receiver reports
  bool bunches = false; // what waits arrives together, each 20 ms
  std::int64_t feedback_interval = 100 * kMs;
  std::int64_t update_interval = 200 * kMs; // of the control
  BandwidthEstimator estimator;
  RateControl control;
  std::int64_t now = 1000 * kSec;
  unsigned least = ~0u; // target since measure ()
  // As the viewer's branch does it: after a collapse nothing leaves until the
  // queue has drained, and then a key frame.
  bool drains_wanted = false;
  unsigned drains = 0;
  std::int64_t drained_at = 0;

  explicit Stream (const RateRange &range = {})
      : estimator (range), control (range, RatePolicy::SlowestViewer),
        making_ (range.start)
  {
  }

  void run (
      double seconds, const std::function<void ()> &each = [] {})
  {
    const auto end = now + static_cast<std::int64_t> (seconds * kSec);
    while (now < end) {
      send_picture ();
      now += encoder.interval;
      if (feedback && now - last_feedback_ >= feedback_interval)
        give_feedback ();
      if (reports && now - last_feedback_ >= feedback_interval)
        give_report ();
      if (now - last_update_ >= update_interval)
        update ();
      least = std::min (least, estimator.target ());
      each ();
    }
  }

  // Forgets what was measured until now.
  void measure ()
  {
    waits_.clear ();
    sent_ = dropped_ = 0;
    bytes_ = 0;
    since_ = now;
    least = estimator.target ();
  }
  // Of whole pictures, until the last packet has arrived, ms.
  double latency (double quantile) const
  {
    auto waits = waits_;
    std::sort (waits.begin (), waits.end ());
    return waits.empty ()
               ? 0
               : waits[std::min (waits.size () - 1,
                     static_cast<std::size_t> (waits.size () * quantile))];
  }
  double lost () const { return sent_ ? double (dropped_) / sent_ : 0; }
  double bitrate () const { return bytes_ * 8e6 / double (now - since_); }

private:
  void update ()
  {
    last_update_ = now;
    estimator.on_tick (true, now);
    control.set_viewer ("viewer", estimator.target (),
        estimator.limit (now) != RateLimit::None);
    control.update (0, now);
  }

  // An encoder with a rate control: what a key frame costs the others save.
  double picture_bytes ()
  {
    const double step = encoder.interval / 1e6;
    making_ += (control.target () * encoder.obeys - making_) *
               (1 - std::exp (-step / encoder.lag));
    const double mean = making_ * step / 8;
    const bool key = encoder.keys && count_ % encoder.keys == 0;
    count_++;
    if (key)
      return mean * encoder.key;
    const double rest = encoder.keys > 1
                            ? (encoder.keys - encoder.key) / (encoder.keys - 1)
                            : 1;
    return mean * rest * (1 + encoder.spread * (uniform_ (random_) * 2 - 1));
  }

  void send_picture ()
  {
    const double bytes = picture_bytes ();
    if (now < silent_until_) {
      count_ = 0; // the next one is a key frame
      return;
    }
    const auto packets = static_cast<int> (std::ceil (bytes / 1180));
    std::int64_t last = 0;
    for (int i = 0; i < packets; i++) {
      PacketReport packet;
      packet.sent = now + encoder.pacing * i / packets + 50 * i;
      packet.size = static_cast<unsigned> (bytes / packets) + 40;
      carry (packet);
      if (packet.received)
        last = *packet.received - kClock;
      sent_++;
      dropped_ += !packet.received;
      in_flight_.push_back (packet);
    }
    if (last)
      waits_.push_back ((last - now) / 1e3);
  }

  // As tbf does it: a bucket of tokens, a queue before it.
  void carry (PacketReport &packet)
  {
    const double rate = link.rate (packet.sent);
    const std::int64_t start = std::max (packet.sent, link_free_);
    if (start - packet.sent > link.queue)
      return;
    tokens_ =
        std::min (link.bucket, tokens_ + (start - tokens_at_) * rate / 8e6);
    tokens_at_ = start;
    link_free_ = start;
    tokens_ -= packet.size;
    if (tokens_ < 0) {
      link_free_ += static_cast<std::int64_t> (-tokens_ * 8e6 / rate);
      tokens_ = 0;
      tokens_at_ = link_free_;
    }
    bytes_ += packet.size;
    if (uniform_ (random_) < link.loss)
      return;
    std::int64_t arrival = link_free_ + link.delay;
    if (link.jitter)
      arrival += static_cast<std::int64_t> (uniform_ (random_) * link.jitter);
    if (bunches)
      arrival += 20 * kMs - arrival % (20 * kMs);
    last_arrival_ = std::max (arrival, last_arrival_);
    packet.received = last_arrival_ + kClock; // another clock
  }

  void give_feedback ()
  {
    last_feedback_ = now;
    std::vector<PacketReport> packets;
    // What comes behind a lost packet tells of it.
    std::size_t known = 0;
    for (std::size_t i = 0; i < in_flight_.size (); i++)
      if (in_flight_[i].received &&
          *in_flight_[i].received - kClock + link.delay <= now)
        known = i + 1;
    packets.assign (in_flight_.begin (), in_flight_.begin () + known);
    in_flight_.erase (in_flight_.begin (), in_flight_.begin () + known);
    if (packets.empty ())
      return;
    estimator.on_feedback (packets, now);
    if (!estimator.fell ())
      return;
    if (const auto time = estimator.drain_time ();
        time && now - drained_at >= 2 * kSec) {
      drains++;
      drained_at = now;
      silent_until_ = drains_wanted ? now + time : 0;
    }
    update ();
  }

  // RFC 3550 section 6.4.1. The round trip is that of a packet that arrives
  // now.
  void give_report ()
  {
    last_feedback_ = now;
    std::size_t known = 0, lost = 0;
    std::int64_t last = 0;
    for (const PacketReport &packet : in_flight_) {
      if (packet.received && *packet.received - kClock + link.delay > now)
        break;
      known++;
      lost += !packet.received;
      if (packet.received)
        last = *packet.received - kClock - packet.sent;
    }
    in_flight_.erase (in_flight_.begin (), in_flight_.begin () + known);
    if (last)
      estimator.on_receiver_report (
          double (lost) / known, last + link.delay, now);
  }

  static constexpr std::int64_t kClock = 12345 * kSec;
  std::minstd_rand random_{42};
  std::uniform_real_distribution<double> uniform_{0, 1};
  double making_;
  unsigned count_ = 0;
  std::deque<PacketReport> in_flight_;
  std::vector<double> waits_;
  std::uint64_t sent_ = 0, dropped_ = 0;
  double bytes_ = 0;
  std::int64_t since_ = 0;
  double tokens_ = 0;
  std::int64_t tokens_at_ = 0, link_free_ = 0, last_arrival_ = 0;
  std::int64_t last_feedback_ = 0, last_update_ = 0, silent_until_ = 0;
};

} // namespace robotlive::test
