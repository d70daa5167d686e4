// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sdp/sdpguard.hpp"
#include "sdp/sdpcodec.hpp"
#include "sdp/sdptext.hpp"
#include "webrtc/twccfeedback.hpp"
#include <gst/sdp/sdp.h>
#include <set>

namespace robotlive {

namespace {

using Text = std::string_view;

bool
parse_sha256 (Text text, Sha256Digest *out)
{
  if (text.size () != 32 * 3 - 1)
    return false;
  for (std::size_t i = 0; i < 32; i++) {
    const int high = g_ascii_xdigit_value (text[i * 3]);
    const int low = g_ascii_xdigit_value (text[i * 3 + 1]);
    if (high < 0 || low < 0 || (i < 31 && text[i * 3 + 2] != ':'))
      return false;
    (*out)[i] = static_cast<std::uint8_t> (high * 16 + low);
  }
  return true;
}

// RFC 8285 section 5: "id[/direction] URI"; ids 1 to 14 fit one-byte headers.
// 0: not offered, or not in a way that we can send.
unsigned
twcc_id_of (const GstSDPMedia *media)
{
  unsigned found = 0;
  for (guint i = 0;; i++) {
    const char *text = gst_sdp_media_get_attribute_val_n (media, "extmap", i);
    if (!text)
      return found;
    g_auto (GStrv) words = g_strsplit (text, " ", 3);
    if (g_strv_length (words) != 2 || !g_str_equal (words[1], kTwccUri))
      continue;
    g_auto (GStrv) parts = g_strsplit (words[0], "/", 3);
    const guint count = g_strv_length (parts);
    guint64 id = 0;
    if (found || count < 1 || count > 2 ||
        !g_ascii_string_to_unsigned (parts[0], 10, 1, 14, &id, nullptr) ||
        (count == 2 && !g_str_equal (parts[1], "sendrecv") &&
            !g_str_equal (parts[1], "recvonly")))
      return 0; // twice, or none of ours
    found = static_cast<unsigned> (id);
  }
}

// Before any parser: size, lines of the shape "x=...", no control characters.
bool
check_lines (Text sdp, std::string *error)
{
  if (sdp.size () > kMaxSdpBytes) {
    *error = "the offer is larger than 64 KiB";
    return false;
  }
  if (sdp.substr (0, 3) != "v=0") {
    *error = "the offer does not begin with v=0";
    return false;
  }
  std::size_t lines = 0;
  std::set<char> seen;
  while (!sdp.empty ()) {
    const auto end = sdp.find ('\n');
    auto line = sdp.substr (0, end);
    sdp.remove_prefix (end == Text::npos ? sdp.size () : end + 1);
    if (!line.empty () && line.back () == '\r')
      line.remove_suffix (1);
    if (line.empty () && sdp.empty ())
      break;
    const bool printable =
        std::all_of (line.begin (), line.end (), [] (char c) {
          return static_cast<unsigned char> (c) >= 0x20 && c != 0x7f;
        });
    if (++lines > kMaxSdpLines || line.size () > kMaxSdpLineBytes ||
        line.size () < 2 || !g_ascii_islower (line[0]) || line[1] != '=' ||
        !printable) {
      *error = "line " + std::to_string (lines) + " of the offer is malformed";
      return false;
    }
    if (strchr ("vost", line[0]) && !seen.insert (line[0]).second) {
      *error =
          std::string ("the offer has more than one ") + line[0] + "= line";
      return false;
    }
  }
  if (seen.size () != 4) {
    *error = "the offer lacks one of its v=, o=, s= and t= lines";
    return false;
  }
  return true;
}

// The parameters of the one transport that all bundled m-lines share.
struct Transport
{
  std::string ufrag, pwd, setup;
  std::set<std::string> fingerprints; // sha-256, upper case
};

class OfferReader
{
public:
  OfferReader (const GstSDPMessage *message, const RobotStreams &streams,
      GuardedOffer *out, std::string *error)
      : message_ (message), streams_ (streams), out_ (out), error_ (error)
  {
  }
  bool read ();

private:
  struct MLine
  {
    const GstSDPMedia *media;
    std::string kind, mid;
    int payload_type = -1; // the one format that is left
  };

