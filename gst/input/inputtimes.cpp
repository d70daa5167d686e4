// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Input's part for the times of what comes in.
#include "input/input.hpp"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// Far enough for all sums of a few of them.
constexpr std::int64_t kMost = std::int64_t (1) << 60;

std::optional<std::int64_t>
running_time (const GstSegment &segment, GstClockTime position)
{
  guint64 time = 0;
  if (!GST_CLOCK_TIME_IS_VALID (position) || segment.format != GST_FORMAT_TIME)
    return std::nullopt;
  const int sign = gst_segment_to_running_time_full (
      &segment, GST_FORMAT_TIME, position, &time);
  if (sign == 0)
    return std::nullopt;
  const auto size = static_cast<std::int64_t> (std::min<guint64> (time, kMost));
  return sign > 0 ? size : -size;
}

const char *
sentence_of (Timeline::Fault fault)
{
  switch (fault) {
    case Timeline::Fault::None:
      break;
    case Timeline::Fault::Missing:
      return "without any time; each is sent when it comes. Let the source "
             "stamp what it sends (do-timestamp=true).";
    case Timeline::Fault::Ahead:
      return "with a time that is ahead of the clock; it is sent now, and what "
             "follows by that. Look at the source's clock.";
    case Timeline::Fault::Behind:
      return "with a time that is far behind the clock; it is sent as one of "
             "now, and what follows by that. Look at the source's clock.";
    case Timeline::Fault::Back:
      return "with a time that is not after the one before; it is sent as one "
             "of now, and what follows by that. Look at the source's clock.";
  }
  return "";
}

} // namespace

// Whatever it was: from here on a buffer's time is its running time.
void
Input::take_segment (GstPadProbeInfo *info)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  gst_event_copy_segment (event, &segment_);
  GstSegment plain;
  gst_segment_init (&plain, GST_FORMAT_TIME);
  GstEvent *replaced = gst_event_new_segment (&plain);
  gst_event_set_seqnum (replaced, gst_event_get_seqnum (event));
  gst_event_unref (event);
  GST_PAD_PROBE_INFO_DATA (info) = replaced;
}

// Once for each kind and stream.
void
Input::tell (Timeline::Fault fault, std::int64_t shift)
{
  const unsigned bit = 1u << static_cast<unsigned> (fault);
  if (told_ & bit)
    return;
  told_ |= bit;
  GST_ELEMENT_WARNING (bin_, STREAM, FORMAT,
      ("The stream at the pad %s has brought a buffer %s",
          GST_PAD_NAME (sink_pad_.get ()), sentence_of (fault)),
      ("moved by %" G_GINT64_FORMAT " ms", shift / 1000000));
}

bool
Input::out_of_order (GstBuffer *picture)
{
  return order_.see (
      picture, running_time (segment_, GST_BUFFER_PTS (picture)), delimited_);
}

GstBuffer *
Input::placed (GstBuffer *buffer)
{
  const auto clock = adopt (gst_element_get_clock (GST_ELEMENT (bin_)));
  if (!clock)
    return buffer; // nothing is sent before there is one
  const auto now =
      GST_CLOCK_DIFF (gst_element_get_base_time (GST_ELEMENT (bin_)),
          gst_clock_get_time (clock.get ()));
  const auto at =
      timeline_.place (running_time (segment_, GST_BUFFER_PTS (buffer)),
          running_time (segment_, GST_BUFFER_DTS (buffer)), now);
  if (at.fault != Timeline::Fault::None)
    tell (at.fault, at.shift);
  const auto time =
      static_cast<GstClockTime> (std::max<std::int64_t> (at.time, 0));
  if (GST_BUFFER_PTS (buffer) == time)
    return buffer;
  buffer = gst_buffer_make_writable (buffer);
  GST_BUFFER_PTS (buffer) = time;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  return buffer;
}

} // namespace robotlive
