// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/sessionroutes.hpp"
#include "protocol/json.hpp"

namespace robotlive::server {

void
append_session (JsonWriter &w, const SessionEntry &e, const char *state)
{
  w.object ().field ("peerId", e.peer_id).field ("viewerId", e.viewer_id);
  w.field ("robotId", e.robot_id).field ("role", e.role);
  w.field ("address", e.address).field ("startedAt", e.started_at);
  w.field ("expiresAt", e.expires_at);
  if (e.ended_at != 0)
    w.field ("endedAt", e.ended_at).field ("reason", e.reason);
  if (*state)
    w.field ("state", state);
  if (!e.ending.empty ())
    w.field ("reason", e.ending);
  w.end ();
}

bool
SessionRoutes::route (const HttpCallPtr &call)
{
  if (call->is ("GET", {"sessions"}))
    list_sessions (call);
  else if (call->is ("DELETE", {"sessions", "*"}))
    end_session (call, call->path[1]);
  else
    return false;
  return true;
}

void
SessionRoutes::list_sessions (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  JsonWriter w;
  w.array ();
  for (const SessionEntry &e : parts_.hub->sessions ())
    append_session (w, e, parts_.hub->state (e));
  call->reply (json_response (200, w.end ().take ()));
}

void
SessionRoutes::end_session (const HttpCallPtr &call, const std::string &peer_id)
{
  if (!need_admin (*call))
    return;
  if (!parts_.hub->end_session (peer_id, "revoked", call->now))
    return call->reply (
        error_response (404, "not-found", "there is no such session"));
  note_act (*parts_.events, *call, "session-ended", peer_id);
  // After what the room has written: what was answered outlives this server.
  parts_.records->ask<bool> ([] (Store &) { return true; },
      [call] (bool, const StoreError *) {
        // It is the session that ends, not the right to one.
        call->reply (json_response (200,
            "{\"ok\":true,\"may_return\":true,\"message\":\"the viewer may "
            "offer anew while its booking runs: cancel that to keep it "
            "out\"}"));
      });
}

} // namespace robotlive::server
