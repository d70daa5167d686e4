// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What it decides stands in gatecore.hpp, what it was given in gatesession.hpp,
// its properties and signals in gatesettings.cpp, what it tells other gates in
// gatechain.cpp; here are pads, states and the thread that tells.
//
// Threads: the streaming thread decides for each buffer by the clock; nothing
// that the timer does or fails to do opens or keeps open the gate. The timer's
// work tells (messages, signals, notify, the key unit request, EOS or error
// when no buffer comes), so that all is told once and in order.
//
// The lines below are to be pasted.
// clang-format off
/**
 * SECTION:element-sessiongate
 * @title: sessiongate
 * @short_description: Lets a stream through while a session is open
 *
 * And drops it otherwise, to the buffer. Properties, signals and messages:
 * docs/elements/sessiongate.md.
 *
 * ## Example launch line
 * ```shell
 * gst-launch-1.0 videotestsrc num-buffers=60 ! sessiongate expires-at=2099-01-01T00:00:00Z ! videoconvert ! fakesink
 * ```
 *
 * Since: 0.1
 */
// clang-format on
#include "gate/gategobject.hpp"
#include "robotlive.h"
#include <gst/video/video.h>

GST_DEBUG_CATEGORY (gst_session_gate_debug);
#define GST_CAT_DEFAULT gst_session_gate_debug

using namespace robotlive;
using Verdict = GateFlow::Verdict;

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

G_DEFINE_FINAL_TYPE_WITH_CODE (GstSessionGate, gst_session_gate,
    GST_TYPE_ELEMENT,
    GST_DEBUG_CATEGORY_INIT (
        gst_session_gate_debug, "sessiongate", 0, "Session gate"));
GST_ELEMENT_REGISTER_DEFINE (
    sessiongate, "sessiongate", GST_RANK_NONE, GST_TYPE_SESSION_GATE);

static bool
has_ended (GateState state)
{
  return state == GateState::Expired || state == GateState::Revoked;
}

// Telling -------------------------------------------------------------------

static const char *
event_name (GateNews::Event event)
{
  switch (event) {
    case GateNews::Event::Open:
      return "open";
    case GateNews::Event::Changed:
      return "changed";
    case GateNews::Event::Expiring:
      return "expiring";
    case GateNews::Event::Expired:
      return "expired";
    case GateNews::Event::Revoked:
      return "revoked";
    case GateNews::Event::Closed:
      break;
  }
  return "closed";
}

static const char *
event_text (GateNews::Event event)
{
  switch (event) {
    case GateNews::Event::Open:
      return "The session is open.";
    case GateNews::Event::Changed:
      return "The times of the session have changed.";
    case GateNews::Event::Expiring:
      return "The session ends soon.";
    case GateNews::Event::Expired:
      return "The session has ended.";
    case GateNews::Event::Revoked:
      return "The session was revoked.";
    case GateNews::Event::Closed:
      break;
  }
  return "No session is open any more.";
}

static const char *
source_name (GateSource source)
{
  switch (source) {
    case GateSource::None:
      break;
    case GateSource::Window:
      return "window";
    case GateSource::Grant:
      return "grant";
    case GateSource::Signaling:
      return "signaling";
    case GateSource::Downstream:
      return "downstream";
  }
  return "none";
}

