// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sdp/sdpcodec.hpp"
#include <algorithm>
#include <optional>

namespace robotlive {

namespace {

// What a parameter's key or value may consist of before we write it again.
bool
is_plain (const std::string &text)
{
  return text.size () <= 256 &&
         std::all_of (text.begin (), text.end (), [] (char c) {
           return g_ascii_isalnum (c) || strchr ("+/=,._-:", c);
         });
}

std::optional<int>
payload_type_of (const char *text)
{
  guint64 value = 0;
  if (!text || strlen (text) > 3 ||
      !g_ascii_string_to_unsigned (text, 10, 0, 127, &value, nullptr))
    return std::nullopt;
  return static_cast<int> (value);
}

// "96 H264/90000" or "111 opus/48000/2".
bool
parse_rtpmap (const char *text, Format *out)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 3);
  if (g_strv_length (words) != 2)
    return false;
  const auto pt = payload_type_of (words[0]);
  g_auto (GStrv) parts = g_strsplit (words[1], "/", 4);
  const guint count = g_strv_length (parts);
  guint64 rate = 0, channels = 1;
  if (!pt || count < 2 || count > 3 || !*parts[0] || strlen (parts[0]) > 64 ||
      !is_plain (parts[0]) ||
      !g_ascii_string_to_unsigned (parts[1], 10, 1, 10000000, &rate, nullptr) ||
      (count == 3 && !g_ascii_string_to_unsigned (
                         parts[2], 10, 1, 64, &channels, nullptr)))
    return false;
  out->payload_type = static_cast<unsigned> (*pt);
  g_autofree char *upper = g_ascii_strup (parts[0], -1);
  out->name = upper;
  out->clock_rate = static_cast<unsigned> (rate);
  out->channels = static_cast<unsigned> (channels);
  return true;
}

// "96 key=value;key=value". What is not of that shape is left out: some
// formats (telephone-event, red) have fmtp lines of their own kind.
void
parse_fmtp (const char *text, Format *out)
{
  g_auto (GStrv) items = g_strsplit (text, ";", 64);
  for (guint i = 0; items[i]; i++) {
    g_strstrip (items[i]);
    char *value = strchr (items[i], '=');
    if (!value)
      continue;
    *value++ = '\0';
    g_autofree char *key = g_ascii_strdown (items[i], -1);
    if (*key && is_plain (key) && is_plain (value))
      out->parameters.emplace (key, value);
  }
}

