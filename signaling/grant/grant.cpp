// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/grant.hpp"

namespace robotlive {

const char *
grant_error_text (GrantError error)
{
  switch (error) {
    case GrantError::None:
      return "The grant is valid.";
    case GrantError::Malformed:
      return "The grant is not a signed JWT with the claims of a grant.";
    case GrantError::WrongAlgorithm:
      return "The grant is signed with another algorithm than the key's.";
    case GrantError::UnknownKey:
      return "The grant is signed with a key that is not known here.";
    case GrantError::BadSignature:
      return "The signature of the grant does not match the key.";
    case GrantError::WrongAudience:
      return "The grant is for another robot.";
    case GrantError::NotYetValid:
      return "The grant is not valid yet.";
    case GrantError::Expired:
      return "The grant has expired.";
  }
  return "The grant is not valid.";
}

const char *
grant_error_code (GrantError error)
{
  switch (error) {
    case GrantError::None:
      return "ok";
    case GrantError::Malformed:
      return "malformed";
    case GrantError::WrongAlgorithm:
      return "wrong-algorithm";
    case GrantError::UnknownKey:
      return "unknown-key";
    case GrantError::BadSignature:
      return "bad-signature";
    case GrantError::WrongAudience:
      return "wrong-audience";
    case GrantError::NotYetValid:
      return "not-yet-valid";
    case GrantError::Expired:
      return "expired";
  }
  return "malformed";
}

} // namespace robotlive
