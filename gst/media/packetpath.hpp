// SPDX-License-Identifier: LGPL-2.1-or-later
//
// PacketPath: how the packets of one viewer's picture leave. Together, in one
// list, as each push through webrtcbin and each system call costs more than a
// packet does, and a payloader pushes a picture in several pieces (parameter
// sets, slices); or one after another where the path is narrow. The element
// robotlivepace (branchelements.hpp) is driven by it.
#pragma once
#include "base/boottime.hpp"
#include "rate/pacer.hpp"
#include "rate/resendlimiter.hpp"
#include <atomic>
#include <condition_variable>
#include <gst/gst.h>
#include <mutex>

namespace robotlive {

class PacketPath
{
public:
  PacketPath () = default;
  ~PacketPath () { clear (); }
  PacketPath (const PacketPath &) = delete;
  PacketPath &operator= (const PacketPath &) = delete;

  // Each says which threads use it.
  Pacer pacer;
  ResendLimiter resends;

  // Any thread. The next key frame is a new beginning: nothing before it is
  // sent again.
  void begin_anew () { begins_anew_ = true; }
  // Any thread. Packets that wait for their turn until *time*, or later, do not
  // leave: ns, CLOCK_BOOTTIME.
  void end_at (BootNs time);
  // Any thread. What there is of an unfinished picture does not leave.
  void forget () { forgets_ = true; }
  // Any thread. Whoever waits for a turn goes on, and nothing leaves, until it
  // is off again.
  void set_flushing (bool flushing);

  // Streaming thread, from here on. *picture* is about to be made packets of.
  void begin (GstBuffer *picture);
  // They leave through *pad*; transfer full.
  GstFlowReturn push (GstPad *pad, GstBuffer *packet);
  GstFlowReturn push (GstPad *pad, GstBufferList *packets);
  // What is held of a picture leaves: something that is in order with it
  // follows.
  GstFlowReturn drain (GstPad *pad);
  void clear ();

private:
  void look_at (GstBuffer *first);
  GstFlowReturn make_way (GstPad *pad, GstBuffer *last);
  GstFlowReturn pace (GstPad *pad, GstBuffer *packet);

  std::atomic<bool> begins_anew_{false}, forgets_{false};
  // Streaming thread.
  bool key_frame_ = false; // one is about to leave
  GstBufferList *held_ = nullptr;

  std::mutex mutex_; // of these; a leaf
  std::condition_variable changed_;
  BootNs ends_at_ = kNeverNs;
  bool flushing_ = false;
};

} // namespace robotlive
