// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Our messages: whatever parses is written and parses again to the same.
#include "protocol/messages.hpp"
#include "fuzz.hpp"
#include "protocol/json.hpp"
#include "protocol/socketio.hpp"

using namespace robotlive;

namespace {

// The one argument of ["event", {…}].
std::string_view
argument (const std::string &payload)
{
  REQUIRE (json_valid (payload));
  const auto elements = socketio::split_array (payload);
  REQUIRE (elements.size () == 2);
  return elements[1];
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  const std::string_view json (reinterpret_cast<const char *> (data), size);
  std::string error;
  for (const SignalKind kind : {SignalKind::Offer, SignalKind::Answer,
           SignalKind::Candidate, SignalKind::Leave, SignalKind::Limit}) {
    Signal signal;
    if (!parse_signal (kind, json, &signal, &error)) {
      REQUIRE (!error.empty ());
      continue;
    }
    Signal relayed;
    std::string why;
    if (parse_relayed_signal (kind, json, nullptr, &relayed, &why))
      REQUIRE (json_valid (signal_payload (relayed)) &&
               signal_payload (relayed).size () < 2 * max_sdp_length + 8192 &&
               relayed.peer_id == signal.peer_id && relayed.to == signal.to);
    REQUIRE (signal.sdp.size () <= max_sdp_length);
    REQUIRE (signal.peer_id.size () <= max_id_length);
    Signal again;
    const std::string payload = signal_payload (signal);
    REQUIRE (parse_signal (kind, argument (payload), &again, &error));
    REQUIRE (again.sdp == signal.sdp && again.to == signal.to &&
             again.from == signal.from && again.peer_id == signal.peer_id &&
             again.reason == signal.reason && again.limit == signal.limit &&
             again.candidate.candidate == signal.candidate.candidate);
  }
  RegisterMessage registration;
  if (parse_register (json, &registration, &error)) {
    RegisterMessage again;
    const std::string payload = register_payload (registration);
    REQUIRE (parse_register (argument (payload), &again, &error));
    REQUIRE (again.user_id == registration.user_id);
  }
  RegisteredMessage registered;
  if (parse_registered (json, &registered, &error))
    argument (registered_payload (registered));
  SessionMessage session;
  if (parse_session (json, &session, &error) && session.terms)
    argument (session_updated_payload (session.peer_id, *session.terms));
  ErrorMessage refusal;
  if (parse_error (json, &refusal, &error))
    argument (error_payload (refusal));
  std::string room;
  if (parse_join_room (json, &room, &error))
    REQUIRE (room.size () <= max_id_length);
  REQUIRE (parse_auth_token (json).size () <= max_token_length);
  return 0;
}
