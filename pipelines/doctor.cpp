// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The checks that need this machine alone; doctor-server.cpp has the others.
#include "doctor.hpp"
#include "base/secretfile.hpp"
#include "plugins.hpp"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <ifaddrs.h>
#include <json-glib/json-glib.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/timex.h>
#include <unistd.h>

namespace robotlive::robot {

const char *
health_name (Health health)
{
  switch (health) {
    case Health::Ok:
      return "ok";
    case Health::Warning:
      return "warning";
    case Health::Failed:
      return "failed";
    case Health::Skipped:
      return "skipped";
  }
  return "failed";
}

Check
check_config (const std::string &path, RobotConf &conf)
{
  std::vector<Problem> problems;
  conf = RobotConf::load (path, problems);
  if (!problems.empty ()) {
    const Problem &first = problems[0];
    std::string where =
        first.line ? path + ":" + std::to_string (first.line) : path;
    return {"config", Health::Failed, where + ": " + first.text,
        "correct it; robotlive-run-pipeline --check names every mistake"};
  }
  for (const char *key : {"robot.id", "signaling.server"})
    if (conf.get (key).empty ())
      return {"config", Health::Failed, path + " does not set " + key,
          "set it: man robot.conf"};
  return {"config", Health::Ok, path};
}

Checks
check_plugins (const RobotConf &conf)
{
  std::vector<const char *> needed = {"sessiongate", "signalingbin",
      "webrtcbin", "dtlsenc", "srtpenc", "h264parse", "watchdog", "nicesink",
      "rtpbin", "rtph264pay", "videoconvert"};
  if (conf.get ("audio.source") == "alsa")
    needed.push_back ("alsasrc");
  Checks checks;
  for (const char *element : needed) {
    GstElementFactory *factory = gst_element_factory_find (element);
    if (factory) {
      gst_object_unref (factory);
      continue;
    }
    const MissingElement missing = missing_element (element);
    checks.push_back ({"plugin", Health::Failed, missing.text, missing.remedy});
  }
  if (checks.empty ())
    checks.push_back ({"plugin", Health::Ok, "all elements are there"});
  return checks;
}

Check
internals_of (const GstStructure *stats)
{
  const GValue *list =
      stats ? gst_structure_get_value (stats, "internals") : nullptr;
  if (!list)
    return {"internals", Health::Skipped, "signalingbin does not tell"};
  std::string names;
  for (guint i = 0; i < gst_value_list_get_size (list); i++)
    names +=
        (names.empty () ? "" : ", ") +
        std::string (g_value_get_string (gst_value_list_get_value (list, i)));
  g_autofree gchar *running = gst_version_string ();
  if (names.empty ())
    return {"internals", Health::Ok,
        std::string (running) + " is inside as the plugin expects it"};
  return {"internals", Health::Warning,
      std::string (running) +
          " is inside not as the plugin expects it: " + names,
      "viewers have their picture, at more cost: docs/internals.md says what "
      "is done instead"};
}

Check
check_internals ()
{
  GstElement *bin = gst_element_factory_make ("signalingbin", nullptr);
  if (!bin)
    return {"internals", Health::Skipped, "there is no signalingbin to ask"};
  gst_object_ref_sink (bin);
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (bin, "stats", &stats, nullptr);
  gst_object_unref (bin);
  return internals_of (stats);
}

Checks
check_pipelines (const std::string &folder)
{
  if (!source_names (folder).empty ())
    return {};
  return {{"pipelines", Health::Failed,
      "there are no pipelines (*.launch) in " + folder,
      "--pipelines names the folder with them; without it the package's is "
      "taken"}};
}

namespace {

Check
from_trials (
    const char *name, const std::vector<Trial> &trials, const std::string &none)
{
  Check check = {name, Health::Failed, "", none};
  for (const Trial &trial : trials) {
    if (trial.verdict == Verdict::Works)
      return {name, Health::Ok,
          trial.name + (trial.device.empty () ? "" : " on " + trial.device) +
              " works"};
    check.text +=
        (check.text.empty () ? "" : "; ") + trial.name + ": " + trial.reason;
    if (!trial.remedy.empty ())
      check.remedy = trial.remedy;
    if (trial.verdict == Verdict::Busy) {
      check.health = Health::Warning;
      check.remedy = "if it is this robot's own service that has it, all is "
                     "well; to try it: systemctl stop robotlive@robot";
    }
  }
  if (trials.empty ())
    check.text = "no camera was found";
  return check;
}

Check
check_ip_camera (const RobotConf &conf, const ProbeOptions &options)
{
  const std::string credentials = credentials_file (conf);
  Credentials login;
  std::string why;
  if (!credentials.empty () &&
      !read_credentials_file (credentials, &login, &why))
    return {"camera", Health::Failed, "credentials-file cannot be used: " + why,
        "put user:password into its first line, chmod 0640 it"};
  if (login.exposed)
    return {"camera", Health::Warning, exposed_complaint (credentials),
        "chmod 0640 " + credentials};
  const std::string &location = conf.get ("camera.location");
  return from_trials ("camera",
      {try_camera (conf, options, {"rtsp", "", location, ""})},
      "is it on, is the address right (" + location +
          "), are user and password (credentials-file)? It must send H.264");
}

} // namespace

Check
check_camera (const RobotConf &conf, const ProbeOptions &options)
{
  const std::string &source = conf.get ("camera.source");
  if (g_str_has_suffix (source.c_str (), ".launch") || source == "file" ||
      source == "test-pattern")
    return {"camera", Health::Skipped, "source = " + source + " is no camera"};
  if (source == "rtsp")
    return check_ip_camera (conf, options);
  std::vector<Trial> trials;
  for (const Candidate &candidate : find_cameras (conf)) {
    trials.push_back (try_camera (conf, options, candidate));
    if (trials.back ().verdict == Verdict::Works)
      break;
  }
  return from_trials ("camera", trials,
      "check cable, 'libcamera-hello --list-cameras', 'v4l2-ctl "
      "--list-devices', and that the user is in the group video");
}

Check
check_encoder (const RobotConf &conf, const ProbeOptions &options)
{
  std::vector<Trial> trials;
  for (const std::string &name : encoder_names (conf)) {
    trials.push_back (try_encoder (conf, options, name));
    if (trials.back ().verdict == Verdict::Works)
      break;
  }
  return from_trials ("encoder", trials,
      "apt install gstreamer1.0-plugins-ugly (x264enc) or "
      "gstreamer1.0-plugins-bad (openh264enc)");
}

Check
check_clock ()
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const gint64 release = 1795305600; // 2026-11-22
  if (now < release)
    return {"clock", Health::Failed,
        "the clock is years slow: tokens and certificates look invalid",
        "connect to a network and wait, or: timedatectl set-ntp true"};
  timex state = {};
  if (adjtimex (&state) == TIME_ERROR || (state.status & STA_UNSYNC))
    return {"clock", Health::Warning, "not synchronised to a time server",
        "timedatectl set-ntp true"};
  return {"clock", Health::Ok, "synchronised"};
}

