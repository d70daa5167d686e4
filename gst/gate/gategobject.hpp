// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The instance of sessiongate, shared by its files: gstsessiongate.cpp (pads,
// states, telling), gatechain.cpp (what gates tell each other) and
// gatesettings.cpp (properties, signals, C API).
#pragma once
#include "gate/bootclock.hpp"
#include "gate/gatecore.hpp"
#include "gate/gatesession.hpp"
#include "gate/gstsessiongate.h"
#include <algorithm>
#include <mutex>
#include <string>

GST_DEBUG_CATEGORY_EXTERN (gst_session_gate_debug);

/**
 * GstSessionGateState:
 * @GST_SESSION_GATE_STATE_CLOSED: nothing is granted
 * @GST_SESSION_GATE_STATE_PENDING: granted, but not yet begun
 * @GST_SESSION_GATE_STATE_OPEN: the stream passes
 * @GST_SESSION_GATE_STATE_EXPIRED: the session has ended
 * @GST_SESSION_GATE_STATE_REVOKED: the session was revoked
 *
 * Since: 0.1
 */
enum GstSessionGateState
{
  GST_SESSION_GATE_STATE_CLOSED =
      static_cast<int> (robotlive::GateState::Closed),
  GST_SESSION_GATE_STATE_PENDING =
      static_cast<int> (robotlive::GateState::Pending),
  GST_SESSION_GATE_STATE_OPEN = static_cast<int> (robotlive::GateState::Open),
  GST_SESSION_GATE_STATE_EXPIRED =
      static_cast<int> (robotlive::GateState::Expired),
  GST_SESSION_GATE_STATE_REVOKED =
      static_cast<int> (robotlive::GateState::Revoked),
};

/**
 * GstSessionGateOnExpiry:
 * @GST_SESSION_GATE_ON_EXPIRY_DROP: drop buffers, go on
 * @GST_SESSION_GATE_ON_EXPIRY_EOS: end the stream
 * @GST_SESSION_GATE_ON_EXPIRY_ERROR: post an error
 *
 * Since: 0.1
 */
enum GstSessionGateOnExpiry
{
  GST_SESSION_GATE_ON_EXPIRY_DROP,
  GST_SESSION_GATE_ON_EXPIRY_EOS,
  GST_SESSION_GATE_ON_EXPIRY_ERROR,
};

#define GST_TYPE_SESSION_GATE_STATE (gst_session_gate_state_get_type ())
GType gst_session_gate_state_get_type ();

struct GateData
{
  // Guards everything below but the timer, which has its own. A leaf: no other
  // lock is taken, nothing pushed, emitted, posted, read or waited for with it
  // held: each buffer takes it.
  std::mutex lock;
  robotlive::GateSession session;
  robotlive::GateFlow flow;
  robotlive::GateNews news; // the timer thread's, and start ()'s
  robotlive::GateChain chain;
  guint64 epoch = 0; // what downstream was told has begun; 0 = nothing
  GstSessionGateOnExpiry on_expiry = GST_SESSION_GATE_ON_EXPIRY_DROP;
  guint64 warning_time = 60 * GST_SECOND;
  std::string grant;               // not checked yet
  robotlive::Anchor grant_arrival; // when it was set
  std::string revoke_reason;
  robotlive::GateSource revoked_source = robotlive::GateSource::None;
  guint64 passed = 0;
  guint64 dropped = 0;
  bool running = false; // from READY->PAUSED to PAUSED->READY
  bool quiet = false;   // before the element leaves NULL
  bool eos_sent = false;
  bool error_sent = false;
  GstSessionGateClocks clocks = {};

  robotlive::BootTimer timer;

  // Call with the lock held, or before the element leaves NULL.
  robotlive::BootNs boot () const
  {
    return clocks.boottime ? clocks.boottime (clocks.user_data)
                           : robotlive::boot_now ();
  }
  robotlive::Anchor arrival () const
  {
    if (!clocks.boottime)
      return robotlive::clocks_now ();
    return {
        clocks.boottime (clocks.user_data), clocks.realtime (clocks.user_data)};
  }
};

using Guard = std::lock_guard<std::mutex>;

struct _GstSessionGate
{
  GstElement parent;
  GstPad *sinkpad;
  GstPad *srcpad;
  GateData *data; // C++ members need constructors, an instance has none
};

// Nanoseconds until the end; 0 when the gate is not open, GST_CLOCK_TIME_NONE
// when there is no end. Call with the lock held.
guint64 gate_remaining (const GateData &data, robotlive::BootNs now);

// gstsessiongate.cpp. No lock held.
void gate_tell_refusal (
    GstSessionGate *self, const robotlive::Refusal &refusal);

// gatechain.cpp. The first two with the lock held, the others without. The
// epoch to tell of, 0 when there is none; the beginning on the streaming
// thread.
guint64 gate_begin_epoch (GateData &data);
guint64 gate_end_epoch (GateData &data);
void gate_tell_epoch_begun (GstSessionGate *self, guint64 epoch);
void gate_tell_epoch_over (GstSessionGate *self, guint64 epoch);
// For gst_element_call_async () when the gate has shut by itself.
void gate_epoch_over (GstElement *element, gpointer);
// FALSE when *event* is not one of those.
bool gate_take_epoch_event (GstSessionGate *self, GstEvent *event);

// gatesettings.cpp. No lock held.
void gate_install_settings (GstSessionGateClass *klass);
void gate_notify_state (GstSessionGate *self);
void gate_emit_session_event (
    GstSessionGate *self, const GstStructure *structure);
// Reads the key file anew. A gate whose key cannot be read opens to no grant.
std::optional<robotlive::Refusal> gate_load_key (GateData &data);
// Checks the grant that was set, if any; tells when it is refused.
void gate_take_grant_property (GstSessionGate *self);
