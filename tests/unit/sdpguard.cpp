// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The SDP guard against offers of real clients and of hostile ones.
#include "guardtest.hpp"
#include <gst/gst.h>
#include <gtest/gtest.h>

using namespace robotlive;
using namespace robotlive::test;

namespace {

const StreamCodec kH264{"H264", "42c01f"};
const StreamCodec kH264Main{"H264", "4d401f"};
const StreamCodec kH264High{"H264", "640028"};

} // namespace

TEST (SdpGuard, TakesWhatRealClientsOffer)
{
  for (const auto &[name, sdp] : real_offers ()) {
    const auto outcome = guard (sdp);
    EXPECT_TRUE (outcome.ok) << name << ": " << outcome.error;
    EXPECT_EQ (outcome.offer.fingerprints.size (), 1u) << name;
    EXPECT_GE (outcome.offer.payload_type, 96u) << name;
  }
}

// What clients wrote, byte by byte (offers/README.md).
TEST (SdpGuard, AnswersWhatClientsWrote)
{
  const struct
  {
    const char *file;
    unsigned h264, vp8, opus; // payload types; 0: not offered
  } rows[] = {{"chromium-video", 108, 96, 0}, {"chromium-all", 108, 96, 111},
      {"libwebrtc", 0, 96, 111}, {"libdatachannel", 97, 98, 111},
      {"aiortc", 101, 97, 96}, {"werift", 0, 98, 96},
      {"firefox-video", 0, 120, 0}, {"firefox-all", 0, 120, 109},
      {"pion", 125, 96, 111}, {"safari-13", 98, 100, 0},
      {"safari-16", 98, 104, 111}, {"safari-18-video", 98, 106, 0},
      {"safari-18-all", 98, 106, 111}};
  const char *folder = g_getenv ("OFFERS");
  ASSERT_NE (folder, nullptr);
  for (const auto &row : rows) {
    const auto path = std::string (folder) + "/" + row.file + ".sdp";
    g_autofree char *text = nullptr;
    ASSERT_TRUE (g_file_get_contents (path.c_str (), &text, nullptr, nullptr))
        << path;
    RobotStreams streams{{kVp8}};
    streams.audio = streams.fec = true;
    const auto vp8 = guard (text, streams);
    ASSERT_TRUE (vp8.ok) << row.file << ": " << vp8.error;
    EXPECT_EQ (vp8.offer.payload_type, row.vp8) << row.file;
    EXPECT_EQ (vp8.offer.audio ? vp8.offer.audio->payload_type : 0, row.opus)
        << row.file;
    const auto h264 = guard (text, kH264);
    EXPECT_EQ (h264.ok, row.h264 != 0) << row.file << ": " << h264.error;
    EXPECT_EQ (h264.offer.payload_type, row.h264) << row.file;
    // What is written for webrtcbin passes as well.
    const auto again = guard (vp8.offer.sdp, streams);
    EXPECT_TRUE (again.ok) << row.file << ": " << again.error;
    EXPECT_EQ (again.offer.sdp, vp8.offer.sdp) << row.file;
  }
}

// Safari 18 offers H.265 without any parameter, or with a level alone: Main
// (RFC 7798 section 7.1). High stands before Constrained Baseline, mode 0
// behind both.
TEST (SdpGuard, TakesSafarisOtherFormats)
{
  const char *folder = g_getenv ("OFFERS");
  ASSERT_NE (folder, nullptr);
  g_autofree char *text = nullptr;
  ASSERT_TRUE (g_file_get_contents (
      (std::string (folder) + "/safari-18-video.sdp").c_str (), &text, nullptr,
      nullptr));
  const auto type = [&text] (const StreamCodec &codec) {
    const auto outcome = guard (text, codec);
    return outcome.ok ? outcome.offer.payload_type : 0;
  };
  EXPECT_EQ (type (StreamCodec{"H265", "", 1}), 104u);
  EXPECT_EQ (type (StreamCodec{"H265", "", 2}), 0u); // Main 10
  EXPECT_EQ (type (kH264High), 96u);
  EXPECT_EQ (type (StreamCodec{"VP9", "", 0}), 108u);
  EXPECT_EQ (type (StreamCodec{"VP9", "", 2}), 127u);
  EXPECT_EQ (type (StreamCodec{"AV1", "", 0}), 0u);
  RobotStreams streams{{kVp8}};
  streams.fec = true;
  const auto outcome = guard (text, streams);
  EXPECT_EQ (outcome.offer.rtx_payload_type, 107);
  EXPECT_EQ (outcome.offer.ulpfec_payload_type, 114);
  EXPECT_EQ (outcome.offer.twcc_id, 4);
  std::string levelled = text;
  levelled.insert (levelled.find ("a=rtpmap:105 rtx"),
      "a=fmtp:104 level-id=93;tx-mode=SRST\r\n");
  const auto main = guard (levelled, StreamCodec{"H265", "", 1});
  EXPECT_EQ (main.ok ? main.offer.payload_type : 0, 104u);
}

