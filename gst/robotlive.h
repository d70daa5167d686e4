/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * SECTION:robotlive
 * @title: robotlive.h
 * @short_description: names for programs that use sessiongate and signalingbin
 *
 * There is no library to link: make the elements with
 * gst_element_factory_make() and watch the bus for #GST_MESSAGE_ELEMENT
 * messages whose structure has one of these names. gst/README.md says what
 * each field holds.
 *
 * Since: 0.1
 */

/* Elements */
#define ROBOTLIVE_ELEMENT_SESSIONGATE "sessiongate"
#define ROBOTLIVE_ELEMENT_SIGNALINGBIN "signalingbin"

/* Names of the structures of element messages */
#define ROBOTLIVE_MESSAGE_SESSION "robotlive-session"
#define ROBOTLIVE_MESSAGE_LINK "robotlive-link"
#define ROBOTLIVE_MESSAGE_VIEWER_ADDED "robotlive-viewer-added"
#define ROBOTLIVE_MESSAGE_VIEWER_REMOVED "robotlive-viewer-removed"
#define ROBOTLIVE_MESSAGE_VIEWER_REFUSED "robotlive-viewer-refused"
#define ROBOTLIVE_MESSAGE_STATS "robotlive-stats"

/* Name of the structure of signalingbin's custom upstream event: how many may
 * watch, until when */
#define ROBOTLIVE_EVENT_SESSIONS "robotlive-sessions"

/* Fields of the messages */
#define ROBOTLIVE_FIELD_CODE "code"             /* string */
#define ROBOTLIVE_FIELD_EVENT "event"           /* string */
#define ROBOTLIVE_FIELD_EXPIRES_AT "expires-at" /* gint64 */
#define ROBOTLIVE_FIELD_LINK "link"             /* string */
#define ROBOTLIVE_FIELD_MESSAGE "message"       /* string */
#define ROBOTLIVE_FIELD_PEER_ID "peer-id"       /* string */
#define ROBOTLIVE_FIELD_REASON "reason"         /* string */
#define ROBOTLIVE_FIELD_REMAINING "remaining"   /* time left */
#define ROBOTLIVE_FIELD_ROLE "role"             /* string */
#define ROBOTLIVE_FIELD_STATE "state"           /* string or enum */
#define ROBOTLIVE_FIELD_USER "user"             /* string */
#define ROBOTLIVE_FIELD_VIEWERS "viewers"       /* list of structures */
