// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sdp/sdpguard.hpp"
#include "sdp/sdpcodec.hpp"
#include "sdp/sdptext.hpp"
#include "sdp/twccuri.hpp"
#include <gst/sdp/sdp.h>
#include <set>

namespace robotlive {

namespace {

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
    unsigned number; // among all of the offer's
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
  bool is_left_out (const GstSDPMedia *media);
  bool read_mid (
      unsigned index, const GstSDPMedia *media, bool wanted, std::string *mid);
  bool leave_out (unsigned index);
  bool read_m_line (unsigned index);
  bool read_transport (unsigned index, const GstSDPMedia *media);
  bool read_bundle ();
  bool read_picture (unsigned index);
  bool wants_to_receive (const MLine &line);
  void read_audio (unsigned index);
  void read_candidates ();
  void read_candidates (const GstSDPMedia *media);
  void write ();
  void write_m_line (unsigned index);
  void write_picture ();

  const GstSDPMessage *message_;
  const RobotStreams &streams_;
  GuardedOffer *out_;
  std::string *error_;
  std::vector<MLine> lines_; // those for webrtcbin
  std::set<std::string> mids_, left_out_mids_;
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
    if (own.fingerprints.insert (upper).second && lines_.empty ())
      out_->fingerprints.push_back (digest);
  }
  if (own.fingerprints.empty ())
    return fail (index, "no sha-256 fingerprint of the DTLS certificate");

  // Bundled, all go over the transport of the first one that is not rejected,
  // whatever the others name for a peer that cannot bundle (RFC 9143 section
  // 7.3.1).
  if (lines_.empty ()) {
    transport_ = own;
    out_->ice_ufrag = own.ufrag;
    out_->ice_pwd = own.pwd;
  }
  return true;
}

// What webrtcbin has no part in: data channels, as an SCTP packet of a peer's
// can abort sctpdec (1.22 to 1.26); kinds that are no media; and what the
// viewer itself has no use for (RFC 8829 section 5.2.2).
bool
OfferReader::is_left_out (const GstSDPMedia *media)
{
  const std::string kind = gst_sdp_media_get_media (media);
  return (kind != "audio" && kind != "video") ||
         (gst_sdp_media_get_port (media) == 0 &&
             !has_flag (media, "bundle-only"));
}

bool
OfferReader::read_mid (
    unsigned index, const GstSDPMedia *media, bool wanted, std::string *mid)
{
  if (!value (media, "mid", mid) || (mid->empty () ? wanted : !is_token (*mid)))
    return fail (index, "a=mid is missing or malformed");
  return mid->empty () || mids_.insert (*mid).second ||
         fail (index, "the mid of another m-line");
}

// It is rejected by port 0, in its place in the answer.
bool
OfferReader::leave_out (unsigned index)
{
  const GstSDPMedia *media = gst_sdp_message_get_media (message_, index);
  const std::string kind = gst_sdp_media_get_media (media);
  const std::string proto = gst_sdp_media_get_proto (media);
  const guint formats = gst_sdp_media_formats_len (media);
  const std::string format = formats ? gst_sdp_media_get_format (media, 0) : "";
  std::string mid;
  // RFC 8866: proto = token *("/" token)
  if (!is_token (kind) || !is_token (format) || formats > 128 ||
      proto.size () > 64 || proto.empty () ||
      !std::all_of (proto.begin (), proto.end (),
          [] (char c) { return g_ascii_isalnum (c) || strchr ("/-.+", c); }))
    return fail (index, "the m-line is malformed");
  if (!read_mid (index, media, false, &mid))
    return false;
  if (!mid.empty ())
    left_out_mids_.insert (mid);
  out_->rejected.push_back (
      {index, "m=" + kind + " 0 " + proto + " " + format, mid});
  return true;
}

bool
OfferReader::read_m_line (unsigned index)
{
  MLine line;
  line.media = gst_sdp_message_get_media (message_, index);
  line.number = index;
  line.kind = gst_sdp_media_get_media (line.media);
  const std::string proto = gst_sdp_media_get_proto (line.media);

  if (proto != "UDP/TLS/RTP/SAVPF")
    return fail (index, "the transport is not secured as WebRTC asks");
  const guint formats = gst_sdp_media_formats_len (line.media);
  if (formats < 1 || formats > 128)
    return fail (index, "no formats, or too many");
  if (!read_mid (index, line.media, true, &line.mid))
    return false;
  if (!has_flag (line.media, "rtcp-mux"))
    return fail (index, "a=rtcp-mux is missing");
  unsigned directions = 0;
  for (const char *key : {"sendrecv", "sendonly", "recvonly", "inactive"})
    directions += has_flag (line.media, key);
  if (directions > 1)
    return fail (index, "more than one direction");
  if (!read_transport (index, line.media))
    return false;

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
  // tag that is not the first m-line's, and on members that do not exist. What
  // is rejected is no member of what we answer, so it may stand anywhere.
  g_auto (GStrv) members = g_strsplit (group, " ", -1);
  std::set<std::string> seen;
  std::string wanted = "BUNDLE", named = members[0];
  for (const auto &line : lines_)
    wanted += " " + line.mid;
  for (guint i = 1; members[i]; i++) {
    if (!seen.insert (members[i]).second)
      return fail ("a member of the BUNDLE group stands there twice");
    if (!left_out_mids_.count (members[i]))
      named += " " + std::string (members[i]);
  }
  bundled_ = true;
  return named == wanted ||
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
    return fail (line.number, "the offer does not want to receive the picture "
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
OfferReader::read_candidates (const GstSDPMedia *media)
{
  std::string ufrag, pwd;
  if (!value (media, "ice-ufrag", &ufrag) || !value (media, "ice-pwd", &pwd) ||
      ufrag != transport_.ufrag || pwd != transport_.pwd)
    return;
  for (guint i = 0; candidates_.size () < 32; i++) {
    const char *text =
        gst_sdp_media_get_attribute_val_n (media, "candidate", i);
    if (!text)
      break;
    if (guard_candidate (std::string ("candidate:") + text) ==
            CandidateVerdict::Pass &&
        std::find (candidates_.begin (), candidates_.end (), text) ==
            candidates_.end ())
      candidates_.emplace_back (text);
  }
}

// Those of the transport that is used. One that bundles from the start names
// them in its first m-line alone, which may be a rejected one.
void
OfferReader::read_candidates ()
{
  for (guint i = 0; i < gst_sdp_message_medias_len (message_); i++)
    read_candidates (gst_sdp_message_get_media (message_, i));
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
  sdp += "m=" + line.kind + " 9 UDP/TLS/RTP/SAVPF " +
         std::to_string (line.payload_type);
  if (picture)
    for (const int pt : {out_->rtx_payload_type, out_->red_payload_type,
             out_->red_rtx_payload_type, out_->ulpfec_payload_type})
      if (pt >= 0)
        sdp += " " + std::to_string (pt);
  sdp += "\r\n";
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
    if (is_left_out (gst_sdp_message_get_media (message_, i))
            ? !leave_out (i)
            : !read_m_line (i))
      return false;
  if (!read_bundle ())
    return false;
  for (unsigned i = 0; i < lines_.size () && !has_picture_; i++)
    if (lines_[i].kind == "video" && !read_picture (i))
      return false;
  if (!has_picture_)
    return fail ("the offer has no video m-line, or none that is open");
  for (unsigned i = 0; streams_.audio && i < lines_.size () && !out_->audio;
       i++)
    if (lines_[i].kind == "audio")
      read_audio (i);
  out_->mid = lines_.front ().mid;
  out_->transport_line = lines_.front ().number;
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