// aiortc's m-lines have transports of their own before they are bundled.
TEST (SdpGuard, TakesTheTransportOfTheFirstMLine)
{
  const auto base = chromium_with_audio_and_data ();
  const auto video = base.find ("m=video");
  auto other = base;
  other.replace (
      other.find ("a=ice-ufrag:Xy7k", video), 16, "a=ice-ufrag:Zz9z");
  other.insert (
      other.find ("a=mid:1"), "a=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n");
  const auto outcome = guard (other);
  ASSERT_TRUE (outcome.ok) << outcome.error;
  EXPECT_EQ (outcome.offer.ice_ufrag, "Xy7k");
  EXPECT_EQ (outcome.offer.sdp.find ("Zz9z"), std::string::npos);
  EXPECT_EQ (outcome.offer.sdp.find ("192.0.2.9"), std::string::npos);
}

// Chromium's one format for High has a payload type that cannot be sent.
TEST (SdpGuard, SendsHighToAHighDecoderByAnotherType)
{
  const auto chromium = guard (chromium_offer (), kH264High);
  ASSERT_TRUE (chromium.ok) << chromium.error;
  EXPECT_EQ (chromium.offer.payload_type, 123u); // 4d001f, the nearest
  EXPECT_EQ (guard (safari_offer (), kH264High).offer.payload_type, 96u);
  EXPECT_EQ (guard (safari_offer (), kH264).offer.payload_type, 98u);
}

TEST (SdpGuard, PicksTheH264FormatThatTheStreamFits)
{
  const auto chromium = guard (chromium_offer (), kH264);
  ASSERT_TRUE (chromium.ok) << chromium.error;
  EXPECT_EQ (chromium.offer.payload_type, 108u); // 42e01f, mode 1
  EXPECT_EQ (chromium.offer.profile_level_id, "42e01f");
  EXPECT_EQ (chromium.offer.rtx_payload_type, 109);
  EXPECT_TRUE (chromium.offer.level_asymmetry);

  EXPECT_EQ (guard (chromium_offer (), kH264Main).offer.payload_type, 123u);
  // Firefox's decoder takes Constrained Baseline alone.
  const auto refused = guard (firefox_offer (), kH264High);
  EXPECT_FALSE (refused.ok);
  EXPECT_NE (refused.error.find ("H264 640028"), std::string::npos);
  EXPECT_NE (refused.error.find ("42e01f"), std::string::npos);
}

TEST (SdpGuard, NamesBothSidesWhenNoCodecIsCommon)
{
  const auto outcome = guard (firefox_without_h264 (), kH264);
  EXPECT_FALSE (outcome.ok);
  EXPECT_NE (outcome.error.find ("robot sends H264"), std::string::npos);
  EXPECT_NE (outcome.error.find ("VP8"), std::string::npos);
}

TEST (SdpGuard, WritesTheOfferAnewWithoutTheViewersText)
{
  const auto outcome = guard (with (chromium_offer (), "a=rtcp-rsize\r\n",
      "a=rtcp-rsize\r\na=x-evil:<script>\r\na=recvonly-ish:1\r\n"
      "a=ssrc:1 cname:x\r\na=extmap:1 urn:x\r\n"));
  ASSERT_TRUE (outcome.ok) << outcome.error;
  for (const char *absent : {"evil", "recvonly-ish", "ssrc", "urn:x"})
    EXPECT_EQ (outcome.offer.sdp.find (absent), std::string::npos) << absent;
  // And passes the guard itself.
  const auto again = guard (outcome.offer.sdp);
  EXPECT_TRUE (again.ok) << again.error;
  EXPECT_EQ (again.offer.sdp, outcome.offer.sdp);
}

