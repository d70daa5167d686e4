// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer: one peer connection. Its branch of the pipeline, the answer to its
// offer, its gate, its end.
//
//   tee ─► [ thin ─ queue (leaky) ─ sessiongate ─ payloader ─ pace ─ webrtcbin
//   ]
//            and for the sound, if there is any, the same without thin and pace
//
// Lives on the signaling thread, which is also where every method runs.
// webrtcbin's callbacks, on threads of its own, hop there before anything else.
#pragma once
#include "access/admission.hpp"
#include "base/eventloop.hpp"
#include "base/glibptr.hpp"
#include "gate/gstsessiongate.h"
#include "media/branchelements.hpp"
#include "rate/pathcontrol.hpp"
#include "sdp/sdpguard.hpp"
#include "transport/peersettings.hpp"
#include "viewer/ssrcpool.hpp"
#include "viewer/viewerend.hpp"
#include "webrtc/liveness.hpp"
#include <atomic>
#include <functional>
#include <gio/gio.h>
#include <memory>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

namespace robotlive {

// One of the robot's streams.
struct Source
{
  std::string pad;           // of the bin, where it comes in
  GstElement *tee = nullptr; // the bin's; outlives the viewer
  StreamCodec codec;
};

// The way of one source to its m-line.
struct Lane
{
  Source source;
  unsigned m_line = 0, payload_type = 0;
  SsrcLease ssrc;
  // The viewer's branch's, and where it begins and ends.
  GstElement *queue = nullptr, *payloader = nullptr;
  GstElement *first = nullptr, *last = nullptr;
  GPtr<GstElement> gate;
  GPtr<GstPad> tee_pad;
};

enum class ViewerState
{
  Waiting,     // admitted; the stream's codec is not known yet
  Negotiating, // webrtcbin works on the offer
  Connecting,  // answered; ICE and DTLS
  Streaming,   // fingerprint verified, gate open
};
const char *viewer_state_name (ViewerState state);

// Object data of a branch: the peerId of its viewer.
constexpr char kPeerIdKey[] = "robotlive-peer-id";

// What a viewer asks of its owner. All on the signaling thread. After
// *remove* the viewer is gone.
class ViewerOwner
{
public:
  virtual ~ViewerOwner () = default;
  virtual void viewer_answer (
      const std::string &peer_id, const std::string &sdp) = 0;
  virtual void viewer_candidate (
      const std::string &peer_id, const IceCandidate &candidate) = 0;
  virtual void viewer_streaming (const std::string &peer_id) = 0;
  // *message* is a sentence for the viewer; empty: nothing to tell it.
  virtual void viewer_remove (const std::string &peer_id,
      const std::string &reason, const std::string &code,
      const std::string &message) = 0;
  virtual void viewer_needs_key_frame (const std::string &peer_id) = 0;
  // Its path carries much less all at once.
  virtual void viewer_path_fell (const std::string &peer_id) = 0;
};

class Viewer : public std::enable_shared_from_this<Viewer>
{
public:
  Viewer (std::weak_ptr<EventLoop> loop, ViewerOwner *owner, GstBin *bin,
      std::string user, std::string peer_id, std::int64_t offered_at);
  ~Viewer ();

  // Builds the branch and answers. *audio*: null for none. False and *error*
  // when an element is missing or will not link.
  bool start (const GuardedOffer &offer, const Source &picture,
      const Source *audio, const PeerSettings &settings, std::string *error);
  void add_candidate (const std::string &candidate);
  // The pipeline's latency: RTCP sender reports are reckoned with it. The
  // pipeline's own event does not come by, as the branch counts as no sink.
  void set_latency (GstClockTime latency);
  void set_terms (const Admitted &terms);
  // Nothing passes while it is paused; the connection stays.
  void set_paused (bool paused);
  bool paused () const { return paused_; }
  // Does and sends nothing from here on. Does not wait; what does, taking the
  // branch out of the pipeline, is the caller's business. Null when it has been
  // called before.
  std::shared_ptr<ViewerEnd> stop ();
  // Every second: removes the viewer when it has not got anywhere in time.
  void watch (std::int64_t now_ns);
  // Every 200 ms: removes it when it has fallen silent.
  void watch_path (std::int64_t now_ns);

  // Rate control, once streaming; PathControl decides. *now_us* is
  // CLOCK_BOOTTIME.
  void start_estimate (const RateRange &range, bool pacing)
  {
    path_.start (range, pacing);
  }
  // Every 200 ms. Empty when nothing is known yet.
  std::optional<PathControl::Tick> rate_tick (std::int64_t now_us);
  // The path carries much less all at once: where its queue is long, nothing is
  // sent until that has drained, and then a key frame.
  void drain (std::int64_t now_us);
  // *often*: nobody gets more of the stream than key frames; there may be more
  // of them.
  void set_thinning (Thinning level, bool often, std::int64_t now_us);
  // What the viewer is to be told anew of why its video is far below *highest*
  // bit/s.
  std::optional<RateLimit> limit_changed (
      unsigned highest, std::int64_t now_us);

