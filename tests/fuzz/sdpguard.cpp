// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SDP guard: the first byte chooses what the robot has, the rest is an offer,
// a candidate and a certificate. What passes is what webrtcbin is given: it
// parses, has the offer's own payload types, and passes again as it is.
#include "sdp/sdpguard.hpp"
#include "fuzz.hpp"
#include "streams.hpp"
#include <algorithm>
#include <gst/sdp/sdp.h>

using namespace robotlive;

namespace {

void
check_offer (const std::string &sdp, const RobotStreams &streams)
{
  GuardedOffer offer;
  std::string error;
  if (!guard_offer (sdp, streams, &offer, &error)) {
    REQUIRE (!error.empty ());
    return;
  }
  REQUIRE (sdp.size () <= kMaxSdpBytes);
  REQUIRE (offer.picture < streams.pictures.size ());
  REQUIRE (offer.payload_type < 128 && offer.rtx_payload_type < 128);
  REQUIRE (offer.rtx_payload_type != int (offer.payload_type));
  REQUIRE (!offer.ice_ufrag.empty () && !offer.ice_pwd.empty ());
  REQUIRE (!offer.fingerprints.empty ());
  REQUIRE (streams.fec || offer.ulpfec_payload_type < 0);
  REQUIRE (streams.audio || !offer.audio);

  GstSDPMessage *message = nullptr;
  REQUIRE (gst_sdp_message_new_from_text (offer.sdp.c_str (), &message) ==
           GST_SDP_OK);
  REQUIRE (gst_sdp_message_medias_len (message) > offer.m_line);
  gst_sdp_message_free (message);
  GuardedOffer again;
  REQUIRE (guard_offer (offer.sdp, streams, &again, &error));
  REQUIRE (again.payload_type == offer.payload_type &&
           again.rtx_payload_type == offer.rtx_payload_type &&
           again.fingerprints.size () == offer.fingerprints.size () &&
           std::is_permutation (again.fingerprints.begin (),
               again.fingerprints.end (), offer.fingerprints.begin ()) &&
           again.ice_pwd == offer.ice_pwd && again.m_line == offer.m_line);
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  if (size == 0)
    return 0;
  const std::string text (reinterpret_cast<const char *> (data) + 1, size - 1);
  check_offer (text, streams_of (data[0]));
  if (guard_candidate (text) == CandidateVerdict::Pass)
    REQUIRE (text.size () <= kMaxCandidateBytes &&
             text.find_first_of ("\r\n") == text.npos);
  REQUIRE (!certificate_matches (text, GuardedOffer ()));
  return 0;
}
