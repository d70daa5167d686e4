// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The SDP guard for a test, on offers of sdpcorpus.hpp.
#pragma once
#include "sdp/sdpguard.hpp"
#include "sdpcorpus.hpp"
#include <gtest/gtest.h>

namespace robotlive::test {

inline const StreamCodec kVp8{"VP8"};

struct Outcome
{
  bool ok = false;
  GuardedOffer offer;
  std::string error;
};

inline Outcome
guard (const std::string &sdp, const RobotStreams &streams)
{
  Outcome outcome;
  outcome.ok = guard_offer (sdp, streams, &outcome.offer, &outcome.error);
  // Either way there is something to say.
  EXPECT_EQ (outcome.ok, outcome.error.empty ()) << outcome.error;
  return outcome;
}

inline Outcome
guard (const std::string &sdp, const StreamCodec &codec = kVp8)
{
  return guard (sdp, RobotStreams{{codec}});
}

// *text* with the first *from* replaced by *to*.
inline std::string
with (std::string text, const std::string &from, const std::string &to)
{
  const auto at = text.find (from);
  EXPECT_NE (at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace (at, from.size (), to);
}

} // namespace robotlive::test