// Call with the lock held.
static GstStructure *
session_structure (GstSessionGate *self, const char *event, const char *reason,
    const char *text, BootNs now)
{
  const GateData &data = *self->data;
  const GateState state = data.session.core.state (now);
  const GateSource source = state == GateState::Revoked
                                ? data.revoked_source
                                : data.session.core.source ();
  const bool named = source == GateSource::Grant ||
                     source == GateSource::Signaling ||
                     source == GateSource::Window;
  const SessionInfo info = named ? data.session.info : SessionInfo ();
  return gst_structure_new (ROBOTLIVE_MESSAGE_SESSION, ROBOTLIVE_FIELD_EVENT,
      G_TYPE_STRING, event, ROBOTLIVE_FIELD_STATE, GST_TYPE_SESSION_GATE_STATE,
      static_cast<gint> (state), ROBOTLIVE_FIELD_SOURCE, G_TYPE_STRING,
      source_name (source), ROBOTLIVE_FIELD_REASON, G_TYPE_STRING, reason,
      ROBOTLIVE_FIELD_TEXT, G_TYPE_STRING, text, ROBOTLIVE_FIELD_VIEWER,
      G_TYPE_STRING, info.viewer.c_str (), ROBOTLIVE_FIELD_PEER_ID,
      G_TYPE_STRING, info.peer_id.c_str (), ROBOTLIVE_FIELD_ROLE, G_TYPE_STRING,
      info.role.c_str (), ROBOTLIVE_FIELD_ROBOT_ID, G_TYPE_STRING,
      data.session.robot_id ().c_str (), ROBOTLIVE_FIELD_NOT_BEFORE,
      G_TYPE_INT64, info.not_before, ROBOTLIVE_FIELD_EXPIRES_AT, G_TYPE_INT64,
      info.expires_at, ROBOTLIVE_FIELD_REMAINING, G_TYPE_UINT64,
      gate_remaining (data, now), ROBOTLIVE_FIELD_PASSED, G_TYPE_UINT64,
      data.passed, ROBOTLIVE_FIELD_DROPPED, G_TYPE_UINT64, data.dropped,
      nullptr);
}

// Takes *structure*; no lock held.
static void
tell (GstSessionGate *self, GstStructure *structure)
{
  GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, static_cast<void *> (structure));
  gate_emit_session_event (self, structure);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), structure));
}

void
gate_tell_refusal (GstSessionGate *self, const Refusal &refusal)
{
  GstStructure *structure;
  {
    const Guard guard (self->data->lock);
    structure = session_structure (self, "refused", refusal.code.c_str (),
        refusal.message.c_str (), self->data->boot ());
  }
  tell (self, structure);
}

// Streaming thread, or any thread that holds the stream lock.
static void
push_eos (GstSessionGate *self)
{
  {
    const Guard guard (self->data->lock);
    if (self->data->eos_sent)
      return;
    self->data->eos_sent = true;
  }
  if (gst_pad_push_event (self->srcpad, gst_event_new_eos ()))
    return;
  // Pads not activated yet, or flushing: the EOS is lost. The end of the
  // activation and each buffer have it sent again.
  const Guard guard (self->data->lock);
  self->data->eos_sent = false;
}

// On a thread of GStreamer's pool: a push may hold the stream lock for as long
// as downstream blocks it, and the timer must not wait that long.
static void
end_without_buffer (GstElement *element, gpointer)
{
  GstSessionGate *self = GST_SESSION_GATE (element);
  GST_PAD_STREAM_LOCK (self->sinkpad);
  bool ended;
  {
    const Guard guard (self->data->lock);
    ended = self->data->running &&
            has_ended (self->data->session.core.state (self->data->boot ()));
  }
  if (ended)
    push_eos (self);
  GST_PAD_STREAM_UNLOCK (self->sinkpad);
}

static void
post_end_error (GstSessionGate *self)
{
  {
    const Guard guard (self->data->lock);
    if (self->data->error_sent)
      return;
    self->data->error_sent = true;
  }
  GST_ELEMENT_ERROR (self, RESOURCE, NOT_AUTHORIZED, ("The session has ended."),
      ("on-expiry=error"));
}

static void
ask_key_unit (GstSessionGate *self)
{
  {
    GateData &data = *self->data;
    const Guard guard (data.lock);
    if (!data.flow.ask_key_unit (data.boot ()))
      return;
  }
  GST_DEBUG_OBJECT (self, "asking for a key unit");
  gst_pad_push_event (
      self->sinkpad, gst_video_event_new_upstream_force_key_unit (
                         GST_CLOCK_TIME_NONE, TRUE, 0));
}

