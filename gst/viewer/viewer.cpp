// SPDX-License-Identifier: LGPL-2.1-or-later
#include "viewer/viewer.hpp"
#include "webrtc/rtpbinhooks.hpp"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

constexpr std::int64_t kSecond = 1000000000;
// A viewer that has got nowhere: codec unknown, no answer made, no connection.
constexpr std::int64_t kWaitLimit = 10 * kSecond;
constexpr std::int64_t kNegotiateLimit = 10 * kSecond;
constexpr std::int64_t kConnectLimit = 20 * kSecond;

// webrtcbin makes a name, that GLib keeps for ever, of each such line, with the
// number in it, when it is given the answer that it has itself written; and
// does nothing with it, as it knows its own sources. The viewer gets them.
void
leave_out_sources (GstSDPMessage *message)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (message); i++) {
    auto *media =
        const_cast<GstSDPMedia *> (gst_sdp_message_get_media (message, i));
    for (guint n = gst_sdp_media_attributes_len (media); n > 0; n--) {
      const char *key = gst_sdp_media_get_attribute (media, n - 1)->key;
      if (g_str_equal (key, "ssrc") || g_str_equal (key, "ssrc-group"))
        gst_sdp_media_remove_attribute (media, n - 1);
    }
  }
}

} // namespace

Viewer::Viewer (std::weak_ptr<EventLoop> loop, ViewerOwner *owner, GstBin *bin,
    std::string user, std::string peer_id, std::int64_t offered_at)
    : loop_ (std::move (loop)), owner_ (owner), bin_ (bin),
      user_ (std::move (user)), peer_id_ (std::move (peer_id)),
      created_at_ (offered_at), state_since_ (boot_now ())
{
}

Viewer::~Viewer ()
{
  stop (); // what it returns is done with at once
}

Viewer::Hop *
Viewer::hop ()
{
  return new Hop{weak_from_this (), loop_, shared_};
}

void
Viewer::connect (gpointer object, const char *signal, GCallback callback)
{
  const gulong id = g_signal_connect_data (object, signal, callback, hop (),
      Hop::free_closure, static_cast<GConnectFlags> (0));
  connections_.push_back ({share (G_OBJECT (object)), id});
}

void
Viewer::fail (const std::string &reason, const std::string &code,
    const std::string &message)
{
  // As a task: the caller may be a loop over all viewers.
  const std::unique_ptr<Hop> later (hop ());
  later->post ([reason, code, message] (Viewer &self) {
    self.owner_->viewer_remove (self.peer_id_, reason, code, message);
  });
}

void
Viewer::connect_callbacks ()
{
  connect (webrtc_.get (), "on-ice-candidate",
      G_CALLBACK (+[] (GstElement *, guint, const char *text, Hop *hop) {
        std::string candidate = text;
        hop->post ([candidate] (Viewer &self) {
          // All is bundled on one transport.
          self.owner_->viewer_candidate (self.peer_id_,
              {candidate, self.offer_.mid, self.offer_.transport_line});
        });
      }));
  const auto changed = +[] (GObject *, GParamSpec *, Hop *hop) {
    hop->post ([] (Viewer &self) { self.on_transport_changed (); });
  };
  connect (webrtc_.get (), "notify::connection-state", G_CALLBACK (changed));
  connect (
      webrtc_.get (), "notify::ice-connection-state", G_CALLBACK (changed));
  connect (picture_.queue, "overrun", G_CALLBACK (+[] (GstElement *, Hop *hop) {
    hop->shared->queue_drops++;
    hop->post ([] (Viewer &self) {
      if (self.state_ == ViewerState::Streaming)
        self.owner_->viewer_needs_key_frame (self.peer_id_);
    });
  }));

  hears_rtcp_ = watch_rtcp (
      webrtc_.get (),
      [shared = shared_] () {
        const auto now = boot_now ();
        const auto last = shared->last_rtcp.exchange (now);
        GST_DEBUG (
            "RTCP after %" G_GINT64_FORMAT " ms", (now - last) / 1000000);
      },
      [hop = std::shared_ptr<Hop> (hop ())] () {
        hop->post ([] (Viewer &self) { self.fail ("left", "", ""); });
      });
}

std::vector<Lane *>
Viewer::lanes ()
{
  std::vector<Lane *> all{&picture_};
  if (audio_)
    all.insert (
        audio_->m_line < picture_.m_line ? all.begin () : all.end (), &*audio_);
  return all;
}

