// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GKeyFile does not say on which line a key stands, takes duplicates silently
// and ignores unknown keys, so the (line-based, trivial) format is read here.
// The syntax is GKeyFile's without escapes and lists.
#include "robotconf.hpp"
#include "base/pasted.hpp"
#include "base/readfile.hpp"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <glib.h>
#include <sstream>

namespace robotlive::robot {

namespace {

constexpr std::size_t kMaxConfFile = 1024 * 1024;

} // namespace

const std::vector<Key> &
known_keys ()
{
  using Kind = Key::Kind;
  static const std::vector<Key> keys = {
      {"robot", "id", Kind::Text, ""},
      {"robot", "type", Kind::Text, ""},
      {"robot", "rooms", Kind::Text, ""},
      {"signaling", "server", Kind::Url, ""},
      {"signaling", "token-file", Kind::Path, ""},
      {"signaling", "tls-ca-file", Kind::Path, ""},
      {"signaling", "session-policy", Kind::Choice, "require-grant", 0, 0,
          {"require-grant", "trust-server", "open"}},
      {"signaling", "grant-key", Kind::Path, ""},
      {"signaling", "stun-server", Kind::Url, ""},
      {"signaling", "turn-server", Kind::Url, ""},
      {"signaling", "ice-transport-policy", Kind::Choice, "all", 0, 0,
          {"all", "relay"}},
      {"signaling", "min-rtp-port", Kind::Integer, "0", 0, 65535},
      {"signaling", "max-rtp-port", Kind::Integer, "0", 0, 65535},
      {"signaling", "max-viewers", Kind::Integer, "16", 1, 1000},
      {"camera", "source", Kind::Text, "auto"},
      {"camera", "device", Kind::Text, ""},
      {"camera", "location", Kind::Text, ""},
      {"camera", "credentials-file", Kind::Path, ""},
      {"camera", "width", Kind::Integer, "1280", 16, 8192},
      {"camera", "height", Kind::Integer, "720", 16, 8192},
      // Below 9 frames a second the Pi's encoder hangs at 1080p.
      {"camera", "fps", Kind::Integer, "30", 1, 240},
      {"camera", "watchdog", Kind::Integer, "5", 0, 3600},
      {"encoder", "name", Kind::Choice, "auto", 0, 0,
          {"auto", "v4l2h264enc", "x264enc", "openh264enc"}},
      {"encoder", "bitrate", Kind::Integer, "2000000", 25000, 25000000},
      // An interval of 1 hangs the Pi's encoder.
      {"encoder", "keyframe-interval", Kind::Integer, "30", 2, 1000},
      {"gate", "position", Kind::Choice, "after-encoder", 0, 0,
          {"after-encoder", "before-encoder", "none"}},
      {"audio", "source", Kind::Choice, "none", 0, 0, {"none", "alsa", "test"}},
      {"audio", "device", Kind::Text, "default"},
      {"audio", "bitrate", Kind::Integer, "64000", 6000, 510000},
      {"stills", "location", Kind::Path, "frame_%05d.jpg"},
      {"stills", "quality", Kind::Integer, "80", 1, 100},
      {"stills", "per-second", Kind::Integer, "1", 1, 30},
      {"stills", "max-files", Kind::Integer, "0", 0, 1000000},
  };
  return keys;
}

namespace {

const Key *
find_key (const std::string &group, const std::string &name)
{
  for (const Key &key : known_keys ())
    if (group == key.group && name == key.name)
      return &key;
  return nullptr;
}

bool
is_group (const std::string &group)
{
  const auto &keys = known_keys ();
  return std::any_of (keys.begin (), keys.end (),
      [&] (const Key &key) { return group == key.group; });
}

std::string
trim (const std::string &text)
{
  const char *space = " \t\r";
  size_t begin = text.find_first_not_of (space);
  if (begin == std::string::npos)
    return "";
  return text.substr (begin, text.find_last_not_of (space) - begin + 1);
}

// Web pages have no-break spaces where one sees blanks.
std::string
plain_blanks (std::string text)
{
  const char *no_break = "\xC2\xA0";
  for (size_t at; (at = text.find (no_break)) != text.npos;)
    text.replace (at, 2, " ");
  return text;
}

// The names of a group's keys, or of all groups, for an error's sentence.
std::string
names (const char *group)
{
  std::string list;
  std::string last;
  for (const Key &key : known_keys ()) {
    if (group && strcmp (group, key.group) != 0)
      continue;
    std::string name = group ? key.name : key.group;
    if (name != last)
      list += (list.empty () ? "" : ", ") + name;
    last = name;
  }
  return list;
}

// The URL's "user:password@", which would show in the process list.
bool
has_credentials (const std::string &url)
{
  size_t start = url.find ("://");
  if (start == std::string::npos)
    return false;
  std::string authority = url.substr (start + 3);
  authority = authority.substr (0, authority.find_first_of ("/?#"));
  return authority.find ('@') != std::string::npos;
}

// What is wrong with @value for @key; "" when nothing is.
std::string
complaint (const Key &key, const std::string &value)
{
  if (!g_utf8_validate (value.data (), gssize (value.size ()), nullptr))
    return "is not UTF-8";
  if (std::any_of (value.begin (), value.end (),
          [] (unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return "has a control character";
  if (value.find ("://") != std::string::npos && has_credentials (value))
    return "has a user name or password in it, which every user of this "
           "machine could read in the process list. Take a TURN server's "
           "from the signaling server (it makes short-lived ones); name a "
           "file with an RTSP camera's in 'credentials-file'";
  switch (key.kind) {
    case Key::Kind::Integer: {
      gint64 number = 0;
      if (!g_ascii_string_to_signed (
              value.c_str (), 10, key.min, key.max, &number, nullptr))
        return "must be a whole number from " + std::to_string (key.min) +
               " to " + std::to_string (key.max) + ", not '" + value + "'";
      return "";
    }
    case Key::Kind::Choice: {
      if (std::count (key.choices.begin (), key.choices.end (), value))
        return "";
      std::string list;
      for (const std::string &choice : key.choices)
        list += (list.empty () ? "" : ", ") + choice;
      return "must be one of " + list + ", not '" + value + "'";
    }
    case Key::Kind::Url:
      if (value.empty () || value.find ("://") != std::string::npos)
        return "";
      return "must be a URL such as wss://host:8080, not '" + value + "'";
    case Key::Kind::Path:
    case Key::Kind::Text:
      return "";
  }
  return "";
}

} // namespace

void
RobotConf::read_line (unsigned number, std::string text, std::string &group,
    std::vector<Problem> &problems)
{
  text = trim (plain_blanks (text));
  if (text.empty () || text[0] == '#' || text[0] == ';')
    return;
  if (text[0] == '[') {
    group = text.back () == ']' ? text.substr (1, text.size () - 2) : text;
    if (!is_group (group))
      problems.push_back ({number,
          "unknown section [" + group + "]; there are " + names (nullptr)});
    return;
  }
  size_t equals = text.find ('=');
  if (equals == std::string::npos) {
    problems.push_back ({number,
        "neither [section], key = value nor # comment: '" + text + "'"});
    return;
  }
  std::string name = trim (text.substr (0, equals));
  // Quotes are a shell's and a TOML's; here they mean nothing.
  std::string value (without_quotes (trim (text.substr (equals + 1))));
  if (group.empty ()) {
    problems.push_back ({number, "'" + name + "' stands before any [section]"});
    return;
  }
  if (!is_group (group))
    return; // said already
  const Key *key = find_key (group, name);
  if (!key) {
    problems.push_back ({number, "unknown key '" + name + "' in [" + group +
                                     "]; there are " + names (group.c_str ())});
    return;
  }
  std::string full = group + "." + name;
  if (lines_.count (full)) {
    problems.push_back (
        {number, "'" + name + "' was set on line " +
                     std::to_string (lines_[full]) + " already"});
    return;
  }
  lines_[full] = number;
  std::string wrong = complaint (*key, value);
  if (!wrong.empty ())
    problems.push_back ({number, "'" + name + "' " + wrong});
  else
    values_[full] = value;
}

// What no single key shows.
void
RobotConf::check_together (std::vector<Problem> &problems) const
{
  long low = number ("signaling.min-rtp-port");
  long high = number ("signaling.max-rtp-port");
  if (high && low > high)
    problems.push_back ({line ("signaling.min-rtp-port"),
        "'min-rtp-port' is above 'max-rtp-port'"});
  const std::string &source = get ("camera.source");
  if ((source == "file" || source == "rtsp") &&
      get ("camera.location").empty () && !line ("camera.location"))
    problems.push_back ({line ("camera.source"),
        "'source = " + source + "' needs 'location' (" +
            (source == "file" ? "a path" : "rtsp://...") + ")"});
  if (number ("camera.width") % 2 || number ("camera.height") % 2)
    problems.push_back (
        {line (number ("camera.width") % 2 ? "camera.width" : "camera.height"),
            "'width' and 'height' must be even: 4:2:0 video has no odd sizes"});
}

RobotConf
RobotConf::parse (const std::string &text, std::vector<Problem> &problems)
{
  RobotConf conf;
  if (is_utf16 (text)) {
    problems.push_back ({1, "this is UTF-16 text: save it as UTF-8"});
    return conf;
  }
  std::istringstream stream{std::string (without_mark (text))};
  std::string group;
  std::string one;
  for (unsigned number = 1; std::getline (stream, one); number++)
    conf.read_line (number, one, group, problems);
  conf.check_together (problems);
  std::stable_sort (problems.begin (), problems.end (),
      [] (const Problem &a, const Problem &b) { return a.line < b.line; });
  return conf;
}

RobotConf
RobotConf::load (const std::string &path, std::vector<Problem> &problems)
{
  FileText file;
  std::string why;
  if (!read_regular_file (path, kMaxConfFile, &file, &why)) {
    problems.push_back ({0, "cannot read it: " + why});
    return RobotConf ();
  }
  return parse (file.text, problems);
}

const std::string &
RobotConf::get (const std::string &key) const
{
  static const std::string empty;
  auto found = values_.find (key);
  if (found != values_.end ())
    return found->second;
  static const std::map<std::string, std::string> defaults = [] {
    std::map<std::string, std::string> all;
    for (const Key &known : known_keys ())
      all[std::string (known.group) + "." + known.name] = known.fallback;
    return all;
  }();
  auto fallback = defaults.find (key);
  return fallback == defaults.end () ? empty : fallback->second;
}

long
RobotConf::number (const std::string &key) const
{
  return strtol (get (key).c_str (), nullptr, 10);
}

void
RobotConf::set (const std::string &key, const std::string &value)
{
  values_[key] = value;
}

unsigned
RobotConf::line (const std::string &key) const
{
  auto found = lines_.find (key);
  return found == lines_.end () ? 0 : found->second;
}

} // namespace robotlive::robot