TEST (SdpGuard, KeepsTheFeedbackExtensionWhenItCanBeSent)
{
  const std::string uri = "http://www.ietf.org/id/"
                          "draft-holmer-rmcat-transport-wide-cc-extensions-01";
  const auto offer = chromium_offer ();
  const auto outcome = guard (offer);
  ASSERT_TRUE (outcome.ok) << outcome.error;
  EXPECT_EQ (outcome.offer.twcc_id, 4u);
  EXPECT_NE (
      outcome.offer.sdp.find ("a=extmap:4 " + uri + "\r\n"), std::string::npos);
  EXPECT_NE (outcome.offer.sdp.find ("transport-cc"), std::string::npos);
  const auto id_of = [&] (const std::string &value) {
    return guard (with (offer, "a=extmap:4 " + uri, "a=extmap:" + value));
  };
  EXPECT_EQ (id_of ("14/recvonly " + uri).offer.twcc_id, 14u);
  // Not in a one-byte header, not a number, not towards the viewer, twice,
  // with attributes: the offer passes, without feedback.
  for (const auto &value : {"0 " + uri, "15 " + uri, "-1 " + uri, "x " + uri,
           "4/sendonly " + uri, "4/ " + uri, "4 " + uri + "x",
           "4 " + uri + " x", "4 " + uri + "\r\na=extmap:5 " + uri}) {
    const auto other = id_of (value);
    EXPECT_TRUE (other.ok) << other.error;
    EXPECT_EQ (other.offer.twcc_id, 0u) << value;
    EXPECT_EQ (other.offer.sdp.find ("extmap"), std::string::npos) << value;
  }
}

TEST (SdpGuard, AnswersOtherMLinesInactive)
{
  const auto outcome = guard (chromium_with_audio_and_data ());
  ASSERT_TRUE (outcome.ok) << outcome.error;
  EXPECT_EQ (outcome.offer.m_line, 1u);
  EXPECT_EQ (outcome.offer.mid, "0");
  const auto audio = outcome.offer.sdp.find ("m=audio");
  const auto video = outcome.offer.sdp.find ("m=video");
  ASSERT_LT (audio, video);
  EXPECT_LT (outcome.offer.sdp.find ("a=inactive"), video);
}

TEST (SdpGuard, TakesTheSoundAlongWhenItIsWanted)
{
  RobotStreams streams{{kVp8}};
  streams.audio = true;
  const auto base = chromium_with_audio_and_data ();
  const auto outcome = guard (base, streams);
  ASSERT_TRUE (outcome.ok) << outcome.error;
  ASSERT_TRUE (outcome.offer.audio);
  EXPECT_EQ (outcome.offer.audio->m_line, 0u);
  EXPECT_EQ (outcome.offer.audio->payload_type, 111u);
  const auto audio =
      outcome.offer.sdp.substr (0, outcome.offer.sdp.find ("m=video"));
  EXPECT_NE (audio.find ("a=recvonly"), std::string::npos);
  EXPECT_NE (audio.find ("OPUS/48000/2"), std::string::npos);
  // An extra: what does not fit costs nothing but the sound.
  const struct
  {
    const char *from, *to;
  } cases[] = {{"a=mid:0\r\na=recvonly", "a=mid:0\r\na=sendonly"},
      {"a=mid:0\r\na=recvonly", "a=mid:0\r\na=inactive"},
      {"opus/48000/2", "opus/48000"}, {"opus/48000/2", "opus/16000/2"},
      {"opus/48000/2", "speex/48000/2"}};
  for (const auto &c : cases) {
    const auto without = guard (with (base, c.from, c.to), streams);
    EXPECT_TRUE (without.ok) << c.to << ": " << without.error;
    EXPECT_FALSE (without.offer.audio) << c.to;
    EXPECT_NE (without.offer.sdp.find ("a=inactive"), std::string::npos);
  }
}

TEST (SdpGuard, GivesTheFirstCodecThatTheViewerDecodes)
{
  const RobotStreams streams{{kH264, kVp8}};
  const auto chromium = guard (chromium_offer (), streams);
  ASSERT_TRUE (chromium.ok) << chromium.error;
  EXPECT_EQ (chromium.offer.picture, 0u);
  EXPECT_EQ (chromium.offer.payload_type, 108u);
  const auto firefox = guard (firefox_without_h264 (), streams);
  ASSERT_TRUE (firefox.ok) << firefox.error;
  EXPECT_EQ (firefox.offer.picture, 1u);
  EXPECT_EQ (firefox.offer.payload_type, 120u);
  const auto none = guard (firefox_without_h264 (),
      RobotStreams{{kH264, StreamCodec{"H265", "", 1}}});
  EXPECT_FALSE (none.ok);
  EXPECT_NE (
      none.error.find ("H264 42c01f or H265 profile 1"), std::string::npos)
      << none.error;
}

