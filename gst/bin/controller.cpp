// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/controller.hpp"
#include "bin/appsignaller.hpp"
#include "bin/errors.hpp"
#include "bin/signalingbinpad.hpp"
#include "client/socketioclient.hpp"
#include "robotlive.h"
#include "transport/iceservers.hpp"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

constexpr std::size_t kMaxPending = 32;
constexpr unsigned kRateInterval = 200; // ms; RateControl is made for it
constexpr std::int64_t kPendingLimit = 10 * std::int64_t (1000000000);
// As long as the keys may be waited for, and asked.
constexpr std::int64_t kKeyLimit = 14 * std::int64_t (1000000000);

std::shared_ptr<Signaller>
make_signaller (const Settings &settings)
{
  SocketIoClientOptions options;
  options.url = settings.signaling_server;
  options.robot_id = settings.robot_id;
  options.robot_type = settings.robot_type;
  g_auto (GStrv) rooms = g_strsplit (settings.rooms.c_str (), ",", -1);
  for (guint i = 0; rooms[i]; i++)
    if (*g_strstrip (rooms[i]))
      options.rooms.emplace_back (rooms[i]);
  options.token = [settings] (std::string *error) {
    return read_token (settings, error);
  };
  options.tls_ca_file = settings.tls_ca_file;
  return make_socketio_client (std::move (options));
}

} // namespace

const char *
link_name (LinkState state)
{
  switch (state) {
    case LinkState::Disconnected:
      return "disconnected";
    case LinkState::Connecting:
      return "connecting";
    case LinkState::Connected:
      return "connected";
    case LinkState::Registered:
      return "registered";
  }
  return "";
}

Controller::Controller (std::weak_ptr<EventLoop> loop, GstElement *element,
    std::shared_ptr<Outbox> outbox)
    : loop_ (std::move (loop)), element_ (element),
      outbox_ (std::move (outbox)), reaper_ (std::make_shared<Reaper> (loop_))
{
}

Controller::~Controller ()
{
  reaper_->close ();
}

void
Controller::start (
    const Settings &settings, std::shared_ptr<Signaller> signaller)
{
  settings_ = settings;
  if (signaller)
    signaller_ = std::move (signaller);
  else if (settings.application_signaling)
    signaller_ = make_app_signaller (element_);
  else
    signaller_ = make_signaller (settings);
  admission_.emplace (settings.policy, settings.robot_id);
  for (auto &stream : streams_) {
    stream->announced_end = -1;
    if (stream->rate)
      stream->rate->set_settings (settings.rate);
  }
  if (settings.policy == SessionPolicy::RequireGrant)
    load_keys ();
  else
    GST_WARNING_OBJECT (element_,
        "grants are not checked: session-policy is %s",
        settings.policy == SessionPolicy::Open ? "open" : "trust-server");
  if (auto loop = loop_.lock ()) {
    tick_ = loop->every (1000, [this] () {
      tick ();
      return true;
    });
    rate_tick_ = loop->every (kRateInterval, [this] () {
      rate_tick ();
      return true;
    });
  }
  announce_sessions ();
  signaller_->start (this);
}

std::shared_ptr<Signaller>
Controller::stop ()
{
  forget_keys ();
  tick_.cancel ();
  rate_tick_.cancel ();
  pending_.clear ();
  while (!viewers_.empty ())
    end_viewer (viewers_.begin ()->first, "robot-offline");
  announce_sessions ();
  if (turn_tls_)
    reaper_->add ({{Reaper::Step::Worker,
        [last = std::shared_ptr<TurnTls> (std::move (turn_tls_))] () mutable {
          last.reset (); // waits until its connections are closed
        }}});
  for (auto &stream : streams_) {
    stream->key_frame_timer.cancel ();
    stream->codec = StreamCodec ();
    stream->unfit.clear ();
  }
  link_ = LinkState::Disconnected;
  end_progress ();
  latency_ = GST_CLOCK_TIME_NONE; // the next stream's is another
  latency_asked_ = false;
  auto signaller = std::move (signaller_);
  // Whom it reaches may start us again, or be our end: nothing of ours is
  // touched from here on.
  outbox_->run_sends ();
  if (signaller)
    signaller->stop ();
  return signaller;
}

