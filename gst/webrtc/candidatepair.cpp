// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/candidatepair.hpp"
#include "base/glibptr.hpp"
#include "robotlive.h"
#include "webrtc/findelement.hpp"
#include "webrtc/internals.hpp"
#include <gst/gst.h>
#include <nice/agent.h>
#include <string>

namespace robotlive {

namespace {

const char *
type_name (NiceCandidateType type)
{
  switch (type) {
    case NICE_CANDIDATE_TYPE_HOST:
      return "host";
    case NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE:
      return "srflx";
    case NICE_CANDIDATE_TYPE_PEER_REFLEXIVE:
      return "prflx";
    case NICE_CANDIDATE_TYPE_RELAYED:
      return "relay";
  }
  return "unknown";
}

std::string
describe (const NiceCandidate &candidate)
{
  char address[NICE_ADDRESS_STRING_LEN] = "";
  nice_address_to_string (&candidate.addr, address);
  return std::string (type_name (candidate.type)) +
         (candidate.transport == NICE_CANDIDATE_TRANSPORT_UDP ? " udp "
                                                              : " tcp ") +
         address + " " +
         std::to_string (nice_address_get_port (&candidate.addr));
}

} // namespace

void
add_candidate_pair (GstStructure *stats, GstElement *webrtc)
{
  if (!internal_holds (Internal::IncomingPad))
    return;
  const auto source = find_element (webrtc, "nicesrc");
  if (!source) {
    internal_failed (Internal::IncomingPad);
    return;
  }
  g_autoptr (GObject) agent = nullptr;
  guint stream = 0, component = 0;
  g_object_get (source.get (), "agent", &agent, "stream", &stream, "component",
      &component, nullptr);
  NiceCandidate *local = nullptr, *remote = nullptr;
  if (!agent || !nice_agent_get_selected_pair (
                    NICE_AGENT (agent), stream, component, &local, &remote))
    return;
  gst_structure_set (stats, ROBOTLIVE_FIELD_LOCAL_CANDIDATE, G_TYPE_STRING,
      describe (*local).c_str (), ROBOTLIVE_FIELD_REMOTE_CANDIDATE,
      G_TYPE_STRING, describe (*remote).c_str (), nullptr);
}

} // namespace robotlive
