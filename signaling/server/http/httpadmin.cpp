// SPDX-License-Identifier: LGPL-2.1-or-later
#include "protocol/json.hpp"
#include "server/http/httpapi.hpp"
#include <algorithm>

namespace robotlive::server {

namespace {

constexpr int kMaxAuditRows = 10000;

// RFC 4180. A cell that a spreadsheet would take for a formula is text.
std::string
csv_cell (const std::string &text)
{
  std::string cell = text;
  // Also as East Asian input methods write them.
  static const std::string_view starts[] = {"=", "+", "-", "@", "\t", "\r",
      "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"};
  // A spreadsheet looks behind spaces, too.
  std::size_t first = cell.find_first_not_of (' ');
  bool formula = first != std::string::npos &&
                 std::any_of (std::begin (starts), std::end (starts),
                     [&] (std::string_view start) {
                       return cell.compare (first, start.size (), start) == 0;
                     });
  if (formula)
    cell.insert (0, "'");
  if (cell.find_first_of (",\"\r\n") == std::string::npos)
    return cell;
  std::string quoted = "\"";
  for (char c : cell)
    quoted += c == '"' ? std::string ("\"\"") : std::string (1, c);
  return quoted + "\"";
}

void
append_session (JsonWriter &w, const SessionEntry &e, const char *state = "")
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

// *whole*: for the operator, who has to find a second process of the robot.
void
append_robot_state (JsonWriter &w, const RobotState &state, bool whole)
{
  w.field ("online", state.online);
  if (state.refuses_since != 0) {
    w.key ("refusesGrants").object ().field ("since", state.refuses_since);
    w.field ("count", state.refused).end ();
  }
  if (!whole)
    return;
  w.key ("duplicates").array ();
  for (const RobotState::Duplicate &d : state.duplicates)
    w.object ()
        .field ("instance", d.instance)
        .field ("address", d.address)
        .field ("since", d.since)
        .end ();
  w.end ();
}

} // namespace

bool
HttpApi::route_admin (const CallPtr &call)
{
  if (call->is ("GET", {"robots"}))
    list_robots (call);
  else if (call->is ("GET", {"sessions"}))
    list_sessions (call);
  else if (call->is ("DELETE", {"sessions", "*"}))
    end_session (call, call->path[1]);
  else if (call->is ("GET", {"audit"}))
    audit (call);
  else
    return false;
  return true;
}

void
HttpApi::list_robots (const CallPtr &call)
{
  if (!need_user (call))
    return;
  using Ends = std::map<std::string, TimeMs>; // of the newest token, by robot
  auto answer = [this, call] (std::vector<RobotRecord> list, const Ends &ends) {
    // Robots that only the room knows: of a console, or of a bench.
    for (const auto &[id, type] : services_.room->online_robots ())
      if (std::none_of (list.begin (), list.end (),
              [id = id] (const RobotRecord &r) { return r.id == id; }))
        list.push_back ({id, type, id});
    JsonWriter w;
    w.array ();
    for (const RobotRecord &r : list) {
      w.object ().field ("id", r.id).field ("robot_type", r.type);
      w.field ("type", r.type);
      w.field ("name", r.name.empty () ? r.id : r.name);
      append_robot_state (
          w, services_.room->robot_state (r.id, call->now), call->admin ());
      auto end = ends.find (r.id);
      if (call->admin () && end != ends.end ())
        w.field ("expiresAt", end->second);
      w.end ();
    }
    call->reply (json_response (200, w.end ().take ()));
  };
  if (!services_.store)
    return answer ({}, {});
  using Listed = std::pair<std::vector<RobotRecord>, Ends>;
  services_.store->ask_for<Listed> (
      call->identity->subject,
      [] (Store &store) {
        Listed listed;
        listed.first = store.robots ();
        for (const TokenRecord &t : store.tokens ())
          if (t.role == "robot" && t.revoked_at == 0 && t.expires_at != 0)
            listed.second[t.subject] = std::max (listed.second[t.subject],
                t.ends_at != 0 ? t.ends_at : t.expires_at);
        return listed;
      },
      [call, answer] (Listed listed, const StoreError *error) {
        if (error)
          call->reply (store_error_response (*error));
        else
          answer (std::move (listed.first), listed.second);
      });
}

void
HttpApi::list_sessions (const CallPtr &call)
{
  if (!need_admin (call))
    return;
  JsonWriter w;
  w.array ();
  for (const SessionEntry &e : services_.room->sessions ())
    append_session (w, e, services_.room->state (e));
  call->reply (json_response (200, w.end ().take ()));
}

void
HttpApi::end_session (const CallPtr &call, const std::string &peer_id)
{
  if (!need_admin (call))
    return;
  if (!services_.room->end_session (peer_id, "revoked", call->now))
    return call->reply (
        error_response (404, "not-found", "there is no such session"));
  note_act (*call, "session-ended", peer_id);
  // After what the room has written: what was answered outlives this server.
  services_.audit->ask<bool> ([] (Store &) { return true; },
      [call] (bool, const StoreError *) {
        // It is the session that ends, not the right to one.
        call->reply (json_response (200,
            "{\"ok\":true,\"may_return\":true,\"message\":\"the viewer may "
            "offer anew while its booking runs: cancel that to keep it "
            "out\"}"));
      });
}

HttpResponse
HttpApi::csv_response (const char *heading, const std::string &rows)
{
  HttpResponse response =
      json_response (200, std::string (heading) + "\r\n" + rows);
  response.content_type = "text/csv; charset=utf-8";
  response.headers.emplace_back (
      "Content-Disposition", "attachment; filename=\"audit.csv\"");
  return response;
}

// ?kind=session (or none): who watched what. Another kind, or "event" for all
// of them: security events. ?from=T&to=T (as in bookings), ?robot=ID,
// ?viewer=ID, ?limit=N, ?format=csv or Accept: text/csv.
void
HttpApi::audit (const CallPtr &call)
{
  if (!need_admin (call))
    return;
  auto moment = [this, call] (const char *key, TimeMs otherwise) {
    std::string text = call->query (key);
    return text.empty () ? std::optional<TimeMs> (otherwise)
                         : services_.zone->parse_moment (text, call->now);
  };
  auto from = moment ("from", 0);
  auto to = moment ("to", kNever);
  std::string limit_text = call->query ("limit");
  int limit = 1000;
  if (!limit_text.empty ()) {
    bool number =
        limit_text.size () <= 5 &&
        limit_text.find_first_not_of ("0123456789") == std::string::npos;
    limit = number ? std::min (std::stoi (limit_text), kMaxAuditRows) : 0;
  }
  if (!from || !to || limit < 1)
    return call->reply (error_response (422, "bad-message",
        "\"from\" and \"to\" are times, \"limit\" is a number"));
  bool csv = call->query ("format") == "csv" ||
             call->request.header ("accept").find ("text/csv") !=
                 std::string_view::npos;
  std::string kind = call->query ("kind");
  const auto &kinds = event_kinds ();
  bool sessions = kind.empty () || kind == "session";
  if (!sessions && kind != "event" &&
      std::find (kinds.begin (), kinds.end (), kind) == kinds.end ())
    return call->reply (error_response (422, "bad-message",
        "\"kind\" is session, event, denied, login, password, token, "
        "revocation or admin-action"));
  // A page that looks often is one row a minute.
  services_.events->sum (http_event (
      *call, "admin-action", csv ? "audit-exported" : "audit-read"));
  AuditQuery query{
      *from, *to, limit, call->query ("robot"), call->query ("viewer")};
  if (!sessions)
    return audit_events (call, query, kind == "event" ? "" : kind, csv);
  services_.audit->ask_for<std::vector<SessionEntry>> (
      call->identity->subject,
      [query] (Store &store) { return store.audit (query); },
      [this, call, csv] (
          std::vector<SessionEntry> list, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        if (!csv) {
          JsonWriter w;
          w.array ();
          for (const SessionEntry &e : list)
            append_session (w, e);
          return call->reply (json_response (200, w.end ().take ()));
        }
        const Zone &zone = *services_.zone;
        std::string rows;
        for (const SessionEntry &e : list)
          rows += csv_cell (e.peer_id) + "," + csv_cell (e.viewer_id) + "," +
                  csv_cell (e.robot_id) + "," + csv_cell (e.role) + "," +
                  csv_cell (e.address) + "," + zone.iso8601 (e.started_at) +
                  "," + zone.iso8601 (e.expires_at) + "," +
                  (e.ended_at ? zone.iso8601 (e.ended_at) : "") + "," +
                  csv_cell (e.reason) + "\r\n";
        call->reply (csv_response (
            "peer_id,viewer_id,robot_id,role,address,started_at,expires_at,"
            "ended_at,reason",
            rows));
      });
}

void
HttpApi::audit_events (const CallPtr &call, const AuditQuery &asked,
    const std::string &kind, bool csv)
{
  EventQuery query;
  query.from = asked.from;
  query.to = asked.to;
  query.limit = asked.limit;
  query.kind = kind;
  query.person = asked.viewer_id;
  query.target = asked.robot_id;
  services_.audit->ask_for<std::vector<AuditEvent>> (
      call->identity->subject,
      [query] (Store &store) { return store.events (query); },
      [this, call, csv] (
          const std::vector<AuditEvent> &list, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        JsonWriter w;
        std::string rows;
        w.array ();
        for (const AuditEvent &e : list) {
          if (!csv)
            w.object ()
                .field ("id", e.id)
                .field ("at", e.at)
                .field ("kind", e.kind)
                .field ("who", e.actor)
                .field ("what", e.what)
                .field ("target", e.target)
                .field ("address", e.address)
                .field ("via", e.via)
                .field ("code", e.code)
                .field ("count", e.count)
                .end ();
          else
            rows += services_.zone->iso8601 (e.at) + "," + csv_cell (e.kind) +
                    "," + csv_cell (e.actor) + "," + csv_cell (e.what) + "," +
                    csv_cell (e.target) + "," + csv_cell (e.address) + "," +
                    csv_cell (e.via) + "," + csv_cell (e.code) + "," +
                    std::to_string (e.count) + "\r\n";
        }
        call->reply (
            csv ? csv_response (
                      "at,kind,who,what,target,address,via,code,count", rows)
                : json_response (200, w.end ().take ()));
      });
}

} // namespace robotlive::server