// H.264 profiles by what a decoder must be able to do (RFC 6184 table 5,
// ITU-T H.264 annex A). A decoder of one decodes all below it.
std::optional<int>
h264_rank (const std::string &profile_level_id)
{
  if (profile_level_id.size () != 6)
    return std::nullopt;
  int bytes[2];
  for (int i = 0; i < 2; i++) {
    const int high = g_ascii_xdigit_value (profile_level_id[i * 2]);
    const int low = g_ascii_xdigit_value (profile_level_id[i * 2 + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    bytes[i] = high * 16 + low;
  }
  switch (bytes[0]) {
    case 66: // Baseline: no encoder makes the parts that Main lacks
    case 88: // Extended
      return 0;
    case 77:
      return bytes[1] & 0x80 ? 0 : 1; // constraint_set0: Baseline as well
    case 100:
      return 2;
    case 110:
      return 3;
    case 122:
      return 4;
    case 244:
      return 5;
    default:
      return std::nullopt;
  }
}

bool
is_constrained (const std::string &profile_level_id)
{
  const int bits = g_ascii_xdigit_value (profile_level_id[2]);
  return bits >= 0 && (bits & 0x4) != 0; // constraint_set1_flag
}

// ITU-T H.264 annex A: the level of a profile-level-id, times ten.
int
h264_level (const std::string &profile_level_id)
{
  return g_ascii_xdigit_value (profile_level_id[4]) * 16 +
         g_ascii_xdigit_value (profile_level_id[5]);
}

std::optional<int>
h264_misfit (const Format &format, const StreamCodec &codec)
{
  // Mode 0 takes NAL units that fit a packet each, which no encoder promises;
  // 2 is interleaved. Absent is 0 (RFC 6184 section 8.1).
  if (format.parameter ("packetization-mode") != "1")
    return std::nullopt;
  // Absent means Baseline at level 1.
  auto offered = format.parameter ("profile-level-id");
  if (offered.empty ())
    offered = "42000a";
  const auto decoder = h264_rank (offered);
  if (!decoder)
    return std::nullopt;
  if (codec.profile_level_id.empty ())
    return *decoder * 4;
  const auto stream = h264_rank (codec.profile_level_id);
  if (!stream || *decoder < *stream)
    return std::nullopt;
  // A level that is too low is no reason to refuse: browsers name 3.1 and
  // decode what is above it. One that suffices is taken first.
  return (*decoder - *stream) * 4 + (is_constrained (offered) ? 0 : 2) +
         (h264_level (offered) < h264_level (codec.profile_level_id) ? 1 : 0);
}

// A number among the parameters; *initial* when it is absent, -1 when it is
// malformed.
int
number_of (const Format &format, const char *key, int initial)
{
  const auto text = format.parameter (key);
  guint64 value = 0;
  if (text.empty ())
    return initial;
  return g_ascii_string_to_unsigned (text.c_str (), 10, 0, 255, &value, nullptr)
             ? static_cast<int> (value)
             : -1;
}

// How badly *format* fits *codec*; less is better, nothing is not at all.
std::optional<int>
misfit (const Format &format, const StreamCodec &codec)
{
  if (format.name != codec.encoding_name || format.clock_rate != 90000)
    return std::nullopt;
  if (codec.encoding_name == "H264")
    return h264_misfit (format, codec);
  if (codec.encoding_name == "VP8")
    return 0;
  if (codec.encoding_name == "H265") {
    // RFC 7798 section 7.1: absent is Main (1). Main 10 (2) decodes Main.
    const int decoder = number_of (format, "profile-id", 1);
    const int stream = codec.profile < 0 ? 1 : codec.profile;
    if (decoder == stream)
      return 0;
    return decoder == 2 && (stream == 1 || stream == 3) ? std::optional<int> (1)
                                                        : std::nullopt;
  }
  // RFC 9628 section 6 (VP9), AV1 RTP payload section 7.2.3: absent is 0.
  const int decoder = number_of (
      format, codec.encoding_name == "AV1" ? "profile" : "profile-id", 0);
  return decoder == std::max (codec.profile, 0) ? std::optional<int> (0)
                                                : std::nullopt;
}

// The first format of *name* that can repair the one of type *apt*.
int
retransmission_of (const FormatTable &table, int apt)
{
  for (const auto &[number, format] : table)
    if (format.name == "RTX" && number >= 96 && format.clock_rate == 90000 &&
        format.parameter ("apt") == std::to_string (apt))
      return number;
  return -1;
}

int
first_of (const FormatTable &table, const char *name)
{
  for (const auto &[number, format] : table)
    if (format.name == name && number >= 96 && format.clock_rate == 90000)
      return number;
  return -1;
}

} // namespace

std::string
Format::parameter (const std::string &key) const
{
  const auto found = parameters.find (key);
  return found == parameters.end () ? std::string () : found->second;
}

std::string
Format::rtpmap () const
{
  auto text = name + "/" + std::to_string (clock_rate);
  if (channels > 1)
    text += "/" + std::to_string (channels);
  return text;
}

std::string
Format::fmtp (std::initializer_list<const char *> keys) const
{
  std::string text;
  for (const char *key : keys)
    if (const auto value = parameter (key); !value.empty ())
      text += (text.empty () ? "" : ";") + std::string (key) + "=" + value;
  return text;
}

bool
VideoChoice::has_feedback (const std::string &value) const
{
  return std::find (feedback.begin (), feedback.end (), value) !=
         feedback.end ();
}

bool
read_formats (const GstSDPMedia *media, FormatTable *out, std::string *error)
{
  std::vector<int> listed;
  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++) {
    const auto pt = payload_type_of (gst_sdp_media_get_format (media, i));
    if (!pt ||
        std::find (listed.begin (), listed.end (), *pt) != listed.end ()) {
      *error = "a payload type is no number from 0 to 127, or stands twice";
      return false;
    }
    listed.push_back (*pt);
  }
  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
    const GstSDPAttribute *attribute = gst_sdp_media_get_attribute (media, i);
    if (!g_str_equal (attribute->key, "rtpmap"))
      continue;
    Format format;
    if (!attribute->value || !parse_rtpmap (attribute->value, &format)) {
      *error = "malformed a=rtpmap";
      return false;
    }
    const int pt = static_cast<int> (format.payload_type);
    if (std::find (listed.begin (), listed.end (), pt) == listed.end ())
      continue; // of a payload type that the m-line does not list
    if (!out->emplace (pt, format).second) {
      *error = "two a=rtpmap for one payload type";
      return false;
    }
  }
  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
    const GstSDPAttribute *attribute = gst_sdp_media_get_attribute (media, i);
    if (!g_str_equal (attribute->key, "fmtp") || !attribute->value)
      continue;
    const char *space = strchr (attribute->value, ' ');
    if (!space)
      continue;
    const std::string number (attribute->value, space - attribute->value);
    const auto pt = payload_type_of (number.c_str ());
    const auto found = pt ? out->find (*pt) : out->end ();
    if (found != out->end ())
      parse_fmtp (space + 1, &found->second);
  }
  return true;
}

