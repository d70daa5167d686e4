// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The properties, signals and internal API of sessiongate.
#include "base/pasted.hpp"
#include "gate/gategobject.hpp"
#include "grant/keyfile.hpp"
#include "robotlive.h"

#define GST_CAT_DEFAULT gst_session_gate_debug

using namespace robotlive;

enum
{
  PROP_0,
  PROP_NOT_BEFORE,
  PROP_EXPIRES_AT,
  PROP_GRANT,
  PROP_GRANT_KEY,
  PROP_ROBOT_ID,
  PROP_ON_EXPIRY,
  PROP_TIME_SOURCE,
  PROP_SERVER_TIME,
  PROP_WARNING_TIME,
  PROP_STATE,
  PROP_REMAINING,
  PROP_PASSED,
  PROP_DROPPED,
  N_PROPERTIES,
};

enum
{
  SIGNAL_GRANT,
  SIGNAL_EXTEND,
  SIGNAL_REVOKE,
  SIGNAL_SESSION_EVENT,
  N_SIGNALS,
};

static GParamSpec *properties[N_PROPERTIES];
static guint signals[N_SIGNALS];

#define DEFAULT_ON_EXPIRY GST_SESSION_GATE_ON_EXPIRY_DROP
#define DEFAULT_TIME_SOURCE static_cast<gint> (TimeSource::WallClock)
#define DEFAULT_WARNING_TIME (60 * GST_SECOND)

GType
gst_session_gate_state_get_type ()
{
  static const GType type = [] {
    static const GEnumValue values[] = {
        {GST_SESSION_GATE_STATE_CLOSED, "Nothing is granted", "closed"},
        {GST_SESSION_GATE_STATE_PENDING, "Granted, but not yet begun",
            "pending"},
        {GST_SESSION_GATE_STATE_OPEN, "The stream passes", "open"},
        {GST_SESSION_GATE_STATE_EXPIRED, "The session has ended", "expired"},
        {GST_SESSION_GATE_STATE_REVOKED, "The session was revoked", "revoked"},
        {0, nullptr, nullptr},
    };
    return g_enum_register_static ("GstSessionGateState", values);
  }();
  return type;
}

static GType
gst_session_gate_on_expiry_get_type ()
{
  static const GType type = [] {
    static const GEnumValue values[] = {
        {GST_SESSION_GATE_ON_EXPIRY_DROP, "Drop buffers and go on", "drop"},
        {GST_SESSION_GATE_ON_EXPIRY_EOS, "End the stream", "eos"},
        {GST_SESSION_GATE_ON_EXPIRY_ERROR, "Post an error", "error"},
        {0, nullptr, nullptr},
    };
    return g_enum_register_static ("GstSessionGateOnExpiry", values);
  }();
  return type;
}

static GType
gst_session_gate_time_source_get_type ()
{
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint> (TimeSource::WallClock),
            "This machine's wall clock at arrival", "wall-clock"},
        {static_cast<gint> (TimeSource::ServerTime),
            "The server's time: server-time, or when a grant was issued",
            "server-time"},
        {0, nullptr, nullptr},
    };
    return g_enum_register_static ("GstSessionGateTimeSource", values);
  }();
  return type;
}

guint64
gate_remaining (const GateData &data, BootNs now)
{
  const GateCore &core = data.session.core;
  if (core.state (now) != GateState::Open)
    return 0;
  const BootNs end = core.interval ()->ends_at;
  return end == kNeverNs ? GST_CLOCK_TIME_NONE
                         : static_cast<guint64> (end - now);
}

void
gate_notify_state (GstSessionGate *self)
{
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STATE]);
}

void
gate_emit_session_event (GstSessionGate *self, const GstStructure *structure)
{
  const gchar *event = gst_structure_get_string (structure, "event");
  g_signal_emit (self, signals[SIGNAL_SESSION_EVENT],
      g_quark_from_string (event), structure);
}

static bool
of_other_keys (const Refusal &refusal)
{
  for (const GrantError error : {GrantError::UnknownKey,
           GrantError::BadSignature, GrantError::WrongAlgorithm})
    if (refusal.code == grant_error_code (error))
      return true;
  return false;
}

std::optional<Refusal>
gate_load_key (GateData &data)
{
  for (;;) {
    std::string path, error;
    {
      const Guard guard (data.lock);
      path = data.session.key_file ();
    }
    std::optional<JwtKeySet> keys;
    if (!path.empty ())
      keys = load_key_file (path, &error);
    const Guard guard (data.lock);
    if (data.session.key_file () != path)
      continue; // another file was named meanwhile
    const bool failed = !path.empty () && !keys;
    data.session.set_keys (keys ? std::move (*keys) : JwtKeySet ());
    return failed ? std::optional (Refusal{"no-key", error}) : std::nullopt;
  }
}

