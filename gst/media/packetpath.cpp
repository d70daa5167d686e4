// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/packetpath.hpp"
#include <chrono>
#include <utility>

namespace robotlive {

namespace {

// RFC 3550 section 5.1: M, on a picture's last packet for all video payloads.
bool
ends_picture (GstBuffer *packet)
{
  guint8 head[2] = {};
  return gst_buffer_extract (packet, 0, head, sizeof head) == sizeof head &&
         (head[1] & 0x80);
}

std::uint16_t
number_of (GstBuffer *packet)
{
  guint8 head[4] = {};
  gst_buffer_extract (packet, 0, head, sizeof head);
  return GST_READ_UINT16_BE (head + 2);
}

} // namespace

void
PacketPath::end_at (BootNs time)
{
  const std::lock_guard<std::mutex> lock (mutex_);
  ends_at_ = time;
  changed_.notify_all ();
}

void
PacketPath::set_flushing (bool flushing)
{
  const std::lock_guard<std::mutex> lock (mutex_);
  flushing_ = flushing;
  changed_.notify_all ();
}

void
PacketPath::clear ()
{
  gst_clear_buffer_list (&held_);
}

void
PacketPath::begin (GstBuffer *picture)
{
  key_frame_ = !GST_BUFFER_FLAG_IS_SET (picture, GST_BUFFER_FLAG_DELTA_UNIT);
  pacer.begin (gst_buffer_get_size (picture),
      GST_BUFFER_DURATION_IS_VALID (picture)
          ? gint64 (GST_BUFFER_DURATION (picture) / GST_USECOND)
          : 0,
      boot_now () / 1000);
}

// Of what comes: a key frame may be a new beginning.
void
PacketPath::look_at (GstBuffer *first)
{
  if (forgets_.exchange (false))
    clear ();
  if (!std::exchange (key_frame_, false))
    return;
  if (begins_anew_.exchange (false))
    resends.begin_at (number_of (first));
}

GstFlowReturn
PacketPath::drain (GstPad *pad)
{
  if (forgets_.exchange (false))
    clear ();
  if (!held_)
    return GST_FLOW_OK;
  return gst_pad_push_list (pad, std::exchange (held_, nullptr));
}

// What is held goes first, when what comes is of another picture, which one
// whose last packet was not marked leaves us with, or leaves one by one.
GstFlowReturn
PacketPath::make_way (GstPad *pad, GstBuffer *last)
{
  if (held_ && (pacer.one_by_one () || GST_BUFFER_PTS (gst_buffer_list_get (
                                           held_, 0)) != GST_BUFFER_PTS (last)))
    return drain (pad);
  return GST_FLOW_OK;
}

GstFlowReturn
PacketPath::push (GstPad *pad, GstBuffer *packet)
{
  look_at (packet);
  const GstFlowReturn flow = make_way (pad, packet);
  if (flow != GST_FLOW_OK) {
    gst_buffer_unref (packet);
    return flow;
  }
  if (pacer.one_by_one ())
    return pace (pad, packet);
  const bool whole = ends_picture (packet);
  if (whole && !held_)
    return gst_pad_push (pad, packet);
  if (!held_)
    held_ = gst_buffer_list_new ();
  gst_buffer_list_add (held_, packet);
  return whole ? drain (pad) : GST_FLOW_OK;
}

GstFlowReturn
PacketPath::push (GstPad *pad, GstBufferList *packets)
{
  const guint count = gst_buffer_list_length (packets);
  if (count == 0) {
    gst_buffer_list_unref (packets);
    return GST_FLOW_OK;
  }
  look_at (gst_buffer_list_get (packets, 0));
  GstBuffer *last = gst_buffer_list_get (packets, count - 1);
  GstFlowReturn flow = make_way (pad, last);
  if (flow != GST_FLOW_OK) {
    gst_buffer_list_unref (packets);
    return flow;
  }
  const bool whole = ends_picture (last);
  if (!pacer.one_by_one () && !held_) {
    if (whole)
      return gst_pad_push_list (pad, packets);
    held_ = gst_buffer_list_make_writable (packets);
    return GST_FLOW_OK;
  }
  for (guint i = 0; i < count && flow == GST_FLOW_OK; i++) {
    GstBuffer *packet = gst_buffer_ref (gst_buffer_list_get (packets, i));
    if (pacer.one_by_one ())
      flow = pace (pad, packet);
    else
      gst_buffer_list_add (held_, packet);
  }
  gst_buffer_list_unref (packets);
  if (flow == GST_FLOW_OK && whole)
    flow = drain (pad);
  return flow;
}

// Waits on the branch's own thread, behind its queue, until the packet's turn:
// nobody else waits.
GstFlowReturn
PacketPath::pace (GstPad *pad, GstBuffer *packet)
{
  const auto wait = pacer.wait (
      static_cast<unsigned> (gst_buffer_get_size (packet)), boot_now () / 1000);
  if (wait > 0) {
    std::unique_lock<std::mutex> lock (mutex_);
    const auto over = [this] () {
      return flushing_ || boot_now () >= ends_at_;
    };
    // It passed the gate in time, but perhaps not the wait.
    if (changed_.wait_for (lock, std::chrono::microseconds (wait), over)) {
      gst_buffer_unref (packet);
      return flushing_ ? GST_FLOW_FLUSHING : GST_FLOW_OK;
    }
  }
  return gst_pad_push (pad, packet);
}

} // namespace robotlive
