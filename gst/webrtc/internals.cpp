// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/internals.hpp"
#include "robotlive.h"
#include <atomic>
#include <cstdint>

#define GST_CAT_DEFAULT category ()

namespace robotlive {

namespace {

// Of its own: these may be asked before there is a signalingbin.
GstDebugCategory *
category ()
{
  static GstDebugCategory *const made = _gst_debug_category_new (
      "robotlive-internals", 0, "What GStreamer's inside is taken for");
  return made;
}

constexpr std::uint32_t
bit (Internal id)
{
  return 1u << static_cast<unsigned> (id);
}

// Checked once; what was used and not there; what tests hide.
std::uint32_t
checked ()
{
  static const std::uint32_t failed = [] () {
    std::uint32_t bits = 0;
    for (const InternalRow &row : internal_rows ())
      if (row.check && !row.check ()) {
        bits |= bit (row.id);
        GST_WARNING (
            "%s is not as expected: %s. Instead: %s (docs/internals.md)",
            row.name, row.expected, row.fallback);
      }
    return bits;
  }();
  return failed;
}

std::atomic<std::uint32_t> missed{0}, hidden_ones{0};

std::uint32_t
failed_bits ()
{
  return checked () | missed.load () | hidden_ones.load ();
}

} // namespace

const std::vector<InternalRow> &
internal_rows ()
{
  using namespace internal_checks;
  static const std::vector<InternalRow> rows = {
      {Internal::SrtpMedia, "srtp-media",
          "srtpenc has pads rtp_sink_N and rtp_src_N with chain functions, and "
          "the properties key, mki, rtp-cipher and rtp-auth",
          "the chain functions are replaced: OpenSSL encrypts the media",
          "srtpenc encrypts, at about four times the cost",
          "1.22 to 1.29; other profiles than SRTP_AES128_CM_HMAC_SHA1_80 go to "
          "srtpenc",
          srtp_media},
      {Internal::DirectSend, "direct-send",
          "beside srtpenc's bin stands a nicesink with the properties agent, "
          "stream and component",
          "packets go from srtpenc's place right into the socket that libnice "
          "has selected",
          "packets go through the pads behind srtpenc, and through libnice",
          "1.22 to 1.29, libnice 0.1.21; what webrtcbin puts between the two "
          "(clocksync, funnel) is passed by",
          direct_send},
      {Internal::WholeLists, "whole-lists",
          "rtpulpfecenc and rtpredenc, which webrtcbin makes also where there "
          "is no FEC, have pads sink and src",
          "lists of packets are passed by them as lists",
          "they take lists apart: each packet is sent by itself",
          "1.22 to "
          "1.29",
          whole_lists},
      {Internal::RtpPads, "rtp-pads",
          "webrtcbin has a child rtpbin, out of whose pads send_rtp_src_N "
          "packets leave",
          "the session is told the pipeline's latency; packets that leave are "
          "counted",
          "times in sender reports are early by the latency; a viewer for whom "
          "no packet leaves is not noticed",
          "1.22 to 1.29", rtp_pads},
      {Internal::RtcpSignals, "rtcp-signals",
          "the same rtpbin has the signals on-ssrc-active and on-bye-ssrc",
          "a viewer that says BYE is gone at once; reports are read when they "
          "come",
          "a viewer is gone when its DTLS is closed or it is silent; reports "
          "are read each second",
          "1.22 to 1.29", rtcp_signals},
      {Internal::RtpStatistics, "rtp-statistics",
          "rtpbin's session 0 has a property stats with source-stats, a "
          "GValueArray",
          "packets, losses and round trips of each viewer",
          "the statistics lack them; paths are estimated from transport-wide "
          "feedback alone",
          "1.22 to 1.29; webrtcbin's get-stats mixes bundled streams up before "
          "1.25",
          rtp_statistics},
      {Internal::TransportFeedback, "transport-feedback",
          "rtpsession sends the event RTPTWCCPackets upstream for each "
          "transport-wide feedback, with its packets as a GValueArray",
          "paths are estimated from it",
          "paths are estimated from RTCP "
          "receiver reports",
          "1.22 to 1.29", transport_feedback},
      {Internal::ResendRequests, "resend-requests",
          "rtpsession asks rtprtxsend for a lost packet by the event "
          "GstRTPRetransmissionRequest",
          "requests beyond a quarter of the path are refused",
          "each request is answered", "1.22 to 1.29", resend_requests},
      {Internal::IceAgent, "ice-agent",
          "the agent of webrtcbin's ice-agent is libnice's, with the "
          "properties "
          "upnp, ice-tcp, stun-pacing-timer and idle-timeout",
          "no UPnP, no TCP candidates, a check each 5 ms",
          "libnice's own values: a join takes some 200 ms longer",
          "1.22 to 1.29, libnice 0.1.21", ice_agent},
      {Internal::PortRange, "port-range",
          "webrtcbin's ice-agent has the properties min-rtp-port and "
          "max-rtp-port",
          "min-rtp-port and max-rtp-port of signalingbin",
          "any port is used: a firewall may stop the media", "1.22 to 1.29",
          port_range},
      {Internal::IncomingPad, "incoming-pad",
          "webrtcbin holds a nicesrc with the properties agent, stream and "
          "component, out of whose pad src comes all that a peer sends",
          "packets are signs of life; the pair of candidates in use; nothing "
          "comes in once a viewer is being taken out",
          "RTCP reports alone are signs of life, and a viewer without any for "
          "20 s is gone; the statistics lack the candidates",
          "1.22 to 1.29", incoming_pad},
      {Internal::BindingRequests, "binding-requests",
          "libnice sends a STUN binding request that is handed to "
          "nice_agent_send ()",
          "a viewer that has been silent for a second is asked whether it is "
          "there, and is gone when it answers nothing for 4 s",
          "a viewer is gone when it sends nothing by itself, 4 to 20 s by how "
          "often it did",
          "libnice 0.1.21; needless where webrtcbin asks for consent and says "
          "that it is gone (RFC 7675)",
          nullptr},
      {Internal::ArrivalTimes, "arrival-times",
          "the ioctl SIOCGSTAMP tells when the last packet of a socket came",
          "answers to binding requests, which libnice keeps for itself, are "
          "seen",
          "as for binding-requests: only media feedback and RTCP are seen",
          "Linux", arrival_times},
      {Internal::ReceivingBin, "receiving-bin",
          "webrtcbin has the action close, or children of the type "
          "TransportReceiveBin, which listen to its ICE transports",
          "close, where it is there; or they no longer listen once a viewer is "
          "being taken out: on the way to NULL they would block their pads for "
          "ever",
          "a viewer that leaves just when its ICE state changes may leave "
          "threads and sockets behind",
          "1.22 to 1.26 by the type; the action from 1.28", nullptr},
      {Internal::RejectedData, "rejected-data",
          "what comes for a data channel leaves dtlsdec by its pad src",
          "it is thrown away there, as data channels are rejected",
          "a viewer that sends some all the same is ended by the error",
          "1.22 to 1.29", rejected_data},
      {Internal::DtlsKey, "dtls-key",
          "making a dtlsdec makes the process's DTLS key, a quarter of a "
          "second's work",
          "it is made at the start", "the first viewer waits for it",
          "1.22 to 1.26; needless from 1.28, whose keys are ECDSA", nullptr},
  };
  return rows;
}

bool
internal_holds (Internal id)
{
  return !(failed_bits () & bit (id));
}

void
internal_failed (Internal id)
{
  if (failed_bits () & bit (id))
    return;
  if (missed.fetch_or (bit (id)) & bit (id))
    return;
  for (const InternalRow &row : internal_rows ())
    if (row.id == id)
      GST_WARNING ("%s is not as expected: %s. Instead: %s (docs/internals.md)",
          row.name, row.expected, row.fallback);
}

std::vector<std::string>
failed_internals ()
{
  std::vector<std::string> names;
  const auto failed = failed_bits ();
  for (const InternalRow &row : internal_rows ())
    if (failed & bit (row.id))
      names.push_back (row.name);
  return names;
}

void
add_internals (GstStructure *stats)
{
  g_auto (GValue) list = G_VALUE_INIT;
  g_value_init (&list, GST_TYPE_LIST);
  for (const auto &name : failed_internals ()) {
    g_auto (GValue) one = G_VALUE_INIT;
    g_value_init (&one, G_TYPE_STRING);
    g_value_set_string (&one, name.c_str ());
    gst_value_list_append_value (&list, &one);
  }
  gst_structure_set_value (stats, ROBOTLIVE_FIELD_INTERNALS, &list);
}

void
hide_internal (Internal id, bool hidden)
{
  if (hidden)
    hidden_ones |= bit (id);
  else
    hidden_ones &= ~bit (id);
}

} // namespace robotlive