bool
choose_video (const GstSDPMedia *media, const FormatTable &table,
    const StreamCodec &codec, VideoChoice *out)
{
  // GStreamer's payloaders send dynamic payload types alone, as RFC 3551
  // section 6 sets them; browsers offer some from 35 up as well.
  std::optional<int> best;
  bool decodes = false;
  std::optional<int> most; // of H.264 profiles that we can name
  Format named;
  // In the order of the m-line, which is the viewer's preference.
  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++) {
    const auto pt = payload_type_of (gst_sdp_media_get_format (media, i));
    const auto found = pt ? table.find (*pt) : table.end ();
    if (found == table.end ())
      continue;
    const Format &format = found->second;
    const auto score = misfit (format, codec);
    decodes |= score.has_value ();
    if (format.payload_type < 96)
      continue;
    if (score && (!best || *score < *best)) {
      best = score;
      out->format = format;
    }
    const auto rank = h264_rank (format.parameter ("profile-level-id"));
    if (format.name == "H264" && format.clock_rate == 90000 &&
        format.parameter ("packetization-mode") == "1" && rank &&
        (!most || *rank > *most)) {
      most = rank;
      named = format;
    }
  }
  // Chromium offers its High decoder by payload type 41 alone. It decodes what
  // the stream's own parameter sets say, so a lower profile's type will do.
  if (!best && decodes && codec.encoding_name == "H264" && most)
    out->format = named;
  else if (!best)
    return false;

  const auto pt = std::to_string (out->format.payload_type);
  out->rtx_payload_type =
      retransmission_of (table, static_cast<int> (out->format.payload_type));
  const int red = first_of (table, "RED"), ulpfec = first_of (table, "ULPFEC");
  if (red >= 0 && ulpfec >= 0) {
    out->red_payload_type = red;
    out->ulpfec_payload_type = ulpfec;
    out->red_rtx_payload_type = retransmission_of (table, red);
  }
  for (guint i = 0;; i++) {
    const char *text = gst_sdp_media_get_attribute_val_n (media, "rtcp-fb", i);
    if (!text)
      break;
    for (const auto &prefix : {pt + " ", std::string ("* ")})
      if (g_str_has_prefix (text, prefix.c_str ()))
        out->feedback.push_back (text + prefix.size ());
  }
  return true;
}

bool
choose_opus (const GstSDPMedia *media, const FormatTable &table, Format *out)
{
  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++) {
    const auto pt = payload_type_of (gst_sdp_media_get_format (media, i));
    const auto found = pt ? table.find (*pt) : table.end ();
    if (found == table.end ())
      continue;
    const Format &format = found->second;
    // RFC 7587 section 7: always 48000 and 2, whatever is inside.
    if (format.name == "OPUS" && format.clock_rate == 48000 &&
        format.channels == 2 && format.payload_type >= 96) {
      *out = format;
      return true;
    }
  }
  return false;
}

std::string
describe (const StreamCodec &codec)
{
  if (!codec.profile_level_id.empty ())
    return codec.encoding_name + " " + codec.profile_level_id;
  if (codec.profile > 0)
    return codec.encoding_name + " profile " + std::to_string (codec.profile);
  return codec.encoding_name;
}

std::string
describe (const FormatTable &table)
{
  std::vector<std::string> names;
  for (const auto &[pt, format] : table) {
    if (format.name == "RTX" || format.name == "RED" ||
        format.name == "ULPFEC" || format.name == "FLEXFEC-03")
      continue;
    auto name = format.name;
    if (const auto profile = format.parameter ("profile-level-id");
        !profile.empty ())
      name += " " + profile;
    if (format.name == "H264" && format.parameter ("packetization-mode") != "1")
      name += " in packetization mode 0";
    for (const char *key : {"profile-id", "profile"})
      if (const auto profile = format.parameter (key);
          !profile.empty () && profile != "0")
        name += " profile " + profile;
    if (pt < 96)
      name += " as payload type " + std::to_string (pt);
    if (std::find (names.begin (), names.end (), name) == names.end () &&
        names.size () < 12)
      names.push_back (name);
  }
  std::string text;
  for (const auto &name : names)
    text += (text.empty () ? "" : ", ") + name;
  return text.empty () ? "none" : text;
}

} // namespace robotlive
