// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/http/robotroutes.hpp"
#include "protocol/json.hpp"
#include <algorithm>

namespace robotlive::server {

namespace {

void
refuse (const HttpCallPtr &call, const std::string &sentence)
{
  call->reply (error_response (422, "bad-message", sentence));
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
RobotRoutes::route (const HttpCallPtr &call)
{
  if (call->is ("GET", {"robots"})) {
    list (call);
    return true;
  }
  bool tokens = call->is ("GET", {"tokens"});
  bool revoke = call->is ("DELETE", {"tokens", "*"});
  bool of_robot = call->is ("GET", {"robots", "*", "tokens"});
  bool add_one = call->is ("POST", {"robots"});
  bool change_one = call->is ("PATCH", {"robots", "*"});
  bool remove_one = call->is ("DELETE", {"robots", "*"});
  bool issue = call->is ("POST", {"robots", "*", "token"});
  bool end = call->is ("DELETE", {"robots", "*", "token"});
  bool ours = tokens || revoke || of_robot || add_one || change_one ||
              remove_one || issue || end;
  if (!ours)
    return false;
  bool needs_store = add_one || change_one || remove_one || issue || end;
  if (needs_store && !parts_.store)
    call->reply (error_response (
        404, "not-found", "accounts and bookings are in the console"));
  else if (!need_admin (*call))
    return true;
  else if (tokens)
    list_tokens (call, "");
  else if (of_robot)
    list_tokens (call, call->path[1]);
  else if (revoke)
    revoke_token (call);
  else if (add_one)
    add (call);
  else if (change_one)
    change (call);
  else if (remove_one)
    remove (call);
  else if (issue)
    issue_token (call);
  else
    revoke_tokens (call);
  return true;
}

void
RobotRoutes::list (const HttpCallPtr &call)
{
  if (!need_user (*call))
    return;
  using Ends = std::map<std::string, TimeMs>; // of the newest token, by robot
  auto answer = [this, call] (std::vector<RobotRecord> list, const Ends &ends) {
    // Robots that only the room knows: of a console, or of a bench.
    for (const auto &[id, type] : parts_.hub->online_robots ())
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
          w, parts_.hub->robot_state (r.id, call->now), call->admin ());
      auto end = ends.find (r.id);
      if (call->admin () && end != ends.end ())
        w.field ("expiresAt", end->second);
      w.end ();
    }
    call->reply (json_response (200, w.end ().take ()));
  };
  if (!parts_.store)
    return answer ({}, {});
  using Listed = std::pair<std::vector<RobotRecord>, Ends>;
  parts_.store->ask_for<Listed> (
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
RobotRoutes::say (
    const HttpCallPtr &call, const char *what, const std::string &id)
{
  parts_.events->note (
      http_event (*call, "admin-action", std::string ("robot-") + what, id));
}

bool
RobotRoutes::may_issue (const HttpCallPtr &call)
{
  if (!parts_.keys->can_issue ())
    call->reply (error_response (
        404, "not-found", "tokens are issued by another server"));
  return parts_.keys->can_issue ();
}

void
RobotRoutes::add (const HttpCallPtr &call)
{
  if (!may_issue (call))
    return;
  auto body = JsonBody::read (*call, {"id", "type", "name"});
  if (!body)
    return;
  RobotRecord robot;
  robot.id = body->text ("id");
  robot.type = body->text ("type");
  robot.name = body->text ("name");
  robot.created_at = call->now;
  if (!valid_robot_id (robot.id) ||
      (!robot.type.empty () && !valid_robot_id (robot.type)))
    return refuse (call, "\"id\" and \"type\" are letters, digits and . _ - : "
                         "@ + /");
  if (!robot.name.empty () && !valid_name (robot.name))
    return refuse (call, "\"name\" is not usable");
  Identity identity =
      new_identity (robot.id, "robot", call->now, parts_.config->robot_ttl_ms);
  robot.token_id = identity.token_id;
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [robot, end = identity.expires_at] (Store &store) {
        store.add_robot (robot, end);
        return true;
      },
      [this, call, robot, identity] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, "added", robot.id);
        parts_.events->note (http_event (*call, "token", "robot", robot.id));
        parts_.hub->recheck_robots (&robot.id);
        JsonWriter w;
        w.object ().field ("id", robot.id).field ("type", robot.type);
        w.field ("name", robot.name.empty () ? robot.id : robot.name);
        w.field ("token", parts_.keys->issue (identity));
        w.field ("token_id", identity.token_id);
        w.field ("expires_at", identity.expires_at).end ();
        call->reply (json_response (201, w.take ()));
      });
}

void
RobotRoutes::change (const HttpCallPtr &call)
{
  auto body = JsonBody::read (*call, {"name", "type"});
  if (!body)
    return;
  std::optional<std::string> name, type;
  if (body->has ("name"))
    name = body->text ("name");
  if (body->has ("type"))
    type = body->text ("type");
  if (!name && !type)
    return refuse (call, "\"name\" or \"type\" is needed");
  if (name && !valid_name (*name))
    return refuse (call, "\"name\" is not usable");
  if (type && !type->empty () && !valid_robot_id (*type))
    return refuse (call, "\"type\" is letters, digits and . _ - : @ + /");
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [id = call->path[1], name, type] (Store &store) {
        store.change_robot (id, name, type);
        return true;
      },
      [this, call] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, "changed", call->path[1]);
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

