// SPDX-License-Identifier: LGPL-2.1-or-later
#include "viewer/viewerend.hpp"
#include "webrtc/webrtcstop.hpp"
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace robotlive {

namespace {

// A push into a leaky queue takes microseconds. Should one be stuck, the branch
// goes without it.
constexpr std::chrono::seconds kPushLimit (1);

struct Unlinking
{
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
};

// Between two buffers: nothing is being pushed through the pad right now.
GstPadProbeReturn
unlink_when_idle (GstPad *pad, GstPadProbeInfo *, gpointer data)
{
  auto &unlinking = **static_cast<std::shared_ptr<Unlinking> *> (data);
  std::lock_guard<std::mutex> lock (unlinking.mutex);
  if (!unlinking.done) {
    if (auto peer = adopt (gst_pad_get_peer (pad)))
      gst_pad_unlink (pad, peer.get ());
    unlinking.done = true;
    unlinking.changed.notify_all ();
  }
  return GST_PAD_PROBE_REMOVE;
}

} // namespace

ViewerEnd::ViewerEnd (GstBin *bin, GPtr<GstElement> branch,
    GPtr<GstElement> webrtc, PromisePtr outstanding,
    std::vector<Stream> streams)
    : bin_ (share (GST_ELEMENT (bin))), branch_ (std::move (branch)),
      webrtc_ (std::move (webrtc)), outstanding_ (std::move (outstanding)),
      streams_ (std::move (streams))
{
  if (branch_)
    gst_element_set_locked_state (branch_.get (), TRUE);
}

ViewerEnd::~ViewerEnd ()
{
  shut ();
  remove ();
  free ();
}

void
ViewerEnd::unlink (Stream *stream)
{
  if (!stream->tee_pad)
    return;
  GstPad *pad = stream->tee_pad.get ();
  auto unlinking = std::make_shared<Unlinking> ();
  const gulong probe =
      gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, unlink_when_idle,
          new std::shared_ptr<Unlinking> (unlinking), [] (gpointer data) {
            delete static_cast<std::shared_ptr<Unlinking> *> (data);
          });
  bool pending;
  {
    std::unique_lock<std::mutex> lock (unlinking->mutex);
    pending = !unlinking->changed.wait_for (
        lock, kPushLimit, [&unlinking] () { return unlinking->done; });
    unlinking->done = true; // should it come now, it touches nothing
  }
  if (pending) {
    gst_pad_remove_probe (pad, probe);
    if (auto peer = adopt (gst_pad_get_peer (pad)))
      gst_pad_unlink (pad, peer.get ());
  }
  gst_element_release_request_pad (stream->tee.get (), pad);
  stream->tee_pad.reset ();
}

void
ViewerEnd::shut ()
{
  // Its thread must be done: what it opens after the state is NULL stays open
  // for ever (webrtcbin 1.22 blocks the receiving bin's pad again, and that
  // block keeps the bin). It replies to each request, within milliseconds.
  if (outstanding_)
    gst_promise_wait (outstanding_.get ());
  outstanding_.reset ();
  for (auto &stream : streams_)
    unlink (&stream);
  // In the bin until it is NULL: that takes from it the clock by which RTCP is
  // read, and rtpbin 1.22 asserts that there is one.
  if (branch_ && !shut_) {
    prepare_webrtc_for_null (webrtc_.get ());
    gst_element_set_state (branch_.get (), GST_STATE_NULL);
  }
  shut_ = true;
}

void
ViewerEnd::remove ()
{
  if (branch_ && GST_OBJECT_PARENT (branch_.get ()) == GST_OBJECT (bin_.get ()))
    gst_bin_remove (GST_BIN (bin_.get ()), branch_.get ());
}

void
ViewerEnd::free ()
{
  webrtc_.reset ();
  branch_.reset ();
  streams_.clear ();
}

} // namespace robotlive
