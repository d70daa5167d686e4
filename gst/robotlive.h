/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * SECTION:robotlive
 * @title: robotlive.h
 * @short_description: names for programs that use sessiongate and signalingbin
 *
 * There is no library to link: make the elements with
 * gst_element_factory_make() and watch the bus for #GST_MESSAGE_ELEMENT
 * messages whose structure has one of these names. The pages in docs/elements/
 * say what each field holds.
 *
 * An application's own signaling has no interface to implement either: with
 * the property application-signaling, signalingbin sends what it has to say by
 * the signal #ROBOTLIVE_SIGNAL_SEND_MESSAGE and takes what came by the action
 * #ROBOTLIVE_ACTION_TAKE_MESSAGE, both as structures (docs/embedding.md).
 *
 * Since: 0.1
 */

/* Elements */
#define ROBOTLIVE_ELEMENT_SESSIONGATE "sessiongate"
#define ROBOTLIVE_ELEMENT_SIGNALINGBIN "signalingbin"
#define ROBOTLIVE_ELEMENT_RTSPCAMERA "rtspcamera"
#define ROBOTLIVE_ELEMENT_FILECAMERA "filecamera"

/* Names of the structures of element messages */
#define ROBOTLIVE_MESSAGE_SESSION "robotlive-session"
#define ROBOTLIVE_MESSAGE_LINK "robotlive-link"
#define ROBOTLIVE_MESSAGE_VIEWER_ADDED "robotlive-viewer-added"
#define ROBOTLIVE_MESSAGE_VIEWER_REMOVED "robotlive-viewer-removed"
#define ROBOTLIVE_MESSAGE_VIEWER_REFUSED "robotlive-viewer-refused"
#define ROBOTLIVE_MESSAGE_STATS "robotlive-stats"

/* Names of the structures inside of robotlive-stats */
#define ROBOTLIVE_STRUCTURE_STREAM "robotlive-stream"
#define ROBOTLIVE_STRUCTURE_VIEWER "robotlive-viewer"

/* The upstream event by which signalingbin tells a gate in the main path what
 * its viewers' sessions add up to: GST_EVENT_CUSTOM_UPSTREAM with a structure
 * of this name and the fields
 *   "ends-at"  gint64  CLOCK_BOOTTIME ns of the last end; 0 = nobody now
 *   "opens-at" gint64  CLOCK_BOOTTIME ns of the first start
 *   "viewers"  guint   how many sessions are open
 * A gate that has a session or grant of its own ignores it. */
#define ROBOTLIVE_EVENT_SESSIONS "robotlive-sessions"
/* The downstream events by which a gate tells the gates behind it that its
 * stream begins (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY) or is over
 * (GST_EVENT_CUSTOM_DOWNSTREAM_OOB): a structure of this name with the field
 *   "epoch"    guint64 grows with each beginning
 * What waits between the two gates when the first one shuts is dropped. */
#define ROBOTLIVE_EVENT_EPOCH "robotlive-epoch"

/* Signals */
#define ROBOTLIVE_SIGNAL_SESSION_EVENT "session-event"
#define ROBOTLIVE_SIGNAL_VIEWER_ADDED "viewer-added"
#define ROBOTLIVE_SIGNAL_VIEWER_REMOVED "viewer-removed"
#define ROBOTLIVE_SIGNAL_SEND_MESSAGE "send-message"

/* Actions: signals that a program emits */
#define ROBOTLIVE_ACTION_GRANT "grant"
#define ROBOTLIVE_ACTION_EXTEND "extend"
#define ROBOTLIVE_ACTION_REVOKE "revoke"
#define ROBOTLIVE_ACTION_END_VIEWER "end-viewer"
#define ROBOTLIVE_ACTION_PAUSE_VIEWER "pause-viewer"
#define ROBOTLIVE_ACTION_RESUME_VIEWER "resume-viewer"
#define ROBOTLIVE_ACTION_LIST_VIEWERS "list-viewers"
#define ROBOTLIVE_ACTION_TAKE_MESSAGE "take-message"

/* Structures of application-signaling */
#define ROBOTLIVE_CALL_OFFER "offer"
#define ROBOTLIVE_CALL_ANSWER "answer"
#define ROBOTLIVE_CALL_ICE_CANDIDATE "ice-candidate"
#define ROBOTLIVE_CALL_LEAVE "leave"
#define ROBOTLIVE_CALL_SESSION_UPDATED "session-updated"
#define ROBOTLIVE_CALL_SESSION_ENDED "session-ended"
#define ROBOTLIVE_CALL_PICTURE_LIMIT "picture-limit"
#define ROBOTLIVE_CALL_ERROR "error"

/* Codes of progress messages */
#define ROBOTLIVE_PROGRESS_CONNECT "connect"
#define ROBOTLIVE_PROGRESS_VIEWER "viewer"

