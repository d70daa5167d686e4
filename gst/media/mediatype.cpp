// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/mediatype.hpp"

namespace robotlive {

namespace {

constexpr MediaType kMediaTypes[] = {
    {"video/x-h264", "H264", "h264parse",
        "video/x-h264, stream-format=avc, alignment=au", "rtph264pay",
        "gstreamer1.0-plugins-good", false},
    {"video/x-h265", "H265", "h265parse",
        "video/x-h265, stream-format=hvc1, alignment=au", "rtph265pay",
        "gstreamer1.0-plugins-good", false},
    {"video/x-vp8", "VP8", nullptr, nullptr, "rtpvp8pay",
        "gstreamer1.0-plugins-good", false},
    {"video/x-vp9", "VP9", nullptr, nullptr, "rtpvp9pay",
        "gstreamer1.0-plugins-good", false},
    {"video/x-av1", "AV1", "av1parse",
        "video/x-av1, stream-format=obu-stream, alignment=tu", "rtpav1pay",
        "gst-plugins-rs (in no Debian release)", false},
    {"audio/x-opus", "OPUS", nullptr, nullptr, "rtpopuspay",
        "gstreamer1.0-plugins-good", true},
};

// profile-level-id (RFC 6184 section 8.1) is bytes 1 to 3 of the decoder
// configuration record (ISO/IEC 14496-15 section 5.3.3.1.2).
std::string
profile_level_id_of (const GstStructure *caps)
{
  g_autoptr (GstBuffer) data = nullptr;
  guint8 record[4];
  if (!gst_structure_get (
          caps, "codec_data", GST_TYPE_BUFFER, &data, nullptr) ||
      gst_buffer_extract (data, 0, record, sizeof record) != sizeof record)
    return "";
  char text[7];
  g_snprintf (
      text, sizeof text, "%02x%02x%02x", record[1], record[2], record[3]);
  return text;
}

struct ProfileNumber
{
  const char *encoding_name, *profile;
  int number;
};
// H265: ITU-T H.265 annex A, general_profile_idc; AV1: section 6.4.1.
constexpr ProfileNumber kProfiles[] = {
    {"H265", "main", 1},
    {"H265", "main-10", 2},
    {"H265", "main-still-picture", 3},
    {"AV1", "main", 0},
    {"AV1", "high", 1},
    {"AV1", "professional", 2},
    {"VP9", "0", 0},
    {"VP9", "1", 1},
    {"VP9", "2", 2},
    {"VP9", "3", 3},
};

} // namespace

const MediaType *
media_type_of (const GstCaps *caps)
{
  for (const auto &type : kMediaTypes)
    if (gst_structure_has_name (
            gst_caps_get_structure (caps, 0), type.caps_name))
      return &type;
  return nullptr;
}

const MediaType *
media_type_named (const std::string &encoding_name)
{
  for (const auto &type : kMediaTypes)
    if (encoding_name == type.encoding_name)
      return &type;
  return nullptr;
}

StreamCodec
stream_codec_of (const MediaType &type, const GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  StreamCodec codec;
  codec.encoding_name = type.encoding_name;
  if (codec.encoding_name == "H264")
    codec.profile_level_id = profile_level_id_of (structure);
  const char *profile = gst_structure_get_string (structure, "profile");
  for (const auto &row : kProfiles)
    if (profile && codec.encoding_name == row.encoding_name &&
        g_str_equal (profile, row.profile))
      codec.profile = row.number;
  return codec;
}

} // namespace robotlive
