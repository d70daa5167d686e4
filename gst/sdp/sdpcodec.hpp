// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which of the formats that an m-line offers carries the robot's stream.
#pragma once
#include "sdp/sdpguard.hpp"
#include <gst/sdp/sdp.h>
#include <initializer_list>
#include <map>

namespace robotlive {

// One payload type of an m-line: its a=rtpmap and a=fmtp (RFC 8866).
struct Format
{
  unsigned payload_type = 0;
  std::string name; // encoding name, upper case
  unsigned clock_rate = 0;
  unsigned channels = 1;
  std::map<std::string, std::string> parameters; // of fmtp, keys lower case

  std::string parameter (const std::string &key) const;
  std::string rtpmap () const; // "H264/90000"
  // Those of *keys* that it has: "packetization-mode=1;profile-level-id=..."
  std::string fmtp (std::initializer_list<const char *> keys) const;
};
using FormatTable = std::map<int, Format>;

struct VideoChoice
{
  Format format;
  int rtx_payload_type = -1;
  // RED and ULPFEC, both or neither, and RED's retransmission.
  int red_payload_type = -1, ulpfec_payload_type = -1;
  int red_rtx_payload_type = -1;
  std::vector<std::string> feedback; // rtcp-fb values (RFC 4585)

  bool has_feedback (const std::string &value) const;
};

// All formats of *media* that have an rtpmap. False and a sentence when one is
// malformed or stands twice.
bool read_formats (
    const GstSDPMedia *media, FormatTable *out, std::string *error);

// The best offered format for *codec*; false when there is none.
bool choose_video (const GstSDPMedia *media, const FormatTable &table,
    const StreamCodec &codec, VideoChoice *out);

// The first Opus format that we can send (RFC 7587); false when there is none.
bool choose_opus (
    const GstSDPMedia *media, const FormatTable &table, Format *out);

// For people: "H264 42e01f", "VP9 profile 2".
std::string describe (const StreamCodec &codec);
// For people: "VP8, H264 42e01f, AV1".
std::string describe (const FormatTable &table);

} // namespace robotlive
