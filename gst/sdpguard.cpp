// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sdpguard.hpp"
#include "sdpcodec.hpp"
#include "twccfeedback.hpp"
#include <algorithm>
#include <cstring>
#include <gst/sdp/sdp.h>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <set>

namespace robotlive {

namespace {

using Text = std::string_view;

// RFC 8839: ice-char = ALPHA / DIGIT / "+" / "/"
bool
is_ice_string (Text text, std::size_t min, std::size_t max)
{
  return text.size () >= min && text.size () <= max &&
         std::all_of (text.begin (), text.end (), [] (char c) {
           return g_ascii_isalnum (c) || c == '+' || c == '/';
         });
}

// RFC 8866: token, and short.
bool
is_token (Text text)
{
  return !text.empty () && text.size () <= 64 &&
         std::all_of (text.begin (), text.end (), [] (char c) {
           return g_ascii_isgraph (c) && !strchr ("\"(),/:;<=>?@[\\]", c);
         });
}

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
  OfferReader (const GstSDPMessage *message, const StreamCodec &codec,
      GuardedOffer *out, std::string *error)
      : message_ (message), codec_ (codec), out_ (out), error_ (error)
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
  void read_candidates ();
  void write ();
  void write_m_line (const MLine &line, bool picture);

  const GstSDPMessage *message_;
  const StreamCodec &codec_;
  GuardedOffer *out_;
  std::string *error_;
  std::vector<MLine> lines_;
  Transport transport_;
  bool bundled_ = false;
  bool has_picture_ = false;
  std::vector<std::string> candidates_;
  VideoChoice choice_;
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