// The key that signed the grant may have come into the file since that was
// read. One that cannot be read now leaves what there was.
static bool
read_keys_again (GateData &data, GateSession::Checker *checker)
{
  std::string path, error;
  {
    const Guard guard (data.lock);
    path = data.session.key_file ();
  }
  auto keys =
      path.empty () ? std::nullopt : load_key_file (path, &error, nullptr);
  if (!keys)
    return false;
  const Guard guard (data.lock);
  if (data.session.key_file () != path)
    return false;
  data.session.set_keys (std::move (*keys));
  *checker = data.session.checker ();
  return true;
}

// *arrival*: both clocks when the grant came.
static bool
take_grant (GstSessionGate *self, const std::string &jwt, const Anchor &arrival)
{
  GateData &data = *self->data;
  BootNs now;
  GateSession::Checker checker;
  {
    const Guard guard (data.lock);
    now = data.boot ();
    checker = data.session.checker ();
  }
  Grant grant;
  Anchor clock;
  auto refusal = checker.check (jwt, arrival, now, &grant, &clock);
  if (refusal && of_other_keys (*refusal) && read_keys_again (data, &checker))
    refusal = checker.check (jwt, arrival, now, &grant, &clock);
  if (refusal) {
    gate_tell_refusal (self, *refusal);
    return false;
  }
  {
    const Guard guard (data.lock);
    data.session.accept (grant, clock);
    data.grant.clear (); // taken: no restart takes an older one
  }
  data.timer.wake ();
  return true;
}

void
gate_take_grant_property (GstSessionGate *self)
{
  GateData &data = *self->data;
  std::string jwt;
  Anchor arrival;
  {
    const Guard guard (data.lock);
    jwt = data.grant;
    arrival = data.grant_arrival;
  }
  if (!jwt.empty ())
    take_grant (self, jwt, arrival);
}

static void
set_grant_property (GstSessionGate *self, const gchar *jwt)
{
  GateData &data = *self->data;
  bool running;
  {
    const Guard guard (data.lock);
    data.grant = pasted_token (jwt ? jwt : "");
    data.grant_arrival = data.arrival ();
    data.session.require_grant (!data.grant.empty ());
    if (data.grant.empty () && data.session.core.source () == GateSource::Grant)
      data.session.core.clear_session ();
    running = data.running;
  }
  if (running)
    gate_take_grant_property (self);
  data.timer.wake ();
}

// A setting of a running gate that cannot be used.
static void
warn_of (GstSessionGate *self, const std::optional<Refusal> &problem)
{
  if (problem)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("%s", problem->message.c_str ()), ("%s", problem->code.c_str ()));
}

// Actions -------------------------------------------------------------------

static gboolean
grant_action (GstSessionGate *self, const gchar *jwt)
{
  GateData &data = *self->data;
  std::optional<Refusal> problem;
  Anchor arrival;
  bool running;
  {
    const Guard guard (data.lock);
    arrival = data.arrival ();
    running = data.running;
  }
  // Before the start nobody has read the key yet.
  if (!running)
    problem = gate_load_key (data);
  if (problem) {
    gate_tell_refusal (self, *problem);
    return FALSE;
  }
  return take_grant (self, pasted_token (jwt ? jwt : ""), arrival);
}

static gboolean
extend_action (GstSessionGate *self, gint64 milliseconds)
{
  GateData &data = *self->data;
  std::optional<Refusal> refusal;
  {
    const Guard guard (data.lock);
    refusal = data.session.extend (milliseconds, data.arrival ());
  }
  if (refusal) {
    gate_tell_refusal (self, *refusal);
    return FALSE;
  }
  data.timer.wake ();
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_EXPIRES_AT]);
  return TRUE;
}

static void
revoke_action (GstSessionGate *self, const gchar *reason)
{
  gst_session_gate_revoke (self, reason);
}

// The internal API ----------------------------------------------------------

void
gst_session_gate_set_session (
    GstSessionGate *self, gint64 opens_at, gint64 ends_at, const gchar *viewer)
{
  GateData &data = *self->data;
  {
    const Guard guard (data.lock);
    data.session.set_session ({opens_at, ends_at}, viewer ? viewer : "");
  }
  data.timer.wake ();
}

void
gst_session_gate_revoke (GstSessionGate *self, const gchar *reason)
{
  GateData &data = *self->data;
  {
    const Guard guard (data.lock);
    data.revoked_source = data.session.core.source ();
    data.session.revoke ();
    data.revoke_reason = reason ? reason : "";
    data.grant.clear ();
  }
  data.timer.wake ();
}

