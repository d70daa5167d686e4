// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SsrcLease: a synchronization source (RFC 3550 section 8.1) for one stream to
// one viewer, used again after it. GStreamer has names for each (fields of the
// answer's caps, of the retransmissions' map), and GLib keeps a name for ever:
// with new numbers the process grew by 150 bytes with each viewer. Each viewer
// is an RTP session with keys of its own, so that a number may return.
#pragma once
#include <glib.h>
#include <mutex>
#include <utility>
#include <vector>

namespace robotlive {

class SsrcLease
{
public:
  SsrcLease () : ssrc_ (take ()) {}
  ~SsrcLease ()
  {
    if (ssrc_ != 0)
      give_back (ssrc_);
  }
  SsrcLease (SsrcLease &&other) : ssrc_ (std::exchange (other.ssrc_, 0)) {}
  SsrcLease &operator= (SsrcLease &&other)
  {
    std::swap (ssrc_, other.ssrc_);
    return *this;
  }

  operator guint32 () const { return ssrc_; }

private:
  struct Pool
  {
    std::mutex mutex;
    std::vector<guint32> free;
  };
  static Pool &pool ()
  {
    static Pool *const all = new Pool; // outlives whoever ends last
    return *all;
  }
  static guint32 take ()
  {
    std::lock_guard<std::mutex> lock (pool ().mutex);
    auto &free = pool ().free;
    guint32 ssrc = 0;
    if (!free.empty ()) {
      ssrc = free.back ();
      free.pop_back ();
    }
    while (ssrc == 0)
      ssrc = g_random_int ();
    return ssrc;
  }
  static void give_back (guint32 ssrc)
  {
    std::lock_guard<std::mutex> lock (pool ().mutex);
    pool ().free.push_back (ssrc);
  }

  guint32 ssrc_;
};

} // namespace robotlive
