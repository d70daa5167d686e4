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

G_END_DECLS
