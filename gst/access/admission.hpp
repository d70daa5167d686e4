// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Admission: who may watch, from when and until when. The decision alone: no
// I/O and no clock; the caller says what CLOCK_BOOTTIME showed on arrival.
#pragma once
#include "base/boottime.hpp"
#include "client/signaller.hpp"
#include "grant/keyset.hpp"
#include "grant/refusal.hpp"
#include <cstdint>
#include <optional>
#include <string>

namespace robotlive {

enum class SessionPolicy
{
  RequireGrant, // a grant signed by the server's key, for this robot
  TrustServer,  // the server's word; unlimited when it says nothing
  Open,         // everyone, without end: a bench
};

struct Admitted
{
  std::string role;
  std::int64_t opens_at = 0; // CLOCK_BOOTTIME ns
  std::int64_t ends_at = kNeverNs;
};

// Code of a refusal: none of our keys has signed the grant.
constexpr char kGrantRefused[] = "grant-refused";

class Admission
{
public:
  Admission (SessionPolicy policy, std::string robot_id);

  void set_keys (JwtKeySet keys) { keys_ = std::move (keys); }
  // False while a grant cannot be checked because the key is not here yet.
  bool ready () const
  {
    return policy_ != SessionPolicy::RequireGrant || !keys_.empty ();
  }

  // The server's clock, of a message that came at *now_ns*: CLOCK_BOOTTIME.
  // Each message shows an earlier time than it is, by its time on the way; of
  // the last minutes' the quickest counts, so that one which was held up ends
  // nobody's session late. A clock that was set back is believed.
  void note_server_time (TimeMs told, std::int64_t now_ns);

  // *from* is the viewer's id, *now_ns* CLOCK_BOOTTIME when the message came.
  bool admit (const std::string &from, const std::string &peer_id,
      const std::optional<SessionTerms> &terms, std::int64_t now_ns,
      Admitted *out, Refusal *refusal);

private:
  bool admit_grant (const std::string &from, const std::string &peer_id,
      const SessionTerms &terms, std::int64_t now_ns, Admitted *out,
      Refusal *refusal);

  // The latest that it can be said to be, with what was told just now.
  TimeMs server_now (TimeMs told, std::int64_t now_ns);

  const SessionPolicy policy_;
  const std::string robot_id_;
  JwtKeySet keys_;
  // The latest time that the key's holder has signed for, and when it came: a
  // relay that claims an earlier one replays an old grant.
  TimeMs signed_time_ = 0;
  std::int64_t signed_at_ns_ = 0;
  TimeMs told_now (std::int64_t now_ns) const;

  // What the quickest message told, and when it came.
  TimeMs told_time_ = 0;
  std::int64_t told_at_ns_ = 0;
};

} // namespace robotlive
