// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether the robot has the key that its server signs grants with: with another
// it refuses every viewer.
#include "doctor-http.hpp"
#include "doctor.hpp"
#include "grant/keyfile.hpp"
#include <algorithm>

namespace robotlive::robot {

namespace {

const char *const kName = "grant-key";

// What the keys of *file* are beside those of the server.
Check
compare (
    const std::string &path, const JwtKeySet &file, const JwtKeySet &server)
{
  const auto ids = file.key_ids ();
  const auto has = [&ids] (const std::string &id) {
    return std::find (ids.begin (), ids.end (), id) != ids.end ();
  };
  if (has (server.first ().key_id ()))
    return {
        kName, Health::Ok, path + " has the key that the server signs with"};
  const std::string remedy =
      "on the server: robotlive-signaling key show, and put what it prints "
      "into " +
      path + " (it may hold several keys)";
  const auto others = server.key_ids ();
  if (std::any_of (others.begin (), others.end (), has))
    return {kName, Health::Failed,
        path + " has an old key of the server and not the one that it signs "
               "with now: viewers are refused",
        remedy};
  return {kName, Health::Failed,
      path + " does not have the key that the server signs with: every viewer "
             "is refused",
      remedy};
}

} // namespace

Check
check_grant_key (const RobotConf &conf)
{
  const std::string &policy = conf.get ("signaling.session-policy");
  const std::string &path = conf.get ("signaling.grant-key");
  const std::string base = http_base (conf.get ("signaling.server"));
  if (policy != "require-grant")
    return {
        kName, Health::Skipped, "session-policy = " + policy + " needs none"};
  if (base.empty ())
    return {kName, Health::Skipped, "no server is configured"};
  std::string why;
  std::optional<JwtKeySet> file;
  if (!path.empty () && !(file = load_key_file (path, &why)))
    return {kName, Health::Failed, why,
        "on the server: robotlive-signaling key show, and put what it prints "
        "into " +
            path};
  if (path.empty () && !private_link (base))
    return {kName, Health::Failed,
        "the keys of " + base +
            " would come over plain HTTP: the robot does "
            "not start",
        "server = wss://…, or grant-key = a file with what "
        "\"robotlive-signaling key show\" prints"};
  if (file && file->has_secret ())
    return {kName, Health::Skipped,
        path + " holds a secret, which cannot be compared"};
  const Answer answer = ask (conf, base + "/.well-known/jwks.json", "");
  if (!answer.status)
    return {kName, Health::Skipped, "the server was not reached"};
  if (answer.status == 404 && file)
    return {kName, Health::Skipped,
        "the server publishes no keys that " + path +
            " could be compared "
            "with"};
  if (answer.status == 404)
    return {kName, Health::Failed,
        base + " has no grant keys (HTTP 404): every viewer is refused",
        "a server that knows no grants needs session-policy = trust-server"};
  const auto server = answer.status == 200
                          ? JwtKeySet::parse (answer.body, &why)
                          : std::nullopt;
  if (!server || server->first ().key_id ().empty ())
    return {kName, Health::Warning,
        base + "/.well-known/jwks.json is no set of keys (HTTP " +
            std::to_string (answer.status) + ")",
        "a proxy must pass on all paths: see the operator's guide"};
  if (file)
    return compare (path, *file, *server);
  return {kName, Health::Ok,
      std::to_string (server->size ()) +
          (server->size () == 1 ? " key" : " keys") + " of the server"};
}

} // namespace robotlive::robot
