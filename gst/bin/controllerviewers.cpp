// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Controller's part for its viewers: what they ask for, and how they go.
#include "bin/controller.hpp"
#include "robotlive.h"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// A range of fewer ports may be one that the viewers use up.
constexpr guint kManyPorts = 30000;
constexpr std::int64_t kPortsLimit = 2 * std::int64_t (1000000000);

} // namespace

void
Controller::viewer_answer (const std::string &peer_id, const std::string &sdp)
{
  if (pending_.count (peer_id))
    return; // to an offer that a newer one has overtaken
  if (const auto found = viewers_.find (peer_id); found != viewers_.end ())
    send ([user = found->second->user (), peer_id, sdp] (
              Signaller &link) { link.send_answer (user, peer_id, sdp); });
}

void
Controller::viewer_candidate (
    const std::string &peer_id, const IceCandidate &candidate)
{
  if (pending_.count (peer_id))
    return;
  if (const auto found = viewers_.find (peer_id); found != viewers_.end ())
    send (
        [user = found->second->user (), peer_id, candidate] (Signaller &link) {
          link.send_candidate (user, peer_id, candidate);
        });
}

void
Controller::viewer_streaming (const std::string &peer_id)
{
  GST_INFO_OBJECT (element_, "viewer %s: streaming", peer_id.c_str ());
  if (const auto found = viewers_.find (peer_id);
      found != viewers_.end () && !found->second->paused ())
    if (Stream *from = stream_of (peer_id))
      found->second->start_estimate (
          from->rate->add_viewer (), settings_.rate.pacing);
  viewer_needs_key_frame (peer_id);
}

void
Controller::viewer_needs_key_frame (const std::string &peer_id)
{
  if (const Stream *from = stream_of (peer_id))
    ask_key_frame (*from);
}

void
Controller::viewer_remove (const std::string &peer_id,
    const std::string &reason, const std::string &code,
    const std::string &message)
{
  if (reason == "stuck") // nobody's doing but ours
    on_error (code, "Viewer " + peer_id + ": " + message, false);
  remove (
      peer_id, reason, code, message, reason != "left" && reason != "replaced");
}

// By value: the id may be the very key that goes.
void
Controller::remove (std::string peer_id, const std::string &reason,
    const std::string &code, const std::string &message, bool tell_viewer)
{
  const auto found = viewers_.find (peer_id);
  if (found == viewers_.end ())
    return;
  const auto viewer = found->second;
  Stream *from = stream_of (peer_id);
  viewers_.erase (found);
  updates_.erase (peer_id);
  leave_rate (from, peer_id);
  // A viewer that has offered anew waits for that answer: a word about the end
  // of its old connection would end the new one.
  if (pending_.count (peer_id))
    GST_DEBUG_OBJECT (element_, "viewer %s: offers anew", peer_id.c_str ());
  else if (!message.empty ())
    send ([user = viewer->user (), peer_id, code, message] (Signaller &link) {
      link.send_error (user, peer_id, code, message);
    });
  else if (tell_viewer)
    send ([user = viewer->user (), peer_id, reason] (
              Signaller &link) { link.send_leave (user, peer_id, reason); });
  GST_INFO_OBJECT (element_, "viewer %s ends: %s %s", peer_id.c_str (),
      reason.c_str (), message.c_str ());
  announce_sessions ();
  ending_.insert (peer_id);
  bury (*viewer, [this, peer_id, user = viewer->user (), reason, message] () {
    gone (peer_id, user, reason, message);
  });
}

// Takes its time, on threads of the reaper's.
void
Controller::bury (Viewer &viewer, std::function<void ()> then)
{
  const auto end = viewer.stop ();
  std::vector<Reaper::Step> steps = {
      {Reaper::Step::Worker, [end] () { end->shut (); }},
      {Reaper::Step::Loop, [end] () { end->remove (); }},
      {Reaper::Step::Worker, [end] () { end->free (); }}};
  if (then)
    steps.push_back ({Reaper::Step::Loop, std::move (then)});
  reaper_->add (std::move (steps));
}

// The viewer is gone, and its branch with it.
void
Controller::gone (const std::string &peer_id, const std::string &user,
    const std::string &reason, const std::string &message)
{
  ending_.erase (peer_id);
  GST_INFO_OBJECT (element_, "viewer %s removed", peer_id.c_str ());
  post (gst_structure_new (ROBOTLIVE_MESSAGE_VIEWER_REMOVED,
      ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING, peer_id.c_str (),
      ROBOTLIVE_FIELD_USER, G_TYPE_STRING, user.c_str (),
      ROBOTLIVE_FIELD_REASON, G_TYPE_STRING, reason.c_str (),
      ROBOTLIVE_FIELD_MESSAGE, G_TYPE_STRING, message.c_str (), nullptr));
  progress (GST_PROGRESS_TYPE_COMPLETE, ROBOTLIVE_PROGRESS_VIEWER,
      "Viewer " + user + " has gone: " + (message.empty () ? reason : message));
  emit ("viewer-removed", peer_id, reason);
  proceed_all (); // who waits for the place
}

// Those that are ending have their places and sockets still.
bool
Controller::has_room (const std::string &peer_id, const Pending &pending) const
{
  if (ending_.empty ())
    return true;
  if (ending_.count (peer_id) ||
      viewers_.size () + ending_.size () >= settings_.max_viewers)
    return false;
  const bool few_ports =
      settings_.max_rtp_port - settings_.min_rtp_port < kManyPorts;
  return !few_ports || boot_now () - pending.arrived_at >= kPortsLimit;
}

// The pipeline has told us none: what the source needs, then. Elements answer
// that are not ours.
void
Controller::ask_latency (const Input &input)
{
  if (latency_asked_)
    return;
  latency_asked_ = true;
  const auto latency = std::make_shared<GstClockTime> (0);
  const std::shared_ptr<GstPad> pad (share (input.sink_pad ()));
  reaper_->add ({{Reaper::Step::Worker,
                     [pad, latency] () {
                       g_autoptr (GstQuery) query = gst_query_new_latency ();
                       gboolean live = FALSE;
                       if (gst_pad_peer_query (pad.get (), query))
                         gst_query_parse_latency (
                             query, &live, latency.get (), nullptr);
                     }},
      {Reaper::Step::Loop, [this, latency] () {
         if (latency_asked_ && !GST_CLOCK_TIME_IS_VALID (latency_))
           set_latency (*latency);
       }}});
}

bool
Controller::end_viewer (std::string peer_id, const std::string &reason)
{
  if (!viewers_.count (peer_id))
    return false;
  viewer_remove (peer_id, reason, "", "");
  return true;
}

bool
Controller::has_viewer (const std::string &peer_id) const
{
  return viewers_.count (peer_id) > 0;
}

void
Controller::branch_failed (const std::string &peer_id, GstObject *branch)
{
  const auto found = viewers_.find (peer_id);
  if (found != viewers_.end () && found->second->owns (branch))
    viewer_remove (peer_id, "failed", "internal",
        "The robot could not send the picture to this viewer.");
}

} // namespace robotlive