void
Controller::post (GstStructure *structure)
{
  const std::shared_ptr<GstMessage> message (
      gst_message_new_element (GST_OBJECT (element_), structure),
      gst_message_unref);
  outbox_->add ([element = element_, message] () {
    gst_element_post_message (element, gst_message_ref (message.get ()));
  });
}

void
Controller::emit (
    const char *signal, const std::string &peer_id, const std::string &text)
{
  outbox_->add ([element = element_, signal, peer_id, text] () {
    g_signal_emit_by_name (element, signal, peer_id.c_str (), text.c_str ());
  });
}

void
Controller::notify_target (const Stream &stream)
{
  outbox_->add ([element = element_, input = stream.input] () {
    g_object_notify (G_OBJECT (element), "target-bitrate");
    notify_target_bitrate (input->sink_pad ());
  });
}

void
Controller::send (std::function<void (Signaller &)> message)
{
  if (!signaller_)
    return;
  auto effect = [signaller = signaller_, message = std::move (message)] () {
    message (*signaller);
  };
  // The application's messages are signals like the others.
  if (settings_.application_signaling)
    outbox_->add (std::move (effect));
  else
    outbox_->add_send (std::move (effect));
}

PeerSettings
Controller::peer_settings ()
{
  PeerSettings peer;
  peer.stun_server = normalized_stun (settings_.stun_server);
  if (!settings_.turn_server.empty ())
    peer.turn_servers.push_back (normalized_turn (settings_.turn_server));
  add_ice_servers (ice_servers_, &peer);
  for (auto &uri : peer.turn_servers) {
    if (uri.rfind ("turns:", 0) != 0)
      continue;
    if (!turn_tls_)
      turn_tls_ = std::make_unique<TurnTls> (settings_.tls_ca_file);
    std::string why;
    uri = turn_tls_->local_uri (uri, &why);
    if (uri.empty ())
      on_error ("unavailable", "No TURN over TLS: " + why, false);
  }
  const auto unusable =
      std::remove (peer.turn_servers.begin (), peer.turn_servers.end (), "");
  peer.turn_servers.erase (unusable, peer.turn_servers.end ());
  peer.relay_only = settings_.relay_only;
  peer.min_rtp_port = settings_.min_rtp_port;
  peer.max_rtp_port = settings_.max_rtp_port;
  peer.fec_percentage = settings_.fec_percentage;
  return peer;
}

// --- the signaller's calls --------------------------------------------------

void
Controller::on_link_state (LinkState state)
{
  if (state == link_)
    return;
  link_ = state;
  GST_INFO_OBJECT (element_, "signaling link: %s", link_name (state));
  post (gst_structure_new (ROBOTLIVE_MESSAGE_LINK, ROBOTLIVE_FIELD_STATE,
      G_TYPE_STRING, link_name (state), nullptr));
  link_progress ();
}

void
Controller::on_registered (
    const std::vector<IceServer> &servers, std::optional<TimeMs> server_time)
{
  ice_servers_ = servers;
  if (server_time)
    admission_->note_server_time (*server_time, boot_now ());
}

void
Controller::refuse (
    const std::string &from, const std::string &peer_id, const Refusal &refusal)
{
  GST_WARNING_OBJECT (element_, "refused viewer %s (%s): %s: %s", from.c_str (),
      peer_id.c_str (), refusal.code.c_str (), refusal.message.c_str ());
  post (gst_structure_new (ROBOTLIVE_MESSAGE_VIEWER_REFUSED,
      ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING, peer_id.c_str (),
      ROBOTLIVE_FIELD_USER, G_TYPE_STRING, from.c_str (), ROBOTLIVE_FIELD_CODE,
      G_TYPE_STRING, refusal.code.c_str (), ROBOTLIVE_FIELD_MESSAGE,
      G_TYPE_STRING, refusal.message.c_str (), nullptr));
  if (refusal.code == kGrantRefused)
    warn_of_keys (refusal);
  send ([=] (Signaller &link) {
    if (refusal.code == kGrantRefused)
      link.send_leave (from, peer_id, refusal.code);
    else
      link.send_error (from, peer_id, refusal.code, refusal.message);
  });
  // With that the peer connection is over by the protocol, also one that ran
  // before a new offer.
  if (const auto old = viewers_.find (peer_id);
      old != viewers_.end () && old->second->user () == from)
    remove (peer_id, "failed", "", "", false);
}

