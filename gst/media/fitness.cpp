// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/fitness.hpp"
#include <algorithm>

namespace robotlive {

namespace {

// ITU-T H.264 section 9.1, of the first bytes of a slice. Emulation prevention
// cannot begin before the third of them, where both numbers have ended for all
// but the first slices of very large pictures.
class Bits
{
public:
  Bits (const guint8 *data, gsize size) : data_ (data), size_ (size * 8) {}
  std::optional<unsigned> exp_golomb ()
  {
    unsigned zeros = 0;
    while (at_ < size_ && !bit ())
      zeros++;
    if (zeros > 16 || at_ + zeros > size_)
      return std::nullopt;
    unsigned value = 1;
    for (unsigned i = 0; i < zeros; i++)
      value = value << 1 | bit ();
    return value - 1;
  }

private:
  unsigned bit ()
  {
    const unsigned value = data_[at_ / 8] >> (7 - at_ % 8) & 1;
    at_++;
    return value;
  }
  const guint8 *data_;
  gsize size_, at_ = 0;
};

bool
is_b_slice (const guint8 *data, gsize size)
{
  const int type = data[0] & 0x1f;
  if (type != 1 && type != 5)
    return false;
  Bits bits (data + 1, std::min<gsize> (size - 1, 8));
  const auto first_block = bits.exp_golomb ();
  const auto slice_type = first_block ? bits.exp_golomb () : std::nullopt;
  return slice_type && *slice_type % 5 == 1;
}

} // namespace

std::string
unfit_by_caps (const GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  if (!gst_structure_has_name (structure, "video/x-h264"))
    return "";
  const char *chroma = gst_structure_get_string (structure, "chroma-format");
  guint depth = 8;
  gst_structure_get_uint (structure, "bit-depth-luma", &depth);
  if ((!chroma || g_str_equal (chroma, "4:2:0")) && depth == 8)
    return "";
  const char *profile = gst_structure_get_string (structure, "profile");
  return "The stream is H.264 with chroma format " +
         std::string (chroma ? chroma : "4:2:0") + " and " +
         std::to_string (depth) + " bits (profile " +
         (profile ? profile : "unknown") +
         "), which no browser shows: set the encoder to 4:2:0 with 8 bits "
         "(format I420 or NV12, profile baseline, main or high).";
}

bool
has_b_slice (GstBuffer *picture)
{
  GstMapInfo map;
  if (!gst_buffer_map (picture, &map, GST_MAP_READ))
    return false;
  bool found = false;
  const guint8 *data = map.data;
  for (gsize size = map.size; size > 5 && !found;) {
    const guint32 length = guint32 (data[0]) << 24 | guint32 (data[1]) << 16 |
                           guint32 (data[2]) << 8 | data[3];
    if (length < 2 || length > size - 4)
      break;
    found = is_b_slice (data + 4, length);
    data += 4 + length;
    size -= 4 + length;
  }
  gst_buffer_unmap (picture, &map);
  return found;
}

bool
OrderWatch::see (
    GstBuffer *picture, std::optional<std::int64_t> pts, bool slices)
{
  if (!pts || reordered_ >= kEnough)
    return false;
  const bool back = latest_ && *pts < *latest_;
  if (back && *latest_ - *pts < kFarthest) {
    if (!slices || has_b_slice (picture))
      run_++;
    return false;
  }
  // What was shown before others is over when one comes that is shown later
  // than all. A clock that runs backwards, or leaps, has none of these.
  if (!back && run_ <= kLongest)
    reordered_ += run_;
  latest_ = pts;
  run_ =
      back ? kLongest + 1 : 0; // behind a leap nothing counts before the next
  return reordered_ >= kEnough;
}

} // namespace robotlive