  bool fail (const std::string &text)
  {
    *error_ = text;
    return false;
  }
  bool fail (unsigned index, const std::string &text)
  {
    return fail ("m-line " + std::to_string (index) + ": " + text);
  }
  // The attribute of the m-line, else of the session. False when it stands
  // twice in one place.
  bool value (const GstSDPMedia *media, const char *key, std::string *out);
  bool has_flag (const GstSDPMedia *media, const char *key);
  bool read_m_line (unsigned index);
  bool read_transport (unsigned index, const GstSDPMedia *media);
  bool read_bundle ();
  bool read_picture (unsigned index);
  bool wants_to_receive (const MLine &line);
  void read_audio (unsigned index);
  void read_candidates ();
  void write ();
  void write_m_line (unsigned index);
  void write_picture ();

  const GstSDPMessage *message_;
  const RobotStreams &streams_;
  GuardedOffer *out_;
  std::string *error_;
  std::vector<MLine> lines_;
  Transport transport_;
  bool bundled_ = false;
  bool has_picture_ = false;
  std::vector<std::string> candidates_;
  VideoChoice choice_;
  Format audio_format_;
};

bool
OfferReader::value (const GstSDPMedia *media, const char *key, std::string *out)
{
  out->clear ();
  if (const char *text = gst_sdp_media_get_attribute_val (media, key)) {
    *out = text;
    return !gst_sdp_media_get_attribute_val_n (media, key, 1);
  }
  if (const char *text = gst_sdp_message_get_attribute_val (message_, key)) {
    *out = text;
    return !gst_sdp_message_get_attribute_val_n (message_, key, 1);
  }
  return true;
}

bool
OfferReader::has_flag (const GstSDPMedia *media, const char *key)
{
  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++)
    if (g_str_equal (gst_sdp_media_get_attribute (media, i)->key, key))
      return true;
  return false;
}

bool
OfferReader::read_transport (unsigned index, const GstSDPMedia *media)
{
  Transport own;
  if (!value (media, "ice-ufrag", &own.ufrag) ||
      !value (media, "ice-pwd", &own.pwd) ||
      !is_ice_string (own.ufrag, 4, 256) || !is_ice_string (own.pwd, 22, 256))
    return fail (index, "ice-ufrag or ice-pwd is missing or malformed");
  // RFC 8842 section 5.1 wants actpass; the other two are unambiguous as well.
  if (!value (media, "setup", &own.setup) ||
      (own.setup != "actpass" && own.setup != "active" &&
          own.setup != "passive"))
    return fail (index, "a=setup is missing or not actpass");

  const bool of_media =
      gst_sdp_media_get_attribute_val (media, "fingerprint") != nullptr;
  unsigned count = 0;
  for (guint i = 0;; i++) {
    const char *text =
        of_media
            ? gst_sdp_media_get_attribute_val_n (media, "fingerprint", i)
            : gst_sdp_message_get_attribute_val_n (message_, "fingerprint", i);
    if (!text)
      break;
    if (++count > 8)
      return fail (index, "too many fingerprints");
    if (g_ascii_strncasecmp (text, "sha-256 ", 8) != 0)
      continue;
    Sha256Digest digest;
    if (!parse_sha256 (text + 8, &digest))
      return fail (index, "malformed sha-256 fingerprint");
    g_autofree char *upper = g_ascii_strup (text + 8, -1);
    if (own.fingerprints.insert (upper).second && index == 0)
      out_->fingerprints.push_back (digest);
  }
  if (own.fingerprints.empty ())
    return fail (index, "no sha-256 fingerprint of the DTLS certificate");

  // Bundled, all go over the first one's transport, whatever the others name
  // for a peer that cannot bundle (RFC 9143).
  if (index == 0) {
    transport_ = own;
    out_->ice_ufrag = own.ufrag;
    out_->ice_pwd = own.pwd;
  }
  return true;
}

bool
OfferReader::read_m_line (unsigned index)
{
  MLine line;
  line.media = gst_sdp_message_get_media (message_, index);
  line.kind = gst_sdp_media_get_media (line.media);
  const std::string proto = gst_sdp_media_get_proto (line.media);
  const bool data = line.kind == "application";

  if (!data && line.kind != "audio" && line.kind != "video")
    return fail (index, "neither audio, video nor a data channel");
  if (data ? proto != "UDP/DTLS/SCTP" : proto != "UDP/TLS/RTP/SAVPF")
    return fail (index, "the transport is not secured as WebRTC asks");
  if (gst_sdp_media_get_port (line.media) == 0 &&
      !has_flag (line.media, "bundle-only"))
    return fail (index, "rejected (port 0) in an offer");
  const guint formats = gst_sdp_media_formats_len (line.media);
  if (formats < 1 || formats > 128 || (data && formats != 1))
    return fail (index, "no formats, or too many");
  if (!value (line.media, "mid", &line.mid) || !is_token (line.mid))
    return fail (index, "a=mid is missing or malformed");
  for (const auto &other : lines_)
    if (other.mid == line.mid)
      return fail (index, "the mid of another m-line");
  if (!data && !has_flag (line.media, "rtcp-mux"))
    return fail (index, "a=rtcp-mux is missing");
  if (data) {
    std::string port;
    if (!value (line.media, "sctp-port", &port) || port.empty () ||
        port.size () > 5 ||
        !std::all_of (port.begin (), port.end (),
            [] (char c) { return g_ascii_isdigit (c); }))
      return fail (index, "a=sctp-port is missing or malformed");
  }
  unsigned directions = 0;
  for (const char *key : {"sendrecv", "sendonly", "recvonly", "inactive"})
    directions += has_flag (line.media, key);
  if (directions > 1)
    return fail (index, "more than one direction");
  if (!read_transport (index, line.media))
    return false;

  if (!data) {
    FormatTable table;
    std::string why;
    if (!read_formats (line.media, &table, &why))
      return fail (index, why);
    if (table.empty ())
      return fail (index, "no format has an rtpmap");
    line.payload_type = table.begin ()->second.payload_type;
    for (guint i = 0; i < formats; i++) {
      const int pt = atoi (gst_sdp_media_get_format (line.media, i));
      if (table.count (pt)) {
        line.payload_type = pt;
        break;
      }
    }
  }
  lines_.push_back (line);
  return true;
}

bool
OfferReader::read_bundle ()
{
  const char *group = nullptr;
  for (guint i = 0;; i++) {
    const char *text =
        gst_sdp_message_get_attribute_val_n (message_, "group", i);
    if (!text)
      break;
    if (g_str_has_prefix (text, "BUNDLE")) {
      if (group)
        return fail ("more than one BUNDLE group");
      group = text;
    }
  }
  if (!group) {
    // With one m-line there is nothing to bundle.
    return lines_.size () == 1 ||
           fail ("several m-lines without a BUNDLE group");
  }
  // The members in m-line order and nothing else: webrtcbin 1.22 aborts on a
  // tag that is not the first m-line's, and on members that do not exist.
  std::string wanted = "BUNDLE";
  for (const auto &line : lines_)
    wanted += " " + line.mid;
  bundled_ = true;
  return group == wanted ||
         fail ("the BUNDLE group does not list the m-lines in their order");
}

bool
OfferReader::wants_to_receive (const MLine &line)
{
  return !has_flag (line.media, "sendonly") &&
         !has_flag (line.media, "inactive");
}

bool
OfferReader::read_picture (unsigned index)
{
  const auto &line = lines_[index];
  if (!wants_to_receive (line))
    return fail (index, "the offer does not want to receive the picture "
                        "(its direction is not recvonly or sendrecv)");
  FormatTable table;
  if (!read_formats (line.media, &table, error_))
    return false;
  const auto &pictures = streams_.pictures;
  std::size_t i = 0;
  while (i < pictures.size () &&
         !choose_video (line.media, table, pictures[i], &choice_))
    i++;
  if (i == pictures.size ()) {
    std::string ours;
    for (const auto &codec : pictures)
      ours += (ours.empty () ? "" : " or ") + describe (codec);
    return fail ("no common codec: the robot sends " + ours +
                 ", the viewer offers " + describe (table));
  }
  const auto &codec = pictures[i];
  lines_[index].payload_type = static_cast<int> (choice_.format.payload_type);
  out_->picture = i;
  out_->m_line = index;
  out_->payload_type = choice_.format.payload_type;
  out_->rtx_payload_type = choice_.rtx_payload_type;
  if (streams_.fec && choice_.ulpfec_payload_type >= 0) {
    out_->red_payload_type = choice_.red_payload_type;
    out_->red_rtx_payload_type = choice_.red_rtx_payload_type;
    out_->ulpfec_payload_type = choice_.ulpfec_payload_type;
  }
  if (choice_.has_feedback ("transport-cc"))
    out_->twcc_id = twcc_id_of (line.media);
  if (codec.encoding_name == "H264") {
    out_->profile_level_id = choice_.format.parameter ("profile-level-id");
    out_->level_asymmetry =
        choice_.format.parameter ("level-asymmetry-allowed") == "1";
  }
  has_picture_ = true;
  return true;
}

// Sound is an extra: what does not fit is answered inactive.
void
OfferReader::read_audio (unsigned index)
{
  const auto &line = lines_[index];
  FormatTable table;
  std::string ignored;
  if (!wants_to_receive (line) || !read_formats (line.media, &table, &ignored))
    return;
  if (!choose_opus (line.media, table, &audio_format_))
    return;
  lines_[index].payload_type = static_cast<int> (audio_format_.payload_type);
  out_->audio = GuardedAudio{index, audio_format_.payload_type};
}

void
OfferReader::read_candidates ()
{
  // Those of the transport that is used.
  for (guint i = 0; candidates_.size () < 32; i++) {
    const char *text = gst_sdp_media_get_attribute_val_n (
        lines_.front ().media, "candidate", i);
    if (!text)
      break;
    if (guard_candidate (std::string ("candidate:") + text) ==
        CandidateVerdict::Pass)
      candidates_.emplace_back (text);
  }
}

void
OfferReader::write_m_line (unsigned index)
{
  const auto &line = lines_[index];
  const bool picture = index == out_->m_line;
  const bool audio = out_->audio && out_->audio->m_line == index;
  auto &sdp = out_->sdp;
  const auto attribute = [&sdp] (const std::string &text) {
    sdp += "a=" + text + "\r\n";
  };
  if (line.kind == "application") {
    sdp += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
  } else {
    sdp += "m=" + line.kind + " 9 UDP/TLS/RTP/SAVPF " +
           std::to_string (line.payload_type);
    if (picture)
      for (const int pt : {out_->rtx_payload_type, out_->red_payload_type,
               out_->red_rtx_payload_type, out_->ulpfec_payload_type})
        if (pt >= 0)
          sdp += " " + std::to_string (pt);
    sdp += "\r\n";
  }
  sdp += "c=IN IP4 0.0.0.0\r\n";
  attribute ("mid:" + line.mid);
  attribute ("ice-ufrag:" + transport_.ufrag);
  attribute ("ice-pwd:" + transport_.pwd);
  attribute ("setup:" + transport_.setup);
  for (const auto &fingerprint : transport_.fingerprints)
    attribute ("fingerprint:sha-256 " + fingerprint);
  if (index == 0)
    for (const auto &candidate : candidates_)
      attribute ("candidate:" + candidate);
  if (line.kind == "application") {
    attribute ("sctp-port:5000");
    attribute ("max-message-size:65536");
    return;
  }
  attribute ("rtcp-mux");
  // What we do not send is answered inactive, whatever was asked for.
  attribute (picture || audio ? "recvonly" : "inactive");
  if (picture) {
    write_picture ();
    return;
  }
  FormatTable table;
  std::string ignored;
  read_formats (line.media, &table, &ignored);
  const Format &format = table.at (line.payload_type);
  const auto pt = std::to_string (format.payload_type);
  attribute ("rtpmap:" + pt + " " + format.rtpmap ());
  if (const auto fmtp = format.fmtp ({"minptime", "useinbandfec", "stereo"});
      audio && !fmtp.empty ())
    attribute ("fmtp:" + pt + " " + fmtp);
}

// The formats of the picture's m-line.
void
OfferReader::write_picture ()
{
  auto &sdp = out_->sdp;
  const auto attribute = [&sdp] (const std::string &text) {
    sdp += "a=" + text + "\r\n";
  };
  const auto retransmission = [&attribute] (int rtx, int apt) {
    if (rtx < 0)
      return;
    attribute ("rtpmap:" + std::to_string (rtx) + " rtx/90000");
    attribute ("fmtp:" + std::to_string (rtx) + " apt=" + std::to_string (apt));
  };
  const Format &format = choice_.format;
  const auto pt = std::to_string (format.payload_type);
  attribute ("rtpmap:" + pt + " " + format.rtpmap ());
  for (const char *feedback : {"nack", "nack pli", "ccm fir"})
    if (choice_.has_feedback (feedback))
      attribute ("rtcp-fb:" + pt + " " + feedback);
  if (out_->twcc_id) {
    attribute ("rtcp-fb:" + pt + " transport-cc");
    attribute ("extmap:" + std::to_string (out_->twcc_id) + " " + kTwccUri);
  }
  if (const auto fmtp = format.fmtp ({"packetization-mode", "profile-level-id",
          "level-asymmetry-allowed", "profile-id", "tier-flag", "level-id",
          "tx-mode", "profile", "level-idx", "tier"});
      !fmtp.empty ())
    attribute ("fmtp:" + pt + " " + fmtp);
  retransmission (
      out_->rtx_payload_type, static_cast<int> (format.payload_type));
  if (out_->ulpfec_payload_type < 0)
    return;
  attribute (
      "rtpmap:" + std::to_string (out_->red_payload_type) + " red/90000");
  retransmission (out_->red_rtx_payload_type, out_->red_payload_type);
  attribute (
      "rtpmap:" + std::to_string (out_->ulpfec_payload_type) + " ulpfec/90000");
}

void
OfferReader::write ()
{
  auto &sdp = out_->sdp;
  sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
  if (bundled_) {
    sdp += "a=group:BUNDLE";
    for (const auto &line : lines_)
      sdp += " " + line.mid;
    sdp += "\r\n";
  }
  // Only then does webrtcbin take candidates that come later.
  sdp += "a=ice-options:trickle\r\n";
  for (unsigned i = 0; i < lines_.size (); i++)
    write_m_line (i);
}

bool
OfferReader::read ()
{
  const guint count = gst_sdp_message_medias_len (message_);
  if (count < 1 || count > kMaxMLines)
    return fail (
        "the offer has no m-line, or more than " + std::to_string (kMaxMLines));
  for (guint i = 0; i < count; i++)
    if (!read_m_line (i))
      return false;
  if (!read_bundle ())
    return false;
  for (guint i = 0; i < count && !has_picture_; i++)
    if (lines_[i].kind == "video" && !read_picture (i))
      return false;
  if (!has_picture_)
    return fail ("the offer has no video m-line");
  for (guint i = 0; streams_.audio && i < count && !out_->audio; i++)
    if (lines_[i].kind == "audio")
      read_audio (i);
  out_->mid = lines_.front ().mid;
  read_candidates ();
  write ();
  return true;
}

} // namespace

bool
guard_offer (const std::string &sdp, const RobotStreams &streams,
    GuardedOffer *out, std::string *error)
{
  *out = GuardedOffer ();
  if (!check_lines (sdp, error))
    return false;
  g_autoptr (GstSDPMessage) message = nullptr;
  if (gst_sdp_message_new (&message) != GST_SDP_OK ||
      gst_sdp_message_parse_buffer (
          reinterpret_cast<const guint8 *> (sdp.c_str ()),
          static_cast<guint> (sdp.size ()), message) != GST_SDP_OK) {
    *error = "the offer cannot be parsed as SDP";
    return false;
  }
  return OfferReader (message, streams, out, error).read ();
}

} // namespace robotlive
