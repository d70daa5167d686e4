// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Controller: what signalingbin does on its signaling thread. Listens to the
// signaller, admits viewers, keeps them, and tells the pipeline about them.
#pragma once
#include "access/admission.hpp"
#include "access/grantkey.hpp"
#include "bin/outbox.hpp"
#include "bin/reaper.hpp"
#include "bin/stream.hpp"
#include "transport/turntls.hpp"
#include "viewer/viewer.hpp"
#include <map>
#include <mutex>
#include <set>

namespace robotlive {

// A copy of the bin's properties, taken at READY to PAUSED.
struct Settings
{
  std::string signaling_server, robot_id, robot_type, rooms;
  std::string token, token_file; // never logged
  std::string grant_key, tls_ca_file;
  bool application_signaling = false;   // instead of a signaling_server
  std::string stun_server, turn_server; // turn_server holds credentials
  SessionPolicy policy = SessionPolicy::RequireGrant;
  bool relay_only = false;
  guint min_rtp_port = 0, max_rtp_port = 65535;
  guint max_viewers = 16;
  guint min_keyframe_interval = 500; // ms
  guint stats_interval = 0;          // ms, 0: no messages
  bool fec = false;
  guint fec_percentage = 20;
  RateSettings rate;
  std::string controller; // of the viewers; may change at any time
};

// Why the settings cannot be used, one sentence; "" when they can. *error* is
// the GstResourceError. *warning*: a sentence without its full stop on what is
// better changed. Reads the files that they name.
std::string check_settings (const Settings &settings, bool own_signaller,
    int *error, std::string *warning);

// The JWT to register with; read anew each time it is asked for. *exposed*:
// everyone may read its file.
std::string read_token (
    const Settings &settings, std::string *error, bool *exposed = nullptr);

const char *link_name (LinkState state);

class Controller final : public SignallerListener, public ViewerOwner
{
public:
  // *element* is the bin, which outlives us. Nobody but the outbox calls what
  // is not ours.
  Controller (std::weak_ptr<EventLoop> loop, GstElement *element,
      std::shared_ptr<Outbox> outbox);
  ~Controller () override;

  // Signaling thread from here on.
  void start (const Settings &settings, std::shared_ptr<Signaller> signaller);
  // Ends every viewer and the link; the signaller comes back for a next start.
  // The caller sees to what is under way with the reaper, and then to what is
  // in the outbox.
  std::shared_ptr<Signaller> stop ();
  bool started () const { return signaller_ != nullptr; }
  const std::shared_ptr<Reaper> &reaper () const { return reaper_; }
  // *pad*: the name of the bin's pad.
  void add_stream (const std::string &pad, std::shared_ptr<Input> input);
  void remove_stream (const std::string &pad);
  void set_codec (const std::string &pad, const StreamCodec &codec);
  // Why no browser shows it, a sentence; "": it can be shown.
  void set_unfit (const std::string &pad, const std::string &sentence);
  void set_latency (GstClockTime latency);
  // By value: the id may be the very key that goes.
  bool end_viewer (std::string peer_id, const std::string &reason);
  bool has_viewer (const std::string &peer_id) const;
  // Keeps the connection and sends nothing; false when there is no such viewer.
  bool pause_viewer (const std::string &peer_id, bool paused);
  // Who drives the robot, by user or peer id; "": whose session says so.
  void name_controller (const std::string &id) { named_controller_ = id; }
  // An element of the viewer's branch has posted an error.
  void branch_failed (const std::string &peer_id, GstObject *branch);
  // The limiter has let a request through, or will in *ms*.
  void key_frame_wanted (const std::string &pad);
  void key_frame_later (const std::string &pad, unsigned ms);
  // A new stream-start: tells gates upstream again what the sessions add up to.
  void stream_started (const std::string &pad);

  // Of the first stream that has one, or of the one of *pad*; bit/s.
  guint target_bitrate () const;
  guint target_bitrate (const std::string &pad) const;
  GstStructure *stats () const; // "robotlive-stats"; transfer full
  std::vector<std::string> viewers () const;

  void on_link_state (LinkState state) override;
  void on_registered (const std::vector<IceServer> &servers,
      std::optional<TimeMs> server_time) override;
  std::vector<std::string> serving () const override;
  void on_sessions (const std::vector<RunningSession> &sessions,
      const std::vector<EndedPeer> &ended) override;
  void on_offer (const std::string &from, const std::string &peer_id,
      const std::string &sdp,
      const std::optional<SessionTerms> &session) override;
  void on_candidate (const std::string &from, const std::string &peer_id,
      const IceCandidate &candidate) override;
  void on_leave (
      const std::string &peer_id, const std::string &reason) override;
  void on_session_updated (
      const std::string &peer_id, const SessionTerms &session) override;
  void on_session_ended (
      const std::string &peer_id, const std::string &reason) override;
  void on_error (
      const std::string &code, const std::string &message, bool fatal) override;

