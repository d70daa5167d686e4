// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/signalingbinproperties.hpp"
#include "base/uri.hpp"
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

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

void
add_string (GObjectClass *klass, guint id, const char *name, const char *nick,
    const char *blurb, GParamFlags flags = kReady)
{
  g_object_class_install_property (
      klass, id, g_param_spec_string (name, nick, blurb, "", flags));
}

void
add_uint (GObjectClass *klass, guint id, const char *name, const char *nick,
    const char *blurb, guint min, guint max, guint initial)
{
  g_object_class_install_property (klass, id,
      g_param_spec_uint (name, nick, blurb, min, max, initial, kReady));
}

// The string setting behind a property, or null.
std::string *
text_of (Settings *settings, guint id)
{
  switch (id) {
    case PROP_SIGNALING_SERVER:
      return &settings->signaling_server;
    case PROP_ROBOT_ID:
      return &settings->robot_id;
    case PROP_ROBOT_TYPE:
      return &settings->robot_type;
    case PROP_ROOMS:
      return &settings->rooms;
    case PROP_TOKEN:
      return &settings->token;
    case PROP_TOKEN_FILE:
      return &settings->token_file;
    case PROP_GRANT_KEY:
      return &settings->grant_key;
    case PROP_TLS_CA_FILE:
      return &settings->tls_ca_file;
    case PROP_STUN_SERVER:
      return &settings->stun_server;
    case PROP_TURN_SERVER:
      return &settings->turn_server;
    case PROP_CONTROLLER:
      return &settings->controller;
    default:
      return nullptr;
  }
}

guint *
number_of (Settings *settings, guint id)
{
  switch (id) {
    case PROP_MIN_RTP_PORT:
      return &settings->min_rtp_port;
    case PROP_MAX_RTP_PORT:
      return &settings->max_rtp_port;
    case PROP_MAX_VIEWERS:
      return &settings->max_viewers;
    case PROP_MIN_KEYFRAME_INTERVAL:
      return &settings->min_keyframe_interval;
    case PROP_FEC_PERCENTAGE:
      return &settings->fec_percentage;
    case PROP_STATS_INTERVAL:
      return &settings->stats_interval;
    case PROP_MIN_BITRATE:
      return &settings->rate.min;
    case PROP_START_BITRATE:
      return &settings->rate.start;
    case PROP_MAX_BITRATE:
      return &settings->rate.max;
    default:
      return nullptr;
  }
}

} // namespace