void
Controller::on_offer (const std::string &from, const std::string &peer_id,
    const std::string &sdp, const std::optional<SessionTerms> &session)
{
  Pending pending;
  pending.from = from;
  pending.sdp = sdp;
  pending.session = session;
  pending.arrived_at = boot_now ();

  const auto old = viewers_.find (peer_id);
  if (old != viewers_.end () && old->second->user () != from) {
    refuse (from, peer_id, {"forbidden", "This peerId is another viewer's."});
    return;
  }
  if (pending_.count (peer_id) == 0 && old == viewers_.end ()) {
    // One that offers anew has both, and is one.
    const auto again = std::count_if (
        pending_.begin (), pending_.end (), [this] (const auto &waiting) {
          return viewers_.count (waiting.first) > 0;
        });
    const auto there = viewers_.size () + pending_.size () - again;
    if (there >= settings_.max_viewers || pending_.size () >= kMaxPending) {
      refuse (from, peer_id,
          {"busy", "The robot has as many viewers as it can serve."});
      return;
    }
  }
  pending_[peer_id] = std::move (pending);
  proceed (peer_id);
}

// An offer goes as far as it can: until the key, then until the codec is known.
void
Controller::proceed (const std::string &peer_id)
{
  const auto found = pending_.find (peer_id);
  if (found == pending_.end () || !admission_->ready ())
    return;
  auto &pending = found->second;
  if (!pending.admitted) {
    Refusal refusal;
    if (!admission_->admit (pending.from, peer_id, pending.session,
            pending.arrived_at, &pending.terms, &refusal)) {
      if (wait_for_keys (refusal, &pending.key_answer))
        return;
      const auto from = pending.from;
      pending_.erase (found);
      refuse (from, peer_id, refusal);
      return;
    }
    pending.admitted = true;
    keys_good ();
    // Opens a gate before the encoder, without which no codec comes.
    announce_sessions ();
  }
  if (const auto sentence = unfit (); !sentence.empty ()) {
    const auto from = pending.from;
    pending_.erase (found);
    refuse (from, peer_id, {"unavailable", sentence});
    announce_sessions ();
    return;
  }
  if (!streams_ready (pending))
    return;
  Pending ready = std::move (pending);
  pending_.erase (found);
  answer (peer_id, std::move (ready));
}

void
Controller::proceed_all ()
{
  std::vector<std::string> ids;
  for (const auto &[peer_id, pending] : pending_)
    ids.push_back (peer_id);
  for (const auto &peer_id : ids)
    proceed (peer_id);
}

void
Controller::answer (const std::string &peer_id, Pending pending)
{
  const auto known = pictures ();
  const Stream *sound = audio ();
  RobotStreams streams;
  for (const Stream *stream : known)
    streams.pictures.push_back (stream->codec);
  streams.audio = sound != nullptr;
  streams.fec = settings_.fec;
  GuardedOffer offer;
  std::string why;
  if (!guard_offer (pending.sdp, streams, &offer, &why)) {
    refuse (pending.from, peer_id, {"bad-message", "Offer refused: " + why});
    announce_sessions ();
    return;
  }
  // A new offer on the same peerId, as after a network change: webrtcbin 1.22
  // cannot restart ICE, so the branch is replaced.
  end_viewer (peer_id, "replaced");
  // Its going is told before the new one's coming, and it has the place, the
  // sockets and the numbers until it has gone.
  if (!has_room (peer_id, pending)) {
    pending_[peer_id] = std::move (pending);
    return;
  }

  const Stream &chosen = *known[offer.picture];
  const auto source = [] (const Stream &stream) {
    return Source{stream.pad, stream.input->tee (), stream.codec};
  };
  const auto picture = source (chosen);
  const auto sound_source = sound ? source (*sound) : Source ();
  auto viewer = std::make_shared<Viewer> (loop_, this, GST_BIN (element_),
      pending.from, peer_id, pending.arrived_at);
  viewer->set_terms (pending.terms);
  if (!viewer->start (offer, picture, sound ? &sound_source : nullptr,
          peer_settings (), &why)) {
    GST_ERROR_OBJECT (
        element_, "viewer %s: %s", peer_id.c_str (), why.c_str ());
    // It was never added, so it is not removed either.
    bury (*viewer, nullptr);
    refuse (pending.from, peer_id, {"internal", why});
    announce_sessions ();
    return;
  }
  viewers_[peer_id] = viewer;
  if (GST_CLOCK_TIME_IS_VALID (latency_))
    viewer->set_latency (latency_);
  else
    ask_latency (*chosen.input);
  for (const auto &candidate : pending.candidates)
    viewer->add_candidate (candidate);
  post (gst_structure_new (ROBOTLIVE_MESSAGE_VIEWER_ADDED,
      ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING, peer_id.c_str (),
      ROBOTLIVE_FIELD_USER, G_TYPE_STRING, pending.from.c_str (),
      ROBOTLIVE_FIELD_ROLE, G_TYPE_STRING, pending.terms.role.c_str (),
      nullptr));
  announce_sessions ();
  progress (GST_PROGRESS_TYPE_COMPLETE, ROBOTLIVE_PROGRESS_VIEWER,
      "Viewer " + pending.from + " watches");
  emit ("viewer-added", peer_id, pending.from);
}

