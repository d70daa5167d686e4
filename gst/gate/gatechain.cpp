// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a gate tells the gates downstream of it that its stream has begun or is
// over (GateChain in gatecore.hpp). The beginning is a sticky event, which no
// queue loses, not even a leaky one; the end is an event that overtakes.
#include "gate/gategobject.hpp"
#include "robotlive.h"
#include <atomic>
#include <utility>

#define GST_CAT_DEFAULT gst_session_gate_debug

using namespace robotlive;

// Later than every epoch of any gate before: whoever is linked to another gate
// is not taken in by the first one's numbers.
static guint64
next_epoch ()
{
  static std::atomic<guint64> epochs{0};
  return ++epochs;
}

static void
push_epoch (GstSessionGate *self, GstEventType type, guint64 epoch)
{
  GST_DEBUG_OBJECT (self, "epoch %" G_GUINT64_FORMAT " %s", epoch,
      type == GST_EVENT_CUSTOM_DOWNSTREAM_OOB ? "is over" : "begins");
  gst_pad_push_event (self->srcpad,
      gst_event_new_custom (
          type, gst_structure_new (ROBOTLIVE_EVENT_EPOCH, ROBOTLIVE_FIELD_EPOCH,
                    G_TYPE_UINT64, epoch, nullptr)));
}

guint64
gate_begin_epoch (GateData &data)
{
  // signalingbin's gates are the last ones: what stands behind them is asked
  // nothing and told nothing.
  if (data.session.core.source () == GateSource::Signaling)
    return 0;
  return data.epoch = next_epoch ();
}

guint64
gate_end_epoch (GateData &data)
{
  return std::exchange (data.epoch, 0);
}

void
gate_tell_epoch_begun (GstSessionGate *self, guint64 epoch)
{
  if (epoch)
    push_epoch (self, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, epoch);
}

void
gate_tell_epoch_over (GstSessionGate *self, guint64 epoch)
{
  if (epoch)
    push_epoch (self, GST_EVENT_CUSTOM_DOWNSTREAM_OOB, epoch);
}

// On a thread of GStreamer's pool: what waits in front of a gate downstream is
// over at once, also while no buffer comes here or the last one is stuck.
void
gate_epoch_over (GstElement *element, gpointer)
{
  GstSessionGate *self = GST_SESSION_GATE (element);
  GateData &data = *self->data;
  guint64 over = 0;
  {
    const Guard guard (data.lock);
    if (data.session.core.state (data.boot ()) != GateState::Open) {
      // What passes next is a new epoch, though no buffer saw this one end.
      data.flow.shut ();
      over = gate_end_epoch (data);
    }
  }
  gate_tell_epoch_over (self, over);
}

bool
gate_take_epoch_event (GstSessionGate *self, GstEvent *event)
{
  const GstStructure *structure = gst_event_get_structure (event);
  guint64 epoch = 0;
  if (!structure ||
      !gst_structure_has_name (structure, ROBOTLIVE_EVENT_EPOCH) ||
      !gst_structure_get_uint64 (structure, ROBOTLIVE_FIELD_EPOCH, &epoch))
    return false;
  GateData &data = *self->data;
  guint64 over = 0;
  {
    const Guard guard (data.lock);
    if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY)
      data.chain.begun (epoch);
    else
      data.chain.over (epoch);
    if (data.chain.left_over ()) {
      data.flow.shut ();
      over = gate_end_epoch (data);
    }
  }
  gate_tell_epoch_over (self, over);
  return true;
}
