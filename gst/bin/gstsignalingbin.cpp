// SPDX-License-Identifier: LGPL-2.1-or-later
// The lines below are to be pasted.
// clang-format off
/**
 * SECTION:element-signalingbin
 * @title: signalingbin
 * @short_description: Serves a video stream to WebRTC viewers
 *
 * Registers with a Socket.IO signaling server as a robot and answers each
 * viewer's offer with a webrtcbin of its own. Encodes nothing: the stream comes
 * in encoded once and goes to all. Each viewer has a gate, which opens when the
 * server's grant is verified and the DTLS certificate is the one in the offer,
 * and shuts to the frame at the granted end.
 *
 * Properties, signals and messages: docs/elements/signalingbin.md.
 *
 * ## Example launch lines
 * ```shell
 * gst-launch-1.0 -e videotestsrc is-live=true ! videoconvert ! x264enc tune=zerolatency ! h264parse ! signalingbin signaling-server=http://127.0.0.1:8080 robot-id=robot_1 token-file=/etc/robotlive/robot.token
 * ```
 * Serves the test pattern to whoever has booked robot_1.
 * ```shell
 * gst-launch-1.0 -e videotestsrc is-live=true ! vp8enc deadline=1 ! signalingbin signaling-server=http://127.0.0.1:8080 robot-id=robot_1 session-policy=open
 * ```
 * On a bench, in VP8, to everyone.
 *
 * Since: 0.1
 */
// clang-format on
#include "bin/gstsignalingbin.h"
#include "bin/appsignaller.hpp"
#include "bin/signalingbinproperties.hpp"
#include "bin/signalingbinstate.hpp"
#include "robotlive.h"
#include "webrtc/internals.hpp"
#include "webrtc/opensslexit.hpp"

GST_DEBUG_CATEGORY (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

using namespace robotlive;

namespace {

enum
{
  SIGNAL_VIEWER_ADDED,
  SIGNAL_VIEWER_REMOVED,
  SIGNAL_END_VIEWER,
  SIGNAL_PAUSE_VIEWER,
  SIGNAL_RESUME_VIEWER,
  SIGNAL_LIST_VIEWERS,
  SIGNAL_SEND_MESSAGE,
  SIGNAL_TAKE_MESSAGE,
  LAST_SIGNAL
};
guint signals[LAST_SIGNAL];

} // namespace

G_DEFINE_FINAL_TYPE_WITH_CODE (
    GstSignalingBin, gst_signaling_bin, GST_TYPE_BIN,
    GST_DEBUG_CATEGORY_INIT (gst_signaling_bin_debug, "signalingbin", 0,
        "Signaling and WebRTC viewers");
    G_IMPLEMENT_INTERFACE (
        GST_TYPE_CHILD_PROXY, signaling_bin_child_proxy_init))
GST_ELEMENT_REGISTER_DEFINE (
    signalingbin, "signalingbin", GST_RANK_NONE, GST_TYPE_SIGNALING_BIN)

void
gst_signaling_bin_set_signaller (
    GstSignalingBin *self, std::unique_ptr<Signaller> signaller)
{
  self->state->own_signaller = signaller != nullptr;
  self->state->signaller = std::move (signaller);
}

static GstStateChangeReturn
gst_signaling_bin_change_state (GstElement *element, GstStateChange transition)
{
  return signaling_bin_change_state (
      element, transition, GST_ELEMENT_CLASS (gst_signaling_bin_parent_class));
}

// The child of the bin that *object* is, or is inside of; transfer full.
static GstObject *
branch_of (GstSignalingBin *self, GstObject *object)
{
  GstObject *child = GST_OBJECT (gst_object_ref (object));
  while (child) {
    GstObject *parent = gst_object_get_parent (child);
    if (parent == GST_OBJECT (self)) {
      gst_object_unref (parent);
      return child;
    }
    gst_object_unref (child);
    child = parent;
  }
  return nullptr;
}

// A viewer's error is that viewer's end, and nobody else's.
static void
gst_signaling_bin_handle_message (GstBin *bin, GstMessage *message)
{
  auto *self = GST_SIGNALING_BIN (bin);
  // The viewers' gates: whoever listens is told by robotlive-viewer-removed,
  // and must not take theirs for those of a gate of the application's.
  if (gst_message_has_name (message, ROBOTLIVE_MESSAGE_SESSION)) {
    gst_message_unref (message);
    return;
  }
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GstObject) branch = branch_of (self, GST_MESSAGE_SRC (message));
    const auto *peer_id =
        branch ? static_cast<const char *> (
                     g_object_get_data (G_OBJECT (branch), kPeerIdKey))
               : nullptr;
    if (peer_id) {
      g_autoptr (GError) error = nullptr;
      g_autofree char *debug = nullptr;
      gst_message_parse_error (message, &error, &debug);
      GST_WARNING_OBJECT (
          self, "viewer %s: %s (%s)", peer_id, error->message, debug);
      std::shared_ptr<GstObject> kept (
          GST_OBJECT (gst_object_ref (branch)), gst_object_unref);
      self->state->post (
          [id = std::string (peer_id), kept] (Controller &controller) {
            controller.branch_failed (id, kept.get ());
          });
      gst_message_unref (message);
      return;
    }
  }
  GST_BIN_CLASS (gst_signaling_bin_parent_class)->handle_message (bin, message);
}