void
RobotRoutes::remove (const HttpCallPtr &call)
{
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [id = call->path[1], now = call->now] (Store &store) {
        store.remove_robot (id, now);
        return true;
      },
      [this, call] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, "removed", call->path[1]);
        parts_.events->note (
            http_event (*call, "revocation", "robot", call->path[1]));
        parts_.store->forget_standings ();
        parts_.hub->revoke_robot (call->path[1], wall_now ());
        parts_.hub->recheck_all (wall_now ());
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

// {"replace_in":"24h"}: until then the old ones count as well.
void
RobotRoutes::issue_token (const HttpCallPtr &call)
{
  if (!may_issue (call))
    return;
  auto body = JsonBody::read (*call, {"replace_in"});
  if (!body)
    return;
  auto overlap = body->has ("replace_in")
                     ? parse_duration (body->text ("replace_in"))
                     : std::optional<TimeMs> (0);
  if (!overlap)
    return refuse (call, "\"replace_in\" is a duration like 24h");
  const std::string id = call->path[1];
  Identity identity =
      new_identity (id, "robot", call->now, parts_.config->robot_ttl_ms);
  TimeMs others_end = *overlap > 0 ? call->now + *overlap : 0;
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [id, identity, others_end, now = call->now] (Store &store) {
        store.set_robot_token (
            id, identity.token_id, now, identity.expires_at, others_end);
        return true;
      },
      [this, call, id, identity, others_end] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, "token-issued", id);
        parts_.events->note (http_event (*call, "token", "robot", id));
        parts_.store->forget_standings ();
        // Whoever holds the old token is cut, at once or in time.
        if (others_end == 0)
          parts_.hub->revoke_robot (id, wall_now ());
        else
          parts_.hub->recheck_robots (&id);
        JsonWriter w;
        w.object ().field ("ok", true);
        w.field ("token", parts_.keys->issue (identity));
        w.field ("token_id", identity.token_id);
        w.field ("expires_at", identity.expires_at).end ();
        call->reply (json_response (201, w.take ()));
      });
}

// Also of a robot that the store does not know: it may hold a token all the
// same.
void
RobotRoutes::revoke_tokens (const HttpCallPtr &call)
{
  const std::string id = call->path[1];
  if (!valid_id (id))
    return refuse (call, "that is not the id of a robot");
  parts_.store->ask_for<bool> (
      lane_of (*call),
      [id, now = call->now] (Store &store) {
        store.revoke_subject (true, id, now);
        return true;
      },
      [this, call, id] (bool, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        say (call, "tokens-revoked", id);
        parts_.events->note (http_event (*call, "revocation", "robot", id));
        parts_.store->forget_standings ();
        parts_.hub->revoke_robot (id, wall_now ());
        call->reply (json_response (200, "{\"ok\":true}"));
      });
}

void
RobotRoutes::list_tokens (const HttpCallPtr &call, const std::string &robot)
{
  parts_.records->ask_for<std::vector<TokenRecord>> (
      lane_of (*call), [robot] (Store &store) { return store.tokens (robot); },
      [call, robot] (
          const std::vector<TokenRecord> &list, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        JsonWriter w;
        w.array ();
        auto moment = [&w] (const char *name, TimeMs at) {
          w.key (name);
          if (at != 0)
            w.value (at);
          else
            w.null ();
        };
        for (const TokenRecord &t : list) {
          if (!robot.empty () && t.role != "robot")
            continue;
          w.object ().field ("id", t.id).field ("sub", t.subject);
          w.field ("role", t.role);
          moment ("issued_at", t.issued_at);
          moment ("expires_at", t.expires_at);
          moment ("ends_at", t.ends_at);
          moment ("revoked_at", t.revoked_at);
          w.end ();
        }
        call->reply (json_response (200, w.end ().take ()));
      });
}

void
RobotRoutes::revoke_token (const HttpCallPtr &call)
{
  struct Revoked
  {
    bool known = false;
    TokenRecord token;
  };
  parts_.records->ask_for<Revoked> (
      lane_of (*call),
      [id = call->path[1], now = call->now] (Store &store) {
        Revoked result;
        result.known = store.revoke_token (id, now);
        result.token = store.token (id).value_or (TokenRecord ());
        return result;
      },
      [this, call] (const Revoked &result, const StoreError *error) {
        if (error)
          return call->reply (store_error_response (*error));
        parts_.events->note (
            http_event (*call, "admin-action", "token-revoked", call->path[1]));
        parts_.events->note (
            http_event (*call, "revocation", "token", call->path[1]));
        parts_.records->forget_standings ();
        // Whoever holds it is looked for among all: its id is all we know.
        parts_.hub->recheck_all (wall_now ());
        call->reply (
            json_response (200, result.known ? "{\"ok\":true,\"known\":true}"
                                             : "{\"ok\":true,"
                                               "\"known\":false}"));
      });
}

} // namespace robotlive::server