bool
Viewer::start (const GuardedOffer &offer, const Source &picture,
    const Source *audio, const PeerSettings &settings, std::string *error)
{
  offer_ = offer;
  fec_percentage_ = settings.fec_percentage;
  state_ = ViewerState::Negotiating;
  state_since_ = boot_now ();
  picture_.source = picture;
  picture_.m_line = offer.m_line;
  picture_.payload_type = offer.payload_type;
  if (audio && offer.audio) {
    audio_.emplace ();
    audio_->source = *audio;
    audio_->m_line = offer.audio->m_line;
    audio_->payload_type = offer.audio->payload_type;
  }
  if (!build_webrtc (settings, error) || !build (error))
    return false;
  // webrtcbin wants its pads in the order of the m-lines.
  for (const Lane *lane : lanes ())
    if (!link_webrtc (*lane, error))
      return false;
  connect_callbacks ();
  watch_rate ();
  watch_first_frame ();

  if (!add_branch (error))
    return false;
  set_remote_description ();
  return true;
}

GstPromise *
Viewer::promise (const char *sdp_field,
    void (Viewer::*handler) (const std::string &, const std::string &))
{
  struct Reply
  {
    std::unique_ptr<Hop> hop;
    const char *sdp_field;
    void (Viewer::*handler) (const std::string &, const std::string &);
  };
  GstPromise *made = gst_promise_new_with_change_func (
      [] (GstPromise *promise, gpointer data) {
        auto *reply = static_cast<Reply *> (data);
        std::string sdp, failure;
        // No reply at all, or an empty one, is success for a set-description.
        const GstStructure *answer =
            gst_promise_wait (promise) == GST_PROMISE_RESULT_REPLIED
                ? gst_promise_get_reply (promise)
                : nullptr;
        g_autoptr (GError) error = nullptr;
        if (gst_promise_wait (promise) != GST_PROMISE_RESULT_REPLIED)
          failure = "interrupted";
        else if (answer && gst_structure_has_field (answer, "error") &&
                 gst_structure_get (
                     answer, "error", G_TYPE_ERROR, &error, nullptr))
          failure = error ? error->message : "unknown error";
        if (reply->sdp_field && failure.empty ()) {
          g_autoptr (GstWebRTCSessionDescription) description = nullptr;
          if (answer)
            gst_structure_get (answer, reply->sdp_field,
                GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &description, nullptr);
          g_autofree char *text =
              description ? gst_sdp_message_as_text (description->sdp)
                          : nullptr;
          if (text)
            sdp = text;
          else
            failure = "no description in the reply";
        }
        reply->hop->post ([call = reply->handler, sdp, failure] (
                              Viewer &self) { (self.*call) (sdp, failure); });
      },
      new Reply{std::unique_ptr<Hop> (hop ()), sdp_field, handler},
      [] (gpointer data) { delete static_cast<Reply *> (data); });
  outstanding_.reset (gst_promise_ref (made));
  return made;
}

void
Viewer::set_remote_description ()
{
  GstSDPMessage *message = nullptr;
  if (gst_sdp_message_new_from_text (offer_.sdp.c_str (), &message) !=
      GST_SDP_OK) {
    fail ("failed", "internal", "The offer could not be written again.");
    return;
  }
  take_names (message);
  g_autoptr (GstWebRTCSessionDescription) description =
      gst_webrtc_session_description_new (GST_WEBRTC_SDP_TYPE_OFFER, message);
  g_autoptr (GstPromise) reply = promise (nullptr, &Viewer::on_remote_set);
  g_signal_emit_by_name (
      webrtc_.get (), "set-remote-description", description, reply);
}

void
Viewer::on_remote_set (const std::string &, const std::string &error)
{
  if (!error.empty ()) {
    fail ("failed", "bad-message", "The offer was refused: " + error);
    return;
  }
  g_autoptr (GstPromise) reply = promise ("answer", &Viewer::on_answer);
  g_signal_emit_by_name (webrtc_.get (), "create-answer", nullptr, reply);
}