TEST (SdpGuard, ComparesProfiles)
{
  const auto vp9 = with (chromium_offer (), "a=rtpmap:96 VP8/90000",
      "a=rtpmap:96 H265/90000\r\na=fmtp:96 level-id=93;profile-id=2");
  const auto offers = [&vp9] (const char *name, int profile) {
    return guard (vp9, StreamCodec{name, "", profile}).ok;
  };
  EXPECT_TRUE (offers ("VP9", 0));
  EXPECT_TRUE (offers ("VP9", -1));
  EXPECT_FALSE (offers ("VP9", 2));
  EXPECT_TRUE (offers ("H265", 1)); // a decoder of Main 10 decodes Main
  EXPECT_TRUE (offers ("H265", 2));
  EXPECT_FALSE (offers ("H265", 4));
  EXPECT_FALSE (offers ("AV1", 0)); // payload type 45: below our payloaders'
  const auto mains = with (vp9, "profile-id=2", "profile-id=1");
  EXPECT_FALSE (guard (mains, StreamCodec{"H265", "", 2}).ok);
  const auto bad = with (vp9, "profile-id=2", "profile-id=x");
  EXPECT_FALSE (guard (bad, StreamCodec{"H265", "", 1}).ok);
  const auto av1 = with (with (chromium_offer (), " 45 46", " 103 46"),
      "a=rtpmap:45 AV1/90000\r\na=fmtp:45",
      "a=rtpmap:103 AV1/90000\r\n"
      "a=fmtp:103");
  EXPECT_EQ (guard (av1, StreamCodec{"AV1", "", 0}).offer.payload_type, 103u);
  EXPECT_FALSE (guard (av1, StreamCodec{"AV1", "", 1}).ok);
}

TEST (SdpGuard, PrefersALevelThatSuffices)
{
  const auto two = with (
      chromium_offer (), "profile-level-id=42001f", "profile-level-id=42e028");
  EXPECT_EQ (guard (two, StreamCodec{"H264", "42c028"}).offer.payload_type,
      102u);                                               // level 4
  EXPECT_EQ (guard (two, kH264).offer.payload_type, 102u); // both suffice
  // None suffices: browsers decode above the level that they name.
  EXPECT_EQ (guard (chromium_offer (), StreamCodec{"H264", "42c033"})
                 .offer.payload_type,
      108u);
}

TEST (SdpGuard, SaysWhenThePacketizationModeIsTheReason)
{
  const auto single =
      with (firefox_offer (), "packetization-mode=1", "packetization-mode=0");
  const auto outcome = guard (single, kH264);
  EXPECT_FALSE (outcome.ok);
  EXPECT_NE (outcome.error.find ("in packetization mode 0"), std::string::npos)
      << outcome.error;
}

TEST (SdpGuard, TakesForwardErrorCorrectionOnlyWhenTold)
{
  const auto base =
      with (with (chromium_offer (), "SAVPF 96 97", "SAVPF 96 97 114 115 116"),
          "a=rtpmap:97 rtx/90000",
          "a=rtpmap:114 red/90000\r\n"
          "a=rtpmap:115 rtx/90000\r\na=fmtp:115 apt=114\r\n"
          "a=rtpmap:116 ulpfec/90000\r\na=rtpmap:97 rtx/90000");
  RobotStreams streams{{kVp8}};
  const auto off = guard (base, streams);
  ASSERT_TRUE (off.ok) << off.error;
  EXPECT_EQ (off.offer.ulpfec_payload_type, -1);
  EXPECT_EQ (off.offer.sdp.find ("ulpfec"), std::string::npos);
  streams.fec = true;
  const auto on = guard (base, streams);
  EXPECT_EQ (on.offer.red_payload_type, 114);
  EXPECT_EQ (on.offer.red_rtx_payload_type, 115);
  EXPECT_EQ (on.offer.ulpfec_payload_type, 116);
  EXPECT_NE (
      on.offer.sdp.find ("SAVPF 96 97 114 115 116\r\n"), std::string::npos);
  // Half of it is none of it.
  const auto half =
      guard (with (base, "116 ulpfec", "116 flexfec-03"), streams);
  ASSERT_TRUE (half.ok) << half.error;
  EXPECT_EQ (half.offer.red_payload_type, -1);
  EXPECT_EQ (half.offer.sdp.find ("red/90000"), std::string::npos);
}