static gboolean
gst_signaling_bin_send_event (GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY) {
    GstClockTime latency = 0;
    gst_event_parse_latency (event, &latency);
    GST_SIGNALING_BIN (element)->state->post (
        [latency] (
            Controller &controller) { controller.set_latency (latency); });
  }
  return GST_ELEMENT_CLASS (gst_signaling_bin_parent_class)
      ->send_event (element, event);
}

static void
gst_signaling_bin_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SignalingBinState *state = GST_SIGNALING_BIN (object)->state;
  if (id == PROP_ENCODER) {
    state->main_input ()->encoder ().set_encoder (
        static_cast<GstElement *> (g_value_get_object (value)));
    return;
  }
  {
    std::lock_guard<std::mutex> lock (state->settings_mutex);
    if (!set_setting (&state->settings, id, value))
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  if (id == PROP_CONTROLLER)
    state->post ([kept = signaling_bin_keep (GST_SIGNALING_BIN (object)),
                     state] (Controller &controller) {
      controller.name_controller (state->copy_settings ().controller);
    });
}

static void
gst_signaling_bin_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SignalingBinState *state = GST_SIGNALING_BIN (object)->state;
  if (id == PROP_ENCODER) {
    g_value_take_object (
        value, state->main_input ()->encoder ().find ().release ());
  } else if (id == PROP_TARGET_BITRATE) {
    guint target = 0;
    state->look ([&target] (Controller &controller) {
      target = controller.target_bitrate ();
    });
    g_value_set_uint (value, target);
  } else if (id == PROP_STATS) {
    GstStructure *stats = nullptr;
    state->look (
        [&stats] (Controller &controller) { stats = controller.stats (); });
    if (!stats) {
      stats = gst_structure_new_empty (ROBOTLIVE_MESSAGE_STATS);
      add_internals (stats);
    }
    g_value_take_boxed (value, stats);
  } else {
    std::lock_guard<std::mutex> lock (state->settings_mutex);
    if (!get_setting (state->settings, id, value))
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static bool
has_viewer (SignalingBinState *state, const char *peer_id)
{
  bool found = false;
  if (peer_id)
    state->look ([peer_id, &found] (Controller &controller) {
      found = controller.has_viewer (peer_id);
    });
  return found;
}

static gboolean
gst_signaling_bin_end_viewer (GstSignalingBin *self, const char *peer_id)
{
  const auto found = std::make_shared<bool> (has_viewer (self->state, peer_id));
  if (*found)
    self->state->act (
        [id = std::string (peer_id), found] (Controller &controller) {
          *found = controller.end_viewer (id, "ended");
        });
  return *found;
}

static gboolean
set_paused (GstSignalingBin *self, const char *peer_id, bool paused)
{
  const auto found = std::make_shared<bool> (has_viewer (self->state, peer_id));
  if (*found)
    self->state->act (
        [id = std::string (peer_id), paused, found] (Controller &controller) {
          *found = controller.pause_viewer (id, paused);
        });
  return *found;
}

static gboolean
gst_signaling_bin_pause_viewer (GstSignalingBin *self, const char *peer_id)
{
  return set_paused (self, peer_id, true);
}

static gboolean
gst_signaling_bin_resume_viewer (GstSignalingBin *self, const char *peer_id)
{
  return set_paused (self, peer_id, false);
}

static GStrv
gst_signaling_bin_list_viewers (GstSignalingBin *self)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  SignalingBinState *state = self->state;
  std::vector<std::string> ids;
  state->look (
      [&ids] (Controller &controller) { ids = controller.viewers (); });
  for (const auto &id : ids)
    g_strv_builder_add (builder, id.c_str ());
  return g_strv_builder_end (builder);
}