void
Viewer::on_answer (const std::string &sdp, const std::string &error)
{
  GstSDPMessage *message = nullptr;
  if (!error.empty () ||
      gst_sdp_message_new_from_text (sdp.c_str (), &message) != GST_SDP_OK) {
    fail ("failed", "internal", "No answer could be made: " + error);
    return;
  }
  const GstSDPMedia *media = gst_sdp_message_get_media (message, offer_.m_line);
  if (!media || gst_sdp_media_get_port (media) == 0 ||
      !gst_sdp_media_get_attribute_val (media, "sendonly")) {
    gst_sdp_message_free (message);
    fail ("failed", "bad-message", "The offer and the stream do not match.");
    return;
  }
  leave_out_sources (message);
  g_autoptr (GstWebRTCSessionDescription) description =
      gst_webrtc_session_description_new (GST_WEBRTC_SDP_TYPE_ANSWER, message);
  g_autoptr (GstPromise) reply = promise (nullptr, &Viewer::on_local_set);
  g_signal_emit_by_name (
      webrtc_.get (), "set-local-description", description, reply);
  // Candidates are gathered by that and follow through the same queue.
  state_ = ViewerState::Connecting;
  state_since_ = boot_now ();
  dump ("answered");
  owner_->viewer_answer (peer_id_, complete_answer (sdp, offer_));
}

void
Viewer::on_local_set (const std::string &, const std::string &error)
{
  if (!error.empty ()) {
    fail ("failed", "internal", "The answer was refused: " + error);
    return;
  }
  local_set_ = true;
  for (const auto &candidate : early_candidates_)
    give_candidate (candidate);
  early_candidates_.clear ();
  // They were for the answer. Left in place they come back in caps queries,
  // and the payloader's real profile does not fit the offered one.
  for (const Lane *lane : lanes ()) {
    auto sink_pad = webrtc_sink_pad (*lane);
    g_autoptr (GstWebRTCRTPTransceiver) transceiver = nullptr;
    g_object_get (sink_pad.get (), "transceiver", &transceiver, nullptr);
    g_object_set (transceiver, "codec-preferences", nullptr, nullptr);
  }
  set_latency (latency_);
  for (Lane *lane : lanes ())
    link_to_tee (lane);
  on_transport_changed ();
}

void
Viewer::on_transport_changed ()
{
  GstWebRTCPeerConnectionState connection;
  GstWebRTCICEConnectionState ice;
  g_object_get (webrtc_.get (), "connection-state", &connection,
      "ice-connection-state", &ice, nullptr);
  GST_DEBUG_OBJECT (bin_, "viewer %s: connection %d, ICE %d", peer_id_.c_str (),
      connection, ice);
  if (connection == GST_WEBRTC_PEER_CONNECTION_STATE_FAILED ||
      ice == GST_WEBRTC_ICE_CONNECTION_STATE_FAILED) {
    fail ("failed", "unavailable",
        state_ == ViewerState::Streaming
            ? "The connection to the robot was lost."
            : "No network path between viewer and robot was found.");
    return;
  }
  if (!local_set_)
    return;

  g_autoptr (GstWebRTCRTPTransceiver) transceiver = nullptr;
  g_autoptr (GstWebRTCRTPSender) sender = nullptr;
  g_autoptr (GstWebRTCDTLSTransport) transport = nullptr;
  auto pad = webrtc_sink_pad (picture_);
  if (pad)
    g_object_get (pad.get (), "transceiver", &transceiver, nullptr);
  if (transceiver)
    g_object_get (transceiver, "sender", &sender, nullptr);
  if (sender)
    g_object_get (sender, "transport", &transport, nullptr);
  if (!transport)
    return;
  const bool watched = std::any_of (
      connections_.begin (), connections_.end (), [&] (const Connection &c) {
        return c.object.get () == G_OBJECT (transport);
      });
  if (!watched)
    connect (transport, "notify::state",
        G_CALLBACK (+[] (GObject *, GParamSpec *, Hop *hop) {
          hop->post ([] (Viewer &self) { self.on_transport_changed (); });
        }));

  GstWebRTCDTLSTransportState dtls;
  g_object_get (transport, "state", &dtls, nullptr);
  if (dtls == GST_WEBRTC_DTLS_TRANSPORT_STATE_CONNECTED) {
    if (state_ == ViewerState::Connecting)
      verify_and_open (transport);
  } else if (dtls == GST_WEBRTC_DTLS_TRANSPORT_STATE_CLOSED) {
    fail ("left", "", "");
  } else if (dtls == GST_WEBRTC_DTLS_TRANSPORT_STATE_FAILED) {
    fail ("failed", "unavailable", "The DTLS handshake failed.");
  }
}

