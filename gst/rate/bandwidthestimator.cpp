// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rate/bandwidthestimator.hpp"
#include <algorithm>
#include <cmath>

namespace robotlive {

namespace {

constexpr std::int64_t kSecond = 1000000;

// draft-ietf-rmcat-gcc-02 section 5.2: packets sent within 5 ms are a group.
constexpr std::int64_t kBurst = 5000;
constexpr std::size_t kTrendPoints = 20;
constexpr double kSmoothing = 0.9;
constexpr double kTrendGain = 4.0;
constexpr unsigned kTrendDeltas = 60;
// Section 5.4: the threshold follows the trend, slowly up and faster down, so
// that it neither starves beside TCP nor takes jitter for a queue.
constexpr double kThresholdUp = 0.0087;
constexpr double kThresholdDown = 0.039;
constexpr double kThresholdMin = 6, kThresholdMax = 600; // ms
constexpr double kOverTime = 10;                         // ms
// Section 5.5.
constexpr double kDecrease = 0.85;
constexpr double kGrowth = 1.08; // a second, far from the known capacity
// The longer nothing has spoken against it, the faster.
constexpr double kWider = 1.15; // than the known capacity
constexpr double kGrowthLater = 1.2;
constexpr std::int64_t kClean = 4 * kSecond;
// As long as the last bursts have shown that there is room.
constexpr double kGrowthWithRoom = 1.4;
constexpr double kRoom = 0.88, kFull = 0.95;
constexpr double kNarrow = 4, kNear = 0.8;
constexpr double kContradiction = 0.8;
// A path whose bursts promised too much is not believed again for this long.
constexpr std::int64_t kDistrust = 30 * kSecond;
// An encoder may be ahead of its target by as much as this: key frames.
constexpr double kAhead = 0.6; // s
// Headers are not in the target; and without some margin chance adds up.
constexpr double kDrain = 1.15;
constexpr double kBefore = 1000;     // ms
constexpr double kAheadMemory = 700; // ms
// A queue of this length that nothing explains and that still grows need not
// wait for the trend.
constexpr double kSudden = 70;  // ms
constexpr unsigned kRising = 3; // groups
// A delay that grows by so much from one group to the next, and by no more in
// the time after, is that of a longer route.
constexpr double kJump = 25;       // ms
constexpr double kJumpWatch = 150; // ms
constexpr double kExplained = 0.7; // of it, by the size of the picture
// A queue this long drains too slowly at 0.85 of the capacity: pictures would
// be late for seconds.
constexpr double kLongQueue = 120; // ms
constexpr double kDecreaseLongQueue = 0.65;
constexpr double kCollapsed = 0.6;
constexpr double kLongestDrain = 500e3;      // us
constexpr double kQueueMemory = 10000;       // ms
constexpr std::int64_t kRateWindow = 500000; // us
constexpr std::int64_t kShortWindow = 150000;
constexpr std::size_t kMaxArrivals = 4096;
constexpr std::int64_t kClockJump = 3 * kSecond;
constexpr std::int64_t kLossInterval = kSecond;
// So much of it is not waited for that long.
constexpr double kHeavyLoss = 0.2;
constexpr std::int64_t kHeavyLossInterval = 200000;
constexpr unsigned kLossPackets = 20;
constexpr double kArriving = 0.6;
// Feedback comes several times a second while packets arrive.
constexpr std::int64_t kSilence = 2 * kSecond;
// Receiver reports come about once a second.
constexpr std::int64_t kReportSilence = 6 * kSecond;
constexpr double kSilenceFactor = 0.7;
constexpr std::int64_t kRecent = 10 * kSecond; // for limit ()
constexpr double kPacketBits = 1200 * 8;
// Without feedback a round trip this much above the shortest one is a queue.
constexpr std::int64_t kLongRoundTrip = 150000;
constexpr double kDecreaseUntold = 0.7;        // of what is not known to arrive
constexpr std::int64_t kRoundTripDrift = 2000; // us a report: paths change

} // namespace

const char *
rate_limit_name (RateLimit limit)
{
  switch (limit) {
    case RateLimit::Delay:
      return "delay";
    case RateLimit::Loss:
      return "loss";
    case RateLimit::NoFeedback:
      return "no-feedback";
    case RateLimit::None:
      break;
  }
  return "none";
}

BandwidthEstimator::BandwidthEstimator (const RateRange &range)
    : range_ (range), delay_target_ (range.start), loss_target_ (range.start)
{
}

double
BandwidthEstimator::clamped (double rate) const
{
  return std::clamp (rate, double (range_.min), double (range_.max));
}

unsigned
BandwidthEstimator::target () const
{
  return static_cast<unsigned> (
      clamped (std::min (delay_target_, loss_target_)));
}

void
BandwidthEstimator::on_feedback (
    const std::vector<PacketReport> &packets, std::int64_t now)
{
  if (packets.empty ())
    return;
  last_feedback_ = now;
  for (const PacketReport &packet : packets) {
    counted_++;
    if (packet.received)
      take_received (packet);
    else
      lost_++;
  }
  control_delay (now);
  update_loss (now);
}

void
BandwidthEstimator::take_received (const PacketReport &packet)
{
  update_received_rate (packet);
  last_sent_ = std::max (last_sent_, packet.sent);
  const std::int64_t received = *packet.received;
  trains_.add (packet.sent, received, packet.size);
  if (group_ && packet.sent < group_->first_sent)
    return; // late news of a packet that others have overtaken
  if (group_ && packet.sent - group_->first_sent > kBurst) {
    finish_group ();
    group_.reset ();
  }
  if (!group_)
    group_ = Group{packet.sent, packet.sent, received, 0};
  group_->last_sent = std::max (group_->last_sent, packet.sent);
  group_->last_received = std::max (group_->last_received, received);
  group_->bytes += packet.size;
}

void
BandwidthEstimator::finish_group ()
{
  if (!previous_group_) {
    first_arrival_ = group_->last_received;
    previous_group_ = group_;
    return;
  }
  const double sent = (group_->last_sent - previous_group_->last_sent) / 1e3;
  const double received =
      (group_->last_received - previous_group_->last_received) / 1e3;
  previous_group_ = group_;
  // A receiver whose clock jumped says nothing about the path.
  if (std::abs (received - sent) > kClockJump / 1e3) {
    points_.clear ();
    recent_.clear ();
    trains_.clear ();
    accumulated_ = smoothed_ = 0;
    deltas_ = 0;
    jumped_at_ = -1;
    return;
  }
  // What the encoder is ahead of its target by, after this group.
  const double bytes_a_ms = kDrain * target () / 8e3;
  // On a path that is known to be wide it is gone sooner.
  const double drained =
      sent * std::max (bytes_a_ms, trains_.capacity (last_sent_) / 8e3);
  ahead_ = std::clamp (ahead_ * std::exp (-sent / kAheadMemory) - drained, 0.0,
               kAhead * 1e3 * bytes_a_ms) +
           group_->bytes;
  update_trend (received - sent, group_->last_received, sent);
}

// ms that the last group had to wait because of what the encoder sent in one
// go: a key frame makes a queue on each narrow path, and it is gone before the
// next. That is no reason to send less.
double
BandwidthEstimator::explained () const
{
  const double capacity =
      std::max<double> (trains_.capacity (last_sent_), target ());
  return ahead_ * 8e3 / capacity;
}

void
BandwidthEstimator::update_trend (
    double delta, std::int64_t received, double sent_delta)
{
  deltas_ = std::min (deltas_ + 1, kTrendDeltas);
  accumulated_ += delta;
  const double time = (received - first_arrival_) / 1e3;
  recent_.push_back ({time, accumulated_});
  while (recent_.front ().time < time - kQueueMemory || recent_.size () > 1000)
    recent_.pop_front ();
  const double before = queue_;
  // A burst does not explain what was there before it: a longer route, say.
  queue_ = std::max (queue () - explained (), queue (time - kBefore));
  rising_ = queue_ > before ? rising_ + 1 : 0;
  watch_jump (delta, time);
  smoothed_ = kSmoothing * smoothed_ + (1 - kSmoothing) * queue_;
  points_.push_back ({time, smoothed_});
  if (points_.size () > kTrendPoints)
    points_.pop_front ();

  double trend = previous_trend_;
  if (points_.size () == kTrendPoints) { // least squares
    double mean_time = 0, mean_delay = 0;
    for (const Point &p : points_) {
      mean_time += p.time / kTrendPoints;
      mean_delay += p.delay / kTrendPoints;
    }
    double numerator = 0, denominator = 0;
    for (const Point &p : points_) {
      numerator += (p.time - mean_time) * (p.delay - mean_delay);
      denominator += (p.time - mean_time) * (p.time - mean_time);
    }
    if (denominator > 0)
      trend = numerator / denominator;
  }
  detect (trend, sent_delta, time);
}

// Each queue goes on growing for a while; what the delay is on another route
// it is at once.
void
BandwidthEstimator::watch_jump (double delta, double time)
{
  if (jumped_at_ < 0) {
    // Where there is a queue already, it is one.
    if (delta > kJump && explained () < kExplained * delta &&
        queue () < delta + kJump && deltas_ > 1) {
      jumped_at_ = time;
      jumped_to_ = queue_;
    }
    return;
  }
  if (queue_ > jumped_to_ + kJump) {
    jumped_at_ = -1;
  } else if (time - jumped_at_ > kJumpWatch) {
    while (recent_.front ().time < jumped_at_)
      recent_.pop_front ();
    jumped_at_ = -1;
    points_.clear ();
    rising_ = 0;
    queue_ = smoothed_ = std::max (queue () - explained (), 0.0);
    previous_trend_ = 0;
  }
}

void
BandwidthEstimator::detect (double trend, double sent_delta, double received_ms)
{
  if (deltas_ < 2)
    return;
  const double modified = deltas_ * trend * kTrendGain;
  if (modified > threshold_) {
    time_over_ = time_over_ < 0 ? sent_delta / 2 : time_over_ + sent_delta;
    over_count_++;
    if (time_over_ > kOverTime && over_count_ > 1 && trend >= previous_trend_) {
      time_over_ = 0;
      over_count_ = 0;
      usage_ = Usage::Over;
    }
  } else {
    time_over_ = -1;
    over_count_ = 0;
    usage_ = modified < -threshold_ ? Usage::Under : Usage::Normal;
  }
  previous_trend_ = trend;
  if (jumped_at_ >= 0)
    usage_ = Usage::Under; // waits for what comes of it
  else if (queue_ > kSudden && rising_ >= kRising)
    usage_ = Usage::Over;

  // A spike far above is a route change, not jitter: the threshold stays.
  const double magnitude = std::abs (modified);
  if (magnitude <= threshold_ + 15) {
    const double gain = magnitude < threshold_ ? kThresholdDown : kThresholdUp;
    const double elapsed =
        std::clamp (received_ms - last_threshold_update_, 0.0, 100.0);
    threshold_ =
        std::clamp (threshold_ + gain * (magnitude - threshold_) * elapsed,
            kThresholdMin, kThresholdMax);
  }
  last_threshold_update_ = received_ms;
}

void
BandwidthEstimator::update_received_rate (const PacketReport &packet)
{
  // A clock that jumped: what came before has no place on it.
  if (std::abs (*packet.received - newest_arrival_) > kClockJump)
    arrivals_.clear ();
  newest_arrival_ = arrivals_.empty ()
                        ? *packet.received
                        : std::max (newest_arrival_, *packet.received);
  arrivals_.push_back ({*packet.received, packet.size});
  while (arrivals_.size () > 1 &&
         (arrivals_.front ().received <= newest_arrival_ - kRateWindow ||
             arrivals_.size () > kMaxArrivals))
    arrivals_.pop_front ();
  if (const unsigned rate = arrived (kRateWindow))
    received_rate_ = rate;
}

// What arrived in the last *window*; 0 if that is too little to tell.
unsigned
BandwidthEstimator::arrived (std::int64_t window) const
{
  const auto first = std::find_if (
      arrivals_.begin (), arrivals_.end (), [&] (const Arrival &arrival) {
        return arrival.received > newest_arrival_ - window;
      });
  if (first == arrivals_.end () ||
      newest_arrival_ - first->received < window / 2)
    return 0;
  // The first one's bytes were sent before the span began.
  std::uint64_t bytes = 0;
  for (auto arrival = first + 1; arrival != arrivals_.end (); ++arrival)
    bytes += arrival->size;
  return static_cast<unsigned> (
      bytes * 8.0 * kSecond / (newest_arrival_ - first->received));
}

std::int64_t
BandwidthEstimator::round_trip () const
{
  const auto waiting = static_cast<std::int64_t> (queue () * 1e3);
  return std::max (rtt_, (min_rtt_ ? min_rtt_ : rtt_) + waiting);
}

bool
BandwidthEstimator::spreads_bursts () const
{
  const double ceiling = trains_.ceiling (last_sent_);
  return ceiling > 0 && ceiling < kNarrow * target ();
}

// The shortest since *time*.
double
BandwidthEstimator::queue (double time) const
{
  double least = accumulated_;
  for (auto p = recent_.rbegin (); p != recent_.rend () && p->time > time; ++p)
    least = std::min (least, p->delay);
  return queue () - (accumulated_ - least);
}

double
BandwidthEstimator::queue () const
{
  double least = accumulated_;
  for (const Point &p : recent_)
    least = std::min (least, p.delay);
  return accumulated_ - least;
}

void
BandwidthEstimator::cut_delay_target (double rate, std::int64_t now)
{
  delay_target_ = clamped (std::min (delay_target_, rate));
  last_decrease_ = last_trouble_ = now;
  ahead_ = 0;
  // What has been acted on is no reason to act again: a longer route stays.
  points_.clear ();
  smoothed_ = queue_;
  previous_trend_ = 0;
  hold_ = true;
}

// Section 5.5: decrease when over, hold while a queue drains, else grow.
void
BandwidthEstimator::control_delay (std::int64_t now)
{
  switch (usage_) {
    case Usage::Over: {
      double base = received_rate_ ? received_rate_ : delay_target_;
      // While there is a queue the link is never idle: a moment tells its rate.
      if (const unsigned lately = arrived (kShortWindow);
          lately && queue_ > kSudden)
        base = std::min<double> (base, lately);
      if (last_decrease_ && now - last_decrease_ < rtt_ + 100000 &&
          base > delay_target_ / 2)
        break;
      const double factor =
          queue_ > kLongQueue ? kDecreaseLongQueue : kDecrease;
      if (received_rate_)
        capacity_ =
            capacity_ > 0 && base > 0.9 * capacity_ && base < 1.1 * capacity_
                ? 0.7 * capacity_ + 0.3 * base
                : base;
      contradict_trains (base, now);
      cut_delay_target (factor * base, now);
      break;
    }
    case Usage::Under:
      hold_ = true;
      break;
    case Usage::Normal:
      if (!hold_)
        grow (now);
      hold_ = false;
      last_growth_ = now;
      break;
  }
}

// A queue at *base*, although bursts have said that there is room: the path has
// changed, or, if that comes again, hands packets over in bunches.
void
BandwidthEstimator::contradict_trains (double base, std::int64_t now)
{
  if (trains_.capacity (last_sent_) < base / kContradiction)
    return;
  trains_.clear ();
  if (contradicted_ && now - contradicted_ < kDistrust)
    distrusted_until_ = now + kDistrust;
  contradicted_ = now;
}

void
BandwidthEstimator::grow (std::int64_t now)
{
  const double elapsed =
      std::clamp<double> (now - last_growth_, 0, kSecond) / kSecond;
  double rate = delay_target_;
  const bool believed = now >= distrusted_until_;
  const double shown = believed ? trains_.capacity (last_sent_) : 0;
  const double ceiling = believed ? trains_.ceiling (last_sent_) : 0;
  // The path has become wider.
  if (capacity_ > 0 && shown > 1.2 * capacity_) {
    capacity_ = 0;
  } else if (capacity_ > 0 && received_rate_ > kWider * capacity_ &&
             now - last_trouble_ > kClean) {
    capacity_ = 0;
    last_trouble_ = now;
  }
  const double slowly = kPacketBits * kSecond / (rtt_ + 100000) * elapsed;
  if (ceiling > 0 && rate > kRoom * ceiling)
    rate = std::min (rate + slowly, std::max (rate, kFull * ceiling));
  else if (shown > 0 && rate < kRoom * shown)
    rate = std::min (rate * std::pow (kGrowthWithRoom, elapsed), kRoom * shown);
  else if (capacity_ > 0 && rate > 0.9 * capacity_)
    rate += slowly;
  else
    rate *= std::pow (
        now - last_trouble_ > kClean ? kGrowthLater : kGrowth, elapsed);
  // What an encoder did not send, the path has not been seen to carry.
  if (received_rate_)
    rate = std::min (rate, 1.5 * received_rate_ + 10000);
  delay_target_ = clamped (std::max (rate, delay_target_));
}

void
BandwidthEstimator::update_loss (std::int64_t now)
{
  if (last_loss_update_ == 0)
    last_loss_update_ = now;
  const bool heavy = lost_ > kHeavyLoss * counted_ &&
                     now - last_loss_cut_ > kLossInterval &&
                     now - last_loss_update_ >= kHeavyLossInterval;
  if ((now - last_loss_update_ < kLossInterval && !heavy) ||
      counted_ < kLossPackets)
    return;
  loss_ = double (lost_) / counted_;
  counted_ = lost_ = 0;
  apply_loss (loss_, now);
}

// Section 6: below 2 % it grows, above 10 % it falls by half the loss.
void
BandwidthEstimator::apply_loss (double fraction, std::int64_t now)
{
  const double elapsed =
      std::clamp<double> (now - last_loss_update_, 0, 2 * kSecond) / kSecond;
  last_loss_update_ = now;
  if (fraction > 0.1) {
    // What arrives although others are lost is no less than the path has.
    loss_target_ = clamped (std::max (target () * (1 - 0.5 * fraction),
        std::min<double> (target (), kArriving * received_rate_)));
    last_loss_cut_ = now;
  } else if (fraction < 0.02) {
    loss_target_ = clamped (
        loss_target_ *
        std::pow (
            now - last_loss_cut_ > kClean ? kGrowthLater : kGrowth, elapsed));
  }
}

void
BandwidthEstimator::on_receiver_report (
    double fraction_lost, std::int64_t rtt, std::int64_t now)
{
  if (rtt > 0) {
    rtt_ = std::clamp<std::int64_t> (rtt, 1000, 2 * kSecond);
    min_rtt_ = min_rtt_ ? std::min (rtt_, min_rtt_ + kRoundTripDrift) : rtt_;
  }
  const std::int64_t since =
      last_report_ ? std::min (now - last_report_, 2 * kSecond) : 0;
  last_report_ = now;
  if (last_feedback_ && now - last_feedback_ < kSilence)
    return;
  // While packets are asked for again, reports come many times a second, and
  // each tells of a few packets only.
  reported_loss_ += std::clamp (fraction_lost, 0.0, 1.0);
  reports_++;
  if (last_loss_update_ == 0 || now - last_loss_update_ >= kLossInterval) {
    loss_ = reported_loss_ / reports_;
    reported_loss_ = reports_ = 0;
    apply_loss (loss_, now);
  }
  if (rtt_ > min_rtt_ + kLongRoundTrip) {
    // The queue of before the last cut has to drain before that shows.
    if (last_decrease_ == 0 || now - last_decrease_ > kSecond + 2 * rtt_)
      cut_delay_target (kDecreaseUntold * target (), now);
  } else if (loss_ < 0.1) {
    delay_target_ =
        clamped (delay_target_ * std::pow (kGrowth, double (since) / kSecond));
  }
}

void
BandwidthEstimator::on_tick (bool sending, std::int64_t now)
{
  // Nothing sent, nothing heard: that is no sign.
  if (!sending || last_heard_ == 0)
    last_heard_ = now;
  last_heard_ = std::max ({last_heard_, last_feedback_, last_report_});
  const std::int64_t allowed = last_feedback_ ? kSilence : kReportSilence;
  const bool ever = last_feedback_ || last_report_;
  silent_ = ever && now - last_heard_ > allowed;
  if (silent_ && now - last_silence_cut_ >= kSecond) {
    last_silence_cut_ = now;
    delay_target_ = clamped (kSilenceFactor * target ());
  }
  ticked_target_ = target ();
  if (ticked_target_ >= highest_ || now - highest_at_ > kSecond) {
    highest_ = ticked_target_;
    highest_at_ = now;
  }
}

// What was sent while the last packet told of waited left at the rate of
// before.
std::int64_t
BandwidthEstimator::drain_time () const
{
  const double before = highest_, waiting = queue ();
  if (waiting < kSudden || target () >= kCollapsed * before)
    return 0;
  const double factor = queue_ > kLongQueue ? kDecreaseLongQueue : kDecrease;
  return static_cast<std::int64_t> (
      std::min (kLongestDrain, 1e3 * waiting * factor * before / target ()));
}

RateLimit
BandwidthEstimator::limit (std::int64_t now) const
{
  if (silent_)
    return RateLimit::NoFeedback;
  const auto recent = [now] (std::int64_t cut) {
    return cut != 0 && now - cut < kRecent;
  };
  if (target () >= range_.max)
    return RateLimit::None;
  if (recent (last_loss_cut_) && loss_target_ <= delay_target_)
    return RateLimit::Loss;
  // Or bursts have shown how narrow it is, and it was not tried further.
  const double ceiling = trains_.ceiling (last_sent_);
  if (recent (last_decrease_) ||
      (ceiling > 0 && delay_target_ > kNear * ceiling))
    return RateLimit::Delay;
  return RateLimit::None;
}

} // namespace robotlive