// The timer's work.
static BootNs
tell_news (GstSessionGate *self)
{
  GateData &data = *self->data;
  std::vector<GstStructure *> messages;
  GstSessionGateOnExpiry on_expiry;
  bool opened = false, ended = false, changed, over;
  {
    const Guard guard (data.lock);
    const BootNs now = data.boot ();
    const GateState before = data.news.told ();
    for (GateNews::Event event :
        data.news.update (data.session.core, now, data.warning_time)) {
      opened |= event == GateNews::Event::Open;
      ended |= event == GateNews::Event::Expired ||
               event == GateNews::Event::Revoked;
      const bool revoked = event == GateNews::Event::Revoked;
      messages.push_back (session_structure (self, event_name (event),
          revoked ? data.revoke_reason.c_str () : "", event_text (event), now));
    }
    changed = data.news.told () != before;
    over = data.epoch && data.news.told () != GateState::Open;
    on_expiry = data.on_expiry;
    if (opened)
      data.error_sent = false;
  }
  if (opened)
    ask_key_unit (self);
  if (over)
    gst_element_call_async (
        GST_ELEMENT (self), gate_epoch_over, nullptr, nullptr);
  for (GstStructure *message : messages)
    tell (self, message);
  if (changed)
    gate_notify_state (self);
  if (ended && on_expiry == GST_SESSION_GATE_ON_EXPIRY_EOS)
    gst_element_call_async (
        GST_ELEMENT (self), end_without_buffer, nullptr, nullptr);
  if (ended && on_expiry == GST_SESSION_GATE_ON_EXPIRY_ERROR)
    post_end_error (self);

  const Guard guard (data.lock);
  if (data.clocks.boottime)
    return kNeverNs;
  return data.news.next (data.session.core, data.boot (), data.warning_time);
}

// Data flow -----------------------------------------------------------------

struct Decision
{
  Verdict verdict;
  GateState state;
  bool ask;
  guint64 begun = 0, over = 0; // the epoch to tell of
};

// Counts as well. Call with the lock held.
static Decision
decide (GateData &data, GstBuffer *buffer, BootNs now)
{
  const GateState state = data.session.core.state (now);
  const GateState effective =
      data.chain.left_over () ? GateState::Closed : state;
  const Verdict verdict = data.flow.decide (
      effective, GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT));
  ++(verdict == Verdict::Drop ? data.dropped : data.passed);
  Decision decision = {verdict, state, data.flow.waits_for_key_unit ()};
  if (verdict == Verdict::PassDiscont)
    decision.begun = gate_begin_epoch (data);
  if (effective != GateState::Open)
    decision.over = gate_end_epoch (data);
  return decision;
}

