// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/thinner.hpp"

namespace robotlive {

namespace {

// ITU-T H.264 section 7.4.1: a slice with nal_ref_idc 0 is of a picture that
// none refers to. -1: no slice.
int
h264_is_reference (guint8 header)
{
  const int type = header & 0x1f;
  return type >= 1 && type <= 5 ? (header & 0x60) != 0 : -1;
}

// ITU-T H.265 table 7-1: of the types below 16 the even ones are sub-layer
// non-reference pictures; with one temporal layer, no one's reference.
int
h265_is_reference (guint8 header)
{
  const int type = (header >> 1) & 0x3f;
  return type < 32 ? type >= 16 || type % 2 == 1 : -1;
}

bool
slices_are_non_reference (
    const guint8 *data, gsize size, int (*is_reference) (guint8))
{
  bool any = false;
  while (size > 4) {
    // Byte by byte: lengths stand anywhere, and GST_READ_UINT32_BE () loads
    // from where an integer may not be.
    const guint32 length = guint32 (data[0]) << 24 | guint32 (data[1]) << 16 |
                           guint32 (data[2]) << 8 | data[3];
    if (length == 0 || length > size - 4)
      return false;
    const int reference = is_reference (data[4]);
    if (reference == 1)
      return false;
    any |= reference == 0;
    data += 4 + length;
    size -= 4 + length;
  }
  return any && size == 0;
}

} // namespace

bool
is_non_reference (GstBuffer *buffer, PictureFormat format)
{
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DROPPABLE))
    return true;
  if (format == PictureFormat::Other)
    return false;
  GstMapInfo map;
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return false;
  const bool result = slices_are_non_reference (map.data, map.size,
      format == PictureFormat::H264Avc ? h264_is_reference : h265_is_reference);
  gst_buffer_unmap (buffer, &map);
  return result;
}

bool
Thinner::pass (GstBuffer *buffer)
{
  const Thinning level = level_;
  bool drop = false;
  if (held_) {
    drop = waits_for_key_ = true;
  } else if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT)) {
    waits_for_key_ = false;
  } else if (level == Thinning::KeyFrames) {
    drop = waits_for_key_ = true;
  } else {
    drop = waits_for_key_ || (level == Thinning::NonReference &&
                                 is_non_reference (buffer, format_));
  }
  if (drop)
    thinned_++;
  else
    passed_bytes_ += gst_buffer_get_size (buffer);
  return !drop;
}

} // namespace robotlive