void
Viewer::verify_and_open (GstWebRTCDTLSTransport *transport)
{
  // webrtcbin 1.22 encrypts for whoever answers; that it is the viewer whose
  // offer the server let through is for us to check.
  g_autofree char *pem = nullptr;
  g_object_get (transport, "remote-certificate", &pem, nullptr);
  if (!pem || !certificate_matches (pem, offer_)) {
    GST_WARNING_OBJECT (bin_,
        "viewer %s: the DTLS certificate is not the one in its offer",
        peer_id_.c_str ());
    fail ("fingerprint-mismatch", "forbidden",
        "The connection's certificate is not the one that was offered.");
    return;
  }
  state_ = ViewerState::Streaming;
  state_since_ = streaming_at_ = boot_now ();
  liveness_ = std::make_unique<Liveness> (
      webrtc_.get (), offer_.ice_ufrag, offer_.ice_pwd, streaming_at_);
  watch_leaving ();
  open_gate ();
  dump ("streaming");
  owner_->viewer_streaming (peer_id_);
}

void
Viewer::open_gate ()
{
  shared_->packets.end_at (terms_.ends_at);
  if (paused_)
    return;
  for (const Lane *lane : lanes ())
    gst_session_gate_set_session (GST_SESSION_GATE (lane->gate.get ()),
        terms_.opens_at, terms_.ends_at, user_.c_str ());
}

// A gate and not SDP: webrtcbin 1.22 cannot change a direction and back.
void
Viewer::set_paused (bool paused)
{
  if (paused == paused_)
    return;
  paused_ = paused;
  if (state_ != ViewerState::Streaming)
    return;
  frames_at_opening_ = frames_passed ();
  open_gate ();
  for (const Lane *lane : lanes ())
    if (paused_)
      gst_session_gate_revoke (GST_SESSION_GATE (lane->gate.get ()), "paused");
  if (paused_)
    shared_->packets.forget ();
}

void
Viewer::set_terms (const Admitted &terms)
{
  terms_ = terms;
  if (state_ == ViewerState::Streaming)
    open_gate ();
}

void
Viewer::watch (std::int64_t now)
{
  const auto passed = now - state_since_;
  measure_frames (now);
  if (now >= terms_.ends_at)
    fail ("expired", "", "");
  else if (stuck (now))
    fail ("stuck", "internal",
        "Pictures come, but no packet leaves for this viewer: it has to "
        "connect anew.");
  else if (state_ == ViewerState::Waiting && passed > kWaitLimit)
    fail ("failed", "unavailable", "The robot sends no picture.");
  else if (state_ == ViewerState::Negotiating && passed > kNegotiateLimit)
    fail ("failed", "internal", "The robot could not answer in time.");
  else if (state_ == ViewerState::Connecting && passed > kConnectLimit)
    fail ("failed", "unavailable",
        "No connection between viewer and robot came about in time.");
}

void
Viewer::watch_path (std::int64_t now)
{
  if (!liveness_)
    return;
  liveness_->tick (now, shared_->last_rtcp);
  if (liveness_->vanished (now)) {
    GST_INFO_OBJECT (bin_, "viewer %s: silent for %" G_GINT64_FORMAT " ms",
        peer_id_.c_str (), liveness_->silence (now) / 1000000);
    fail ("vanished", "", "");
  }
}

std::shared_ptr<ViewerEnd>
Viewer::stop ()
{
  if (stopped_)
    return nullptr;
  stopped_ = true;
  shared_->packets.end_at (0);
  if (lookups_)
    g_cancellable_cancel (lookups_.get ());
  dump ("ended");
  for (const Lane *lane : lanes ())
    if (lane->gate)
      gst_session_gate_revoke (
          GST_SESSION_GATE (lane->gate.get ()), "viewer-left");
  for (auto &connection : connections_)
    g_signal_handler_disconnect (connection.object.get (), connection.id);
  connections_.clear ();
  liveness_.reset ();
  std::vector<ViewerEnd::Stream> streams;
  for (Lane *lane : lanes ()) {
    lane->gate.reset ();
    streams.push_back ({lane->source.tee ? share (lane->source.tee) : nullptr,
        std::move (lane->tee_pad), std::move (lane->ssrc)});
  }
  return std::make_shared<ViewerEnd> (bin_, std::move (branch_),
      std::move (webrtc_), std::move (outstanding_), std::move (streams));
}

} // namespace robotlive
