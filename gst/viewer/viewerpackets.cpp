// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's part: how the packets of a picture leave. Together, in one list, as
// each push through webrtcbin and each system call costs more than a packet
// does; or one after another where the path is narrow.
#include "viewer/viewer.hpp"
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

GstBuffer *
last_of (GstPadProbeInfo *info)
{
  if (!(info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST))
    return GST_PAD_PROBE_INFO_BUFFER (info);
  GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);
  return gst_buffer_list_get (list, gst_buffer_list_length (list) - 1);
}

GstBuffer *
first_of (GstPadProbeInfo *info)
{
  return info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST
             ? gst_buffer_list_get (GST_PAD_PROBE_INFO_BUFFER_LIST (info), 0)
             : GST_PAD_PROBE_INFO_BUFFER (info);
}

std::uint16_t
number_of (GstBuffer *packet)
{
  guint8 head[4] = {};
  gst_buffer_extract (packet, 0, head, sizeof head);
  return GST_READ_UINT16_BE (head + 2);
}

GstPadProbeReturn
handled (GstPadProbeInfo *info, GstFlowReturn flow)
{
  GST_PAD_PROBE_INFO_DATA (info) = nullptr;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = flow;
  return GST_PAD_PROBE_HANDLED;
}

} // namespace

void
PacketGatherer::add (GstBuffer *packet)
{
  if (!held_)
    held_ = gst_buffer_list_new ();
  gst_buffer_list_add (held_, packet);
}

GstFlowReturn
PacketGatherer::push (GstPad *pad)
{
  if (!held_)
    return GST_FLOW_OK;
  GstBufferList *list = std::exchange (held_, nullptr);
  pushing_ = true;
  const GstFlowReturn flow = gst_pad_push_list (pad, list);
  pushing_ = false;
  return flow;
}

GstPadProbeReturn
PacketGatherer::gather (GstPad *pad, GstPadProbeInfo *info)
{
  GstBuffer *last = last_of (info);
  if (pushing_)
    return GST_PAD_PROBE_OK;
  // A picture whose last packet was not marked.
  GstFlowReturn flow = GST_FLOW_OK;
  if (held_ &&
      GST_BUFFER_PTS (gst_buffer_list_get (held_, 0)) != GST_BUFFER_PTS (last))
    flow = push (pad);
  const bool whole = ends_picture (last);
  if (flow == GST_FLOW_OK && whole && !held_)
    return GST_PAD_PROBE_OK;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);
    if (!held_) {
      held_ = gst_buffer_list_make_writable (list);
    } else {
      for (guint i = 0; i < gst_buffer_list_length (list); i++)
        add (gst_buffer_ref (gst_buffer_list_get (list, i)));
      gst_buffer_list_unref (list);
    }
  } else {
    add (last);
  }
  if (flow == GST_FLOW_OK && whole)
    flow = push (pad);
  return handled (info, flow);
}

GstPadProbeReturn
Viewer::Shared::send (GstPad *pad, GstPadProbeInfo *info)
{
  if (key_frame) {
    key_frame = false;
    if (restarts.exchange (false))
      resends.begin_at (number_of (first_of (info)));
  }
  if (!pacer.one_by_one ())
    return gatherer.gather (pad, info);
  if (!(info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST))
    return pace (GST_PAD_PROBE_INFO_BUFFER (info));
  g_autoptr (GstBufferList) list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);
  // Each comes here again, and has its turn, if it has to wait for one.
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint i = 0; i < gst_buffer_list_length (list) && flow == GST_FLOW_OK;
       i++)
    flow = gst_pad_push (pad, gst_buffer_ref (gst_buffer_list_get (list, i)));
  return handled (info, flow);
}

void
Viewer::Shared::end_at (std::int64_t time)
{
  const std::lock_guard<std::mutex> lock (end_mutex);
  ends_at = time;
  end_changed.notify_all ();
}

// Waits on the branch's own thread, behind its queue, until its turn or the end
// of the viewer: nobody else waits.
GstPadProbeReturn
Viewer::Shared::pace (GstBuffer *packet)
{
  const auto wait = pacer.wait (
      static_cast<unsigned> (gst_buffer_get_size (packet)), boot_now () / 1000);
  if (wait == 0)
    return GST_PAD_PROBE_OK;
  std::unique_lock<std::mutex> lock (end_mutex);
  const auto over = [this] () { return boot_now () >= ends_at; };
  // It passed the gate in time, but perhaps not the wait.
  return end_changed.wait_for (lock, std::chrono::microseconds (wait), over)
             ? GST_PAD_PROBE_DROP
             : GST_PAD_PROBE_OK;
}

void
Viewer::watch_packets ()
{
  auto packets = adopt (gst_element_get_static_pad (picture_.payloader, "src"));
  gst_pad_add_probe (
      packets.get (),
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      [] (GstPad *pad, GstPadProbeInfo *info, gpointer data) {
        return static_cast<Hop *> (data)->shared->send (pad, info);
      },
      hop (), Hop::free);
}

} // namespace robotlive