void
install_properties (GObjectClass *klass)
{
  add_string (klass, PROP_SIGNALING_SERVER, "signaling-server",
      "Signalling server",
      "URI of the Socket.IO signalling server: http, https, ws or wss");
  add_string (klass, PROP_ROBOT_ID, "robot-id", "Robot id",
      "The id to register with; grants must be made out to it");
  add_string (klass, PROP_ROBOT_TYPE, "robot-type", "Robot type",
      "The kind of robot, told to the server; bookings may be of a type");
  add_string (klass, PROP_ROOMS, "rooms", "Rooms",
      "Rooms to join after registering, separated by commas; for servers that "
      "relay offers to rooms");
  // A secret goes in and never comes out.
  add_string (klass, PROP_TOKEN, "token", "Token",
      "The JWT to register with. Other users of the machine can see a command "
      "line: better token-file",
      static_cast<GParamFlags> (
          G_PARAM_WRITABLE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS));
  add_string (klass, PROP_TOKEN_FILE, "token-file", "Token file",
      "File with the JWT to register with, read anew for each connection");
  g_object_class_install_property (klass, PROP_SESSION_POLICY,
      g_param_spec_enum ("session-policy", "Session policy",
          "What a viewer's offer needs to be answered", session_policy_type (),
          int (SessionPolicy::RequireGrant), kReady));
  add_string (klass, PROP_GRANT_KEY, "grant-key", "Grant key",
      "File with the public key that grants are checked with, as PEM or JWK; "
      "empty: fetched from the server over TLS, or from this machine, and "
      "kept");
  add_string (klass, PROP_TLS_CA_FILE, "tls-ca-file", "TLS CA file",
      "PEM file of the certificate authorities to trust instead of the "
      "system's");
  g_object_class_install_property (klass, PROP_APPLICATION_SIGNALLING,
      g_param_spec_boolean ("application-signalling", "Application signalling",
          "The application carries the messages, by send-message and "
          "take-message; no server is connected",
          FALSE, kReady));
  add_string (klass, PROP_STUN_SERVER, "stun-server", "STUN server",
      "stun://host:port; the server's own list comes on top");
  add_string (klass, PROP_TURN_SERVER, "turn-server", "TURN server",
      "turn(s)://user:password@host:port; reads back without user and "
      "password");
  g_object_class_install_property (klass, PROP_ICE_TRANSPORT_POLICY,
      g_param_spec_enum ("ice-transport-policy", "ICE transport policy",
          "Which candidates to use: all, or those of the TURN server alone",
          GST_TYPE_WEBRTC_ICE_TRANSPORT_POLICY,
          GST_WEBRTC_ICE_TRANSPORT_POLICY_ALL, kReady));
  add_uint (klass, PROP_MIN_RTP_PORT, "min-rtp-port", "Lowest RTP port",
      "Lowest local UDP port for media; 0: any", 0, 65535, 0);
  add_uint (klass, PROP_MAX_RTP_PORT, "max-rtp-port", "Highest RTP port",
      "Highest local UDP port for media", 0, 65535, 65535);
  add_uint (klass, PROP_MAX_VIEWERS, "max-viewers", "Most viewers",
      "How many viewers are served at once; one more is refused as busy", 0,
      1024, 16);
  add_uint (klass, PROP_MIN_KEYFRAME_INTERVAL, "min-keyframe-interval",
      "Least time between key frames",
      "Key frames are asked of the encoder at most once in this time, in ms, "
      "however many viewers want one; a wish in between is granted at its end, "
      "or by any key frame that comes earlier",
      0, 60000, 500);
  g_object_class_install_property (klass, PROP_FEC_TYPE,
      g_param_spec_enum ("fec-type", "FEC type",
          "Forward error correction for viewers that offer it: none, or "
          "ulp-red "
          "(RFC 5109 in RFC 2198); lost packets are sent again either way",
          GST_TYPE_WEBRTC_FEC_TYPE, GST_WEBRTC_FEC_TYPE_NONE, kReady));
  add_uint (klass, PROP_FEC_PERCENTAGE, "fec-percentage", "FEC percentage",
      "How many packets that repair others are sent on top, in percent of the "
      "stream's; only with a fec-type",
      1, 100, 20);
  g_object_class_install_property (klass, PROP_ENCODER,
      g_param_spec_object ("encoder", "Encoder",
          "The video encoder to ask for key frames; unset: the one found "
          "upstream",
          GST_TYPE_ELEMENT,
          static_cast<GParamFlags> (G_PARAM_READWRITE |
                                    GST_PARAM_MUTABLE_PLAYING |
                                    G_PARAM_STATIC_STRINGS)));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "The link and each viewer, refreshed every second",
          GST_TYPE_STRUCTURE,
          static_cast<GParamFlags> (
              G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  add_uint (klass, PROP_STATS_INTERVAL, "stats-interval", "Statistics interval",
      "Time between robotlive-stats element messages, in ms, in steps of a "
      "second; 0: none",
      0, 3600000, 0);
  g_object_class_install_property (klass, PROP_ADAPTIVE_BITRATE,
      g_param_spec_boolean ("adaptive-bitrate", "Adaptive bitrate",
          "Fit the encoder's bitrate to the viewers' paths and thin the stream "
          "of those that are too slow for it",
          TRUE, kReady));
  g_object_class_install_property (klass, PROP_RATE_POLICY,
      g_param_spec_enum ("rate-policy", "Rate policy",
          "Whose path the one encoder follows when there are several viewers",
          rate_policy_type (), int (RatePolicy::Majority), kReady));
  add_string (klass, PROP_CONTROLLER, "controller", "Controller",
      "User or peer id of the viewer who drives the robot, whom rate-policy "
      "majority serves first; empty, or not here: all but administrators",
      static_cast<GParamFlags> (G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING |
                                G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, PROP_PACING,
      g_param_spec_boolean ("pacing", "Pacing",
          "On a path where bursts have to wait, spread the packets of a large "
          "picture over the time until the next",
          TRUE, kReady));
  add_uint (klass, PROP_MIN_BITRATE, "min-bitrate", "Lowest bitrate",
      "What the encoder is asked for at least, in bit/s", 1000, G_MAXINT,
      RateSettings ().min);
  add_uint (klass, PROP_START_BITRATE, "start-bitrate", "First bitrate",
      "What the encoder is asked for when the first viewer comes, in bit/s",
      1000, G_MAXINT, RateSettings ().start);
  add_uint (klass, PROP_MAX_BITRATE, "max-bitrate", "Highest bitrate",
      "What the encoder is asked for at most, in bit/s; while this is not set, "
      "the bitrate that the encoder was given, if it was given one",
      1000, G_MAXINT, RateSettings ().max);
  g_object_class_install_property (klass, PROP_TARGET_BITRATE,
      g_param_spec_uint ("target-bitrate", "Target bitrate",
          "What the viewers' paths carry now, in bit/s, for applications that "
          "set their encoder themselves; 0: no viewer, or not adaptive",
          0, G_MAXINT, 0,
          static_cast<GParamFlags> (
              G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

bool
set_setting (Settings *settings, guint id, const GValue *value)
{
  if (std::string *text = text_of (settings, id)) {
    const char *given = g_value_get_string (value);
    *text = given ? given : "";
    return true;
  }
  if (guint *number = number_of (settings, id)) {
    *number = g_value_get_uint (value);
    if (id == PROP_MAX_BITRATE)
      settings->rate.max_set = true;
    return true;
  }
  if (id == PROP_SESSION_POLICY)
    settings->policy = static_cast<SessionPolicy> (g_value_get_enum (value));
  else if (id == PROP_ICE_TRANSPORT_POLICY)
    settings->relay_only =
        g_value_get_enum (value) == GST_WEBRTC_ICE_TRANSPORT_POLICY_RELAY;
  else if (id == PROP_APPLICATION_SIGNALLING)
    settings->application_signalling = g_value_get_boolean (value);
  else if (id == PROP_FEC_TYPE)
    settings->fec = g_value_get_enum (value) != GST_WEBRTC_FEC_TYPE_NONE;
  else if (id == PROP_ADAPTIVE_BITRATE)
    settings->rate.adaptive = g_value_get_boolean (value);
  else if (id == PROP_PACING)
    settings->rate.pacing = g_value_get_boolean (value);
  else if (id == PROP_RATE_POLICY)
    settings->rate.policy = static_cast<RatePolicy> (g_value_get_enum (value));
  else
    return false;
  return true;
}

bool
get_setting (const Settings &settings, guint id, GValue *value)
{
  Settings copy = settings;
  if (id == PROP_TURN_SERVER && !copy.turn_server.empty ())
    g_value_set_string (value, redacted_uri (copy.turn_server).c_str ());
  else if (const std::string *text = text_of (&copy, id))
    g_value_set_string (value, text->c_str ());
  else if (const guint *number = number_of (&copy, id))
    g_value_set_uint (value, *number);
  else if (id == PROP_SESSION_POLICY)
    g_value_set_enum (value, int (settings.policy));
  else if (id == PROP_ICE_TRANSPORT_POLICY)
    g_value_set_enum (value, settings.relay_only
                                 ? GST_WEBRTC_ICE_TRANSPORT_POLICY_RELAY
                                 : GST_WEBRTC_ICE_TRANSPORT_POLICY_ALL);
  else if (id == PROP_APPLICATION_SIGNALLING)
    g_value_set_boolean (value, settings.application_signalling);
  else if (id == PROP_FEC_TYPE)
    g_value_set_enum (value,
        settings.fec ? GST_WEBRTC_FEC_TYPE_ULP_RED : GST_WEBRTC_FEC_TYPE_NONE);
  else if (id == PROP_ADAPTIVE_BITRATE)
    g_value_set_boolean (value, settings.rate.adaptive);
  else if (id == PROP_PACING)
    g_value_set_boolean (value, settings.rate.pacing);
  else if (id == PROP_RATE_POLICY)
    g_value_set_enum (value, int (settings.rate.policy));
  else
    return false;
  return true;
}

} // namespace robotlive