  void viewer_answer (
      const std::string &peer_id, const std::string &sdp) override;
  void viewer_candidate (
      const std::string &peer_id, const IceCandidate &candidate) override;
  void viewer_streaming (const std::string &peer_id) override;
  void viewer_remove (const std::string &peer_id, const std::string &reason,
      const std::string &code, const std::string &message) override;
  void viewer_needs_key_frame (const std::string &peer_id) override;
  void viewer_path_fell (const std::string &peer_id) override;

private:
  // An offer that waits for the grant key or for the stream's codec.
  struct Pending
  {
    std::string from, sdp;
    std::optional<SessionTerms> session;
    std::int64_t arrived_at = 0;
    bool admitted = false;
    Admitted terms;
    std::vector<std::string> candidates;
    unsigned key_answer = 0; // of GrantKeys, which this one waits for
  };
  // A longer session of a viewer, signed with a key that is not here yet.
  struct Update
  {
    SessionTerms session;
    std::int64_t arrived_at;
    unsigned key_answer;
  };

  // controllerviewers.cpp
  void bury (Viewer &viewer, std::function<void ()> then);
  void gone (const std::string &peer_id, const std::string &user,
      const std::string &reason, const std::string &message);
  bool has_room (const std::string &peer_id, const Pending &pending) const;
  void ask_latency (const Input &input);
  void remove (std::string peer_id, const std::string &reason,
      const std::string &code, const std::string &message, bool tell_viewer);
  void refuse (const std::string &from, const std::string &peer_id,
      const Refusal &refusal);
  void proceed (const std::string &peer_id);
  void proceed_all ();
  void answer (const std::string &peer_id, Pending pending);
  // True when the offer can be answered with what is known of the streams.
  bool streams_ready (const Pending &pending) const;
  std::string unfit () const; // of the pictures, when none is fit; or ""
  std::vector<const Stream *> pictures () const; // known ones, best first
  const Stream *audio () const;                  // null: none, or not known
  Stream *stream (const std::string &pad);
  Stream *stream_of (const std::string &peer_id); // the viewer's picture
  bool is_alternative (const Stream &stream) const;
  // Tells gates upstream what the sessions add up to, when that has changed.
  void announce_sessions ();
  void announce_sessions (Stream *stream, bool again);
  bool rate_tick (Stream *stream, std::int64_t now_us);
  // The viewer drives the robot.
  bool controls (const Viewer &viewer) const;
  // The viewer counts no more for the stream's encoder.
  void leave_rate (Stream *stream, const std::string &peer_id);
  void set_terms (Viewer &viewer, const SessionTerms &session,
      std::int64_t arrived_at, unsigned key_answer);
  // controllerkeys.cpp
  void load_keys ();
  void forget_keys ();
  void keys_answered ();
  // True when *refusal* is for want of a key and an answer is on its way; which
  // one, in *answer*.
  bool wait_for_keys (const Refusal &refusal, unsigned *answer);
  void warn_of_keys (const Refusal &refusal);
  void keys_good () { keys_warned_at_ = 0; }
  std::string keys_missing () const; // why there are none, a sentence
  void tick ();
  void rate_tick ();
  PeerSettings peer_settings ();
  // Into the outbox:
  void post (GstStructure *structure); // an element message; takes it
  // controllerprogress.cpp: what gst-launch-1.0 prints.
  void progress (
      GstProgressType type, const char *code, const std::string &text);
  void link_progress ();
  void end_progress ();
  void emit (
      const char *signal, const std::string &peer_id, const std::string &text);
  void notify_target (const Stream &stream);
  void send (std::function<void (Signaller &)> message);
  void ask_key_frame (const Stream &stream);
  void tell_encoder (Stream *stream); // what is due

  const std::weak_ptr<EventLoop> loop_;
  GstElement *const element_;
  const std::shared_ptr<Outbox> outbox_;
  const std::shared_ptr<Reaper> reaper_;

  Settings settings_;
  std::string named_controller_;
  std::shared_ptr<Signaller> signaller_; // used by send () alone
  std::optional<Admission> admission_;
  std::unique_ptr<GrantKeys> keys_;
  // For the life of the element: what was got last, and from where.
  JwtKeySet known_keys_;
  GrantKeys::Place known_place_;
  std::int64_t keys_warned_at_ = 0; // 0: a grant was good since
  // "sink" first, then video_%u by number, audio_%u last.
  std::vector<std::shared_ptr<Stream>> streams_;
  GstClockTime latency_ = GST_CLOCK_TIME_NONE;
  bool latency_asked_ = false;
  std::vector<IceServer> ice_servers_;
  std::unique_ptr<TurnTls> turn_tls_;      // once a server wants it
  std::map<std::string, Pending> pending_; // by peerId
  std::map<std::string, Update> updates_;  // by peerId
  std::map<std::string, std::shared_ptr<Viewer>> viewers_; // by peerId
  std::set<std::string> ending_; // peerIds of viewers that are not yet gone
  LinkState link_ = LinkState::Disconnected;
  bool connecting_told_ = false; // and not yet how it went
  Timer tick_, rate_tick_;
  std::int64_t stats_posted_at_ = 0;
};

} // namespace robotlive
