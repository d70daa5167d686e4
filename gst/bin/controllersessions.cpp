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

} // namespace robotlive
