// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Session grant: the JWT by which the signaling server tells a robot who may
// watch it, and until when (signaling/PROTOCOL.md, "Session grant"). Pure
// values here; signing and checking stand in jwt.hpp.
#pragma once
#include "grant/window.hpp"
#include <string>

namespace robotlive {

struct Grant
{
  std::string issuer;    // iss
  std::string viewer_id; // sub
  std::string robot_id;  // aud
  std::string peer_id;   // jti
  std::string role;      // "viewer" or "admin"
  Window window;         // nbf .. exp, in ms (the JWT holds seconds)
  TimeMs issued_at = 0;  // iat
};

enum class GrantError
{
  None,
  Malformed,      // not a JWT, or a claim is missing or of the wrong type
  WrongAlgorithm, // "none", or another algorithm than the key's
  UnknownKey,     // names a key that is not known here
  BadSignature,
  WrongAudience, // for another robot
  NotYetValid,
  Expired,
};

const char *grant_error_text (GrantError error); // one English sentence
const char *grant_error_code (GrantError error); // "wrong-audience", ...

} // namespace robotlive
