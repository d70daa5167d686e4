// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include "sdp/sdpguard.hpp"

// What a robot may have, by one byte.
inline robotlive::RobotStreams
streams_of (unsigned choice)
{
  robotlive::RobotStreams streams;
  const robotlive::StreamCodec codecs[] = {{"H264", "42e01f", -1},
      {"VP8", "", -1}, {"VP9", "", 0}, {"H265", "", 1}, {"AV1", "", 0}};
  streams.pictures.push_back (codecs[choice % 5]);
  if (choice & 0x20)
    streams.pictures.push_back (codecs[(choice + 1) % 5]);
  streams.audio = choice & 0x40;
  streams.fec = choice & 0x80;
  return streams;
}
