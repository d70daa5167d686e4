/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SESSION_GATE (gst_session_gate_get_type ())
G_DECLARE_FINAL_TYPE (
    GstSessionGate, gst_session_gate, GST, SESSION_GATE, GstElement)

GST_ELEMENT_REGISTER_DECLARE (sessiongate);

/* For signalingbin alone, which has checked the grant itself and knows when it
 * arrived: the gate is open in [opens_at, ends_at), nanoseconds of
 * CLOCK_BOOTTIME. Replaces whatever session the gate had; extends, shortens.
 * Any thread. */
void gst_session_gate_set_session (
    GstSessionGate *self, gint64 opens_at, gint64 ends_at, const gchar *viewer);
/* Shuts the gate at once. @reason: "revoked", "viewer-left", ... Any thread. */
void gst_session_gate_revoke (GstSessionGate *self, const gchar *reason);

/* For signalingbin alone, before the element leaves NULL: nobody listens, so
 * nothing is told, and there is no timer. What passes is decided as ever. */
void gst_session_gate_set_quiet (GstSessionGate *self);

/* For tests: the clocks that the gate reads instead of the system's, both in
 * nanoseconds; before the element leaves NULL. The timer then fires only when
 * gst_session_gate_wake () says that time has passed. Any thread calls them. */
typedef struct
{
  gint64 (*boottime) (gpointer user_data);
  gint64 (*realtime) (gpointer user_data);
  gpointer user_data;
} GstSessionGateClocks;
void gst_session_gate_set_clocks (
    GstSessionGate *self, const GstSessionGateClocks *clocks);
void gst_session_gate_wake (GstSessionGate *self);

/* The upstream event by which signalingbin tells a gate in the main path what
 * its viewers' sessions add up to: GST_EVENT_CUSTOM_UPSTREAM with a structure
 * of this name and the fields
 *   "ends-at"  G_TYPE_INT64  CLOCK_BOOTTIME ns of the last end; 0 = nobody now
 *   "opens-at" G_TYPE_INT64  CLOCK_BOOTTIME ns of the first start
 *   "viewers"  G_TYPE_UINT   how many sessions are open
 * A gate that has a session or grant of its own ignores it. */
#define GST_SESSION_GATE_EVENT_NAME "robotlive-sessions"
/* The downstream events by which a gate tells the gates behind it that its
 * stream begins (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY) or is over
 * (GST_EVENT_CUSTOM_DOWNSTREAM_OOB): a structure of this name with the field
 *   "turn"     G_TYPE_UINT64 grows with each beginning
 * What waits between the two gates when the first one shuts is dropped. */
#define GST_SESSION_GATE_TURN_NAME "robotlive-turn"
/* The element message of both elements: fields in docs/elements/sessiongate.md. */
#define GST_SESSION_GATE_MESSAGE_NAME "robotlive-session"

G_END_DECLS
