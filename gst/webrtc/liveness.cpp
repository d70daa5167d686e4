// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/liveness.hpp"
#include "webrtc/findelement.hpp"
#include "webrtc/internals.hpp"
#include <algorithm>
#include <linux/sockios.h>
#include <nice/agent.h>
#include <stun/usages/ice.h>
#include <sys/ioctl.h>
#include <sys/time.h>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

constexpr std::int64_t kSecond = 1000000000;
// The peer is not asked before it has been silent for this long.
constexpr std::int64_t kAskAfter = kSecond;
// Fifteen requests later.
constexpr std::int64_t kLimit = 4 * kSecond;
// Answers through a relay can be seen when this many have been.
constexpr unsigned kAnswersToTrust = 3;
constexpr unsigned kEarlyAsks = 25;
// Where they cannot, what the peer sends by itself has to do. One that follows
// RFC 3550, section 6.2, begins with several reports and goes on with one each
// 2.5 to 7.5 s, so only many packets, or time, tell.
constexpr unsigned kGapsToLearn = 40; // as from transport-wide feedback
constexpr std::int64_t kWindow = 30 * kSecond;
constexpr std::int64_t kClockStep = kSecond / 10;
constexpr std::int64_t kUnknownLimit = 15 * kSecond;
constexpr std::int64_t kLongestLimit = 20 * kSecond;
// Packets came in as many ticks, and no datagram did: nobody stamps them.
constexpr unsigned kTicksToDoubt = 10;

// RFC 8445 section 5.1.2.1, of a peer-reflexive candidate.
constexpr std::uint32_t kPriority = 110u << 24 | 65535u << 8 | 255u;

// When the last packet was read from *socket*, in us of the wall clock; it is
// only ever compared for being another. 0: none yet, or closed.
std::int64_t
stamp_of (GSocket *socket)
{
  timeval at = {};
  const int fd = g_socket_get_fd (socket);
  if (fd < 0 || ioctl (fd, SIOCGSTAMP, &at) != 0)
    return 0;
  return std::int64_t (at.tv_sec) * 1000000 + at.tv_usec;
}

std::uint64_t
random64 ()
{
  return std::uint64_t (g_random_int ()) << 32 | g_random_int ();
}

} // namespace

Liveness::Liveness (
    GstElement *webrtc, std::string ufrag, std::string pwd, std::int64_t now)
    : ufrag_ (std::move (ufrag)), pwd_ (std::move (pwd)),
      tie_breaker_ (random64 ()), heard_at_ (now), window_since_ (now),
      since_ (now)
{
  blind_ = !internal_holds (Internal::IncomingPad) || !find_source (webrtc);
  stamps_ = internal_holds (Internal::ArrivalTimes);
  can_ask_ = internal_holds (Internal::BindingRequests);
  if (blind_)
    return;
  auto *agent = NICE_AGENT (agent_.get ());
  // Connected and with nothing left to check, libnice looks fifty times a
  // second for five more seconds, should it have to declare a failure.
  if (internal_holds (Internal::IceAgent))
    g_object_set (agent, "idle-timeout", 50u, nullptr);
  probe_ = gst_pad_add_probe (
      pad_.get (),
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      [] (GstPad *, GstPadProbeInfo *, gpointer data) {
        (*static_cast<std::shared_ptr<Inbound> *> (data))->packets++;
        return GST_PAD_PROBE_OK;
      },
      new std::shared_ptr<Inbound> (inbound_),
      [] (gpointer data) {
        delete static_cast<std::shared_ptr<Inbound> *> (data);
      });
  GPtrArray *sockets = nice_agent_get_sockets (agent, stream_, component_);
  for (guint i = 0; sockets && i < sockets->len; i++) {
    auto *socket = G_SOCKET (g_ptr_array_index (sockets, i));
    sockets_.push_back ({share (G_OBJECT (socket)), stamp_of (socket)});
  }
  if (sockets)
    g_ptr_array_unref (sockets);
}

bool
Liveness::find_source (GstElement *webrtc)
{
  GObject *agent = nullptr;
  if (const auto source = find_element (webrtc, "nicesrc")) {
    g_object_get (source.get (), "agent", &agent, "stream", &stream_,
        "component", &component_, nullptr);
    pad_ = adopt (gst_element_get_static_pad (source.get (), "src"));
  }
  agent_ = adopt (agent);
  if (agent_ && NICE_IS_AGENT (agent) && pad_)
    return true;
  agent_.reset ();
  internal_failed (Internal::IncomingPad);
  return false;
}

Liveness::~Liveness ()
{
  if (probe_)
    gst_pad_remove_probe (pad_.get (), probe_);
}

std::int64_t
Liveness::newest_datagram ()
{
  std::int64_t newest = 0;
  if (!stamps_)
    return newest;
  for (auto &[socket, stamp] : sockets_) {
    const auto now = stamp_of (G_SOCKET (socket.get ()));
    if (now != stamp)
      newest = std::max (newest, now);
    stamp = now;
  }
  return newest;
}

