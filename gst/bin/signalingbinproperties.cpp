// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/signalingbinproperties.hpp"
#include "base/uri.hpp"
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>
#include <string>
#include <type_traits>
#include <variant>

namespace robotlive {

namespace {

GType
session_policy_type ()
{
  static const GType type = [] () {
    static const GEnumValue values[] = {
        {int (SessionPolicy::RequireGrant),
            "A grant signed by the server's key, for this robot",
            "require-grant"},
        {int (SessionPolicy::TrustServer),
            "The server's word; unlimited when it sets no end", "trust-server"},
        {int (SessionPolicy::Open), "Everyone, without end: for a bench",
            "open"},
        {0, nullptr, nullptr},
    };
    const GType made =
        g_enum_register_static ("GstSignalingBinSessionPolicy", values);
    gst_type_mark_as_plugin_api (made, static_cast<GstPluginAPIFlags> (0));
    return made;
  }();
  return type;
}

GType
rate_policy_type ()
{
  static const GType type = [] () {
    static const GEnumValue values[] = {
        {int (RatePolicy::SlowestViewer),
            "As much as the narrowest viewer's path carries", "slowest-viewer"},
        {int (RatePolicy::Majority),
            "What more than half of those who drive the robot can take, or of "
            "all; others are thinned",
            "majority"},
        {int (RatePolicy::Fixed),
            "Always the highest bitrate; slower viewers are thinned", "fixed"},
        {0, nullptr, nullptr},
    };
    const GType made =
        g_enum_register_static ("GstSignalingBinRatePolicy", values);
    gst_type_mark_as_plugin_api (made, static_cast<GstPluginAPIFlags> (0));
    return made;
  }();
  return type;
}

constexpr auto kReady = static_cast<GParamFlags> (
    G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS);
constexpr auto kAny = static_cast<GParamFlags> (
    G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS);
// A secret goes in and never comes out.
constexpr auto kSecret = static_cast<GParamFlags> (
    G_PARAM_WRITABLE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS);
constexpr auto kShown =
    static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

// Where in the settings a property is.
struct Text
{
  std::string &(*in) (Settings &);
};
struct Number
{
  guint &(*in) (Settings &);
  guint min, max;
};
struct Flag
{
  bool &(*in) (Settings &);
};
struct Choice
{
  GType (*type) ();
  int (*get) (const Settings &);
  void (*set) (Settings &, int);
};
// Not there: the bin has it.
struct Foreign
{
  GParamSpec *(*make) (
      const char *name, const char *nick, const char *blurb, GParamFlags flags);
};

template <auto member>
auto &
in (Settings &settings)
{
  if constexpr (std::is_invocable_v<decltype (member), RateSettings &>)
    return settings.rate.*member;
  else
    return settings.*member;
}

// A member of an enumeration, whose values are the property's.
template <auto member, GType (*type) ()>
constexpr Choice
choice ()
{
  return {type,
      [] (const Settings &settings) {
        return static_cast<int> (
            in<member> (const_cast<Settings &> (settings)));
      },
      [] (Settings &settings, int value) {
        auto &target = in<member> (settings);
        target =
            static_cast<std::remove_reference_t<decltype (target)>> (value);
      }};
}

// A switch that has names for the applications.
template <auto member, GType (*type) (), int off, int on>
constexpr Choice
named_switch ()
{
  return {type,
      [] (const Settings &settings) {
        return in<member> (const_cast<Settings &> (settings)) ? on : off;
      },
      [] (Settings &settings, int value) {
        in<member> (settings) = value != off;
      }};
}

struct Property
{
  guint id;
  const char *name, *nick, *blurb; // of one clause: the page has the rest
  std::variant<Text, Number, Flag, Choice, Foreign> value;
  GParamFlags flags = kReady;
};

// What a property starts at is what Settings () has.
const Property kProperties[] = {
    {PROP_SIGNALING_SERVER, "signaling-server", "Signaling server",
        "URI of the Socket.IO signaling server: http, https, ws or wss",
        Text{in<&Settings::signaling_server>}},
    {PROP_ROBOT_ID, "robot-id", "Robot id",
        "The id to register with, and that grants must name",
        Text{in<&Settings::robot_id>}},
    {PROP_ROBOT_TYPE, "robot-type", "Robot type",
        "The kind of robot that bookings may name instead of its id",
        Text{in<&Settings::robot_type>}},
    {PROP_ROOMS, "rooms", "Rooms",
        "Rooms to join after registering, separated by commas",
        Text{in<&Settings::rooms>}},
    {PROP_TOKEN, "token", "Token",
        "The JWT to register with, where no other user can see it",
        Text{in<&Settings::token>}, kSecret},
    {PROP_TOKEN_FILE, "token-file", "Token file",
        "File with the JWT to register with, read anew for each connection",
        Text{in<&Settings::token_file>}},
    {PROP_SESSION_POLICY, "session-policy", "Session policy",
        "What a viewer's offer needs to be answered",
        choice<&Settings::policy, session_policy_type> ()},
    {PROP_GRANT_KEY, "grant-key", "Grant key",
        "File with the keys that grants are checked with (empty: the server's)",
        Text{in<&Settings::grant_key>}},
    {PROP_TLS_CA_FILE, "tls-ca-file", "TLS CA file",
        "PEM file of the authorities to trust instead of the system's",
        Text{in<&Settings::tls_ca_file>}},
    {PROP_APPLICATION_SIGNALING, "application-signaling",
        "Application signaling",
        "The application carries the messages, and no server is connected",
        Flag{in<&Settings::application_signaling>}},
    {PROP_STUN_SERVER, "stun-server", "STUN server",
        "stun://host:port, beside those that the server names",
        Text{in<&Settings::stun_server>}},
    {PROP_TURN_SERVER, "turn-server", "TURN server",
        "turn(s)://user:password@host:port, beside those that the server names",
        Text{in<&Settings::turn_server>}},
    {PROP_ICE_TRANSPORT_POLICY, "ice-transport-policy", "ICE transport policy",
        "Which candidates to use: all, or those of the TURN server alone",
        named_switch<&Settings::relay_only,
            gst_webrtc_ice_transport_policy_get_type,
            GST_WEBRTC_ICE_TRANSPORT_POLICY_ALL,
            GST_WEBRTC_ICE_TRANSPORT_POLICY_RELAY> ()},
    {PROP_MIN_RTP_PORT, "min-rtp-port", "Lowest RTP port",
        "Lowest local UDP port for media (0: any)",
        Number{in<&Settings::min_rtp_port>, 0, 65535}},
    {PROP_MAX_RTP_PORT, "max-rtp-port", "Highest RTP port",
        "Highest local UDP port for media",
        Number{in<&Settings::max_rtp_port>, 0, 65535}},
    {PROP_MAX_VIEWERS, "max-viewers", "Most viewers",
        "How many viewers are served at once",
        Number{in<&Settings::max_viewers>, 0, 1024}},
    {PROP_MIN_KEYFRAME_INTERVAL, "min-keyframe-interval",
        "Least time between key frames",
        "Time between key frames that the encoder is asked for, in ms",
        Number{in<&Settings::min_keyframe_interval>, 0, 60000}},
    {PROP_FEC_TYPE, "fec-type", "FEC type",
        "Forward error correction for viewers that offer it: none or ulp-red",
        named_switch<&Settings::fec, gst_webrtc_fec_type_get_type,
            GST_WEBRTC_FEC_TYPE_NONE, GST_WEBRTC_FEC_TYPE_ULP_RED> ()},
    {PROP_FEC_PERCENTAGE, "fec-percentage", "FEC percentage",
        "How many packets that repair others are sent, in percent",
        Number{in<&Settings::fec_percentage>, 1, 100}},
    {PROP_ENCODER, "encoder", "Encoder",
        "The video encoder to ask for key frames (unset: the one upstream)",
        Foreign{[] (const char *name, const char *nick, const char *blurb,
                    GParamFlags flags) {
          return g_param_spec_object (
              name, nick, blurb, GST_TYPE_ELEMENT, flags);
        }},
        kAny},
    {PROP_STATS, "stats", "Statistics",
        "The link and each viewer, refreshed every second",
        Foreign{[] (const char *name, const char *nick, const char *blurb,
                    GParamFlags flags) {
          return g_param_spec_boxed (
              name, nick, blurb, GST_TYPE_STRUCTURE, flags);
        }},
        kShown},
    {PROP_STATS_INTERVAL, "stats-interval", "Statistics interval",
        "Time between messages robotlive-stats, in ms (0: none)",
        Number{in<&Settings::stats_interval>, 0, 3600000}},
    {PROP_ADAPTIVE_BITRATE, "adaptive-bitrate", "Adaptive bitrate",
        "Fit the encoder's bitrate, and each viewer's stream, to the paths",
        Flag{in<&RateSettings::adaptive>}},
    {PROP_RATE_POLICY, "rate-policy", "Rate policy",
        "Whose path the one encoder follows when there are several viewers",
        choice<&RateSettings::policy, rate_policy_type> ()},
    {PROP_CONTROLLER, "controller", "Controller",
        "User or peer id of the viewer who drives the robot",
        Text{in<&Settings::controller>}, kAny},
    {PROP_PACING, "pacing", "Pacing",
        "Spread the packets of a large picture where bursts have to wait",
        Flag{in<&RateSettings::pacing>}},
    {PROP_MIN_BITRATE, "min-bitrate", "Lowest bitrate",
        "What the encoder is asked for at least, in bit/s",
        Number{in<&RateSettings::min>, 1000, G_MAXINT}},
    {PROP_START_BITRATE, "start-bitrate", "First bitrate",
        "What the encoder is asked for when the first viewer comes, in bit/s",
        Number{in<&RateSettings::start>, 1000, G_MAXINT}},
    {PROP_MAX_BITRATE, "max-bitrate", "Highest bitrate",
        "What the encoder is asked for at most, in bit/s",
        Number{in<&RateSettings::max>, 1000, G_MAXINT}},
    {PROP_TARGET_BITRATE, "target-bitrate", "Target bitrate",
        "What the viewers' paths carry now, in bit/s",
        Foreign{[] (const char *name, const char *nick, const char *blurb,
                    GParamFlags flags) {
          return g_param_spec_uint (name, nick, blurb, 0, G_MAXINT, 0, flags);
        }},
        kShown},
};

const Property *
property_of (guint id)
{
  for (const Property &property : kProperties)
    if (property.id == id)
      return &property;
  return nullptr;
}

GParamSpec *
make_spec (const Property &row)
{
  Settings initial;
  if (const auto *text = std::get_if<Text> (&row.value))
    return g_param_spec_string (
        row.name, row.nick, row.blurb, text->in (initial).c_str (), row.flags);
  if (const auto *number = std::get_if<Number> (&row.value))
    return g_param_spec_uint (row.name, row.nick, row.blurb, number->min,
        number->max, number->in (initial), row.flags);
  if (const auto *flag = std::get_if<Flag> (&row.value))
    return g_param_spec_boolean (
        row.name, row.nick, row.blurb, flag->in (initial), row.flags);
  if (const auto *one = std::get_if<Choice> (&row.value))
    return g_param_spec_enum (row.name, row.nick, row.blurb, one->type (),
        one->get (initial), row.flags);
  return std::get<Foreign> (row.value).make (
      row.name, row.nick, row.blurb, row.flags);
}

} // namespace

void
install_properties (GObjectClass *klass)
{
  for (const Property &row : kProperties)
    g_object_class_install_property (klass, row.id, make_spec (row));
}

bool
set_setting (Settings *settings, guint id, const GValue *value)
{
  const Property *row = property_of (id);
  if (!row || std::holds_alternative<Foreign> (row->value))
    return false;
  if (const auto *text = std::get_if<Text> (&row->value)) {
    const char *given = g_value_get_string (value);
    text->in (*settings) = given ? given : "";
  } else if (const auto *number = std::get_if<Number> (&row->value)) {
    number->in (*settings) = g_value_get_uint (value);
  } else if (const auto *flag = std::get_if<Flag> (&row->value)) {
    flag->in (*settings) = g_value_get_boolean (value);
  } else {
    std::get<Choice> (row->value).set (*settings, g_value_get_enum (value));
  }
  if (id == PROP_MAX_BITRATE)
    settings->rate.max_set = true;
  return true;
}

bool
get_setting (const Settings &settings, guint id, GValue *value)
{
  Settings copy = settings;
  const Property *row = property_of (id);
  if (!row || std::holds_alternative<Foreign> (row->value))
    return false;
  if (id == PROP_TURN_SERVER && !copy.turn_server.empty ())
    g_value_set_string (value, redacted_uri (copy.turn_server).c_str ());
  else if (const auto *text = std::get_if<Text> (&row->value))
    g_value_set_string (value, text->in (copy).c_str ());
  else if (const auto *number = std::get_if<Number> (&row->value))
    g_value_set_uint (value, number->in (copy));
  else if (const auto *flag = std::get_if<Flag> (&row->value))
    g_value_set_boolean (value, flag->in (copy));
  else
    g_value_set_enum (value, std::get<Choice> (row->value).get (copy));
  return true;
}

} // namespace robotlive
