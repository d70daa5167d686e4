// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Liveness: whether the peer at the other end of a connection is still there.
// webrtcbin 1.22 never says that one has vanished.
//
// What counts as a sign of life is any packet from its side: media feedback,
// RTCP, DTLS, and answers to STUN. Peers differ in how often they send RTCP by
// themselves, from twenty times a second to once in 7.5 s; so a silent one is
// asked, several times a second, by the binding request that every ICE agent
// has to answer for as long as it consents to receive (RFC 8445 section 11,
// RFC 7675). One that answers none for 4 s is gone.
//
// Lives on the signaling thread, as do all its methods.
#pragma once
#include "base/glibptr.hpp"
#include <atomic>
#include <cstdint>
#include <gst/gst.h>
#include <memory>
#include <string>
#include <vector>

// A GObject; <nice/agent.h> is for liveness.cpp alone.
typedef struct _NiceAgent NiceAgent;

namespace robotlive {

class Liveness
{
public:
  // *webrtc* is connected; *ufrag* and *pwd* are the viewer's, of its offer.
  // *now*, here and below: CLOCK_BOOTTIME, ns.
  Liveness (
      GstElement *webrtc, std::string ufrag, std::string pwd, std::int64_t now);
  ~Liveness ();
  Liveness (const Liveness &) = delete;
  Liveness &operator= (const Liveness &) = delete;

  // Every 200 ms or so: looks for signs of life, and asks for one. *rtcp*: when
  // the last report came, 0: none. Where nothing else can be seen it counts.
  void tick (std::int64_t now, std::int64_t rtcp = 0);
  // How long nothing has come.
  std::int64_t silence (std::int64_t now) const { return now - heard_at_; }
  // It has been silent for longer than a living peer can be.
  bool vanished (std::int64_t now) const;

private:
  struct Inbound
  {
    std::atomic<guint64> packets{0};
  };

  // When the newest datagram came that has been read since it was asked last,
  // in us of the wall clock; 0: none.
  std::int64_t newest_datagram ();
  bool find_source (GstElement *webrtc);
  void watch_stamps (bool packet, bool stamped);
  bool is_direct () const;
  bool sees_answers () const;
  void ask ();

  const std::string ufrag_, pwd_;
  const std::uint64_t tie_breaker_;
  const std::shared_ptr<Inbound> inbound_ = std::make_shared<Inbound> ();
  GPtr<GObject> agent_; // NiceAgent
  guint stream_ = 0, component_ = 0;
  GPtr<GstPad> pad_; // out of which all comes that is not STUN
  gulong probe_ = 0;
  struct Socket
  {
    GPtr<GObject> socket; // GSocket
    std::int64_t stamp;
  };
  std::vector<Socket> sockets_;

  std::int64_t heard_at_;
  std::int64_t wall_ahead_ = 0; // of *now*, ns
  // Longest pause before a packet, of this window and of the one before.
  std::int64_t gap_ = 0, earlier_gap_ = 0, window_since_;
  const std::int64_t since_;
  guint64 seen_packets_ = 0;
  unsigned gaps_ = 0;    // as many have been measured
  unsigned answers_ = 0; // times that a request was followed by STUN alone
  unsigned early_asks_ = 0;
  bool asked_ = false; // since the last sign of life
  // What cannot be had: packets at all; stamps of datagrams; answers.
  bool blind_ = false, stamps_ = true, can_ask_ = true;
  bool reported_ = false; // while blind: RTCP has come
  unsigned unstamped_ = 0;
};

} // namespace robotlive