void
Controller::on_candidate (const std::string &from, const std::string &peer_id,
    const IceCandidate &candidate)
{
  if (candidate.candidate.empty ())
    return; // end of candidates: webrtcbin 1.22 makes nothing of it
  const auto verdict = guard_candidate (candidate.candidate);
  if (verdict == CandidateVerdict::Refuse) {
    GST_WARNING_OBJECT (
        element_, "viewer %s: malformed candidate", peer_id.c_str ());
    return;
  }
  if (verdict == CandidateVerdict::Ignore)
    return;
  if (const auto found = viewers_.find (peer_id);
      found != viewers_.end () && found->second->user () == from)
    found->second->add_candidate (candidate.candidate);
  else if (const auto waiting = pending_.find (peer_id);
           waiting != pending_.end () && waiting->second.from == from &&
           waiting->second.candidates.size () < 64)
    waiting->second.candidates.push_back (candidate.candidate);
}

void
Controller::on_leave (const std::string &peer_id, const std::string &)
{
  pending_.erase (peer_id);
  end_viewer (peer_id, "left");
}

void
Controller::on_session_ended (
    const std::string &peer_id, const std::string &reason)
{
  pending_.erase (peer_id);
  // The server has told the viewer as well, or that one has gone.
  remove (peer_id, reason.empty () ? "revoked" : reason, "", "", false);
}

void
Controller::on_error (
    const std::string &code, const std::string &message, bool fatal)
{
  outbox_->add ([element = element_, code, message, fatal] () {
    // gst_element_message_full () takes over the strings.
    gst_element_message_full (element,
        fatal ? GST_MESSAGE_ERROR : GST_MESSAGE_WARNING, GST_RESOURCE_ERROR,
        resource_error_of (code), g_strdup (message.c_str ()),
        g_strdup (("signaling: " + code).c_str ()), __FILE__, G_STRFUNC,
        __LINE__);
  });
}

// --- the pipeline -----------------------------------------------------------

void
Controller::tick ()
{
  const auto now = boot_now ();
  if (link_ != LinkState::Registered)
    link_progress ();
  for (const auto &[peer_id, viewer] : viewers_)
    viewer->watch (now);
  proceed_all (); // a stream that has not come is waited for no longer
  std::vector<std::string> late;
  for (const auto &[peer_id, pending] : pending_)
    if (now - pending.arrived_at >
        (pending.key_answer ? kKeyLimit : kPendingLimit))
      late.push_back (peer_id);
  for (const auto &peer_id : late) {
    const auto from = pending_[peer_id].from;
    const bool admitted = pending_[peer_id].admitted;
    pending_.erase (peer_id);
    refuse (from, peer_id,
        {"unavailable", !admitted ? keys_missing ()
                        : pictures ().empty ()
                            ? "The robot sends no picture."
                            : "The robot is not done with the "
                              "connection before this one."});
  }
  if (!late.empty ())
    announce_sessions ();
  if (settings_.stats_interval &&
      now - stats_posted_at_ >= settings_.stats_interval * 1000000ll) {
    stats_posted_at_ = now;
    post (stats ());
  }
}

} // namespace robotlive
