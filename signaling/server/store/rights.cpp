// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/store/rights.hpp"
#include <algorithm>

namespace robotlive::server {

namespace {

const char kRevoked[] = "the token was revoked";

Standing
refused (const char *reason)
{
  Standing s;
  s.reason = reason;
  return s;
}

// A row that was made by revoking has no subject: only the id is known.
bool
is_of (const TokenRecord &token, const Identity &identity)
{
  bool robot = identity.role == "robot";
  return token.subject.empty () || (token.subject == identity.subject &&
                                       (token.role == "robot") == robot);
}

Standing
robot_standing (Store &store, const Identity &identity,
    const std::optional<TokenRecord> &token, const RightsPolicy &policy)
{
  Standing s;
  s.role = "robot";
  s.ends_at = identity.expires_at;
  auto record = store.robot (identity.subject);
  TimeMs revoked_at = store.subject_revoked_at (true, identity.subject);
  if (record) {
    s.robot_known = true;
    s.robot_type = record->type;
    revoked_at = std::max (revoked_at, record->revoked_at);
  }
  if (token) {
    if (token->ends_at != 0)
      s.ends_at = std::min (s.ends_at, token->ends_at);
  } else if (record && !identity.token_id.empty () && policy.own_accounts) {
    return refused (kRevoked); // ours are all written down
  } else if (identity.issued_at <= revoked_at) {
    return refused (kRevoked); // by its time of issue
  }
  s.allowed = true;
  return s;
}

Standing
user_standing (
    Store &store, const Identity &identity, const RightsPolicy &policy)
{
  Standing s;
  s.ends_at = identity.expires_at;
  std::optional<User> user;
  if (policy.own_accounts)
    user = store.user_by_id (identity.subject);
  bool ours = identity.epoch >= 0;
  bool restored = identity.epoch == Identity::kRestored;
  if (!user) {
    if (ours || !policy.foreign_subjects)
      return refused ("there is no such account");
    if (identity.issued_at <=
        store.subject_revoked_at (false, identity.subject))
      return refused (kRevoked);
    s.role = identity.role == "admin" ? "admin" : "viewer";
    s.allowed = true;
    return s;
  }
  // Another issuer's "1" is not the account 1.
  if (!ours && !restored && policy.foreign_subjects)
    return refused ("the id is that of an account here");
  if (!user->enabled)
    return refused ("the account is disabled");
  // In whole seconds, as a JWT has them: a login of the same second is an old
  // one, but what it opened and is running has been looked at already.
  TimeMs issued_at = identity.issued_at + (restored ? 999 : 0);
  bool current = ours ? identity.epoch == user->valid_from
                      : issued_at > user->valid_from || user->valid_from == 0;
  if (!current)
    return refused ("the login was ended: log in again");
  s.role = user->role == "admin" ? "admin" : "viewer";
  user->password_hash.clear ();
  s.user = std::move (user);
  s.allowed = true;
  return s;
}

} // namespace

Standing
who_is (Store &store, const Identity &identity, const RightsPolicy &policy,
    TimeMs now)
{
  auto token = store.token (identity.token_id);
  if (token && !is_of (*token, identity))
    token.reset ();
  if (token && (token->revoked_at != 0 ||
                   (token->ends_at != 0 && now >= token->ends_at)))
    return refused (kRevoked);
  if (identity.role == "robot")
    return robot_standing (store, identity, token, policy);
  return user_standing (store, identity, policy);
}

} // namespace robotlive::server
