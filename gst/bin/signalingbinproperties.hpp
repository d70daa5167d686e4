// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin's properties: their specs, and their way in and out of Settings.
#pragma once
#include "bin/controller.hpp"

namespace robotlive {

enum
{
  PROP_0,
  PROP_SIGNALING_SERVER,
  PROP_ROBOT_ID,
  PROP_ROBOT_TYPE,
  PROP_ROOMS,
  PROP_TOKEN,
  PROP_TOKEN_FILE,
  PROP_SESSION_POLICY,
  PROP_GRANT_KEY,
  PROP_TLS_CA_FILE,
  PROP_APPLICATION_SIGNALING,
  PROP_STUN_SERVER,
  PROP_TURN_SERVER,
  PROP_ICE_TRANSPORT_POLICY,
  PROP_MIN_RTP_PORT,
  PROP_MAX_RTP_PORT,
  PROP_MAX_VIEWERS,
  PROP_MIN_KEYFRAME_INTERVAL,
  PROP_FEC_TYPE,
  PROP_FEC_PERCENTAGE,
  PROP_ENCODER,
  PROP_STATS,
  PROP_STATS_INTERVAL,
  PROP_ADAPTIVE_BITRATE,
  PROP_RATE_POLICY,
  PROP_MIN_BITRATE,
  PROP_START_BITRATE,
  PROP_MAX_BITRATE,
  PROP_TARGET_BITRATE,
  PROP_PACING,
  PROP_CONTROLLER,
};

void install_properties (GObjectClass *klass);
// False for an id that is not among the settings.
bool set_setting (Settings *settings, guint id, const GValue *value);
bool get_setting (const Settings &settings, guint id, GValue *value);

} // namespace robotlive