/* Fields of the messages and structures */
#define ROBOTLIVE_FIELD_BITRATE "bitrate"                 /* guint64 */
#define ROBOTLIVE_FIELD_BYTES "bytes"                     /* guint64 */
#define ROBOTLIVE_FIELD_CANDIDATE "candidate"             /* string */
#define ROBOTLIVE_FIELD_CODE "code"                       /* string */
#define ROBOTLIVE_FIELD_CODEC "codec"                     /* string */
#define ROBOTLIVE_FIELD_CONTROLLER "controller"           /* gboolean */
#define ROBOTLIVE_FIELD_DROPPED "dropped"                 /* guint64 */
#define ROBOTLIVE_FIELD_ENDS_AT "ends-at"                 /* gint64 */
#define ROBOTLIVE_FIELD_EPOCH "epoch"                     /* guint64 */
#define ROBOTLIVE_FIELD_ESTIMATE "estimate"               /* guint */
#define ROBOTLIVE_FIELD_EVENT "event"                     /* string */
#define ROBOTLIVE_FIELD_EXPIRES_AT "expires-at"           /* gint64, ms */
#define ROBOTLIVE_FIELD_FEEDBACK "feedback"               /* string */
#define ROBOTLIVE_FIELD_FIRST_FRAME "first-frame"         /* guint64, ms */
#define ROBOTLIVE_FIELD_FPS "fps"                         /* gdouble */
#define ROBOTLIVE_FIELD_FRACTION_LOST "fraction-lost"     /* gdouble */
#define ROBOTLIVE_FIELD_FRAMES "frames"                   /* guint64 */
#define ROBOTLIVE_FIELD_FROM "from"                       /* string */
#define ROBOTLIVE_FIELD_GRANT "grant"                     /* string */
#define ROBOTLIVE_FIELD_HALF_FRAME_RATE "half-frame-rate" /* gboolean */
#define ROBOTLIVE_FIELD_INTERNALS "internals"             /* list of strings */
#define ROBOTLIVE_FIELD_JITTER "jitter"                   /* gdouble, s */
#define ROBOTLIVE_FIELD_KEY_FRAMES "key-frames"           /* string */
#define ROBOTLIVE_FIELD_LIMIT "limit"                     /* string */
#define ROBOTLIVE_FIELD_LINK "link"                       /* string */
#define ROBOTLIVE_FIELD_LOCAL_CANDIDATE "local-candidate" /* string */
#define ROBOTLIVE_FIELD_LOSS "loss"                       /* gdouble */
#define ROBOTLIVE_FIELD_MESSAGE "message"                 /* string */
#define ROBOTLIVE_FIELD_NACK "nack"                       /* guint */
#define ROBOTLIVE_FIELD_NOT_BEFORE "not-before"           /* gint64, ms */
#define ROBOTLIVE_FIELD_OPENS_AT "opens-at"               /* gint64 */
#define ROBOTLIVE_FIELD_PACKETS "packets"                 /* guint64 */
#define ROBOTLIVE_FIELD_PACKETS_LOST "packets-lost"       /* gint */
#define ROBOTLIVE_FIELD_PAD "pad"                         /* string */
#define ROBOTLIVE_FIELD_PASSED "passed"                   /* guint64 */
#define ROBOTLIVE_FIELD_PAUSED "paused"                   /* gboolean */
#define ROBOTLIVE_FIELD_PEER_ID "peer-id"                 /* string */
#define ROBOTLIVE_FIELD_PLI "pli"                         /* guint */
#define ROBOTLIVE_FIELD_QUEUE_OVERRUNS "queue-overruns"   /* guint64 */
#define ROBOTLIVE_FIELD_REASON "reason"                   /* string */
#define ROBOTLIVE_FIELD_RECEIVED_RATE "received-rate"     /* guint */
#define ROBOTLIVE_FIELD_REMAINING "remaining"             /* guint64, ns */
#define ROBOTLIVE_FIELD_REMOTE_CANDIDATE "remote-candidate" /* string */
#define ROBOTLIVE_FIELD_RESENDS_REFUSED "resends-refused"   /* guint64 */
#define ROBOTLIVE_FIELD_ROBOT_ID "robot-id"                 /* string */
#define ROBOTLIVE_FIELD_ROLE "role"                         /* string */
#define ROBOTLIVE_FIELD_ROUND_TRIP_TIME "round-trip-time"   /* gdouble, s */
#define ROBOTLIVE_FIELD_SDP "sdp"                           /* string */
#define ROBOTLIVE_FIELD_SDP_M_LINE_INDEX "sdp-m-line-index" /* guint */
#define ROBOTLIVE_FIELD_SDP_MID "sdp-mid"                   /* string */
#define ROBOTLIVE_FIELD_SERVER_TIME "server-time"           /* gint64, ms */
#define ROBOTLIVE_FIELD_SINCE "since"                       /* guint64, ms */
#define ROBOTLIVE_FIELD_SOURCE "source"                     /* string */
#define ROBOTLIVE_FIELD_STATE "state"                       /* string or enum */
#define ROBOTLIVE_FIELD_STREAMS "streams"               /* list of structures */
#define ROBOTLIVE_FIELD_TARGET_BITRATE "target-bitrate" /* guint */
#define ROBOTLIVE_FIELD_TEXT "text"                     /* string */
#define ROBOTLIVE_FIELD_THINNED "thinned"               /* guint64 */
#define ROBOTLIVE_FIELD_THINNING "thinning"             /* string */
#define ROBOTLIVE_FIELD_TO "to"                         /* string */
#define ROBOTLIVE_FIELD_USER "user"                     /* string */
#define ROBOTLIVE_FIELD_VIEWER "viewer"                 /* string */
#define ROBOTLIVE_FIELD_VIEWERS "viewers" /* list of structures, or guint */
/* gboolean */
#define ROBOTLIVE_FIELD_WAITS_FOR_KEY_FRAME "waits-for-key-frame"