static GstFlowReturn
dropped (GstSessionGate *self, const Decision &decision)
{
  gate_tell_epoch_over (self, decision.over);
  if (decision.ask)
    ask_key_unit (self);
  if (!has_ended (decision.state))
    return GST_FLOW_OK;
  GstSessionGateOnExpiry on_expiry;
  {
    const Guard guard (self->data->lock);
    on_expiry = self->data->on_expiry;
  }
  switch (on_expiry) {
    case GST_SESSION_GATE_ON_EXPIRY_DROP:
      break;
    case GST_SESSION_GATE_ON_EXPIRY_EOS:
      push_eos (self);
      return GST_FLOW_EOS;
    case GST_SESSION_GATE_ON_EXPIRY_ERROR:
      post_end_error (self);
      return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

// The one thing that a gate writes into a buffer (tests/tsan.supp names it).
static void
mark_discont (GstBuffer *buffer)
{
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
}

static GstFlowReturn
gst_session_gate_chain (GstPad *, GstObject *parent, GstBuffer *buffer)
{
  GstSessionGate *self = GST_SESSION_GATE (parent);
  GateData &data = *self->data;
  Decision decision;
  {
    const Guard guard (data.lock);
    decision = decide (data, buffer, data.boot ());
  }
  if (decision.verdict == Verdict::Drop) {
    GST_LOG_OBJECT (
        self, "dropping %" GST_PTR_FORMAT, static_cast<void *> (buffer));
    gst_buffer_unref (buffer);
    return dropped (self, decision);
  }
  if (decision.verdict == Verdict::PassDiscont) {
    gate_tell_epoch_begun (self, decision.begun);
    buffer = gst_buffer_make_writable (buffer); // shares the memory
    mark_discont (buffer);
  }
  return gst_pad_push (self->srcpad, buffer);
}

// A list is handed in at one time: it passes or is dropped as a whole, but for
// delta units in front of the key unit that the gate waits for.
static GstFlowReturn
gst_session_gate_chain_list (GstPad *, GstObject *parent, GstBufferList *list)
{
  GstSessionGate *self = GST_SESSION_GATE (parent);
  const guint length = gst_buffer_list_length (list);
  Decision decision = {Verdict::Drop, GateState::Closed, false};
  guint skipped = 0;
  guint64 over = 0;
  {
    GateData &data = *self->data;
    const Guard guard (data.lock);
    const BootNs now = data.boot ();
    for (; skipped < length; ++skipped) {
      decision = decide (data, gst_buffer_list_get (list, skipped), now);
      over = std::max (over, decision.over);
      if (decision.verdict != Verdict::Drop)
        break;
    }
    if (skipped < length)
      data.passed += length - skipped - 1; // one is counted already
  }
  if (skipped == length) {
    gst_buffer_list_unref (list);
    decision.over = over;
    return dropped (self, decision);
  }
  if (decision.verdict == Verdict::PassDiscont) {
    gate_tell_epoch_begun (self, decision.begun);
    list = gst_buffer_list_make_writable (list);
    gst_buffer_list_remove (list, 0, skipped);
    mark_discont (gst_buffer_list_get_writable (list, 0));
  }
  return gst_pad_push_list (self->srcpad, list);
}

static bool
is_open (GstSessionGate *self)
{
  GateData &data = *self->data;
  const Guard guard (data.lock);
  return data.session.core.state (data.boot ()) == GateState::Open &&
         !data.chain.left_over ();
}

static gboolean
gst_session_gate_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSessionGate *self = GST_SESSION_GATE (parent);
  GateData &data = *self->data;
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
      // Of the gate upstream; those downstream are told by this one.
      if (gate_take_epoch_event (self, event)) {
        gst_event_unref (event);
        return TRUE;
      }
      break;
    // A gap stands for media, and nobody knows what a custom event carries.
    case GST_EVENT_GAP:
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (!is_open (self)) {
        gst_event_unref (event);
        return TRUE;
      }
      break;
    case GST_EVENT_EOS: {
      const Guard guard (data.lock);
      if (data.eos_sent) {
        gst_event_unref (event);
        return TRUE;
      }
      data.eos_sent = true;
      break;
    }
    case GST_EVENT_FLUSH_STOP:
    case GST_EVENT_STREAM_START: {
      const Guard guard (data.lock);
      data.eos_sent = false;
      if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
        data.chain.new_stream ();
      break;
    }
    default:
      break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
gst_session_gate_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  // Allocation and drain carry no media; behind another serialized query there
  // may be some.
  const bool harmless = !GST_QUERY_IS_SERIALIZED (query) ||
                        GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION ||
                        GST_QUERY_TYPE (query) == GST_QUERY_DRAIN;
  if (!harmless && !is_open (GST_SESSION_GATE (parent)))
    return FALSE;
  return gst_pad_query_default (pad, parent, query);
}

// FALSE when *event* is not the one that signalingbin sends.
static bool
take_downstream_sessions (GstSessionGate *self, GstEvent *event)
{
  const GstStructure *structure = gst_event_get_structure (event);
  gint64 opens_at = 0, ends_at = 0;
  guint viewers = 0;
  if (!structure ||
      !gst_structure_has_name (structure, ROBOTLIVE_EVENT_SESSIONS) ||
      !gst_structure_get (structure, ROBOTLIVE_FIELD_OPENS_AT, G_TYPE_INT64,
          &opens_at, ROBOTLIVE_FIELD_ENDS_AT, G_TYPE_INT64, &ends_at,
          ROBOTLIVE_FIELD_VIEWERS, G_TYPE_UINT, &viewers, nullptr))
    return false;
  GateData &data = *self->data;
  {
    const Guard guard (data.lock);
    data.session.core.set_downstream (
        ends_at && viewers ? std::optional (Interval{opens_at, ends_at})
                           : std::nullopt);
  }
  GST_DEBUG_OBJECT (self, "%u sessions downstream", viewers);
  data.timer.wake ();
  return true;
}

static gboolean
gst_session_gate_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  const bool taken =
      GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_UPSTREAM &&
      take_downstream_sessions (GST_SESSION_GATE (parent), event);
  // Further gates upstream follow it as well.
  return gst_pad_event_default (pad, parent, event) || taken;
}

