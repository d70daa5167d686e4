// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/auditroutes.hpp"
#include "protocol/json.hpp"
#include "server/http/sessionroutes.hpp"
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

HttpResponse
csv_response (const char *heading, const std::string &rows)
{
  HttpResponse response =
      json_response (200, std::string (heading) + "\r\n" + rows);
  response.content_type = "text/csv; charset=utf-8";
  response.headers.emplace_back (
      "Content-Disposition", "attachment; filename=\"audit.csv\"");
  return response;
}

} // namespace

bool
AuditRoutes::route (const HttpCallPtr &call)
{
  if (!call->is ("GET", {"audit"}))
    return false;
  audit (call);
  return true;
}

// ?kind=session (or none): who watched what. Another kind, or "event" for all
// of them: security events. ?from=T&to=T (as in bookings), ?robot=ID,
// ?viewer=ID, ?limit=N, ?format=csv or Accept: text/csv.
void
AuditRoutes::audit (const HttpCallPtr &call)
{
  if (!need_admin (*call))
    return;
  auto moment = [this, call] (const char *key, TimeMs otherwise) {
    std::string text = call->query (key);
    return text.empty () ? std::optional<TimeMs> (otherwise)
                         : parts_.zone->parse_moment (text, call->now);
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
  parts_.events->sum (http_event (
      *call, "admin-action", csv ? "audit-exported" : "audit-read"));
  AuditQuery query{
      *from, *to, limit, call->query ("robot"), call->query ("viewer")};
  if (!sessions)
    return audit_events (call, query, kind == "event" ? "" : kind, csv);
  parts_.records->ask_for<std::vector<SessionEntry>> (
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
        const Zone &zone = *parts_.zone;
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
AuditRoutes::audit_events (const HttpCallPtr &call, const AuditQuery &asked,
    const std::string &kind, bool csv)
{
  EventQuery query;
  query.from = asked.from;
  query.to = asked.to;
  query.limit = asked.limit;
  query.kind = kind;
  query.person = asked.viewer_id;
  query.target = asked.robot_id;
  parts_.records->ask_for<std::vector<AuditEvent>> (
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
            rows += parts_.zone->iso8601 (e.at) + "," + csv_cell (e.kind) +
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
