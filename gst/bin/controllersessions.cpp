// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Controller's part for a link that has been away: which peers it serves, and
// which of them may go on.
#include "bin/controller.hpp"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

std::vector<std::string>
Controller::viewers () const
{
  std::vector<std::string> ids;
  for (const auto &[peer_id, viewer] : viewers_)
    ids.push_back (peer_id);
  return ids;
}

std::vector<std::string>
Controller::serving () const
{
  auto ids = viewers ();
  for (const auto &[peer_id, pending] : pending_)
    if (!viewers_.count (peer_id))
      ids.push_back (peer_id);
  return ids;
}

void
Controller::on_sessions (const std::vector<RunningSession> &sessions,
    const std::vector<EndedPeer> &ended)
{
  for (const auto &peer_id : serving ()) {
    const auto same = [&peer_id] (const auto &entry) {
      return entry.peer_id == peer_id;
    };
    const auto session =
        std::find_if (sessions.begin (), sessions.end (), same);
    if (session != sessions.end ()) {
      if (session->terms)
        on_session_updated (peer_id, *session->terms);
      continue;
    }
    const auto why = std::find_if (ended.begin (), ended.end (), same);
    GST_INFO_OBJECT (element_, "viewer %s: its session has ended meanwhile",
        peer_id.c_str ());
    on_session_ended (peer_id, why == ended.end () ? "" : why->reason);
  }
}

void
Controller::on_session_updated (
    const std::string &peer_id, const SessionTerms &session)
{
  const auto found = viewers_.find (peer_id);
  if (found == viewers_.end ()) {
    if (const auto waiting = pending_.find (peer_id);
        waiting != pending_.end ()) {
      waiting->second.session = session;
      waiting->second.arrived_at = boot_now ();
      waiting->second.admitted = false;
      waiting->second.key_answer = 0; // another grant, perhaps another key
      proceed (peer_id);
    }
    return;
  }
  set_terms (*found->second, session, boot_now (), 0);
  announce_sessions ();
}

void
Controller::set_terms (Viewer &viewer, const SessionTerms &session,
    std::int64_t arrived_at, unsigned key_answer)
{
  const std::string peer_id = viewer.peer_id ();
  Admitted terms;
  Refusal refusal;
  updates_.erase (peer_id);
  if (admission_->admit (
          viewer.user (), peer_id, session, arrived_at, &terms, &refusal)) {
    viewer.set_terms (terms);
    keys_good ();
    return;
  }
  // A longer session is signed with a key that may be on its way.
  if (wait_for_keys (refusal, &key_answer))
    updates_[peer_id] = {session, arrived_at, key_answer};
  else if (refusal.code == kGrantRefused)
    warn_of_keys (refusal);
  // The server's word may always shorten; lengthening takes a grant.
  GST_WARNING_OBJECT (element_, "viewer %s: session-updated refused: %s",
      peer_id.c_str (), refusal.message.c_str ());
  Admission server_word (SessionPolicy::TrustServer, settings_.robot_id);
  if (!server_word.admit (
          viewer.user (), peer_id, session, arrived_at, &terms, &refusal)) {
    end_viewer (peer_id, "revoked");
    return;
  }
  auto shorter = viewer.terms ();
  shorter.ends_at = std::min (shorter.ends_at, terms.ends_at);
  viewer.set_terms (shorter);
}

} // namespace robotlive
