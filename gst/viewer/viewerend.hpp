// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ViewerEnd: what is left of a viewer that has ended, and how it is taken out
// of the pipeline while data flows. Parts of that wait: for webrtcbin's reply,
// for a push to be through, for the branch's threads. They are for a thread
// that nobody waits for.
#pragma once
#include "base/glibptr.hpp"
#include "viewer/ssrcpool.hpp"
#include <gst/gst.h>
#include <memory>
#include <vector>

namespace robotlive {

struct PromiseUnref
{
  void operator() (GstPromise *promise) const { gst_promise_unref (promise); }
};
using PromisePtr = std::unique_ptr<GstPromise, PromiseUnref>;

class ViewerEnd
{
public:
  // One of the viewer's streams. Its number is not given to another before all
  // is over.
  struct Stream
  {
    GPtr<GstElement> tee;
    GPtr<GstPad> tee_pad; // null: it was not linked
    SsrcLease ssrc;
  };

  ViewerEnd (GstBin *bin, GPtr<GstElement> branch, GPtr<GstElement> webrtc,
      PromisePtr outstanding, std::vector<Stream> streams);
  // Does what has not been done.
  ~ViewerEnd ();
  ViewerEnd (const ViewerEnd &) = delete;
  ViewerEnd &operator= (const ViewerEnd &) = delete;

  // First: nothing comes in any more, and its threads end. Waits, and so do the
  // bin's changes of state meanwhile.
  void shut ();
  // Then: whoever watches the bin's children is called. Does not wait.
  void remove ();
  // Last: it is freed, but for what others hold. Waits, for libnice's thread.
  void free ();

private:
  void unlink (Stream *stream);

  const GPtr<GstElement> bin_;
  GPtr<GstElement> branch_, webrtc_;
  PromisePtr outstanding_;
  std::vector<Stream> streams_;
  bool shut_ = false;
};

} // namespace robotlive
