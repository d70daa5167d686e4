// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/operationroutes.hpp"
#include "protocol/json.hpp"
#include <algorithm>

namespace robotlive::server {

bool
OperationRoutes::route (const HttpCallPtr &call)
{
  if (call->is ("GET", {"health"}))
    health (call);
  else if (call->is ("GET", {"config"}))
    config (call);
  else if (call->is ("GET", {"metrics"}))
    metrics (call);
  else
    return false;
  return true;
}

void
OperationRoutes::health (const HttpCallPtr &call)
{
  bool healthy = parts_.healthy ();
  JsonWriter w;
  w.object ().field ("status", healthy ? "healthy" : "degraded");
  w.field ("service", "webrtc-signaling");
  auto utc = Zone::find ("UTC");
  w.field ("timestamp", utc->iso8601 (call->now));
  w.field ("connections", std::uint64_t{parts_.sockets->connections ()});
  w.field ("rooms", std::uint64_t{parts_.hub->rooms ()});
  call->reply (json_response (healthy ? 200 : 503, w.end ().take ()));
}

void
OperationRoutes::config (const HttpCallPtr &call)
{
  auto answer = [this, call] (TimeMs end) {
    std::string user = call->identity ? call->identity->subject : "";
    // A robot has nobody who asks anew for it.
    if (!call->identity || call->identity->role != "robot")
      end = std::min (end, call->now + kViewerRelay);
    call->reply (json_response (200,
        "{\"iceServers\":" +
            ice_servers_json (parts_.turn->servers (user, call->now, end)) +
            "}"));
  };
  if (call->unavailable)
    return call->reply (
        error_response (503, "unavailable", "try again in a moment"));
  if (!call->identity || call->identity->role == "robot" || call->admin () ||
      parts_.config->turn_urls.empty ())
    return answer (call->identity ? call->identity->expires_at : 0);
  // A viewer's TURN credentials end with the booking.
  parts_.backend->find_viewer (*call->identity, call->token, "",
      [call, answer] (const ViewerAnswer &viewer, TimeMs now) {
        TimeMs end = 0;
        for (const Booking &b : viewer.bookings)
          if (viewer.available && viewer.allowed &&
              b.window.state (now) == WindowState::Open)
            end = std::max (end, b.window.ends_at);
        if (end == 0)
          call->identity.reset (); // no booking now: no relay
        answer (end);
      });
}

void
OperationRoutes::metrics (const HttpCallPtr &call)
{
  const auto &more = parts_.config->metrics_from;
  const std::string &address = call->request.address;
  bool allowed = call->request.local || call->admin () ||
                 std::find (more.begin (), more.end (), address) != more.end ();
  if (!allowed)
    return call->reply (
        error_response (403, "forbidden", "not from this address"));
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = parts_.metrics->text ();
  call->reply (std::move (response));
}

} // namespace robotlive::server