TEST (SdpGuard, RefusesWhatWouldAbortOrMislead)
{
  const auto base = chromium_offer ();
  ASSERT_TRUE (guard (base).ok);
  const struct
  {
    const char *what, *from, *to;
  } cases[] = {
      {"version", "v=0", "v=1"},
      {"no origin", "o=- ", "x=- "},
      {"control character", "s=-", "s=\x01"},
      {"line without =", "s=-\r\n", "s=-\r\nnonsense\r\n"},
      {"two sessions", "s=-\r\n", "s=-\r\ns=-\r\n"},
      {"unknown kind", "m=video", "m=image"},
      {"plain RTP", "UDP/TLS/RTP/SAVPF", "RTP/AVP"},
      {"rejected", "m=video 9", "m=video 0"},
      {"no mid", "a=mid:0", "a=dim:0"},
      {"strange mid", "a=mid:0", "a=mid:a b"},
      {"two mids", "a=mid:0", "a=mid:0\r\na=mid:1"},
      {"bundle of others", "BUNDLE 0", "BUNDLE 7"},
      {"bundle twice", "a=group:BUNDLE 0",
          "a=group:BUNDLE 0\r\na=group:BUNDLE 0"},
      {"bundle with a stranger", "BUNDLE 0", "BUNDLE 0 1"},
      {"no mux", "a=rtcp-mux\r\n", ""},
      {"no ufrag", "a=ice-ufrag:", "a=ice-gone:"},
      {"short ufrag", "a=ice-ufrag:", "a=ice-ufrag:a\r\na=x:"},
      {"short pwd", "a=ice-pwd:", "a=ice-pwd:short\r\na=x:"},
      {"no setup", "a=setup:actpass\r\n", ""},
      {"held connection", "a=setup:actpass", "a=setup:holdconn"},
      {"no fingerprint", "a=fingerprint:", "a=toeprint:"},
      {"sha-1 alone", "a=fingerprint:sha-256 ", "a=fingerprint:sha-1 "},
      {"short fingerprint", "a=fingerprint:sha-256 ",
          "a=fingerprint:sha-256 AA:BB\r\na=x:"},
      {"sends", "a=recvonly", "a=sendonly"},
      {"inactive", "a=recvonly", "a=inactive"},
      {"two directions", "a=recvonly", "a=recvonly\r\na=sendrecv"},
      {"no number", "SAVPF 96", "SAVPF x96"},
      {"payload type out of range", "SAVPF 96", "SAVPF 256"},
      {"payload type twice", "SAVPF 96", "SAVPF 96 96"},
      {"rtpmap without rate", "a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP8"},
      {"rtpmap twice", "a=rtpmap:96 VP8/90000",
          "a=rtpmap:96 VP8/90000\r\na=rtpmap:96 VP9/90000"},
  };
  for (const auto &c : cases)
    EXPECT_FALSE (guard (with (base, c.from, c.to)).ok) << c.what;
}

TEST (SdpGuard, RefusesASwappedBundle)
{
  const auto base = chromium_with_audio_and_data ();
  ASSERT_TRUE (guard (base).ok);
  EXPECT_FALSE (guard (with (base, "BUNDLE 0 1 2", "BUNDLE 2 1 0")).ok);
  EXPECT_FALSE (guard (with (base, "BUNDLE 0 1 2", "BUNDLE 1 0")).ok);
  EXPECT_FALSE (guard (with (base, "BUNDLE 0 1 2", "BUNDLE 0 2")).ok);
  EXPECT_FALSE (guard (with (base, "a=group:BUNDLE 0 1 2\r\n", "")).ok);
  EXPECT_FALSE (guard (with (base, "a=mid:2", "a=mid:1")).ok);
}