void
gst_session_gate_set_quiet (GstSessionGate *self)
{
  self->data->quiet = true;
}

void
gst_session_gate_set_clocks (
    GstSessionGate *self, const GstSessionGateClocks *clocks)
{
  self->data->clocks = *clocks;
}

void
gst_session_gate_wake (GstSessionGate *self)
{
  self->data->timer.wake ();
}

// Properties ----------------------------------------------------------------

static void
gst_session_gate_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSessionGate *self = GST_SESSION_GATE (object);
  GateData &data = *self->data;
  const auto text = [value] {
    const gchar *string = g_value_get_string (value);
    return std::string (string ? string : "");
  };
  std::optional<Refusal> problem;
  bool running;
  if (id == PROP_GRANT) {
    set_grant_property (self, g_value_get_string (value));
    return;
  }
  {
    const Guard guard (data.lock);
    GateSession &session = data.session;
    running = data.running;
    switch (id) {
      case PROP_NOT_BEFORE:
        session.set_not_before (text (), data.arrival ());
        problem = session.problem ();
        break;
      case PROP_EXPIRES_AT:
        session.set_expires_at (text (), data.arrival ());
        problem = session.problem ();
        break;
      case PROP_SERVER_TIME:
        session.set_server_time (text (), data.arrival ());
        problem = session.problem ();
        break;
      case PROP_GRANT_KEY:
        session.set_key_file (text ());
        break;
      case PROP_ROBOT_ID:
        session.set_robot_id (text ());
        break;
      case PROP_ON_EXPIRY:
        data.on_expiry =
            static_cast<GstSessionGateOnExpiry> (g_value_get_enum (value));
        break;
      case PROP_TIME_SOURCE:
        session.set_time_source (
            static_cast<TimeSource> (g_value_get_enum (value)));
        break;
      case PROP_WARNING_TIME:
        data.warning_time = g_value_get_uint64 (value);
        break;
      default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
        return;
    }
  }
  if (running && id == PROP_GRANT_KEY)
    problem = gate_load_key (data);
  if (running)
    warn_of (self, problem);
  data.timer.wake ();
}

static void
gst_session_gate_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GateData &data = *GST_SESSION_GATE (object)->data;
  const Guard guard (data.lock);
  const GateSession &session = data.session;
  switch (id) {
    case PROP_NOT_BEFORE:
      g_value_set_string (value, session.not_before ().c_str ());
      break;
    case PROP_EXPIRES_AT:
      g_value_set_string (value, session.expires_at ().c_str ());
      break;
    case PROP_GRANT_KEY:
      g_value_set_string (value, session.key_file ().c_str ());
      break;
    case PROP_ROBOT_ID:
      g_value_set_string (value, session.robot_id ().c_str ());
      break;
    case PROP_ON_EXPIRY:
      g_value_set_enum (value, data.on_expiry);
      break;
    case PROP_TIME_SOURCE:
      g_value_set_enum (value, static_cast<gint> (session.time_source ()));
      break;
    case PROP_SERVER_TIME:
      g_value_set_string (value, session.server_time ().c_str ());
      break;
    case PROP_WARNING_TIME:
      g_value_set_uint64 (value, data.warning_time);
      break;
    case PROP_STATE:
      g_value_set_enum (
          value, static_cast<gint> (session.core.state (data.boot ())));
      break;
    case PROP_REMAINING:
      g_value_set_uint64 (value, gate_remaining (data, data.boot ()));
      break;
    case PROP_PASSED:
      g_value_set_uint64 (value, data.passed);
      break;
    case PROP_DROPPED:
      g_value_set_uint64 (value, data.dropped);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
}