Check
check_network ()
{
  ifaddrs *all = nullptr;
  std::string found;
  if (getifaddrs (&all) == 0) {
    for (ifaddrs *one = all; one; one = one->ifa_next) {
      if (!one->ifa_addr || !(one->ifa_flags & IFF_UP) ||
          (one->ifa_flags & IFF_LOOPBACK))
        continue;
      int family = one->ifa_addr->sa_family;
      if (family != AF_INET && family != AF_INET6)
        continue;
      socklen_t size =
          family == AF_INET ? sizeof (sockaddr_in) : sizeof (sockaddr_in6);
      char text[NI_MAXHOST] = "";
      if (getnameinfo (one->ifa_addr, size, text, sizeof text, nullptr, 0,
              NI_NUMERICHOST) != 0 ||
          g_str_has_prefix (text, "fe80:") ||
          g_str_has_prefix (text, "169.254."))
        continue;
      found += (found.empty () ? "" : ", ") + std::string (one->ifa_name) +
               " " + text;
    }
    freeifaddrs (all);
  }
  if (found.empty ())
    return {"network", Health::Failed, "no address besides this machine's own",
        "connect a cable or join a wireless network (nmtui)"};
  return {"network", Health::Ok, found};
}

namespace {

// The claims of a JWT, unverified: only the server can verify them.
JsonNode *
claims (const std::string &token)
{
  size_t first = token.find ('.');
  size_t second = token.find ('.', first + 1);
  if (first == std::string::npos || second == std::string::npos)
    return nullptr;
  std::string part = token.substr (first + 1, second - first - 1);
  std::replace (part.begin (), part.end (), '-', '+');
  std::replace (part.begin (), part.end (), '_', '/');
  part.append ((4 - part.size () % 4) % 4, '=');
  gsize size = 0;
  guchar *decoded = g_base64_decode (part.c_str (), &size);
  std::string text (reinterpret_cast<char *> (decoded), size);
  g_free (decoded);
  JsonNode *node = json_from_string (text.c_str (), nullptr);
  if (node && !JSON_NODE_HOLDS_OBJECT (node)) {
    json_node_unref (node);
    return nullptr;
  }
  return node;
}

std::string
claim (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  if (!node || !JSON_NODE_HOLDS_VALUE (node))
    return "";
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return json_node_get_string (node);
  return std::to_string (json_node_get_int (node));
}

} // namespace

Check
check_token (const RobotConf &conf, long long now)
{
  const std::string path = token_file (conf);
  const std::string make = "on the server: robotlive-signaling robot token " +
                           conf.get ("robot.id") +
                           ", and put what it prints into " + path;
  std::string why;
  bool exposed = false;
  const std::string token = read_token_file (path, &why, &exposed);
  if (token.empty ())
    return {"token", Health::Failed, why,
        access (path.c_str (), R_OK) != 0 && errno == EACCES
            ? "run this as root"
            : make};
  JsonNode *node = claims (token);
  if (!node)
    return {"token", Health::Failed, path + " holds no token", make};
  JsonObject *object = json_node_get_object (node);
  std::string sub = claim (object, "sub");
  std::string role = claim (object, "role");
  long long expires = strtoll (claim (object, "exp").c_str (), nullptr, 10);
  json_node_unref (node);

  if (sub != conf.get ("robot.id"))
    return {"token", Health::Failed,
        "it was made for '" + sub + "', and [robot] id is '" +
            conf.get ("robot.id") + "'",
        make};
  if (role != "robot")
    return {"token", Health::Failed, "its role is '" + role + "', not 'robot'",
        make};
  if (expires && expires <= now)
    return {"token", Health::Failed, "it has expired", make};
  if (exposed)
    return {"token", Health::Warning, exposed_complaint (path),
        "chmod 0640 " + path};
  if (expires && expires - now < 30 * 86400)
    return {"token", Health::Warning,
        "it expires in " + std::to_string ((expires - now) / 86400) + " days",
        make};
  return {"token", Health::Ok, path};
}

} // namespace robotlive::robot