// States --------------------------------------------------------------------

static bool
start (GstSessionGate *self)
{
  GateData &data = *self->data;
  std::optional<Refusal> problem;
  {
    const Guard guard (data.lock);
    data.flow.reset ();
    data.news.reset ();
    data.chain.reset ();
    data.epoch = 0;
    data.passed = data.dropped = 0;
    data.eos_sent = data.error_sent = false;
    // From here on whoever names another key file reads it himself.
    data.running = true;
    problem = data.session.problem ();
  }
  if (!problem)
    problem = gate_load_key (data);
  if (problem) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("%s", problem->message.c_str ()), ("%s", problem->code.c_str ()));
    return false;
  }
  gate_take_grant_property (self);
  if (data.quiet)
    return true;
  // The timer owns a reference: it may outlive the application's last one.
  std::shared_ptr<GstSessionGate> reference (
      GST_SESSION_GATE (gst_object_ref (self)),
      [] (GstSessionGate *gate) { gst_object_unref (gate); });
  if (!data.timer.start ("sessiongate",
          [reference] { return tell_news (reference.get ()); })) {
    GST_ELEMENT_ERROR (self, RESOURCE, FAILED,
        ("Could not start the timer of the session."), (nullptr));
    return false;
  }
  return true;
}

static void
stop (GstSessionGate *self)
{
  GateData &data = *self->data;
  data.timer.stop ();
  const Guard guard (data.lock);
  data.running = false;
  data.session.forget_stream ();
}

// The timer runs before the pads are active: what it told of a session that was
// over by then may have been for nobody.
static void
end_if_over (GstSessionGate *self)
{
  {
    GateData &data = *self->data;
    const Guard guard (data.lock);
    if (data.on_expiry != GST_SESSION_GATE_ON_EXPIRY_EOS ||
        !has_ended (data.session.core.state (data.boot ())))
      return;
  }
  gst_element_call_async (
      GST_ELEMENT (self), end_without_buffer, nullptr, nullptr);
}

static GstStateChangeReturn
gst_session_gate_change_state (GstElement *element, GstStateChange transition)
{
  GstSessionGate *self = GST_SESSION_GATE (element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start (self)) {
    stop (self);
    return GST_STATE_CHANGE_FAILURE;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (gst_session_gate_parent_class)
          ->change_state (element, transition);
  const bool failed = result == GST_STATE_CHANGE_FAILURE &&
                      transition == GST_STATE_CHANGE_READY_TO_PAUSED;
  if (failed || transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    stop (self);
  else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    end_if_over (self);
  return result;
}

static void
gst_session_gate_init (GstSessionGate *self)
{
  self->data = new GateData;
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_session_gate_chain));
  gst_pad_set_chain_list_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_session_gate_chain_list));
  gst_pad_set_event_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_session_gate_sink_event));
  gst_pad_set_query_function (
      self->sinkpad, GST_DEBUG_FUNCPTR (gst_session_gate_sink_query));
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  GST_PAD_SET_PROXY_ALLOCATION (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (
      self->srcpad, GST_DEBUG_FUNCPTR (gst_session_gate_src_event));
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}

static void
gst_session_gate_finalize (GObject *object)
{
  delete GST_SESSION_GATE (object)->data;
  G_OBJECT_CLASS (gst_session_gate_parent_class)->finalize (object);
}

static void
gst_session_gate_class_init (GstSessionGateClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  G_OBJECT_CLASS (klass)->finalize = gst_session_gate_finalize;
  gate_install_settings (klass);
  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_session_gate_change_state);
  gst_element_class_set_static_metadata (element_class, "Session gate",
      "Filter/Network",
      "Lets a stream through while a session is open, and drops it otherwise",
      "The gst-robotlive developers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}