  bool owns (GstObject *branch) const
  {
    return branch == GST_OBJECT (branch_.get ());
  }
  const std::string &user () const { return user_; }
  const std::string &peer_id () const { return peer_id_; }
  const Admitted &terms () const { return terms_; }
  ViewerState state () const { return state_; }
  // It gets what comes in at this pad of the bin.
  bool takes (const std::string &pad) const
  {
    return pad == picture_.source.pad || (audio_ && pad == audio_->source.pad);
  }
  const std::string &picture_pad () const { return picture_.source.pad; }
  // "robotlive-viewer": fields in docs/elements/. Transfer full.
  GstStructure *stats (std::int64_t now_ns) const;

private:
  // What callbacks on other threads touch.
  struct Shared
  {
    std::atomic<std::int64_t> last_rtcp{0}; // CLOCK_BOOTTIME ns; 0: none yet
    std::atomic<guint64> queue_drops{0};
    std::atomic<guint64> left{0}; // packets of the picture, or lists of them
    std::atomic<std::int64_t> first_frame_at{0}; // CLOCK_BOOTTIME; 0: none yet
    Thinner thinner;
    PacketPath packets; // its resends are asked on the thread that reads RTCP
  };
  // What a callback needs to come back: nothing that keeps the viewer alive.
  struct Hop
  {
    std::weak_ptr<Viewer> viewer;
    std::weak_ptr<EventLoop> loop;
    std::shared_ptr<Shared> shared;

    void post (std::function<void (Viewer &)> task) const
    {
      if (auto target = loop.lock ())
        target->post ([viewer = viewer, task = std::move (task)] () {
          if (auto self = viewer.lock (); self && !self->stopped_)
            task (*self);
        });
    }
    static void free (gpointer data) { delete static_cast<Hop *> (data); }
    static void free_closure (gpointer data, GClosure *) { free (data); }
  };

  // Those that there are, in the order of their m-lines.
  std::vector<Lane *> lanes ();
  bool build (std::string *error);
  bool build_lane (Lane *lane, std::string *error);
  bool build_webrtc (const PeerSettings &settings, std::string *error);
  bool add_branch (std::string *error);
  GPtr<GstPad> webrtc_sink_pad (const Lane &lane) const;
  bool link_webrtc (const Lane &lane, std::string *error);
  GstCaps *picture_preference (GstCaps *caps) const;
  void connect_callbacks ();
  void watch_rate ();
  void on_feedback (const std::vector<PacketReport> &packets);
  void watch_first_frame ();
  void watch_leaving ();
  bool stuck (std::int64_t now_ns);
  guint64 frames_passed () const;
  void measure_frames (std::int64_t now_ns);
  void dump (const char *when) const;
  PathControl::Branch branch_report () const;
  void read_receiver_report (std::int64_t now_us);
  void add_rate_stats (GstStructure *stats, std::int64_t now_ns) const;
  void keep_events_in (const Lane &lane);
  void link_to_tee (Lane *lane);

  // viewercandidates.cpp
  void take_names (GstSDPMessage *offer);
  void look_up (const std::string &name, const std::string &candidate);
  void give_candidate (const std::string &candidate);

  void set_remote_description ();
  void on_remote_set (const std::string &, const std::string &error);
  void on_answer (const std::string &sdp, const std::string &error);
  void on_local_set (const std::string &, const std::string &error);
  void on_transport_changed ();
  void verify_and_open (GstWebRTCDTLSTransport *transport);
  void open_gate ();
  void fail (const std::string &reason, const std::string &code,
      const std::string &message);

  Hop *hop ();
  // A promise whose reply comes to *handler* on the signaling thread, with
  // the SDP in field *sdp_field* if any, and the error's text or "".
  GstPromise *promise (const char *sdp_field,
      void (Viewer::*handler) (const std::string &, const std::string &));
  void connect (gpointer object, const char *signal, GCallback callback);

  const std::weak_ptr<EventLoop> loop_;
  ViewerOwner *const owner_;
  GstBin *const bin_;
  const std::string user_, peer_id_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared> ();

  GuardedOffer offer_;
  Admitted terms_;
  ViewerState state_ = ViewerState::Waiting;
  std::int64_t created_at_ = 0, state_since_ = 0, streaming_at_ = 0;
  guint fec_percentage_ = 0;
  GstClockTime latency_ = 0;
  bool paused_ = false, stopped_ = false, local_set_ = false;
  std::vector<std::string> early_candidates_; // before the branch exists
  GPtr<GCancellable> lookups_;                // of candidates' names
  unsigned lookup_count_ = 0;

  guint64 left_seen_ = 0, frames_seen_ = 0;
  std::int64_t stuck_since_ = 0; // 0: packets leave, or nothing passes
  guint64 frames_at_opening_ = 0, measured_frames_ = 0;
  std::int64_t measured_at_ = 0;
  double fps_ = 0; // of the last second
  PathControl path_;
  std::int64_t report_seen_ = 0; // as Shared::last_rtcp
  bool hears_rtcp_ = false, sees_leaving_ = false;
  Timer drained_;

  GPtr<GstElement> branch_; // the bin that holds all of the below
  GPtr<GstElement> webrtc_;
  Lane picture_;
  std::optional<Lane> audio_;
  std::unique_ptr<Liveness> liveness_; // once streaming
  // The one that webrtcbin has yet to reply to, or the last that it did.
  PromisePtr outstanding_;
  struct Connection
  {
    GPtr<GObject> object;
    gulong id;
  };
  std::vector<Connection> connections_;
};

} // namespace robotlive
