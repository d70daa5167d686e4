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

// What the robot sends.
struct StreamCodec
{
  std::string encoding_name;    // RTP name: "H264", "H265", "VP8", "VP9"
  std::string profile_level_id; // H264: six hex digits (RFC 6184); or empty
};

using Sha256Digest = std::array<std::uint8_t, 32>;

// What is left of an offer that passed.
struct GuardedOffer
{
  std::string sdp;                // for webrtcbin
  unsigned m_line = 0;            // index of the picture's m-line
  std::string mid;                // of the m-line that carries the transport
  std::string ice_ufrag, ice_pwd; // the viewer's
  unsigned payload_type = 0;
  int rtx_payload_type = -1;    // -1: no retransmission (RFC 4588) offered
  std::string profile_level_id; // H264: the offer's own, to be echoed
  bool level_asymmetry = false; // H264: level-asymmetry-allowed=1
  // The id of the transport-wide congestion control extension (RFC 8285,
  // twccfeedback.hpp) on the picture's m-line; 0: the viewer sends no feedback.
  unsigned twcc_id = 0;
  std::vector<Sha256Digest> fingerprints; // of the viewer's DTLS certificate
};

// True, and *out*, when *sdp* is an offer that webrtcbin can answer with the
// robot's stream; else false and one sentence in *error*.
bool guard_offer (const std::string &sdp, const StreamCodec &codec,
    GuardedOffer *out, std::string *error);

enum class CandidateVerdict
{
  Pass,
  Ignore, // fine, but of no use here: TCP, a host name that is not mDNS
  Refuse, // malformed
};
CandidateVerdict guard_candidate (std::string_view candidate);

// True when the DTLS certificate in *pem* is one that *offer* announced
// (RFC 8122 section 6.2: at least one matching SHA-256 fingerprint).
bool certificate_matches (const std::string &pem, const GuardedOffer &offer);

} // namespace robotlive