  if (index == 0) {
    transport_ = own;
    out_->ice_ufrag = own.ufrag;
    out_->ice_pwd = own.pwd;
    return true;
  }
  if (own.ufrag != transport_.ufrag || own.pwd != transport_.pwd ||
      own.setup != transport_.setup ||
      own.fingerprints != transport_.fingerprints)
    return fail (index, "bundled m-lines differ in ICE or DTLS parameters");
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
OfferReader::read_picture (unsigned index)
{
  const auto &line = lines_[index];
  if (has_flag (line.media, "sendonly") || has_flag (line.media, "inactive"))
    return fail (index, "the offer does not want to receive the picture "
                        "(its direction is not recvonly or sendrecv)");
  FormatTable table;
  if (!read_formats (line.media, &table, error_))
    return false;
  if (!choose_video (line.media, table, codec_, &choice_)) {
    const std::string profile =
        codec_.profile_level_id.empty () ? "" : " " + codec_.profile_level_id;
    return fail ("no common codec: the robot sends " + codec_.encoding_name +
                 profile + ", the viewer offers " + describe (table));
  }
  lines_[index].payload_type = static_cast<int> (choice_.format.payload_type);
  out_->m_line = index;
  out_->payload_type = choice_.format.payload_type;
  out_->rtx_payload_type = choice_.rtx_payload_type;
  if (choice_.has_feedback ("transport-cc"))
    out_->twcc_id = twcc_id_of (line.media);
  if (codec_.encoding_name == "H264") {
    out_->profile_level_id = choice_.format.parameter ("profile-level-id");
    out_->level_asymmetry =
        choice_.format.parameter ("level-asymmetry-allowed") == "1";
  }
  has_picture_ = true;
  return true;
}

void
OfferReader::read_candidates ()
{
  // All of them belong to the one transport, whichever m-line they stand at.
  for (const auto &line : lines_)
    for (guint i = 0; candidates_.size () < 32; i++) {
      const char *text =
          gst_sdp_media_get_attribute_val_n (line.media, "candidate", i);
      if (!text)
        break;
      if (guard_candidate (std::string ("candidate:") + text) ==
          CandidateVerdict::Pass)
        candidates_.emplace_back (text);
    }
}

void
OfferReader::write_m_line (const MLine &line, bool picture)
{
  auto &sdp = out_->sdp;
  const auto attribute = [&sdp] (const std::string &text) {
    sdp += "a=" + text + "\r\n";
  };
  if (line.kind == "application") {
    sdp += "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
  } else {
    sdp += "m=" + line.kind + " 9 UDP/TLS/RTP/SAVPF " +
           std::to_string (line.payload_type);
    if (picture && choice_.rtx_payload_type >= 0)
      sdp += " " + std::to_string (choice_.rtx_payload_type);
    sdp += "\r\n";
  }
  sdp += "c=IN IP4 0.0.0.0\r\n";
  attribute ("mid:" + line.mid);
  attribute ("ice-ufrag:" + transport_.ufrag);
  attribute ("ice-pwd:" + transport_.pwd);
  attribute ("setup:" + transport_.setup);
  for (const auto &fingerprint : transport_.fingerprints)
    attribute ("fingerprint:sha-256 " + fingerprint);
  if (&line == &lines_.front ())
    for (const auto &candidate : candidates_)
      attribute ("candidate:" + candidate);
  if (line.kind == "application") {
    attribute ("sctp-port:5000");
    attribute ("max-message-size:65536");
    return;
  }
  attribute ("rtcp-mux");
  // What we do not send is answered inactive, whatever was asked for.
  attribute (picture ? "recvonly" : "inactive");
  FormatTable table;
  std::string ignored;
  read_formats (line.media, &table, &ignored);
  const Format &format =
      picture ? choice_.format : table.at (line.payload_type);
  const auto pt = std::to_string (format.payload_type);
  attribute ("rtpmap:" + pt + " " + format.rtpmap ());
  if (!picture)
    return;
  for (const char *feedback : {"nack", "nack pli", "ccm fir"})
    if (choice_.has_feedback (feedback))
      attribute ("rtcp-fb:" + pt + " " + feedback);
  if (out_->twcc_id) {
    attribute ("rtcp-fb:" + pt + " transport-cc");
    attribute ("extmap:" + std::to_string (out_->twcc_id) + " " + kTwccUri);
  }
  if (const auto fmtp = format.fmtp ({"packetization-mode", "profile-level-id",
          "level-asymmetry-allowed", "profile-id"});
      !fmtp.empty ())
    attribute ("fmtp:" + pt + " " + fmtp);
  if (choice_.rtx_payload_type >= 0) {
    const auto rtx = std::to_string (choice_.rtx_payload_type);
    attribute ("rtpmap:" + rtx + " rtx/90000");
    attribute ("fmtp:" + rtx + " apt=" + pt);
  }
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
  for (const auto &line : lines_)
    write_m_line (line, &line == &lines_[out_->m_line]);
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
  out_->mid = lines_.front ().mid;
  read_candidates ();
  write ();
  return true;
}

} // namespace

bool
guard_offer (const std::string &sdp, const StreamCodec &codec,
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
  return OfferReader (message, codec, out, error).read ();
}

CandidateVerdict
guard_candidate (Text text)
{
  // RFC 8839 section 5.1: candidate:foundation component transport priority
  // address port "typ" type, then pairs of extensions.
  if (text.size () > kMaxCandidateBytes)
    return CandidateVerdict::Refuse;
  if (text.substr (0, 2) == "a=")
    text.remove_prefix (2);
  if (text.substr (0, 10) != "candidate:")
    return CandidateVerdict::Refuse;
  text.remove_prefix (10);
  std::vector<Text> words;
  while (!text.empty ()) {
    const auto end = text.find (' ');
    words.push_back (text.substr (0, end));
    text.remove_prefix (end == Text::npos ? text.size () : end + 1);
  }
  const auto number = [] (Text word, unsigned max, unsigned *out) {
    guint64 value = 0;
    const std::string copy (word);
    if (copy.empty () || copy.size () > 10 ||
        !g_ascii_string_to_unsigned (
            copy.c_str (), 10, 0, max, &value, nullptr))
      return false;
    *out = static_cast<unsigned> (value);
    return true;
  };
  unsigned component = 0, priority = 0, port = 0;
  if (words.size () < 8 || words.size () > 40 ||
      !is_ice_string (words[0], 1, 32) || !number (words[1], 256, &component) ||
      component < 1 || !number (words[3], G_MAXUINT32, &priority) ||
      !number (words[5], 65535, &port) || words[6] != "typ")
    return CandidateVerdict::Refuse;
  for (const auto &word : words)
    if (word.empty () || !std::all_of (word.begin (), word.end (),
                             [] (char c) { return g_ascii_isgraph (c); }))
      return CandidateVerdict::Refuse;
  const Text type = words[7];
  if (type != "host" && type != "srflx" && type != "prflx" && type != "relay")
    return CandidateVerdict::Refuse;

  const std::string address (words[4]);
  if (address.size () > 253)
    return CandidateVerdict::Refuse;
  // A name would be looked up in the robot's network on a stranger's word.
  // The names that browsers hide addresses behind (mDNS) stay on the link.
  const bool literal = g_hostname_is_ip_address (address.c_str ());
  const bool mdns = g_str_has_suffix (address.c_str (), ".local");
  if (!literal && !mdns)
    return CandidateVerdict::Ignore;
  const std::string transport (words[2]);
  if (g_ascii_strcasecmp (transport.c_str (), "udp") != 0)
    return CandidateVerdict::Ignore;
  if (port == 0 || component != 1)
    return CandidateVerdict::Ignore;
  return CandidateVerdict::Pass;
}

bool
certificate_matches (const std::string &pem, const GuardedOffer &offer)
{
  const std::unique_ptr<BIO, int (*) (BIO *)> bio (
      BIO_new_mem_buf (pem.data (), static_cast<int> (pem.size ())), BIO_free);
  if (!bio)
    return false;
  const std::unique_ptr<X509, void (*) (X509 *)> certificate (
      PEM_read_bio_X509 (bio.get (), nullptr, nullptr, nullptr), X509_free);
  Sha256Digest digest;
  unsigned size = 0;
  if (!certificate ||
      X509_digest (certificate.get (), EVP_sha256 (), digest.data (), &size) !=
          1 ||
      size != digest.size ())
    return false;
  return std::find (offer.fingerprints.begin (), offer.fingerprints.end (),
             digest) != offer.fingerprints.end ();
}

} // namespace robotlive