static gboolean
gst_signaling_bin_take_message (
    GstSignalingBin *self, const GstStructure *message)
{
  SignalingBinState *state = self->state;
  if (!message || !state->copy_settings ().application_signaling ||
      !state->current_loop ())
    return FALSE;
  auto call = read_app_message (message);
  if (!call)
    return FALSE;
  // Later: this may be called while the bin sends one.
  state->post ([call = std::move (call)] (Controller &controller) {
    if (controller.started ())
      call (controller);
  });
  return TRUE;
}

static void
gst_signaling_bin_finalize (GObject *object)
{
  delete GST_SIGNALING_BIN (object)->state;
  G_OBJECT_CLASS (gst_signaling_bin_parent_class)->finalize (object);
}

static void
gst_signaling_bin_class_init (GstSignalingBinClass *klass)
{
  auto *object_class = G_OBJECT_CLASS (klass);
  auto *element_class = GST_ELEMENT_CLASS (klass);

  // Here, as this comes before any webrtcbin of ours and its DTLS.
  keep_openssl_through_exit ();
  object_class->set_property = gst_signaling_bin_set_property;
  object_class->get_property = gst_signaling_bin_get_property;
  object_class->finalize = gst_signaling_bin_finalize;
  element_class->change_state =
      GST_DEBUG_FUNCPTR (gst_signaling_bin_change_state);
  element_class->request_new_pad =
      GST_DEBUG_FUNCPTR (signaling_bin_request_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR (signaling_bin_release_pad);
  element_class->send_event = GST_DEBUG_FUNCPTR (gst_signaling_bin_send_event);
  GST_BIN_CLASS (klass)->handle_message =
      GST_DEBUG_FUNCPTR (gst_signaling_bin_handle_message);
  install_properties (object_class);

  /**
   * GstSignalingBin::viewer-added:
   * @peer_id: names the peer connection
   * @user: the viewer's id
   *
   * A viewer was admitted and is being answered. Emitted on the signaling
   * thread; a handler returns soon.
   *
   * Since: 0.1
   */
  signals[SIGNAL_VIEWER_ADDED] = g_signal_new (ROBOTLIVE_SIGNAL_VIEWER_ADDED,
      G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, nullptr, nullptr,
      nullptr, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
  /**
   * GstSignalingBin::viewer-removed:
   * @peer_id: names the peer connection
   * @reason: "expired", "revoked", "left", "vanished", "failed",
   *     "fingerprint-mismatch", "replaced", "ended", "codec-changed",
   *     "robot-offline"
   *
   * A viewer is gone and its branch with it. Emitted on the signaling thread,
   * or on the one that stops the bin.
   *
   * Since: 0.1
   */
  signals[SIGNAL_VIEWER_REMOVED] =
      g_signal_new (ROBOTLIVE_SIGNAL_VIEWER_REMOVED, G_TYPE_FROM_CLASS (klass),
          G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr, G_TYPE_NONE, 2,
          G_TYPE_STRING, G_TYPE_STRING);
  /**
   * GstSignalingBin::end-viewer:
   * @peer_id: as in viewer-added
   *
   * Ends one viewer's connection; the viewer is told. Waits until it is done;
   * viewer-removed has been emitted then, or, when this is called in a handler
   * of a signal of the bin, follows when that handler has returned.
   *
   * Returns: %TRUE when there was such a viewer
   *
   * Since: 0.1
   */
  signals[SIGNAL_END_VIEWER] = g_signal_new_class_handler (
      ROBOTLIVE_ACTION_END_VIEWER, G_TYPE_FROM_CLASS (klass),
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_signaling_bin_end_viewer), nullptr, nullptr, nullptr,
      G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  /**
   * GstSignalingBin::pause-viewer:
   * @peer_id: as in viewer-added
   *
   * Sends this viewer nothing until resume-viewer; the connection stays, and
   * its time goes on.
   *
   * Returns: %TRUE when there is such a viewer
   *
   * Since: 0.1
   */
  signals[SIGNAL_PAUSE_VIEWER] = g_signal_new_class_handler (
      ROBOTLIVE_ACTION_PAUSE_VIEWER, G_TYPE_FROM_CLASS (klass),
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_signaling_bin_pause_viewer), nullptr, nullptr, nullptr,
      G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  /**
   * GstSignalingBin::resume-viewer:
   * @peer_id: as in viewer-added
   *
   * Goes on with a viewer that was paused, from a key frame on.
   *
   * Returns: %TRUE when there is such a viewer
   *
   * Since: 0.1
   */
  signals[SIGNAL_RESUME_VIEWER] = g_signal_new_class_handler (
      ROBOTLIVE_ACTION_RESUME_VIEWER, G_TYPE_FROM_CLASS (klass),
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_signaling_bin_resume_viewer), nullptr, nullptr, nullptr,
      G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  /**
   * GstSignalingBin::list-viewers:
   *
   * Returns: (transfer full): the peer ids of the viewers that there are now
   *
   * Since: 0.1
   */
  signals[SIGNAL_LIST_VIEWERS] = g_signal_new_class_handler (
      ROBOTLIVE_ACTION_LIST_VIEWERS, G_TYPE_FROM_CLASS (klass),
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_signaling_bin_list_viewers), nullptr, nullptr, nullptr,
      G_TYPE_STRV, 0);

  /**
   * GstSignalingBin::send-message:
   * @message: "answer", "ice-candidate", "leave" or "error" for a viewer
   *
   * With application-signaling: the application carries it to its viewer.
   * Emitted on the signaling thread; the structure is lent.
   *
   * Since: 0.1
   */
  signals[SIGNAL_SEND_MESSAGE] = g_signal_new (ROBOTLIVE_SIGNAL_SEND_MESSAGE,
      G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, nullptr, nullptr,
      nullptr, G_TYPE_NONE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
  /**
   * GstSignalingBin::take-message:
   * @message: "offer", "ice-candidate", "leave", "session-updated" or
   *     "session-ended" of a viewer
   *
   * With application-signaling: what came from a viewer. Any thread.
   *
   * Returns: %TRUE when the message is one and will be looked at
   *
   * Since: 0.1
   */
  signals[SIGNAL_TAKE_MESSAGE] = g_signal_new_class_handler (
      ROBOTLIVE_ACTION_TAKE_MESSAGE, G_TYPE_FROM_CLASS (klass),
      static_cast<GSignalFlags> (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_signaling_bin_take_message), nullptr, nullptr, nullptr,
      G_TYPE_BOOLEAN, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  gst_element_class_set_static_metadata (element_class,
      "WebRTC viewers by Socket.IO signaling", "Sink/Network/WebRTC",
      "Serves an encoded video stream to the viewers that a signaling server "
      "lets through, each until its session ends",
      "The gst-robotlive developers");
  signaling_bin_add_pad_templates (element_class);
}

static void
gst_signaling_bin_init (GstSignalingBin *self)
{
  self->state = new SignalingBinState;
  signaling_bin_add_sink (self);
}
