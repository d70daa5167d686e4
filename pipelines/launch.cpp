// SPDX-License-Identifier: LGPL-2.1-or-later
#include "launch.hpp"
#include "base/secretfile.hpp"
#include <algorithm>
#include <cctype>
#include <cstring>
#include <glib.h>
#include <map>
#include <sstream>
#include <stdexcept>

namespace robotlive::robot {

namespace {

constexpr std::size_t kMaxLaunchFile = 64 * 1024;

using Variables = std::map<std::string, std::string>;

// A .launch file without its comments.
std::string
read_launch (const std::string &path)
{
  FileText file;
  std::string why;
  if (!read_regular_file (path, kMaxLaunchFile, &file, &why))
    throw std::runtime_error ("the pipeline file cannot be read: " + why);
  std::istringstream stream{std::string (without_mark (file.text))};
  std::string text;
  for (std::string line; std::getline (stream, line);) {
    size_t first = line.find_first_not_of (" \t");
    if (first != std::string::npos && line[first] != '#')
      text += line + "\n";
  }
  return text;
}

std::string
source_path (const std::string &folder, const std::string &source)
{
  // An absolute path is a pipeline of the owner's own.
  bool own = g_str_has_suffix (source.c_str (), ".launch");
  return own ? source : folder + "/" + source + ".launch";
}

// ${NAME} by its value; values are not looked into again.
std::string
substitute (const std::string &text, const Variables &variables)
{
  std::string out;
  for (size_t at = 0;;) {
    size_t begin = text.find ("${", at);
    out += text.substr (at, begin - at);
    if (begin == std::string::npos)
      return out;
    size_t end = text.find ('}', begin);
    std::string name = end == std::string::npos
                           ? text.substr (begin)
                           : text.substr (begin + 2, end - begin - 2);
    auto found = variables.find (name);
    if (found == variables.end ())
      throw std::runtime_error ("unknown variable ${" + name + "}");
    out += found->second;
    at = end + 1;
  }
}

// Splits at white space outside of quotes, as gst-launch's shell would, and
// leaves out the "!" of elements that were substituted by nothing.
std::vector<std::string>
split (const std::string &text)
{
  std::vector<std::string> tokens;
  std::string token;
  bool quoted = false;
  auto finish = [&] {
    if (token.empty ())
      return;
    if (!(token == "!" && !tokens.empty () && tokens.back () == "!"))
      tokens.push_back (token);
    token.clear ();
  };
  for (size_t i = 0; i < text.size (); i++) {
    char c = text[i];
    if (c == '\\' && i + 1 < text.size ()) {
      token += c;
      token += text[++i];
      continue;
    }
    if (c == '"')
      quoted = !quoted;
    if (isspace (static_cast<unsigned char> (c)) && !quoted)
      finish ();
    else
      token += c;
  }
  finish ();
  return tokens;
}

std::string
property (const char *name, const std::string &value)
{
  return value.empty () ? "" : " " + (name + ("=" + quote_value (value)));
}

std::string
signalingbin (const RobotConf &conf)
{
  for (const char *key : {"signaling.server", "robot.id"})
    if (conf.get (key).empty ())
      throw std::runtime_error (std::string ("robot.conf does not say '") +
                                (strchr (key, '.') + 1) + "' in [" +
                                std::string (key, strcspn (key, ".")) + "]");
  std::string sink = "signalingbin name=signaling";
  sink += property ("signaling-server", conf.get ("signaling.server"));
  sink += property ("robot-id", conf.get ("robot.id"));
  sink += property ("robot-type", conf.get ("robot.type"));
  sink += property ("rooms", conf.get ("robot.rooms"));
  sink += property ("token-file", token_file (conf));
  sink += property ("session-policy", conf.get ("signaling.session-policy"));
  for (const char *name : {"grant-key", "tls-ca-file", "stun-server",
           "turn-server", "ice-transport-policy", "max-viewers"})
    sink += property (name, conf.get (std::string ("signaling.") + name));
  if (conf.number ("signaling.max-rtp-port")) {
    sink += property ("min-rtp-port", conf.get ("signaling.min-rtp-port"));
    sink += property ("max-rtp-port", conf.get ("signaling.max-rtp-port"));
  }
  return sink;
}

// The H.264 level that pictures of this size and rate need, among those that
// the Pi's encoder knows (ITU-T H.264 table A-1, macroblocks a second).
const char *
h264_level (const RobotConf &conf)
{
  long macroblocks = ((conf.number ("camera.width") + 15) / 16) *
                     ((conf.number ("camera.height") + 15) / 16);
  long rate = macroblocks * conf.number ("camera.fps");
  return macroblocks <= 8192 && rate <= 245760 ? "4" : "4.2";
}

// rpicamsrc counts its cameras.
bool
is_number (const std::string &device)
{
  return !device.empty () && device.size () < 3 &&
         device.find_first_not_of ("0123456789") == std::string::npos;
}

Variables
values (const RobotConf &conf, const Choice &choice)
{
  long bitrate = conf.number ("encoder.bitrate");
  Variables all = {
      {"WIDTH", conf.get ("camera.width")},
      {"HEIGHT", conf.get ("camera.height")},
      {"FPS", conf.get ("camera.fps")},
      // The Pi's encoder takes steps of 25 kbit/s.
      {"BITRATE", std::to_string (bitrate / 25000 * 25000)},
      {"BITRATE_MAX", std::to_string (bitrate / 4 * 5)},
      {"BITRATE_KBIT", std::to_string (bitrate / 1000)},
      {"KEYFRAME_INTERVAL", conf.get ("encoder.keyframe-interval")},
      {"H264_LEVEL", h264_level (conf)},
      {"DEVICE", quote_value (choice.device)},
      {"CAMERA_NAME", property ("camera-name", choice.device)},
      {"CAMERA_NUMBER", is_number (choice.device)
                            ? property ("camera-number", choice.device)
                            : ""},
      {"LOCATION", quote_value (conf.get ("camera.location"))},
      {"CAMERA_CREDENTIALS",
          property ("credentials-file", credentials_file (conf))},
      {"AUDIO_BITRATE", conf.get ("audio.bitrate")},
      {"STILLS_LOCATION", quote_value (conf.get ("stills.location"))},
      {"STILLS_QUALITY", conf.get ("stills.quality")},
      {"STILLS_PER_SECOND", conf.get ("stills.per-second")},
      {"STILLS_MAX_FILES", conf.get ("stills.max-files")},
  };
  long watchdog = conf.number ("camera.watchdog");
  all["WATCHDOG"] =
      watchdog ? "watchdog timeout=" + std::to_string (watchdog * 1000) : "";
  all["AUDIO_SOURCE"] =
      conf.get ("audio.source") == "alsa"
          ? "alsasrc" + property ("device", conf.get ("audio.device"))
          : "audiotestsrc is-live=true wave=ticks";
  return all;
}

bool
shell_safe (const std::string &text)
{
  return std::all_of (text.begin (), text.end (),
      [] (unsigned char c) { return isalnum (c) || strchr ("-_=+./:,@%", c); });
}

} // namespace

std::vector<std::string>
source_names (const std::string &folder)
{
  std::vector<std::string> names;
  GDir *dir = g_dir_open (folder.c_str (), 0, nullptr);
  if (!dir)
    return names;
  while (const char *name = g_dir_read_name (dir))
    if (g_str_has_suffix (name, ".launch") && strcmp (name, "audio.launch"))
      names.emplace_back (name, strlen (name) - strlen (".launch"));
  g_dir_close (dir);
  std::sort (names.begin (), names.end ());
  return names;
}

bool
needs_encoder (const std::string &folder, const std::string &source)
{
  return read_launch (source_path (folder, source)).find ("${ENCODER}") !=
         std::string::npos;
}

std::vector<std::string>
compose (
    const RobotConf &conf, const Choice &choice, const ComposeOptions &options)
{
  Variables variables = values (conf, choice);
  std::string text = read_launch (source_path (options.folder, choice.source));
  if (conf.get ("camera.location").empty () &&
      text.find ("${LOCATION}") != std::string::npos)
    throw std::runtime_error ("robot.conf does not say 'location' in [camera]");
  bool streams = text.find ("${SINK}") != std::string::npos;

  std::string position = options.gates ? conf.get ("gate.position") : "none";
  bool encodes = text.find ("${ENCODER}") != std::string::npos;
  // A camera that encodes itself leaves one place for the gate.
  bool before = position == "before-encoder" && encodes;
  variables["GATE_BEFORE"] = before ? "sessiongate name=gate" : "";
  variables["GATE_AFTER"] =
      position != "none" && !before ? "sessiongate name=gate" : "";
  if (!options.encoder.empty ())
    variables["ENCODER"] = options.encoder;
  else if (encodes)
    variables["ENCODER"] =
        substitute (read_launch (options.folder + "/encoders/" +
                                 choice.encoder + ".launch"),
            variables);
  if (streams)
    variables["SINK"] =
        options.sink.empty () ? signalingbin (conf) : options.sink;

  std::vector<std::string> tokens = split (substitute (text, variables));
  if (streams && conf.get ("audio.source") != "none" && options.sink.empty ()) {
    std::vector<std::string> audio = split (
        substitute (read_launch (options.folder + "/audio.launch"), variables));
    tokens.insert (tokens.end (), audio.begin (), audio.end ());
  }
  return tokens;
}

std::string
shell_line (const std::vector<std::string> &arguments)
{
  std::string line;
  for (const std::string &argument : arguments) {
    if (!line.empty ())
      line += ' ';
    // A bare "!" is left alone by every shell; "a!b" is not.
    if (argument == "!" || shell_safe (argument)) {
      line += argument;
      continue;
    }
    gchar *quoted = g_shell_quote (argument.c_str ());
    line += quoted;
    g_free (quoted);
  }
  return line;
}

std::string
quote_value (const std::string &value)
{
  if (!value.empty () && shell_safe (value))
    return value;
  std::string quoted = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\')
      quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// Where systemd puts what LoadCredential= names; "" when it does not.
static std::string
service_credential (const char *name)
{
  const char *folder = g_getenv ("CREDENTIALS_DIRECTORY");
  if (!folder)
    return "";
  std::string path = std::string (folder) + "/" + name;
  return g_file_test (path.c_str (), G_FILE_TEST_EXISTS) ? path : "";
}

std::string
token_file (const RobotConf &conf)
{
  const std::string &configured = conf.get ("signaling.token-file");
  if (!configured.empty ())
    return configured;
  std::string handed_over = service_credential ("robot.token");
  return handed_over.empty () ? "/etc/robotlive/robot.token" : handed_over;
}

std::string
credentials_file (const RobotConf &conf)
{
  const std::string &configured = conf.get ("camera.credentials-file");
  if (!configured.empty ())
    return configured;
  // The unit's default for a camera without a password has no colon in it.
  // What cannot be read is handed on: the camera says why.
  std::string handed_over = service_credential ("camera.credentials");
  FileText file;
  std::string why;
  const bool none =
      handed_over.empty () ||
      (read_regular_file (handed_over, kMaxCredentialsFile, &file, &why) &&
          file.text.find (':') == std::string::npos);
  return none ? "" : handed_over;
}

} // namespace robotlive::robot
