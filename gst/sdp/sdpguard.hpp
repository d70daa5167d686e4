// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The guard between what a viewer sends and what webrtcbin sees. webrtcbin
// 1.22 aborts, blocks or quietly goes on for many descriptions that a peer can
// send, so nothing of the viewer's text reaches it: the offer is checked, what
// is needed is taken out of it, and a new description is written from that.
//
// Pure functions of their arguments; any thread.
#pragma once
#include "client/signaller.hpp"
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace robotlive {

// Limits of an offer. A browser's largest stays below a tenth of them.
constexpr std::size_t kMaxSdpBytes = 64 * 1024;
constexpr std::size_t kMaxSdpLines = 2000;
constexpr std::size_t kMaxSdpLineBytes = 4096;
constexpr unsigned kMaxMLines = 8;
constexpr std::size_t kMaxCandidateBytes = 1024;

// What a stream of the robot's is.
struct StreamCodec
{
  std::string encoding_name;    // RTP name: "H264", "VP8", "OPUS", ...
  std::string profile_level_id; // H264: six hex digits (RFC 6184); or empty
  // H265: general_profile_idc; VP9, AV1: the profile; -1: not known.
  int profile = -1;
};

// All that the robot has for a viewer.
struct RobotStreams
{
  // One picture in several codecs, the one to take first first.
  std::vector<StreamCodec> pictures;
  bool audio = false; // Opus
  bool fec = false;   // RED and ULPFEC (RFC 2198, RFC 5109) where offered
};

// The m-line that takes the robot's sound.
struct GuardedAudio
{
  unsigned m_line = 0; // in GuardedOffer::sdp
  unsigned payload_type = 0;
};

// An m-line of the offer that webrtcbin does not see, and that is answered by
// port 0: a data channel, a kind that is no media, one that was offered so.
struct RejectedMLine
{
  unsigned number = 0; // among all of the offer's
  std::string line;    // "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
  std::string mid;     // may be empty
};

using Sha256Digest = std::array<std::uint8_t, 32>;

// What is left of an offer that passed.
struct GuardedOffer
{
  std::string sdp;         // for webrtcbin
  std::size_t picture = 0; // which of RobotStreams::pictures
  unsigned m_line = 0;     // of the picture, in *sdp*
  // The m-line that carries the transport, as the viewer counts and names it.
  unsigned transport_line = 0;
  std::string mid;
  std::string ice_ufrag, ice_pwd; // the viewer's
  unsigned payload_type = 0;
  int rtx_payload_type = -1; // -1: no retransmission (RFC 4588) offered
  // Forward error correction, when wanted and offered; else both -1. RED has a
  // retransmission of its own in red_rtx_payload_type, perhaps.
  int red_payload_type = -1, ulpfec_payload_type = -1;
  int red_rtx_payload_type = -1;
  std::string profile_level_id; // H264: the offer's own, to be echoed
  bool level_asymmetry = false; // H264: level-asymmetry-allowed=1
  // The id of the transport-wide congestion control extension (RFC 8285,
  // twccfeedback.hpp) on the picture's m-line; 0: the viewer sends no feedback.
  unsigned twcc_id = 0;
  std::optional<GuardedAudio> audio;      // none: not sent, or not wanted
  std::vector<Sha256Digest> fingerprints; // of the viewer's DTLS certificate
  std::vector<RejectedMLine> rejected;    // by number
};

// True, and *out*, when *sdp* is an offer that webrtcbin can answer with the
// robot's picture; else false and one sentence in *error*.
bool guard_offer (const std::string &sdp, const RobotStreams &streams,
    GuardedOffer *out, std::string *error);

// webrtcbin's *answer* to GuardedOffer::sdp as the viewer is to have it: with
// the rejected m-lines in their places.
std::string complete_answer (
    const std::string &answer, const GuardedOffer &offer);

enum class CandidateVerdict
{
  Pass,
  Ignore, // fine, but of no use here: TCP, a host name that is not mDNS
  Refuse, // malformed
};
CandidateVerdict guard_candidate (std::string_view candidate);
// Of one that has passed: the name (mDNS) in place of its address; "": none.
std::string candidate_name (std::string_view candidate);
// The same with *address* there.
std::string with_address (
    std::string_view candidate, const std::string &address);

// True when the DTLS certificate in *pem* is one that *offer* announced
// (RFC 8122 section 6.2: at least one matching SHA-256 fingerprint).
bool certificate_matches (const std::string &pem, const GuardedOffer &offer);

} // namespace robotlive