static void
install_properties (GObjectClass *object_class)
{
  const auto playing = static_cast<GParamFlags> (
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  const auto write_only = static_cast<GParamFlags> (
      G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  const auto read_only =
      static_cast<GParamFlags> (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  properties[PROP_NOT_BEFORE] = g_param_spec_string ("not-before", "Not before",
      "Start of the session, RFC 3339 with a zone or ms since 1970", "",
      playing);
  properties[PROP_EXPIRES_AT] = g_param_spec_string ("expires-at", "Expires at",
      "End of the session, RFC 3339 with a zone or ms since 1970", "", playing);
  properties[PROP_GRANT] = g_param_spec_string ("grant", "Session grant",
      "Signed session grant (JWT), checked against grant-key and robot-id", "",
      write_only);
  properties[PROP_GRANT_KEY] = g_param_spec_string ("grant-key", "Grant key",
      "File with the key that grants are checked with: PEM, JWK or a secret",
      "", playing);
  properties[PROP_ROBOT_ID] = g_param_spec_string ("robot-id", "Robot id",
      "Id of this robot: a grant must name it as its audience", "", playing);
  properties[PROP_ON_EXPIRY] = g_param_spec_enum ("on-expiry", "On expiry",
      "What happens when the session has ended or was revoked",
      gst_session_gate_on_expiry_get_type (), DEFAULT_ON_EXPIRY, playing);
  properties[PROP_TIME_SOURCE] = g_param_spec_enum ("time-source",
      "Time source",
      "Clock that times are compared with once, when they arrive",
      gst_session_gate_time_source_get_type (), DEFAULT_TIME_SOURCE, playing);
  properties[PROP_SERVER_TIME] =
      g_param_spec_string ("server-time", "Server time",
          "The server's time at the moment at which this is set", "", playing);
  properties[PROP_WARNING_TIME] =
      g_param_spec_uint64 ("warning-time", "Warning time",
          "How long before the end of the session that is told, in nanoseconds",
          0, G_MAXINT64, DEFAULT_WARNING_TIME, playing);
  properties[PROP_STATE] = g_param_spec_enum ("state", "State",
      "Whether the stream passes, or why not", GST_TYPE_SESSION_GATE_STATE,
      GST_SESSION_GATE_STATE_CLOSED, read_only);
  properties[PROP_REMAINING] = g_param_spec_uint64 ("remaining", "Remaining",
      "Nanoseconds until the end of the open session (0: it is not open)", 0,
      G_MAXUINT64, 0, read_only);
  properties[PROP_PASSED] = g_param_spec_uint64 ("passed", "Passed",
      "Buffers that passed since READY, those of lists one by one", 0,
      G_MAXUINT64, 0, read_only);
  properties[PROP_DROPPED] = g_param_spec_uint64 ("dropped", "Dropped",
      "Buffers that were dropped since READY, those of lists one by one", 0,
      G_MAXUINT64, 0, read_only);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
install_signals (GType type)
{
  const auto action =
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);

  /**
   * GstSessionGate::grant:
   * @object: the #sessiongate
   * @jwt: a signed session grant
   *
   * Checks the grant now, against grant-key and robot-id, and opens the gate
   * for its time. A refused grant is told of (`refused`) and changes nothing.
   *
   * Returns: %TRUE when it was accepted
   * Since: 0.1
   */
  signals[SIGNAL_GRANT] = g_signal_new_class_handler (ROBOTLIVE_ACTION_GRANT,
      type, action, G_CALLBACK (grant_action), nullptr, nullptr, nullptr,
      G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  /**
   * GstSessionGate::extend:
   * @object: the #sessiongate
   * @milliseconds: how far to move the end of the session; negative shortens it
   *
   * What a grant gave is only ever shortened.
   *
   * Returns: %FALSE when there is no session, or a grant would be widened
   * Since: 0.1
   */
  signals[SIGNAL_EXTEND] = g_signal_new_class_handler (ROBOTLIVE_ACTION_EXTEND,
      type, action, G_CALLBACK (extend_action), nullptr, nullptr, nullptr,
      G_TYPE_BOOLEAN, 1, G_TYPE_INT64);
  /**
   * GstSessionGate::revoke:
   * @object: the #sessiongate
   * @reason: (nullable): a word for the message
   *
   * Shuts the gate at once, until something new is granted.
   *
   * Since: 0.1
   */
  signals[SIGNAL_REVOKE] = g_signal_new_class_handler (ROBOTLIVE_ACTION_REVOKE,
      type, action, G_CALLBACK (revoke_action), nullptr, nullptr, nullptr,
      G_TYPE_NONE, 1, G_TYPE_STRING);
  /**
   * GstSessionGate::session-event:
   * @object: the #sessiongate
   * @session: the structure of the element message `robotlive-session`
   *
   * What the message tells, at the same time, for who has no bus; the detail is
   * its field `event`, as in `session-event::expired`. Emitted by the gate's
   * own thread, `refused` by the thread that handed in the grant.
   *
   * Since: 0.1
   */
  signals[SIGNAL_SESSION_EVENT] = g_signal_new (ROBOTLIVE_SIGNAL_SESSION_EVENT,
      type, static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED),
      0, nullptr, nullptr, nullptr, G_TYPE_NONE, 1,
      GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
}

void
gate_install_settings (GstSessionGateClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  object_class->set_property = gst_session_gate_set_property;
  object_class->get_property = gst_session_gate_get_property;
  install_properties (object_class);
  install_signals (G_TYPE_FROM_CLASS (klass));
  for (GType type : {gst_session_gate_state_get_type (),
           gst_session_gate_on_expiry_get_type (),
           gst_session_gate_time_source_get_type ()})
    gst_type_mark_as_plugin_api (type, static_cast<GstPluginAPIFlags> (0));
}