TEST (SdpGuard, KnowsItsLimits)
{
  EXPECT_FALSE (guard ("").ok);
  EXPECT_FALSE (guard ("v=0\r\n").ok);
  EXPECT_FALSE (guard (std::string ("v=0\0\r\n", 6)).ok);
  EXPECT_FALSE (guard (chromium_offer () + std::string (kMaxSdpBytes, 'a')).ok);
  std::string many = chromium_offer ();
  for (std::size_t i = 0; i < kMaxSdpLines; i++)
    many += "a=x\r\n";
  EXPECT_FALSE (guard (many).ok);
  EXPECT_FALSE (guard (
      chromium_offer () + "a=" + std::string (kMaxSdpLineBytes, 'x') + "\r\n")
                    .ok);
  std::string lines = chromium_offer ();
  for (unsigned i = 0; i < kMaxMLines; i++)
    lines += "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
  EXPECT_FALSE (guard (lines).ok);
}

TEST (SdpGuard, SurvivesEveryTruncationAndBitFlip)
{
  const auto base = chromium_with_audio_and_data ();
  for (std::size_t i = 0; i < base.size (); i += 7)
    guard (base.substr (0, i));
  for (std::size_t i = 0; i < base.size (); i += 3) {
    auto flipped = base;
    flipped[i] = static_cast<char> (flipped[i] ^ (1 << (i % 8)));
    guard (flipped);
  }
}

TEST (SdpGuard, PutsAddressesInPlaceOfNames)
{
  const std::string rest = " 5000 typ host generation 0";
  const std::string named = "candidate:1 1 udp 2122 8f1c0d2e-1.local" + rest;
  EXPECT_EQ (candidate_name (named), "8f1c0d2e-1.local");
  EXPECT_EQ (candidate_name ("a=" + named), "8f1c0d2e-1.local");
  EXPECT_EQ (with_address (named, "192.0.2.1"),
      "candidate:1 1 udp 2122 192.0.2.1" + rest);
  EXPECT_EQ (with_address ("a=" + named, "2001:db8::1"),
      "a=candidate:1 1 udp 2122 2001:db8::1" + rest);
  EXPECT_EQ (candidate_name ("candidate:1 1 udp 2122 192.0.2.1" + rest), "");
  for (const char *text : {"", "candidate:1", "a b c d ", "a b c d", "    "})
    EXPECT_EQ (candidate_name (text), "") << text;
}

TEST (SdpGuard, SortsCandidates)
{
  using V = CandidateVerdict;
  const auto is = [] (const char *text) { return guard_candidate (text); };
  EXPECT_EQ (is ("candidate:1 1 UDP 2122 192.0.2.1 5000 typ host"), V::Pass);
  EXPECT_EQ (
      is ("a=candidate:1 1 udp 2122 2001:db8::1 5000 typ host"), V::Pass);
  EXPECT_EQ (is ("candidate:1 1 udp 2122 8f1c0d2e-1.local 5000 typ host "
                 "generation 0 ufrag abcd network-cost 999"),
      V::Pass);
  EXPECT_EQ (is ("candidate:1 1 udp 2122 192.0.2.1 5000 typ srflx raddr "
                 "10.0.0.1 rport 4000"),
      V::Pass);
  EXPECT_EQ (is ("candidate:1 1 tcp 2122 192.0.2.1 9 typ host tcptype active"),
      V::Ignore);
  EXPECT_EQ (
      is ("candidate:1 1 udp 2122 example.com 5000 typ host"), V::Ignore);
  EXPECT_EQ (is ("candidate:1 2 udp 2122 192.0.2.1 5000 typ host"), V::Ignore);
  for (const char *bad : {"", "nonsense", "candidate:", "candidate:1 1 udp",
           "candidate:1 0 udp 2122 192.0.2.1 5000 typ host",
           "candidate:1 1 udp -1 192.0.2.1 5000 typ host",
           "candidate:1 1 udp 2122 192.0.2.1 70000 typ host",
           "candidate:1 1 udp 2122 192.0.2.1 5000 typ alien",
           "candidate:1 1 udp 2122 192.0.2.1 5000 type host",
           "candidate:1 1 udp 2122 192.0.2.1  5000 typ host",
           "candidate:1 1 udp 2122 192.0.2.1\t5000 typ host x"})
    EXPECT_EQ (is (bad), V::Refuse) << bad;
  EXPECT_EQ (
      guard_candidate ("candidate:1 1 udp 2122 192.0.2.1 5000 typ host " +
                       std::string (kMaxCandidateBytes, 'x')),
      V::Refuse);
}