// What counts is when a packet came. It may be read, or pushed on, long after
// that: the peer may have gone meanwhile.
void
Liveness::tick (std::int64_t now, std::int64_t rtcp)
{
  if (blind_) {
    reported_ = reported_ || rtcp > heard_at_;
    heard_at_ = std::max (heard_at_, rtcp);
    return;
  }
  const auto packets = inbound_->packets.load ();
  const bool packet = packets != seen_packets_;
  seen_packets_ = packets;
  const auto stamp = newest_datagram ();
  watch_stamps (packet, stamp != 0);
  const auto wall = g_get_real_time () * 1000;
  // Somebody has set the clock: stamps of before tell nothing.
  const bool steady = std::abs (wall - now - wall_ahead_) < kClockStep;
  wall_ahead_ = wall - now;
  std::int64_t heard = 0;
  if (stamp)
    heard = steady ? std::min (now, stamp * 1000 - wall_ahead_) : now;
  else if (packet && !(stamps_ && is_direct ()))
    heard = now;
  if (heard > heard_at_) {
    if (packet) {
      if (now - window_since_ > kWindow) {
        earlier_gap_ = gap_;
        gap_ = 0;
        window_since_ = now;
      }
      gap_ = std::max (gap_, heard - heard_at_);
      gaps_++;
    } else if (asked_) {
      answers_++;
    }
    asked_ = false;
    heard_at_ = heard;
  }
  // At first also without a silence, to learn whether answers can be seen.
  if (silence (now) >= kAskAfter ||
      (early_asks_ < kEarlyAsks && !sees_answers () && ++early_asks_))
    ask ();
}

// Nothing says that stamps have come to an end.
void
Liveness::watch_stamps (bool packet, bool stamped)
{
  if (stamped)
    unstamped_ = 0;
  if (!packet || stamped || !stamps_ || !is_direct () ||
      ++unstamped_ < kTicksToDoubt)
    return;
  stamps_ = false;
  internal_failed (Internal::ArrivalTimes);
}

void
Liveness::ask ()
{
  if (!agent_ || !can_ask_)
    return;
  auto *agent = NICE_AGENT (agent_.get ());
  g_autofree gchar *ufrag = nullptr;
  g_autofree gchar *pwd = nullptr;
  if (!nice_agent_get_local_credentials (agent, stream_, &ufrag, &pwd))
    return;
  const auto username = ufrag_ + ":" + ufrag;
  // Anew each time: it keeps the ids of requests, of which it hears no more.
  StunAgent stun;
  stun_agent_init (&stun, STUN_ALL_KNOWN_ATTRIBUTES, STUN_COMPATIBILITY_RFC5389,
      static_cast<StunAgentUsageFlags> (
          STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
          STUN_AGENT_USAGE_USE_FINGERPRINT));
  StunMessage message;
  std::uint8_t buffer[STUN_MAX_MESSAGE_SIZE_IPV6];
  const auto bytes = [] (const std::string &text) {
    return reinterpret_cast<const std::uint8_t *> (text.data ());
  };
  // The answerer is the controlled agent (RFC 8445 section 6.1.1).
  const auto size = stun_usage_ice_conncheck_create (&stun, &message, buffer,
      sizeof buffer, bytes (username), username.size (), bytes (pwd_),
      pwd_.size (), false, false, kPriority, tie_breaker_, nullptr,
      STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
  if (size > 0)
    asked_ =
        nice_agent_send (agent, stream_, component_, static_cast<guint> (size),
            reinterpret_cast<const gchar *> (buffer)) > 0 ||
        asked_;
}

// The path leaves from a UDP socket of ours.
bool
Liveness::is_direct () const
{
  if (!agent_)
    return false;
  const auto socket = adopt (nice_agent_get_selected_socket (
      NICE_AGENT (agent_.get ()), stream_, component_));
  return std::any_of (
      sockets_.begin (), sockets_.end (), [&socket] (const Socket &known) {
        return known.socket.get () == G_OBJECT (socket.get ());
      });
}

// The peer's answers, should it give any, can be seen: the path is direct, or
// some have been seen.
bool
Liveness::sees_answers () const
{
  return can_ask_ && stamps_ && (answers_ >= kAnswersToTrust || is_direct ());
}

bool
Liveness::vanished (std::int64_t now) const
{
  if (silence (now) <= kLimit)
    return false;
  // One that sends no RTCP says nothing by that; webrtcbin's states remain.
  if (blind_)
    return reported_ && silence (now) > kLongestLimit;
  if (sees_answers ())
    return true;
  if (gaps_ < kGapsToLearn && heard_at_ - since_ < kUnknownLimit)
    return silence (now) > kUnknownLimit;
  const auto longest = std::max (gap_, earlier_gap_);
  return silence (now) > std::clamp (3 * longest, kLimit, kLongestLimit);
}

} // namespace robotlive
